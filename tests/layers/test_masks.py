"""Masks: layers that know of them compute with them, and pass them on, as in Keras; and refuse what is no mask of their inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.core.masks import with_mask
from layers.test_every_layer import CASES, assert_close, both, gradients, inputs, make

B, T = 4, 6
KERAS_CANNOT = {
    "ConvLSTM1D": "fails: the mask does not broadcast to the states",
    "ConvLSTM2D": "likewise",
    "ConvLSTM3D": "likewise",
    "SimpleRNN": "goes backwards, and Keras leaves the mask of the outputs forwards",
    "Softmax": "takes a mask of each number, not of each step; see test_activation.py",
}
# Of one input, of shape (batch, time, ...).
MASKED = [
    name
    for name, (layer, shape) in CASES.items()
    if isinstance(shape, str) and shape.startswith("b t") and layer(lamina.layers).supports_masking
]


@pytest.mark.parametrize("name", [name for name in MASKED if name not in KERAS_CANNOT])
def test_what_a_mask_does_and_where_it_goes_is_as_in_keras(name):
    x = jnp.asarray(inputs(name, B, T))
    mask = jnp.asarray(np.random.default_rng(3).random((B, T)) < 0.6).at[0].set(True)
    found, expected = ((by, *out[:2]) for by, out in (gradients(layer, name, x, mask) for layer in both(name, x)))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert_close(one, other, 1e-5)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_of_another_length_is_refused(name):
    x = jnp.asarray(inputs(name, B, T))
    layer = make(name)
    layer.build(x.shape)
    for shape in ((B, 1), (B, T + 1), (1, T)):
        with pytest.raises(ValueError, match="mask"):
            layer(with_mask(x * 1, jnp.ones(shape, bool)))


def test_a_mask_of_another_length_is_refused_by_what_merges_and_pools():
    x, mask = jnp.ones((2, 3, 4)), jnp.ones((2, 1), bool)
    for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"):
        with pytest.raises(ValueError, match=r"mask.* has shape \(2, 1\)"):
            getattr(lamina.layers, name)()([x, with_mask(x * 1, mask)])
    for data_format in ("channels_first", "channels_last"):
        with pytest.raises(ValueError, match=r"mask.* has shape \(2, 1\)"):
            lamina.layers.GlobalAveragePooling1D(data_format)(x, mask=mask)
