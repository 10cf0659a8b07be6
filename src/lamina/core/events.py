"""What happens and why, told to whoever watches: see `lamina.watch`.

The places where something happens (a layer is made, built, called; a function is traced, compiled, run) say so here. While nobody
watches, `listeners` is empty, and all that such a place does is look.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jax

from lamina.core.context import context
from lamina.core.errors import add_context, filter_traceback, user_line
from lamina.core.interrupt import uninterrupted
from lamina.core.jax_internals import COMPILED, FOUND, is_differentiated
from lamina.core.text import describe_call


@dataclass(eq=False)
class Event:
    """One thing that happened.

    Attributes:
        kind: "task" (a `fit`, an `evaluate`, ...), "construct", "build", "weight", "call", "trace", "compile" or "run".
        name: what a function is called; the path of a layer or weight is in `path`.
        subject: the layer or weight that it happened to, or None.
        reason: why a layer was called, a function traced: "eager", "shapes", "train step", "test step", "predict step", "jit",
            "gradient".
        because: what caused it, as a person would say it.
        given: what it was given: shapes and dtypes, or an initializer.
        gave: what a call returned, as shapes and dtypes.
        where: the line of the user's own code, `file:line, in function`.
        start: when it began, in seconds of `time.perf_counter`.
        seconds: how long it took, with all that happened inside; None while it lasts.
        steps: how many steps a program ran.
        failed: the error that ended it, or "".
        failed_at: the line of the user's own code nearest to where that was raised.
        undone: whether it was an attempt whose results were thrown away.
        parent: the event inside which it happened, or None.
        thread: the name of its thread.
    """

    kind: str
    name: str = ""
    subject: Any = None
    reason: str = ""
    because: str = ""
    given: str = ""
    gave: Any = None
    where: str | None = None
    start: float = 0.0
    seconds: float | None = None
    steps: int = 1
    failed: str = ""
    failed_at: str = ""
    undone: bool = False
    parent: "Event | None" = field(default=None, repr=False)
    thread: str = ""

    @property
    def path(self) -> str:
        """The path of the layer or weight, as it is now; of other events, the name."""
        return self.name if self.subject is None else str(self.subject.path)


class Listener:
    """Takes events down, in the order in which they begin.

    Args:
        limit: how many to keep.
    """

    def __init__(self, limit: int) -> None:
        self.events: list[Event] = []
        self.limit = limit
        self.left_out = 0

    def _take(self, event: Event) -> None:
        """Takes an event down, or counts it, where there are too many."""
        if len(self.events) < self.limit:
            self.events.append(event)
        else:
            self.left_out += 1


listeners: list[Listener] = []
_IN_WORDS = {
    "eager": "on data",
    "shapes": "on shapes alone",
    "train step": "in a train step",
    "test step": "in a test step",
    "predict step": "in a predict step",
    "jit": "in compiled code",
    "gradient": "in a gradient",
}


# --- why ---------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reason(why: str) -> Iterator[None]:
    """Says why layers are called inside. A run for shapes is always that; a step is one whoever compiles it."""
    before = context.reason
    if before is None or why == "shapes" or (before != "shapes" and why.endswith("step")):
        context.reason = why
    try:
        yield
    finally:
        context.reason = before


def why_called(arguments: Any, traced: bool) -> str:
    """Returns why a layer is being called.

    Args:
        arguments: what it is called with.
        traced: whether a trace is running.
    """
    if context.reason is not None:
        return context.reason
    if not traced:
        return "eager"
    return "gradient" if any(map(is_differentiated, jax.tree.leaves(arguments))) else "jit"


def in_words(why: str) -> str:
    """Returns a reason as it stands in a sentence: a step of the user's own goes by its name.

    >>> in_words("shapes"), in_words("learn")
    ('on shapes alone', 'in learn')
    """
    return _IN_WORDS.get(why, f"in {why}")


def current_reason() -> str:
    """Returns why what is being traced is traced."""
    return context.reason or "jit"


# --- what --------------------------------------------------------------------------------------------------------------


def _begin(event: Event) -> Event:
    event.parent, event.start, event.thread = context.event, time.perf_counter(), threading.current_thread().name
    if event.where is None:
        event.where = user_line()
    for listener in listeners:
        listener._take(event)
    if context.attempt is not None:
        context.attempt.append(event)
    return event


def note(kind: str, name: str = "", **fields: Any) -> None:
    """Tells of something that takes no time."""
    if listeners:
        _begin(Event(kind, name, seconds=0.0, **fields))


@contextlib.contextmanager
def happening(kind: str, name: str = "", **fields: Any) -> Iterator[Event]:
    """Tells of what happens in the block: that it begins, how long it takes, and whether it fails."""
    event = Event(kind, name, **fields)
    if not listeners:
        yield event
        return
    context.event = _begin(event)
    try:
        yield event
    except BaseException as error:
        event.failed = sentence(error)
        event.failed_at = user_line(error) or ""
        raise
    finally:
        event.seconds = time.perf_counter() - event.start
        context.event = event.parent


def sentence(error: BaseException) -> str:
    """Returns the type of an error and the first line of what it says."""
    message = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


@contextlib.contextmanager
def attempt() -> Iterator[None]:
    """Marks what happens in the block as undone if the block raises."""
    before = context.attempt
    tried: list[Event] = []
    context.attempt = tried
    try:
        yield
    except BaseException:
        for event in tried:
            event.undone = True
        raise
    finally:
        context.attempt = before
        if before is not None:
            before.extend(tried)


def run(name: str, steps: int = 1) -> contextlib.AbstractContextManager[Any]:
    """Tells of a run of a compiled program. A program inside another's run is part of that."""
    if not listeners or (context.event is not None and context.event.kind == "run"):
        return contextlib.nullcontext()
    return happening("run", name, steps=steps)


def task(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a public method a task, as `fit` is: it reports an event, holds Ctrl-C back, and gives errors their context."""

    @functools.wraps(function)
    def run_task(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with uninterrupted():
                if not listeners:
                    return function(self, *args, **kwargs)
                with happening("task", function.__name__, subject=self):
                    return function(self, *args, **kwargs)
        except Exception as error:
            add_context(error, f"{function.__name__} of {self.path!r}", describe_call(args, kwargs), kind="task")
            filter_traceback(error)
            raise

    return run_task


# --- what JAX tells ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Has a listener take down what happens in the block, also what JAX compiles."""
    if not listeners:
        jax.monitoring.register_event_listener(_on_event)
        jax.monitoring.register_event_duration_secs_listener(_on_duration)
    listeners.append(listener)
    try:
        yield
    finally:
        listeners.remove(listener)
        if not listeners:
            with contextlib.suppress(Exception):  # somebody else may have cleared JAX's listeners
                jax.monitoring.unregister_event_listener(_on_event)
                jax.monitoring.unregister_event_duration_listener(_on_duration)


def _on_event(event: str, **_: Any) -> None:
    if event == FOUND:
        context.cached = True


def _on_duration(event: str, duration_secs: float, **about: Any) -> None:
    if event != COMPILED:
        return
    found, context.cached = context.cached, False
    if listeners:
        name = str(about.get("fun_name", "a program")).removeprefix("jit(").removesuffix(")")
        because = "found among the programs kept on disk" if found else "there was no such program yet"
        _begin(Event("compile", name, because=because, seconds=duration_secs)).start -= duration_secs
