"""ActivityRegularization: a penalty on what passes through."""

from typing import Any

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.regularizers import L1L2


class ActivityRegularization(Layer):
    """Returns its inputs, and adds (l1 · Σ|x| + l2 · Σx²) / batch size to the losses.

    Args:
        l1: the weight of the sum of absolute values.
        l2: the weight of the sum of squares.
        kwargs: what `lamina.Layer` takes.

    >>> layer = lamina.layers.ActivityRegularization(l1=0.5)
    >>> outputs = layer(np.array([[1.0, -2.0], [3.0, 0.0]]))
    >>> print(layer.losses[0])
    1.5
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1, l2), **kwargs)
        self.l1 = l1
        self.l2 = l2

    def call(self, inputs: Array) -> Array:
        return inputs
