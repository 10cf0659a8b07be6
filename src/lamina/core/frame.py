"""Where values live while a function is traced.

A `Cell` is a place for a value; a `Variable` is the cell that people know. A `Frame` overlays cells: while it is open,
reading a cell looks in the innermost frame, then outwards, then in the cell itself; writing goes to the innermost frame.
So a trace can read and write state freely, and nothing of it is left in the cells when the trace ends.
"""

import contextlib
import functools
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import jax

from lamina.core.errors import StateError

_MISSING = object()


@functools.cache
def _reader() -> Any:
    from jax.extend.core import get_opaque_trace_state  # here, because it loads much of JAX that few programs need

    return get_opaque_trace_state


@functools.cache
def eager_state() -> Any:
    """Returns what `trace_state` returns where no trace is running."""
    found: list[Any] = []  # a new thread runs no trace, whatever this one is doing
    thread = threading.Thread(target=lambda: found.append(trace_state()))
    thread.start()
    thread.join()
    return found[0]


def trace_state() -> Any:
    """Returns what tells one running trace from another, and from plain eager code."""
    return _reader()()


class _Thread(threading.local):
    """Frames belong to one thread: another thread reads and writes the cells themselves."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.concrete = False
        self.autocast: Any = None  # the dtype in which weights are read
        self.training: bool | None = None  # that of the running call of a layer
        self.writes: Any = None  # who notes what a running trace assigns to plain attributes


thread = _Thread()


class Cell:
    """A place for a value that frames can overlay."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def read(self) -> Any:
        """Returns the value in the innermost frame that has one, else the cell's own."""
        for frame in reversed(thread.frames):
            value = frame.values.get(self, _MISSING)
            if value is not _MISSING:
                return value
            if frame.reads is not None:
                frame.reads[self] = None
        return self._value

    def check(self, value: Any) -> None:
        """Raises StateError if `value` may not be written here now. A plain cell takes anything."""

    def write(self, value: Any) -> None:
        """Puts the value in the innermost frame, or in the cell where no frame is open."""
        if thread.frames:
            thread.frames[-1].put(self, value)
        else:
            self._value = value


class Frame:
    """An overlay of cells, open for as long as one trace (or one eager call) lasts.

    Args:
        values: cells and the values that they have inside.
        owned: if given, the only state that may be written inside; a write to other state is refused.
        log_reads: keep in `reads` the cells whose value was looked for further out.
        lane: inside `vmap`, the name of the mapped axis; random draws fold in the position along it.
    """

    __slots__ = ("lane", "log", "owned", "reads", "trace", "values", "written")

    def __init__(
        self,
        values: Mapping[Any, Any] | Iterable[tuple[Any, Any]] = (),
        *,
        owned: Iterable[Cell] | None = None,
        log_reads: bool = False,
        lane: Any = None,
    ) -> None:
        self.values: dict[Any, Any] = dict(values)
        self.written: dict[Cell, None] = {}
        self.log: list[tuple[Cell, Any, bool]] = []  # what each write replaced, for `undo`
        self.reads: dict[Cell, None] | None = {} if log_reads else None
        self.owned = None if owned is None else set(owned)
        self.lane = lane

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
        thread.frames.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        thread.frames.remove(self)


class Transaction:
    """A frame around one eager call: what it wrote is kept if the call succeeds, and forgotten if it fails."""

    __slots__ = ("_frame",)

    def __enter__(self) -> None:
        self._frame = Frame().__enter__()

    def __exit__(self, kind: object, *error: object) -> None:
        self._frame.__exit__()
        if kind is None and self._frame.written:
            for cell in self._frame.written:
                cell.check(self._frame.values[cell])
            for cell in self._frame.written:
                cell.write(self._frame.values[cell])


@contextlib.contextmanager
def concrete() -> Iterator[None]:
    """Hides all frames and computes at once, so that state made by `build` is concrete although a trace is running."""
    frames, was, autocast = thread.frames, thread.concrete, thread.autocast
    thread.frames, thread.concrete, thread.autocast = (frames if was else []), True, None
    try:
        with jax.ensure_compile_time_eval():
            yield
    finally:
        thread.frames, thread.concrete, thread.autocast = frames, was, autocast


def open_frames() -> list[Frame]:
    """Returns this thread's open frames, outermost first."""
    return thread.frames


def in_trace() -> bool:
    """Tells whether a JAX trace is running, so that new values may only be known while it lasts."""
    return trace_state() != eager_state()


def refuse_leak(cell: Any, value: Any) -> None:
    """Raises StateError if `value`, written to `cell` now, would be lost or would outlive the trace that it belongs to."""
    if thread.frames:
        frame = thread.frames[-1]
        if frame.trace != trace_state():
            raise StateError(
                f"{cell.label} was written inside a raw JAX transformation (jax.lax.scan, jax.lax.cond, jax.grad, ...), from which "
                "its new value cannot be carried out. Use the one that knows about state: lamina.scan, lamina.cond, "
                "lamina.while_loop, lamina.fori_loop, lamina.map, lamina.vmap, lamina.remat, lamina.grad."
            )
        if frame.owned is not None and cell not in frame.owned:
            raise StateError(
                f"{cell.label} was written inside a function that was lifted without it. Add it to the variables given to "
                "lamina.lift, or use lamina.jit, which finds them by itself."
            )
    elif isinstance(value, jax.core.Tracer) or (not thread.concrete and trace_state() != eager_state()):
        raise StateError(
            f"{cell.label} was written inside a raw JAX transformation (jax.jit, jax.grad, jax.lax.scan, ...), from which its new "
            "value cannot be carried out. Use lamina.jit, lamina.value_and_grad or lamina.scan, which know about state, or "
            "layer.stateless_call, which takes and returns it."
        )
