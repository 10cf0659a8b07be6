"""What lamina.ops.nn does where Keras differs or says nothing: pooling by its definition, and bad input."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from comparing import assert_close
from lamina import ops
from lamina.core.symbolic import SymbolicTensor
from ops.cases import probabilities, real
from properties import examples

IMAGES = real(2, 6, 6, 4)


@examples(5)
@hypothesis.given(length=st.integers(1, 9), data=st.data())
def test_adaptive_pooling_takes_the_windows_of_its_definition(length, data):
    size = data.draw(st.integers(1, length))
    x = real(2, length, 3)
    windows = [x[:, i * length // size : -(-(i + 1) * length // size)] for i in range(size)]
    np.testing.assert_allclose(ops.adaptive_max_pool(x, size), np.stack([w.max(1) for w in windows], 1))
    np.testing.assert_allclose(ops.adaptive_average_pool(x, size), np.stack([w.mean(1) for w in windows], 1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pool", [ops.max_pool, ops.average_pool])
def test_the_window_moves_by_its_size_unless_told_otherwise(pool):
    np.testing.assert_array_equal(pool(IMAGES, (2, 3)), pool(IMAGES, (2, 3), (2, 3)))


def test_integers_can_be_pooled():
    assert ops.max_pool(np.arange(-4, 0).reshape(1, 4, 1), 2).ravel().tolist() == [-3, -1]


@pytest.mark.parametrize(
    "function, arguments, shape",
    [
        (ops.conv, (real(3, 3, 4, 5), 2, "same"), (None, None, None, 5)),
        (ops.conv_transpose, (real(3, 3, 5, 4), 2, "same"), (None, None, None, 5)),
        (ops.max_pool, (2, 2, "same"), (None, None, None, 4)),
        (ops.average_pool, (2,), (None, None, None, 4)),
        (ops.adaptive_average_pool, (3,), (None, 3, 3, 4)),
        (ops.layer_normalization, (), (None, None, None, 4)),
        (ops.one_hot, (7,), (None, None, None, 4, 7)),
    ],
)
def test_images_of_unknown_size(function, arguments, shape):
    assert function(SymbolicTensor((None, None, None, 4)), *arguments).shape == shape


@examples(5)
@hypothesis.given(classes=st.integers(1, 6), axis=st.sampled_from([0, 1, -1]))
def test_sparsemax_is_the_nearest_distribution(classes, axis):
    """The nearest one is max(x − τ, 0) for some τ, and there is one τ only that gives the sum 1."""
    x = real(3, classes, 2)
    p = np.moveaxis(np.asarray(ops.sparsemax(x, axis)), axis, -1)
    assert_close(p.sum(-1), 1)
    for row, logits in zip(p.reshape(-1, p.shape[-1]), np.moveaxis(x, axis, -1).reshape(-1, p.shape[-1]), strict=True):
        tau = (logits - row)[row > 0]
        assert np.ptp(tau) < 1e-5 and (row >= 0).all() and (logits[row == 0] <= tau[0] + 1e-5).all()


def test_multi_hot_puts_the_classes_where_it_is_told():
    rows = np.array([[0, 2], [1, 1]])
    np.testing.assert_array_equal(ops.multi_hot(rows, 3, axis=0), ops.multi_hot(rows, 3).T)


def test_integers_and_half_precision_are_normalised():
    np.testing.assert_allclose(ops.normalize(np.array([3, 4])), [0.6, 0.8], rtol=1e-3)
    x = (np.ones((2, 300)) * 300).astype("float16")
    assert ops.rms_normalization(x).dtype == jnp.float16
    np.testing.assert_allclose(ops.rms_normalization(x), 1, rtol=1e-3)
    np.testing.assert_allclose(ops.moments(x, 1)[0], 300)


def test_losses_of_certain_outputs_are_finite_and_have_finite_gradients():
    certain = jnp.array([[0.0, 1.0]])
    for loss in (ops.binary_crossentropy, ops.categorical_crossentropy):
        for target in (certain, 1 - certain):
            value, gradient = jax.value_and_grad(lambda out: jnp.sum(loss(target, out)))(certain)  # noqa: B023
            assert jnp.isfinite(value) and jnp.isfinite(gradient).all()
    assert jnp.isfinite(ops.sparse_categorical_crossentropy([0], certain)).all()


def test_attention_over_one_place_is_its_value():
    value = real(1, 1, 2, 4)
    assert_close(ops.dot_product_attention(real(1, 3, 2, 4), real(1, 1, 2, 4), value)[0, 2], value[0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "message, bad",
    [
        ("takes 3 channels", lambda: ops.conv(IMAGES, real(3, 3, 3, 5))),
        ("takes 3 channels", lambda: ops.conv_transpose(IMAGES, real(3, 3, 5, 3))),
        ("padding must be 'valid' or 'same', not 'full'", lambda: ops.conv(IMAGES, real(3, 3, 4, 5), padding="full")),
        ("data_format must be", lambda: ops.max_pool(IMAGES, 2, data_format="NHWC")),
        ("at least one axis more", lambda: ops.max_pool(real(2, 3), 2)),
        ("pool_size must be one integer, or 2", lambda: ops.average_pool(IMAGES, (2, 2, 2))),
        ("strides must be one integer", lambda: ops.conv(IMAGES, real(3, 3, 4, 5), strides=1.5)),
        ("of one shape", lambda: ops.binary_crossentropy(real(3), real(2))),
        ("of one shape", lambda: ops.categorical_crossentropy(real(3, 1), real(3, 2))),
        ("a target of shape \\(3,\\)", lambda: ops.sparse_categorical_crossentropy(np.zeros((3, 2), int), real(3, 2))),
        ("signals of one shape", lambda: ops.psnr(real(3), real(2), 1.0)),
        ("query has shape \\(2, 3\\)", lambda: ops.dot_product_attention(real(2, 3), real(2, 3), real(2, 3))),
        ("'greedy' or 'beam_search'", lambda: ops.ctc_decode(real(1, 3, 2), np.array([3]), "best")),
        ("beam_width of 2", lambda: ops.ctc_decode(real(1, 3, 2), np.array([3]), "beam_search", beam_width=2, top_paths=3)),
    ],
)
def test_bad_input_is_refused_with_a_sentence(message, bad):
    with pytest.raises(ValueError, match=message):
        bad()


def test_the_beam_search_finds_labels_that_no_single_path_makes_likeliest():
    """Graves 2012: the blank is likeliest at each time, but two paths more give the label."""
    p = np.array([[[0.6, 0.4], [0.6, 0.4]]], "float32")
    assert ops.ctc_decode(np.log(p), np.array([2]))[0].tolist() == [[[-1, -1]]]
    labels, score = ops.ctc_decode(np.log(p), np.array([2]), "beam_search", beam_width=4)
    assert labels.tolist() == [[[1, -1]]]
    assert_close(np.exp(score), 0.64)


def test_the_probabilities_of_all_labels_add_up_to_one():
    score = ops.ctc_decode(np.log(probabilities(1, 4, 3)), np.array([4]), "beam_search", beam_width=80, top_paths=80)[1]
    assert_close(np.exp(score).sum(), 1, rtol=1e-4)
