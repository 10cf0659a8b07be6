"""Graphviz: drawings in its language, and its program `dot`, which lays them out and draws them."""

import html
import json
import shutil
import subprocess
from collections.abc import Callable

from lamina.inspect.drawing import PAD, Box, Drawing
from lamina.inspect.layered import Placed, Point, box_size
from lamina.inspect.svg import COLOURS, FAINT, INK, LINE

_INCH = 72.0
_TIMEOUT = 120  # seconds


class DotError(RuntimeError):
    """Graphviz's program `dot` has failed."""


class DotMissing(DotError):
    """There is no such program."""


def dot_text(drawing: Drawing, sized: bool = False, dpi: float = 96) -> str:
    """Returns a drawing in Graphviz's language.

    Args:
        drawing: what is drawn.
        sized: whether boxes have the sizes that they need in an SVG, instead of their text.
        dpi: dots an inch of a picture.
    """
    numbers = {box: number for number, box in enumerate((drawing.root, *drawing.root))}
    label: Callable[[Box], str] = _space if sized else _label
    lines = [
        "digraph {",
        f"graph [rankdir={'LR' if drawing.sideways else 'TB'}, dpi={72 if sized else dpi:g}, bgcolor=white, nodesep=0.3, "
        'ranksep=0.45, charset="UTF-8", fontname=Helvetica, labeljust=l, pad=0.15]',
        f'node [shape=box, style="rounded,filled", fontname=Helvetica, margin="0.15,0.08", fixedsize={str(sized).lower()}]',
        f'edge [color="{LINE}", arrowsize=0.7]',
    ]

    def write(box: Box) -> None:
        kind = "frame" if box.inside else box.kind
        fill, stroke = COLOURS[kind][:2]
        if not box.inside:
            width, height = box_size(box)
            size = f", width={width / _INCH:.4f}, height={height / _INCH:.4f}" if sized else ""
            text = '""' if sized else label(box)
            lines.append(f'n{numbers[box]} [label={text}, fillcolor="{fill}", color="{stroke}"{size}]')
            return
        if box.lines:
            lines.append(f"subgraph cluster_{numbers[box]} {{")
            lines.append(f'margin=14; label={label(box)}; style="rounded,filled"; fillcolor="{fill}"; color="{stroke}"')
        for inner in box.inside:
            write(inner)
        if box.lines:
            lines.append("}")

    write(drawing.root)
    for arrow in drawing.arrows:
        lines.append(f"n{numbers[arrow.tail]} -> n{numbers[arrow.head]}{'' if arrow.drawn else ' [style=invis]'}")
    return "\n".join([*lines, "}"]) + "\n"


def _label(box: Box) -> str:
    """Returns the text of a box, as Graphviz's kind of HTML."""
    rows = []
    for line in box.lines:
        text = html.escape(line.text) or " "
        ink = f'<font point-size="{line.size}" color="{INK if line.strong else FAINT}">'
        rows.append(f"{ink}{f'<b>{text}</b>' if line.strong else text}</font>")
    breaks = '<br align="left"/>' if box.inside else "<br/>"
    return f"<{breaks.join([*rows, ''] if box.inside else rows)}>"


def _space(box: Box) -> str:
    """Returns an empty label as large as the text of a frame."""
    width, height = box.text_size
    return f'<<table border="0" width="{width + PAD:.0f}" height="{height:.0f}" fixedsize="true"><tr><td></td></tr></table>>'


def dot_layout(drawing: Drawing) -> Placed:
    """Returns a drawing as `dot` lays it out. Raises DotError where it cannot."""
    found = json.loads(run_dot(dot_text(drawing, sized=True), "json"))
    _, _, width, height = map(float, found["bb"].split(","))
    boxes = dict(enumerate((drawing.root, *drawing.root)))
    placed = Placed((width, height))
    for item in found.get("objects", ()):
        box = boxes[int(item["name"].removeprefix("cluster_").removeprefix("n"))]
        if "bb" in item:
            left, low, right, high = map(float, item["bb"].split(","))
            placed.boxes[box] = left, height - high, right - left, high - low
        else:
            x, y = map(float, item["pos"].split(","))
            wide, tall = (float(item[side]) * _INCH for side in ("width", "height"))
            placed.boxes[box] = x - wide / 2, height - y - tall / 2, wide, tall
    placed.boxes = {box: placed.boxes[box] for box in boxes.values() if box in placed.boxes}
    for edge in found.get("edges", ()):
        if edge.get("style") != "invis":
            placed.lines.append([(x, height - y) for x, y in _curve(edge["pos"])])
    return placed


def _curve(text: str) -> list[Point]:
    """Returns the points of a line as `dot` writes it, led on to the tip of the arrow."""
    words = text.split()
    tip = next((word[2:] for word in words if word.startswith("e,")), None)
    points = [_point(word) for word in words if not word.startswith(("e,", "s,"))]
    if tip is not None:
        points += [points[-1], _point(tip), _point(tip)]
    return points


def _point(text: str) -> Point:
    x, y = text.split(",")
    return float(x), float(y)


def run_dot(text: str, kind: str) -> bytes:
    """Returns what `dot` makes of a drawing: "png", "json", ... Raises DotError, which says what to do, where it cannot."""
    program = shutil.which("dot")
    if program is None:
        raise DotMissing(
            "Graphviz's program dot was not found. Install Graphviz with the system's packages: apt install graphviz, dnf install "
            "graphviz, brew install graphviz, or winget install graphviz."
        )
    try:
        done = subprocess.run([program, f"-T{kind}"], input=text.encode(), capture_output=True, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DotError(f"Graphviz's program {program} did not draw: {error}.") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip() or f"it ended with status {done.returncode}"
        raise DotError(f"Graphviz's program {program} did not draw: {said}")
    return done.stdout
