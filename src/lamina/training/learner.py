"""Learner: how a model learns: its losses, metrics and optimizer, and what it does with one batch."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import jax
import numpy as np

import lamina.optimizers as optimizers
from lamina.core.building import check_ready
from lamina.core.errors import filtered, user_line
from lamina.core.gradient import value_and_grad
from lamina.core.layer import Layer
from lamina.core.metric import Metric
from lamina.core.module import is_hidden_by_attributes
from lamina.core.record import LayerRecord
from lamina.core.registry import is_own
from lamina.core.text import describe
from lamina.core.tree import Held, attach, detach
from lamina.core.variable import Array
from lamina.training.batch import unpack
from lamina.training.objective import Objective

# What Lamina keeps in an attribute of a model, in words, and whether a value may be that.
OwnAttribute = tuple[str, Callable[[Any], bool]]


class LearnerRecord(LayerRecord):
    """What Lamina keeps of a model that has losses and an optimizer.

    Attributes:
        objective: the losses and metrics of `compile`.
    """

    __slots__ = ("objective",)

    def __init__(self) -> None:
        super().__init__()
        self.objective = Objective()


def _may_be_loss(value: Any) -> bool:
    """Tells whether a value may be what `compile` takes as loss."""
    if isinstance(value, (list, tuple, dict)) and "class_name" not in value:
        return bool(value) and all(map(_may_be_loss, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (str, dict)) or (callable(value) and not isinstance(value, Held))


YES_OR_NO: OwnAttribute = "True or False", lambda value: isinstance(value, (bool, np.bool_))


class Learner(Layer):
    """A layer that learns from batches: the steps of `lamina.Model`, and what `compile` says of them.

    How it learns is `train_step`, which may be overridden: it is plain code that reads and writes variables, and it is
    compiled together with the loop over the batches.
    """

    _record = LearnerRecord
    _lamina: LearnerRecord
    _own_attributes: ClassVar[dict[str, OwnAttribute]] = {
        "optimizer": ("an optimizer", lambda value: value is None or isinstance(value, optimizers.BaseOptimizer)),
        "loss": ("a loss", _may_be_loss),
        "run_eagerly": YES_OR_NO,
        "compiled": YES_OR_NO,
    }

    loss: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuses methods that attributes of Lamina's own would hide; a method `loss` is left alone, for nobody asks for `loss`."""
        super().__init_subclass__(**kwargs)
        for name in [] if is_own(cls) else cls._own_attributes:
            if name != "loss" and is_hidden_by_attributes(vars(cls).get(name)):
                raise TypeError(
                    f"{cls.__name__}.{name} would be hidden by the attribute of that name, in which Lamina keeps "
                    f"{cls._own_attributes[name][0]}. Take another name: own_{name}."
                )

    def _check_name(self, name: str, value: Any) -> None:
        if name not in type(self)._own_attributes:
            super()._check_name(name, value)
            return
        what, fits = type(self)._own_attributes[name]
        if not (vars(self).get("compiled") or fits(value)):
            raise AttributeError(
                f"self.{name} = ... of {type(self).__name__}, at {user_line()}: compile and fit keep {what} there, and "
                f"would put it in place of {describe(value)}. Take another name: self.own_{name} = ..."
            )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.optimizer: optimizers.BaseOptimizer | None = None
        self.run_eagerly = False
        self.compiled = False
        _take_objective(self, Objective())

    @filtered
    def compile(
        self,
        optimizer: Any = "rmsprop",
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
        check_ready(self)
        chosen = None if optimizer is None else optimizers.get(optimizer)
        objective = Objective(loss, loss_weights, metrics, weighted_metrics)
        if auto_scale_loss and chosen is not None and self.compute_dtype == "float16":
            chosen = optimizers.scaling(chosen)
        self.compiled = True
        self.optimizer = chosen
        if not is_hidden_by_attributes(getattr(type(self), "loss", None)):
            self.loss = loss
        _take_objective(self, objective)
        self.run_eagerly = bool(run_eagerly)

    def _besides(self) -> Iterable[tuple[str, Any]]:
        return [*super()._besides(), ("compile_metrics", self._lamina.objective)]

    @property
    def metrics(self) -> list[Metric]:
        """The mean losses, the metrics of `compile`, and those of its layers; not what models inside were compiled with."""
        return list(dict.fromkeys([*self._lamina.objective.metrics, *super().metrics]))

    @property
    def metrics_names(self) -> list[str]:
        """The names of the losses and metrics."""
        return [*self._lamina.objective.means.names, *(metric.name for metric in self.metrics[1:])]

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
        loss = None if y is None else self._lamina.objective.loss(y, y_pred, sample_weight)
        terms = [*([] if loss is None else [loss]), *self.losses]
        if not terms:
            raise ValueError(
                f"The model {self.name!r} has no loss to minimise. Give compile a loss and fit targets, or use add_loss."
            )
        total: Array = sum(terms[1:], terms[0])
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Takes a batch into the metrics of `compile` and returns the values of all metrics so far."""
        if y is not None:
            self._lamina.objective.update_metrics(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the values of all metrics so far, by name."""
        return self._lamina.objective.logs(self.metrics)

    def train_step(self, data: Any) -> dict[str, Any]:
        """Learns from one batch and returns the logs; override it for another way to learn."""
        if self.optimizer is None:
            raise ValueError(f"The model {self.name!r} has no optimizer. Give one to compile(optimizer=...).")
        weights = self.trainable_weights
        if not weights:
            raise ValueError(
                f"The model {self.name!r} has no weights to train. Its layers are those that its attributes hold: make them in "
                "__init__, not in call (self.dense = ...); or they are all frozen (trainable=False)."
            )
        x, y, sample_weight = unpack(data)
        scaled: Callable[[Any], Any] = self.optimizer.scale_loss

        def loss() -> tuple[Array, Any]:
            y_pred = self(x, training=True)
            value = self.compute_loss(x, y, y_pred, sample_weight)
            return scaled(value), (value, y_pred)

        (_, (value, y_pred)), grads = value_and_grad(loss, weights, has_aux=True)()
        self.optimizer.apply(grads, weights)
        self._lamina.objective.note(value, _samples(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates one batch and returns the logs; override it for another way to evaluate."""
        x, y, sample_weight = unpack(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        self._lamina.objective.note(loss, _samples(x))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Returns the outputs for one batch; override it for other outputs."""
        return self(unpack(data)[0], training=False)


def _take_objective(learner: Learner, objective: Objective) -> None:
    detach(learner, "compile_metrics", learner._lamina.objective)
    learner._lamina.objective = objective
    attach(learner, "compile_metrics", objective)


def _samples(x: Any) -> float:
    return float(jax.tree.leaves(x)[0].shape[0])
