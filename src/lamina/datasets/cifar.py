"""The binary version of CIFAR-10 and CIFAR-100: a record is its labels, then the red, the green and the blue pixels, a byte each.

The version for Python, which Keras reads, holds pickles.
"""

import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_PIXELS = 3 * 32 * 32


def read_records(file: Path, names: Sequence[str], labels: int, label: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images (records, 32, 32, 3) and the labels (records, 1) of some files, uint8.

    Args:
        file: the archive, or the folder that it was unpacked to.
        names: the files in it, without their folder.
        labels: how many labels a record has.
        label: which of them to return.

    Raises:
        ValueError: if one of the files is missing, or damaged.
    """
    contents = _contents(file, names)
    images, chosen = [], []
    for name in names:
        if name not in contents:
            raise ValueError(f"There is no {name} in {file}. It must be the binary version of the dataset, not that for Python.")
        if len(contents[name]) % (labels + _PIXELS):
            raise ValueError(
                f"{name} in {file} is damaged: {len(contents[name]):,} bytes are not whole records of {labels + _PIXELS} bytes."
            )
        records = np.frombuffer(contents[name], np.uint8).reshape(-1, labels + _PIXELS)
        images.append(records[:, labels:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        chosen.append(records[:, label : label + 1])
    return np.concatenate(images), np.concatenate(chosen)


def _contents(file: Path, names: Sequence[str]) -> dict[str, bytes]:
    if file.is_dir():
        return {path.name: path.read_bytes() for path in file.rglob("*.bin") if path.name in names}
    contents = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name in names:
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    contents[name] = content.read()
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{file} is not an archive of the dataset, or damaged: {error}.") from error
    return contents
