"""Trainer: `fit`, `evaluate`, `predict`: passes of a learner over data."""

import weakref
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

import jax

import lamina.core.events as events
import lamina.training.passes as passes
import lamina.training.resuming as resuming
from lamina.callbacks.callback_list import CallbackList
from lamina.callbacks.history import History
from lamina.core.building import check_ready
from lamina.core.checks import at_least
from lamina.core.placement import to_host
from lamina.training.batch import unpack
from lamina.training.data import Data, as_data, parts_of, split
from lamina.training.epoch_iterator import EpochIterator
from lamina.training.learner import YES_OR_NO, Learner, LearnerRecord, OwnAttribute
from lamina.training.model_steps import MadeFor, build_for, overrides, steps_of
from lamina.training.results import numbers
from lamina.training.run import Run, begin_run
from lamina.training.steps import Steps


class TrainerRecord(LearnerRecord):
    """What Lamina keeps of a model that can be trained.

    Attributes:
        steps: what runs its steps, by kind, and what they were made for.
        run: the run that trained it last, which may still go on; see `run_of`.
        resumed: the state of a run that its next one goes on with, or None.
    """

    __slots__ = ("resumed", "run", "steps")

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, tuple[MadeFor, Steps]] = {}
        self.run: weakref.ref[Run] | None = None
        self.resumed: dict[str, Any] | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.steps, self.run = {}, None  # compiled programs belong to this model's variables

    @classmethod
    def _not_copied(cls) -> frozenset[str]:
        return super()._not_copied() | {"steps", "run"}


