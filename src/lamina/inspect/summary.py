"""The summary of a model, as a table: in a terminal, as plain text, and as HTML in a notebook."""

import html
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rich import get_console
from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lamina.core.layer import Layer
from lamina.core.variable import Variable
from lamina.inspect.notebook import TABLE_STYLE, display_in_notebook
from lamina.inspect.outline import Part, outline

_PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
_STYLES = {"Layer (type)": "bold", "Output shape": "green", "Params": "cyan", "Size": "cyan"}
_GAP = 3  # characters between columns
_NUMBERS = ("Params", "Size")


class Summary:
    """What a model is made of: its layers with shapes and counts, and the totals.

    Args:
        model: a built model, or any built layer.
        line_length: how wide the table is, in characters.
        positions: where the columns of Keras's summary end, in characters or as parts of the line; sizes are left out then.
        expand_nested: whether layers inside of layers are listed.
        show_trainable: whether to say which layers are trained.
        layer_range: names of the first and of the last layer to list, or regular expressions for them.

    Raises:
        ValueError: if the model is not built, or an argument fits nothing.
    """

    def __init__(
        self,
        model: Layer,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        root, self._problem = outline(model)
        connected = root.is_graph and not root.is_chain
        self.title = f'Model "{model.name}" ({type(model).__name__})'
        sizes = () if positions is not None else ("Size",)
        self.columns = ["Layer (type)", "Output shape", "Params", *sizes]
        self.columns += [*(["Connected to"] if connected else []), *(["Trainable"] if show_trainable else [])]
        self._widths = None if positions is None else _widths(positions, line_length or get_console().width, len(self.columns))
        self.line_length = line_length
        parts = root.parts if layer_range is None else _between(root.parts, layer_range)
        listed = [(0, part) for part in parts]
        if expand_nested:
            listed = [place for part in parts for place in _nested(part)]
        self.rows = [(depth, {column: _CELLS[column](part) for column in self.columns}) for depth, part in listed]
        self.totals = _totals(model)

    @property
    def table(self) -> Table:
        """The table, for a terminal."""
        return self._table(SIMPLE_HEAD, expand=True)

    def _table(self, box: Box, expand: bool) -> Table:
        table = Table(
            title=Text(self.title),
            title_justify="left",
            box=box,
            expand=expand,
            width=self.line_length if self._widths is None else None,
        )
        table.show_edge = table.pad_edge = False
        for i, column in enumerate(self.columns):
            width = None if self._widths is None else self._widths[i]
            style = "" if box is _PLAIN else _STYLES.get(column, "")
            number = column in _NUMBERS
            table.add_column(
                column, style=style, justify="right" if number else "left", overflow="fold", no_wrap=number, width=width
            )
        for depth, row in self.rows:
            cells = {column: _indented(text, "  " * depth if column == "Layer (type)" else "") for column, text in row.items()}
            table.add_row(*(Text(cells[column]) for column in self.columns))
        return table

    @property
    def notes(self) -> list[str]:
        """What stands below the table."""
        lines = [f"{what} params: {count}" for what, count in self.totals.items()]
        if self._problem:
            lines.append(f"Shapes are missing where the model does not run on shapes alone: {self._problem}")
        return lines

    def __str__(self) -> str:
        plain = Console(file=io.StringIO(), width=self.line_length or 10_000, color_system=None, force_jupyter=False)
        with plain.capture() as captured:
            plain.print(self._table(_PLAIN, expand=False), crop=False)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        return "\n".join([*(line for line in lines if line), "", *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(column)}</th>" for column in self.columns)
        rows = []
        for depth, row in self.rows:
            cells = []
            for column in self.columns:
                style = f' style="padding-left:{0.6 + 1.4 * depth:.1f}em"' if depth and column == "Layer (type)" else ""
                number = ' class="number"' if column in _NUMBERS else ""
                cells.append(f"<td{number}{style}>{html.escape(row[column]).replace(chr(10), '<br>')}</td>")
            rows.append(f"<tr>{''.join(cells)}</tr>")
        notes = "<br>".join(html.escape(note) for note in self.notes)
        return (
            f'{TABLE_STYLE}<div class="lamina-table"><p><b>{html.escape(self.title)}</b></p>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table><p>{notes}</p></div>"
        )


def summarize(model: Layer, print_fn: Callable[[str], Any] | None = None, **options: Any) -> None:
    """Shows the summary of a model: to `print_fn` line by line, else in the notebook, the terminal, or as plain text.

    Args:
        model: a built model.
        print_fn: what is given each line.
        options: what `Summary` takes.
    """
    summary = Summary(model, **options)
    console = get_console()
    if print_fn is not None:
        for line in str(summary).splitlines():
            print_fn(line)
    elif not display_in_notebook(summary):
        if console.is_terminal:
            console.print(summary.table, "\n".join(summary.notes), markup=False, highlight=False)
        else:
            print(summary)


def show_size(size: int) -> str:
    """Returns a number of bytes as people read it.

    >>> show_size(84), show_size(1536), show_size(5 << 30)
    ('84 B', '1.5 KiB', '5.0 GiB')
    """
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{size:,} B" if unit == "B" else f"{amount:,.1f} {unit}"


def bytes_of(weights: Iterable[Variable]) -> int:
    """Returns how many bytes variables take."""
    return sum(weight.size * weight.dtype.itemsize for weight in weights)


def _indented(text: str, indent: str) -> str:
    return "\n".join(indent + line for line in text.splitlines())


def _shape(part: Part) -> str:
    if part.shape:
        return part.shape
    return "not built" if isinstance(part.subject, Layer) and not part.subject.built else "?"


_CELLS: dict[str, Callable[[Part], str]] = {
    "Layer (type)": lambda part: f"{part.name} ({part.kind})",
    "Output shape": _shape,
    "Params": lambda part: f"{sum(weight.size for weight in part.weights):,}",
    "Size": lambda part: show_size(bytes_of(part.weights)),
    "Connected to": lambda part: "\n".join(f"{feed.source.name}{feed.which}" for feed in part.feeds),
    "Trainable": lambda part: part.trained,
}


def _nested(part: Part, depth: int = 0) -> Iterator[tuple[int, Part]]:
    yield depth, part
    for inner in part.parts:
        yield from _nested(inner, depth + 1)


def _totals(model: Layer) -> dict[str, str]:
    trained, others = model.trainable_weights, model.non_trainable_weights
    groups = {"Total": [*trained, *others], "Trainable": trained, "Non-trainable": others}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.variables:
        groups["Optimizer"] = optimizer.variables
    return {
        what: f"{sum(weight.size for weight in weights):,} ({show_size(bytes_of(weights))})" for what, weights in groups.items()
    }


def _widths(positions: Sequence[float], line_length: int, columns: int) -> list[int]:
    """Returns how wide the columns are that end at the given positions."""
    ends = [int(line_length * position) if max(positions) <= 1 else int(position) for position in positions]
    if len(ends) < columns or ends[0] <= 0 or any(a >= b for a, b in itertools.pairwise(ends)):
        raise ValueError(f"positions says where each of the {columns} columns ends, in rising order, not {list(positions)}.")
    widths = [end - start - _GAP for start, end in zip([0, *ends], ends[:columns], strict=False)]
    return [max(width, 1) for width in (*widths[:-1], widths[-1] + _GAP)]


def _between(parts: list[Part], layer_range: Sequence[str]) -> list[Part]:
    """Returns the parts from the first that the first name means to the last that the second one means."""
    if isinstance(layer_range, str) or len(layer_range) != 2:
        raise ValueError(f"layer_range is two names, of the first and the last layer, not {layer_range!r}.")
    first, last = (_places(parts, name) for name in layer_range)
    if first[0] > last[-1]:
        raise ValueError(f"layer_range is empty: {layer_range[1]!r} stands before {layer_range[0]!r}.")
    return parts[first[0] : last[-1] + 1]


def _places(parts: list[Part], name: str) -> list[int]:
    """Returns where the part with a name stands, or else those whose names the regular expression fits from the beginning on."""
    names = [(part.name, getattr(part.subject, "name", part.name)) for part in parts]
    if exact := [i for i, known in enumerate(names) if name in known]:
        return exact
    try:
        found = [i for i, known in enumerate(names) if any(re.match(name, one) for one in known)]
    except re.error as error:
        raise ValueError(f"layer_range: {name!r} is neither a layer's name nor a regular expression: {error}.") from None
    if not found:
        raise ValueError(f"layer_range: no layer fits {name!r}. The layers: {', '.join(part.name for part in parts)}.")
    return found
