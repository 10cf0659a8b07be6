"""Weights are made once: what to say to a layer that makes them anew at each call, or says that it is built and is not."""

import dis
import weakref
from typing import Any

from lamina.core.calls import calls
from lamina.core.errors import StateError, code_line, line_of, show_shape, user_line, warn
from lamina.core.naming import snake_case
from lamina.core.variable import Variable

_ADVICE = "Make it once, in __init__ or build, and use it in call"


def is_calling(layer: Any) -> bool:
    """Tells whether a layer's `call` runs, and not its `build`."""
    return not layer._building and any(running is layer for running, _ in calls.stack)


def refuse_replacement(layer: Any, name: str, before: Any, now: Any) -> None:
    """Raises StateError if `call` puts a new weight, or a new layer, in the place of one that it has made before."""
    new = any(made is now for made in layer._unassigned) if isinstance(now, Variable) else not now._parents
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
    if layer.built and is_calling(layer):
        layer.children()  # finds which weights are held
        if any(weight.shape == sizes for weight in layer._unassigned):
            raise StateError(
                f"The layer {layer.path!r} makes a weight of shape {show_shape(sizes)} in call, as it has at the call before: each "
                f"call would start from new numbers, and nothing would be learned. {_ADVICE}: self.kernel = "
                f"self.add_weight(shape={sizes})."
            )


def warn_of_unheld(layer: Any) -> None:
    """Warns if another layer's `call` makes a layer with weights that nothing holds, once more."""
    outer = next((running for running, _ in reversed(calls.stack) if running is not layer), None)
    if outer is None or outer._building or layer._parents or not layer.weights:
        return
    line = user_line() or ""
    before = calls.made.get(line, lambda: layer)()  # None where it is gone already
    calls.made[line] = weakref.ref(layer)
    if before is layer or (before is not None and any(before in running.modules() for running, _ in calls.stack)):
        return
    kind = type(layer).__name__
    warn(
        f"The call of {outer.path!r} ({type(outer).__name__}) makes a layer {kind}, at {line}, which no attribute holds: it starts "
        f"from new weights at each call, and nothing is learned. {_ADVICE}: self.{snake_case(kind)} = {kind}(...)."
    )


def explain_early(error: BaseException, layer: Any) -> None:
    """Adds to the error for an attribute that a layer lacks that its `build`, which would have made it, never ran."""
    missing = isinstance(error, AttributeError) and getattr(error, "obj", None) is layer
    if missing and layer._has_build and layer.built and layer._built_with is None:
        error.add_note(
            f"The layer {layer.path!r} says that it is built (self.built = True{_where_set(layer)}), so its build never ran, and "
            f"self.{getattr(error, 'name', '')} was never made. Take that line out: Lamina sets built itself once build has run."
        )


def _where_set(layer: Any) -> str:
    """Returns where the constructor of a user's class sets `built`: " at file:line, in __init__"."""
    for base in type(layer).__mro__:
        code = getattr(vars(base).get("__init__"), "__code__", None)
        for instruction in dis.get_instructions(code) if code and not base.__module__.startswith("lamina.") else ():
            if instruction.opname == "STORE_ATTR" and instruction.argval == "built":
                return f" at {code_line(code, line_of(instruction))}"  # type: ignore[arg-type]
    return ""
