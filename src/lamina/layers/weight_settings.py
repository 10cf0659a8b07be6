"""The settings of a weight: what it starts from, its penalty, and what is applied to it after each update."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.layer import Layer
from lamina.core.variable import Array, Variable


class WeightSettings(NamedTuple):
    """What a user says of one weight, in Keras's three arguments: for the kernel `kernel_initializer` and so on."""

    initializer: Any
    regularizer: Any
    constraint: Any

    def named(self, weight: str) -> dict[str, Any]:
        """Returns the settings by the names of Keras's arguments, each as an object."""
        return {
            f"{weight}_initializer": initializers.get(self.initializer),
            f"{weight}_regularizer": regularizers.get(self.regularizer),
            f"{weight}_constraint": constraints.get(self.constraint),
        }

    def keep(self, layer: Layer, weight: str) -> None:
        """Makes the settings attributes of a layer, where users read and change them: `layer.kernel_initializer` and so on."""
        for name, value in self.named(weight).items():
            setattr(layer, name, value)


def add_weight(layer: Any, weight: str, shape: Sequence[int], initializer: Any = None, autocast: bool = True) -> Variable:
    """Returns a new weight of a layer, made as the attributes of the layer say.

    Args:
        layer: the layer.
        weight: by what its settings are called, such as "kernel".
        shape: the weight's sizes.
        initializer: stands for that of the settings.
        autocast: see `Layer.add_weight`.
    """
    made: Variable = layer.add_weight(
        shape,
        initializer or getattr(layer, f"{weight}_initializer"),
        autocast=autocast,
        regularizer=getattr(layer, f"{weight}_regularizer"),
        constraint=getattr(layer, f"{weight}_constraint"),
    )
    return made


class KernelLayer(Layer):
    """A layer with a kernel, a bias and an activation."""

    activation: Callable[..., Array]
    use_bias: bool
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any
    bias: Variable | None = None
