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
    """Holds the runs that are being measured, by name; its public methods are what can be requested."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Callable[[int], Any], int]] = {}

    def about(self) -> dict[str, Any]:
        """Returns the device and the versions."""
        return {"device": _program().device(), "versions": {name: _version(name) for name in PEER.packages}}

    def prepare(self, name: str, function: str, *arguments: int) -> Any:
        """Makes the model and runs it until it is warm; returns what the first run did: the loss, where it trains."""
        run, count = getattr(_program(), function)(*arguments), 1
        first = run(1)
        for _ in range(3):
            seconds = _seconds(run, count)
            if seconds * count > 0.7 * SECONDS:
                break
            count = math.ceil(SECONDS / seconds)
        self._runs[name] = run, count
        return first

    def measure(self, name: str) -> float:
        """Returns the seconds that one run takes."""
        gc.collect()
        return _seconds(*self._runs[name])

    def drop(self) -> None:
        """Lets go of the models."""
        self._runs.clear()
        gc.collect()


def _seconds(run: Callable[[int], Any], count: int) -> float:
    start = time.perf_counter()
    run(count)
    return (time.perf_counter() - start) / count


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
