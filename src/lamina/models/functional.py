"""Functional models: the graph that leads from symbolic inputs to outputs."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import jax

from lamina.core.config import deserialize
from lamina.core.graph import Structure, fill, order_of_calls, replay, run_calls
from lamina.core.layer import Layer
from lamina.core.layer_losses import keep_loss
from lamina.core.masks import with_mask
from lamina.core.per_class import per_class
from lamina.core.registry import also_known
from lamina.core.symbolic import Node, SymbolicTensor, symbolic_leaves
from lamina.core.tree import attach
from lamina.layers.input_layer import InputLayer, input_layer_of
from lamina.models.connected import Connected, ConnectedRecord
from lamina.models.graph_config import GRAPH_KEYS, graph_config, graph_of, is_graph_config
from lamina.models.inputs import arrays_for
from lamina.models.model import Model


class FunctionalRecord(ConnectedRecord):
    """What Lamina keeps of a functional model besides.

    Attributes:
        input: the symbolic inputs, nested as they were given.
        output: the symbolic outputs, likewise.
        calls: the recorded calls that lead from these to those, in an order in which they can run.
    """

    __slots__ = ("calls", "input", "output")

    def __init__(self) -> None:
        super().__init__()
        self.input: Any = None
        self.output: Any = None
        self.calls: list[Node] = []


class Functional(Connected):
    """What `Model(inputs, outputs)` makes: the computation from symbolic inputs to outputs, as a model.

    Args:
        inputs: symbolic tensors, alone or in lists and dicts; results of layers serve too.
        outputs: symbolic tensors that follow from them.
        name: its name.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: if the outputs depend on something that is not among the inputs, or two layers have one name.

    >>> x = lamina.Input((3,))
    >>> h = lamina.layers.Dense(4, name="hidden")(x)
    >>> model = lamina.Model(x, {"scores": lamina.layers.Dense(2)(h), "size": lamina.ops.sum(h**2, axis=-1)})
    >>> {key: value.shape for key, value in model(np.ones((5, 3))).items()}
    {'scores': (5, 2), 'size': (5,)}
    >>> lamina.Model(x, h).output_shape
    (None, 4)
    """

    _parts = ("inputs", "outputs")
    _record = FunctionalRecord
    _lamina: FunctionalRecord

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)

    @staticmethod
    @per_class
    def _form_of(cls: type) -> type:
        """Returns a class of models as one of functional models: itself, or one that is both."""
        if issubclass(cls, Functional) or issubclass(Functional, cls):
            return cls if issubclass(cls, Functional) else Functional
        meant = {name: getattr(cls, name) for name in ("__module__", "__qualname__", "__doc__")}
        return type(cls.__name__, (cls, Functional), {**meant, "_is_form": True})

    def _take_graph(self, inputs: Any, outputs: Any) -> None:
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            leaves = jax.tree.leaves(structure)
            other = next((leaf for leaf in leaves if not isinstance(leaf, SymbolicTensor)), None)
            if not leaves or other is not None:
                raise ValueError(
                    f"The {what} of the model {self.name!r} must be symbolic tensors, as lamina.Input and calls on its results "
                    f"return them, not {other if leaves else structure!r}."
                )
        tensors = symbolic_leaves(inputs)
        if len(set(tensors)) < len(tensors):
            raise ValueError(f"An input of the model {self.name!r} is given twice among its inputs: {tensors}.")
        record = self._lamina
        record.input, record.output = inputs, outputs
        record.calls = order_of_calls(symbolic_leaves(outputs), tensors)
        record.starts = jax.tree.map(input_layer_of, inputs)
        self._hold([callee for callee in self._callees() if isinstance(callee, Layer)])
        self.built = True

    def _starts(self) -> dict[SymbolicTensor, InputLayer]:
        return dict(zip(self.inputs, jax.tree.leaves(self._lamina.starts), strict=True))

    def _callees(self) -> list[Layer | Node]:
        """Returns what its graph is made of: its layers as in `layers`, and between them the calls of functions."""
        return callees_in_order(self.outputs, self._lamina.calls, self._starts())

    def _structure(self) -> Structure:
        parts = list(dict.fromkeys([*self._callees(), *self._lamina.parts.values()]))
        return Structure(False, parts, self._lamina.calls, self._starts(), self._lamina.input)

    def _hold(self, layers: list[Layer]) -> None:
        parts: dict[str, Layer] = {}
        for layer in layers:
            if parts.setdefault(layer.name, layer) is not layer:
                raise ValueError(f"The model {self.name!r} has several layers with the name {layer.name!r}; name them differently.")
        for layer in layers:
            attach(self, "layers", layer)
        self._lamina.parts = parts

    @property
    def layers(self) -> list[Layer]:
        """Its layers, input layers too: those farthest from the outputs first, as in Keras."""
        return list(self._lamina.parts.values())

    @property
    def input(self) -> Any:
        """The symbolic inputs, nested as they were given."""
        return self._lamina.input

    @property
    def output(self) -> Any:
        """The symbolic outputs, nested as they were given."""
        return self._lamina.output

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Computes the outputs, and the losses and metrics that were added as symbolic tensors."""
        if mask is not None:
            inputs = with_mask(inputs, mask, jax.tree.leaves(inputs))
        feed = dict(zip(self.inputs, arrays_for(self._lamina.starts, inputs, self.name), strict=True))
        run_calls(self._lamina.calls, feed)
        outputs = fill(self._lamina.output, feed)
        for owner in (self, *self._lamina.parts.values()):
            for loss in owner._lamina.symbolic_losses:
                if self._computes(loss):
                    keep_loss(owner, replay(loss, feed))
            for value, metric in owner._lamina.symbolic_metrics:
                if self._computes(value):
                    metric.update_state(replay(value, feed))
        return outputs

    def add_loss(self, losses: Any) -> None:
        """Adds one loss, or a list of them, as for any layer; symbolic ones must follow from the model's inputs."""
        self._hold_callees(losses if isinstance(losses, (list, tuple)) else [losses])
        super().add_loss(losses)

    def add_metric(self, value: Any, name: str | None = None) -> None:
        """Takes a value into a mean that training shows, as for any layer; a symbolic one must follow from the model's inputs."""
        self._hold_callees([value])
        super().add_metric(value, name)

    def _hold_callees(self, values: Iterable[Any]) -> None:
        """Takes in layers that lead to no output, so that they are trained too."""
        calls = order_of_calls([value for value in values if isinstance(value, SymbolicTensor)], self.inputs)
        called = (call.function for call in calls if isinstance(call.function, Layer))
        self._hold(list(dict.fromkeys([*self._lamina.parts.values(), *called])))

    def _computes(self, tensor: SymbolicTensor) -> bool:
        """Tells whether a symbolic tensor follows from the model's inputs."""
        try:
            order_of_calls([tensor], self.inputs)
        except ValueError:
            return False
        return True

    def _config_of_parts(self) -> dict[str, Any]:
        return graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new model, with new weights, from what `get_config` returned.

        Args:
            config: that.
            custom_objects: classes and functions of one's own, by the names that the config has for them.

        Raises:
            ValueError: for a class or a function that the program does not know.
        """
        rest = {key: value for key, value in config.items() if key not in GRAPH_KEYS}
        with also_known(custom_objects):
            if not is_graph_config(config):
                return super().from_config(config)
            inputs, outputs, contribute = graph_of(config)
            model = cls(inputs, outputs, **deserialize(rest))
        contribute(model)
        return model


def callees_in_order(
    outputs: list[SymbolicTensor], calls: list[Node], starts: dict[SymbolicTensor, InputLayer]
) -> list[Layer | Node]:
    """Returns the layers of a graph, and its calls of functions, in the order of Keras: the farthest from the outputs first.

    Those at one distance stand in the order in which a walk back from the outputs meets them.

    Args:
        outputs: where the walk starts.
        calls: the calls of the graph, in an order in which they can run.
        starts: the input layer of each tensor that the graph starts from.
    """

    def source(tensor: SymbolicTensor) -> Any:
        return starts.get(tensor) or tensor._node

    met: dict[Any, int] = {}
    seen = set()
    walk = outputs[::-1]
    while walk:
        tensor = walk.pop()
        if source(tensor) not in seen:
            seen.add(source(tensor))
            met.setdefault(_callee(source(tensor)), len(met))
            walk.extend([] if tensor in starts else reversed(tensor._node.inputs))  # type: ignore[union-attr]
    far: dict[Any, int] = {}
    distance: dict[Any, int] = {}
    for call in (*reversed(calls), *starts.values()):
        callee = _callee(call)
        distance[callee] = max(far.get(call, 0), distance.get(callee, 0))
        for tensor in call.inputs if isinstance(call, Node) else ():
            far[source(tensor)] = max(distance[callee] + 1, far.get(source(tensor), 0))
    return sorted(distance, key=lambda callee: (-distance[callee], met.get(callee, -1)))


def _callee(call: Any) -> Any:
    """Returns what stands for a call in the order: its layer; or for a function, which has no identity, the call itself."""
    return call.function if isinstance(call, Node) and isinstance(call.function, Layer) else call


Model._functional = Functional
