"""What lamina.ops.math and rearrange do where Keras says nothing, and bad input."""

import jax
import numpy as np
import pytest

import lamina
from lamina import ops
from lamina.core.symbolic import SymbolicTensor
from ops.cases import real


def test_the_number_of_segments_may_follow_from_their_numbers():
    np.testing.assert_array_equal(ops.segment_sum([1.0, 2.0, 3.0], [0, 2, 2]), [1, 0, 5])


def test_gradients_of_segments():
    gradient = jax.grad(lambda x: ops.segment_max(x, np.array([0, 0, 1]), 2).sum())(np.array([1.0, 3.0, 2.0]))
    assert gradient.tolist() == [0, 1, 1]


def test_rearrange_can_be_compiled_and_takes_unknown_sizes():
    x = real(2, 6, 5)
    split = lambda x: ops.rearrange(x, "b (t p) w -> b t (p w)", p=3)  # noqa: E731
    np.testing.assert_array_equal(lamina.jit(split)(x), x.reshape(2, 2, 15))
    assert split(SymbolicTensor((None, 6, 5))).shape == (None, 2, 15)
    assert ops.rearrange(np.ones((4, 1)), "a 1 -> 1 a 1").shape == (1, 4, 1)


@pytest.mark.parametrize(
    "pattern, sizes, message",
    [
        ("a b c", {}, "left and right of one '->'"),
        ("a b c -> a b", {}, "the same axes"),
        ("a b b -> a b b", {}, "each once"),
        ("a b -> b a", {}, "2 axes on the left"),
        ("a (b d) c -> a b d c", {}, "do not follow"),
        ("a (b d) c -> a b d c", {"d": 4}, "size 6 cannot be"),
    ],
)
def test_patterns_that_do_not_fit_are_refused(pattern, sizes, message):
    with pytest.raises(ValueError, match=message):
        ops.rearrange(real(2, 6, 5), pattern, **sizes)


def test_complex_numbers_need_two_parts():
    with pytest.raises(ValueError, match="last axis of size 2"):
        ops.view_as_complex(real(3, 3))
