"""Masking: which steps count, and that layers that support it pass this on."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.masks import mask_of
from properties import examples


@given(value=st.sampled_from([0.0, -1.0, 2]), seed=st.integers(0, 99))
@examples(10)
def test_steps_that_hold_the_value_only_are_left_out_as_in_keras(value, seed):
    x = np.random.default_rng(seed).choice([0.0, -1.0, 2.0], (3, 5, 2)).astype("float32")
    outputs, expected = layers.Masking(value)(x), keras.layers.Masking(value)(x)
    np.testing.assert_array_equal(outputs, expected)
    np.testing.assert_array_equal(mask_of(outputs), expected._keras_mask)
    np.testing.assert_array_equal(mask_of(outputs), (x != value).any(-1))


PASSING = {
    "Activation": lambda: layers.Activation("relu"),
    "ActivityRegularization": lambda: layers.ActivityRegularization(0.1),
    "Dense": lambda: layers.Dense(3),
    "Dropout": lambda: layers.Dropout(0.5),
    "ELU": lambda: layers.ELU(),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "Identity": lambda: layers.Identity(),
    "PReLU": lambda: layers.PReLU(),
    "SpatialDropout1D": lambda: layers.SpatialDropout1D(0.5),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Dense(3)),
}


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("training", [False, True])
def test_masks_pass_through_eagerly_and_compiled(name, training):
    x = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")
    x[0, 2:] = x[2, :] = 0
    masking, layer = layers.Masking(), PASSING[name]()
    np.testing.assert_array_equal(mask_of(layer(masking(x), training=training)), x[..., 0] != 0)
    compiled = lamina.jit(lambda x: mask_of(layer(masking(x), training=training)))
    np.testing.assert_array_equal(compiled(x), x[..., 0] != 0)


def test_layers_that_do_not_support_masks_end_them():
    x = layers.Masking()(np.ones((3, 4, 2)))
    for layer in (layers.Flatten(), layers.Reshape((8,)), layers.Permute((2, 1)), layers.EinsumDense("abc,cd->abd", (None, 2))):
        assert mask_of(layer(x)) is None
