"""The settings of weights are attributes of their layers, and what layers keep for themselves has no public name."""

import keras
import numpy as np
import pytest

import lamina
from lamina import layers

LAYERS = {
    "kernel": lambda **settings: layers.Dense(3, **settings),
    "bias": lambda **settings: layers.Conv1D(3, 2, **settings),
    "depthwise": lambda **settings: layers.SeparableConv1D(3, 2, **settings),
    "pointwise": lambda **settings: layers.SeparableConv1D(3, 2, **settings),
    "recurrent": lambda **settings: layers.GRU(3, **settings),
    "gamma": lambda **settings: layers.LayerNormalization(**settings),
    "beta": lambda **settings: layers.BatchNormalization(**settings),
    "alpha": lambda **settings: layers.PReLU(**settings),
    "embeddings": lambda **settings: layers.Embedding(4, 2, **settings),
}


@pytest.mark.parametrize("weight", LAYERS)
def test_names_become_objects_that_are_read_by_the_names_of_the_arguments(weight):
    settings = {f"{weight}_initializer": "ones", f"{weight}_regularizer": "l2", f"{weight}_constraint": "non_neg"}
    layer = LAYERS[weight](**settings)
    kinds = [lamina.initializers.Ones, lamina.regularizers.L2, lamina.constraints.NonNeg]
    assert [type(getattr(layer, name)) for name in settings] == kinds
    assert {name: layer.get_config()[name] for name in settings} == settings


def test_a_setting_that_is_changed_before_the_build_counts():
    layer = layers.Dense(3)
    layer.kernel_initializer = lamina.initializers.Constant(2.0)
    layer.kernel_regularizer = lamina.regularizers.L1(0.5)
    layer(np.ones((1, 2)))
    np.testing.assert_array_equal(layer.kernel, np.full((2, 3), 2.0))
    np.testing.assert_allclose(layer.losses, [6.0])


# Of every layer, arguments that Keras keeps on its objects alone, and what else is documented.
OURS = {"dynamic", "name", "bias", "seed_generator", "interpolation", "state_size", "states", "mean", "variance", "copy"}


@pytest.mark.parametrize("name", [name for name in layers.__all__ if isinstance(getattr(layers, name), type)])
def test_a_layer_has_no_public_name_that_keras_lacks(name):
    if name == "InputSpec":
        pytest.skip("It is not a layer.")
    theirs = getattr(keras.layers, name, keras.Layer)
    found = {own for own in dir(getattr(layers, name)) if not own.startswith("_")}
    assert found - set(dir(theirs)) <= OURS
