"""A flat dict of arrays and plain values in a `.npz` file: a store of states that knows nothing of what they belong to."""

import json
import os
import secrets
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

_PLAIN = "plain.json"  # the member that holds what is not an array


def write_npz(path: str | os.PathLike[str], values: Mapping[str, Any]) -> None:
    """Writes arrays and plain values to a file, which appears, or is replaced, as a whole.

    Arrays of dtypes that NumPy lacks, such as bfloat16, are kept as float32, which holds them exactly.

    Args:
        path: where to. Folders that are not there are made.
        values: NumPy arrays, and what JSON can hold, by name.

    Raises:
        OSError: if the file cannot be written; one that was there stays as it was.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "state.npz")
    >>> write_npz(file, {"dense/kernel": np.ones(2), "words": ["a", "b"]})
    >>> read_npz(file)
    {'dense/kernel': array([1., 1.]), 'words': ['a', 'b']}
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"No file can be written to {target}: that is a folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            _write(file, values)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def read_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns what `write_npz`, or `np.savez`, wrote to a file. Nothing in it is ever executed.

    Raises:
        ValueError: if the file is damaged, or holds something else.
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{os.fspath(path)!r} is not a whole .npz file.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as members:
                found: dict[str, Any] = {name: members[name] for name in members.files}
            plain: dict[str, Any] = json.loads(found.pop(_PLAIN, "{}"))
            return found | plain
        except (EOFError, RecursionError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{os.fspath(path)!r} cannot be read: {error}") from error


def _write(file: Any, values: Mapping[str, Any]) -> None:
    """Writes what `np.savez` would; that takes no array by the name `file`, and makes dtypes that it does not know raw bytes."""
    plain: dict[str, Any] = {}
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in values.items():
            if not isinstance(value, (np.ndarray, np.generic)):
                plain[name] = value
                continue
            own = np.asarray(value, "float32" if value.dtype.isbuiltin == 2 else None)  # 2: a dtype that another package made
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, own, allow_pickle=False)
        if plain:
            archive.writestr(_PLAIN, json.dumps(plain))
