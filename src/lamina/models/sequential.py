"""Sequential: layers one after the other."""

from collections.abc import Iterable
from typing import Any, Self

import jax

from lamina.core.calls import undo_on_error
from lamina.core.config import serialize
from lamina.core.layer import Layer
from lamina.core.masks import with_mask
from lamina.core.plain import refuse_code
from lamina.core.symbolic import SymbolicTensor, symbolic_leaves
from lamina.layers.input_layer import InputLayer, input_layer_of
from lamina.models.connected import Connected, innermost
from lamina.models.inputs import arrays_for


class Sequential(Connected):
    """Layers one after the other, each on the outputs of the one before.

    With a `lamina.Input` as the first one, or a model whose inputs are known, each layer is built as it is added; else all are
    built by the first call, or by `build(input_shape)`. From then on `inputs` and `outputs` are known.

    Args:
        layers: the layers.
        name: its name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is no layer.
        ValueError: for two layers of one name, or an input that is not first.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(4), lamina.layers.Dense(1)])
    >>> model.count_params(), model.output_shape
    (21, (None, 1))
    """

    _parts = ("layers",)
    _untracked = Connected._untracked | {"_starts", "_tensors", "_shape"}

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self._layers: list[Layer] = []
        self._starts: Any = None  # input layers, nested as the inputs are, where these are known before the first call
        self._input_given = False  # whether they are those of an Input, or of the first layer
        self._shape: Any = None  # the shapes that it was built for
        self._tensors: list[Any] = []  # the symbolic input, and what the layers make of it one after the other
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the input layer."""
        return list(self._layers)

    @property
    def output_layers(self) -> list[Any] | None:
        """The last layer, or the last one of a model that it is."""
        return [innermost(self._layers[-1])] if self._layers else None

    def add(self, layer: Any) -> None:
        """Puts a layer at the end."""
        if isinstance(layer, (SymbolicTensor, InputLayer)):
            if self._layers or self._starts is not None:
                raise ValueError("lamina.Input can only be the first of a Sequential's layers.")
            tensor = layer.tensor if isinstance(layer, InputLayer) else layer
            self._starts, self._tensors, self._input_given = input_layer_of(tensor), [tensor], True
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"A Sequential is made of layers, not of {layer!r}.")
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(
                f"The Sequential {self.name!r} already has a layer with the name {layer.name!r}; give it another name."
            )
        with undo_on_error(self):
            if (
                not self._layers
                and not self._input_given
                and isinstance(layer, Connected)
                and layer.built
                and layer._starts is not None
            ):
                self._starts = jax.tree.map(InputLayer.copy, layer._starts)
                self._tensors = [jax.tree.map(lambda start: start.tensor, self._starts)]
            self._layers.append(layer)
            self.built, self._loops = False, {}
            self._build_if_known()

    def pop(self) -> Layer:
        """Takes the last layer off and returns it. Raises ValueError if there is none."""
        if not self._layers:
            raise ValueError(f"The Sequential {self.name!r} has no layers.")
        layer = self._layers.pop()
        if len(self._tensors) == len(self._layers) + 2:
            made = symbolic_leaves(self._tensors.pop())
            layer._nodes = [node for node in layer._nodes if node is not made[0].node]
        if not self._layers:
            self._shape = None
            self._starts, self._tensors = (self._starts, self._tensors[:1]) if self._input_given else (None, [])
        self.built, self._loops = self.built and bool(self._layers), {}
        return layer

    def _build_if_known(self) -> None:
        """Builds the layers that are new, if the shape of the input is known and none of them needs numbers to run."""
        known = self._starts is not None or self._shape is not None
        if known and not any(layer.dynamic for layer in self._layers[max(len(self._tensors) - 1, 0) :]):
            self._connected()
            self.built = True
            self._note_built((_shapes(self._tensors[0]),))

    def _connected(self) -> list[Any]:
        """Returns the symbolic input and what each layer makes of it; calls the layers for which this is not known yet."""
        if not self._layers or (self._starts is None and self._shape is None):
            raise AttributeError(f"The Sequential {self.name!r} is not built yet, so it has no symbolic inputs and outputs.")
        if not self._tensors:
            tensors = self._symbolic(self._shape)
            self._tensors = [jax.tree.map(lambda t: InputLayer((*t.shape[1:],), dtype=t.dtype).tensor, tensors)]
        while len(self._tensors) <= len(self._layers):
            self._tensors.append(self._layers[len(self._tensors) - 1](self._tensors[-1]))
        return self._tensors

    def _note_built(self, shapes: tuple[Any, ...]) -> None:
        super()._note_built(shapes)
        self._shape = shapes[0] if shapes else None

    @property
    def input(self) -> Any:
        """The symbolic input. Raises AttributeError before the model is built."""
        return self._connected()[0]

    @property
    def output(self) -> Any:
        """The symbolic output. Raises AttributeError before the model is built."""
        return self._connected()[-1]

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the outputs of the last layer."""
        if not self._layers:
            raise ValueError(f"The Sequential {self.name!r} has no layers. Give it some with add(layer).")
        if mask is not None:
            inputs = with_mask(inputs, mask, jax.tree.leaves(inputs))
        if self._starts is not None:
            inputs = jax.tree.unflatten(jax.tree.structure(self._starts), arrays_for(self._starts, inputs, self.name))
        for layer in self._layers:
            inputs = layer(inputs)
        return inputs

    def _config_of_parts(self) -> dict[str, Any]:
        layers = [self._starts, *self._layers] if self._input_given else self._layers
        config = {"layers": [serialize(layer) for layer in layers]}
        refuse_code(config, f"The model {self.name!r}")
        return config if self._shape is None or self._starts is not None else {**config, "build_input_shape": self._shape}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Returns a new model, with new weights, from what `get_config` returned; built if that one was."""
        model = super().from_config({key: value for key, value in config.items() if key != "build_input_shape"})
        if config.get("build_input_shape") is not None:
            model.build(config["build_input_shape"])
        return model


def _shapes(tensors: Any) -> Any:
    return jax.tree.map(lambda tensor: tensor.shape, tensors)
