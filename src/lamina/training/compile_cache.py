"""Compiled programs kept on disk, so that the next run of a script need not compile them again."""

import contextlib
import functools
import hashlib
import os
import platform
from pathlib import Path

import jax

from lamina.core.process import home

_SECONDS = 0.02  # what compiles faster is not worth a file
_BYTES = 2**30


@functools.cache
def keep_programs() -> None:
    """Lets JAX keep compiled programs on disk, in Lamina's folder (`core/process.py`).

    The way out is `LAMINA_COMPILE_CACHE=0` in the environment; another value is the folder to use. Where JAX has been given a
    folder (`jax_compilation_cache_dir`), that is used.
    """
    chosen = os.environ.get("LAMINA_COMPILE_CACHE", "")
    if chosen.lower() in ("0", "off", "no", "false"):
        return
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        folder = Path(chosen).expanduser() if chosen else _default_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _prune(folder)
        except OSError:  # a home that cannot be written to: programs are compiled each time
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _SECONDS)


def _default_folder() -> Path:
    return home() / f"programs-{_machine()}"


def _machine() -> str:
    """Returns what tells this kind of processor from others: a program may use instructions that others lack."""
    features = [platform.machine(), platform.processor()]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        features += [line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "Features"))][:1]
    return hashlib.sha256("\n".join(features).encode()).hexdigest()[:12]


def _prune(folder: Path) -> None:
    """Deletes the programs that have not been used for longest, where all together take more than a gigabyte."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another process may delete files, too
            about = path.stat()
            found.append((about.st_mtime, about.st_size, path))
    total = 0
    for _, size, path in sorted(found, reverse=True):
        total += size
        if total > _BYTES:
            path.unlink(missing_ok=True)
