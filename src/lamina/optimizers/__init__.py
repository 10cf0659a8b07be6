"""Optimizers: what moves weights against their gradients. Any optax optimizer is one too."""

from collections.abc import Mapping
from typing import Any

import lamina.optimizers.schedules as schedules
from lamina.core.config import resolve
from lamina.core.config import serialize as serialize
from lamina.core.registry import also_known, tables
from lamina.optimizers.adadelta import Adadelta
from lamina.optimizers.adafactor import Adafactor
from lamina.optimizers.adagrad import Adagrad
from lamina.optimizers.adam import Adam, AdamW
from lamina.optimizers.adamax import Adamax
from lamina.optimizers.base import BaseOptimizer
from lamina.optimizers.ftrl import Ftrl
from lamina.optimizers.lamb import Lamb
from lamina.optimizers.lion import Lion
from lamina.optimizers.loss_scale import LossScaleOptimizer, scaling
from lamina.optimizers.multi_optimizer import MultiOptimizer, OptimizerMap
from lamina.optimizers.muon import Muon
from lamina.optimizers.nadam import Nadam
from lamina.optimizers.optax_optimizer import OptaxOptimizer
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.rmsprop import RMSprop
from lamina.optimizers.schedule_free import ScheduleFreeAdamW
from lamina.optimizers.sgd import SGD
from lamina.optimizers.transformations import descend

_CLASSES = (Adadelta, Adafactor, Adagrad, Adam, AdamW, Adamax, Ftrl, Lamb, Lion, Muon, Nadam, RMSprop, ScheduleFreeAdamW, SGD)
tables["optimizers"].add_aliases({cls.__name__.lower(): cls for cls in _CLASSES})


def get(identifier: Any) -> BaseOptimizer:
    """Returns the optimizer that a user's argument means: an Optimizer, a class, a name, a config, or an optax optimizer.

    Raises:
        ValueError: for a name that nothing has, with the nearest known one, or that several have.
        TypeError: for anything else.
    """
    if isinstance(identifier, BaseOptimizer):
        return identifier
    if hasattr(identifier, "init") and hasattr(identifier, "update"):
        return OptaxOptimizer(identifier)
    if isinstance(identifier, (str, dict, type)):
        found = resolve(identifier, BaseOptimizer, "optimizer", must_be_callable=False)
        if isinstance(found, BaseOptimizer):
            return found
    raise TypeError(f"An optimizer must be a name, a lamina.optimizers.Optimizer or an optax optimizer, not {identifier!r}.")


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> BaseOptimizer:
    """Returns what `serialize` was given, made anew; whatever `get` takes serves too.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of one's own, by the names that the config has for them.
    """
    with also_known(custom_objects):
        return get(config)


__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "BaseOptimizer",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "MultiOptimizer",
    "Muon",
    "Nadam",
    "OptaxOptimizer",
    "Optimizer",
    "OptimizerMap",
    "RMSprop",
    "ScheduleFreeAdamW",
    "descend",
    "deserialize",
    "get",
    "scaling",
    "schedules",
    "serialize",
]
