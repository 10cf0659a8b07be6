"""LearningRateScheduler and ReduceLROnPlateau set the rates that Keras's do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from callbacks.twins import LIBRARIES, line, replay, train
from comparing import assert_close
from lamina.callbacks import LearningRateScheduler, ReduceLROnPlateau
from properties import examples

quarters = st.integers(-8, 8).map(lambda n: n / 4)


@examples(40)
@given(
    st.lists(quarters, min_size=1, max_size=10),
    st.fixed_dictionaries(
        {
            "factor": st.sampled_from([0.5, 0.1, 0.0]),
            "patience": st.integers(0, 2),
            "mode": st.sampled_from(["auto", "max"]),
            "min_delta": st.sampled_from([0, 0.25]),
            "cooldown": st.integers(0, 2),
            "min_lr": st.sampled_from([0.0, 0.3]),
        }
    ),
)
def test_reduce_equals_keras_for_any_course_of_the_loss(values, arguments):
    reducers = [library.callbacks.ReduceLROnPlateau(**arguments) for library in LIBRARIES]
    (_, _, rates), (_, _, expected) = map(replay, LIBRARIES, reducers, [values] * 2)
    assert rates == expected
    for name in ("best", "wait", "cooldown_counter"):
        assert getattr(reducers[0], name) == getattr(reducers[1], name), name


def test_training_equals_keras_and_the_rates_are_logged():
    logged = {}

    def callbacks(of):
        rates = logged[of.__name__.split(".")[0]] = []
        return [
            of.LearningRateScheduler(lambda epoch, rate: 0.05 if epoch == 0 else rate * 0.9 if rate > 0.002 else rate),
            of.ReduceLROnPlateau("val_loss", factor=0.5, patience=1, min_delta=0.0, min_lr=1e-3),
            of.LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(logs["learning_rate"])),
        ]

    (ours, history), (theirs, expected) = (train(library, callbacks) for library in LIBRARIES)
    np.testing.assert_allclose(logged["lamina"], logged["keras"], rtol=1e-6)
    assert logged["lamina"][-1] == np.float32(1e-3)
    assert_close(history.history["val_loss"], expected.history["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(ours.get_weights()[0], theirs.get_weights()[0], rtol=1e-4, atol=1e-6)


def test_they_say_what_they_do(capsys):
    replay(lamina, LearningRateScheduler(lambda epoch: 0.5, verbose=1), [1.0])
    replay(lamina, ReduceLROnPlateau(patience=1, verbose=1), [1.0, 1.0])
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 1: the learning rate is 0.5.",
        "Epoch 2: val_loss has stopped improving; the learning rate goes from 1 to 0.1.",
    ]


@pytest.mark.parametrize("rate", [2, np.float32(2), np.array(2.0), lamina.ops.exp(np.float32(0.0)) * 2])
def test_a_schedule_may_return_any_number(rate):
    model, _, rates = replay(lamina, LearningRateScheduler(lambda epoch, old: rate), [1.0])
    assert rates == [2.0] and float(model.optimizer.learning_rate) == 2.0


@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, None, "fast", True, [0.1]])
def test_what_is_no_rate_is_refused_before_it_is_set(rate):
    schedule = LearningRateScheduler(lambda epoch, old: rate)
    schedule.set_model(model := line(lamina, rate=0.25))
    with pytest.raises(ValueError, match="schedule of LearningRateScheduler returned for epoch 3 is"):
        schedule.on_epoch_begin(3)
    assert float(model.optimizer.learning_rate) == 0.25


def test_what_cannot_be_a_schedule_is_refused():
    for schedule in (0.1, lambda: 0.1, lambda a, b, c: 0.1):
        with pytest.raises(TypeError, match="schedule of LearningRateScheduler"):
            LearningRateScheduler(schedule)


def test_an_error_in_a_schedule_is_not_taken_for_another_signature():
    schedule = LearningRateScheduler(lambda epoch, rate: rate + "x")
    schedule.set_model(line(lamina))
    with pytest.raises(TypeError, match="unsupported operand"):
        schedule.on_epoch_begin(0)


def test_a_model_without_an_optimizer_is_refused():
    schedule = LearningRateScheduler(lambda epoch, rate: rate)
    schedule.set_model(lamina.Sequential([lamina.layers.Dense(1)]))
    with pytest.raises(RuntimeError, match="LearningRateScheduler needs a model whose optimizer"):
        schedule.on_epoch_begin(0)


def test_each_of_several_optimizers_is_slowed_down_as_in_keras():
    found = []
    for library in LIBRARIES:
        several = library.optimizers
        model = line(library)
        chosen = several.OptimizerMap(several.SGD(0.5, name="one"), {".*bias": several.SGD(0.2, name="other")})
        model.compile(several.MultiOptimizer(chosen), "mse")
        model.train_on_batch(np.ones((2, 8)), np.ones((2, 1)))
        callback = library.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_lr=0.15)
        callback.set_model(model)
        callback.on_train_begin()
        courses = [{"val_loss": 1.0} for _ in range(4)]
        for epoch, logs in enumerate(courses):
            callback.on_epoch_end(epoch, logs)
        rates = {one.name: float(one.learning_rate) for one in model.optimizer.optimizers}
        found.append([sorted(logs.items()) for logs in courses] + [sorted(rates.items())])
    assert found[0] == found[1]
