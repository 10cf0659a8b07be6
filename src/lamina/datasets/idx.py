"""The IDX format, which MNIST and Fashion-MNIST come in."""

import gzip
import os
from pathlib import Path

import numpy as np

Part = tuple[np.ndarray, np.ndarray]

_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Returns the array in a file of the IDX format, gzipped or not.

    The format: two zeros, a number for the dtype, the number of axes, their sizes as big-endian 32-bit integers, the elements.

    Args:
        path: the file.

    Raises:
        ValueError: if it is not in that format, or damaged.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels-idx1-ubyte"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    >>> read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    content = Path(path).expanduser().read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path} is damaged: {error}.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _DTYPES or len(content) < 4 + 4 * content[3]:
        raise ValueError(f"{path} is not a file of the IDX format: it begins with {content[:4]!r}.")
    dtype, start = np.dtype(_DTYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(map(int, np.frombuffer(content[4:start], ">u4")))
    count = int(np.prod(shape, dtype=object))
    if len(content) - start != count * dtype.itemsize:
        raise ValueError(f"{path} is damaged: an array of shape {shape} does not take {len(content) - start:,} bytes.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))


def read_folder(folder: Path) -> tuple[Part, Part]:
    """Returns the images and labels to train on and those to test on, from the four files of MNIST in a folder."""
    train, test = (
        (read_idx(_only(folder, f"{part}-images?idx3-ubyte*")), read_idx(_only(folder, f"{part}-labels?idx1-ubyte*")))
        for part in ("train", "t10k")
    )
    for images, labels in (train, test):
        if len(images) != len(labels):
            raise ValueError(f"There are {len(images)} images, but {len(labels)} labels for them, in {folder}.")
    return train, test


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(f"*{pattern}"))
    if not found:
        name = pattern.replace("?", "-").rstrip("*")
        raise FileNotFoundError(
            f"There is no file {name} or {name}.gz in {folder}. lamina.datasets.read_idx reads one that is there by itself."
        )
    return found[0]
