"""The context: all that a running call inherits from what is around it. Each thread has its own."""

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class Context(threading.local):
    """What surrounds the code that this thread runs.

    Attributes:
        frames: the open frames, outermost first: where values live while code is traced (`lamina.core.frame`).
        concrete: whether frames are hidden, because a layer is being built on concrete values.
        autocast: the dtype in which floating weights are read, or None for their own.
        training: the `training` of the layer call around, or None.
        calls: the running calls of layers, outermost first, each with the outermost one (`lamina.core.calls`).
        journal: what layers were like before a build that may have to be undone.
        undoing: how many such builds are running.
        unheld: by the line that made it, weakly, the last layer that a call made and nothing holds.
        dispatching: whether a compiled program is being started, which is no time for tracing it.
        attributes: who notes what a running trace assigns to plain attributes, or None.
        reason: why layers are called: for shapes, in a step, in compiled code, ...; None where nobody has said so.
        event: the event that is being told of, or None.
        attempt: the events of an attempt that may be undone, or None.
        cached: whether the program that JAX is about to give was found on disk.
        sizes_asked: the sizes that a call with probe sizes has asked for, or None.
        sizes_known: what to answer instead, or None.
    """

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.concrete = False
        self.autocast: np.dtype | None = None
        self.training: bool | None = None
        self.calls: list[tuple[Any, Any]] = []
        self.journal: list[Any] = []
        self.undoing = 0
        self.unheld: dict[str, Any] = {}
        self.dispatching = False
        self.attributes: Any = None
        self.reason: str | None = None
        self.event: Any = None
        self.attempt: list[Any] | None = None
        self.cached = False
        self.sizes_asked: list[Any] | None = None
        self.sizes_known: Any = None


context = Context()
