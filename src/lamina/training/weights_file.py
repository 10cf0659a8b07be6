"""Weights in a file: `.npz`, one array for each weight by its path below the model."""

import os
from typing import Any

from lamina.core.layer import Layer
from lamina.core.npz import read_npz, write_npz
from lamina.core.tree import below
from lamina.core.variable import Variable


def save_weights(model: Layer, path: str | os.PathLike[str]) -> None:
    """Writes a model's weights to a file: `.npz`, one array for each, by its path below the model (`dense/kernel`).

    Layers that were given no names are numbered from the model's first one on, so that the same model has the same paths in each
    session. The file appears, or is replaced, as a whole. Weights whose dtype NumPy lacks, such as bfloat16, are kept as float32,
    which holds them exactly.

    Args:
        model: a model, or any layer, that is built.
        path: where to; it ends with `.npz`. Folders that are not there are made.

    Raises:
        TypeError: if path is not a path.
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
    name = checked_name(path)
    if not model.built:
        raise ValueError(f"{model.path!r} is not built yet, so it has no weights to save. Call it on data, or build(shape).")
    write_npz(name, dict(zip(_paths(model), model.get_weights(), strict=True)))


def load_weights(model: Layer, path: str | os.PathLike[str]) -> None:
    """Sets a model's weights to those in a file that `save_weights` wrote, by their paths. Nothing in the file is ever executed.

    Args:
        model: a model, or any layer, that is built.
        path: the file.

    Raises:
        ValueError: if the file does not hold weights, or its names or shapes are not those of the model; no weight is set then.
        OSError: if the file cannot be read.
    """
    try:
        arrays = read_npz(path)
    except ValueError as error:
        raise ValueError(f"{error} No weight was set.") from error
    paths = _paths(model)
    if set(paths) != set(arrays):
        raise ValueError(_difference(model, path, paths, list(arrays)))
    try:
        model.set_weights([arrays[path] for path in paths])
    except ValueError as error:
        error.add_note(f"The values are those in the file {os.fspath(path)!r}.")
        raise


def checked_name(path: Any) -> str:
    """Returns a path of a file of weights; raises TypeError for what is not a path, ValueError if it does not end with `.npz`."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"Weights are saved in a file: give its path, not {path!r}.")
    name = os.fspath(path)
    if not name.endswith(".npz"):
        raise ValueError(
            f"Weights are saved in files whose names end with '.npz', not as {name!r}. Whole models cannot be saved yet."
        )
    return name


def _paths(model: Layer) -> list[str]:
    """Returns the paths of the weights below the model, in the order of `model.weights`."""
    paths = {id(held): path for path, held in below(model) if isinstance(held, Variable)}
    return [paths[id(weight)] for weight in model.weights]


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
