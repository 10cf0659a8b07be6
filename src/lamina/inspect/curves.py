"""Curves of a history, by matplotlib."""

import math
from collections.abc import Sequence
from typing import Any

from lamina.core.text import suggest
from lamina.inspect.notebook import in_notebook

_VALIDATION = "val_"
_TRAINED, _VALIDATED = "#0969da", "#d4680b"
_COLUMNS = 3
_WIDTH, _HEIGHT = 4.4, 3.2  # of one axes, in inches


def plot_curves(series: dict[str, dict[int, float]], metrics: str | Sequence[str] | None = None) -> Any:
    """Draws one axes for each metric, with its values in training and in validation.

    Args:
        series: for each name in the logs, the values by the epoch's number.
        metrics: names, without the `val_` of validation; None for all.

    Raises:
        ImportError: without matplotlib.
        ValueError: for an unknown name, or where there is nothing to draw.
    """
    known = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in series))
    wanted = known if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    wanted = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in wanted))
    if not known:
        raise ValueError("This history has no epochs, so there is nothing to draw.")
    for name in wanted:
        if name not in known:
            raise ValueError(f"This history has no metric {name!r}. {suggest(name, known)}")
    if not wanted:
        raise ValueError("metrics is empty, so there is nothing to draw. Leave it out to draw all.")
    try:
        from matplotlib import pyplot
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("history.plot() needs matplotlib: pip install lamina[plot]") from error
    columns = 2 if len(wanted) == 4 else min(len(wanted), _COLUMNS)
    rows = math.ceil(len(wanted) / columns)
    figure = pyplot.figure(figsize=(_WIDTH * columns, _HEIGHT * rows), layout="constrained")
    for place, name in enumerate(wanted):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw(axes, series.get(name, {}), "training", _TRAINED, "-")
        _draw(axes, series.get(_VALIDATION + name, {}), "validation", _VALIDATED, "--")
        axes.set_title(name, parse_math=False)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if len(axes.lines) > 1 or _VALIDATION + name in series:
            axes.legend(frameon=False)
    if in_notebook():
        pyplot.close(figure)  # it is shown as the result of the cell, and once is enough
    return figure


def _draw(axes: Any, values: dict[int, float], label: str, colour: str, style: str) -> None:
    if values:
        marker = "o" if len(values) < 20 else ""
        axes.plot([epoch + 1 for epoch in values], list(values.values()), style, label=label, color=colour, marker=marker, ms=3.5)
