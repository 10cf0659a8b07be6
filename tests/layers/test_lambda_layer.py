"""Lambda: reserved arguments, masks, and shapes that have to be given."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.core.masks import mask_of

X = np.array([[1.0, 2.0], [3.0, 0.0]], "float32")


def test_the_function_is_told_of_training_and_mask_if_it_asks():
    def function(x, training, mask=None, scale=1):
        return x * scale * (10 if training else 1) + (0 if mask is None else mask[..., None])

    layer = layers.Lambda(function, arguments={"scale": 2})
    np.testing.assert_array_equal(layer(X), 2 * X)
    np.testing.assert_array_equal(layer(X, training=True), 20 * X)
    np.testing.assert_array_equal(layer(layers.Masking()(X[None]))[0], 2 * X + 1)


def test_the_mask_of_the_outputs_is_what_is_said():
    masked = layers.Masking()(X[None])
    assert mask_of(layers.Lambda(lambda x: 2 * x)(masked)) is None
    np.testing.assert_array_equal(mask_of(layers.Lambda(lambda x: 2 * x, mask=lambda x, mask: ~mask)(masked)), [[False, False]])
    fixed = jnp.array([[True, False]])
    assert mask_of(layers.Lambda(lambda x: 2 * x, mask=fixed)(masked)) is fixed


def test_variables_among_the_arguments_are_its_weights():
    scale = lamina.Variable(np.float32(3), name="scale")
    layer = layers.Lambda(lambda x, scale: x * scale, arguments={"scale": scale})
    np.testing.assert_array_equal(layer(X), 3 * X)
    assert layer.trainable_weights == [scale]


@pytest.mark.parametrize("output_shape", [(7,), lambda shape: (shape[0], 7)])
def test_a_function_that_needs_numbers_may_say_its_shape(output_shape):
    def function(x):
        return jnp.asarray(np.resize(np.asarray(x), (len(x), 7)))

    layer = layers.Lambda(function, output_shape, dynamic=True)
    assert layer(lamina.Input((2,))).shape == (None, 7)
    assert layer.compute_output_shape((None, 2)) == (None, 7)
    np.testing.assert_array_equal(layer(X), function(X))


def test_a_config_holds_the_function_itself_and_functions_with_a_name_by_it():
    def function(x):
        return x + 1

    assert layers.Lambda(function).get_config()["function"] is function
    layer = layers.Lambda.from_config(layers.Lambda(lamina.activations.relu).get_config())
    np.testing.assert_array_equal(layer(-X), 0 * X)


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="Lambda takes a function, not 3"):
        layers.Lambda(3)
