"""Pipeline: layers one after the other, as one layer."""

from collections.abc import Sequence
from typing import Any

from lamina.core.layer import Layer


class Pipeline(Layer):
    """layers[-1](... layers[0](inputs)): layers that prepare data, as one.

    They are called as part of training unless `training` says otherwise, as in Keras.

    Args:
        layers: the layers.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what are not layers.

    >>> layers = [lamina.layers.RandomFlip(), lamina.layers.CenterCrop(4, 4), lamina.layers.Rescaling(1 / 255)]
    >>> lamina.layers.Pipeline(layers)(np.ones((2, 8, 8, 3))).shape
    (2, 4, 4, 3)
    """

    _casts_inputs = False

    def __init__(self, layers: Sequence[Layer], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(layers, (list, tuple)) or not all(isinstance(layer, Layer) for layer in layers):
            raise TypeError(f"Pipeline takes a list of layers, not {layers!r}.")
        self.layers = list(layers)

    def call(self, inputs: Any, training: bool = True) -> Any:
        """Calls the layers, each on what the one before returned."""
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs
