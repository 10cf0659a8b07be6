"""A drawing of a model before it is laid out: boxes with text, frames around boxes, and arrows."""

import itertools
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from lamina.core.layer import Layer
from lamina.core.variable import Variable
from lamina.inspect.outline import Part
from lamina.inspect.outputs import show_spec
from lamina.layers.input_layer import InputLayer

SIZE, SMALL = 13, 11  # of letters, in pixels
LEADING = 1.4  # from one line to the next, as a multiple of that
PAD = 10  # around the text of a box, and in a frame around what it holds


class Line(NamedTuple):
    """A line of text.

    Attributes:
        text: the text.
        strong: whether it is what the eye should meet first.
    """

    text: str
    strong: bool = False

    @property
    def size(self) -> int:
        """How large its letters are."""
        return SIZE if self.strong else SMALL

    @property
    def width(self) -> float:
        """How wide it may be, in pixels, in any of the common fonts."""
        return sum(map(_width, self.text)) * self.size * (1.12 if self.strong else 1.0)


@dataclass(eq=False)
class Box:
    """A box with text; with boxes inside, a frame around these.

    Attributes:
        lines: what is written in it.
        kind: "input", "layer", "function" or "weight".
        hint: what a pointer on it shows.
        inside: what it holds.
    """

    lines: list[Line]
    kind: str = "layer"
    hint: str = ""
    inside: "list[Box]" = field(default_factory=list)

    @property
    def text_size(self) -> tuple[float, float]:
        """How wide and how high its text is."""
        return max(line.width for line in self.lines), sum(line.size * LEADING for line in self.lines)

    def __iter__(self) -> "Iterator[Box]":
        """All boxes inside, frames before what they hold."""
        for box in self.inside:
            yield box
            yield from box


class Arrow(NamedTuple):
    """An arrow between two boxes, neither of them a frame; or, if it is not drawn, their order."""

    tail: Box
    head: Box
    drawn: bool = True


@dataclass
class Drawing:
    """What is drawn.

    Attributes:
        root: holds all boxes; a frame if it has text.
        arrows: the arrows.
        sideways: whether the arrows lead from left to right, and not down.
    """

    root: Box
    arrows: list[Arrow]
    sideways: bool = False


class Wanted(NamedTuple):
    """What is wanted of a drawing: see `lamina.utils.plot_model`."""

    shapes: bool = False
    dtype: bool = False
    layer_names: bool = False
    expand_nested: bool = False
    activations: bool = False
    trainable: bool = False


def drawing(root: Part, wanted: Wanted, sideways: bool) -> Drawing:
    """Returns the drawing of a model: a graph where it is known how its parts are connected, else the tree of its layers.

    Args:
        root: the model's outline.
        wanted: what to show.
        sideways: whether the arrows lead from left to right.
    """
    boxes: dict[Part, Box] = {}
    top = _box(root, wanted, boxes, is_root=True)
    arrows: dict[Arrow, None] = {}
    for part in list(boxes):
        if not boxes[part].inside:
            continue
        if not part.is_graph:
            ends = [(_outer(inner, boxes, last=True), _outer(inner, boxes)) for inner in part.parts]
            arrows |= {Arrow(boxes[before], boxes[after], False): None for (before, _), (_, after) in itertools.pairwise(ends)}
        for inner in part.parts:
            for number, feed in enumerate(inner.feeds):
                arrows[Arrow(boxes[_giver(feed.source, feed.output, boxes)], boxes[_taker(inner, number, boxes)])] = None
    if root.is_graph and boxes[root].inside:
        top.lines = []
    return Drawing(top if top.inside else Box([], inside=[top]), list(arrows), sideways)


def _giver(part: Part, output: int, boxes: dict[Part, Box]) -> Part:
    """Returns the part without parts of its own in the drawing that gives an output of `part`."""
    while boxes[part].inside:
        if not part.is_graph:
            return _outer(part, boxes, last=True)
        end = part.ends[min(output, len(part.ends) - 1)]
        part, output = end.source, end.output
    return part


def _taker(part: Part, number: int, boxes: dict[Part, Box]) -> Part:
    """Returns the part without parts of its own in the drawing that takes an input of `part`."""
    while boxes[part].inside:
        if not part.is_graph:
            return _outer(part, boxes)
        part, number = part.starts[number % len(part.starts)], 0
    return part


def _outer(part: Part, boxes: dict[Part, Box], last: bool = False) -> Part:
    """Returns the first or the last part inside that has none of its own in the drawing."""
    while boxes[part].inside:
        part = part.parts[-1 if last else 0]
    return part


def _box(part: Part, wanted: Wanted, boxes: dict[Part, Box], is_root: bool = False) -> Box:
    subject = part.subject
    kinds = {InputLayer: "input", Variable: "weight"}
    kind = kinds.get(type(subject), "layer" if isinstance(subject, Layer) else "function")
    named = (
        wanted.layer_names
        or is_root
        or (isinstance(subject, (Layer, Variable)) and subject._lamina.name is not None)
        or part.name != _own_name(part)
    )
    lines = [Line(part.name, True), Line(part.kind)] if named and part.kind != "function" else [Line(part.kind, True)]
    if part.kind == "function":
        lines = [Line(part.name if wanted.layer_names else part.name.rstrip("_0123456789"), True)]
    box = Box([*lines, *_facts(part, wanted)], kind, f"{part.name} ({part.kind})")
    boxes[part] = box
    if is_root or wanted.expand_nested:
        box.inside = [_box(inner, wanted, boxes) for inner in part.parts]
    return box


def _own_name(part: Part) -> str:
    return part.subject.name if isinstance(part.subject, Layer) else ""


def _facts(part: Part, wanted: Wanted) -> Iterator[Line]:
    activation = getattr(part.subject, "activation", None)
    if wanted.activations and activation is not None:
        yield Line(getattr(activation, "__name__", None) or getattr(activation, "name", None) or type(activation).__name__)
    if wanted.shapes:
        takes, gives = dict.fromkeys(show_spec(spec) for spec in part.takes), part.shape.replace("\n", ", ") or "?"
        if len(takes) > 1 and len(part.feeds) > 1:
            takes = dict.fromkeys([", ".join(show_spec(spec) for spec in part.takes)])
        yield Line(f"{', '.join(takes)} → {gives}" if takes else gives)
    if wanted.dtype:
        yield Line(part.dtype.replace("\n", ", ") or "?")
    if wanted.trainable and part.trained != "-":
        yield Line({"yes": "trainable", "no": "not trainable"}.get(part.trained, "partly trainable"))


def _width(letter: str) -> float:
    """Returns how wide a letter may be, as a multiple of the letters' size: in Verdana or DejaVu, which are wide."""
    for letters, width in _WIDTHS:
        if letter in letters:
            return width
    if letter.isascii():
        return 0.8 if letter.isupper() else 0.65
    return 1.4 if unicodedata.east_asian_width(letter) in "WF" else 1.1


_WIDTHS = (("iljI|!.,:;'", 0.41), (' ftr()[]/\\-"', 0.47), ("mwMW%@", 1.0), ("OQ&+=<>~#^→", 0.85))
