"""Where a notebook shows results: whether there is one, and how tables look in it."""

import sys
from typing import Any

# Colours are those of the page, so that tables are as readable in the dark.
TABLE_STYLE = (
    "<style>.lamina-table{overflow-x:auto}.lamina-table table{border-collapse:collapse;color:inherit}"
    ".lamina-table th,.lamina-table td{padding:.2em .6em;text-align:left;vertical-align:top;background:none;color:inherit;"
    "border:0;border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}"
    ".lamina-table .number{text-align:right;font-variant-numeric:tabular-nums}</style>"
)


def in_notebook() -> bool:
    """Tells whether the program runs in a notebook."""
    from rich import get_console

    return "IPython" in sys.modules and get_console().is_jupyter


def display_in_notebook(value: Any) -> bool:
    """Shows an object in the notebook; returns False where there is none."""
    if not in_notebook():
        return False
    from IPython.display import display

    display(value)
    return True
