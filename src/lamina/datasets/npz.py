"""Files of NumPy's (.npz), also with lists of integers, which NumPy writes as pickles: read without executing what is in them.

A pickle names the functions that make its objects. The few that NumPy writes for an array of lists lead to a stand-in here, which
keeps the lists and does nothing; any other name is refused.
"""

import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np


class _Array:
    """Stands in for an array, and for what describes it (its class, its dtype): keeps what it is said to hold."""

    items: Any = None

    def __init__(self, *described: Any) -> None:
        del described

    def __setstate__(self, state: Any) -> None:
        self.items = state[-1]  # of (version, shape, dtype, whether columns come first, items)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = (module, name) in (("numpy", "ndarray"), ("numpy", "dtype"))
        if known or (name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray")):
            return _Array
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no list of integers needs")


def read_npz(path: Path, *names: str) -> list[Any]:
    """Returns the arrays of those names in an .npz file; arrays of lists as lists.

    Raises:
        ValueError: if it is not such a file, is damaged, has no such array, or one of anything but numbers and lists of integers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [_read(archive, f"{name}.npy") for name in names]
    except Exception as error:  # what is damaged fails in many ways
        reason = str(error).strip("'\"") or type(error).__name__
        raise ValueError(
            f"{path} cannot be read: {reason}. It must hold {', '.join(names)}: arrays of numbers, or of lists of integers."
        ) from error


def _read(archive: zipfile.ZipFile, name: str) -> np.ndarray | list[list[int]]:
    with archive.open(name) as file:
        shape, holds_objects = _header(file)
        if holds_objects:
            lists = getattr(_Unpickler(file, encoding="latin1").load(), "items", None)
            if not isinstance(lists, list) or (len(lists),) != shape or not all(map(_is_list_of_integers, lists)):
                raise TypeError(f"{name} holds something else")
            return lists
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool]:
    first = np.lib.format.read_magic(file)[0]
    read = np.lib.format.read_array_header_1_0 if first == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype.hasobject


def _is_list_of_integers(value: Any) -> bool:
    return type(value) is list and set(map(type, value)) <= {int}
