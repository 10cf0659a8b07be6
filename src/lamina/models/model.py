"""Model: a layer that can be trained."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import jax

import lamina.losses as losses
import lamina.metrics as metrics
import lamina.optimizers as optimizers
from lamina.core.layer import Layer
from lamina.core.lift import jit, value_and_grad
from lamina.core.metric import Mean, Metric
from lamina.core.shapes import abstract_call
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Array, Variable
from lamina.models.architecture import Architecture
from lamina.training.data import ArrayData, pack, unpack
from lamina.training.fit import History, evaluate, fit, predict
from lamina.training.loop import CompiledLoop, PythonLoop


class Model(Architecture):
    """A layer that can be trained: `compile`, `fit`, `evaluate`, `predict`.

    A subclass makes its layers in `__init__` and composes them in `call`. `Model(inputs, outputs)` is the model of the graph
    that leads from symbolic inputs to outputs.

    How it learns is `train_step`, which may be overridden: it is plain code that reads and writes variables, and it is
    compiled together with the loop over the batches.

    Args:
        kwargs: what `lamina.Layer` takes.

    >>> class Line(lamina.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = lamina.layers.Dense(1)
    ...     def call(self, x):
    ...         return self.dense(x)
    >>> model = Line()
    >>> model.compile(lamina.optimizers.SGD(0.1), "mse")
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> history = model.fit(x, 3 * x + 1, epochs=40, verbose=0)
    >>> history.history["loss"][-1] < 0.01
    True
    """

    functional: ClassVar[type["Model"] | None] = None  # the class behind Model(inputs, outputs)
    _untracked = Layer._untracked | {"_loops"}

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes `Model(inputs, outputs)` a functional model."""
        if cls is Model and Model.functional is not None and (args or "inputs" in kwargs):
            return Model.functional.__new__(Model.functional, *args, **kwargs)  # type: ignore[return-value]
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: losses.Loss | None = None
        self.run_eagerly = False
        self.compiled = False
        self._loss_tracker = Mean("loss")
        self._compiled_metrics: list[Metric] = []
        self._loops: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leaves compiled programs out of copies: they belong to this model's variables."""
        return {**vars(self), "_loops": {}}

    @property
    def layers(self) -> list[Layer]:
        """The layers that it holds directly."""
        return [layer for layer in self.sublayers() if isinstance(layer, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns the layer of the given name or number. Raises ValueError if there is none."""
        if name is None and index is not None and -len(self.layers) <= index < len(self.layers):
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise ValueError(f"The model {self.name!r} has no layer {index if name is None else name!r}. Its layers: {names}.")

    # --- how it learns -----------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Sequence[Any] | None = None,
        run_eagerly: bool = False,
    ) -> None:
        """Says how the model is trained.

        Args:
            optimizer: a name, an Optimizer, or any optax optimizer.
            loss: a name, a Loss, or a function of targets and predictions.
            metrics: names, Metrics, or functions of targets and predictions.
            run_eagerly: run steps as plain Python, to look at values in `call`.

        Raises:
            ValueError: for an unknown name, with the nearest known one. The model then stays as it was.
        """
        new_optimizer = None if optimizer is None else optimizers.get(optimizer)
        new_loss = losses.get(loss)
        new_metrics = [_metric(metric) for metric in metrics or ()]
        self.optimizer, self.loss, self._compiled_metrics = new_optimizer, new_loss, new_metrics
        self.run_eagerly = bool(run_eagerly)
        self._loops = {}
        self.compiled = True

    @property
    def metrics(self) -> list[Metric]:
        """The mean loss, the metrics of `compile`, and those of its layers; not what models inside were compiled with."""
        inside = {m for layer in self.flatten_layers()[1:] if isinstance(layer, Model) for m in layer._own_metrics()}
        return list(dict.fromkeys([*self._own_metrics(), *(metric for metric in super().metrics if metric not in inside)]))

    def _own_metrics(self) -> list[Metric]:
        return [self._loss_tracker, *self._compiled_metrics]

    def reset_metrics(self) -> None:
        """Forgets what the metrics have seen."""
        for metric in self.metrics:
            metric.reset_state()

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None) -> Array:
        """Returns what training minimises: the loss of `compile` and all of `losses`.

        Raises:
            ValueError: if there is neither.
        """
        terms = [] if self.loss is None or y is None else [self.loss(y, y_pred, sample_weight)]
        terms += self.losses
        if not terms:
            raise ValueError(
                f"The model {self.name!r} has no loss to minimise. Give compile a loss and fit targets, or use add_loss."
            )
        return sum(terms[1:], terms[0])

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the metrics of `compile` and returns the values of all metrics so far."""
        if y is not None:
            for metric in self._compiled_metrics:
                metric.update_state(y, y_pred, sample_weight)
        return {metric.name: metric.result() for metric in self.metrics}

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
        self._loss_tracker.update_state(value, sample_weight=_batch_size(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates one batch and returns the logs; override it for another way to evaluate."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)
        self._loss_tracker.update_state(self.compute_loss(x, y, y_pred, sample_weight), sample_weight=_batch_size(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for one batch; override it for other outputs."""
        return self(unpack(data)[0], training=False)

    # --- passes over data --------------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 1,
        verbose: Any = "auto",
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        sample_weight: Any = None,
    ) -> History:
        """Trains the model.

        Args:
            x: arrays whose first axis is the samples, or a structure of them.
            y: targets, likewise.
            batch_size: samples a step.
            epochs: how often the data are gone through.
            verbose: 0 shows nothing, 1 a bar, 2 a line an epoch; "auto" a bar in a terminal and lines elsewhere.
            validation_split: the share of the samples, from the end, to evaluate on instead of training.
            validation_data: `(x, y)` or `(x, y, sample_weight)` to evaluate on after each epoch.
            shuffle: whether the samples of each epoch are taken in another random order.
            sample_weight: one weight a sample in the loss.

        Raises:
            RuntimeError: before `compile`.
            ValueError: if arrays differ in length, or do not fit the model; nothing is changed then.
        """
        self._check_compiled("fit")
        data, validation = ArrayData(pack(x, y, sample_weight), batch_size), None
        if validation_data is not None:
            validation = ArrayData(pack(*validation_data) if isinstance(validation_data, tuple) else validation_data, batch_size)
        elif validation_split:
            data, validation = data.split(validation_split)
        self._ready_for(data)
        return fit(self, data, epochs=epochs, shuffle=shuffle, validation=validation, verbose=verbose)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        verbose: Any = "auto",
        sample_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Returns the loss, or a list of the loss and the metrics, or with `return_dict` a dict of them.

        Arguments and errors are those of `fit`.
        """
        self._check_compiled("evaluate")
        data = ArrayData(pack(x, y, sample_weight), batch_size)
        self._ready_for(data)
        logs = evaluate(self, data, verbose=verbose)
        if return_dict:
            return logs
        return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    def predict(self, x: Any, batch_size: int = 32, verbose: Any = "auto") -> Any:
        """Returns the outputs for all samples, as NumPy arrays. Arguments and errors are those of `fit`."""
        data = ArrayData((x,), batch_size)
        self._ready_for(data)
        if "predict" not in self._loops:
            eager = self.run_eagerly or self.dynamic
            self._loops["predict"] = self.predict_step if eager else jit(self.predict_step)
        return predict(self._loops["predict"], data, verbose=verbose)

    def loop(self, kind: str) -> CompiledLoop | PythonLoop:
        """Returns the loop over batches for "train" or "test" steps."""
        if kind not in self._loops:
            step = self.train_step if kind == "train" else self.test_step
            self._loops[kind] = PythonLoop(step) if self.run_eagerly or self.dynamic else CompiledLoop(step, *self._touched(kind))
        return self._loops[kind]

    def _touched(self, kind: str) -> tuple[list[Variable], list[Variable]]:
        """Returns the variables that a step can be expected to read and to write."""
        if kind == "test":
            return self.variables, [variable for metric in self.metrics for variable in metric.variables]
        if self.optimizer is not None and self.trainable_weights:
            self.optimizer.build(self.trainable_weights)
        return [], [*self.variables, *(self.optimizer.variables if self.optimizer is not None else ())]

    def _check_compiled(self, what: str) -> None:
        if not self.compiled:
            raise RuntimeError(f"Call compile(optimizer, loss) before {what}: the model {self.name!r} is not compiled yet.")

    def _ready_for(self, data: ArrayData) -> None:
        """Builds the model for the data: from shapes, or where steps run as plain Python from the first batch."""
        if self.built:
            return
        if self.run_eagerly or self.dynamic:
            self(unpack(data.first_batch())[0])
            return
        inputs = unpack(data.batch_spec())[0]
        abstract_call(self, (jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype), inputs),), {}, self._attempt)


def _metric(identifier: Any) -> Metric:
    metric = metrics.get(identifier)
    if metric is None:
        raise ValueError("metrics are names, Metrics or functions; None is none of them.")
    return metric


def _batch_size(x: Any) -> float:
    return float(jax.tree.leaves(x)[0].shape[0])
