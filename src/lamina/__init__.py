"""Lamina: the layer system of Keras, founded anew on JAX.

The public names are Keras's; `import lamina as keras` serves code written for Keras.
"""

import sys
import typing

from lamina import (
    activations,
    callbacks,
    config,
    constraints,
    datasets,
    initializers,
    inspect,
    layers,
    losses,
    metrics,
    models,
    ops,
    optimizers,
    random,
    regularizers,
    utils,
)
from lamina.core.control import cond, custom_gradient, fori_loop, map, remat, scan, switch, vmap, while_loop
from lamina.core.dtypes import DTypePolicy, dtype_policy, set_dtype_policy
from lamina.core.errors import StateError
from lamina.core.gradient import grad, value_and_grad
from lamina.core.input_spec import InputSpec
from lamina.core.jit import jit
from lamina.core.layer import Layer
from lamina.core.lift import lift
from lamina.core.names import clear_session
from lamina.core.printing import print
from lamina.core.public import show_public
from lamina.core.state import set_state, state_of
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from lamina.inspect.story import watch
from lamina.models import Functional, Input, Model, Sequential

__all__ = [
    "DTypePolicy",
    "Functional",
    "Input",
    "InputSpec",
    "Layer",
    "Model",
    "Sequential",
    "StateError",
    "SymbolicTensor",
    "Variable",
    "activations",
    "callbacks",
    "clear_session",
    "cond",
    "config",
    "constraints",
    "custom_gradient",
    "datasets",
    "dtype_policy",
    "fori_loop",
    "grad",
    "initializers",
    "inspect",
    "jit",
    "layers",
    "lift",
    "losses",
    "map",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "print",
    "random",
    "regularizers",
    "remat",
    "scan",
    "set_dtype_policy",
    "set_state",
    "state_of",
    "switch",
    "utils",
    "value_and_grad",
    "vmap",
    "watch",
    "while_loop",
]

show_public(sys.modules[__name__])

__version__: str

if not typing.TYPE_CHECKING:

    def __getattr__(name: str) -> str:
        """Looks `__version__` up when it is asked for."""
        if name != "__version__":
            raise AttributeError(f"module 'lamina' has no attribute {name!r}")
        import importlib.metadata

        try:
            return importlib.metadata.version("lamina")
        except importlib.metadata.PackageNotFoundError:
            return "not installed"
