"""Where values live while a function is traced.

A `Cell` is a place for a value; a `Variable` is the cell that people know. A `Frame` overlays cells: while it is open,
reading a cell looks in the innermost frame, then outwards, then in the cell itself; writing goes to the innermost frame.
So a trace can read and write state freely, and nothing of it is left in the cells when the trace ends.

Threads. Frames belong to one thread. Whoever changes cells, or gives their arrays away to a program that writes over them, holds
`state_lock` meanwhile; who reads one of these cells without a frame waits for it. A thread that has a frame open reads without
the lock and yet sees all cells as they were when it opened its outermost frame: who changes a cell puts the value from before into
the outermost frames of all other threads first. A `Transaction` whose variables another thread has changed meanwhile is computed
again.
"""

import collections
import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, Self, TypeVar

import jax

from lamina.core.context import context
from lamina.core.errors import StateError
from lamina.core.jax_internals import eager_state, is_tracer, trace_state
from lamina.core.placement import own_memory

P = ParamSpec("P")
R = TypeVar("R")

_MISSING = object()
_ATTEMPTS = 10  # of a transaction

state_lock = threading.RLock()
given_away: "set[Cell]" = set()  # those whose memory a program is writing over
_outermost: "dict[int, weakref.ref[Frame]]" = {}  # the outermost open frames of all threads


class Cell:
    """A place for a value that frames can overlay."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def _read(self) -> Any:
        """Returns the value in the innermost frame that has one, else the cell's own."""
        frames = context.frames
        if not frames:
            return self._read_alone()
        own = self._value  # looked at before the frames are, because another thread fills them before it changes the cell
        for frame in reversed(frames):
            value = frame.values.get(self, _MISSING)
            if value is not _MISSING:
                return value
            if frame.reads is not None:
                frame.reads[self] = None
        return frames[0].before.get(self, own)

    def _read_alone(self) -> Any:
        """Returns the cell's own value; if a program is writing over its memory, the value after that.

        Other cells are read without waiting, so that a program may call back to Python, which reads them.
        """
        while True:
            value = self._value
            if self in given_away:
                with state_lock:
                    return self._value
            if self._value is value:  # else a program may have been given it, and be done, since it was looked at
                return value

    def _check(self, value: Any) -> None:
        """Raises StateError if `value` may not be written here now. A plain cell takes anything."""

    def _write(self, value: Any) -> None:
        """Puts the value in the innermost frame, or in the cell where no frame is open."""
        frames = context.frames
        if frames:
            frames[-1].put(self, value)
        else:
            commit({self: value})


class Frame:
    """An overlay of cells, open for as long as one trace (or one eager call) lasts.

    Args:
        values: cells and the values that they have inside.
        owned: if given, the only state that may be written inside; a write to other state is refused.
        log_reads: keep in `reads` the cells whose value was looked for further out.
        axis_name: inside `vmap`, the name of the mapped axis; random draws fold in the position along it.
    """

    __slots__ = ("__weakref__", "axis_name", "before", "log", "owned", "reads", "thread", "trace", "values", "written")

    def __init__(
        self,
        values: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (),
        *,
        owned: Iterable[Cell] | None = None,
        log_reads: bool = False,
        axis_name: Any = None,
    ) -> None:
        self.values: dict[Any, Any] = dict(values)
        self.written: dict[Cell, None] = {}
        self.log: list[tuple[Cell, Any, bool]] = []  # what each write replaced, for `undo`
        self.reads: dict[Cell, None] | None = {} if log_reads else None
        self.before: dict[Cell, Any] = {}  # what other threads have changed meanwhile, as it was
        self.owned = None if owned is None else set(owned)
        self.axis_name = axis_name

    def put(self, cell: Cell, value: Any) -> None:
        """Gives a cell a value inside."""
        self.log.append((cell, self.values.get(cell, _MISSING), cell in self.written))
        self.values[cell] = value
        self.written[cell] = None

    def undo(self, since: int) -> None:
        """Takes back the writes since the log had that length."""
        while len(self.log) > since:
            cell, before, was_written = self.log.pop()
            if before is _MISSING:
                del self.values[cell]
            else:
                self.values[cell] = before
            if not was_written:
                del self.written[cell]

    def __enter__(self) -> Self:
        self.trace = trace_state()
        frames = context.frames
        if not frames:
            self.thread = threading.get_ident()
            with state_lock:
                _outermost[id(self)] = weakref.ref(self)
        frames.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        frames = context.frames
        del frames[frames.index(self) :]  # with those of blocks that were interrupted before they could end
        _outermost.pop(id(self), None)


