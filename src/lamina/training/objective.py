"""The losses and metrics of `compile`, matched to the outputs of a model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import lamina.losses as losses
import lamina.metrics as metrics
from lamina.core.config import remade
from lamina.core.errors import warn
from lamina.core.metric import Metric, add_metric_context
from lamina.core.text import describe, suggest, unused_name
from lamina.core.tree import Module
from lamina.core.variable import Array
from lamina.losses.hints import outside_probabilities


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
            "loss": _map(_loss, loss),
            "loss_weights": _map(_weight, loss_weights),
            "metrics": _map(_metric, metrics),
            "weighted_metrics": _map(_metric, weighted_metrics),
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
        names = _names(outputs) if names is None else list(names)
        asked = self._asked
        by_output = [
            _by_output(asked["loss"], names, "loss"),
            _by_output(asked["loss_weights"], names, "loss_weights"),
            _by_output(asked["metrics"], names, "metrics", many=True),
            _by_output(asked["weighted_metrics"], names, "weighted_metrics", many=True),
        ]
        several = len(names) > 1
        self._outputs = [
            _Output(
                name,
                tuple(output.shape),
                loss,
                weight,
                plain,
                weighted,
            )
            for name, output, loss, weight, plain, weighted in zip(names, jax.tree.leaves(outputs), *by_output, strict=True)
        ]
        parts = [_loss_name(output) for output in self._outputs if output.loss is not None]
        if len(parts) > 1:
            self.means = LossMeans(["loss", *parts])
        self._metrics = {}
        for output in self._outputs:
            before = f"{output.name}_" if several else ""
            for metric in output.metrics:
                self._metrics[unused_name(before + metric.name, self._metrics)] = metric
            for metric in output.weighted_metrics:
                name = before + metric.name
                name = f"{before}weighted_{metric.name}" if name in self._metrics else name
                self._metrics[unused_name(name, self._metrics)] = metric
        self.built = True

    @property
    def has_loss(self) -> bool:
        """Whether any output has a loss."""
        return any(loss is not None for loss in _leaves(self._asked["loss"]))

    @property
    def metrics(self) -> list[Metric]:
        """The means of the losses, and the metrics."""
        asked = [metric for kind in ("metrics", "weighted_metrics") for metric in _leaves(self._asked[kind])]
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
        targets = _values_by_output(y, [output.name for output in self._outputs], "targets")
        for output, target in zip(self._outputs, targets, strict=True):
            if output.loss is not None and target is not None:
                output.loss._check(target, output.shape)
                _warn_of_targets(output, target)

    def _zip(self, y: Any, y_pred: Any, sample_weight: Any) -> Iterator[tuple[_Output, Any, Any, Any]]:
        names = [output.name for output in self._outputs]
        predicted = jax.tree.leaves(y_pred)
        if len(predicted) != len(names):
            raise ValueError(f"The model gives {len(predicted)} outputs now, but gave {len(names)} when it was first trained.")
        targets = _values_by_output(y, names, "targets")
        weights = _values_by_output(sample_weight, names, "sample_weight", shared=True)
        return zip(self._outputs, targets, predicted, weights, strict=True)


# --- what was given, as objects ------------------------------------------------------------------------------------------


def _map(function: Any, given: Any) -> Any:
    """Applies a function to what lists and dicts hold; a dict that is a config is one thing."""
    if isinstance(given, dict) and "class_name" not in given:
        return {key: _map(function, item) for key, item in given.items()}
    if isinstance(given, (list, tuple)):
        return [_map(function, item) for item in given]
    return function(given)


def _leaves(given: Any) -> list[Any]:
    if isinstance(given, dict):
        return [leaf for item in given.values() for leaf in _leaves(item)]
    return [leaf for item in given for leaf in _leaves(item)] if isinstance(given, list) else [given]


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


def _warn_of_targets(output: _Output, target: Any) -> None:
    """Warns of targets of a crossentropy that are not probabilities."""
    name = type(output.loss).__name__
    fits = isinstance(target, np.ndarray) and [n for n in target.shape[1:] if n != 1] == [n for n in output.shape[1:] if n != 1]
    if name in ("BinaryCrossentropy", "CategoricalCrossentropy") and fits:
        wrong = outside_probabilities(target)
        if wrong is not None:
            also = " Labels of -1 and 1 become 0 and 1 by (y + 1) / 2." if name == "BinaryCrossentropy" and wrong == -1 else ""
            warn(
                f"{name} takes targets from 0 to 1, but the targets of the output {output.name!r}, {describe(target)}, hold "
                f"{wrong:g}: training would lead nowhere.{also} For numbers of any size use 'mse'; for class numbers "
                "'sparse_categorical_crossentropy'."
            )


def warn_of_activation(loss: Any, layer: Any) -> None:
    """Warns if a crossentropy takes logits from a layer that gives probabilities, or the other way round.

    Args:
        loss: the loss of an output.
        layer: the layer that makes the output, where that is known.
    """
    from_logits = getattr(loss, "from_logits", None)
    if from_logits is None or layer is None:
        return
    function = getattr(layer, "activation", None)
    activation = "softmax" if type(layer).__name__ == "Softmax" else getattr(function, "__name__", "")
    owner = f"The layer {layer.path!r} ({type(layer).__name__})"
    if from_logits and activation in ("softmax", "sigmoid"):
        warn(
            f"{owner} gives probabilities, for its activation is {activation!r}, but the loss {type(loss).__name__}"
            "(from_logits=True) takes what comes before that. Take the activation out, or from_logits=True."
        )
    elif not from_logits and activation == "linear" and hasattr(layer, "kernel"):
        wanted = "sigmoid" if "Binary" in type(loss).__name__ else "softmax"
        warn(
            f"{owner} has no activation, so its outputs are logits, of any size, but the loss {type(loss).__name__} takes "
            f"probabilities. Give the loss from_logits=True (lamina.losses.{type(loss).__name__}(from_logits=True)), or the layer "
            f"activation={wanted!r}."
        )


# --- outputs -------------------------------------------------------------------------------------------------------------


def _names(outputs: Any) -> list[str]:
    """Returns the names of outputs: the keys of dicts, and `output_1`, `output_2`, ... in lists.

    >>> _names({"a": 1.0, "b": [2.0, 3.0]})
    ['a', 'b_output_1', 'b_output_2']
    """
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(outputs)[0]]
    return ["_".join(_step(key) for key in path) or "output" for path in paths]


def _step(key: Any) -> str:
    return f"output_{key.idx + 1}" if hasattr(key, "idx") else str(getattr(key, "key", key))


def _by_output(given: Any, names: list[str], what: str, many: bool = False) -> list[Any]:
    """Returns what is asked of each output.

    Args:
        given: one thing for all, a list with one for each, or a dict by name.
        names: the outputs' names.
        what: the argument of `compile`, for messages.
        many: whether there may be several for one output; then each is a list.
    """
    if isinstance(given, dict):
        for key in given:
            if key not in names:
                raise ValueError(f"{what} names an output {key!r}, which the model does not have. {suggest(str(key), names)}")
        chosen = [given.get(name) for name in names]
    elif isinstance(given, list) and not (many and (len(names) == 1 or len(given) != len(names))):
        if len(given) != len(names):
            raise ValueError(
                f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)}). Give one for each, or None where "
                "an output has none."
            )
        chosen = given
    elif isinstance(given, list) and len(names) > 1 and any(isinstance(item, list) for item in given):
        raise ValueError(f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)}). Give a list for each.")
    else:
        chosen = [given] * len(names)
    if not many:
        return chosen
    lists = [[metric for metric in _leaves(item) if metric is not None] for item in chosen]
    if len(names) > 1 and chosen and all(item is given for item in chosen):
        return [[_fresh(metric) for metric in each] for each in lists]
    return lists


def _update(metric: Metric, *args: Any, **kwargs: Any) -> None:
    try:
        metric.update_state(*args, **kwargs)
    except Exception as error:
        add_metric_context(error, metric, args, kwargs)
        raise


def _fresh(metric: Metric) -> Metric:
    return remade(metric)


def _values_by_output(given: Any, names: list[str], what: str, shared: bool = False) -> list[Any]:
    """Returns the targets or the sample weights of each output.

    Args:
        given: a structure with one for each output, or a dict by name; None for none.
        names: the outputs' names.
        what: what messages call it.
        shared: whether one array counts for all outputs.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, dict) and not set(given).isdisjoint(names):
        for key in given:
            if key not in names:
                raise ValueError(f"The {what} have a key {key!r}, which is not an output of the model. {suggest(str(key), names)}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple, dict)):
        values = jax.tree.leaves(given, is_leaf=lambda leaf: leaf is None)
        if len(values) == len(names):
            return values
    elif shared or len(names) == 1:
        return [given] * len(names)
    if len(names) == 1:
        return [given]
    raise ValueError(f"The model has {len(names)} outputs ({', '.join(names)}), which the {what} {describe(given)} do not match.")


def _loss_name(output: _Output) -> str:
    return f"{output.name}_loss"


def _samples(array: Any) -> float:
    return float(array.shape[0]) if array.ndim else 1.0
