"""The peers' processes, seen from outside: their environments, starting them, asking them."""

import contextlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from peers import PEERS, Peer

HERE = Path(__file__).resolve().parent
SCRATCH = HERE / "scratch"


class PeerFailed(Exception):
    """A peer could not do what it was asked; the message says why."""


def environment(name: str) -> None:
    """Makes the environment of that name, unless it is there and as its list says."""
    path, folder = HERE / "requirements" / f"{name}.txt", SCRATCH / name
    wanted, made = path.read_text(), folder / "made_from.txt"
    if made.exists() and made.read_text() == wanted:
        return
    print(f"Making the environment benchmarks/scratch/{name}; this takes some minutes.", flush=True)
    new = [sys.executable, "-m", "venv", "--clear", str(folder)]
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check", "-r", str(path)]
    for command in (new, pip):
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise PeerFailed(f"its environment could not be made: {_last_line(done.stderr)}")
    made.write_text(wanted)


def add_earlier(commit: str) -> str:
    """Makes Lamina as it was at a commit take part, beside itself in the table; returns what this peer is called."""
    folder = SCRATCH / "earlier"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=HERE.parent, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    now = PEERS["lamina"]
    others = {name: PEERS.pop(name) for name in list(PEERS) if name != "lamina"}
    variables = {"BENCH_PEER": "lamina", "PYTHONPATH": str(folder / "src")}
    PEERS["earlier"] = replace(now, title=f"Lamina at {commit[:7]}", variables=variables)
    PEERS.update(others)
    return "earlier"


def _python(peer: Peer) -> str:
    return sys.executable if peer.environment is None else str(SCRATCH / peer.environment / "bin/python")


class Process:
    """A worker of one peer.

    Args:
        name: the peer's.
        task: what the worker is to do, see `worker.py`.
        cache: the folder for compiled programs.
    """

    def __init__(self, name: str, task: str, cache: Path) -> None:
        peer, self._log_path = PEERS[name], SCRATCH / "logs" / f"{name}.txt"
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        variables |= {"BENCH_PEER": name, "TF_CPP_MIN_LOG_LEVEL": "2", **peer.variables}
        variables |= {"JAX_COMPILATION_CACHE_DIR": str(cache / "jax"), "TORCHINDUCTOR_CACHE_DIR": str(cache / "torch")}
        with self._log_path.open("a") as log:
            self._process = subprocess.Popen(
                [_python(peer), str(HERE / "worker.py"), task],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=variables,
                start_new_session=True,
            )

    def ask(self, limit: float, do: str, *arguments: Any) -> Any:
        """Returns what the worker answers to a request. Raises PeerFailed for an error, an end, or no answer in time."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, "arguments": arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer will say that it has ended
        return self.answer(limit)

    def answer(self, limit: float) -> Any:
        """Returns the next answer, whose wait must be no longer than the limit in seconds."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], limit)
        if not ready:
            self.stop()
            raise PeerFailed(f"no answer within {limit:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise PeerFailed(f"its process ended: {_last_line(self._log_path.read_text(errors='replace'))}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerFailed(answer["error"].splitlines()[0][:200])
        return answer["result"]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends the process and what it started, such as compilers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def once(name: str, task: str, cache: Path, limit: float) -> tuple[float, Any]:
    """Runs a new process for one answer; returns the seconds from its start to the answer, and the answer."""
    start = time.perf_counter()
    process = Process(name, task, cache)
    try:
        answer = process.answer(limit)
        return time.perf_counter() - start, answer
    finally:
        process.stop()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1][:200]
