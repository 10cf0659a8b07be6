"""EarlyStopping: no more epochs once a value has stopped improving."""

import numpy as np

from lamina.callbacks.callback import Logs
from lamina.callbacks.checks import count, number
from lamina.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Ends training after `patience` epochs in a row without an improvement (Prechelt, Early stopping - but when?, 1998).

    Args:
        monitor: the value's name in the logs.
        min_delta: the least change that counts as an improvement.
        patience: after so many epochs without one, training ends.
        verbose: 1 says when it ends and which weights are restored; 0 is silent.
        mode: "min" if less is better, "max" if more is, "auto" to go by the name.
        baseline: only improvements to a value better than this make patience start anew.
        restore_best_weights: whether training leaves the model with the weights of its best epoch, however it ended. These need
            not be better than `baseline`.
        start_from_epoch: epochs before this one, counted from 0, are not looked at.

    Attributes:
        stopped_epoch: the epoch, counted from 0, after which it ended training; 0 if it did not.
        best: the best value, or None.
        best_epoch: its epoch, counted from 0.
        best_weights: the weights then, with restore_best_weights.
        wait: how many epochs have passed without an improvement.

    Raises:
        ValueError: for an argument that is none of these, and in mode "auto" for a name that does not tell.

    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile(lamina.optimizers.SGD(0.0), "mse")
    >>> stop = lamina.callbacks.EarlyStopping("loss", patience=3)
    >>> history = model.fit(np.ones((8, 2)), np.zeros((8, 1)), epochs=50, verbose=0, callbacks=[stop])
    >>> len(history.epoch), stop.stopped_epoch, stop.best_epoch
    (4, 3, 0)
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = count(patience, "patience", self)
        self.verbose = verbose
        self.baseline = None if baseline is None else number(baseline, "baseline", self)
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = count(start_from_epoch, "start_from_epoch", self)
        self._start_anew()

    def _start_anew(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = None
        self.best_weights: list[np.ndarray] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: forgets what it knows of another."""
        super().on_train_begin(logs)
        self._start_anew()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: keeps it as the best, or ends training if patience is at its end."""
        value = self._monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self._improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True

    def on_train_end(self, logs: Logs = None) -> None:
        """Training is over: restores the best weights."""
        if self.verbose and self.stopped_epoch:
            print(f"Epoch {self.stopped_epoch + 1}: training ends, for {self.monitor} has stopped improving.")
        if self.best_weights is not None:
            if self.verbose:
                print(f"The weights are those of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
