"""Prediction: outputs of all samples in their order, whatever their number, nesting and batches; callbacks of all passes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers, ops
from lamina.training import pieces
from properties import examples


class Echo(lamina.Model):
    """Gives back what it is given, doubled, in a structure, and how large the batch was."""

    def call(self, x):
        return {"double": 2 * x, "sizes": [ops.full((x.shape[0],), x.shape[0])]}


ECHO = Echo()


@examples(25)
@given(samples=st.integers(1, 70), batch_size=st.integers(1, 9), steps=st.integers(1, 4))
def test_outputs_come_in_the_order_of_the_samples(samples, batch_size, steps):
    before, pieces._PIECE_STEPS = pieces._PIECE_STEPS, steps
    try:
        x = np.arange(samples, dtype="float32")
        found = ECHO.predict(x, batch_size=batch_size, verbose=0)
    finally:
        pieces._PIECE_STEPS = before
    np.testing.assert_array_equal(found["double"], 2 * x)
    rest = samples % batch_size
    expected = [batch_size] * (samples - rest) + [rest] * rest
    np.testing.assert_array_equal(found["sizes"][0], expected)


def test_data_of_many_lengths_share_few_programs():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    with lamina.watch() as story:
        for samples in range(64, 640, 32):
            assert model.predict(np.ones((samples, 3), "float32"), verbose=0).shape == (samples, 2)
    assert 1 <= len([event for event in story.of("compile") if event.name.startswith("predict_step")]) <= 6


def test_a_model_may_predict_before_it_is_compiled_and_after_it_has_learned():
    x = np.ones((5, 3), "float32")
    model = lamina.Sequential([layers.Dense(1)])
    before = model.predict(x, verbose=0)
    model.compile(lamina.optimizers.SGD(0.1), "mse")
    model.fit(x, np.full((5, 1), 9.0), verbose=0)
    after = model.predict(x, verbose=0)
    assert np.abs(after - before).max() > 0.1
    assert_close(after, model(x), rtol=1e-6)


def test_predict_step_may_be_overridden_and_gives_what_it_likes():
    class Ranks(lamina.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def call(self, x):
            return self.dense(x)

        def predict_step(self, data):
            scores = super().predict_step(data)
            return ops.argmax(scores, axis=-1), scores

    x = np.random.default_rng(0).normal(size=(11, 3)).astype("float32")
    ranks, scores = Ranks().predict(x, batch_size=4, verbose=0)
    np.testing.assert_array_equal(ranks, scores.argmax(-1))


def hooks(callback_log):
    names = [
        name for name in dir(lamina.callbacks.Callback) if name.startswith("on_") and name not in ("on_batch_begin", "on_batch_end")
    ]
    return lamina.callbacks.LambdaCallback(
        **{name: lambda *a, name=name: callback_log.append((name, a[0] if len(a) > 1 else None)) for name in names}
    )


@pytest.mark.parametrize("eagerly", [False, True])
def test_every_hook_is_called_in_order(eagerly):
    x, y = np.ones((5, 2), "float32"), np.ones((5, 1), "float32")
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=eagerly)
    log = []
    model.fit(x, y, batch_size=4, verbose=0, validation_data=(x[:2], y[:2]), callbacks=[hooks(log)])
    batch = [("on_train_batch_begin", 0), ("on_train_batch_end", 0), ("on_train_batch_begin", 1), ("on_train_batch_end", 1)]
    test = [("on_test_begin", None), ("on_test_batch_begin", 0), ("on_test_batch_end", 0), ("on_test_end", None)]
    assert log == [("on_train_begin", None), ("on_epoch_begin", 0), *batch, *test, ("on_epoch_end", 0), ("on_train_end", None)]
    log.clear()
    model.evaluate(x[:2], y[:2], verbose=0, callbacks=[hooks(log)])
    assert log == test
    log.clear()
    model.predict(x, batch_size=4, verbose=0, callbacks=[hooks(log)])
    steps = [(f"on_predict_batch_{when}", i) for i in (0, 1) for when in ("begin", "end")]
    assert log == [("on_predict_begin", None), *steps, ("on_predict_end", None)]


def test_a_dynamic_layer_runs_as_plain_python_on_numbers():
    class Halve(layers.Layer):
        def __init__(self):
            super().__init__(dynamic=True)
            self.seen = []

        def call(self, x):
            steps = 0
            while float(ops.max(ops.abs(x))) > 1:
                x, steps = x / 2, steps + 1
            self.seen.append(steps)
            return x

    halve = Halve()
    model = lamina.Sequential([halve, layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.array([[8.0], [1.0], [30.0]], "float32")
    model.fit(x, x, batch_size=1, shuffle=False, verbose=0)
    assert halve.seen[-3:] == [3, 0, 5]
    assert model.evaluate(x, x, verbose=0) > 0 and model.predict(x, verbose=0).shape == (3, 1)


def test_what_is_asked_of_a_pass_is_checked():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(1)])
    with pytest.raises(RuntimeError, match="compile"):
        model.evaluate(np.ones((4, 3)), np.ones((4, 1)))
    with pytest.raises(ValueError, match="3"):
        model.predict(np.ones((4, 2), "float32"), verbose=0)
    with pytest.raises(TypeError, match="Callback"):
        model.predict(np.ones((4, 3)), callbacks=[print], verbose=0)
    with pytest.raises(ValueError, match="no batches"):
        model.predict(iter(()), verbose=0)
