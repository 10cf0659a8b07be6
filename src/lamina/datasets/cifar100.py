"""CIFAR-100: small photographs of a hundred kinds of things."""

import os

from lamina.core.text import suggest
from lamina.datasets.cifar import read_records
from lamina.datasets.idx import Part
from lamina.datasets.source import Source

__all__ = ["load_data"]

_SOURCE = Source(
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"
)
_LABELS = ["coarse", "fine"]  # as they stand in a record


def load_data(label_mode: str = "fine", path: str | os.PathLike[str] | None = None) -> tuple[Part, Part]:
    """Returns 50,000 photographs to train on and 10,000 to test on, of 32 by 32 pixels.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.cifar100.load_data()

    Args:
        label_mode: "fine": a hundred classes; "coarse": the twenty that these are grouped into.
        path: the dataset's binary version: its archive (`cifar-100-binary.tar.gz`), or the folder that this was unpacked to. None:
            that among Lamina's datasets.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (photographs, 32, 32, 3), from 0 to 255, and their classes, of shape
        (photographs, 1); all uint8. (Keras says so too, but gives classes as int64.)

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is not that dataset, or for another `label_mode`.
        OSError: if the archive cannot be downloaded; the message says where to put it by hand.

    Source: Krizhevsky, Learning multiple layers of features from tiny images (2009).
    """
    if label_mode not in _LABELS:
        raise ValueError(f"Unknown label_mode {label_mode!r}. {suggest(str(label_mode), _LABELS)}")
    file, label = _SOURCE.file(path), _LABELS.index(label_mode)
    return read_records(file, ["train.bin"], labels=2, label=label), read_records(file, ["test.bin"], labels=2, label=label)
