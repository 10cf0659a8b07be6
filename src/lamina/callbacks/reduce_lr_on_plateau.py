"""ReduceLROnPlateau: a smaller learning rate once a value has stopped improving."""

from typing import Any

import numpy as np

from lamina.callbacks.callback import Logs
from lamina.callbacks.checks import count, number
from lamina.callbacks.learning_rate import as_rate, log_rates
from lamina.callbacks.monitor import MonitorCallback


class ReduceLROnPlateau(MonitorCallback):
    """After `patience` epochs in a row without an improvement: rate ← max(factor * rate, min_lr).

    At the end of each epoch the rate that it was trained with is put in the logs as `learning_rate`, for the callbacks that follow.
    Of several optimizers, as a `MultiOptimizer` has, each rate is reduced, and put in as `learning_rate_` and the optimizer's name.

    Args:
        monitor: the value's name in the logs.
        factor: what the rate is multiplied with, from 0 to below 1.
        patience: after so many epochs without an improvement, the rate is reduced.
        verbose: 1 says when it is reduced; 0 is silent.
        mode: "min" if less is better, "max" if more is, "auto" to go by the name.
        min_delta: the least change that counts as an improvement.
        cooldown: for so many epochs after a reduction patience is not counted.
        min_lr: the rate does not become less than this.

    Attributes:
        best: the best value, or None.
        wait: how many epochs have passed without an improvement.
        cooldown_counter: how many epochs of the cooldown are left.

    Raises:
        ValueError: for an argument that is none of these, and in mode "auto" for a name that does not tell.

    >>> model = lamina.Sequential([lamina.layers.Dense(1, kernel_initializer="zeros")])
    >>> model.compile(lamina.optimizers.SGD(1.0), "mse")
    >>> reduce = lamina.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, min_lr=0.3)
    >>> _ = model.fit(np.ones((8, 2)), np.zeros((8, 1)), epochs=9, verbose=0, callbacks=[reduce])
    >>> print(model.optimizer.learning_rate.numpy())
    0.3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = number(factor, "factor", self)
        if not 0 <= self.factor < 1:
            raise ValueError(f"factor of ReduceLROnPlateau must be a number from 0 to below 1, not {factor!r}.")
        self.patience = count(patience, "patience", self)
        self.verbose = verbose
        self.cooldown = count(cooldown, "cooldown", self)
        self.min_lr = as_rate(min_lr, "min_lr of ReduceLROnPlateau")
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: forgets what it knows of another."""
        super().on_train_begin(logs)
        self.best = None
        self.cooldown_counter = self.wait = 0

    def in_cooldown(self) -> bool:
        """Tells whether a reduction was so recent that patience is not counted."""
        return self.cooldown_counter > 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: reduces the rate if patience is at its end."""
        rates = log_rates(self, logs)
        value = self._monitored(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                for optimizer, rate in rates.items():
                    if rate > np.float32(self.min_lr):  # the optimizer keeps it as float32
                        self._reduce(optimizer, rate, epoch)

    def _reduce(self, optimizer: Any, rate: float, epoch: int) -> None:
        new = max(rate * self.factor, self.min_lr)
        optimizer.learning_rate = new
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            print(f"Epoch {epoch + 1}: {self.monitor} has stopped improving; the learning rate goes from {rate:.6g} to {new:.6g}.")
