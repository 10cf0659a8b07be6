"""Sequential: layers one after the other."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import jax

from lamina.core.building import note_built
from lamina.core.config import serialize
from lamina.core.graph import Structure
from lamina.core.layer import Layer, symbolic_inputs
from lamina.core.masks import with_mask
from lamina.core.plain import refuse_code
from lamina.core.registry import also_known
from lamina.core.symbolic import SymbolicTensor, symbolic_leaves
from lamina.core.tree import attach, detach
from lamina.layers.input_layer import InputLayer, input_layer_of
from lamina.models.connected import Connected, ConnectedRecord, innermost
from lamina.models.inputs import arrays_for


class SequentialRecord(ConnectedRecord):
    """What Lamina keeps of a Sequential besides.

    Attributes:
        input_given: whether the input layers are those of an Input, or of the first layer.
        shape: the shapes that it was built for.
        tensors: the symbolic input, and what the layers make of it one after the other.
    """

    __slots__ = ("input_given", "shape", "tensors")

    def __init__(self) -> None:
        super().__init__()
        self.input_given = False
        self.shape: Any = None
        self.tensors: list[Any] = []


class Sequential(Connected):
    """Layers one after the other, each on the outputs of the one before.

    With a `lamina.Input` as the first one, or a model whose inputs are known, each layer is built as it is added; else all are
    built by the first call, or by `build(input_shape)`. From then on `inputs` and `outputs` are known.

    Args:
        layers: the layers.
        name: its name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a layer.
        ValueError: for two layers of one name, or an input that is not first.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(4), lamina.layers.Dense(1)])
    >>> model.count_params(), model.output_shape
    (21, (None, 1))
    """

    _parts = ("layers",)
    _record = SequentialRecord
    _lamina: SequentialRecord

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in order, without the input layer."""
        return list(self._lamina.parts.values())

    def _output_layers(self) -> list[Any] | None:
        """Returns the last layer, or the last one of a model that it is."""
        return [innermost(self.layers[-1])] if self._lamina.parts else None

    def add(self, layer: Any) -> None:
        """Puts a layer at the end."""
        record = self._lamina
        if isinstance(layer, (SymbolicTensor, InputLayer)):
            if record.parts or record.starts is not None:
                raise ValueError("lamina.Input can only be the first of a Sequential's layers.")
            tensor = layer.tensor if isinstance(layer, InputLayer) else layer
            record.starts, record.tensors, record.input_given = input_layer_of(tensor), [tensor], True
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"A Sequential is made of layers, not of {layer!r}.")
        if layer.name in record.parts:
            raise ValueError(
                f"The Sequential {self.name!r} already has a layer with the name {layer.name!r}; give it another name."
            )
        first = not record.parts
        starts, tensors, built = record.starts, len(record.tensors), self.built
        if first and not record.input_given and isinstance(layer, Connected) and layer.built and layer._lamina.starts is not None:
            record.starts = jax.tree.map(InputLayer.copy, layer._lamina.starts)
            record.tensors = [jax.tree.map(lambda start: start.tensor, record.starts)]
        self._append(layer)
        try:
            self._build_if_known()
        except BaseException:
            self._remove_last()
            record.starts = starts
            del record.tensors[tensors:]
            self.built = built
            raise

    def _append(self, layer: Layer) -> None:
        record = self._lamina
        record.parts[layer.name] = layer
        attach(self, "layers", layer)
        self.built = False

    def _remove_last(self) -> Layer:
        record = self._lamina
        _, layer = record.parts.popitem()
        detach(self, "layers", layer)
        return layer

    def pop(self) -> Layer:
        """Takes the last layer off and returns it. Raises ValueError if there is none."""
        record = self._lamina
        if not record.parts:
            raise ValueError(f"The Sequential {self.name!r} has no layers.")
        layer = self._remove_last()
        if len(record.tensors) == len(record.parts) + 2:
            made = symbolic_leaves(record.tensors.pop())
            layer._lamina.nodes = [node for node in layer._lamina.nodes if node is not made[0]._node]
        if not record.parts:
            record.shape = None
            record.starts, record.tensors = (record.starts, record.tensors[:1]) if record.input_given else (None, [])
        self.built = self.built and bool(record.parts)
        return layer

    def _build_if_known(self) -> None:
        """Builds the layers that are new, if the shape of the input is known and none of them needs numbers to run."""
        record = self._lamina
        known = record.starts is not None or record.shape is not None
        if known and not any(layer.dynamic for layer in self._not_connected()):
            self._connected()
            note_built(self, (_shapes(record.tensors[0]),))

    def _connected(self) -> list[Any]:
        """Returns the symbolic input and what each layer makes of it; calls the layers for which this is not known yet."""
        record = self._lamina
        if not record.parts or (record.starts is None and record.shape is None):
            raise AttributeError(f"The Sequential {self.name!r} is not built yet, so it has no symbolic inputs and outputs.")
        if not record.tensors:
            tensors = symbolic_inputs(self, record.shape)
            record.tensors = [jax.tree.map(lambda t: InputLayer((*t.shape[1:],), dtype=t.dtype).tensor, tensors)]
        for layer in self._not_connected():
            record.tensors.append(layer(record.tensors[-1]))
        return record.tensors

    def _not_connected(self) -> list[Layer]:
        """Returns the layers that have not been called yet."""
        return self.layers[max(len(self._lamina.tensors) - 1, 0) :]

    def _structure(self) -> Structure:
        record = self._lamina
        given = record.starts is not None
        starts = dict(zip(symbolic_leaves(record.tensors[0]), jax.tree.leaves(record.starts), strict=True)) if given else {}
        known = record.tensors[0] if record.tensors else None if record.shape is None else symbolic_inputs(self, record.shape)
        return Structure(True, self.layers, [], starts, known)

    def _when_built(self, shapes: tuple[Any, ...]) -> None:
        self._lamina.shape = shapes[0] if shapes else None

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
        record = self._lamina
        if not record.parts:
            raise ValueError(f"The Sequential {self.name!r} has no layers. Give it some with add(layer).")
        if mask is not None:
            inputs = with_mask(inputs, mask, jax.tree.leaves(inputs))
        if record.starts is not None:
            inputs = jax.tree.unflatten(jax.tree.structure(record.starts), arrays_for(record.starts, inputs, self.name))
        for layer in record.parts.values():
            inputs = layer(inputs)
        return inputs

    def _config_of_parts(self) -> dict[str, Any]:
        record = self._lamina
        layers = [record.starts, *self.layers] if record.input_given else self.layers
        config = {"layers": [serialize(layer) for layer in layers]}
        refuse_code(config, f"The model {self.name!r}")
        return config if record.shape is None or record.starts is not None else {**config, "build_input_shape": record.shape}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new model, with new weights, from what `get_config` returned; built if that one was.

        Args:
            config: that.
            custom_objects: classes and functions of one's own, by the names that the config has for them.
        """
        rest = {key: value for key, value in config.items() if key != "build_input_shape"}
        with also_known(custom_objects):
            model = super().from_config(rest)
        if config.get("build_input_shape") is not None:
            model.build(config["build_input_shape"])
        return model


def _shapes(tensors: Any) -> Any:
    return jax.tree.map(lambda tensor: tensor.shape, tensors)
