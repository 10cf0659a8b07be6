"""A history as a table: an epoch a row, those in the middle of a long run folded."""

import html
from collections.abc import Sequence

from lamina.inspect.notebook import TABLE_STYLE
from lamina.training.progress import show_number

Series = dict[str, dict[int, float]]
_MOST, _KEPT = 16, 5  # rows that are shown all; else so many at each end


def history_text(epochs: Sequence[int], series: Series) -> str:
    """Returns a history as text."""
    rows = [["epoch", *series], *_rows(epochs, series)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([_title(epochs), *(lines if epochs else [])])


def history_page(epochs: Sequence[int], series: Series) -> str:
    """Returns a history as HTML, for notebooks."""
    head = "".join(f'<th class="number">{html.escape(name)}</th>' for name in ("epoch", *series))
    rows = ("".join(f'<td class="number">{cell}</td>' for cell in row) for row in _rows(epochs, series))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'{TABLE_STYLE}<div class="lamina-table"><p><b>{_title(epochs)}</b></p>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _title(epochs: Sequence[int]) -> str:
    return f"History of {len(epochs):,} epoch{'' if len(epochs) == 1 else 's'}"


def _rows(epochs: Sequence[int], series: Series) -> list[list[str]]:
    def row(epoch: int) -> list[str]:
        values = (show_number(numbers[epoch]) if epoch in numbers else "" for numbers in series.values())
        return [str(epoch + 1), *values]

    if len(epochs) <= _MOST:
        return [row(epoch) for epoch in epochs]
    folded = [f"({len(epochs) - 2 * _KEPT:,} more)", *("..." for _ in series)]
    return [*map(row, epochs[:_KEPT]), folded, *map(row, epochs[-_KEPT:])]
