"""CallbackList: several callbacks as one."""

from collections.abc import Iterable, Iterator
from typing import Any

from lamina.callbacks.callback import Callback
from lamina.callbacks.history import History
from lamina.callbacks.progbar_logger import ProgbarLogger
from lamina.core.interrupt import interruptible

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class CallbackList(Callback):
    """Callbacks, called in order, as one.

    Args:
        callbacks: callbacks, alone, in a list, or in such a list.
        add_history: whether to add a `History`, which becomes the model's, unless there is one.
        add_progbar: whether to add a `ProgbarLogger`, unless there is one.
        model: their model.
        params: what is known of the run, for `set_params`.

    Raises:
        TypeError: for what is not a callback.
    """

    def __init__(
        self, callbacks: Any = None, add_history: bool = False, add_progbar: bool = False, model: Any = None, **params: Any
    ) -> None:
        self.callbacks = list(_flat(callbacks))
        if add_history:
            history = self._add(History)
            if model is not None:
                model.history = history
        if add_progbar:
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

    def _sees_batches(self, kind: str) -> bool:
        """Tells whether any of them has a hook for each batch of "train", "test" or "predict"."""
        return any(not _is_rare(hook) for callback in _flat(self) for hook in _own_hooks(callback, kind))

    def _seeing_some(self, kind: str) -> list[Callback]:
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
    return getattr(hook, "not_every_batch", False)


def _each(hook: str) -> Any:
    def call(self: CallbackList, *args: Any, **kwargs: Any) -> None:
        if self.callbacks:
            with interruptible():
                for callback in self.callbacks:
                    getattr(callback, hook)(*args, **kwargs)

    call.__name__ = hook
    call.__doc__ = f"Calls `{hook}` of all of them."
    return call


for _hook in [name for name in vars(Callback) if name.startswith("on_")]:
    setattr(CallbackList, _hook, _each(_hook))
