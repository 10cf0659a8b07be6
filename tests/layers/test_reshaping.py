"""Shapes: unknown sizes, empty batches, and what does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from properties import examples


@given(sizes=st.lists(st.integers(1, 4), max_size=4), data=st.data())
@examples(12)
def test_reshaping_keeps_the_order_of_a_sample(sizes, data):
    x = np.arange(3 * np.prod(sizes, dtype=int)).reshape(3, *sizes)
    target = data.draw(st.permutations(sizes))
    if target and data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    np.testing.assert_array_equal(layers.Reshape(target)(x), x.reshape(3, *target))
    np.testing.assert_array_equal(layers.Flatten()(x), x.reshape(3, -1))
    np.testing.assert_array_equal(layers.Flatten("channels_first")(x), np.moveaxis(x, min(1, len(sizes)), -1).reshape(3, -1))
    dims = data.draw(st.permutations(range(1, len(sizes) + 1)))
    np.testing.assert_array_equal(layers.Permute(dims)(x), x.transpose(0, *dims))


@pytest.mark.parametrize(
    "target, shape, expected",
    [
        ((-1, 4), (None, 8), (None, None, 4)),
        ((4, -1), (None, 6), (None, 4, None)),
        ((2, -1), (6, 3), (None, 2, 9)),
        ((-1,), (None, None), (None, None)),
        ((5, 6), (None, 3), (None, 5, 6)),
    ],
)
def test_a_size_may_follow_from_unknown_ones(target, shape, expected):
    assert layers.Reshape(target)(lamina.Input(shape)).shape == expected


def test_empty_batches_have_their_shape():
    x = jnp.ones((0, 3, 4))
    assert layers.Flatten()(x).shape == (0, 12)
    assert layers.Reshape((2, -1))(x).shape == (0, 2, 6)


def test_what_does_not_fit_is_refused():
    for target in ((-2, 3), (-1, -1), (2.5,), "ab"):
        with pytest.raises(ValueError, match="target_shape of Reshape must hold sizes"):
            layers.Reshape(target)
    for target in ((5,), (4, -1), (0, -1)):
        with pytest.raises(ValueError, match=r"Samples of shape \(2, 3\) hold 6 numbers, which the target_shape"):
            layers.Reshape(target)(np.ones((1, 2, 3)))
    for dims in ((0, 1), (1, 3), (1, 1)):
        with pytest.raises(ValueError, match=r"dims of Permute must hold each of 1, 2, ..., n once"):
            layers.Permute(dims)
    with pytest.raises(ValueError, match="expects 3 axes"):
        layers.Permute((2, 1))(np.ones((2, 3)))
    for n in (0, 1.5, True):
        with pytest.raises(ValueError, match="n of RepeatVector must be a positive integer"):
            layers.RepeatVector(n)
    with pytest.raises(ValueError, match="data_format of Flatten must be"):
        layers.Flatten("channels")
