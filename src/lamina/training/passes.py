"""Passes over data: training, evaluation and prediction, step after step."""

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import lamina.training.resuming as resuming
from lamina.callbacks.callback_list import CallbackList
from lamina.callbacks.history import History
from lamina.core.context import context
from lamina.core.errors import warn
from lamina.core.frame import Cell, Frame, Transaction, commit
from lamina.core.interrupt import interruptible
from lamina.training.data import Data
from lamina.training.epoch_iterator import EpochIterator
from lamina.training.in_flight import InFlight
from lamina.training.model_steps import steps_of
from lamina.training.pieces import pieces
from lamina.training.progress import Silent, reporter
from lamina.training.results import AllOutputs, LastLogs, numbers
from lamina.training.run import Position, Run, run_of

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


class Validation(NamedTuple):
    """What a model is evaluated on while it is trained.

    Attributes:
        batches: the data.
        epochs: the numbers of the epochs after which to do so.
    """

    batches: EpochIterator
    epochs: Collection[int]


def fit(model: Any, run: Run, batches: EpochIterator, validation: Validation | None, *, verbose: Any) -> History:
    """Runs the model's train step over the data, epoch after epoch.

    Args:
        model: what is trained.
        run: the run.
        batches: its data.
        validation: what to evaluate on after epochs.
        verbose: see `reporter`.
    """
    report, model.history = reporter(verbose), run.history
    run.callbacks.set_model(model)
    run.callbacks.set_params({"epochs": run.epochs.stop, "steps": batches.steps, "verbose": verbose, "shown": True})
    run.callbacks.on_train_begin({})
    done_before, asked = resuming.restore_callbacks(model, run), batches.steps
    for epoch in range(run.position._read().epoch, run.epochs.stop):
        done = _train_epoch(model, run, epoch, batches, validation, report, asked, done_before)
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
    run.callbacks.on_train_end(run.logs)
    return run.history


def _train_epoch(
    model: Any,
    run: Run,
    epoch: int,
    batches: EpochIterator,
    validation: Validation | None,
    report: Silent,
    asked: int | None,
    done_before: int,
) -> int:
    """Trains for an epoch, or for what is left of it, validates, and ends it; returns how many steps it has had.

    Args:
        model: what is trained.
        run: the run.
        epoch: the epoch's number.
        batches: the data.
        validation: what to evaluate on.
        report: what shows progress.
        asked: how many steps it is to have, if that is known.
        done_before: how many of them another run has done, which this one goes on with.
    """
    if not done_before:
        run.position._write(Position(epoch, 0))
        run.callbacks.on_epoch_begin(epoch, {})
        model.reset_metrics()
    watch = PassObserver("train", run.callbacks, report, (run, epoch), lambda: model.stop_training, done_before)
    with report.shown(f"Epoch {epoch + 1}/{run.epochs.stop}", asked), InFlight() as flight:
        results = LastLogs()
        results.value = run.logs if done_before else {}
        done = done_before + steps_of(model, "train", batches.data).run(batches.next_epoch(done_before), watch, results, flight)
        ended = run.position._read().ended  # not None where the other run has ended it
        if done and ended is None:
            held_out = _validate(model, validation, epoch, run.callbacks, report)
            run.logs = numbers(results.value) | held_out  # read last: until then the device may be at work
            report.finish(run.logs)
    if done:
        _end_epoch(run, Position(epoch, done, ended or 0))
    return done


def _validate(model: Any, validation: Validation | None, epoch: int, callbacks: CallbackList, report: Silent) -> Logs:
    """Returns the logs of validation after an epoch; none where it is not asked for."""
    if validation is None or epoch not in validation.epochs:
        return {}
    report.validates()
    logs = evaluate(model, validation.batches, callbacks=callbacks, verbose=0)
    return {f"val_{name}": value for name, value in logs.items()}


def _end_epoch(run: Run, position: Position) -> None:
    """Tells those callbacks of an epoch's end that have not been told yet."""
    assert position.ended is not None
    for number, callback in enumerate(run.callbacks):
        if number >= position.ended:
            run.position._write(position._replace(ended=number + 1))  # a state that this one takes is that after it
            with interruptible():
                callback.on_epoch_end(position.epoch, run.logs)


# --- evaluation and prediction ---------------------------------------------------------------------------------------


def evaluate(model: Any, batches: EpochIterator, *, callbacks: CallbackList, verbose: Any) -> Logs:
    """Runs the model's test step over the data and returns its logs."""
    report = reporter(verbose)
    with metrics_apart(model):
        callbacks.on_test_begin({})
        with report.shown("Evaluate", batches.steps), InFlight() as flight:
            results = LastLogs()
            done = steps_of(model, "test", batches.data).run(
                batches.next_epoch(), PassObserver("test", callbacks, report), results, flight
            )
            if not done:
                raise ValueError(
                    "The data to evaluate on have no batches left. A generator that is at its end has to be made anew."
                )
            logs = numbers(results.value)
            report.finish(logs)
        if batches.steps is not None and done < batches.steps:
            warn(f"{batches.steps} batches were asked for, but the data ended after {done}; the values are those of these {done}.")
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


def predict(model: Any, data: Data, count: int | None, *, callbacks: CallbackList, verbose: Any) -> Any:
    """Returns the outputs of the model's predict step for all samples, as NumPy arrays.

    Args:
        model: what predicts.
        data: the samples.
        count: how many batches to take at most; None for all.
        callbacks: what is called meanwhile.
        verbose: see `reporter`.
    """
    report, results = reporter(verbose), AllOutputs()
    with _one_state():
        callbacks.on_predict_begin({})
        with report.shown("Predict", count or data.steps), InFlight() as flight:
            if not steps_of(model, "predict", data).run(
                pieces(data, count), PassObserver("predict", callbacks, report), results, flight
            ):
                raise ValueError(
                    "The data to predict for have no batches left. A generator that is at its end has to be made anew."
                )
            report.finish({})
        callbacks.on_predict_end({})
    return results.value
