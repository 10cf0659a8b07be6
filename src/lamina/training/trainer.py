"""Trainer: `compile`, `fit`, `evaluate`, `predict`, and the steps that they run."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import jax

import lamina.optimizers as optimizers
import lamina.training.fit as passes
from lamina.callbacks.callback import CallbackList
from lamina.callbacks.history import History
from lamina.core.layer import Layer
from lamina.core.lift import value_and_grad
from lamina.core.metric import Metric
from lamina.core.shapes import abstract_call
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Array, Variable
from lamina.training.compile_cache import keep_programs
from lamina.training.data import ArrayData, Data, as_data
from lamina.training.feed import Feed
from lamina.training.loop import CompiledLoop, PythonLoop
from lamina.training.objective import Objective
from lamina.training.packing import unpack
from lamina.training.predict import CompiledOutputs, PythonOutputs, pieces


class Trainer(Layer):
    """A layer that can be trained: the part of `lamina.Model` that learns.

    How it learns is `train_step`, which may be overridden: it is plain code that reads and writes variables, and it is
    compiled together with the loop over the batches.
    """

    _untracked: ClassVar[frozenset[str]] = Layer._untracked | {"_loops", "_trained"}
    output_names: list[str] | None = None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.run_eagerly = False
        self.compiled = False
        self.stop_training = False
        self.history: History | None = None
        self._objective = Objective()
        self._loops: dict[str, Any] = {}
        self._trained: list[Variable] = []

    def __getstate__(self) -> dict[str, Any]:
        """Leaves compiled programs out of copies: they belong to this model's variables."""
        return {**vars(self), "_loops": {}}

    # --- how it learns -----------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how the model is trained.

        With several outputs, losses, weights and metrics are one thing for all outputs, a list with one for each, or a dict by
        the outputs' names. These are the names of the layers that make them in a functional model, the keys where outputs are
        a dict, else `output_1`, `output_2`, ...

        Args:
            optimizer: a name, an Optimizer, or any optax optimizer.
            loss: a name, a Loss, or a function of targets and predictions; None for an output without.
            loss_weights: what each output's loss is multiplied with in the total; 1 by default.
            metrics: names, Metrics, or functions of targets and predictions, in a list; or such a list for each output.
            weighted_metrics: likewise; these count each sample by its weight.
            run_eagerly: run steps as plain Python, to look at values in `call`.
            steps_per_execution: taken as Keras has it; how many steps run at once is found by measurement.
            jit_compile: taken as Keras has it; steps are always compiled, unless `run_eagerly`.
            auto_scale_loss: under a float16 policy, scale the loss so that small gradients do not vanish.

        Raises:
            ValueError: for an unknown name, with the nearest known one. The model then stays as it was.
        """
        chosen = None if optimizer is None else optimizers.get(optimizer)
        objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        self.optimizer, self.loss, self._objective = chosen, loss, objective
        self.run_eagerly = bool(run_eagerly)
        self._loops = {}
        self.compiled = True

    @property
    def metrics(self) -> list[Metric]:
        """The mean loss, the metrics of `compile`, and those of its layers; not what models inside were compiled with."""
        inside = {m for layer in self.flatten_layers()[1:] if isinstance(layer, Trainer) for m in layer._objective.metrics}
        own = self._objective.metrics
        return list(dict.fromkeys([*own, *(metric for metric in super().metrics if metric not in inside)]))

    @property
    def metrics_names(self) -> list[str]:
        """The names of the losses and metrics."""
        return [*self._objective.means.names, *(metric.name for metric in self.metrics[1:])]

    def reset_metrics(self) -> None:
        """Forgets what the metrics have seen."""
        for metric in self.metrics:
            metric.reset_state()

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Array:
        """Returns what training minimises: the weighted losses of `compile` and all of `losses`.

        Raises:
            ValueError: if there is neither.
        """
        loss = None if y is None else self._objective.loss(y, y_pred, sample_weight)
        terms = [*([] if loss is None else [loss]), *self.losses]
        if not terms:
            raise ValueError(
                f"The model {self.name!r} has no loss to minimise. Give compile a loss and fit targets, or use add_loss."
            )
        return sum(terms[1:], terms[0])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the metrics of `compile` and returns the values of all metrics so far."""
        if y is not None:
            self._objective.update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the values of all metrics so far, by name."""
        return self._objective.logs(self.metrics)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Learns from one batch and returns the logs; override it for another way to learn."""
        if self.optimizer is None:
            raise ValueError(f"The model {self.name!r} has no optimizer. Give one to compile(optimizer=...).")
        x, y, sample_weight = unpack(data)

        def loss() -> tuple[Array, Any]:
            y_pred = self(x, training=True)
            return self.compute_loss(x, y, y_pred, sample_weight), y_pred

        (value, y_pred), grads = value_and_grad(loss, self.trainable_weights, has_aux=True)()
        self.optimizer.apply(grads, self.trainable_weights)
        self._objective.note(value, _samples(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates one batch and returns the logs; override it for another way to evaluate."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        self._objective.note(loss, _samples(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for one batch; override it for other outputs."""
        return self(unpack(data)[0], training=False)

    # --- passes over data --------------------------------------------------------------------------------------------

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
            given = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            held_out = as_data(*given, batch_size=validation_batch_size or batch_size)
        elif validation_split:
            if not isinstance(data, ArrayData):
                raise ValueError("validation_split needs arrays. Give batches to validate on as validation_data.")
            data, held_out = data.split(validation_split)
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
        return self.history

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

    def predict(
        self, x: Any, batch_size: int | None = None, verbose: Any = "auto", steps: int | None = None, callbacks: Any = None
    ) -> Any:
        """Returns the outputs for all samples, as NumPy arrays. Arguments and errors are those of `evaluate`."""
        data = as_data(x, batch_size=batch_size)
        self._make_ready(data, "predict")
        group = self._callbacks(callbacks, verbose)
        return passes.predict(self, pieces(data, steps), steps or data.steps, callbacks=group, verbose=verbose)

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

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluates one batch; returns its loss and metrics, as `evaluate` does."""
        self._check_compiled("test_on_batch")
        return _values(self._on_batch("test", x, y, sample_weight), return_dict)

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
        if kind not in self._loops:
            self._loops[kind] = self._new_loop(kind)
        return self._loops[kind]

    def _new_loop(self, kind: str) -> Any:
        keep_programs()
        step: Callable[[Any], Any] = getattr(self, f"{kind}_step")
        plain = self.run_eagerly or self.dynamic
        if kind == "predict":
            return PythonOutputs(step) if plain else CompiledOutputs(step)
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
        if not self.compiled:
            raise RuntimeError(f"Call compile(optimizer, loss) before {what}: the model {self.name!r} is not compiled yet.")

    def _callbacks(self, callbacks: Any, verbose: Any) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        group = CallbackList(callbacks)
        group.set_model(self)
        group.set_params({"verbose": verbose})
        return group

    def _make_ready(self, data: Data, kind: str) -> None:
        """Builds the model for the data, from shapes, and checks the targets.

        A model with a step of its own may mean something else by `call`; it is built then by its step.
        """
        unmatched = kind != "predict" and not self._objective.built and self._objective.has_loss and not self._overrides(kind)
        if not self.built or unmatched:
            try:
                outputs = self._abstractly(data)
            except Exception:
                if not self._overrides(kind):
                    raise
            else:
                if unmatched and outputs is not None:
                    self._objective.build(outputs, self.output_names)
        if kind == "train" and self._trained != (trained := self.trainable_weights):
            self._loops.pop("train", None)
            self._trained = trained
        if kind != "predict" and self._objective.built:
            data.check(lambda batch: self._objective.check(unpack(batch)[1]))

    def _abstractly(self, data: Data) -> Any:
        """Calls the model without numbers, which builds it, and returns the specs of its outputs."""
        if self.run_eagerly or self.dynamic:
            return self(unpack(data.first())[0])
        inputs = jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype), unpack(data.spec())[0])
        return abstract_call(self, (inputs,), {}, self._attempt)


def _one_batch(x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Any:
    return as_data(x, y, sample_weight, batch_size=2**31, class_weight=class_weight)


def _samples(x: Any) -> float:
    return float(jax.tree.leaves(x)[0].shape[0])


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
