"""Errors as they leave Lamina: where it happened, what to do, and only the user's own lines.

Every public function that runs much of Lamina or JAX below it ends with

    except Exception as error:
        leave(error)
        raise

which costs nothing where there is no error. What is done is done once for each error, by the innermost of them.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from types import CodeType, TracebackType
from typing import Any, ParamSpec, TypeVar

import jax

from lamina.core.cures import cure_of
from lamina.core.errors import INTERNAL, describe_call, show_shapes, user_line

P = ParamSpec("P")
R = TypeVar("R")

HIDDEN = "Frames of Lamina and JAX are hidden: LAMINA_TRACEBACK=full shows them."
_HIDDEN_BY_JAX = "For simplicity, JAX has removed its internal frames"


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


# The code of functions that explain errors; what runs inside one of them leaves that to it.
explaining: set[CodeType] = set()


def explain(
    error: BaseException,
    subject: str,
    given: str,
    built: tuple[tuple[Any, ...], str | None] | None = None,
    precisely: bool = False,
) -> None:
    """Adds to an error, once, what it happened in, what that was given, and the user's lines.

    Args:
        error: the error.
        subject: what was running: "the layer 'dense' (Dense)".
        given: what it was called on.
        built: the shapes that it was built for, and where.
        precisely: whether nothing further out could say better where it was.
    """
    if getattr(error, "_lamina_explained", False) or not (precisely or _is_outermost()):
        return
    note = f"In {subject}, called on {given or 'nothing'}\n  called at {user_line()}"
    if raised := user_line(error):
        note += f"\n  raised at {raised}"
    if built is not None:
        shapes, where = built
        note += f"\n  built for {', '.join(show_shapes(shape) for shape in shapes)} at {where}"
    error.__notes__ = [note, *getattr(error, "__notes__", ())]
    error._lamina_explained = True  # type: ignore[attr-defined]


def _is_outermost() -> bool:
    """Tells whether the function that calls `explain` runs inside no other that explains."""
    caller = sys._getframe(2).f_back
    while caller is not None and caller.f_code not in explaining:
        caller = caller.f_back
    return caller is None


def leave(error: BaseException) -> None:
    """Readies an error for the user: says what to do about one of JAX's, and hides the frames that are not the user's."""
    if not getattr(error, "_lamina_met", False):
        error._lamina_met = True  # type: ignore[attr-defined]
        if cure := cure_of(error):
            error.add_note(cure)
    if not _filtering.on:
        return
    hidden = [_fold(one) for one in _chain(error)]
    if any(hidden):
        error.__notes__ = [*(note for note in getattr(error, "__notes__", ()) if note != HIDDEN), HIDDEN]


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
    kept = [note for note in notes if _HIDDEN_BY_JAX not in note]
    if len(kept) < len(notes):
        error.__notes__ = kept
    return len(own) < len(frames) or len(kept) < len(notes)


def public(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function ready its errors for the user."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            leave(error)
            raise

    return call


def explained(subject: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
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
                explain(error, subject, describe_call(args, kwargs))
                leave(error)
                raise

        return call

    return decorate
