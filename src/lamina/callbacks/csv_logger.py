"""CSVLogger: the logs of each epoch as a row of a file."""

import csv
import os
from pathlib import Path
from typing import Any

from lamina.callbacks.callback import Callback, Logs
from lamina.core.errors import warn


class CSVLogger(Callback):
    """Writes the logs of each epoch to a file, as a row that is there as soon as the epoch is over.

    The columns are `epoch`, counted from 0, then the names in the logs of the first epoch in alphabetical order. If that epoch had
    no validation, there are columns for one too. What an epoch lacks is `NA`.

    Args:
        filename: the file's path. Folders that are not there are made.
        separator: one character that stands between the columns.
        append: whether rows are added to a file that exists, in its columns; otherwise it is written anew when training begins.

    Raises:
        TypeError: if filename is not a path.
        ValueError: if separator is not one character; when training begins, to append to a file that is not such a log.

    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "run", "log.csv")
    >>> model = lamina.Sequential([lamina.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(lamina.optimizers.SGD(0.25), "mse")
    >>> _ = model.fit(np.zeros((8, 2)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[lamina.callbacks.CSVLogger(file)])
    >>> print(file.read_text().strip())
    epoch,loss,val_loss
    0,1.0,NA
    1,0.25,NA
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(filename, (str, os.PathLike)):
            raise TypeError(f"filename of CSVLogger must be the path of a file, not {filename!r}.")
        if not isinstance(separator, str) or len(separator) != 1 or separator in '\r\n"':
            raise ValueError(f"separator of CSVLogger must be one character, not {separator!r}.")
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self._warned = False

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: makes the file, or reads the columns of the one that is there."""
        path = Path(self.filename)
        self.keys, self._warned = None, False
        if self.append and path.exists() and path.stat().st_size:
            with path.open(newline="", encoding="utf-8") as file:
                first, *keys = next(csv.reader(file, delimiter=self.sep))
            if first != "epoch":
                raise ValueError(
                    f"CSVLogger cannot add rows to {self.filename!r}: its first column is {first!r}, not 'epoch'. It is another "
                    "file, or has another separator."
                )
            self.keys = keys
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: writes its row."""
        logs = logs or {}
        if self.keys is None:
            self.keys = _columns(logs)
            self._write(["epoch", *self.keys])
        if not self._warned and (left_out := [name for name in logs if name not in self.keys]):
            self._warned = True
            warn(f"CSVLogger leaves {', '.join(left_out)} out: {self.filename!r} has no such columns.")
        self._write([epoch, *(logs.get(name, "NA") for name in self.keys)])

    def _write(self, row: list[Any]) -> None:
        """Writes one row. The file is not held open, so nothing is lost or left open however training ends."""
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=self.sep).writerow(row)


def _columns(logs: dict[str, Any]) -> list[str]:
    names = sorted(logs)
    validated = any(name.startswith("val_") for name in names)
    return names if validated else [*names, *(f"val_{name}" for name in names)]
