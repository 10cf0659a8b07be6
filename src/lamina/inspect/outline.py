"""The outline of a model: its parts, how they nest, and what feeds what. Summaries and pictures are made from it."""

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lamina.core.graph import Structure
from lamina.core.layer import Layer
from lamina.core.symbolic import Node, SymbolicTensor, symbolic_leaves
from lamina.core.text import unused_name
from lamina.core.tree import children, variables_in
from lamina.core.variable import Variable
from lamina.core.weights import layers_in
from lamina.inspect.outputs import Outputs, show_spec


class Feed(NamedTuple):
    """What gives a part one of its inputs.

    Attributes:
        source: the part that gives it.
        which: the call and the output of that part, where it has several: "[1]".
        output: the number of the output.
    """

    source: "Part"
    which: str = ""
    output: int = 0


@dataclass(eq=False)
class Part:
    """A layer of a model, a weight that the model itself holds, or a call of a function in a graph.

    Attributes:
        name: the step that leads to it from what it is part of.
        kind: its class, or "function".
        subject: the layer or the variable; the call of a function.
        gives: the outputs of its calls, as shapes and dtypes, those that differ; nothing where they are not known.
        weights: the weights that belong to it.
        trained: whether these are trained: "yes", "no", "partly", or "-" where it has none.
        takes: the inputs of its calls, likewise, where what surrounds it is a graph.
        feeds: what gives it these.
        parts: what it is made of.
        is_graph: whether it is known how its parts are connected.
        starts: the parts that take its inputs, in order, where it is a graph.
        ends: the parts that give its outputs, and which of theirs.
    """

    name: str
    kind: str
    subject: Any
    gives: list[Any] = field(default_factory=list)
    weights: list[Variable] = field(default_factory=list)
    trained: str = "-"
    takes: list[Any] = field(default_factory=list)
    feeds: list[Feed] = field(default_factory=list)
    parts: "list[Part]" = field(default_factory=list)
    is_graph: bool = False
    starts: "list[Part]" = field(default_factory=list)
    ends: list[Feed] = field(default_factory=list)

    @property
    def shape(self) -> str:
        """The shapes of its outputs, one on each line where calls differ; "" where they are not known."""
        return "\n".join(show_spec(spec) for spec in self.gives)

    @property
    def dtype(self) -> str:
        """The dtypes of its outputs."""
        return "\n".join(dict.fromkeys(show_spec(spec, "dtype") for spec in self.gives))

    @property
    def is_chain(self) -> bool:
        """Whether each part has its inputs from the one before it alone."""
        before = [None, *self.parts]
        return all(part.feeds == ([] if last is None else [Feed(last)]) for last, part in zip(before, self.parts, strict=False))


class _Weights:
    """The weights of layers and of all below them, and which layers that have some are trained; each layer is looked at once."""

    def __init__(self) -> None:
        self._known: dict[Layer, tuple[dict[Variable, None], set[bool]]] = {}

    def of(self, layer: Layer) -> tuple[dict[Variable, None], set[bool]]:
        """Returns the weights, and the values of `trainable` that occur."""
        if layer not in self._known:
            own = variables_in(layer)
            weights, marks = self._known[layer] = dict.fromkeys(own), {layer.trainable} if own else set()
            for child in layers_in(layer):
                more, others = self.of(child)
                weights.update(more)
                marks |= others
        return self._known[layer]


def outline(model: Layer) -> tuple[Part, str]:
    """Returns the outline of a built model, and why shapes are missing where they are, or "".

    Args:
        model: any layer.

    Raises:
        ValueError: if it is not built.
    """
    check_built(model)
    outputs = Outputs(model)
    root = _part(model.name, model, (outputs, _Weights()), ())
    return root, outputs.problem


