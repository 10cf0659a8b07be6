"""GELU: the numbers of Keras, in at least float32, and derivatives of any kind and order."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from properties import examples


def inputs(shape, seed=0):
    return np.random.default_rng(seed).normal(0, 3, shape).astype("float32")


def close(actual, desired, tolerance):
    np.testing.assert_allclose(np.float64(actual), np.float64(desired), rtol=tolerance, atol=tolerance)


@given(dtype=st.sampled_from(["float32", "float16", "bfloat16", "int32"]), approximate=st.booleans(), seed=st.integers(0, 99))
@examples(8)
def test_it_is_that_of_keras_and_half_precision_is_computed_in_float32(dtype, approximate, seed):
    x = jnp.asarray(inputs(50, seed), dtype)
    actual, desired = lamina.ops.gelu(x, approximate), keras.ops.gelu(x, approximate)
    assert actual.dtype == desired.dtype
    exact = jax.nn.gelu(x.astype("float32"), approximate)
    close(actual, exact, {"float16": 2**-11, "bfloat16": 2**-8}.get(dtype, 1e-6))


@pytest.mark.parametrize("approximate", [False, True])
def test_it_is_differentiated_forwards_backwards_and_twice(approximate):
    x, v = inputs((4, 3)), inputs((4, 3), 1)

    def everything(f):
        def loss(x):
            return jnp.sum(jnp.sin(f(x, approximate)) * v)

        return jax.jvp(lambda x: f(x, approximate), (x,), (v,)), jax.vmap(jax.grad(loss))(x[None]), jax.hessian(loss)(x)

    ours, theirs = jax.jit(lambda: (everything(lamina.ops.gelu), everything(jax.nn.gelu)))()
    for actual, desired in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        close(actual, desired, 1e-5)
