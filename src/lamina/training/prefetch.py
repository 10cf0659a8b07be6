"""Prefetching: the next blocks are made in the background while the device works on those before."""

import queue
import threading
from collections.abc import Iterable
from typing import Any

from lamina.core.interrupt import interruptible


class Prefetch:
    """An iterator that a background thread runs, some items ahead of who takes them.

    Args:
        source: what to iterate over. What it raises is raised where the items are taken.
        items: how many to have ready.
    """

    _END = object()

    def __init__(self, source: Iterable[Any], items: int = 2) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(items)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True, name="lamina-data")
        self._thread.start()

    def _run(self, source: Iterable[Any]) -> None:
        try:
            for item in source:
                if not self._put((item, None)):
                    return
            self._put((self._END, None))
        except BaseException as error:
            self._put((self._END, error))

    def _put(self, item: Any) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> "Prefetch":
        return self

    def __next__(self) -> Any:
        if self._stop.is_set():
            raise StopIteration
        with interruptible():
            item, error = self._queue.get()
        if item is self._END:
            self.close()
            if error is not None:
                raise error
            raise StopIteration
        return item

    def close(self) -> None:
        """Ends the thread as soon as it has the item that it is at, and waits for that: then the source is at rest."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            with interruptible():
                self._thread.join()
