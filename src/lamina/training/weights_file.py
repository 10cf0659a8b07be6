"""Weights in a file: `.npz`, one array for each weight by its path below the model."""

import os
import re
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.core.variable import Variable
from lamina.core.weights import Weighted


def save_weights(model: Layer, path: str | os.PathLike[str]) -> None:
    """Writes a model's weights to a file: `.npz`, one array for each, by its path below the model (`dense/kernel`).

    The file appears, or is replaced, as a whole. Weights whose dtype NumPy lacks, such as bfloat16, are kept as float32, which
    holds them exactly.

    Args:
        model: a model, or any layer, that is built.
        path: where to; it ends with `.npz`. Folders that are not there are made.

    Raises:
        TypeError: if path is no path.
        ValueError: if it does not end with `.npz`, or the model is not built.
        OSError: if the file cannot be written; one that was there stays as it was.

    >>> import tempfile, pathlib
    >>> from lamina.training.weights_file import load_weights, save_weights
    >>> file = pathlib.Path(tempfile.mkdtemp(), "line.npz")
    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(1)])
    >>> save_weights(model, file)
    >>> sorted(np.load(file).files)
    ['dense/bias', 'dense/kernel']
    >>> load_weights(model, file)
    """
    target = Path(os.path.realpath(checked_name(path)))
    if not model.built:
        raise ValueError(f"{model.path!r} is not built yet, so it has no weights to save. Call it on data, or build(shape).")
    arrays = {name: weight.numpy() for name, _, weight in _weights(model)}
    if target.is_dir():
        raise IsADirectoryError(f"The weights of {model.path!r} cannot be saved as {target}: that is a folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            _write(file, arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(model: Layer, path: str | os.PathLike[str]) -> None:
    """Sets a model's weights to those in a file that `save_weights` wrote. Nothing in the file is ever executed.

    Weights go by their paths. Automatic names may have other numbers in the file (`dense_1` for `dense`), as they have when a model
    is made again in one session; then weights go by their order.

    Args:
        model: a model, or any layer, that is built.
        path: the file.

    Raises:
        ValueError: if the file is none of weights, or its names or shapes are not those of the model; no weight is set then.
        OSError: if the file cannot be read.
    """
    arrays = _read(path)
    known = list(_weights(model))
    names = [name for name, _, _ in known]
    if set(names) != set(arrays):
        names = list(arrays)
        if len(names) != len(known) or not all(re.fullmatch(known[i][1], name) for i, name in enumerate(names)):
            raise ValueError(_difference(model, path, [name for name, _, _ in known], names))
    by_weight = {weight: arrays[name] for name, (_, _, weight) in zip(names, known, strict=True)}
    try:
        model.set_weights([by_weight[weight] for weight in model.weights])
    except ValueError as error:
        error.add_note(f"The values are those in the file {os.fspath(path)!r}.")
        raise


def checked_name(path: Any) -> str:
    """Returns a path of a file of weights; raises TypeError for what is no path, ValueError if it does not end with `.npz`."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"Weights are saved in a file: give its path, not {path!r}.")
    name = os.fspath(path)
    if not name.endswith(".npz"):
        raise ValueError(
            f"Weights are saved in files whose names end with '.npz', not as {name!r}. Whole models cannot be saved yet."
        )
    return name


def _weights(
    layer: Weighted, path: str = "", pattern: str = "", seen: set[Any] | None = None
) -> Iterator[tuple[str, str, Variable]]:
    """Yields the weights: the path below the layer, what it may be in another session as a regular expression, the weight."""
    seen = {layer} if seen is None else seen
    for step, child in layer.children().items():
        if child in seen:
            continue
        seen.add(child)
        if isinstance(child, Variable):
            yield path + step, pattern + re.escape(step), child
        elif isinstance(child, Weighted):
            automatic = layer.steps_by_name and child._explicit_name is None
            other = re.escape(re.sub(r"_\d+$", "", step)) + r"(_\d+)?" if automatic else re.escape(step)
            yield from _weights(child, f"{path}{step}/", f"{pattern}{other}/", seen)


def _write(file: Any, arrays: dict[str, np.ndarray]) -> None:
    """Writes what `np.savez` would; that takes no array by the name `file`, and makes dtypes that it does not know raw bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            own = array if array.dtype.isbuiltin == 1 else array.astype("float32")
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, own, allow_pickle=False)


def _read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{os.fspath(path)!r} is no whole .npz file. No weight was set.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{os.fspath(path)!r} cannot be read as weights: {error} No weight was set.") from error


def _difference(model: Layer, path: str | os.PathLike[str], own: list[str], found: list[str]) -> str:
    missing = [name for name in own if name not in found]
    besides = [name for name in found if name not in own]
    built = "" if model.built else " The model is not built yet: call it on data, or build(shape)."
    return (
        f"The weights in {os.fspath(path)!r} are not those of {model.path!r}. The file lacks {_some(missing)}; besides, it has "
        f"{_some(besides)}. No weight was set.{built}"
    )


def _some(names: list[str]) -> str:
    shown = [repr(name) for name in names[:4]]
    return ", ".join([*shown, *([f"{len(names) - 4} more"] if len(names) > 4 else [])]) or "nothing"
