"""Keras is the reference for numbers: it runs on JAX here, and has to be told before it is imported."""

import os

import pytest

from pages import browser

__all__ = ["browser"]

os.environ["KERAS_BACKEND"] = "jax"

# Rooms whose tests run many small programs once: nearly all of their time would go into optimizing these. All others, and all
# tests of `make test-slow`, compile as users do.
QUICKLY_COMPILED = {"layers", "losses", "metrics", "ops", "optimizers"}


@pytest.fixture(autouse=True, scope="module")
def quick_compiling(request):
    import jax

    quick = request.path.parent.name in QUICKLY_COMPILED and request.config.option.markexpr != "slow"
    jax.config.update("jax_disable_most_optimizations", quick)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
