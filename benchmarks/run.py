"""Runs Lamina beside its peers and writes benchmarks/results.md: `make bench`, or `make bench-quick` for a first look.

`--beside COMMIT` has Lamina as it was at that commit take part, too.

Each peer has a process of its own. They take turns, row by row and round by round, and while one is timed the others wait for
their input, so what disturbs the machine disturbs all alike.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from peers import PEERS
from process import HERE, SCRATCH, PeerFailed, Process, add_earlier, environment, once
from report import Results, line, page
from rows import ROWS

PREPARE_LIMIT, MEASURE_LIMIT = 120.0, 30.0  # seconds after which a peer is given up for a row
PAUSE = 0.05  # for threads that still spin after the last turn


class Benchmark:
    """One run of the suite.

    Args:
        peers: who takes part.
        rounds: how many turns each has in a row.
        patience: seconds of turns in a row after which a slow peer has no more.
        cache: a folder for compiled programs.
    """

    def __init__(self, peers: list[str], rounds: int, patience: float, cache: Path) -> None:
        self.results = Results()
        self.peers, self.rounds, self.patience, self.cache = peers, rounds, patience, cache
        self.workers: dict[str, Process] = {}
        self.unusable: dict[str, str] = {}

    def environments(self) -> None:
        """Makes the environments that are missing, and lets every peer import once, so that its files are compiled and cached."""
        for name in self.peers:
            try:
                if (needed := PEERS[name].environment) is not None:
                    environment(needed)
                once(name, "import", self.cache, PREPARE_LIMIT)
                self.results.about[name] = self._worker(name).ask(PREPARE_LIMIT, "about")
            except PeerFailed as failure:
                self.unusable[name] = str(failure)

    def row(self, *names: str) -> None:
        """Measures a row whose workers live on, and those beside it: all get ready, then take turns."""
        ready = []

        def rows_of(peer: str) -> list[str]:
            return [name for name in names if ROWS[name].only in (None, peer)]

        def prepare(peer: str) -> None:
            for name in rows_of(peer):
                loss = self._worker(peer).ask(PREPARE_LIMIT, "prepare", name, *ROWS[name].function)
                if loss is not None:
                    self.results.losses[name, peer] = loss
            ready.append(peer)

        def measure(peer: str) -> None:
            for name in rows_of(peer):
                self._keep(name, peer, self._worker(peer).ask(MEASURE_LIMIT, "measure", name))

        for peer in self.peers:
            if rows_of(peer):
                self._try(names, peer, prepare)
        self._rounds(names, ready, measure)
        for peer in ready:
            if self.workers[peer].alive:
                self._try(names, peer, lambda peer: self._worker(peer).ask(MEASURE_LIMIT, "drop"))

    def imports(self) -> None:
        """Measures imports, each in a new process."""
        self._rounds(("import",), self.peers, lambda peer: self._keep("import", peer, self._new(peer, "import", self.cache)[1]))

    def first_epochs(self) -> None:
        """Measures first epochs in new processes: with nothing compiled yet, and again where programs can be kept."""

        def measure(peer: str) -> None:
            with tempfile.TemporaryDirectory(dir=self.cache) as folder:
                seconds, memory = self._new(peer, "first_epoch", Path(folder))
                self._keep("first_cold", peer, seconds)
                self._keep("memory", peer, memory)
                if PEERS[peer].caches:
                    self._keep("first_warm", peer, self._new(peer, "first_epoch", Path(folder))[0])

        self._rounds(("first_cold", "first_warm", "memory"), self.peers, measure)

    def stop(self) -> None:
        """Ends the workers."""
        for worker in self.workers.values():
            worker.stop()

    def _rounds(self, rows: tuple[str, ...], peers: list[str], measure: Callable[[str], None]) -> None:
        spent = dict.fromkeys(peers, 0.0)
        for _ in range(self.rounds):
            for peer in peers:
                if spent[peer] < self.patience and (rows[0], peer) not in self.results.failures:
                    time.sleep(PAUSE)
                    start = time.perf_counter()
                    self._try(rows, peer, measure)
                    spent[peer] += time.perf_counter() - start

    def _try(self, rows: tuple[str, ...], peer: str, act: Callable[[str], None]) -> None:
        """Does something with a peer; if that fails, the reason stands in the rows."""
        try:
            if peer in self.unusable:
                raise PeerFailed(self.unusable[peer])
            act(peer)
        except PeerFailed as failure:
            self.results.failures |= {(row, peer): str(failure) for row in rows}

    def _worker(self, peer: str) -> Process:
        if peer not in self.workers or not self.workers[peer].alive:
            self.workers[peer] = Process(peer, "serve", self.cache)
        return self.workers[peer]

    def _new(self, peer: str, task: str, cache: Path) -> tuple[float, float]:
        return once(peer, task, cache, PREPARE_LIMIT)

    def _keep(self, row: str, peer: str, sample: float) -> None:
        self.results.samples.setdefault((row, peer), []).append(sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds; writes benchmarks/scratch/results.md")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="only these; writes there too")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these; writes there too")
    parser.add_argument("--beside", metavar="COMMIT", help="also Lamina as it was at this commit")
    options = parser.parse_args()
    whole = not options.quick and len(options.peers) == len(PEERS) and len(options.rows) == len(ROWS)
    if options.beside is not None:
        options.peers.append(add_earlier(options.beside))
    peers = [name for name in PEERS if name in options.peers]
    rows = [name for name in ROWS if name in options.rows]
    path = HERE / "results.md" if whole else SCRATCH / "results.md"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the workers are ended then too
    SCRATCH.mkdir(exist_ok=True)
    shutil.rmtree(SCRATCH / "logs", ignore_errors=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=SCRATCH) as cache:
        benchmark = Benchmark(peers, *((2, 5.0) if options.quick else (7, 10.0)), Path(cache))
        try:
            benchmark.environments()
            print("", *(PEERS[peer].title for peer in peers), "", sep=" | ", flush=True)
            for name in rows:
                if ROWS[name].function and ROWS[name].beside not in rows:
                    together = [name, *(row for row in rows if ROWS[row].beside == name)]
                    benchmark.row(*together)
                    print(*(line(benchmark.results, row, peers) for row in together), sep="\n", flush=True)
            benchmark.stop()
            if "import" in rows:
                benchmark.imports()
            if {"first_cold", "first_warm", "memory"} & {*rows}:
                benchmark.first_epochs()
        finally:
            benchmark.stop()
    command = "make bench" if whole else "benchmarks/run.py, in part"
    path.write_text(page(benchmark.results, rows, peers, command))
    print(f"\n{path.read_text()}\nWritten to {path} after {time.perf_counter() - start:.0f} s.")


if __name__ == "__main__":
    main()
