"""Errors that say what to do: nearest known names, and the line of the user's own code."""

import contextlib
import difflib
import dis
import functools
import os
import re
import sys
import traceback
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import jax

_LAMINA, _SITE = Path(__file__).resolve().parent.parent, Path(jax.__file__).resolve().parent.parent
# Where code lies that is not the user's: Lamina's and JAX's, and what stands between those and the user.
INTERNAL = (
    *(f"{folder}{os.sep}" for folder in (_LAMINA, _SITE / "jax", _SITE / "jaxlib")),
    contextlib.__file__,
    functools.__file__,
)
_PASSED_OVER = (*INTERNAL, *(f"{_SITE / library}{os.sep}" for library in ("numpy", "optax")), "<frozen ")

UNNAMED = re.compile(r"\b_(batch|axis\d+)\b")  # in expressions of symbolic sizes: an unknown size that has no name


class StateError(RuntimeError):
    """State was read or written where its value could not be kept: see the message for what to use instead."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the known name nearest to `name`, or with all of them; names that hold all its words come first.

    >>> suggest("relu6x", ["elu", "relu6"])
    "Did you mean 'relu6'?"
    >>> suggest("sparse_crossentropy", ["binary_crossentropy", "sparse_categorical_crossentropy"])
    "Did you mean 'sparse_categorical_crossentropy'?"
    """
    known = sorted(set(known))
    lowered = {candidate.lower(): candidate for candidate in known}
    parts = set(name.lower().split("_"))
    holding = [candidate for candidate in lowered if len(parts) > 1 and parts <= set(candidate.split("_"))]
    near = difflib.get_close_matches(name.lower(), holding or lowered, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {lowered[near[0]]!r}?"
    return "Known names: " + ", ".join(known) + "."


def user_line(error: BaseException | None = None, made: Any = None) -> str | None:
    """Returns `file:line, in function` of the user's code nearest to this call, or to where `error` was raised.

    Args:
        error: an error that was raised.
        made: an object whose constructors are running, and passed over.
    """
    if error is None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            inside = (
                made is not None and frame.f_code.co_name == "__init__" and any(value is made for value in frame.f_locals.values())
            )
            if not inside and not frame.f_code.co_filename.startswith(_PASSED_OVER):
                return f"{frame.f_code.co_filename}:{frame.f_lineno}, in {frame.f_code.co_name}"
            frame = frame.f_back
        return None
    for row in reversed(traceback.extract_tb(error.__traceback__)):
        if not row.filename.startswith(_PASSED_OVER):
            return f"{row.filename}:{row.lineno}, in {row.name}"
    return None


def code_line(code: CodeType, line: int | None = None) -> str:
    """Returns `file:line, in function` of a piece of code: its first line, or the given one."""
    return f"{code.co_filename}:{line or code.co_firstlineno}, in {code.co_name}"


def line_of(instruction: dis.Instruction) -> int | None:
    """Returns the line of a piece of bytecode."""
    return None if instruction.positions is None else instruction.positions.lineno


def forgotten_init(cls: type) -> RuntimeError:
    """Returns the error for an object of a class whose constructor did not call that of its base class."""
    codes = {base: getattr(vars(base).get("__init__"), "__code__", None) for base in cls.__mro__}
    own = [base for base, code in codes.items() if code is not None and not base.__module__.startswith("lamina.")]
    silent = [base for base in own if "__init__" not in getattr(codes[base], "co_names", ())]
    guilty = next(iter([*silent, *own]), cls)
    code = codes[guilty]
    where = "" if code is None else f" ({code_line(code)})"
    return RuntimeError(
        f"{guilty.__name__}.__init__{where} did not call super().__init__(). Write super().__init__() as its first line."
    )


def warn(message: str) -> None:
    """Warns a user, pointing at the line of the user's own code that led here."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INTERNAL):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, UserWarning, stacklevel=depth)


def describe(value: Any) -> str:
    """Returns arrays as `float32(3, 5)` and structures of them as they nest: what a person needs to see of an argument.

    >>> describe((np.ones((3, 5), "float32"), True))
    '(float32(3, 5), True)'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        return opening + ", ".join(describe(item) for item in value) + closing
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{getattr(dtype, 'name', dtype)}{show_shape(shape)}"
    name = getattr(value, "__name__", None)
    text = name if callable(value) and isinstance(name, str) else _shown(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _shown(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # what describes an error must not raise another
        return f"<{type(value).__name__}>"


def describe_call(args: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    """Returns the arguments of a call as `describe` shows them.

    >>> describe_call((np.ones(3),), {"training": True})
    'float64(3,), training=True'
    """
    return ", ".join([*(describe(arg) for arg in args), *(f"{name}={describe(value)}" for name, value in kwargs.items())])


def show_shapes(shapes: Any) -> str:
    """Returns a shape, or a structure of shapes, as people write it."""
    return (
        show_shape(shapes)
        if isinstance(shapes, tuple) and not any(isinstance(s, (list, tuple, dict)) for s in shapes)
        else str(shapes)
    )


def show_shape(shape: Iterable[Any]) -> str:
    """Returns a shape as people write it: `(None, 3)`, with named axes bare.

    >>> show_shape((None, "time", 3))
    '(None, time, 3)'
    """
    sizes = ["None" if UNNAMED.search(text) else text for text in map(str, shape)]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
