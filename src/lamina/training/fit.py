"""Passes over data: fitting, evaluating and predicting with any object that has variables and steps."""

from collections.abc import Callable, Container
from typing import Any, Protocol

import jax
import numpy as np

from lamina.callbacks.callback import CallbackList
from lamina.callbacks.history import History
from lamina.core.errors import warn
from lamina.training.feed import Feed
from lamina.training.predict import joined
from lamina.training.progress import Silent, reporter

Logs = dict[str, Any]


class Trainable(Protocol):
    """What can be trained: loops that run its steps, and metrics that are reset before each pass."""

    stop_training: bool

    def reset_metrics(self) -> None:
        """Forgets what the metrics have seen."""

    def finish_training(self) -> None:
        """Ends a run of training."""

    def loop(self, kind: str) -> Any:
        """Returns the loop for a kind of step: "train" or "test"."""
        ...


class _Watch:
    """Shows a pass and calls the callbacks' hooks of batches, where there are any.

    Args:
        model: whose `stop_training` ends a pass of training.
        kind: "train", "test" or "predict".
        callbacks: who may want to see each batch.
        report: what shows progress.
    """

    def __init__(self, model: Trainable, kind: str, callbacks: CallbackList, report: Silent) -> None:
        self.every = callbacks.sees_batches(kind)
        self._some = callbacks.seeing_some(kind)
        self._model = model if kind == "train" else None
        self._begin = getattr(callbacks, f"on_{kind}_batch_begin")
        self._end = getattr(callbacks, f"on_{kind}_batch_end")
        self._numbers = numbers if kind != "predict" else dict
        self._report = report

    @property
    def stopped(self) -> bool:
        """Whether a callback has asked to stop."""
        return self._model is not None and self._model.stop_training

    def ahead(self) -> int | None:
        """Returns how many steps may run until one is to be seen, or None for no end."""
        if self.every:
            return 1
        return min((wait for callback in self._some if (wait := callback._until_batch()) is not None), default=None)

    def begin(self, step: int) -> None:
        """A step begins."""
        self._begin(step, {})

    def end(self, done: int, logs: Any) -> None:
        """So many steps are done."""
        self._report.update(done, logs)
        if self.every or self._some:
            self._end(done - 1, self._numbers(logs))


def fit(
    model: Trainable,
    feed: Feed,
    *,
    epochs: range,
    callbacks: CallbackList,
    verbose: Any,
    validate: Callable[[CallbackList], Logs] | None = None,
    validation_epochs: Container[int] = (),
) -> History:
    """Runs the model's train step over the data, epoch after epoch.

    Args:
        model: what is trained.
        feed: the data.
        epochs: the epochs' numbers.
        callbacks: what is called meanwhile.
        verbose: see `reporter`.
        validate: evaluates the model and returns its logs.
        validation_epochs: after which epochs to do so.
    """
    report, history = reporter(verbose), History()
    callbacks = CallbackList([callbacks, history])
    watch = _Watch(model, "train", callbacks, report)
    model.stop_training = False
    callbacks.set_model(model)
    callbacks.set_params({"epochs": epochs.stop, "steps": feed.steps, "verbose": verbose, "shown": True})
    callbacks.on_train_begin({})
    logs: Logs = {}
    asked = feed.steps
    for epoch in epochs:
        callbacks.on_epoch_begin(epoch, {})
        model.reset_metrics()
        with report.shown(f"Epoch {epoch + 1}/{epochs.stop}", asked):
            last, done = model.loop("train").run(feed.epoch(), watch)
            if done:
                held_out: Logs = {}
                if validate is not None and epoch in validation_epochs:
                    report.validates()
                    held_out = {f"val_{name}": value for name, value in validate(callbacks).items()}
                logs = numbers(last) | held_out  # the last logs are read last: until then the device may be at work
                report.finish(logs)
        if done:
            callbacks.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
        if not done or (asked is not None and done < asked):
            wanted = "another pass" if asked is None else f"{asked} batches"
            warn(
                f"Epoch {epoch + 1} asked for {wanted}, but the data ended after {done}. Training ends here; what was "
                "learned stays. A generator has to give steps_per_epoch batches for each epoch."
            )
            break
        asked = done
    model.finish_training()
    callbacks.on_train_end(logs)
    return history


def evaluate(model: Trainable, feed: Feed, *, callbacks: CallbackList, verbose: Any) -> Logs:
    """Runs the model's test step over the data and returns its logs."""
    report = reporter(verbose)
    callbacks.on_test_begin({})
    model.reset_metrics()
    with report.shown("Evaluate", feed.steps):
        last, done = model.loop("test").run(feed.epoch(), _Watch(model, "test", callbacks, report))
        if not done:
            raise ValueError("The data to evaluate on have no batches left. A generator that is at its end has to be made anew.")
        logs = numbers(last)
        report.finish(logs)
    if feed.steps is not None and done < feed.steps:
        warn(f"{feed.steps} batches were asked for, but the data ended after {done}; the values are those of these {done}.")
    callbacks.on_test_end(logs)
    return logs


def numbers(logs: Any) -> Logs:
    """Returns a step's logs as Python numbers, and those of a metric that has several values as arrays."""
    values = jax.device_get(list(logs.values()))
    return {name: np.asarray(value) if np.ndim(value) else float(value) for name, value in zip(logs, values, strict=True)}


def predict(model: Trainable, blocks: Any, steps: int | None, *, callbacks: CallbackList, verbose: Any) -> Any:
    """Returns the outputs of the model's predict step for all samples, as NumPy arrays."""
    report = reporter(verbose)
    callbacks.on_predict_begin({})
    with report.shown("Predict", steps):
        parts, done = model.loop("predict").run(blocks, _Watch(model, "predict", callbacks, report))
        if not done:
            raise ValueError("The data to predict for have no batches left. A generator that is at its end has to be made anew.")
        report.finish({})
    callbacks.on_predict_end({})
    return joined(parts)
