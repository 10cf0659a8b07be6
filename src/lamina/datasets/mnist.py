"""MNIST: handwritten digits."""

import os

from lamina.datasets.idx import Part, read_folder
from lamina.datasets.npz import read_npz
from lamina.datasets.source import KERAS, Source

__all__ = ["load_data"]

_SOURCE = Source(KERAS + "mnist.npz", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1")


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> tuple[Part, Part]:
    """Returns 60,000 handwritten digits to train on and 10,000 to test on, of 28 by 28 pixels.

    ::

        (x_train, y_train), (x_test, y_test) = lamina.datasets.mnist.load_data()

    Args:
        path: a name among Lamina's datasets; or, with a folder in it, such a file, or a folder that holds the four files
            of the IDX format (`train-images-idx3-ubyte` and so on), gzipped or not.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (digits, 28, 28), from 0 (paper) to 255 (ink), and which digit each
        is; all uint8.

    Raises:
        FileNotFoundError: if there is nothing at `path`, or a file lacks in that folder.
        ValueError: if what is there is something else, or damaged.
        OSError: if the file cannot be downloaded; the message says where to put it by hand.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998); CC BY-SA 3.0.
    """
    file = _SOURCE.file(path)
    if file.is_dir():
        return read_folder(file)
    x_train, y_train, x_test, y_test = read_npz(file, "x_train", "y_train", "x_test", "y_test")
    return (x_train, y_train), (x_test, y_test)
