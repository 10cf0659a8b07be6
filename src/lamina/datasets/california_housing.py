"""California housing: what houses were worth in 1990."""

import csv
import gzip
import os
from pathlib import Path

import numpy as np

from lamina.core.text import suggest
from lamina.datasets.idx import Part
from lamina.datasets.npz import read_npz
from lamina.datasets.source import KERAS, Source

__all__ = ["load_data"]

_SOURCE = Source(KERAS + "california_housing.npz", "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f")
_SIZES = {"small": 600, "large": None}
_COLUMNS = [
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
]
_VALUE = "median_house_value"


def load_data(
    version: str = "large", path: str | os.PathLike[str] = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Part, Part]:
    """Returns 20,640 blocks of the Californian census of 1990 in two parts, to train and to test on.

    The columns: longitude and latitude (degrees), median age of the houses (years), rooms, bedrooms, people, households, median
    income (10,000 dollars). (Keras's page lists means per household, which the file does not hold: keras-team/keras, issue 21886.)

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.california_housing.load_data()

    Args:
        version: "large", or "small" for the first 600 blocks.
        path: a name among Lamina's datasets; or, with a folder in it, a file of the same kind, or the census as a table (.csv,
            .csv.gz) whose columns have names; numbers that lack there are NaN.
        test_split: which share of the blocks is to test on.
        seed: of the order.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: arrays of shape (blocks, 8), and the median values of their houses in dollars.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: for another version, a `test_split` that is not from 0 to 1, or a table that lacks a column.
        OSError: if the file cannot be downloaded; the message says where to put it by hand.

    Source: Pace and Barry, Sparse spatial autoregressions (1997).
    """
    if version not in _SIZES:
        raise ValueError(f"Unknown version {version!r}. {suggest(str(version), _SIZES)}")
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be from 0 to 1, and not 1 itself, not {test_split!r}.")
    file = _SOURCE.file(path)
    if file.name.endswith((".csv", ".csv.gz")):
        x, y = _read_table(file)
    else:
        x, y = read_npz(file, "x", "y")
    x, y = x[: _SIZES[version]], y[: _SIZES[version]]
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    train, test = np.split(order, [int(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])


def _read_table(file: Path) -> Part:
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open(newline="") as text:
        rows = csv.DictReader(text)
        missing = [name for name in (*_COLUMNS, _VALUE) if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(f"The table {file} has no column {missing[0]!r}, but {', '.join(rows.fieldnames or ())}.")
        table = np.array([[float(row[name] or "nan") for name in (*_COLUMNS, _VALUE)] for row in rows], "float32")
    return table[:, :-1], table[:, -1]
