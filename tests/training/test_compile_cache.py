"""Compiled programs are kept on disk: a second run finds them, and there is a way out."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import numpy as np, jax, lamina
names = []
jax.monitoring.register_event_listener(lambda name, **_: names.append(name))
model = lamina.Sequential([lamina.layers.Dense(4, activation="tanh"), lamina.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(np.ones((10, 3), "float32"), np.ones((10, 1), "float32"), batch_size=4, verbose=0)
print(names.count("/jax/compilation_cache/cache_hits"), names.count("/jax/compilation_cache/cache_misses"))
"""


def run(**environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAMINA_", "JAX_", "XDG_"))}
    printed = subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**kept, **environment}, capture_output=True, text=True, check=True, timeout=120
    )
    hits, misses = map(int, printed.stdout.split())
    return hits, misses, printed.stderr


@pytest.mark.parametrize("by", ["XDG_CACHE_HOME", "LAMINA_COMPILE_CACHE", "JAX_COMPILATION_CACHE_DIR"])
def test_a_second_run_finds_the_programs_of_the_first(tmp_path, by):
    first, second = (run(**{by: str(tmp_path)}) for _ in range(2))
    assert first[0] == 0 and first[1] >= 2 and second[0] >= 2 and second[1] < first[1]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] and "rror" not in first[2] + second[2]


def test_nothing_is_kept_where_that_is_switched_off_or_cannot_be(tmp_path):
    assert run(XDG_CACHE_HOME=str(tmp_path), LAMINA_COMPILE_CACHE="0")[0] == 0 and not list(tmp_path.iterdir())
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert run(XDG_CACHE_HOME=str(blocked))[0] == 0


def test_what_has_not_been_used_for_longest_is_deleted(tmp_path, monkeypatch):
    from lamina.training import compile_cache

    for age, name in enumerate(["new", "old", "oldest"]):
        (tmp_path / name).write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(compile_cache, "_BYTES", 250)
    compile_cache._prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]