def check_built(model: Layer) -> None:
    """Raises ValueError for a model whose weights and shapes are still to be made, and says how to make them."""
    if model.built:
        return
    layers = layers_in(model)
    if type(model).call is Layer.call and layers:  # it is trained by a step of its own, and never called
        missing: Layer | None = next((layer for layer in layers if not layer.built), None)
    else:
        missing = model
    if missing is not None:
        owner = f"The model {model.name!r}" if missing is model else f"The layer {missing.path!r} of the model {model.name!r}"
        structure = type(missing)._structure(missing)
        start = " A Sequential can also start with lamina.Input(shape)." if structure is not None and structure.is_chain else ""
        raise ValueError(
            f"{owner} is not built yet, so its weights and shapes are not known. Call it on data, fit it, or give the shape of its "
            f"inputs to build, with None for the batch: build((None, 3)).{start}"
        )


_Known = tuple[Outputs, _Weights]
_TRAINED = {frozenset(): "-", frozenset({True}): "yes", frozenset({False}): "no", frozenset({True, False}): "partly"}


def _part(name: str, subject: Any, known: _Known, above: tuple[Layer, ...]) -> Part:
    """Returns a layer, a variable, or the call of a function as a part, with its own parts."""
    if isinstance(subject, Node):
        return Part(name, "function", subject, [subject.outputs])
    part = Part(name, type(subject).__name__, subject)
    if isinstance(subject, Variable):
        part.gives, part.weights, part.trained = [subject], [subject], "yes" if subject.trainable else "no"
        return part
    outputs, weights = known
    held, marks = weights.of(subject)
    part.weights, part.trained = list(held), _TRAINED[frozenset(marks)]
    part.gives, above = outputs.of(subject), (*above, subject)
    structure = type(subject)._structure(subject)
    if structure is not None:
        (_fill_chain if structure.is_chain else _fill_graph)(part, subject, structure, known, above)
    elif layers_in(subject) or len(above) == 1:
        parts = {step: child for step, child in children(subject).items() if isinstance(child, (Layer, Variable))}
        part.parts = [_part(step, child, known, above) for step, child in parts.items() if child not in above]
    return part


def _fill_chain(part: Part, model: Any, structure: Structure, known: _Known, above: tuple[Layer, ...]) -> None:
    """Gives a chain its parts, each fed by the one before."""
    part.is_graph, part.parts = True, [_part(layer.name, layer, known, above) for layer in structure.parts]
    for before, after in itertools.pairwise(part.parts):
        after.feeds, after.takes = [Feed(before)], before.gives[:1]
    if part.parts:
        part.starts, part.ends = part.parts[:1], [Feed(part.parts[-1])]
        part.parts[0].takes = [] if structure.inputs is None else [structure.inputs]


def _fill_graph(part: Part, model: Any, structure: Structure, known: _Known, above: tuple[Layer, ...]) -> None:
    """Gives a graph its parts, with what feeds them."""
    taken = {layer.name for layer in structure.parts if isinstance(layer, Layer)}
    parts: dict[Any, Part] = {}
    for callee in structure.parts:
        name = callee.name if isinstance(callee, Layer) else _unused(_called(callee.function), taken)
        parts[callee] = _part(name, callee, known, above)
    calls: dict[Any, list[Node]] = {}
    for node in structure.calls:
        calls.setdefault(_callee(node), []).append(node)
    starts = structure.starts

    def feed(tensor: SymbolicTensor) -> Feed:
        if tensor in starts:
            return Feed(parts[starts[tensor]])
        node: Any = tensor._node
        given, among = symbolic_leaves(node.outputs), calls[_callee(node)]
        call = f"[{among.index(node)}]" if len(among) > 1 else ""
        output = next(i for i, other in enumerate(given) if other is tensor)
        return Feed(parts[_callee(node)], call + (f"[{output}]" if len(given) > 1 or call else ""), output)

    for node in structure.calls:
        fed = parts[_callee(node)]
        fed.takes += node.inputs
        fed.feeds += [feed(tensor) for tensor in node.inputs]
    part.is_graph, part.parts = True, list(parts.values())
    part.starts, part.ends = [parts[start] for start in starts.values()], [feed(tensor) for tensor in model.outputs]


def _callee(call: Any) -> Any:
    return call.function if isinstance(call.function, Layer) else call


def _called(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__).strip("_")


def _unused(name: str, taken: set[str]) -> str:
    """Returns the name, numbered if it is taken, and takes it."""
    taken.add(unused := unused_name(name, taken))
    return unused
