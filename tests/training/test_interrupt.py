"""Ctrl-C and exceptions: whenever they come, the state is that after a whole step."""

import os
import signal
import threading

import numpy as np
import pytest

import lamina
from lamina import layers, ops
from lamina.core.context import context


@pytest.fixture(autouse=True)
def answering_to_ctrl_c():
    """A process that was started in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Twins(lamina.Model):
    """Two weights that every step raises by one, in two separate assignments."""

    def __init__(self):
        super().__init__()
        self.first = lamina.Variable(np.zeros(1000, "float32"), name="first")
        self.second = lamina.Variable(np.zeros(1000, "float32"), name="second")
        self.steps = lamina.Variable(0, trainable=False, name="steps")

    def call(self, x):
        return x

    def train_step(self, batch):
        self.first.assign_add(ops.ones(1000))
        self.second.assign_add(ops.ones(1000))
        self.steps.assign_add(1)
        return {"steps": ops.cast(self.steps.value, "float32")}


@pytest.mark.parametrize("eagerly", [False, True])
def test_ctrl_c_at_any_moment_leaves_the_state_of_a_finished_step(eagerly):
    model = Twins()
    model.compile(run_eagerly=eagerly)
    x = np.ones((64, 1), "float32")
    model.fit(x, batch_size=1, verbose=0)
    rng = np.random.default_rng(0)
    for _ in range(15):
        timer = threading.Timer(rng.uniform(0.001, 0.1), lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            timer.start()
            model.fit(x, batch_size=1, epochs=100_000, verbose=0)
        timer.join()
        steps = int(model.steps.numpy())
        for variable in (model.first, model.second):
            np.testing.assert_array_equal(variable.numpy(), float(steps))
    before = int(model.steps.numpy())
    model.fit(x, batch_size=1, verbose=0)
    assert int(model.steps.numpy()) == before + 64


@pytest.mark.parametrize("eagerly", [False, True])
@pytest.mark.parametrize(
    "hook", ["on_train_batch_begin", "on_train_batch_end", "on_epoch_begin", "on_epoch_end", "on_test_batch_end"]
)
def test_an_exception_in_a_callback_leaves_the_state_of_the_last_finished_step(hook, eagerly):
    def fail(*_):
        raise RuntimeError("on purpose")

    x, y = np.ones((12, 2), "float32"), np.ones((12, 1), "float32")
    model = lamina.Sequential([layers.Dense(1)])
    model.compile("adam", "mse", run_eagerly=eagerly)
    failing = lamina.callbacks.LambdaCallback(**{hook: fail})
    with pytest.raises(RuntimeError, match="on purpose"):
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_data=(x, y), callbacks=[failing])
    done = {"on_train_batch_begin": 0, "on_train_batch_end": 1, "on_epoch_begin": 0}.get(hook, 3)
    assert int(model.optimizer.iterations.numpy()) == done
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    model.fit(x, y, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == done + 3


def test_an_eager_step_that_fails_changes_nothing():
    class Fails(Twins):
        def train_step(self, batch):
            super().train_step(batch)
            raise RuntimeError("on purpose")

    model = Fails()
    model.compile(run_eagerly=True)
    with pytest.raises(RuntimeError, match="on purpose"):
        model.fit(np.ones((2, 1)), verbose=0)
    assert int(model.steps.numpy()) == 0 and model.first.numpy().max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("eagerly", [False, True])
def test_five_thousand_times_ctrl_c(eagerly):
    """Each, at a random moment, leaves the state of a finished step, and the model goes on from there."""
    model = Twins()
    model.compile(run_eagerly=eagerly)
    x = np.ones((64, 1), "float32")
    model.fit(x, batch_size=1, verbose=0)
    random = np.random.default_rng(0)
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for _ in range(5000):
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.02))
                model.fit(x, batch_size=1, epochs=100_000, verbose=0)
            steps = int(model.steps.numpy())
            assert (model.first.numpy() == steps).all() and (model.second.numpy() == steps).all()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert context.frames == []


@pytest.mark.slow
@pytest.mark.parametrize("eagerly", [False, True])
def test_five_thousand_exceptions_in_what_training_calls(eagerly):
    """Each comes from a random place: a callback, the data, or (where it is plain Python) the step itself."""

    class Sudden(Exception):
        pass

    class Countdown:
        def __init__(self, left):
            self.left = left

        def __call__(self, *_):
            self.left -= 1
            if self.left == 0:
                raise Sudden

    class Fails(Twins):
        def train_step(self, batch):
            if eagerly:
                self.tick()
            logs = super().train_step(batch)
            if eagerly:
                self.tick()
            return logs

    def batches(tick):
        while True:
            tick()
            yield np.ones((1, 1), "float32")

    hooks = ("on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end")
    model = Fails()
    model.compile(run_eagerly=eagerly)
    random = np.random.default_rng(0)
    for _ in range(5000):
        model.tick = tick = Countdown(int(random.integers(1, 20)))
        callback = lamina.callbacks.LambdaCallback(**dict.fromkeys(hooks, tick))
        with pytest.raises(Sudden):
            model.fit(batches(tick), steps_per_epoch=3, epochs=100, verbose=0, callbacks=[callback])
        steps = int(model.steps.numpy())
        assert (model.first.numpy() == steps).all() and (model.second.numpy() == steps).all()
    assert context.frames == []
