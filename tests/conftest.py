"""Keras is the reference for numbers: it runs on JAX here, and has to be told before it is imported."""

import gc
import os

import pytest

import properties
from pages import browser

__all__ = ["browser"]

os.environ["KERAS_BACKEND"] = "jax"

# Rooms whose tests run many small programs once: nearly all of their time would go into optimizing these. All others, and all
# tests of `make test-slow`, compile as users do.
QUICKLY_COMPILED = {"layers", "losses", "metrics", "ops", "optimizers"}


@pytest.hookimpl(trylast=True)  # when it is known which examples are wanted
def pytest_configure():
    """Has XLA's older emitters compile what runs once: they take half the time. XLA reads this before it compiles first."""
    if not properties.many():
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_use_fusion_emitters=false"


def pytest_collection_finish():
    """What all modules have imported need not be looked through by each search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def quick_compiling(request):
    import jax

    quick = request.path.parent.name in QUICKLY_COMPILED and not properties.many()
    jax.config.update("jax_disable_most_optimizations", quick)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
