"""However the steps are run, the numbers are the same: looped on the device, one by one, with every batch seen, as plain Python."""

import contextlib
from unittest import mock

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.training import steps
from lamina.training.dispatch_tuner import DispatchTuner
from properties import examples

LAYERS = {
    "dense": lambda n: layers.Dense(n, activation="tanh"),
    "relu": lambda n: layers.Dense(n, activation="relu", kernel_regularizer="l2"),
    "normalised": lambda n: layers.BatchNormalization(momentum=0.9),
    "dropped": lambda n: layers.Dropout(0.3),
    "noisy": lambda n: layers.GaussianNoise(0.1),
}
OPTIMIZERS = {
    "sgd": lambda: lamina.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda: lamina.optimizers.Adam(0.01),
}


def run(parts, optimizer, samples, batch_size, way):
    lamina.clear_session()
    lamina.random.set_seed(5)
    model = lamina.Sequential([*(LAYERS[name](n) for name, n in parts), layers.Dense(2)])
    model.compile(OPTIMIZERS[optimizer](), "mse", metrics=["mae"], run_eagerly=way == "eager")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, 3)).astype("float32"), rng.normal(size=(samples, 2)).astype("float32")
    callbacks = [lamina.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)] if way == "seen" else None
    with mock.patch.object(steps, "new_tuner", _alone) if way == "alone" else contextlib.nullcontext():
        history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0, callbacks=callbacks).history
    return history, model.get_weights(), model.predict(x, batch_size=batch_size, verbose=0)


def _alone():
    tuner = DispatchTuner()
    tuner.alone = True
    return tuner


@examples(2)
@given(
    parts=st.lists(st.tuples(st.sampled_from(sorted(LAYERS)), st.integers(1, 5)), min_size=1, max_size=3),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    samples=st.integers(3, 40),
    batch_size=st.integers(2, 16),
)
def test_looped_equals_stepped_equals_eager(parts, optimizer, samples, batch_size):
    expected = run(parts, optimizer, samples, batch_size, "looped")
    for way in ("alone", "seen", "eager"):
        history, weights, outputs = run(parts, optimizer, samples, batch_size, way)
        for name, values in expected[0].items():
            np.testing.assert_allclose(history[name], values, rtol=1e-3, atol=1e-5, err_msg=f"{way} {name}")
        for a, b in zip(weights, expected[1], strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4, err_msg=way)
        np.testing.assert_allclose(outputs, expected[2], rtol=2e-2, atol=2e-3, err_msg=way)


def tuned(looped, alone, steps=4000):
    """Runs a made-up program, whose steps take so many seconds in the loop and alone; returns the tuner and the time in all."""
    tuner, total, first = DispatchTuner(), 0.0, set()
    while steps > 0:
        count = tuner.steps(steps)
        each = alone if tuner.alone else looped
        seconds = count * each + (0.0 if tuner.alone in first else 0.5)  # each way compiles once
        first.add(tuner.alone)
        tuner.took(count, seconds)
        steps, total = steps - count, total + seconds
    return tuner, total


def test_steps_that_are_faster_alone_are_run_alone_and_others_in_the_loop():
    slow_loop, seconds = tuned(looped=0.02, alone=0.005)
    assert slow_loop.alone and seconds < 4000 * 0.005 * 1.3
    slow_alone, seconds = tuned(looped=0.005, alone=0.02)
    assert not slow_alone.alone and seconds < 4000 * 0.005 * 1.2
    tiny, _ = tuned(looped=1e-5, alone=1e-6)
    assert not tiny.alone  # what a dispatch costs would drown what is gained


def test_a_dispatch_fills_about_a_tenth_of_a_second_or_holds_sixteen_long_steps():
    tuner = DispatchTuner()
    assert tuner.steps(1000) == 1
    tuner.took(1, 0.7)
    tuner.took(tuner.steps(1000), 0.001)
    assert 90 <= tuner.steps(1000) <= 110 and tuner.steps(7) == 7
    tuner.took(100, 1.0)
    assert tuner.steps(1000) == 16
    tuner.took(16, 16 * 0.125)
    assert tuner.steps(1000) == 8
    tuner.took(1, 1.5)
    assert tuner.steps(1000) == 1
