"""Callback: what is called at the turns of training, evaluation and prediction."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lamina.core.shown import Shown

Logs = dict[str, Any] | None

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


def now_and_then(hook: Callable[..., None]) -> Callable[..., None]:
    """Marks a callback's own hook of batches as one that need not see them all: `_until_batch` says which it has to."""
    hook.now_and_then = True  # type: ignore[attr-defined]
    return hook


class Callback(Shown):
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

    def _release(self) -> None:
        """Gives back what must not outlive a training. Called whenever one ends, also by an error, when on_train_end is not."""

    def _until_batch(self) -> int | None:
        """Returns how many steps may run as one until its hooks of batches, all `now_and_then`, are to be called; None for no end.

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


class CallbackList(Callback):
    """Callbacks, called in order, as one.

    Args:
        callbacks: callbacks, alone, in a list, or in such a list.
        add_history: whether to add a `History`, which becomes the model's, unless there is one.
        add_progbar: whether to add a `ProgbarLogger`, unless there is one.
        model: their model.
        params: what is known of the run, for `set_params`.

    Raises:
        TypeError: for what is no callback.
    """

    def __init__(
        self, callbacks: Any = None, add_history: bool = False, add_progbar: bool = False, model: Any = None, **params: Any
    ) -> None:
        self.callbacks = list(_flat(callbacks))
        if add_history:
            from lamina.callbacks.history import History

            history = self._add(History)
            if model is not None:
                model.history = history
        if add_progbar:
            from lamina.callbacks.progbar_logger import ProgbarLogger

            self._add(ProgbarLogger)
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def _add(self, kind: type[Callback]) -> Callback:
        """Returns the callback of a kind, a new one if there is none."""
        for callback in self.callbacks:
            if isinstance(callback, kind):
                return callback
        self.callbacks.append(kind())
        return self.callbacks[-1]

    def _facts(self) -> Iterable[str]:
        return map(repr, self.callbacks)

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks)

    def set_params(self, params: dict[str, Any]) -> None:
        """Gives all of them what is known of the run."""
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Gives all of them the model."""
        for callback in self.callbacks:
            callback.set_model(model)

    def _release(self) -> None:
        """Has all of them give back what must not outlive a training."""
        for callback in self.callbacks:
            callback._release()

    def sees_batches(self, kind: str) -> bool:
        """Tells whether any of them has a hook for each batch of "train", "test" or "predict"."""
        return any(not _is_rare(hook) for callback in _flat(self) for hook in _own_hooks(callback, kind))

    def seeing_some(self, kind: str) -> list[Callback]:
        """Returns those whose hooks for batches of "train", "test" or "predict" need not be called for each."""
        return [callback for callback in _flat(self) if any(_is_rare(hook) for hook in _own_hooks(callback, kind))]


def _flat(callbacks: Any) -> Iterable[Callback]:
    if callbacks is None:
        return
    if isinstance(callbacks, (list, tuple, CallbackList)):
        for callback in callbacks:
            yield from _flat(callback)
    elif isinstance(callbacks, Callback):
        yield callbacks
    else:
        raise TypeError(f"callbacks takes objects of lamina.callbacks.Callback, not {callbacks!r}.")


def _own_hooks(callback: Callback, kind: str) -> list[Any]:
    """Returns the hooks for batches of a kind that a callback overrides."""
    hooks = [(getattr(Callback, name), getattr(callback, name)) for name in _BATCH_HOOKS[kind]]
    return [hook for base, hook in hooks if getattr(hook, "__func__", None) is not base]


def _is_rare(hook: Any) -> bool:
    return getattr(hook, "now_and_then", False)


def _each(hook: str) -> Any:
    def call(self: CallbackList, *args: Any, **kwargs: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*args, **kwargs)

    call.__name__ = hook
    call.__doc__ = f"Calls `{hook}` of all of them."
    return call


for _hook in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _hook, _each(_hook))
