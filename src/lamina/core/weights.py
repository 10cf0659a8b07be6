"""The weights of a tree of layers: which there are, which are trained, and their values as NumPy arrays."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lamina.core.errors import show_shape
from lamina.core.tree import Module
from lamina.core.variable import Variable


class Weighted(Module):
    """A module whose variables are weights: a layer. Modules below it that are no layers own state, but no weights."""

    _trainable: bool = True

    def sublayers(self) -> "list[Weighted]":
        """Returns the layers that this one holds directly."""
        return [child for child in self.children().values() if isinstance(child, Weighted)]

    def flatten_layers(self) -> "list[Weighted]":
        """Returns this layer and all below it, each once, parents before their children."""
        return list(dict.fromkeys(layer for layer, _ in self._layers_with_state()))

    def _layers_with_state(self) -> "Iterator[tuple[Weighted, bool]]":
        """Yields each layer once, and whether it and all above it are trainable."""
        seen: set[int] = set()
        stack: list[tuple[Weighted, bool]] = [(self, True)]
        while stack:
            layer, above = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            trainable = above and layer._trainable
            yield layer, trainable
            stack.extend((child, trainable) for child in reversed(layer.sublayers()))

    def _weights_with_state(self) -> dict[Variable, bool]:
        """Returns the weights, a layer's trainable ones before its others, and whether each is trained."""
        weights: dict[Variable, bool] = {}
        for layer, trainable in self._layers_with_state():
            own = layer.own_variables()
            for variable in sorted(own, key=lambda v: not v.trainable):
                weights.setdefault(variable, trainable and variable.trainable)
        return weights

    @property
    def trainable(self) -> bool:
        """Whether its weights are trained. Setting it sets it for all layers below."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self.flatten_layers():
            object.__setattr__(layer, "_trainable", bool(value))

    @property
    def weights(self) -> list[Variable]:
        """The weights of this layer and of those below it; those of one layer in the order trainable, then others."""
        return list(self._weights_with_state())

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that gradients update."""
        return [weight for weight, trained in self._weights_with_state().items() if trained]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that gradients do not update: frozen ones, and state such as moving averages."""
        return [weight for weight, trained in self._weights_with_state().items() if not trained]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """All other variables: frozen weights, moving averages, the state of metrics and seed generators."""
        trained = set(self.trainable_weights)
        return [variable for variable in self.variables if variable not in trained]

    def count_params(self) -> int:
        """Returns the number of elements of all weights."""
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns copies of the weights' values, in the order of `weights`."""
        return [weight.numpy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets all weights, in the order of `weights`.

        Raises:
            ValueError: if the number or a shape is not right; then no weight is set.
        """
        own = self.weights
        values = [np.asarray(value) for value in weights]
        if len(values) != len(own):
            built = "" if own or getattr(self, "built", True) else " It is not built yet: call it on data, or build(shape)."
            raise ValueError(f"{self.path!r} has {len(own)} weights, but {len(values)} values were given.{built}")
        for weight, value in zip(own, values, strict=True):
            if weight.shape != value.shape:
                raise ValueError(
                    f"The weight {weight.path!r} has shape {show_shape(weight.shape)}, but the value given for it has shape "
                    f"{show_shape(value.shape)}. No weight was set."
                )
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
