"""The state of a thing: all that makes it go on as it would have, as a flat dict of arrays and plain values by path.

How such a dict is written to a file is another question: formats know nothing of models.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from lamina.core.errors import filtered
from lamina.core.frame import state_lock, transact
from lamina.core.module import Module
from lamina.core.placement import to_device, to_host
from lamina.core.text import show_shape, suggest
from lamina.core.tree import below
from lamina.core.variable import Variable

State = dict[str, Any]


@filtered
def state_of(thing: Any) -> State:
    """Returns the state of a layer, a model, an optimizer, a metric, a seed generator or a callback: all of one moment.

    Its keys are paths: `variables/dense/kernel` of variables, `host/lookup/vocabulary` of what lives on the host. They are the same
    in each session: layers that were given no names are numbered from the first one of the model on. A compiled model has its
    optimizer's too (`optimizer/dense/kernel/momentum`), and while `fit` trains it, also in a callback's hook, that of the run
    (`run/epoch`, `run/step`, ...): metrics, callbacks, history, randomness, and the place in the data. Values are NumPy arrays, or
    plain: None, booleans, numbers, text, and lists and dicts of these.

    Args:
        thing: whose state.

    Returns:
        A dict that `set_state` takes, in this process or another.

    Raises:
        TypeError: for what has no state.

    >>> layer = lamina.layers.Dense(1, kernel_initializer="ones")
    >>> layer.build((None, 2))
    >>> {key: value.tolist() for key, value in lamina.state_of(layer).items()}
    {'variables/kernel': [[1.0], [1.0]], 'variables/bias': [0.0]}
    """
    with state_lock:
        parts = {key: _read(part) for key, part in _state(thing)}
    return {key: to_host(value) if isinstance(value, (jax.Array, np.ndarray)) else value for key, value in parts.items()}


@filtered
def set_state(thing: Any, state: Mapping[str, Any]) -> None:
    """Gives a thing the state of another one like it: what `state_of` returned.

    A model that is given the state of a run goes on with it: its next `fit`, with the same data, callbacks and arguments, begins at
    the step after the last that the run had done.

    Args:
        thing: whose state. Layers have to be built, but a model that goes on with a run may be built by its `fit`.
        state: the state.

    Raises:
        TypeError: for what has no state.
        ValueError: if it is the state of something else: paths or shapes differ. Nothing is changed then.

    >>> one, other = lamina.layers.Dense(1), lamina.layers.Dense(1)
    >>> one.build((None, 2)), other.build((None, 2))
    (None, None)
    >>> lamina.set_state(other, lamina.state_of(one))
    >>> bool((one.kernel == other.kernel).all())
    True
    """
    kind: Any = type(thing)
    if hasattr(kind, "_set_state"):
        kind._set_state(thing, dict(state))
    else:
        set_parts(thing, dict(_state(thing)), state)


def _state(thing: Any) -> Iterable[tuple[str, Any]]:
    """Returns the parts of the state of a thing; raises TypeError for what has none."""
    kind: Any = type(thing)
    if hasattr(kind, "_state"):
        found: Iterable[tuple[str, Any]] = kind._state(thing)
        return found
    if not isinstance(thing, Module):
        raise TypeError(f"{thing!r} has no state: layers, models, optimizers, metrics, seed generators and callbacks have.")
    return parts_of(thing)


# --- parts -----------------------------------------------------------------------------------------------------------


class OnHost(NamedTuple):
    """A part of the state of a module that lives on the host.

    Attributes:
        owner: the module.
        name: what the module calls it.
        value: what it is now, plain or a NumPy array.
    """

    owner: Module
    name: str
    value: Any


Part = Variable | OnHost


def _read(part: Any) -> Any:
    return part._read() if isinstance(part, Variable) else part.value if isinstance(part, OnHost) else part


def parts_of(module: Module) -> Iterator[tuple[str, Part]]:
    """Yields the parts of the state of a module and of all below it, by path."""
    for path, held in (("", module), *below(module)):
        if isinstance(held, Variable):
            yield f"variables/{path}", held
        else:
            for name, value in type(held)._host_state(held).items():
                yield f"host/{path}/{name}" if path else f"host/{name}", OnHost(held, name, value)


def check_parts(thing: Any, parts: Mapping[str, Part], state: Mapping[str, Any]) -> None:
    """Raises ValueError if the keys or shapes of a state are not those of the parts of a thing."""
    missing, besides = [key for key in parts if key not in state], [key for key in state if key not in parts]
    if missing or besides:
        hint = "" if getattr(thing, "built", True) else " It is not built yet: call it on data, or build(shape)."
        lacks = f"lacks {missing[0]!r}. {suggest(missing[0], state)}" if missing else f"has {besides[0]!r} besides."
        raise ValueError(f"This is not the state of {thing!r}: it {lacks} Nothing was changed.{hint}")
    for key, part in parts.items():
        if isinstance(part, Variable) and np.shape(state[key]) != part.shape:
            raise ValueError(
                f"This is not the state of {thing!r}: {key!r} has shape {show_shape(np.shape(state[key]))} in it, and here "
                f"{show_shape(part.shape)}. Nothing was changed."
            )


def set_parts(thing: Any, parts: Mapping[str, Part], state: Mapping[str, Any]) -> None:
    """Gives parts the values of a state, all at once.

    Args:
        thing: whose they are, for messages.
        parts: the parts by their keys.
        state: the values by these.

    Raises:
        ValueError: if keys or shapes differ; nothing is changed then.
    """
    check_parts(thing, parts, state)
    owners: dict[Module, dict[str, Any]] = {}
    for key, part in parts.items():
        if isinstance(part, OnHost):
            owners.setdefault(part.owner, {})[part.name] = state[key]
    before = {owner: type(owner)._host_state(owner) for owner in owners}
    try:
        for owner, values in owners.items():
            type(owner)._set_host_state(owner, values)
        transact(lambda: [part.assign(state[key]) for key, part in parts.items() if isinstance(part, Variable)])
    except BaseException:
        for owner, values in before.items():
            type(owner)._set_host_state(owner, values)
        raise


# --- plain attributes ------------------------------------------------------------------------------------------------


class _Opaque(Exception):
    """A value is neither plain nor an array."""


def attributes_state(thing: Any, besides: Iterable[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yields those attributes of an object that are plain, or hold arrays; what else it has, such as open files, is left out.

    Args:
        thing: the object.
        besides: names of attributes to leave out.
    """
    for name, value in list(vars(thing).items()):
        arrays: dict[str, Any] = {}
        if name not in besides:
            try:
                structure = _plain(value, name, arrays)
            except _Opaque:
                continue
            yield from arrays.items() if isinstance(structure, _Alone) else ((name, structure), *arrays.items())


