"""FlaxLayer: a module of Flax as a layer."""

import inspect
from collections.abc import Callable
from typing import Any

from lamina.core.variable import Array
from lamina.layers.jax_layer import JaxLayer

Functions = tuple[Callable[..., Any], Callable[..., Any]]


class FlaxLayer(JaxLayer):
    """A `flax.linen` module as a layer.

    Parameters, and whatever else the module keeps, such as batch statistics, become weights; of the latter none is trained. In
    training the module is given a key for `dropout`. Its method takes the inputs, in one argument, and may take `training`.

    Args:
        module: the module.
        method: what to call in place of its `__call__`: one of its methods, or a function of the module, the inputs and, maybe,
            `training`.
        variables: what `module.init` would return, instead of that.
        kwargs: what `lamina.layers.JaxLayer` takes besides functions and their values.

    A config holds the module itself, so that it cannot be written to a file.

    >>> def net():
    ...     import flax.linen as nn
    ...     class Net(nn.Module):
    ...         @nn.compact
    ...         def __call__(self, inputs, training=False):
    ...             x = nn.Dense(8)(inputs)
    ...             return nn.Dropout(0.5, deterministic=not training)(x)
    ...     return lamina.layers.FlaxLayer(Net())
    """

    def __init__(self, module: Any, method: Any = None, variables: Any = None, **kwargs: Any) -> None:
        self.module, self.method = module, method
        takes_training = "training" in inspect.signature(method or module.__call__).parameters
        call, init = _with_training(module, method) if takes_training else _without(module, method)
        params, state = (None, None) if variables is None else _divided(variables)
        super().__init__(call, init, params, state, **kwargs)

    def _get_init_rng(self) -> dict[str, Array]:
        return {"params": self._get_init_seed(0), "dropout": self._get_init_seed(1)}

    def _get_call_rng(self, training: bool) -> dict[str, Array]:
        return {"dropout": self._get_call_seed()} if training else {}

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "variables"}


def _divided(variables: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the parameters among a module's variables, and the others."""
    params = {name: values for name, values in variables.items() if name == "params"}
    return params, {name: values for name, values in variables.items() if name != "params"}


def _with_training(module: Any, method: Any) -> Functions:
    """Returns a module's pure functions, as `JaxLayer` takes them, for a method that takes `training`."""

    def call(params: Any, state: Any, rng: Any, inputs: Any, training: bool) -> Any:
        kept = {**params, **state}
        return module.apply(kept, inputs, training=training, rngs=rng, method=method, mutable=list(state))

    def init(rng: Any, inputs: Any, training: bool) -> Any:
        return _divided(module.init(rng, inputs, training=training, method=method))

    return call, init


def _without(module: Any, method: Any) -> Functions:
    """Likewise for a method that does not."""

    def call(params: Any, state: Any, rng: Any, inputs: Any) -> Any:
        return module.apply({**params, **state}, inputs, rngs=rng, method=method, mutable=list(state))

    def init(rng: Any, inputs: Any) -> Any:
        return _divided(module.init(rng, inputs, method=method))

    return call, init
