"""Convolution, pooling and batch normalisation: numbers equal Keras's, eager equals compiled, shapes follow."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from properties import examples

sizes = st.integers(1, 3)


def images(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def assert_like_keras(ours, theirs, x, rtol=2e-5, **kwargs):
    """The same weights give the same outputs, plainly and compiled, and the shape that is promised for an unknown batch."""
    ours(x)
    theirs(x)
    ours.set_weights(theirs.get_weights())
    expected = np.asarray(theirs(x, **kwargs))
    np.testing.assert_allclose(ours(x, **kwargs), expected, rtol=rtol, atol=1e-5)
    np.testing.assert_allclose(lamina.jit(lambda x: ours(x, **kwargs))(x), expected, rtol=rtol, atol=1e-5)
    assert ours(lamina.Input(x.shape[1:])).shape == (None, *expected.shape[1:])


@examples(25)
@given(
    kernel=st.tuples(sizes, sizes),
    strides=sizes,
    dilation=sizes,
    groups=st.sampled_from([1, 2]),
    channels=st.sampled_from([2, 6]),
    padding=st.sampled_from(["valid", "same"]),
    bias=st.booleans(),
)
def test_convolution_equals_keras(kernel, strides, dilation, groups, channels, padding, bias):
    strides, dilation = (1 if dilation > 1 else strides), (dilation if padding == "valid" else 1)
    options = dict(strides=strides, dilation_rate=dilation, groups=groups, padding=padding, use_bias=bias, activation="relu")
    x = images((2, 9, 8, channels))
    assert_like_keras(layers.Conv2D(4, kernel, **options), keras.layers.Conv2D(4, kernel, **options), x)


@examples(25)
@given(
    name=st.sampled_from(["MaxPooling2D", "AveragePooling2D"]),
    size=st.tuples(sizes, sizes),
    strides=st.sampled_from([None, 1, 2]),
    padding=st.sampled_from(["valid", "same"]),
    height=st.integers(3, 8),
)
def test_pooling_equals_keras(name, size, strides, padding, height):
    ours, theirs = (getattr(library.layers, name)(size, strides, padding) for library in (lamina, keras))
    assert_like_keras(ours, theirs, images((2, height, 7, 3)))


@pytest.mark.parametrize("name", ["GlobalAveragePooling2D", "GlobalMaxPooling2D"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_pooling_equals_keras(name, keepdims):
    ours, theirs = (getattr(library.layers, name)(keepdims=keepdims) for library in (lamina, keras))
    assert_like_keras(ours, theirs, images((2, 5, 7, 3)))


@pytest.mark.parametrize("make", [lambda f: layers.Conv2D(4, 3, data_format=f), lambda f: layers.MaxPooling2D(data_format=f)])
def test_channels_may_come_first(make):
    x = images((2, 8, 7, 3))
    last, first = make("channels_last"), make("channels_first")
    outputs = last(x)
    first(np.moveaxis(x, -1, 1))
    first.set_weights(last.get_weights())
    np.testing.assert_allclose(np.moveaxis(first(np.moveaxis(x, -1, 1)), 1, -1), outputs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape, axis", [((4, 3), -1), ((2, 5, 4, 3), -1), ((2, 5, 4, 3), 1)])
@pytest.mark.parametrize("center, scale", [(True, True), (False, True), (True, False)])
def test_batch_normalization_equals_keras_in_training_and_after(shape, axis, center, scale):
    options = dict(axis=axis, momentum=0.8, center=center, scale=scale)
    ours, theirs = layers.BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    x = images(shape) * 3 + 1
    for training in (True, True, False):
        expected = np.asarray(theirs(x, training=training))
        np.testing.assert_allclose(ours(x, training=training), expected, rtol=1e-4, atol=1e-5)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_frozen_batch_normalization_uses_and_keeps_its_moving_averages():
    layer = layers.BatchNormalization()
    x = images((8, 3)) + 5
    layer(x, training=True)
    layer.trainable = False
    kept = layer.get_weights()
    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    for a, b in zip(kept, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_mixed_policy_keeps_the_statistics_in_float32():
    layer = layers.BatchNormalization(dtype="mixed_bfloat16")
    assert layer(images((64, 3)), training=True).dtype == jnp.bfloat16
    assert layer.moving_mean.dtype == np.float32
    assert layers.Conv2D(2, 3, dtype="mixed_float16")(images((1, 5, 5, 1))).dtype == jnp.float16


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: layers.Conv2D(0, 3), "filters"),
        (lambda: layers.Conv2D(2, (3, 0)), "kernel_size"),
        (lambda: layers.Conv2D(2, 3, padding="causal"), "padding"),
        (lambda: layers.Conv2D(3, 3, groups=2), "groups"),
        (lambda: layers.Conv2D(2, 3, data_format="nhwc"), "data_format"),
        (lambda: layers.MaxPooling2D((1, 2, 3)), "pool_size"),
        (lambda: layers.BatchNormalization(axis=4)(images((2, 3))), "axis 4"),
        (lambda: layers.Conv2D(2, 3).build((None, 8, 8, None)), "channels"),
    ],
)
def test_bad_arguments_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
