"""The outline of a model: its parts, how they nest, and what feeds what. Summaries and pictures are made from it."""

import itertools
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from lamina.core.layer import Layer
from lamina.core.symbolic import Node, SymbolicTensor, symbolic_leaves
from lamina.core.variable import Variable
from lamina.inspect.outputs import Outputs, show_spec
from lamina.models.functional import Functional
from lamina.models.sequential import Sequential


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
    def weights(self) -> list[Variable]:
        """The weights that belong to it."""
        if isinstance(self.subject, Variable):
            return [self.subject]
        return self.subject.weights if isinstance(self.subject, Layer) else []

    @property
    def is_chain(self) -> bool:
        """Whether each part has its inputs from the one before it alone."""
        before = [None, *self.parts]
        return all(part.feeds == ([] if last is None else [Feed(last)]) for last, part in zip(before, self.parts, strict=False))

    @property
    def trained(self) -> str:
        """Whether its weights are trained: "yes", "no", "partly", or "-" where it has none."""
        if not self.weights:
            return "-"
        if isinstance(self.subject, Variable):
            return "yes" if self.subject.trainable else "no"
        marks = {layer.trainable for layer in self.subject.flatten_layers() if layer.own_variables()}
        return "partly" if len(marks) > 1 else "yes" if marks == {True} else "no"


def outline(model: Layer) -> tuple[Part, str]:
    """Returns the outline of a built model, and why shapes are missing where they are, or "".

    Args:
        model: any layer.

    Raises:
        ValueError: if it is not built.
    """
    check_built(model)
    outputs = Outputs(model)
    root = _part(model.name, model, outputs, ())
    return root, outputs.problem


def check_built(model: Layer) -> None:
    """Raises ValueError for a model whose weights and shapes are still to be made, and says how to make them."""
    if model.built:
        return
    layers = [layer for layer in model.sublayers() if isinstance(layer, Layer)]
    if type(model).call is Layer.call and layers:  # it is trained by a step of its own, and never called
        missing: Layer | None = next((layer for layer in layers if not layer.built), None)
    else:
        missing = model
    if missing is not None:
        whose = f"The model {model.name!r}" if missing is model else f"The layer {missing.path!r} of the model {model.name!r}"
        start = " A Sequential can also start with lamina.Input(shape)." if isinstance(missing, Sequential) else ""
        raise ValueError(
            f"{whose} is not built yet, so its weights and shapes are not known. Call it on data, fit it, or give the shape of its "
            f"inputs to build, with None for the batch: build((None, 3)).{start}"
        )


def _part(name: str, subject: Any, outputs: Outputs, above: tuple[Layer, ...]) -> Part:
    """Returns a layer, a variable, or the call of a function as a part, with its own parts."""
    if isinstance(subject, Node):
        return Part(name, "function", subject, [subject.outputs])
    part = Part(name, type(subject).__name__, subject)
    if isinstance(subject, Variable):
        part.gives = [subject]
        return part
    part.gives, above = outputs.of(subject), (*above, subject)
    if isinstance(subject, Functional):
        _fill_graph(part, subject, outputs, above)
    elif isinstance(subject, Sequential):
        _fill_chain(part, subject, outputs, above)
    elif subject.sublayers() or len(above) == 1:
        held = {step: child for step, child in subject.children().items() if isinstance(child, (Layer, Variable))}
        part.parts = [_part(step, child, outputs, above) for step, child in held.items() if child not in above]
    return part


def _fill_chain(part: Part, model: Sequential, outputs: Outputs, above: tuple[Layer, ...]) -> None:
    """Gives a Sequential its parts, each fed by the one before."""
    part.is_graph, part.parts = True, [_part(layer.name, layer, outputs, above) for layer in model.layers]
    for before, after in itertools.pairwise(part.parts):
        after.feeds, after.takes = [Feed(before)], before.gives[:1]
    if part.parts:
        part.starts, part.ends = part.parts[:1], [Feed(part.parts[-1])]
        part.parts[0].takes = model._tensors[:1] or ([] if model._shape is None else [model._symbolic(model._shape)])


def _fill_graph(part: Part, model: Functional, outputs: Outputs, above: tuple[Layer, ...]) -> None:
    """Gives a functional model its parts, with what feeds them."""
    callees = list(dict.fromkeys([*model.callees(), *model.layers]))
    taken = {layer.name for layer in model.layers}
    parts: dict[Any, Part] = {}
    for callee in callees:
        name = callee.name if isinstance(callee, Layer) else _unused(_called(callee.function), taken)
        parts[callee] = _part(name, callee, outputs, above)
    calls: dict[Any, list[Node]] = {}
    for node in model._calls:
        calls.setdefault(_callee(node), []).append(node)
    starts = dict(zip(model.inputs, jax.tree.leaves(model._starts), strict=True))

    def feed(tensor: SymbolicTensor) -> Feed:
        if tensor in starts:
            return Feed(parts[starts[tensor]])
        node: Any = tensor.node
        given, among = symbolic_leaves(node.outputs), calls[_callee(node)]
        call = f"[{among.index(node)}]" if len(among) > 1 else ""
        output = next(i for i, other in enumerate(given) if other is tensor)
        return Feed(parts[_callee(node)], call + (f"[{output}]" if len(given) > 1 or call else ""), output)

    for node in model._calls:
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
    """Returns `add`, or `add_1`, `add_2`, ... where that is taken, and takes it."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
    unused = next(candidate for candidate in names if candidate not in taken)
    taken.add(unused)
    return unused
