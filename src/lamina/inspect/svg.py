"""A drawing as SVG, readable on light and on dark pages."""

import html
from collections.abc import Sequence

from lamina.inspect.drawing import LEADING, PAD, Box, Drawing
from lamina.inspect.layered import Placed, Point

_MARGIN = 12
# Names of parts, with what they are drawn in: the fill and the stroke on light pages, then on dark ones.
COLOURS = {
    "layer": ("#ffffff", "#8c959f", "#22272e", "#768390"),
    "input": ("#ddf4ff", "#218bff", "#0c2d4a", "#4184e4"),
    "function": ("#f6f8fa", "#afb8c1", "#2d333b", "#545d68"),
    "weight": ("#fff8c5", "#bf8700", "#3b2f00", "#ae7c14"),
    "frame": ("#f3f5f7", "#afb8c1", "#161b22", "#545d68"),
}
INK, FAINT = "#1f2328", "#59636e"
_DARK_INK, _DARK_FAINT, _DARK_LINE = "#f0f6fc", "#9198a1", "#8b949e"
LINE = "#6e7781"


def svg(drawing: Drawing, placed: Placed) -> str:
    """Returns a drawing that is laid out as a page of SVG."""
    width, height = (size + 2 * _MARGIN for size in placed.size)
    marks = [
        f'<svg class="lamina-model" xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif">',
        f"<style>{_style()}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0.8L8 4L0 7.2z"/></marker></defs>',
        *(_box(box, *place) for box, place in placed.boxes.items() if box.inside),
        *(f'<path class="line" d="{_path(points)}" marker-end="url(#tip)"/>' for points in placed.lines),
        *(_box(box, *place) for box, place in placed.boxes.items() if not box.inside),
        "</svg>",
    ]
    return "\n".join(marks) + "\n"


def _style() -> str:
    """Returns the colours, of light and of dark pages; they hold for this picture alone, also where a page has others."""

    def rules(side: int, ink: str, faint: str, line: str) -> str:
        boxes = [(f".{kind} rect", f"fill:{pair[side]};stroke:{pair[side + 1]}") for kind, pair in COLOURS.items()]
        rest = [("text", f"fill:{faint}"), (".strong", f"fill:{ink}"), (".line", f"stroke:{line}"), (".tip", f"fill:{line}")]
        return "".join(f".lamina-model {where}{{{what}}}" for where, what in [*boxes, *rest])

    fixed = ".lamina-model .line{fill:none;stroke-width:1.2}.lamina-model .strong{font-weight:bold}"
    dark = rules(2, _DARK_INK, _DARK_FAINT, _DARK_LINE)
    return f"{fixed}{rules(0, INK, FAINT, LINE)}@media(prefers-color-scheme:dark){{{dark}}}"


def _box(box: Box, x: float, y: float, width: float, height: float) -> str:
    """Returns a box with its text in the middle, or a frame with its text at the top."""
    kind = "frame" if box.inside else box.kind
    marks = [f'<g class="{kind}"><title>{html.escape(box.hint)}</title>']
    marks.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5"/>')
    baseline = y + (PAD * 0.7 if box.inside else (height - box.text_size[1]) / 2)
    across = x + PAD * 1.4 if box.inside else x + width / 2
    for line in box.lines:
        strong, anchor = ' class="strong"' if line.strong else "", "" if box.inside else ' text-anchor="middle"'
        bottom = baseline + line.size * (LEADING + 0.7) / 2
        marks.append(
            f'<text x="{across:.1f}" y="{bottom:.1f}" font-size="{line.size}"{anchor}{strong}>{html.escape(line.text)}</text>'
        )
        baseline += line.size * LEADING
    return "".join([*marks, "</g>"])


def _path(points: Sequence[Point]) -> str:
    start, *rest = (f"{x:.1f} {y:.1f}" for x, y in points)
    curves = [" ".join(rest[i : i + 3]) for i in range(0, len(rest), 3)]
    return f"M{start}" + "".join(f"C{curve}" for curve in curves)
