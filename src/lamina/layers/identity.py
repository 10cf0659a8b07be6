"""Identity: nothing, where a layer is asked for."""

from typing import Any

from lamina.core.layer import Layer


class Identity(Layer):
    """Returns its inputs, whatever their structure.

    >>> print(lamina.layers.Identity()(np.array([1.0, 2.0])))
    [1. 2.]
    """

    supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs
