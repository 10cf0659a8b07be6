"""ModelCheckpoint: the weights in a file, every now and then or when they are the best so far."""

import collections
import os
from typing import Any

from lamina.callbacks.callback import Logs
from lamina.callbacks.checks import count, number
from lamina.callbacks.monitor import MonitorCallback
from lamina.training.weights_file import checked_name, save_weights


class ModelCheckpoint(MonitorCallback):
    """Saves the weights after each epoch, after so many batches, or only when a value has improved.

    A file is replaced as a whole: there is never half of one. `lamina.training.weights_file.load_weights` reads it.

    Args:
        filepath: the file's path, which ends with `.npz`. The epoch and the batch, counted from 1, and the logs may stand in it,
            as in `"w-{epoch:02d}-{val_loss:.2f}.npz"`. Folders that are not there are made.
        monitor: with save_best_only, the value's name in the logs.
        verbose: 1 says what is saved, and what is not; 0 is silent.
        save_best_only: whether only weights with a better value than all before are saved. Where the logs lack the value, weights
            are saved as long as there is no best.
        save_weights_only: taken as Keras has it; a `.npz` file holds weights.
        mode: "min" if less is better, "max" if more is, "auto" to go by the name.
        save_freq: "epoch", or after how many batches to save; the logs are then the running ones. With a number every batch is
            seen, so the steps are dispatched one by one.
        initial_value_threshold: with save_best_only, the value that the first weights to be saved have to be better than.

    Attributes:
        best: the best value so far, or initial_value_threshold. It is kept from one training to the next.

    Raises:
        TypeError: if filepath is not a path.
        ValueError: for an argument that is none of these, and in mode "auto" for a name that does not tell; when it saves, if what
            stands in filepath is not in the logs.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> model = lamina.Sequential([lamina.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(lamina.optimizers.SGD(0.25), "mse")
    >>> save = lamina.callbacks.ModelCheckpoint(folder / "w-{epoch}-{loss:.2f}.npz")
    >>> _ = model.fit(np.zeros((8, 2)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[save])
    >>> sorted(file.name for file in folder.iterdir())
    ['w-1-1.00.npz', 'w-2-0.25.npz']
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = checked_name(filepath)
        _check_places(self.filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        if initial_value_threshold is not None:
            self.best = number(initial_value_threshold, "initial_value_threshold", self)
        self.save_freq = save_freq if save_freq == "epoch" else count(save_freq, "save_freq", self, 1, "'epoch' or ")
        if self.save_freq != "epoch":
            vars(self)["on_batch_end"] = self._after_batch  # not in the class, where it would make every training a slow one
        self._epoch = self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: notes its number."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: saves the weights."""
        if self.save_freq == "epoch":
            self._save({"epoch": epoch + 1}, logs or {})

    def _after_batch(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        if self._batches == self.save_freq:
            self._batches = 0
            self._save({"epoch": self._epoch + 1, "batch": batch + 1}, logs or {})

    def _save(self, when: dict[str, int], logs: dict[str, Any]) -> None:
        if self.save_best_only and not self._is_best(when["epoch"], logs):
            return
        path = self._path(when, logs)
        save_weights(self.model, path)
        if self.verbose:
            print(f"Epoch {when['epoch']}: the weights are saved as {path}.")

    def _is_best(self, epoch: int, logs: dict[str, Any]) -> bool:
        value, before = self._monitored(logs), self.best
        if value is None:
            return before is None
        better = self._improves(value, before)
        if better:
            self.best = value
        if self.verbose:
            than = "" if before is None else f" {'from' if better else 'on'} {before:.5f}"
            print(f"Epoch {epoch}: {self.monitor} is {value:.5f}, {'an' if better else 'no'} improvement{than}.")
        return better

    def _path(self, when: dict[str, int], logs: dict[str, Any]) -> str:
        known = {**logs, **when}
        try:
            return self.filepath.format_map(known)
        except KeyError as error:
            raise ValueError(
                f"ModelCheckpoint cannot name its file: {error} stands in {self.filepath!r}, but there is only {', '.join(known)}."
            ) from None


def _check_places(filepath: str) -> None:
    """Raises ValueError if filepath could not be filled in with numbers."""
    try:
        filepath.format_map(collections.defaultdict(float, epoch=1, batch=1))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"filepath of ModelCheckpoint must name what stands in it, as in 'w-{{epoch:02d}}-{{val_loss:.2f}}.npz', not "
            f"{filepath!r} ({error})."
        ) from None
