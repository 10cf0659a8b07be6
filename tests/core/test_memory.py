"""Memory stays level: nothing is kept of calls that are over and of layers that are gone."""

import collections
import contextlib
import gc
import resource
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.training import dispatch_tuner

X = np.ones((4, 3), "float32")


class Net(layers.Layer):
    """Takes all the ways through a layer's call: losses, metrics, masks, state, draws, training."""

    def __init__(self):
        super().__init__()
        self.dense, self.norm = layers.Dense(3, activity_regularizer="l2"), layers.BatchNormalization()
        self.drop, self.mask = layers.Dropout(0.5), layers.Masking()

    def call(self, x):
        x = self.drop(self.norm(self.dense(self.mask(x))))
        self.add_loss(jnp.sum(x))
        return x


def measured(run, times):
    """Returns by how many bytes of Python, objects, device arrays and MiB of the process `times` runs have grown."""
    for _ in range(200):
        run()
    gc.collect()
    tracemalloc.start()
    objects = collections.Counter(type(o).__name__ for o in gc.get_objects())
    arrays, before, peak = len(jax.live_arrays()), tracemalloc.get_traced_memory()[0], _peak()
    for _ in range(times):
        run()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    more = collections.Counter(type(o).__name__ for o in gc.get_objects()) - objects
    return grown, {name: n for name, n in more.items() if n > times / 20}, len(jax.live_arrays()) - arrays, _peak() - peak


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def assert_level(run, times):
    grown, objects, arrays, peak = measured(run, times)
    assert not objects
    assert grown < 300_000  # as little as a number kept of each of ten thousand calls, or half a layer of each of a thousand
    assert arrays < 20
    assert peak < 60


@pytest.mark.slow
def test_ten_thousand_eager_calls_leave_memory_level():
    layer, simple = Net(), layers.Dense(3)
    layer(X, training=True)
    runs = iter(range(10**9))

    def run():
        simple(X)
        if next(runs) % 20 == 0:
            layer(X, training=True)

    assert_level(run, 10_000)


@pytest.mark.slow
def test_ten_thousand_compiled_calls_leave_memory_level():
    layer = Net()
    step = lamina.jit(lambda x: layer(x, training=True))
    assert_level(lambda: step(X), 10_000)


@pytest.mark.slow
def test_a_thousand_layers_built_and_dropped_leave_memory_level():
    def run():
        layer = layers.Dense(3, kernel_regularizer="l2")
        layer.build((None, 3))
        net = lamina.Sequential([layer, layers.Dense(3), layers.BatchNormalization()])
        net.build((None, 3)) if next(runs) % 20 == 0 else None

    runs = iter(range(10**9))
    assert_level(run, 1000)


def test_failed_calls_leave_memory_level():
    layer = layers.Dense(3)
    layer(X)

    def run():
        with contextlib.suppress(ValueError):
            layer(np.ones((4, 5), "float32"))

    assert_level(run, 1000)


@pytest.mark.slow
def test_ten_thousand_predictions_and_a_thousand_fits_leave_memory_level(monkeypatch):
    x, y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")
    model = lamina.Sequential([layers.Dense(4), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    assert_level(lambda: model.predict(x[:1], verbose=0), 10_000)

    def fit():
        model.fit(x, y, verbose=0, validation_data=(x, y))

    monkeypatch.setattr(dispatch_tuner, "_SLOW_STEP", float("inf"))  # what is tried once, when steps are slow, is no leak
    assert_level(fit, 1000)
