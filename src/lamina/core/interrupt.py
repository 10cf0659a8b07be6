"""Ctrl-C waits until state is whole.

Python raises KeyboardInterrupt between any two instructions of the main thread, also between two that belong together. What
trains a model holds it back, and lets it through where nothing is half done: after a step, and while the user's code runs.
"""

import _signal  # type: ignore[import-not-found]  # below `signal`, whose functions make enums of numbers: twenty times slower
import threading
from types import FrameType
from typing import Any


class _Hold:
    """Whether Ctrl-C is held back now, and what it would have called."""

    def __init__(self) -> None:
        self.depth = 0  # of the blocks that hold it back
        self.handler: Any = None  # of the user or of Python
        self.pressed: list[FrameType | None] = []

    def begin(self) -> None:
        handler = _signal.getsignal(_signal.SIGINT)
        if callable(handler):
            self.handler = handler
            _signal.signal(_signal.SIGINT, self._press)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.pressed.append(frame)
        _signal.signal(_signal.SIGINT, self.handler)  # the next one is not held back

    def end(self) -> None:
        """Goes back to the handler, unless somebody has set another one."""
        if self.handler is not None and _signal.getsignal(_signal.SIGINT) == self._press:
            _signal.signal(_signal.SIGINT, self.handler)

    def let_through(self) -> None:
        """Calls the handler if Ctrl-C was pressed meanwhile."""
        while self.pressed:
            self.handler(_signal.SIGINT, self.pressed.pop())


_hold = _Hold()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


class uninterrupted:
    """Holds Ctrl-C back while the block runs, so that state is changed wholly or not at all; a second Ctrl-C is not held back."""

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        self._before = _hold.depth if _in_main_thread() else -1
        if self._before >= 0:
            if not self._before:
                _hold.begin()
            _hold.depth = self._before + 1

    def __exit__(self, *error: object) -> None:
        if self._before >= 0:
            _hold.depth = self._before
            if not self._before:
                _hold.end()
                pressed, _hold.pressed = _hold.pressed, []
                if pressed and not isinstance(error[1], KeyboardInterrupt):
                    _hold.handler(_signal.SIGINT, pressed[-1])


class interruptible:
    """Lets Ctrl-C through while the block runs, in which the user's code is called."""

    __slots__ = ("_depth",)

    def __enter__(self) -> None:
        self._depth = _hold.depth if _hold.depth and _in_main_thread() else 0
        if self._depth:
            _hold.depth = 0
            _hold.end()
            check_interrupt()

    def __exit__(self, *error: object) -> None:
        if self._depth:
            _hold.begin()
            _hold.depth = self._depth


def check_interrupt() -> None:
    """Lets Ctrl-C through if it was pressed: nothing is half done here."""
    if _hold.pressed and _in_main_thread():
        _hold.let_through()
