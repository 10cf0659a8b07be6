"""History: what `fit` returns."""

from collections.abc import Sequence
from typing import Any

from lamina.callbacks.callback import Callback, Logs


class History(Callback):
    """The logs of all epochs. Print it to read them as a table; `plot` draws them.

    Attributes:
        history: for each name in the logs, its values, one an epoch.
        epoch: the epochs' numbers, from 0.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._epochs: dict[str, list[int]] = {}

    def set_model(self, model: object) -> None:
        """Keeps no model: a history outlives training."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Takes the logs of one epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch)

    def series(self) -> dict[str, dict[int, float]]:
        """Returns the values of each name by the number of the epoch: validation need not be in each."""
        known = getattr(self, "_epochs", {})
        return {
            name: dict(zip(epochs if len(epochs := known.get(name, ())) == len(values) else self.epoch, values, strict=False))
            for name, values in self.history.items()
        }

    def plot(self, metrics: str | Sequence[str] | None = None) -> Any:
        """Draws curves over the epochs: one axes for each metric, with the values of training and of validation.

        Args:
            metrics: which ones, by name; by default all that there are.

        Returns:
            The `matplotlib.figure.Figure`; a notebook shows it, `figure.savefig(path)` writes it, and so on.

        Raises:
            ImportError: without matplotlib: `pip install lamina[plot]`.
            ValueError: for a metric that the history has not, with the nearest that it has.
        """
        from lamina.inspect.curves import plot_curves

        return plot_curves(self.series(), metrics)

    def __repr__(self) -> str:
        from lamina.inspect.history_table import history_text

        return history_text(getattr(self, "epoch", []), self.series() if hasattr(self, "history") else {})

    def _repr_html_(self) -> str:
        from lamina.inspect.history_table import history_page

        return history_page(self.epoch, self.series())
