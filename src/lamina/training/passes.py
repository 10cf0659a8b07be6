"""Passes over data: training, evaluation and prediction, step after step."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from lamina.callbacks.callback_list import CallbackList
from lamina.callbacks.history import History
from lamina.core.context import context
from lamina.core.errors import warn
from lamina.core.frame import Cell, Frame, Transaction, commit
from lamina.core.interrupt import interruptible
from lamina.training.data import Data
from lamina.training.feed import Feed, pieces
from lamina.training.in_flight import InFlight
from lamina.training.progress import Silent, reporter
from lamina.training.results import AllOutputs, LastLogs, numbers
from lamina.training.run import Position, Run, run_of
from lamina.training.steps import Steps

Logs = dict[str, Any]


class PassObserver:
    """Shows a pass and calls the callbacks' hooks of batches, where there are any.

    Args:
        kind: "train", "test" or "predict".
        callbacks: who may want to see each batch.
        report: what shows progress.
        run: the run of training that the pass belongs to, and its epoch.
        stops: tells whether the pass is to end.
        done: how many steps it has had before.
    """

    def __init__(
        self,
        kind: str,
        callbacks: CallbackList,
        report: Silent,
        run: tuple[Run, int] | None = None,
        stops: Callable[[], bool] = lambda: False,
        done: int = 0,
    ) -> None:
        self._every = callbacks._sees_batches(kind)
        self._some = callbacks._seeing_some(kind)
        self._begin = getattr(callbacks, f"on_{kind}_batch_begin")
        self._end = getattr(callbacks, f"on_{kind}_batch_end")
        self._numbers = numbers if kind != "predict" else dict
        self._report = report
        self._run = run
        self._stops = stops
        self._before = done

    @property
    def stopped(self) -> bool:
        """Whether the pass is to end here."""
        return self._stops()

    def ahead(self) -> int | None:
        """Returns how many steps may run until one is to be seen, or None for no end."""
        if self._every:
            return 1
        return min((wait for callback in self._some if (wait := callback._until_batch()) is not None), default=None)

    def begin(self, step: int) -> None:
        """A step begins."""
        self._begin(self._before + step, {})

    def progress(self, done: int) -> dict[Cell, Any]:
        """Returns where the run stands once `done` steps of the pass are done."""
        if self._run is None:
            return {}
        run, epoch = self._run
        return {run.position: Position(epoch, self._before + done)}

    def end(self, done: int, logs: Any) -> None:
        """So many steps are done."""
        if self._run is not None:
            self._run[0].logs = logs
        self._report.update(self._before + done, logs)
        if self._every or self._some:
            self._end(self._before + done - 1, self._numbers(logs))


# --- training --------------------------------------------------------------------------------------------------------


def fit(
    model: Any,
    run: Run,
    feed: Feed,
    steps: Callable[[], Steps],
    *,
    verbose: Any,
    validate: Callable[[CallbackList], Logs] | None = None,
    validation_epochs: Collection[int] = (),
    resume: Callable[[], int] = lambda: 0,
) -> History:
    """Runs the model's train step over the data, epoch after epoch.

    Args:
        model: what is trained.
        run: the run.
        feed: its data.
        steps: returns what runs the steps.
        verbose: see `reporter`.
        validate: evaluates the model and returns its logs.
        validation_epochs: after which epochs to do so.
        resume: puts everything where another run was; returns how many steps of the first epoch are done.
    """
    report, history = reporter(verbose), History()
    callbacks = run.callbacks = CallbackList([run.callbacks, history])
    model.history = history
    callbacks.set_model(model)
    callbacks.set_params({"epochs": run.epochs.stop, "steps": feed.steps, "verbose": verbose, "shown": True})
    callbacks.on_train_begin({})
    done_before, logs, asked = resume(), {}, feed.steps
    for epoch in range(run.position._read().epoch, run.epochs.stop):
        if not done_before:
            run.position._write(Position(epoch, 0))
            callbacks.on_epoch_begin(epoch, {})
            model.reset_metrics()
        watch = PassObserver("train", callbacks, report, (run, epoch), lambda: model.stop_training, done_before)
        with report.shown(f"Epoch {epoch + 1}/{run.epochs.stop}", asked), InFlight() as flight:
            results = LastLogs()
            results.value = run.logs if done_before else {}
            done = done_before + steps().run(feed.epoch(done_before), watch, results, flight)
            ended = run.position._read().ended
            if ended is not None:  # where another run was
                logs = dict(run.logs)
            elif done:
                held_out: Logs = {}
                if validate is not None and epoch in validation_epochs:
                    report.validates()
                    held_out = {f"val_{name}": value for name, value in validate(callbacks).items()}
                logs = run.logs = numbers(results.value) | held_out  # read last: until then the device may be at work
                report.finish(logs)
        if done:
            _end_epoch(run, Position(epoch, done, ended or 0), logs)
        if model.stop_training:
            break
        if not done or (asked is not None and done < asked):
            wanted = "another pass" if asked is None else f"{asked} batches"
            warn(
                f"Epoch {epoch + 1} asked for {wanted}, but the data ended after {done}. Training ends here; what was "
                "learned stays. A generator has to give steps_per_epoch batches for each epoch."
            )
            break
        asked, done_before = done, 0
    if model.optimizer is not None:
        model.optimizer.finalize_variable_values(model.trainable_weights)
    callbacks.on_train_end(logs)
    return history


def _end_epoch(run: Run, position: Position, logs: Logs) -> None:
    """Tells those callbacks of an epoch's end that have not been told yet."""
    assert position.ended is not None
    for number, callback in enumerate(run.callbacks):
        if number >= position.ended:
            run.position._write(position._replace(ended=number + 1))  # a state that this one takes is that after it
            with interruptible():
                callback.on_epoch_end(position.epoch, logs)


