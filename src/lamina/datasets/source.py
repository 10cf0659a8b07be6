"""Where the file of a dataset is: on this machine, or else in the network."""

import os
from dataclasses import dataclass
from pathlib import Path

from lamina.utils.download import get_file

KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"  # the files that Keras publishes, with their checksums


@dataclass(frozen=True)
class Source:
    """A file in the network.

    Args:
        address: where it is.
        checksum: its SHA-256 (or MD5, where no other is published), in hexadecimal.
        folder: a folder below that of all datasets, for files whose name is not theirs alone.
    """

    address: str
    checksum: str
    folder: str = ""

    def file(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Returns where the file is on this machine.

        Args:
            path: text without a folder is the file's name among Lamina's datasets, where it is downloaded to if need be. Anything
                else is a file or folder of the user's own. None: the name that it has in the network.

        Raises:
            FileNotFoundError: if there is no such file of the user's own.
        """
        if path is None or (isinstance(path, str) and not os.path.dirname(path)):
            return Path(get_file(path, self.address, file_hash=self.checksum, cache_subdir=f"datasets/{self.folder}"))
        return own(path)


def own(path: str | os.PathLike[str]) -> Path:
    """Returns the path of a file or folder of the user's own; raises FileNotFoundError where there is none."""
    found = Path(path).expanduser()
    if not found.exists():
        raise FileNotFoundError(
            f"There is no file or folder {found}. Without a folder, path is a file's name among Lamina's datasets."
        )
    return found
