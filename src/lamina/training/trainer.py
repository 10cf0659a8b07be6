"""Trainer: `fit`, `evaluate`, `predict`: passes of a learner over data."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import jax

import lamina.core.events as events
import lamina.training.fit as passes
from lamina.callbacks.callback import CallbackList
from lamina.callbacks.history import History
from lamina.core.shapes import abstract_call
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable, are_same
from lamina.training.compile_cache import keep_programs
from lamina.training.data import Data, as_data, parts_of, split
from lamina.training.feed import Feed
from lamina.training.learner import Learner
from lamina.training.loop import CompiledLoop, PythonLoop
from lamina.training.packing import unpack
from lamina.training.predict import CompiledOutputs, PythonOutputs, pieces


class Trainer(Learner):
    """A learner that goes through data: `fit`, `evaluate`, `predict`, and the batch methods."""

    _untracked: ClassVar[frozenset[str]] = Learner._untracked | {"_loops", "_trained", "_anew", "_held"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stop_training = False
        self.history: History | None = None
        self._loops: dict[str, Any] = {}
        self._anew: dict[str, str] = {}  # why there is a new loop, by kind
        self._trained: list[Variable] = []
        self._held: list[Any] = []  # the layers as they were when last looked at

    @property
    def output_names(self) -> list[str] | None:
        """The names of the outputs, where the model knows any."""
        return None

    @property
    def output_layers(self) -> list[Any] | None:
        """The layer that makes each output, where the model knows; None in place of an output that no layer makes."""
        return None

    def __getstate__(self) -> dict[str, Any]:
        """Leaves compiled programs out of copies: they belong to this model's variables."""
        return {**vars(self), "_loops": {}}

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
            validation_freq: evaluate after each so many epochs, or after the epochs of these numbers, counted from 1.

        Returns:
            A `History`, whose `history` holds the logs of each epoch. If data end before all batches that were asked for,
            there is a warning, and training ends there.

        Raises:
            RuntimeError: before `compile`.
            ValueError: if arrays differ in length, do not fit the model, or hold labels that are no class; nothing is
                changed then.
        """
        self._check_compiled("fit")
        run = range(_count(initial_epoch, "initial_epoch", 0), _count(epochs, "epochs", 0))
        steps = None if steps_per_epoch is None else _count(steps_per_epoch, "steps_per_epoch", 1)
        group = CallbackList(callbacks)
        data = as_data(x, y, sample_weight, batch_size=batch_size, shuffle=shuffle, class_weight=class_weight)
        held_out: Data | None = None
        if validation_data is not None:
            held_out = as_data(*parts_of(validation_data), batch_size=validation_batch_size or batch_size)
        elif validation_split:
            data, held_out = split(data, validation_split)
        self._make_ready(data, "train")
        if held_out is not None:
            self._make_ready(held_out, "test")
        feed = Feed(data, steps, len(run))
        validation = None if held_out is None else Feed(held_out, validation_steps, len(run))

        def validate(group: CallbackList) -> dict[str, float]:
            assert validation is not None
            return passes.evaluate(self, validation, callbacks=group, verbose=0)

        try:
            self.history = passes.fit(
                self,
                feed,
                epochs=run,
                callbacks=group,
                verbose=verbose,
                validate=None if validation is None else validate,
                validation_epochs=_validated(validation_freq, run),
            )
        finally:
            feed.close()
            if validation is not None:
                validation.close()
            group._release()
        return self.history

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
        self._check_compiled("evaluate")
        group = self._callbacks(callbacks, verbose)
        data = as_data(x, y, sample_weight, batch_size=batch_size)
        self._make_ready(data, "test")
        feed = Feed(data, steps)
        try:
            return _values(passes.evaluate(self, feed, callbacks=group, verbose=verbose), return_dict)
        finally:
            feed.close()

    @events.task
    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None, callbacks: Any = None
    ) -> Any:
        """Returns the outputs for all samples, as NumPy arrays. Arguments and errors are those of `evaluate`."""
        data = as_data(x, batch_size=batch_size)
        self._make_ready(data, "predict")
        group = self._callbacks(callbacks, verbose)
        return passes.predict(self, pieces(data, steps), steps or data.steps, callbacks=group, verbose=verbose)

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
        self._check_compiled("train_on_batch")
        return _values(self._on_batch("train", x, y, sample_weight, class_weight), return_dict)

    @events.task
    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluates one batch; returns its loss and metrics, as `evaluate` does."""
        self._check_compiled("test_on_batch")
        return _values(self._on_batch("test", x, y, sample_weight), return_dict)

    @events.task
    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for one batch, as NumPy arrays."""
        data = _one_batch(x)
        self._make_ready(data, "predict")
        return self.loop("predict").batch(data.first())

    def _on_batch(self, kind: str, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> dict[str, float]:
        data = _one_batch(x, y, sample_weight, class_weight)
        self._make_ready(data, kind)
        self.reset_metrics()
        return passes.numbers(self.loop(kind).batch(data.first()))

    # --- getting ready -----------------------------------------------------------------------------------------------

    def loop(self, kind: str) -> Any:
        """Returns what runs the steps of a kind: "train", "test" or "predict"."""
        if self._loops.get("objective") is not self._objective:  # it has been compiled anew
            again = len(self._loops) > 1
            self._anew = dict.fromkeys(self._loops, "compile() was called again") if again else {}
            self._loops = {"objective": self._objective}
        if kind not in self._loops:
            loop = self._loops[kind] = self._new_loop(kind)
            if isinstance(loop, (CompiledLoop, CompiledOutputs)):
                loop.step.new_because = self._anew.get(kind, loop.step.new_because)
        return self._loops[kind]

    def _new_loop(self, kind: str) -> Any:
        keep_programs()
        step: Callable[[Any], Any] = getattr(self, f"{kind}_step")
        plain = self.run_eagerly or self.dynamic
        if kind == "predict":
            return PythonOutputs(step) if plain else CompiledOutputs(step, () if self._overrides(kind) else self.weights)
        return PythonLoop(step) if plain else CompiledLoop(step, *self._touched(kind))

    def _touched(self, kind: str) -> tuple[list[Variable], list[Variable]]:
        """Returns the variables that a step can be expected to read and to write."""
        if kind == "test":
            return self.variables, [variable for metric in self.metrics for variable in metric.variables]
        own = not self._overrides("train")
        if own and self.optimizer is not None and self.trainable_weights:
            self.optimizer.build(self.trainable_weights)
        return [], [*self.variables, *(self.optimizer.variables if own and self.optimizer is not None else ())]

    def _overrides(self, kind: str) -> bool:
        """Tells whether a subclass has a step of its own."""
        return getattr(type(self), f"{kind}_step") is not getattr(Trainer, f"{kind}_step")

    def _check_compiled(self, what: str) -> None:
        self._check_ready()
        if not self.compiled:
            raise RuntimeError(f"Call compile(optimizer, loss) before {what}: the model {self.name!r} is not compiled yet.")

    def _callbacks(self, callbacks: Any, verbose: Any) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        group = CallbackList(callbacks)
        group.set_model(self)
        group.set_params({"verbose": verbose, "shown": True})
        return group

    def _make_ready(self, data: Data, kind: str) -> None:
        """Builds the model for the data, from shapes, and checks the targets.

        A model with a step of its own may mean something else by `call`; it is built then by its step.
        """
        unmatched = kind != "predict" and not self._objective.built and self._objective.has_loss and not self._overrides(kind)
        layers = [] if kind == "predict" else list(self._layers_with_state())
        added: set[Any] = {layer for layer, _ in layers}.difference(self._held)
        if not self.built or unmatched or not all(layer.built for layer in added):
            try:
                outputs = self._abstractly(data)
            except Exception:
                if not self._overrides(kind):
                    raise
            else:
                if unmatched and outputs is not None:
                    self._objective.build(outputs, None if self.dynamic else self.output_names)
                    self._objective.check_activations(self.output_layers or ())
            layers = list(self._layers_with_state())
        if kind != "predict":
            self._drop_outdated(layers)
        if kind != "predict" and self._objective.built:
            data.check(lambda batch: self._objective.check(unpack(batch)[1]))

    def _drop_outdated(self, layers: list[Any]) -> None:
        """Drops compiled programs that belong to other layers than there are now, or that train other weights."""
        held, trained = [layer for layer, _ in layers], [w for w, t in self._weights_with_state(layers).items() if t]
        why = "layers were put in, taken out or replaced" if held != self._held else "which weights are trained has changed"
        outdated = ("train", "test", "predict") if held != self._held else () if are_same(trained, self._trained) else ("train",)
        for kind in outdated:
            if self._loops.pop(kind, None) is not None:
                self._anew[kind] = why
        self._held, self._trained = held, trained

    def _abstractly(self, data: Data) -> Any:
        """Calls the model without numbers, which builds it, and returns the specs of its outputs."""
        if self.run_eagerly or self.dynamic:
            return self(unpack(data.first())[0])
        inputs = jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype), unpack(data.spec())[0])
        return abstract_call(self, (inputs,), {}, self._attempt)


def _one_batch(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Any:
    return as_data(x, y, sample_weight, batch_size=2**31, class_weight=class_weight)


def _values(logs: dict[str, float], return_dict: bool) -> Any:
    if return_dict:
        return logs
    return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())


def _count(value: Any, name: str, least: int) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < least:
        raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}.")
    return int(value)


def _validated(frequency: int | Collection[int], epochs: range) -> Collection[int]:
    """Returns the numbers of the epochs after which to validate."""
    if isinstance(frequency, Collection):
        return {number - 1 for number in frequency}
    every = _count(frequency, "validation_freq", 1)
    return [epoch for epoch in epochs if (epoch + 1) % every == 0]
