"""Errors that say what to do: where they happened, what it was given, and only the user's own lines.

Every public function that runs much of Lamina or JAX below it ends with

    except Exception as error:
        filter_traceback(error)
        raise

which costs nothing where there is no error. One note says in what an error happened: in the innermost layer or metric, or where
there is none in the outermost of the other functions that know (`add_context`).
"""

import contextlib
import functools
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any, ParamSpec, TypeVar

import jax

from lamina.core.jax_internals import FRAMES_REMOVED, advice_on
from lamina.core.text import describe_call, show_shapes

P = ParamSpec("P")
R = TypeVar("R")

_LAMINA, _SITE = Path(__file__).resolve().parent.parent, Path(jax.__file__).resolve().parent.parent
# Where code lies that is not the user's: Lamina's and JAX's, and what stands between those and the user.
INTERNAL = (
    *(f"{folder}{os.sep}" for folder in (_LAMINA, _SITE / "jax", _SITE / "jaxlib")),
    contextlib.__file__,
    functools.__file__,
)
_PASSED_OVER = (*INTERNAL, *(f"{_SITE / library}{os.sep}" for library in ("numpy", "optax")), "<frozen ")

HIDDEN = "Frames of Lamina and JAX are hidden: LAMINA_TRACEBACK=full shows them."


class StateError(RuntimeError):
    """State was read or written where its value could not be kept: see the message for what to use instead."""


# --- the user's line -------------------------------------------------------------------------------------------------


def user_line(error: BaseException | None = None, made: Any = None) -> str | None:
    """Returns `file:line, in function` of the user's code nearest to this call, or to where `error` was raised.

    Args:
        error: an error that was raised.
        made: an object whose constructors are running, or a class that is being defined; what makes it is passed over.
    """
    if error is None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            inside = (
                made is not None
                and frame.f_code.co_name in ("__init__", "__init_subclass__")
                and any(value is made for value in frame.f_locals.values())
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


# --- context ---------------------------------------------------------------------------------------------------------


def add_context(
    error: BaseException,
    subject: str,
    given: str,
    built: tuple[tuple[Any, ...], str | None] | None = None,
    kind: str = "function",
) -> None:
    """Adds a note to an error: what it happened in, what that was given, and the user's lines.

    An error has one such note: of the innermost part, or else of the outermost function, or else of the task.

    Args:
        error: the error.
        subject: what was running: "the layer 'dense' (Dense)".
        given: what it was called on.
        built: the shapes that it was built for, and where.
        kind: "part" for a layer or a metric, "function" for one that runs others, "task" for `fit` and its like.
    """
    before, kind_before = getattr(error, "_lamina_context", (None, "task"))
    if kind_before == "part" or (kind_before == "function" and kind == "task"):
        return
    note = f"In {subject}, called on {given or 'nothing'}\n  called at {user_line()}"
    if raised := user_line(error):
        note += f"\n  raised at {raised}"
    if built is not None:
        shapes, where = built
        note += f"\n  built for {', '.join(show_shapes(shape) for shape in shapes)} at {where}"
    error.__notes__ = [note, *(other for other in getattr(error, "__notes__", ()) if other is not before)]
    error._lamina_context = note, kind  # type: ignore[attr-defined]


def in_context(subject: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a public function say, in an error, that it was running.

    Args:
        subject: what messages call it: "lamina.scan".
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                add_context(error, subject, describe_call(args, kwargs))
                filter_traceback(error)
                raise

        return call

    return decorate


# --- tracebacks ------------------------------------------------------------------------------------------------------


class _Filtering:
    """Whether frames are hidden; JAX takes out its own first, so it is told too where they are to be seen."""

    def __init__(self) -> None:
        self.on = True
        self.set(os.environ.get("LAMINA_TRACEBACK", "").lower() != "full")

    def set(self, on: bool) -> None:
        if on != self.on:
            jax.config.update("jax_traceback_filtering", "auto" if on else "off")
        self.on = on


_filtering = _Filtering()


def disable_traceback_filtering() -> None:
    """Shows the frames of Lamina and JAX in tracebacks, as LAMINA_TRACEBACK=full in the environment does."""
    _filtering.set(False)


def enable_traceback_filtering() -> None:
    """Hides the frames of Lamina and JAX in tracebacks, so that the user's own come first; so it is by default."""
    _filtering.set(True)


def is_traceback_filtering_enabled() -> bool:
    """Tells whether tracebacks hide the frames of Lamina and JAX."""
    return _filtering.on


def filter_traceback(error: BaseException) -> None:
    """Takes the frames that are not the user's out of an error's traceback, and adds what to do about an error of JAX's."""
    if not getattr(error, "_lamina_advised", False):
        error._lamina_advised = True  # type: ignore[attr-defined]
        if advice := _too_deep() if isinstance(error, RecursionError) else advice_on(error):
            error.add_note(advice)
    if not _filtering.on:
        return
    hidden = [_fold(one) for one in _chain(error)]
    if any(hidden):
        error.__notes__ = [*(note for note in getattr(error, "__notes__", ()) if note != HIDDEN), HIDDEN]


def _too_deep() -> str:
    return (
        f"Python allows {sys.getrecursionlimit():,} calls inside of each other. Where layers are nested, each takes about five: "
        "sys.setrecursionlimit(20_000), at the beginning of the script, makes room for thousands. Where they are not so deep, one "
        "of them calls itself."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, and those that it was raised from or while handling."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [one.__cause__, one.__context__]


def _fold(error: BaseException) -> bool:
    """Takes frames that are not the user's out of a traceback, and JAX's sentence about them; tells whether there were any."""
    frames: list[TracebackType] = []
    traceback = error.__traceback__
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    own = [frame for frame in frames if not frame.tb_frame.f_code.co_filename.startswith(INTERNAL)]
    for frame in reversed(own):
        traceback = TracebackType(traceback, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    error.__traceback__ = traceback
    notes = getattr(error, "__notes__", [])
    kept = [note for note in notes if FRAMES_REMOVED not in note]
    if len(kept) < len(notes):
        error.__notes__ = kept
    return len(own) < len(frames) or len(kept) < len(notes)


def filtered(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a public function filter the tracebacks of its errors."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            filter_traceback(error)
            raise

    return call
