"""Callback: what is called at the turns of training, evaluation and prediction."""

from collections.abc import Callable, Iterable
from typing import Any

from lamina.core.state import attributes_state, set_attributes_state
from lamina.core.text import ReprMixin

Logs = dict[str, Any] | None


def not_every_batch(hook: Callable[..., None]) -> Callable[..., None]:
    """Marks a callback's own hook of batches as one that need not see them all: `_until_batch` says which it has to."""
    hook.not_every_batch = True  # type: ignore[attr-defined]
    return hook


class Callback(ReprMixin):
    """What `fit`, `evaluate` and `predict` call as they go on: override the hooks that you need.

    A callback that overrides a hook of batches sees every batch, in order, with the weights of that moment; the steps are then
    dispatched one by one. Without such a hook many steps run as one program on the device.

    Attributes:
        model: the model. Set `model.stop_training = True` to end training after the batch or epoch that is running.
        params: a dict with `epochs`, `steps` (None if unknown), `verbose`, and `shown`: that the pass shows its progress itself.

    >>> class Shout(lamina.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, sorted(logs))
    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[Shout()])
    0 ['loss']
    """

    model: Any = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def set_params(self, params: dict[str, Any]) -> None:
        """Takes what is known of the run."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        self.model = model

    def _state(self) -> Iterable[tuple[str, Any]]:
        """Returns what it remembers: its attributes that are plain values, or hold arrays."""
        return attributes_state(self, ("model", "params"))

    def _set_state(self, state: dict[str, Any]) -> None:
        """Makes it remember what another one did."""
        set_attributes_state(self, state)

    def _release(self) -> None:
        """Gives back what must not outlive a training. Called whenever one ends, also by an error, when on_train_end is not."""

    def _until_batch(self) -> int | None:
        """Returns how many steps may run until its hooks of batches, all `not_every_batch`, are to be called; None for no end.

        The hook for a batch's end is called then, and may be called before, with the logs of that moment, and always after the
        last batch of an epoch. The hook for its beginning is called where this is 1.
        """
        return 1

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Training is over; logs are those of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins; epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over; logs hold its losses and metrics, those of validation with `val_` before their names."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """A step of training begins; batches count from 0 in each epoch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of training is done; logs are the running losses and metrics."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The same as `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The same as `on_train_batch_end`."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Evaluation or validation begins."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Evaluation or validation is over."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """A step of evaluation begins."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of evaluation is done."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Prediction begins."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Prediction is over."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """A step of prediction begins."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of prediction is done; logs hold its `outputs`."""
