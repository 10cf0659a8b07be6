"""The outline of a model: its parts, how they nest, and what feeds what. Summaries and pictures are made from it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jax

from lamina.core.layer import Layer
from lamina.core.symbolic import Node
from lamina.core.variable import Variable
from lamina.inspect.outputs import Outputs, show_spec
from lamina.models.functional import Functional
from lamina.models.sequential import Sequential


@dataclass(eq=False)
class Part:
    """A layer of a model, a weight that the model itself holds, or a call of a function in a graph.

    Attributes:
        name: the step that leads to it from what it is part of.
        kind: its class, or "function".
        subject: the layer or the variable; the call of a function.
        gives: the outputs of its calls, as shapes and dtypes, those that differ; nothing where they are not known.
        feeds: what gives it its inputs, in order: a part, and which of its calls and outputs, where there are several.
        parts: what it is made of.
        is_graph: whether it is known how its parts are connected.
    """

    name: str
    kind: str
    subject: Any
    gives: list[Any] = field(default_factory=list)
    feeds: "list[tuple[Part, str]]" = field(default_factory=list)
    parts: "list[Part]" = field(default_factory=list)
    is_graph: bool = False

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
        return all(part.feeds == ([] if last is None else [(last, "")]) for last, part in zip(before, self.parts, strict=False))

    @property
    def trained(self) -> str:
        """Whether its weights are trained: "yes", "no", "partly", or "-" where it has none."""
        if not self.weights:
            return "-"
        if isinstance(self.subject, Variable):
            return "yes" if self.subject.trainable else "no"
        marks = {layer.trainable for layer in self.subject.flatten_layers() if layer.own_variables()}
        return "partly" if len(marks) > 1 else "yes" if marks == {True} else "no"

    def __iter__(self) -> "Iterator[Part]":
        """Its parts, and theirs, each before its own."""
        for part in self.parts:
            yield part
            yield from part


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
        part.parts, part.is_graph = _graph(subject, outputs, above), True
    elif isinstance(subject, Sequential):
        part.parts, part.is_graph = [_part(layer.name, layer, outputs, above) for layer in subject.layers], True
        for before, after in zip(part.parts, part.parts[1:], strict=False):
            after.feeds = [(before, "")]
    elif subject.sublayers() or len(above) == 1:
        held = {step: child for step, child in subject.children().items() if isinstance(child, (Layer, Variable))}
        part.parts = [_part(step, child, outputs, above) for step, child in held.items() if child not in above]
    return part


def _graph(model: Functional, outputs: Outputs, above: tuple[Layer, ...]) -> list[Part]:
    """Returns the parts of a functional model, in order, with what feeds them."""
    callees = [*model.callees()]
    callees += [layer for layer in model.layers if layer not in callees]
    parts: dict[Any, Part] = {}
    taken = {layer.name for layer in model.layers}
    for callee in callees:
        name = callee.name if isinstance(callee, Layer) else _unused(_called(callee.function), taken)
        parts[callee] = _part(name, callee, outputs, above)
    calls: dict[Any, list[Node]] = {}
    for node in model._calls:
        calls.setdefault(_callee(node), []).append(node)
    starts = dict(zip(model.inputs, jax.tree.leaves(model._starts), strict=True))
    for node in model._calls:
        for tensor in node.inputs:
            if tensor in starts:
                feed = (parts[starts[tensor]], "")
            else:
                source = tensor.node
                given, among = jax.tree.leaves(source.outputs), calls[_callee(source)]  # type: ignore[union-attr]
                index = f"[{among.index(source)}]" if len(among) > 1 else ""  # type: ignore[arg-type]
                which = next(i for i, output in enumerate(given) if output is tensor)
                feed = (parts[_callee(source)], index + (f"[{which}]" if len(given) > 1 or index else ""))
            parts[_callee(node)].feeds.append(feed)
    return list(parts.values())


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
