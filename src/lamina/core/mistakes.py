"""Weights are made once: what to say to a layer that makes them anew at each call, or says that it is built and is not."""

import collections
import weakref
from typing import Any

from lamina.core.context import context
from lamina.core.errors import StateError, user_line, warn
from lamina.core.names import snake_case
from lamina.core.text import show_shape
from lamina.core.tree import modules_of
from lamina.core.variable import Variable

_ADVICE = "Make it once, in __init__ or build, and use it in call"


def is_calling(layer: Any) -> bool:
    """Tells whether a layer's `call` runs, and not its `build`."""
    return not layer._lamina.building and any(running is layer for running, _ in context.calls)


def refuse_replacement(layer: Any, name: str, before: Any, now: Any) -> None:
    """Raises StateError if `call` puts a new weight, or a new layer, in the place of one that it has made before."""
    new = any(made is now for made in layer._lamina.unassigned) if isinstance(now, Variable) else not now._lamina.holders
    if not (new and is_calling(layer)):
        return
    weights = [before] if isinstance(before, Variable) else before.variables
    if weights:
        raise StateError(
            f"The layer {layer.path!r} makes self.{name} anew in call, in place of {before!r}: what that has learned would be "
            f"lost, at each call. {_ADVICE}. To give a weight another value: self.{name}.assign(value)."
        )


def refuse_another(layer: Any, sizes: tuple[int, ...]) -> None:
    """Raises StateError if `call` makes a weight that no attribute holds, as the call before did."""
    if layer.built and is_calling(layer) and any(weight.shape == sizes for weight in layer._lamina.unassigned):
        raise StateError(
            f"The layer {layer.path!r} makes a weight of shape {show_shape(sizes)} in call, as it has at the call before: each "
            f"call would start from new numbers, and nothing would be learned. {_ADVICE}: self.kernel = "
            f"self.add_weight(shape={sizes})."
        )


def warn_of_unheld(layer: Any) -> None:
    """Warns if another layer's `call` makes a layer with weights that nothing holds, once more."""
    outer = next((running for running, _ in reversed(context.calls) if running is not layer), None)
    if outer is None or outer._lamina.building or layer._lamina.holders or not layer.weights:
        return
    for name, value in vars(outer).items():
        if isinstance(value, collections.deque) and any(item is layer for item in value):
            warn(
                f"The layer {layer.name!r} is held by self.{name} of {outer.path!r} ({type(outer).__name__}) alone, a deque, in "
                f"which Lamina does not look: its weights are not trained and not saved. Use a list: self.{name} = [...]."
            )
            return
    line = user_line() or ""
    before = context.unheld.get(line, lambda: layer)()  # None where it is gone already
    context.unheld[line] = weakref.ref(layer)
    if before is layer or (before is not None and any(before in modules_of(running) for running, _ in context.calls)):
        return
    kind = type(layer).__name__
    warn(
        f"The call of {outer.path!r} ({type(outer).__name__}) makes a layer {kind}, at {line}, which no attribute holds: it starts "
        f"from new weights at each call, and nothing is learned. {_ADVICE}: self.{snake_case(kind)} = {kind}(...)."
    )


def explain_early(error: BaseException, layer: Any) -> None:
    """Adds to the error for an attribute that a layer lacks that its `build`, which would have made it, never ran."""
    missing = isinstance(error, AttributeError) and getattr(error, "obj", None) is layer
    if missing and type(layer)._has_build and layer.built and layer._lamina.built_with is None:
        where = "" if layer._lamina.built_at is None else f" at {layer._lamina.built_at}"
        error.add_note(
            f"The layer {layer.path!r} says that it is built (self.built = True{where}), so its build never ran, and "
            f"self.{getattr(error, 'name', '')} was never made. Take that line out: Lamina sets built itself once build has run."
        )
