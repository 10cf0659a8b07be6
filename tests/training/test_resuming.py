"""A run that is taken up from its state, in a new process, is the run that went on, bit for bit."""

import contextlib
import functools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.npz import read_npz

SCRIPT = Path(__file__).with_name("run_of_training.py")
STEPS = 5  # of an epoch


def run(kind, stop_after, taken_up, written):
    command = [sys.executable, str(SCRIPT), kind, str(stop_after), str(taken_up), str(written)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return read_npz(written)


@functools.cache
def that_went_on(kind):
    with tempfile.TemporaryDirectory() as folder:
        return run(kind, 0, "", Path(folder, "whole.npz"))


def check(kind, stop_after):
    with tempfile.TemporaryDirectory() as folder:
        run(kind, stop_after, "", Path(folder, "state.npz"))
        found = run(kind, 0, Path(folder, "state.npz"), Path(folder, "end.npz"))
    whole = that_went_on(kind)
    assert list(found) == list(whole)
    np.testing.assert_equal(found, whole)
    assert len(whole["history/loss"]) >= 3


class StopAfter(lamina.callbacks.Callback):
    """Keeps the state after a step, and ends the run as an error would."""

    def __init__(self, step):
        super().__init__()
        self.left, self.states = step, []

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.states.append(lamina.state_of(self.model))
            raise InterruptedError


def test_a_run_that_is_taken_up_is_the_one_that_went_on():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 3)).astype("float32"), random.normal(size=(60, 1)).astype("float32")

    def made():
        lamina.random.set_seed(5)
        model = lamina.Sequential([lamina.Input((3,)), layers.Dropout(0.3), layers.BatchNormalization(), layers.Dense(1)])
        model.compile(lamina.optimizers.Adam(0.02), "mse", metrics=["mae"])
        return model

    def trained(model, stop=0):
        watching = [lamina.callbacks.ReduceLROnPlateau("loss", patience=1), lamina.callbacks.EarlyStopping("loss", patience=2)]
        stopping = StopAfter(stop)
        with contextlib.suppress(InterruptedError):
            model.fit(x, y, batch_size=16, epochs=5, validation_split=0.2, verbose=0, callbacks=[*watching, stopping])
        return stopping.states

    whole = made()
    trained(whole)
    for step in (1, 3, 7):
        (state,) = trained(made(), step)
        resumed = made()
        lamina.random.set_seed(99)
        lamina.set_state(resumed, state)
        trained(resumed)
        np.testing.assert_equal(lamina.state_of(resumed), lamina.state_of(whole))
        assert resumed.history.history == whole.history.history


def simple(metric=None):
    lamina.random.set_seed(5)
    model = lamina.Sequential([lamina.Input((2,)), layers.Dense(2, "sigmoid")])
    model.compile(lamina.optimizers.SGD(0.5), "mse", metrics=[] if metric is None else [metric])
    return model


