"""JaxLayer: a model that is written as pure functions, as a layer."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.dtypes import is_floating
from lamina.core.host_random import next_host_seed
from lamina.core.layer import Layer
from lamina.core.symbolic import is_tensor
from lamina.core.variable import Array, Variable
from lamina.random.generator import SeedGenerator, check_seed


class JaxLayer(Layer):
    """outputs, state ← call_fn(params, state, rng, inputs, training): a pure function as a layer, with its state kept.

    The function takes those of these arguments that it needs, by these names; it returns `(outputs, new state)` if it takes a
    state, and only the outputs otherwise. `rng` is a new `jax.random` key in training, and None else. Arrays in `params` and
    `state` become weights: those in `params` are trained if they are floating.

    Args:
        call_fn: the function.
        init_fn: `init_fn(rng, inputs, training)`, of which `inputs` has to be there, returns `params`, or `(params, state)` where
            `call_fn` takes a state. It is called once, when the layer is built, on ones of the inputs' shapes, with training=True.
        params: the parameters, in any structure, instead of those that init_fn makes.
        state: likewise the state.
        seed: what keys follow from; an integer.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for a function that takes other arguments, or parameters that come from nowhere; when called, for a state of
            another structure than before.

    A config holds the functions themselves, so that it cannot be written to a file. It holds `params` and `state` only where
    there is no init_fn.

    >>> def init(rng, inputs):
    ...     return {"w": jax.random.normal(rng, (inputs.shape[-1], 2)), "b": jnp.zeros(2)}
    >>> def call(params, inputs):
    ...     return inputs @ params["w"] + params["b"]
    >>> layer = lamina.layers.JaxLayer(call, init, name="linear")
    >>> layer(np.ones((4, 3))).shape, [weight.path for weight in layer.weights]
    ((4, 2), ['linear/params/b', 'linear/params/w'])
    """

    def __init__(
        self,
        call_fn: Callable[..., Any],
        init_fn: Callable[..., Any] | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.call_fn, self.init_fn = call_fn, init_fn
        self._taken = _arguments(call_fn, "call_fn", ("params", "state", "rng", "inputs", "training"), self)
        self._made_from = () if init_fn is None else _arguments(init_fn, "init_fn", ("rng", "inputs", "training"), self)
        given = params is not None or state is not None
        if init_fn is None and not given and {"params", "state"} & set(self._taken):
            raise ValueError(
                f"call_fn of {type(self).__name__} takes parameters or a state: give init_fn, which makes them, or them."
            )
        self._seed = next_host_seed() if seed is None else check_seed(seed)
        self.seed_generator = SeedGenerator(self._seed) if "rng" in self._taken else None
        self.params = self._weights_of(params, trainable=True)
        self.state = self._weights_of(state, trainable=False)
        if given or not {"params", "state"} & set(self._taken):
            self.build()

    def build(self, input_shape: Any = None) -> None:
        """Makes the parameters and the state with init_fn, unless they were given."""
        if not {"params", "state"} & set(self._taken) or self.params is not None or self.state is not None:
            return
        assert self.init_fn is not None
        values = {"rng": self._get_init_rng(), "inputs": self._ones(input_shape), "training": True}
        made = self.init_fn(*[values[name] for name in self._made_from])
        params, state = made if "state" in self._taken else (made, None)
        self.params = self._weights_of(params, trainable=True)
        self.state = self._weights_of(state, trainable=False)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Calls the function, and keeps the new state."""
        values = {"params": _values(self.params), "state": _values(self.state), "inputs": inputs, "training": bool(training)}
        if self.seed_generator is not None:
            values["rng"] = self._get_call_rng(bool(training))
        result = self.call_fn(*[values[name] for name in self._taken])
        if "state" not in self._taken:
            return result
        outputs, new = result
        variables, structure = jax.tree.flatten(self.state, is_leaf=is_tensor)
        found: Any = jax.tree.structure(new)
        if found != structure:
            raise ValueError(
                f"call_fn of the layer {self.path!r} was given a state of the structure {structure}, and returned one of the "
                f"structure {found}."
            )
        for variable, value in zip(variables, jax.tree.leaves(new), strict=True):
            if isinstance(variable, Variable):
                variable.assign(value)
        return outputs

    # --- randomness: what a subclass may give in another structure ---------------------------------------------------

    def _get_init_rng(self) -> Any:
        """Returns what init_fn is given as `rng`."""
        return self._get_init_seed()

    def _get_init_seed(self, number: int = 0) -> Array:
        """Returns a key for the initial values, another for each number."""
        return jax.random.fold_in(jax.random.fold_in(jax.random.key(self._seed), 1), number)

    def _get_call_rng(self, training: bool) -> Any:
        """Returns what call_fn is given as `rng`."""
        return self._get_call_seed() if training else None

    def _get_call_seed(self) -> Array:
        """Returns a new key."""
        assert self.seed_generator is not None
        return self.seed_generator.next()

    # --- weights -----------------------------------------------------------------------------------------------------

    def _weights_of(self, values: Any, trainable: bool) -> Any:
        """Returns a structure with a weight in place of each number or array."""

        def weight_of(value: Any) -> Any:
            if not isinstance(value, (jax.Array, np.ndarray, np.generic, bool, int, float)):
                return value
            dtype = jnp.result_type(value)
            learns = trainable and is_floating(dtype)
            kept = None if is_floating(dtype) else dtype  # the dtype policy says what floating numbers are kept in
            return self.add_weight(jnp.shape(value), np.asarray(value), kept, trainable=learns, autocast=trainable)

        return jax.tree.map(weight_of, values)

    def _ones(self, input_shape: Any) -> Any:
        """Returns ones of the shapes of the inputs, and of their dtypes where a call has given them."""
        shapes, structure = jax.tree.flatten(input_shape, is_leaf=_is_shape)
        called = [] if self._lamina.called_with is None else jax.tree.leaves(self._lamina.called_with)
        dtypes = [spec.dtype for spec in called if hasattr(spec, "dtype")] or ["float32"] * len(shapes)
        sizes = [[size if isinstance(size, int) else 1 for size in shape] for shape in shapes]
        return jax.tree.unflatten(structure, [jnp.ones(*one) for one in zip(sizes, dtypes, strict=False)])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if config.get("init_fn") is not None:
            del config["params"], config["state"]
        return config


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and all(size is None or isinstance(size, (int, str)) for size in value)


def _values(structure: Any) -> Any:
    """Returns a structure with the values of its weights."""
    return jax.tree.map(lambda leaf: leaf.value if isinstance(leaf, Variable) else leaf, structure, is_leaf=is_tensor)


def _arguments(function: Callable[..., Any], what: str, allowed: Sequence[str], layer: Layer) -> tuple[str, ...]:
    """Returns the names of a function's arguments; raises ValueError for others than are allowed, or without `inputs`."""
    names = tuple(inspect.signature(function).parameters)
    unknown = [name for name in names if name not in allowed]
    if unknown or "inputs" not in names:
        wrong = f"takes {unknown[0]!r}" if unknown else "does not take 'inputs'"
        raise ValueError(
            f"{what} of {type(layer).__name__} {wrong}. Its arguments are known by name, and may be {', '.join(allowed)}; wrap a "
            "function with others in one with these."
        )
    return names
