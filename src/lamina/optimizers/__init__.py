"""Optimizers: what moves weights against their gradients. Any optax optimizer is one too."""

from typing import Any

from lamina.core.config import resolve
from lamina.optimizers.adam import Adam
from lamina.optimizers.optimizer import OptaxOptimizer, Optimizer
from lamina.optimizers.sgd import SGD

_NAMES = {"sgd": SGD, "adam": Adam}


def get(identifier: Any) -> Optimizer:
    """Returns the optimizer that a user's argument means: an Optimizer, a class, a name, a config, or an optax optimizer.

    Raises:
        ValueError: for an unknown name, with the nearest known one.
        TypeError: for anything else.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if hasattr(identifier, "init") and hasattr(identifier, "update"):
        return OptaxOptimizer(identifier)
    if isinstance(identifier, (str, dict, type)):
        found = resolve(identifier, Optimizer, _NAMES, "optimizer", must_be_callable=False)
        if isinstance(found, Optimizer):
            return found
    raise TypeError(f"An optimizer must be a name, a lamina.optimizers.Optimizer or an optax optimizer, not {identifier!r}.")


__all__ = ["SGD", "Adam", "Optimizer", "get"]