@pytest.mark.parametrize(
    "hook, place", [("on_epoch_begin", 1), ("on_epoch_end", 0), ("on_epoch_end", 2), ("on_test_end", 1), ("on_train_end", 2)]
)
def test_a_state_that_a_callback_takes_in_any_hook_is_one_after_it(hook, place):
    seen, states, x, y = [], [], np.eye(2, dtype="float32"), np.ones((2, 2), "float32")

    class See(lamina.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(("begin", epoch))

        def on_epoch_end(self, epoch, logs=None):
            seen.append(("end", epoch))

    def take(epoch=1, logs=None):
        if epoch == 1 or not isinstance(epoch, int):
            states.append((lamina.state_of(model), len(seen)))

    def trained(model, **hooks):
        watching = [See(), lamina.callbacks.EarlyStopping("val_loss", patience=1, min_delta=1.0)]
        watching.insert(place, lamina.callbacks.LambdaCallback(**hooks))
        model.fit(x, y, validation_data=(x, y), epochs=4, verbose=0, callbacks=watching)
        return lamina.state_of(model), model.history.history, seen.copy()

    model = simple()
    whole = trained(model, **{hook: lambda epoch, logs=None: take(epoch) if hook != "on_test_end" else take()})
    state, done = states[-1]
    del seen[done:]
    other = simple()
    lamina.set_state(other, state)
    nothing = {hook: lambda *_: None}
    np.testing.assert_equal(trained(other, **nothing)[:2], whole[:2])
    assert [event for event in seen if event[0] == "end"] == [event for event in whole[2] if event[0] == "end"]


def test_metrics_that_are_made_with_the_first_batch_are_taken_up_too():
    x, y = np.eye(2, dtype="float32"), np.eye(2, dtype="float32")
    states = []
    keep = lamina.callbacks.LambdaCallback(on_train_batch_end=lambda *_: states.append(lamina.state_of(model)))
    model = simple(lamina.metrics.F1Score(threshold=0.5))
    model.fit(x, y, batch_size=1, epochs=2, verbose=0, callbacks=[keep])
    other = simple(lamina.metrics.F1Score(threshold=0.5))
    lamina.set_state(other, states[2])
    other.fit(x, y, batch_size=1, epochs=2, verbose=0, callbacks=[lamina.callbacks.LambdaCallback()])
    np.testing.assert_equal(lamina.state_of(other), lamina.state_of(model))


def test_a_state_is_not_changed_by_who_takes_it_up_and_another_one_takes_its_place():
    x, y = np.eye(2, dtype="float32"), np.ones((2, 2), "float32")
    states = []
    model = simple()
    keep = lamina.callbacks.LambdaCallback(on_train_batch_end=lambda *_: states.append(lamina.state_of(model)))
    model.fit(x, y, epochs=3, verbose=0, callbacks=[keep])
    before = {key: np.copy(value) if isinstance(value, np.ndarray) else value for key, value in states[0].items()}
    other = simple()
    lamina.set_state(other, states[0])
    states[0]["variables/dense/kernel"][:] = 7  # the caller's, who may do so
    lamina.set_state(other, lamina.state_of(model))  # instead of that of the run
    other.fit(x, y, epochs=1, verbose=0)
    assert other.optimizer.iterations == 4
    lamina.set_state(other, before)
    other.fit(x, y, epochs=3, verbose=0, callbacks=[lamina.callbacks.LambdaCallback()])
    np.testing.assert_equal(other.get_weights(), model.get_weights())


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update({"variables/dense/kernel": np.ones((9, 9), "float32")}),
        lambda state: state.pop("variables/dense/kernel"),
        lambda state: state.update({"variables/other/kernel": np.ones(2)}),
    ],
)
def test_a_state_that_is_refused_builds_no_optimizer(change):
    model, other = simple(), simple()
    model.fit(np.eye(2), np.ones((2, 2)), verbose=0)
    state = lamina.state_of(model)
    change(state)
    with pytest.raises(ValueError, match="Nothing was changed"):
        lamina.set_state(other, state)
    assert not other.optimizer.built


def test_the_state_of_a_model_has_nothing_of_layers_that_have_left_it():
    model = lamina.Sequential([lamina.Input((2,)), layers.Dense(2), layers.Dense(2, name="old")])
    model.compile("adam", "mse")
    model.fit(np.eye(2), np.ones((2, 2)), verbose=0)
    model.pop()
    model.add(layers.Dense(2, name="new"))
    model.fit(np.eye(2), np.ones((2, 2)), verbose=0)
    other = lamina.Sequential([lamina.Input((2,)), layers.Dense(2), layers.Dense(2, name="new")])
    other.compile("adam", "mse")
    lamina.set_state(other, lamina.state_of(model))
    np.testing.assert_equal(lamina.state_of(other), lamina.state_of(model))


@pytest.mark.slow
def test_a_run_that_is_taken_up_in_a_new_process_is_the_one_that_went_on():
    check("arrays", 13)


@pytest.mark.loaders
def test_a_run_on_a_grain_loader():
    check("grain", 13)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["arrays", "PyDataset", "generator"])
@settings(max_examples=12, deadline=None, database=None)
@given(stop_after=st.integers(1, 3 * STEPS))
def test_it_may_be_taken_up_at_any_batch(kind, stop_after):
    check(kind, stop_after)


@pytest.mark.loaders
@settings(max_examples=4, deadline=None, database=None)
@given(stop_after=st.integers(1, 3 * STEPS))
def test_a_run_on_a_grain_loader_may_be_taken_up_at_any_batch(stop_after):
    check("grain", stop_after)
