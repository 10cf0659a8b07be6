"""One peer's process, which peer BENCH_PEER says.

`worker.py serve` reads requests from standard input, a line of JSON each, and answers each with another. `worker.py import` and
`worker.py first_epoch` do what only a new process can show, answer and end.
"""

import gc
import importlib
import json
import math
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TextIO

from peers import PEERS

SECONDS = 0.5  # what one measurement should take at least

PEER = PEERS[os.environ["BENCH_PEER"]]


class Worker:
    """Holds the run that is being measured; its public methods are what can be requested."""

    def __init__(self) -> None:
        self._run: Callable[[int], Any] | None = None
        self._count = 1

    def about(self) -> dict[str, Any]:
        """Returns the device and the versions."""
        return {"device": _program().device(), "versions": {name: _version(name) for name in PEER.packages}}

    def prepare(self, function: str, *arguments: int) -> Any:
        """Makes the model and runs it until it is warm; returns what the first run did: the loss, where it trains."""
        self._run, self._count = getattr(_program(), function)(*arguments), 1
        first = self._run(1)
        for _ in range(3):
            seconds = self._seconds()
            if seconds * self._count > 0.7 * SECONDS:
                break
            self._count = math.ceil(SECONDS / seconds)
        return first

    def measure(self) -> float:
        """Returns the seconds that one run takes."""
        gc.collect()
        return self._seconds()

    def drop(self) -> None:
        """Lets go of the model."""
        self._run = None
        gc.collect()

    def _seconds(self) -> float:
        assert self._run is not None
        start = time.perf_counter()
        self._run(self._count)
        return (time.perf_counter() - start) / self._count


def serve(out: TextIO) -> None:
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            _answer(out, result=getattr(worker, request["do"])(*request["arguments"]))
        except Exception as error:  # whatever a peer raises is its result
            sys.excepthook(*sys.exc_info())
            _answer(out, error=f"{type(error).__name__}: {error}")


def import_only(out: TextIO) -> None:
    start = time.perf_counter()
    importlib.import_module(PEER.library)
    _answer(out, result=time.perf_counter() - start)


def first_epoch(out: TextIO) -> None:
    """Imports, trains for one epoch, and answers with the most memory that the process had, in bytes."""
    _program().wide_and_deep()(1)
    _answer(out, result=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _program() -> Any:
    return importlib.import_module(f"programs.{PEER.program}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "from its sources"


def _answer(out: TextIO, **content: Any) -> None:
    print(json.dumps(content), file=out, flush=True)


def _private_output() -> TextIO:
    """Returns standard output for the answers; what libraries print there goes to standard error from now on."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own


if __name__ == "__main__":
    {"serve": serve, "import": import_only, "first_epoch": first_epoch}[sys.argv[1]](_private_output())
