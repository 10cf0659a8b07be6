"""Dtype policies: in which dtype a layer keeps its weights, and in which it computes."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lamina.core.config import Configurable, resolve, serialize
from lamina.core.registry import tables
from lamina.core.text import suggest

_MIXED = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
_PLAIN = ("float16", "bfloat16", "float32", "float64")


class DTypePolicy(Configurable, family="dtype_policies"):
    """In which dtype weights are kept (`variable_dtype`) and in which a layer computes (`compute_dtype`).

    Args:
        name: a floating dtype, for both; or `mixed_float16` or `mixed_bfloat16`: weights in float32, computation in
            the lower precision (Micikevicius et al., Mixed Precision Training, 2018).

    Raises:
        ValueError: for an unknown name, or for float64 where JAX has it switched off.

    >>> policy = lamina.DTypePolicy("mixed_bfloat16")
    >>> policy.compute_dtype, policy.variable_dtype
    ('bfloat16', 'float32')
    """

    def __init__(self, name: str) -> None:
        if name not in _MIXED and name not in _PLAIN:
            raise ValueError(f"Unknown dtype policy {name!r}. {suggest(str(name), [*_MIXED, *_PLAIN])}")
        if name == "float64" and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
            raise ValueError("The policy 'float64' needs jax.config.update('jax_enable_x64', True) at the start of the program.")
        self.name = name
        self.compute_dtype = _MIXED.get(name, name)
        self.variable_dtype = "float32" if name in _MIXED else name

    def _facts(self) -> Iterable[str]:
        return [self.name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


tables["dtype_policies"].add_aliases({"FloatDTypePolicy": DTypePolicy, "Policy": DTypePolicy})  # as Keras has called it

_default: list[DTypePolicy] = [DTypePolicy("float32")]


def dtype_policy() -> DTypePolicy:
    """Returns the policy of layers that are given none: float32, unless `set_dtype_policy` said otherwise."""
    return _default[0]


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Sets the policy of layers that are made from now on and are given none."""
    _default[0] = get(policy)


def get(policy: Any) -> DTypePolicy:
    """Returns the policy that a user's `dtype` argument means: None, a policy, a name, a dtype or a config."""
    if policy is None:
        return dtype_policy()
    if isinstance(policy, DTypePolicy):
        return policy
    if isinstance(policy, dict):
        if "class_name" in policy:
            return get(resolve(policy, DTypePolicy, "dtype policy", must_be_callable=False))
        return DTypePolicy.from_config(policy.get("config", policy))
    if isinstance(policy, str):
        return DTypePolicy(policy)
    try:
        return DTypePolicy(np.dtype(policy).name)
    except TypeError:
        raise ValueError(f"A dtype policy is a name, a dtype or a DTypePolicy, not {policy!r}.") from None


def written(policy: DTypePolicy) -> Any:
    """Returns a policy as a config has it: what `get` makes it of again."""
    return policy.name if type(policy) is DTypePolicy else serialize(policy)


def is_floating(dtype: Any) -> bool:
    """Tells whether a dtype is of floating-point numbers, bfloat16 among them."""
    return bool(jnp.issubdtype(dtype, jnp.floating))
