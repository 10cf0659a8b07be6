"""CIFAR-10: small photographs of ten kinds of things."""

import os

from lamina.datasets.cifar import read_records
from lamina.datasets.idx import Part
from lamina.datasets.source import Source

__all__ = ["load_data"]

_SOURCE = Source(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
)
_TRAIN, _TEST = [f"data_batch_{number}.bin" for number in range(1, 6)], ["test_batch.bin"]


def load_data(path: str | os.PathLike[str] | None = None) -> tuple[Part, Part]:
    """Returns 50,000 photographs to train on and 10,000 to test on, of 32 by 32 pixels.

    The classes, from 0 to 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. Some labels are known to be
    wrong.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.cifar10.load_data()

    Args:
        path: the dataset's binary version: its archive (`cifar-10-binary.tar.gz`), or the folder that this was unpacked to. None:
            that among Lamina's datasets.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (photographs, 32, 32, 3), from 0 to 255, and their classes, of shape
        (photographs, 1); all uint8.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is not that dataset.
        OSError: if the archive cannot be downloaded; the message says where to put it by hand.

    Source: Krizhevsky, Learning multiple layers of features from tiny images (2009).
    """
    file = _SOURCE.file(path)
    return read_records(file, _TRAIN, labels=1, label=0), read_records(file, _TEST, labels=1, label=0)
