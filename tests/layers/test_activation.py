"""Activation layers: masks of Softmax, slopes of PReLU, and arguments that are refused."""

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparing import assert_close
from lamina import layers
from properties import examples


@given(
    mask_shape=st.sampled_from([(2, 3, 4), (3, 4), (4,), (3, 1), (1, 3, 1)]),
    axis=st.sampled_from([-1, 1, (1, 2)]),
    kind=st.sampled_from(["bool", "float32"]),
    dtype=st.sampled_from(["float32", "mixed_float16", "mixed_bfloat16"]),
    data=st.data(),
)
@examples(8)
def test_masked_softmax_is_that_of_keras(mask_shape, axis, kind, dtype, data):
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    mask = data.draw(hnp.arrays("bool", mask_shape)).astype(kind)
    actual = layers.Softmax(axis, dtype=dtype)(x, mask=mask)
    desired = keras.layers.Softmax(axis, dtype=dtype)(x, mask=jnp.asarray(mask))
    assert actual.dtype == desired.dtype
    np.testing.assert_allclose(np.float32(actual), np.float32(desired), rtol=4e-2 if "mixed" in dtype else 1e-6, atol=1e-6)


def test_what_is_masked_has_no_share_and_no_gradient_whatever_it_is():
    x = jnp.array([[1.0, 3e38, 2.0], [1.0, 2.0, 3.0]])
    mask = jnp.array([[True, False, True], [False, False, False]])
    np.testing.assert_allclose(layers.Softmax()(x, mask=mask)[0], [0.26894143, 0, 0.73105858], rtol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(layers.Softmax()(x, mask=mask) ** 2))(x)
    assert np.isfinite(gradient).all()
    assert (gradient[~mask] == 0).all()


@pytest.mark.parametrize("shape", [(2,), (3, 4), (1, 2, 3)])
def test_masks_that_do_not_broadcast_are_refused(shape):
    with pytest.raises(ValueError, match=r"A mask of shape .* does not broadcast to inputs of shape \(2, 3\)"):
        layers.Softmax()(np.ones((2, 3)), mask=np.ones(shape, "bool"))


@pytest.mark.parametrize("shared_axes", [None, 1, [1, 2], (2,), [1, 2, 3]])
def test_slopes_are_learned_for_each_place_that_is_not_shared(shared_axes):
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    ours, theirs = layers.PReLU(shared_axes=shared_axes), keras.layers.PReLU(shared_axes=shared_axes)
    ours(x), theirs(x)
    alpha = np.random.default_rng(1).uniform(size=theirs.alpha.shape).astype("float32")
    ours.set_weights([alpha]), theirs.set_weights([alpha])
    assert_close(ours(x), theirs(x), rtol=1e-6)
    assert_close(ours(x), np.where(x > 0, x, alpha * x), rtol=1e-6)


def test_arguments_that_cannot_be():
    for make in (
        lambda: layers.ReLU(max_value=-1.0),
        lambda: layers.ReLU(negative_slope=-0.1),
        lambda: layers.ReLU(threshold=None),
        lambda: layers.LeakyReLU(-1),
    ):
        with pytest.raises(ValueError, match=r"(max_value|slope|threshold) of (Leaky)?ReLU must be a number that is not negative"):
            make()
    with pytest.raises(ValueError, match="Unknown activation 'rleu'"):
        layers.Activation("rleu")
    for axes in (0, 3, [1, -1]):
        with pytest.raises(ValueError, match=r"inputs of shape \(2, 3, 4\) have the axes \[1, 2\]"):
            layers.PReLU(shared_axes=axes).build((2, 3, 4))
    with pytest.raises(ValueError, match="the size of axis 1 of its input is unknown"):
        layers.PReLU().build((None, None, 4))
    layer = layers.PReLU(shared_axes=1)
    layer.build((None, None, 4))
    with pytest.raises(ValueError, match="axis 2 to have size 4"):
        layer(np.ones((2, 3, 5)))
