"""Ctrl-C and exceptions: whenever they come, the state is that after a whole step."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import lamina
from lamina import layers, ops
from lamina.training.interrupt import uninterrupted


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


def test_ctrl_c_is_held_back_once_and_comes_when_the_block_is_done():
    finished = []

    def interrupted(times, seconds):
        with uninterrupted():
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(seconds)
            finished.append(times)

    with pytest.raises(KeyboardInterrupt):
        interrupted(1, 0.01)
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, 10.0)
    assert finished == [1] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
