"""What every test and every example in a docstring may count on."""

import os

import jax.numpy as jnp
import numpy as np
import pytest

import lamina

os.environ["LAMINA_COMPILE_CACHE"] = "0"  # tests leave nothing in the user's folders, and depend on nothing there


@pytest.fixture(autouse=True)
def names(doctest_namespace):
    """Examples know `np`, `jnp` and `lamina`; automatic names (`dense`, `dense_1`) start afresh in each test."""
    doctest_namespace.update(np=np, jnp=jnp, lamina=lamina)
    lamina.clear_session()