def commit(values: Mapping[Cell, Any]) -> None:
    """Gives cells their values, all at once for whoever looks on."""
    with state_lock:
        keep_for_readers(values)
        store(values.keys(), values.values())


def store(cells: Iterable[Cell], values: Iterable[Any]) -> None:
    """Puts values into cells, all or none: no Python runs in between, so neither Ctrl-C nor another thread comes between.

    Needs `state_lock`, and `keep_for_readers` before.
    """
    collections.deque(map(_put, cells, values), maxlen=0)


_put = vars(Cell)["_value"].__set__


def keep_for_readers(cells: Iterable[Cell]) -> None:
    """Puts the values that cells have now into the frames of other threads, which go on seeing them. Needs `state_lock`."""
    if not _outermost:
        return
    own = threading.get_ident()
    for key, reference in list(_outermost.items()):
        frame = reference()
        if frame is None:
            del _outermost[key]
        elif frame.thread != own:
            for cell in cells:
                frame.before.setdefault(cell, cell._value)


class _Conflict(Exception):
    """Another thread has changed what a transaction wrote, after it began."""


class Transaction:
    """A frame around one eager call: what it wrote is kept if the call succeeds, and forgotten if it fails.

    Args:
        exclusive: whether it fails where another thread has meanwhile changed a variable that it wrote.
    """

    __slots__ = ("_exclusive", "_frame")

    def __init__(self, exclusive: bool = True) -> None:
        self._exclusive = exclusive

    def __enter__(self) -> None:
        self._frame = Frame().__enter__()

    def __exit__(self, kind: object, *error: object) -> None:
        frame, frames = self._frame, context.frames
        del frames[frames.index(frame) :]
        try:
            if kind is None and frame.written:
                values = {cell: frame.values[cell] for cell in frame.written}
                for cell, value in values.items():
                    cell._check(value)
                if frames:
                    for cell, value in values.items():
                        frames[-1].put(cell, value)
                    return
                with state_lock:
                    if self._exclusive and any(cell in frame.before and type(cell) is not Cell for cell in values):
                        raise _Conflict
                    commit(values)
        finally:
            _outermost.pop(id(frame), None)


def transact(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls a function as a whole: what it writes is kept if it succeeds and forgotten if it fails.

    Where another thread has meanwhile changed a variable that it wrote, the call is made again, with the new values, so that no
    update is lost; after some such calls the other threads have to wait for it.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(_Conflict), Transaction():
            return function(*args, **kwargs)
    with state_lock, Transaction():
        return function(*args, **kwargs)


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a function that writes state do so as a whole, where it is not a part of something that does."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if context.frames or trace_state() != eager_state():
            return function(*args, **kwargs)
        return transact(function, *own_memory(args), **own_memory(kwargs))

    return call


@contextlib.contextmanager
def concrete() -> Iterator[None]:
    """Hides all frames and computes at once, so that state made by `build` is concrete although a trace is running."""
    frames, was, autocast = context.frames, context.concrete, context.autocast
    context.frames, context.concrete, context.autocast = (frames if was else []), True, None
    try:
        with jax.ensure_compile_time_eval():
            yield
    finally:
        context.frames, context.concrete, context.autocast = frames, was, autocast


def refuse_leak(cell: Any, value: Any) -> None:
    """Raises StateError if `value`, written to `cell` now, would be lost or would outlive the trace that it belongs to."""
    if context.frames:
        frame = context.frames[-1]
        if frame.trace != trace_state():
            raise StateError(
                f"{cell._label} was written inside a raw JAX transformation (jax.lax.scan, jax.lax.cond, jax.grad, ...), from "
                "which its new value cannot be carried out. Use the one that knows about state: lamina.scan, lamina.cond, "
                "lamina.while_loop, lamina.fori_loop, lamina.map, lamina.vmap, lamina.remat, lamina.grad."
            )
        if frame.owned is not None and cell not in frame.owned:
            raise StateError(
                f"{cell._label} was written inside a function that was lifted without it. Add it to the variables given to "
                "lamina.lift, or use lamina.jit, which finds them by itself."
            )
    elif is_tracer(value) or (not context.concrete and trace_state() != eager_state()):
        raise StateError(
            f"{cell._label} was written inside a raw JAX transformation (jax.jit, jax.grad, jax.lax.scan, ...), from which its new "
            "value cannot be carried out. Use lamina.jit, lamina.value_and_grad or lamina.scan, which know about state, or "
            "layer.stateless_call, which takes and returns it."
        )
