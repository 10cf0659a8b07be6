"""Sequential: layers one after the other."""

from collections.abc import Iterable
from typing import Any

from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor
from lamina.models.model import Model


class Sequential(Model):
    """Layers one after the other, each on the outputs of the one before.

    Args:
        layers: the layers; a `lamina.Input` as the first one builds the model at once.
        name: its name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is no layer.
        ValueError: for two layers of one name, or an input that is not first.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(4), lamina.layers.Dense(1)])
    >>> model.count_params()
    21
    """

    steps_by_name = True
    casts_inputs = False

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._layers: list[Layer] = []
        self._input: SymbolicTensor | None = None
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Puts a layer at the end."""
        if isinstance(layer, SymbolicTensor):
            if self._layers or self._input is not None:
                raise ValueError("lamina.Input can only be the first of a Sequential's layers.")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"A Sequential is made of layers, not of {layer!r}.")
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"The Sequential {self.name!r} already has a layer with the name {layer.name!r}; give it another name."
            )
        self._layers.append(layer)
        self._changed()

    def pop(self) -> Layer:
        """Takes the last layer off and returns it. Raises ValueError if there is none."""
        if not self._layers:
            raise ValueError(f"The Sequential {self.name!r} has no layers.")
        layer = self._layers.pop()
        self._changed()
        return layer

    def _changed(self) -> None:
        self.built = False
        self._loops = {}
        if self._input is not None and self._layers and not self.dynamic:
            self.build(self._input.shape)

    def call(self, inputs: Any) -> Any:
        """Computes the outputs of the last layer."""
        for layer in self._layers:
            inputs = layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        """Returns its name and the layers it has now."""
        from lamina.core.config import serialize

        config = super().get_config()
        return {**config, "layers": [serialize(layer) for layer in self._layers]}
