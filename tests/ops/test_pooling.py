"""The largest element of each window, and its gradient, are those of XLA's windows, also where several are the largest."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparing import assert_close
from lamina import ops
from properties import examples


@pytest.fixture(autouse=True)
def on_the_cpu():
    with jax.default_device(jax.devices("cpu")[0]):
        yield


def with_gradient(pool, weights):
    return jax.jit(lambda x: (pool(x), jax.grad(lambda x: jnp.sum(weights * pool(x) ** 2))(x)))


@examples(9)
@given(
    sizes=st.lists(st.integers(3, 7), min_size=1, max_size=3),
    padding=st.sampled_from(["valid", "same"]),
    first=st.booleans(),
    data=st.data(),
)
def test_of_several_largest_elements_the_first_takes_the_gradient(sizes, padding, first, data):
    axes = len(sizes)
    window = data.draw(st.tuples(*[st.integers(1, 3)] * axes))
    strides = data.draw(st.one_of(st.just(window), st.tuples(*[st.integers(1, 3)] * axes)))
    full = ((1, 1, *window), (1, 1, *strides)) if first else ((1, *window, 1), (1, *strides, 1))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = jnp.asarray(random.integers(-2, 3, (2, 2, *sizes) if first else (2, *sizes, 2)), "float32")

    def theirs(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, *full, padding.upper())

    def ours(x):
        return ops.max_pool(x, window, strides, padding, "channels_first" if first else "channels_last")

    weights = jnp.asarray(random.normal(size=theirs(x).shape), "float32")
    for a, b in zip(with_gradient(ours, weights)(x), with_gradient(theirs, weights)(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_maximum_that_is_not_a_number_stays_so():
    x = jnp.asarray([1.0, jnp.nan, 3.0, 2.0]).reshape(1, 4, 1)
    for strides in (1, 2):
        assert np.isnan(ops.max_pool(x, 2, strides)[0, 0, 0])


def test_the_maximum_has_forward_derivatives_and_those_of_its_gradient():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 6, 2)), "float32")

    def total(x):
        return jnp.sum(ops.max_pool(x, 3, 2) ** 3)

    along = jnp.ones_like(x)
    assert_close(jax.jvp(total, (x,), (along,))[1], jnp.sum(jax.grad(total)(x)))
    curvature = jax.grad(lambda x: jnp.sum(jax.grad(total)(x)))(x)
    assert_close(curvature, jax.jvp(jax.grad(total), (x,), (along,))[1])


@pytest.mark.parametrize("pool", [ops.max_pool, ops.average_pool])
def test_a_window_that_does_not_fit_is_refused(pool):
    with pytest.raises(ValueError, match=r"window reaches over \(3, 3\) .* \(2, 5\)"):
        pool(np.ones((1, 2, 5, 1)), 3)