def set_attributes_state(thing: Any, state: Mapping[str, Any]) -> None:
    """Gives an object the attributes that `attributes_state` yielded."""
    for name, structure in state.items():
        if "/" not in name:
            setattr(thing, name, _from_plain(structure, state))


class _Alone(str):
    """The key of an array that is all there is."""


def _plain(value: Any, key: str, arrays: dict[str, Any]) -> Any:
    """Returns a value as JSON can hold it, with the keys of arrays, which it notes, in place of these.

    What comes back is of the very types that were given, and what could not be raises `_Opaque`. `encode` of core/plain.py writes
    configs, which people read: there arrays are lists of numbers, named tuples are tuples, and what is not known stays as it is.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, jax.Array) and not jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended):
        arrays[f"{key}/device"] = to_host(value)
        return {"__device__": f"{key}/device"}
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        arrays[key] = np.asarray(value)
        return _Alone(key)
    if type(value) in (list, tuple, set):
        items = [_keyed(_plain(item, f"{key}/{i}", arrays)) for i, item in enumerate(value)]
        return items if type(value) is list else {f"__{type(value).__name__}__": items}
    if type(value) is dict:
        names = [_plain(name, key, {}) for name in value]
        items = [_keyed(_plain(item, f"{key}/{i}", arrays)) for i, item in enumerate(value.values())]
        return {"__dict__": [[name, item] for name, item in zip(names, items, strict=True)]}
    raise _Opaque


def _keyed(structure: Any) -> Any:
    return {"__array__": str(structure)} if isinstance(structure, _Alone) else structure


def _from_plain(structure: Any, state: Mapping[str, Any]) -> Any:
    if isinstance(structure, np.ndarray):
        return structure.copy()
    if type(structure) is list:
        return [_from_plain(item, state) for item in structure]
    if type(structure) is dict:
        ((form, content),) = structure.items()
        if form == "__array__":
            return state[content].copy()
        if form == "__device__":
            return to_device(state[content])
        if form == "__dict__":
            return {_from_plain(name, state): _from_plain(item, state) for name, item in content}
        return {"__tuple__": tuple, "__set__": set}[form](_from_plain(item, state) for item in content)
    return structure
