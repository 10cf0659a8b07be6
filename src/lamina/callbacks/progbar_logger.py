"""ProgbarLogger: progress, for loops of one's own."""

import contextlib

from lamina.callbacks.callback import Callback, Logs, not_every_batch
from lamina.training.progress import Silent, reporter


class ProgbarLogger(Callback):
    """Shows the progress of a loop that calls callbacks by itself: a bar in a terminal, a line an epoch elsewhere.

    It takes `epochs`, `steps` and `verbose` from `set_params`. In `fit`, `evaluate` and `predict` it does nothing: these show their
    progress as their `verbose` says.

    >>> callbacks = lamina.callbacks.CallbackList(add_progbar=True, epochs=1, steps=3, verbose=2)
    >>> callbacks.on_epoch_begin(0)
    >>> for step in range(3):
    ...     callbacks.on_train_batch_end(step, {"loss": 1 / 2**step})
    >>> callbacks.on_epoch_end(0, {"loss": 0.25})
    Epoch 1/1 - ... - loss 0.2500
    """

    def __init__(self) -> None:
        self._report = Silent()
        self._drawn = contextlib.ExitStack()
        self._training = False

    def _begin(self, title: str) -> None:
        self._release()
        self._report = Silent() if self.params.get("shown") else reporter(self.params.get("verbose", 1))
        self._drawn.enter_context(self._report.shown(title, self.params.get("steps")))

    def _end(self, logs: Logs) -> None:
        self._report.finish(logs or {})
        self._release()

    def _release(self) -> None:
        """Takes a bar away that is still there."""
        self._drawn.close()

    def _until_batch(self) -> int | None:
        """Its hooks of batches have nothing to do where nothing is shown."""
        return None if self.params.get("shown") else 1

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: evaluations inside it are silent."""
        self._training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Training is over."""
        self._training = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: draws the bar."""
        self._begin(f"Epoch {epoch + 1}/{self.params.get('epochs', '?')}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: puts a line in its place."""
        self._end(logs)

    @not_every_batch
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of training is done: moves the bar."""
        self._report.update(batch + 1, logs or {})

    def on_test_begin(self, logs: Logs = None) -> None:
        """Evaluation begins: draws the bar."""
        if not self._training:
            self._begin("Evaluate")

    @not_every_batch
    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of evaluation is done: moves the bar."""
        if not self._training:
            self._report.update(batch + 1, logs or {})

    def on_test_end(self, logs: Logs = None) -> None:
        """Evaluation is over: puts a line in its place."""
        if not self._training:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Prediction begins: draws the bar."""
        self._begin("Predict")

    @not_every_batch
    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of prediction is done: moves the bar."""
        self._report.update(batch + 1, {})

    def on_predict_end(self, logs: Logs = None) -> None:
        """Prediction is over: puts a line in its place."""
        self._end({})
