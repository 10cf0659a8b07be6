"""A model as a `GraphDef`, which TensorBoard draws."""

from collections.abc import Iterable
from typing import Any

from lamina.core.graph import order_of_calls
from lamina.core.layer import Layer
from lamina.core.module import Module
from lamina.core.symbolic import SymbolicTensor, symbolic_leaves
from lamina.core.tree import children
from lamina.core.variable import Variable


def graph_def(model: Layer) -> Any:
    """Returns a model as a `GraphDef` of TensorBoard.

    Nodes go by their paths, so that TensorBoard nests them. In functional models and Sequentials that are built, calls lead to
    calls, also through such models inside. Of any layer, what it owns leads to it: its weights, and the layers inside.

    Args:
        model: the model, or any layer.
    """
    drawing = _Drawing()
    if _is_known(model):
        drawing.model(model)
    else:
        drawing.layer(model, [], [])
    return drawing.definition


def _is_known(layer: Any) -> bool:
    """Tells whether a layer is a model whose calls are known."""
    return isinstance(layer, Layer) and type(layer)._structure(layer) is not None and layer.built and not layer.dynamic


class _Drawing:
    """Makes the nodes of a graph."""

    def __init__(self) -> None:
        from tensorboard.compat.proto.graph_pb2 import GraphDef

        self.definition = GraphDef()
        self._names: set[str] = set()
        self._of: dict[int, list[str]] = {}  # the nodes of what layers own, by its id

    def model(self, model: Any) -> list[str]:
        """Draws a model by itself, with its inputs; returns the nodes that its outputs come from."""
        return self.calls(model, [self._node(f"{model.path}/{tensor.name}", "Input", [], [tensor]) for tensor in model.inputs])

    def calls(self, model: Any, sources: list[str]) -> list[str]:
        """Draws the calls of a model; returns the nodes that its outputs come from.

        Args:
            model: the model.
            sources: the nodes that its inputs come from.
        """
        come_from = dict(zip(model.inputs, sources, strict=True))
        for call in order_of_calls(model.outputs, model.inputs):
            given = [come_from[tensor] for tensor in call.inputs]
            made, function = symbolic_leaves(call.outputs), call.function
            if _is_known(function) and len(function.inputs) == len(given):  # type: ignore[attr-defined]
                come_from.update(zip(made, self.calls(function, given), strict=True))
            elif isinstance(call.function, Layer):
                come_from.update(dict.fromkeys(made, self.layer(call.function, given, made)))
            else:
                name = getattr(call.function, "__name__", "function").strip("_")
                come_from.update(dict.fromkeys(made, self._node(f"{model.path}/{name}", name, given, made)))
        return [come_from[tensor] for tensor in model.outputs]

    def layer(self, layer: Layer, sources: list[str], outputs: list[SymbolicTensor]) -> str:
        """Draws a call of a layer, and what it owns; returns the node's name."""
        self._of.setdefault(id(layer), [])  # what it owns may hold it, too
        owned = [node for child in children(layer).values() for node in self._owned(child)]
        name = self._node(layer.path, type(layer).__name__, [*sources, *owned], outputs)
        self._of[id(layer)] = self._of[id(layer)] or [name]
        return name

    def _owned(self, child: Variable | Module) -> list[str]:
        """Draws what a layer owns, once; returns the nodes that lead to the layer."""
        if id(child) not in self._of:
            if isinstance(child, Variable):
                self._of[id(child)] = [self._node(child.path, "Variable", [], [child])]
            elif _is_known(child):
                self._of[id(child)] = self.model(child)
            else:
                self._of[id(child)] = [self.layer(child, [], [])] if isinstance(child, Layer) else []
        return self._of[id(child)]

    def _node(self, path: str, op: str, sources: Iterable[str], outputs: Iterable[Any]) -> str:
        path = path.replace(":", "_")  # in the name of a source it would stand before the number of an output
        name, number = path, 0
        while name in self._names:
            number += 1
            name = f"{path}_{number}"
        self._names.add(name)
        node = self.definition.node.add(name=name, op=op, input=list(dict.fromkeys(sources)))
        for tensor in outputs:
            shape = node.attr["_output_shapes"].list.shape.add()
            for size in tensor.shape:
                shape.dim.add(size=size if isinstance(size, int) else -1)
        return name
