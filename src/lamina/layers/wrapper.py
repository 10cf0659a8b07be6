"""Wrapper: a layer around a layer."""

from typing import Any

from lamina.core.layer import Layer


class Wrapper(Layer):
    """A base for layers that hold another one and change what it does. A subclass defines `call`.

    Args:
        layer: the layer to wrap.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a layer.

    >>> class Twice(lamina.layers.Wrapper):
    ...     def call(self, inputs):
    ...         return self.layer(self.layer(inputs))
    >>> print(Twice(lamina.layers.Lambda(lambda x: 3 * x))(np.array([1.0])))
    [9.]
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise TypeError(f"{type(self).__name__} wraps a layer, not {layer!r}.")
        self.layer = layer
