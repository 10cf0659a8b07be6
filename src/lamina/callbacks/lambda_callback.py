"""LambdaCallback: a callback from functions."""

from collections.abc import Callable
from typing import Any

from lamina.callbacks.callback import Callback
from lamina.core.text import suggest

Hook = Callable[..., Any] | None


class LambdaCallback(Callback):
    """A callback whose hooks are the given functions; hooks that are not given do nothing and cost nothing.

    Args:
        on_epoch_begin: `f(epoch, logs)`.
        on_epoch_end: `f(epoch, logs)`.
        on_train_begin: `f(logs)`.
        on_train_end: `f(logs)`.
        on_train_batch_begin: `f(batch, logs)`. As with every hook of batches, the steps are then dispatched one by one.
        on_train_batch_end: `f(batch, logs)`.
        kwargs: any other hook of `Callback`, by its name.

    Raises:
        TypeError: for a name that is not a hook, with the nearest one that is, and for what cannot be called.

    >>> model = lamina.Sequential([lamina.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> shout = lamina.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, sorted(logs)))
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[shout])
    0 ['loss']
    1 ['loss']
    """

    def __init__(
        self,
        on_epoch_begin: Hook = None,
        on_epoch_end: Hook = None,
        on_train_begin: Hook = None,
        on_train_end: Hook = None,
        on_train_batch_begin: Hook = None,
        on_train_batch_end: Hook = None,
        **kwargs: Hook,
    ) -> None:
        given: dict[str, Hook] = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        hooks = [name for name in dir(Callback) if name.startswith("on_")]
        for name, function in given.items():
            if name not in hooks:
                raise TypeError(f"LambdaCallback takes no argument {name!r}: it is not a hook. {suggest(name, hooks)}")
            if function is not None and not callable(function):
                raise TypeError(f"{name} of LambdaCallback must be a function, not {function!r}.")
        vars(self).update({name: function for name, function in given.items() if function is not None})
