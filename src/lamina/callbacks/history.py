"""History: what `fit` returns."""

from lamina.callbacks.callback import Callback, Logs


class History(Callback):
    """The logs of all epochs.

    Attributes:
        history: for each name in the logs, its values, one an epoch.
        epoch: the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def set_model(self, model: object) -> None:
        """Keeps no model: a history outlives training."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Takes the logs of one epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs{': ' + last if last else ''}>"
