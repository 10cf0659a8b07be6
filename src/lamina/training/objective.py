"""The objective: the losses and metrics of `compile`, and their values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import lamina.losses as losses
import lamina.metrics as metrics
from lamina.core.config import remade
from lamina.core.metric import Metric, add_metric_context
from lamina.core.module import Module
from lamina.core.text import unused_name
from lamina.core.variable import Array
from lamina.training.loss_warnings import warn_of_activation, warn_of_targets
from lamina.training.matching import by_output, leaves_of, map_given, names_of, values_by_output


class _Output(NamedTuple):
    """What is asked of one output."""

    name: str
    shape: tuple[int, ...]
    loss: losses.Loss | None
    weight: float | None
    metrics: list[Metric]
    weighted_metrics: list[Metric]


class LossMeans(Metric):
    """The means of several losses over all samples seen: one vector of sums, since on the CPU each number costs a kernel.

    Args:
        names: the losses' names.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("loss")
        self.names = list(names)
        self.sums = self.add_variable((len(self.names) + 1,), name="sums")  # the last one counts samples

    def update_state(self, values: Mapping[str, Any], samples: float = 0.0) -> None:
        """Takes the losses of a batch in.

        Args:
            values: some of the losses, each multiplied with the number of samples.
            samples: how many there were.
        """
        added = [jnp.asarray(values.get(name, 0.0), self.dtype) for name in self.names]
        self.sums.assign_add(jnp.stack([*added, jnp.asarray(samples, self.dtype)]))

    def reset_state(self) -> None:
        """Forgets what it has seen."""
        self.sums.assign(np.zeros(self.sums.shape, self.sums.dtype))

    def result(self) -> dict[str, Array]:
        """Returns the means so far by name; 0 before any."""
        sums = self.sums.value
        means = sums[:-1] / jnp.maximum(sums[-1], 1.0)
        return {name: means[i] for i, name in enumerate(self.names)}


