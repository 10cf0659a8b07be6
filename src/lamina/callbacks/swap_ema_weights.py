"""SwapEMAWeights: moving averages in the place of weights, for as long as the model is looked at."""

from typing import Any

from lamina.callbacks.callback import Callback, Logs
from lamina.core.variable import Array, Variable


class SwapEMAWeights(Callback):
    """Puts the moving averages that the optimizer keeps in the place of the weights while the model is evaluated or predicts.

    Needs an optimizer with `use_ema=True`. Training goes on from the weights themselves; after its last epoch the averages stay.

    Args:
        swap_on_epoch: also from the end of each epoch to the beginning of the next, for the callbacks that stand after this one,
            such as `ModelCheckpoint`.

    Raises:
        ValueError: when it begins, for an optimizer that keeps no averages.

    >>> model = lamina.Sequential([lamina.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    >>> model.compile(lamina.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5), "mse")
    >>> x, y, swap = np.ones((1, 1)), np.ones((1, 1)), lamina.callbacks.SwapEMAWeights()
    >>> history = model.fit(x, y, epochs=2, validation_data=(x, y), verbose=0, callbacks=[swap])
    >>> print(model.get_weights()[0], history.history["val_loss"])
    [[1.]] [0.0, 0.0]
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        self.swap_on_epoch = bool(swap_on_epoch)
        self._own: dict[Variable, Array] = {}  # what the weights were, while averages are in their place

    def _put_averages(self) -> None:
        if not self._own:
            averages = _averages(getattr(self.model, "optimizer", None))
            self._own = {variable: variable.value for variable in averages}
            for variable, average in averages.items():
                variable.assign(average)

    def _put_back(self) -> None:
        for variable, value in self._own.items():
            variable.assign(value)
        self._own = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        """Training begins: with the weights themselves, and an optimizer that keeps averages."""
        self._put_back()
        _averages(self.model.optimizer)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """An epoch begins: the weights are put back."""
        self._put_back()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """An epoch is over: the averages are put in, with `swap_on_epoch`."""
        if self.swap_on_epoch:
            self._put_averages()

    def on_train_end(self, logs: Logs = None) -> None:
        """Training is over: the averages are the weights now."""
        self._own = {}

    def _release(self) -> None:
        """Puts the weights back where training has failed."""
        self._put_back()

    def on_test_begin(self, logs: Logs = None) -> None:
        """Evaluation begins: the averages are put in."""
        self._put_averages()

    def on_test_end(self, logs: Logs = None) -> None:
        """Evaluation is over: the weights are put back."""
        self._put_back()

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Prediction begins: the averages are put in."""
        self._put_averages()

    def on_predict_end(self, logs: Logs = None) -> None:
        """Prediction is over: the weights are put back."""
        self._put_back()


def _averages(optimizer: Any) -> dict[Variable, Array]:
    """Returns the moving average of each variable for which an optimizer keeps one; none before its first step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    keeping = [one for one in getattr(inner, "optimizers", [inner]) if getattr(one, "use_ema", False)]
    if not keeping:
        raise ValueError(f"SwapEMAWeights needs an optimizer that keeps averages, with use_ema=True, and not {optimizer!r}.")
    begun = [one for one in keeping if one.built and int(one.iterations) > 0]
    return {variable: one.state_of(variable)["average"] for one in begun for variable in one.targets}
