"""Lambda: a function as a layer."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import lamina.activations as activations
from lamina.core.layer import Layer


class Lambda(Layer):
    """function(inputs, **arguments).

    For functions without weights of their own; what has weights is better written as a layer. A config holds the function
    itself, so that only a function which Lamina knows by name can be written to a file.

    Args:
        function: what to compute, or the name of an activation. If it has arguments named `training` or `mask`, they are
            filled in as in a layer's call.
        output_shape: the outputs' shape without the batch, or a function of the inputs' shape. Needed only where the
            function cannot run without numbers (with `dynamic=True`); otherwise the shape is found by running it.
        mask: the mask of the outputs, or a function of the inputs and their mask that returns it; by default there is none.
        arguments: further arguments of the function, by name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a function, or no shape, mask or dict where one is to be.
        ValueError: for an unknown name.

    >>> print(lamina.layers.Lambda(lambda x, power: x**power, arguments={"power": 2})(np.array([1.0, 3.0])))
    [1. 9.]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.function = activations.get(function) if isinstance(function, str) else function
        if not callable(self.function):
            raise TypeError(f"Lambda takes a function, not {function!r}.")
        if not (output_shape is None or callable(output_shape) or isinstance(output_shape, (tuple, list))):
            raise TypeError(f"output_shape of Lambda must be a tuple of sizes or a function, not {output_shape!r}.")
        if not (mask is None or callable(mask) or np.ndim(mask) > 0):
            raise TypeError(f"mask of Lambda must be an array or a function, not {mask!r}.")
        if not (arguments is None or isinstance(arguments, Mapping)):
            raise TypeError(f"arguments of Lambda must be a dict, from names to values, not {arguments!r}.")
        self.output_shape = output_shape
        self.mask = mask
        self.supports_masking = mask is not None
        self.arguments = dict(arguments or {})
        self._asks_for = {"training", "mask"} & set(_parameters(self.function))

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        reserved = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: reserved[name] for name in self._asks_for})

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.output_shape is None:
            return super().compute_output_shape(input_shape)
        return self.output_shape(input_shape) if callable(self.output_shape) else (input_shape[0], *self.output_shape)


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return list(inspect.signature(function).parameters)
    except ValueError:  # a function of C code without a signature
        return []
