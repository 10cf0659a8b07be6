"""Matching with outputs: which of the losses, metrics, targets and weights that were given belongs to which output of a model."""

from collections.abc import Callable
from typing import Any

import jax

from lamina.core.text import describe, suggest


def map_given(function: Callable[[Any], Any], given: Any) -> Any:
    """Applies a function to what lists and dicts hold; a dict that is a config is one thing."""
    if isinstance(given, dict) and "class_name" not in given:
        return {key: map_given(function, item) for key, item in given.items()}
    if isinstance(given, (list, tuple)):
        return [map_given(function, item) for item in given]
    return function(given)


def leaves_of(given: Any) -> list[Any]:
    """Returns what lists and dicts hold, however nested, in a row."""
    if isinstance(given, dict):
        return [leaf for item in given.values() for leaf in leaves_of(item)]
    return [leaf for item in given for leaf in leaves_of(item)] if isinstance(given, list) else [given]


def names_of(outputs: Any) -> list[str]:
    """Returns the names of outputs: the keys of dicts, and `output_1`, `output_2`, ... in lists.

    >>> names_of({"a": 1.0, "b": [2.0, 3.0]})
    ['a', 'b_output_1', 'b_output_2']
    """
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(outputs)[0]]
    return ["_".join(_step(key) for key in path) or "output" for path in paths]


def _step(key: Any) -> str:
    return f"output_{key.idx + 1}" if hasattr(key, "idx") else str(getattr(key, "key", key))


def by_output(given: Any, names: list[str], what: str, many: bool = False) -> list[Any]:
    """Returns what is asked of each output.

    Args:
        given: one thing for all, a list with one for each, or a dict by name.
        names: the outputs' names.
        what: the argument of `compile`, for messages.
        many: whether there may be a list for one output.
    """
    if isinstance(given, dict):
        for key in given:
            if key not in names:
                raise ValueError(f"{what} names an output {key!r}, which the model does not have. {suggest(str(key), names)}")
        chosen = [given.get(name) for name in names]
    elif isinstance(given, list) and not (many and (len(names) == 1 or len(given) != len(names))):
        if len(given) != len(names):
            raise ValueError(
                f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)}). Give one for each, or None where "
                "an output has none."
            )
        chosen = given
    elif isinstance(given, list) and len(names) > 1 and any(isinstance(item, list) for item in given):
        raise ValueError(f"{what} has {len(given)} entries for {len(names)} outputs ({', '.join(names)}). Give a list for each.")
    else:
        chosen = [given] * len(names)
    return chosen


def values_by_output(given: Any, names: list[str], what: str, shared: bool = False) -> list[Any]:
    """Returns the targets or the sample weights of each output.

    Args:
        given: a structure with one for each output, or a dict by name; None for none.
        names: the outputs' names.
        what: what messages call it.
        shared: whether one array counts for all outputs.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, dict) and not set(given).isdisjoint(names):
        for key in given:
            if key not in names:
                raise ValueError(f"The {what} have a key {key!r}, which is not an output of the model. {suggest(str(key), names)}")
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple, dict)):
        values = jax.tree.leaves(given, is_leaf=lambda leaf: leaf is None)
        if len(values) == len(names):
            return values
    elif shared or len(names) == 1:
        return [given] * len(names)
    if len(names) == 1:
        return [given]
    raise ValueError(f"The model has {len(names)} outputs ({', '.join(names)}), which the {what} {describe(given)} do not match.")
