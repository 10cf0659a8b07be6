"""TerminateOnNaN: no more batches once the loss is not a number."""

import math

from lamina.callbacks.callback import Callback, Logs


class TerminateOnNaN(Callback):
    """Ends training at the batch after which the loss is NaN or infinite, and says which it was.

    The loss is the running one of the logs. Every batch is looked at, so the steps are dispatched one by one. The weights are those
    after that batch, and may be NaN too; `ModelCheckpoint` keeps earlier ones.

    Args:
        raise_error: raise an error instead of ending training in order, so that no callback's `on_train_end` is called.

    Raises:
        RuntimeError: during training, with raise_error.

    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[1.0], [2.0], [np.nan], [3.0]])
    >>> stop = lamina.callbacks.TerminateOnNaN()
    >>> _ = model.fit(x, x, batch_size=1, epochs=5, shuffle=False, verbose=0, callbacks=[stop])
    Epoch 1, batch 3: the loss is nan. Training ends here.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: notes its number."""
        self._epoch = epoch

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """A step of training is done: looks at the loss."""
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        message = f"Epoch {self._epoch + 1}, batch {batch + 1}: the loss is {loss}. Training ends here."
        if self.raise_error:
            raise RuntimeError(message)
        print(message)
        self.model.stop_training = True