class Objective(Module):
    """What `compile` asks of a model's outputs: a weighted sum of losses, and metrics.

    Each of the arguments is one thing for all outputs, a list with one for each, or a dict by the outputs' names.

    Args:
        loss: names, Losses or functions; None where an output has none.
        loss_weights: numbers; 1 by default.
        metrics: for each output a metric or a list of them: names, Metrics or functions. A plain list with another length
            than there are outputs is for each of them.
        weighted_metrics: likewise; these are given the sample weights.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
        TypeError: for what is not a loss, weight or metric.
    """

    def __init__(self, loss: Any = None, loss_weights: Any = None, metrics: Any = None, weighted_metrics: Any = None) -> None:
        self._lamina.name = "compile_metrics"
        self._asked = {
            "loss": map_given(_loss, loss),
            "loss_weights": map_given(_weight, loss_weights),
            "metrics": map_given(_metric, metrics),
            "weighted_metrics": map_given(_metric, weighted_metrics),
        }
        self.means = LossMeans(["loss"])
        self.built = False
        self._outputs: list[_Output] = []
        self._metrics: dict[str, Metric] = {}

    def build(self, outputs: Any, names: Sequence[str] | None = None) -> None:
        """Matches what was asked to the outputs of the model; runs once.

        Args:
            outputs: the outputs, or anything nested as they are.
            names: the outputs' names; by default the keys of a dict, and `output_1`, `output_2`, ... in a list.

        Raises:
            ValueError: if it does not fit the outputs; nothing is changed then.
        """
        if self.built:
            return
        names = names_of(outputs) if names is None else list(names)
        asked = self._asked
        asked_of_each = [
            by_output(asked["loss"], names, "loss"),
            by_output(asked["loss_weights"], names, "loss_weights"),
            _metrics_by_output(asked["metrics"], names, "metrics"),
            _metrics_by_output(asked["weighted_metrics"], names, "weighted_metrics"),
        ]
        shapes = [tuple(output.shape) for output in jax.tree.leaves(outputs)]
        self._outputs = [_Output(*parts) for parts in zip(names, shapes, *asked_of_each, strict=True)]
        parts = [_loss_name(output) for output in self._outputs if output.loss is not None]
        if len(parts) > 1:
            self.means = LossMeans(["loss", *parts])
        self._metrics = _named(self._outputs)
        self.built = True

    @property
    def has_loss(self) -> bool:
        """Whether any output has a loss."""
        return any(loss is not None for loss in leaves_of(self._asked["loss"]))

    @property
    def metrics(self) -> list[Metric]:
        """The means of the losses, and the metrics."""
        asked = [metric for kind in ("metrics", "weighted_metrics") for metric in leaves_of(self._asked[kind])]
        own = self._metrics.values() if self.built else [metric for metric in asked if metric is not None]
        return list(dict.fromkeys([self.means, *own]))

    def logs(self, also: Sequence[Metric] = ()) -> dict[str, Any]:
        """Returns the values of all metrics so far by name, those of `also` at the end; a repeated name is numbered.

        A metric whose value is a dict gives its items.
        """
        names = {metric: name for name, metric in self._metrics.items()}
        values: dict[str, Any] = {}
        for metric in dict.fromkeys([*self.metrics, *also]):
            result = metric.result()
            items = result.items() if isinstance(result, Mapping) else [(names.get(metric, metric.name), result)]
            for name, value in items:
                values[unused_name(name, values)] = value
        return values

    # --- on a batch ----------------------------------------------------------------------------------------------------

    def loss(self, y: Any, y_pred: Any, sample_weight: Any = None) -> Array | None:
        """Returns the weighted sum of the outputs' losses, and takes each into its mean; None if there is no loss.

        Raises:
            ValueError: if the targets do not fit the outputs.
        """
        self.build(y_pred)
        terms, parts = [], {}
        for output, target, predicted, weights in self._zip(y, y_pred, sample_weight):
            if output.loss is None:
                continue
            if target is None:
                raise ValueError(f"The output {output.name!r} has a loss, but no targets were given for it.")
            value = output.loss(target, predicted, weights)
            parts[_loss_name(output)] = value * _samples(predicted)
            terms.append(value if output.weight is None else value * output.weight)
        if len(terms) > 1:
            self.means.update_state(parts)
        return sum(terms[1:], terms[0]) if terms else None

    def note(self, loss: Any, samples: float) -> None:
        """Takes the total loss of a batch into its mean."""
        self.means.update_state({"loss": loss * samples}, samples)

    def update_metrics(self, y: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch into the metrics."""
        self.build(y_pred)
        for output, target, predicted, weights in self._zip(y, y_pred, sample_weight):
            if target is None:
                continue
            for metric in output.metrics:
                _update(metric, target, predicted)
            for metric in output.weighted_metrics:
                _update(metric, target, predicted, sample_weight=weights)

    def check_activations(self, layers: Sequence[Any]) -> None:
        """Warns where a loss takes logits and the layer of its output gives probabilities, or the other way round.

        Args:
            layers: the layer that makes each output, None where it is not known; empty where none is.
        """
        if len(layers) == len(self._outputs):
            for output, layer in zip(self._outputs, layers, strict=True):
                warn_of_activation(output.loss, layer)

    def check(self, y: Any) -> None:
        """Raises ValueError for targets that do not match the outputs, or that no loss can take: labels that are not classes."""
        targets = values_by_output(y, [output.name for output in self._outputs], "targets")
        for output, target in zip(self._outputs, targets, strict=True):
            if output.loss is not None and target is not None:
                output.loss._check(target, output.shape)
                warn_of_targets(output.loss, target, output.name, output.shape)

    def _zip(self, y: Any, y_pred: Any, sample_weight: Any) -> Iterator[tuple[_Output, Any, Any, Any]]:
        names = [output.name for output in self._outputs]
        predicted = jax.tree.leaves(y_pred)
        if len(predicted) != len(names):
            raise ValueError(f"The model gives {len(predicted)} outputs now, but gave {len(names)} when it was first trained.")
        targets = values_by_output(y, names, "targets")
        weights = values_by_output(sample_weight, names, "sample_weight", shared=True)
        return zip(self._outputs, targets, predicted, weights, strict=True)


# --- what was given, as objects ------------------------------------------------------------------------------------------


def _loss(identifier: Any) -> losses.Loss | None:
    return losses.get(identifier)


def _metric(identifier: Any) -> Metric | None:
    return metrics.get(identifier)


def _weight(value: Any) -> float | None:
    if value is not None and not isinstance(value, (int, float, np.number)):
        raise TypeError(
            f"loss_weights takes numbers, not {value!r}. Give metrics by their name: compile(optimizer, loss, metrics=...)."
        )
    return None if value is None else float(value)


# --- for each output -----------------------------------------------------------------------------------------------------


def _metrics_by_output(given: Any, names: list[str], what: str) -> list[list[Metric]]:
    """Returns the metrics of each output; those that were given once for several outputs are made anew for each."""
    chosen = by_output(given, names, what, many=True)
    lists = [[metric for metric in leaves_of(item) if metric is not None] for item in chosen]
    if len(names) > 1 and chosen and all(item is given for item in chosen):
        return [[remade(metric) for metric in each] for each in lists]
    return lists


def _named(outputs: Sequence[_Output]) -> dict[str, Metric]:
    """Returns the metrics of outputs by the names that they have in logs."""
    named: dict[str, Metric] = {}
    for output in outputs:
        before = f"{output.name}_" if len(outputs) > 1 else ""
        for metric in output.metrics:
            named[unused_name(before + metric.name, named)] = metric
        for metric in output.weighted_metrics:
            name = before + metric.name
            name = f"{before}weighted_{metric.name}" if name in named else name
            named[unused_name(name, named)] = metric
    return named


def _update(metric: Metric, *args: Any, **kwargs: Any) -> None:
    try:
        metric.update_state(*args, **kwargs)
    except Exception as error:
        add_metric_context(error, metric, args, kwargs)
        raise


def _loss_name(output: _Output) -> str:
    return f"{output.name}_loss"


def _samples(array: Any) -> float:
    return float(array.shape[0]) if array.ndim else 1.0