# --- evaluation and prediction ---------------------------------------------------------------------------------------


def evaluate(model: Any, feed: Feed, steps: Callable[[], Steps], *, callbacks: CallbackList, verbose: Any) -> Logs:
    """Runs the model's test step over the data and returns its logs."""
    report = reporter(verbose)
    with metrics_apart(model):
        callbacks.on_test_begin({})
        with report.shown("Evaluate", feed.steps), InFlight() as flight:
            results = LastLogs()
            done = steps().run(feed.epoch(), PassObserver("test", callbacks, report), results, flight)
            if not done:
                raise ValueError(
                    "The data to evaluate on have no batches left. A generator that is at its end has to be made anew."
                )
            logs = numbers(results.value)
            report.finish(logs)
        if feed.steps is not None and done < feed.steps:
            warn(f"{feed.steps} batches were asked for, but the data ended after {done}; the values are those of these {done}.")
        callbacks.on_test_end(logs)
    return logs


@contextlib.contextmanager
def metrics_apart(model: Any) -> Iterator[None]:
    """A block in which the model's metrics begin anew, and all state is seen as it is now, whoever trains the model meanwhile.

    At the end the metrics keep what they have seen, unless the model is being trained: then they go on with what that has.
    """
    with Frame() as frame:
        model.reset_metrics()
        yield
    values = {cell: frame.values[cell] for cell in frame.written}
    values = {cell: value for cell, value in values.items() if value is not frame.before.get(cell, cell._value)}
    if run_of(model) is not None:
        apart = {id(variable) for metric in model.metrics for variable in metric.variables}
        values = {cell: value for cell, value in values.items() if id(cell) not in apart}
    if context.frames:  # in an evaluation of something else
        for cell, value in values.items():
            cell._write(value)
    else:
        commit(values)


def _one_state() -> contextlib.AbstractContextManager[Any]:
    """Returns a block in which all state is seen as it is now, whoever trains the model meanwhile."""
    return contextlib.nullcontext() if context.frames else Transaction(exclusive=False)


def predict(data: Data, count: int | None, steps: Callable[[], Steps], *, callbacks: CallbackList, verbose: Any) -> Any:
    """Returns the outputs of the model's predict step for all samples, as NumPy arrays.

    Args:
        data: the samples.
        count: how many batches to take at most; None for all.
        steps: returns what runs the steps.
        callbacks: what is called meanwhile.
        verbose: see `reporter`.
    """
    report, results = reporter(verbose), AllOutputs()
    with _one_state():
        callbacks.on_predict_begin({})
        with report.shown("Predict", count or data.steps), InFlight() as flight:
            if not steps().run(pieces(data, count), PassObserver("predict", callbacks, report), results, flight):
                raise ValueError(
                    "The data to predict for have no batches left. A generator that is at its end has to be made anew."
                )
            report.finish({})
        callbacks.on_predict_end({})
    return results.value
