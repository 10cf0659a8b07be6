"""Connected: what functional and sequential models share, whose inputs and outputs are known as symbolic tensors."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import jax

from lamina.core.errors import warn
from lamina.core.layer import Layer
from lamina.core.symbolic import SymbolicTensor, symbolic_leaves
from lamina.models.model import Model
from lamina.training.trainer import TrainerRecord


class ConnectedRecord(TrainerRecord):
    """What Lamina keeps of such a model besides.

    Attributes:
        parts: its layers, by their names.
        starts: the input layers, nested as the inputs are; None where the inputs are not known from the beginning.
    """

    __slots__ = ("parts", "starts")

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, Layer] = {}
        self.starts: Any = None


class Connected(Model):
    """A model that is made of parts, with symbolic inputs and outputs. A subclass defines `input`, `output`, `_config_of_parts`."""

    _by_name = True
    _casts_inputs = False
    _parts: ClassVar[tuple[str, ...]]  # the arguments of the constructor that say what it is made of
    _record = ConnectedRecord
    _lamina: ConnectedRecord

    def _parts_by_name(self) -> Mapping[str, Layer]:
        return self._lamina.parts

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        super()._check_replaced(name, before, now)
        if any(part is before for part in self._lamina.parts.values()):
            warn(
                f"The model {self.name!r} still calls {before!r}, which self.{name} no longer holds: the graph of a model stays as "
                "it was made. To call another layer, make the model anew with it."
            )

    @property
    def layers(self) -> list[Layer]:
        """The layers that it is made of."""
        return list(self._lamina.parts.values())

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """The symbolic inputs, as a list; those of dicts in the order of their keys."""
        return symbolic_leaves(self.input)

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """The symbolic outputs, likewise."""
        return symbolic_leaves(self.output)

    @property
    def input_shape(self) -> Any:
        """The shape of the input, or a list of the shapes of `inputs`."""
        return _alone([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self) -> Any:
        """The shape of the output, or a list of the shapes of `outputs`."""
        return _alone([tensor.shape for tensor in self.outputs])

    @property
    def input_names(self) -> list[str]:
        """A name for each of `inputs`: its key in a dict, or its own."""
        return names_of(self.input)

    @property
    def output_names(self) -> list[str]:
        """A name for each of `outputs`: its key in a dict, or that of the layer or the function that makes it."""
        return names_of(self.output)

    def _output_layers(self) -> list[Any] | None:
        """Returns the layer that makes each of `outputs`, in the models inside too; None for an output that no layer makes."""
        made_by = [None if tensor._node is None else tensor._node.function for tensor in self.outputs]
        return [innermost(layer) if isinstance(layer, Layer) else None for layer in made_by]

    def _config_of_parts(self) -> dict[str, Any]:
        """Returns what `get_config` says of the parts."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns what it is made of; for a subclass whose constructor does not take that, the constructor's arguments.

        Raises:
            TypeError: if there is code among it: a function that Lamina does not know by name.
        """
        config = super().get_config()
        return {**config, **self._config_of_parts()} if self._takes_parts() else config

    @classmethod
    def _takes_parts(cls) -> bool:
        """Tells whether the constructor takes what such a model is made of, or passes on whatever it is given."""
        parameters = inspect.signature(cls.__init__).parameters
        return set(cls._parts) <= parameters.keys() or _passes_all_on(parameters)

    def _arguments(self) -> dict[str, Any]:
        if not self._takes_parts():
            return super()._arguments()
        if _passes_all_on(inspect.signature(type(self).__init__).parameters):
            return {}
        return {name: value for name, value in super()._arguments().items() if name not in self._parts}


def _passes_all_on(parameters: Any) -> bool:
    kinds = {parameter.kind for parameter in parameters.values()}
    return {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD} <= kinds


def _alone(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items


def names_of(structure: Any) -> list[str]:
    """Returns a name for each symbolic tensor of a structure: all different, `dense` and `dense_1`, say."""
    names: dict[str, None] = {}
    for path, tensor in jax.tree_util.tree_leaves_with_path(structure):
        keys = [step for step in path if isinstance(step, jax.tree_util.DictKey)]
        name = "_".join(str(getattr(step, "key", getattr(step, "idx", step))) for step in path) if keys else _maker(tensor)
        number = 1
        unique = name
        while unique in names:
            unique, number = f"{name}_{number}", number + 1
        names[unique] = None
    return list(names)


def innermost(layer: Layer) -> Layer | None:
    """Returns the layer that makes the output of a layer: of a model with one output the last one inside, else itself."""
    if not isinstance(layer, Connected):
        return layer
    inside = layer._output_layers() or ()
    return inside[0] if len(inside) == 1 else None


def _maker(tensor: SymbolicTensor) -> str:
    if tensor._node is None:
        return tensor.name
    function = tensor._node.function
    return function.name if isinstance(function, Layer) else getattr(function, "__name__", "output").strip("_")