class Trainer(Learner):
    """A learner that goes through data: `fit`, `evaluate`, `predict`, and the batch methods."""

    _record = TrainerRecord
    _lamina: TrainerRecord
    _own_attributes: ClassVar[dict[str, OwnAttribute]] = {
        **Learner._own_attributes,
        "history": ("what fit returns", lambda value: value is None or isinstance(value, History)),
        "stop_training": YES_OR_NO,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stop_training = False
        self.history: History | None = None

    @property
    def output_names(self) -> list[str] | None:
        """The names of the outputs, where the model knows any."""
        return None

    def _output_layers(self) -> list[Any] | None:
        """Returns the layer that makes each output, where the model knows; None in place of an output that no layer makes."""
        return None

    def _state(self) -> Iterator[tuple[str, Any]]:
        return resuming.model_state(self)

    def _set_state(self, state: dict[str, Any]) -> None:
        resuming.set_model_state(self, state)

    # --- passes over data --------------------------------------------------------------------------------------------

    @events.task
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Collection[int] = 1,
    ) -> History:
        """Trains the model.

        Arrays in memory are copied to the device when training begins, so what callbacks change in them meanwhile is not seen.
        Memory maps, and arrays that would take more than half of the device's memory (or a quarter of the host's, on the CPU), are
        read batch by batch as training goes on; other batches are taken as they come.
        Batches are read ahead of the steps: where training stops early, a generator has given some, up to a thousand, that no
        step has taken, and another `fit` with it goes on after them.

        Where `lamina.set_state` has given the model the state of a run, the run goes on from there: the same data, callbacks and
        arguments lead to the same numbers, bit for bit, as if it had never been interrupted.

        Args:
            x: arrays whose first axis is the samples (of NumPy, JAX, pandas, ...), or a structure of them; or batches
                `(x, y)` or `(x, y, sample_weight)` from an iterable, a generator, a PyTorch DataLoader, a tf.data.Dataset, ...
            y: targets, where x is arrays; or the name of their column, where x is a Hugging Face dataset.
            batch_size: samples a step, where x is arrays; 32 by default.
            epochs: the number of the last epoch, counted from 1.
            verbose: 0 shows nothing, 1 a bar, 2 a line an epoch; "auto" a bar in a terminal and lines elsewhere.
            callbacks: objects of `lamina.callbacks.Callback`.
            validation_split: the share of the samples, from the end, to evaluate on instead of training.
            validation_data: `(x, y)` or `(x, y, sample_weight)`, or batches, to evaluate on after an epoch.
            shuffle: whether the samples of each epoch are taken in another random order; "batch" shuffles whole batches.
            class_weight: a weight for each class, by its number, in the loss.
            sample_weight: one weight a sample in the loss, where x is arrays.
            initial_epoch: how many epochs have been done before.
            steps_per_epoch: how many batches an epoch has; by default all. The next epoch goes on after them.
            validation_steps: how many batches to evaluate on; by default all.
            validation_batch_size: samples a step of evaluation; by default batch_size.
            validation_freq: evaluate after every n epochs, or after the epochs with these numbers, counted from 1.

        Returns:
            A `History`, whose `history` holds the logs of each epoch. If data end before all batches that were asked for,
            there is a warning, and training ends there.

        Raises:
            RuntimeError: before `compile`, and while another call of `fit` trains the model.
            ValueError: if arrays differ in length, do not fit the model, or hold labels that are not classes; nothing is
                changed then.
        """
        _check_compiled(self, "fit")
        run = Run(range(at_least(0, initial_epoch, "initial_epoch"), at_least(0, epochs, "epochs")), callbacks)
        steps = None if steps_per_epoch is None else at_least(1, steps_per_epoch, "steps_per_epoch")
        validated = _validated(validation_freq, run.epochs)
        with run.goes_on:
            begin_run(self, run)
            self.stop_training = False
            data = as_data(x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, class_weight=class_weight)
            held_out: Data | None = None
            if validation_data is not None:
                held_out = as_data(*parts_of(validation_data), batch_size=validation_batch_size or batch_size)
            elif validation_split:
                data, held_out = split(data, validation_split)
            _make_ready(self, data, "train")
            if held_out is not None:
                _make_ready(self, held_out, "test")
            run.data = data
            passed = resuming.restore_model(self, run)
            left = len(run.epochs) - passed
            batches = EpochIterator(data, steps, left, passed)
            validation: passes.Validation | None = None
            if held_out is not None:
                validation = passes.Validation(EpochIterator(held_out, validation_steps, left), validated)
            try:
                return passes.fit(self, run, batches, validation, verbose=verbose)
            finally:
                batches.close()
                if validation is not None:
                    validation.batches.close()
                run.callbacks._release()

    @events.task
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Returns the loss and the metrics for the given data: a list, one number if there is only the loss, or a dict.

        Arguments and errors are those of `fit`; `steps` is how many batches to evaluate on, by default all.
        """
        _check_compiled(self, "evaluate")
        group = _callbacks(self, callbacks, verbose)
        data = as_data(x, y, sample_weight, batch_size=batch_size)
        _make_ready(self, data, "test")
        batches = EpochIterator(data, steps)
        try:
            logs = passes.evaluate(self, batches, callbacks=group, verbose=verbose)
        finally:
            batches.close()
        return _values(logs, return_dict)

    @events.task
    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None, callbacks: Any = None
    ) -> Any:
        """Returns the outputs for all samples, as NumPy arrays that are the caller's. Arguments and errors are as in `evaluate`."""
        data = as_data(x, batch_size=batch_size)
        _make_ready(self, data, "predict")
        group = _callbacks(self, callbacks, verbose)
        return passes.predict(self, data, steps, callbacks=group, verbose=verbose)

    @events.task
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Takes one step on one batch; returns its loss and metrics, as `evaluate` does."""
        _check_compiled(self, "train_on_batch")
        return _values(_on_batch(self, "train", x, y, sample_weight, class_weight), return_dict)

    @events.task
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluates one batch; returns its loss and metrics, as `evaluate` does."""
        _check_compiled(self, "test_on_batch")
        return _values(_on_batch(self, "test", x, y, sample_weight), return_dict)

    @events.task
    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for one batch, as NumPy arrays."""
        data = _one_batch(x)
        _make_ready(self, data, "predict")
        return jax.tree.map(to_host, steps_of(self, "predict", data).one(data.first()))


# --- getting ready ---------------------------------------------------------------------------------------------------


def _check_compiled(model: Trainer, what: str) -> None:
    check_ready(model)
    if not model.compiled:
        raise RuntimeError(f"Call compile(optimizer, loss) before {what}: the model {model.name!r} is not compiled yet.")


def _make_ready(model: Trainer, data: Data, kind: str) -> None:
    """Builds the model for the data, from shapes, and checks the targets.

    A model with a step of its own may mean something else by `call`; it is built then by its step.
    """
    objective = model._lamina.objective
    unmatched = kind != "predict" and not objective.built and objective.has_loss and not overrides(model, kind)
    if unmatched or not model.built:
        outputs = build_for(model, data, kind)
        if unmatched and outputs is not None:
            objective.build(outputs, None if model.dynamic else model.output_names)
            objective.check_activations(type(model)._output_layers(model) or ())
    if kind != "predict" and objective.built:
        data.check(lambda batch: objective.check(unpack(batch)[1]))


# --- one batch -------------------------------------------------------------------------------------------------------


def _on_batch(model: Trainer, kind: str, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> dict[str, float]:
    data = _one_batch(x, y, sample_weight, class_weight)
    _make_ready(model, data, kind)
    if kind == "test":
        with passes.metrics_apart(model):
            return numbers(steps_of(model, kind, data).one(data.first()))
    model.reset_metrics()
    return numbers(steps_of(model, kind, data).one(data.first()))


def _callbacks(model: Trainer, callbacks: Any, verbose: Any) -> CallbackList:
    if isinstance(callbacks, CallbackList):
        return callbacks
    group = CallbackList(callbacks)
    group.set_model(model)
    group.set_params({"verbose": verbose, "shown": True})
    return group


def _one_batch(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Any:
    return as_data(x, y, sample_weight, batch_size=2**31, class_weight=class_weight)


def _values(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return logs
    return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())


def _validated(frequency: int | Collection[int], epochs: range) -> Collection[int]:
    """Returns the numbers of the epochs after which to validate."""
    if isinstance(frequency, Collection):
        return {number - 1 for number in frequency}
    every = at_least(1, frequency, "validation_freq")
    return range(epochs.start + -(epochs.start + 1) % every, epochs.stop, every)
