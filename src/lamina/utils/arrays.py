"""Arrays as models want them: one-hot vectors, unit vectors, sequences of one length."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def to_categorical(x: Any, num_classes: int | None = None) -> np.ndarray:
    """Returns classes as vectors of zeros and a 1, of shape (..., num_classes), float32.

    Args:
        x: integers from 0 on; a last axis of size 1 is dropped.
        num_classes: how many there are; by default one more than the greatest.

    Raises:
        ValueError: for integers out of range.

    >>> to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]], dtype=float32)
    """
    classes = np.asarray(x, "int64")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    least, most = (int(classes.min()), int(classes.max())) if classes.size else (0, -1)
    count = most + 1 if num_classes is None else num_classes
    if least < 0 or most >= count:
        raise ValueError(
            f"to_categorical takes integers from 0 to num_classes - 1 = {count - 1}, but x has some from {least} to {most}."
        )
    rows: np.ndarray = np.eye(count, dtype="float32")[classes]
    return rows


def normalize(x: Any, axis: int = -1, order: float = 2) -> np.ndarray:
    """Returns vectors divided by their norm (Σ |x|^order)^(1/order); vectors of zeros stay as they are.

    Args:
        x: an array.
        axis: along which its vectors lie.
        order: of the norm.

    >>> normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    norm = np.linalg.norm(x, order, axis, keepdims=True)
    return np.asarray(x) / np.where(norm == 0, 1, norm)


def pad_sequences(
    sequences: Sequence[Sequence[Any]],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Returns sequences of several lengths as one array, of shape (sequences, maxlen, ...).

    Args:
        sequences: lists of numbers, or of arrays of one shape.
        maxlen: the length; by default that of the longest.
        dtype: of the array.
        padding: where shorter ones are filled: "pre" or "post".
        truncating: where longer ones are cut.
        value: what they are filled with.

    Raises:
        ValueError: for elements of different shapes, or another place than "pre" and "post".

    >>> pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    for name, place in (("padding", padding), ("truncating", truncating)):
        if place not in ("pre", "post"):
            raise ValueError(f"{name} of pad_sequences must be 'pre' or 'post', not {place!r}.")
    length = max(map(len, sequences), default=0) if maxlen is None else maxlen
    shapes = {np.shape(sequence)[1:] for sequence in sequences if len(sequence)} or {()}
    if len(shapes) > 1:
        raise ValueError(f"The sequences' elements must have one shape, not {' and '.join(map(str, sorted(shapes)))}.")
    padded = np.full((len(sequences), length, *shapes.pop()), value, dtype)
    for row, sequence in zip(padded, sequences, strict=True):
        kept = np.asarray(
            sequence[len(sequence) - length :] if truncating == "pre" and len(sequence) > length else sequence[:length]
        )
        if len(kept):
            row[length - len(kept) if padding == "pre" else 0 :][: len(kept)] = kept
    return padded
