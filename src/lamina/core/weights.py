"""The weights of a tree of layers: making them, which there are and which are trained, and their values as NumPy arrays."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

import lamina.constraints as constraints
import lamina.core.events as events
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.context import context
from lamina.core.dtypes import is_floating
from lamina.core.frame import state_lock
from lamina.core.mistakes import is_calling, refuse_another
from lamina.core.paths import path_of
from lamina.core.placement import to_host
from lamina.core.record import LayerRecord
from lamina.core.shapes import known_sizes
from lamina.core.text import describe, show_shape
from lamina.core.tree import Held, attach, owned, variables_in, walk
from lamina.core.variable import Variable, check_shape

if TYPE_CHECKING:
    from lamina.core.layer import Layer


def is_layer(held: Any) -> bool:
    """Tells whether what a tree holds is a layer. Other modules own state, but no weights."""
    return isinstance(held._lamina, LayerRecord)


# --- making them -----------------------------------------------------------------------------------------------------


def make_weight(
    layer: "Layer",
    shape: Any,
    initializer: Any,
    dtype: Any,
    trainable: bool,
    autocast: bool,
    regularizer: Any,
    constraint: Any,
    name: str | None,
) -> Variable:
    """Makes a weight of a layer: see `Layer.add_weight`."""
    sizes = check_shape(known_sizes(() if shape is None else shape), lambda: _label(layer, name))
    if context.calls:
        refuse_another(layer, sizes)
    if name is not None:
        taken = next((v for v in variables_in(layer) if v._lamina.name == name), None)
        if taken is not None:
            again = " Is it made at each call? Make it once, in build." if is_calling(layer) else ""
            raise ValueError(
                f"The layer {layer.path!r} already has a weight with the name {name!r}: {taken!r}. The new one, of shape "
                f"{show_shape(sizes)}, needs another name, or none: then it takes the attribute that it is assigned to.{again}"
            )
    dtype = jnp.dtype(dtype or layer.variable_dtype)
    initializer = initializers.get(initializer) or initializers.get("glorot_uniform" if is_floating(dtype) else "zeros")
    variable = Variable(
        initializer,
        shape=sizes,
        dtype=dtype,
        trainable=trainable,
        name=name,
        constraint=constraints.get(constraint),
        regularizer=regularizers.get(regularizer),
        autocast=autocast,
    )
    layer._lamina.unassigned.append(variable)
    attach(layer, UNASSIGNED, variable)
    if events.listeners:
        given = f"{dtype.name}{show_shape(sizes)} from {type(initializer).__name__}"
        events.note("weight", "weight", subject=variable, given=given)
    return variable


def _label(layer: "Layer", name: str | None) -> str:
    return f"A weight of the layer {layer.path!r}" if name is None else f"The weight {name!r} of the layer {layer.path!r}"


UNASSIGNED = "weight"  # the step to a weight that no attribute has been given


def unassigned(layer: "Layer") -> Iterator[tuple[str, Variable]]:
    """Yields the weights of a layer that `add_weight` has made and that no attribute holds."""
    made = layer._lamina.unassigned
    if made:
        held = {id(child) for name, value in vars(layer).items() for _, child in walk(name, value)}
        yield from ((UNASSIGNED, variable) for variable in made if id(variable) not in held)


# --- which there are -------------------------------------------------------------------------------------------------


def layers_in(layer: "Layer") -> "list[Layer]":
    """Returns the layers that a layer holds directly."""
    found: dict[int, Any] = {id(child): child for _, child in owned(layer) if is_layer(child)}
    return list(found.values())


def layers_of(root: "Layer") -> "list[Layer]":
    """Returns a layer and all below it, each once, parents before their children."""
    return [layer for layer, _, _ in _walk_down(root)]


def _walk_down(root: "Layer") -> "Iterator[tuple[Layer, bool, Iterable[Held]]]":
    """Yields a layer and all below it, each once: whether it and all above it are trainable, and what it holds itself."""
    seen: set[int] = set()
    stack: list[tuple[Any, bool]] = [(root, True)]
    while stack:
        layer, above = stack.pop()
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        trainable = above and layer._lamina.trainable
        held = {id(child): child for _, child in owned(layer)}.values()
        yield layer, trainable, held
        stack.extend([(child, trainable) for child in reversed(held) if is_layer(child)])


def weights_with_trainability(root: "Layer") -> dict[Variable, bool]:
    """Returns the weights of a layer and of all below it, and whether each is trained; of each layer the trainable ones first."""
    weights: dict[Variable, bool] = {}
    for _, trainable, held in _walk_down(root):
        own = [child for child in held if isinstance(child, Variable)]
        for variable in sorted(own, key=lambda v: not v.trainable):
            weights.setdefault(variable, trainable and variable.trainable)
    return weights


# --- their values ----------------------------------------------------------------------------------------------------


def values_of(variables: Sequence[Variable]) -> list[Any]:
    """Returns the arrays of variables, all of one moment."""
    if context.frames:
        return [variable.value for variable in variables]
    with state_lock:
        return [variable.value for variable in variables]


def get_weights(layer: "Layer") -> list[np.ndarray]:
    """Returns copies of the weights' values: see `Layer.get_weights`."""
    return [to_host(array) for array in values_of(layer.weights)]


def set_weights(layer: "Layer", weights: Sequence[Any]) -> None:
    """Sets all weights, all at once for whoever looks on: see `Layer.set_weights`."""
    own = layer.weights
    values = [np.asarray(value) for value in weights]
    if len(values) != len(own):
        built = "" if own or layer.built else " It is not built yet: call it on data, or build(shape)."
        raise ValueError(f"{layer.path!r} has {len(own)} weights, but {len(values)} values were given.{built}")
    for weight, value in zip(own, values, strict=True):
        known = np.can_cast(value.dtype, np.complex128) or value.dtype == weight.dtype
        if not known or (value.dtype.kind == "c" and np.dtype(weight.dtype).kind != "c"):
            raise ValueError(f"The weight {path_of(weight)!r} takes numbers, not {describe(value)}. No weight was set.")
        if weight.shape != value.shape:
            raise ValueError(
                f"The weight {path_of(weight)!r} has shape {show_shape(weight.shape)}, but the value given for it has shape "
                f"{show_shape(value.shape)}. No weight was set."
            )
    with state_lock:
        for weight, value in zip(own, values, strict=True):
            weight.assign(value)
