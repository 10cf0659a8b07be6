"""Options: any layer with any values of its arguments has the numbers and gradients of Keras."""

import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layers.test_every_layer import CASES, NOT_IN_KERAS, arguments, assert_close, each, gradients, inputs, make
from properties import examples

# Values of arguments, by their names, for whatever layer takes them.
VALUES = {
    "activation": ["relu", "tanh", "softplus", None],
    "alpha": [0.3, 1.0, 2.0],
    "center": [True, False],
    "data_format": ["channels_first", "channels_last", None],
    "depth_multiplier": [1, 2, 3],
    "dilation_rate": [1, 2, 3],
    "epsilon": [1e-6, 1e-3, 0.1],
    "filters": [2, 4],
    "go_backwards": [True, False],
    "groups": [1, -1, 2],
    "interpolation": ["nearest", "bilinear", "bicubic", "lanczos3"],
    "invert": [True, False],
    "keepdims": [True, False],
    "kernel_size": [1, 2, 3],
    "mask_value": [0.0, 0.5],
    "mask_zero": [True, False],
    "max_value": [None, 0.4, 6.0],
    "merge_mode": ["concat", "sum", "ave", "mul"],
    "momentum": [0.0, 0.9, 1.0],
    "negative_slope": [0.0, 0.3],
    "normalize": [True, False],
    "offset": [0.0, 2.0],
    "output_mode": ["one_hot", "multi_hot", "count", "int"],
    "output_padding": [None, 0, 1],
    "output_size": [1, 2, 3],
    "padding": ["valid", "same", "causal"],
    "pool_size": [1, 2, 3],
    "recurrent_activation": ["sigmoid", "hard_sigmoid", "tanh"],
    "reset_after": [True, False],
    "return_sequences": [True, False],
    "scale": [True, False],
    "score_mode": ["dot", "concat"],
    "shared_axes": [None, [1], [2]],
    "size": [1, 2, 3],
    "sliding_window": [None, 1, 2],
    "strides": [None, 1, 2, 3],
    "threshold": [0.0, 0.2],
    "unit_forget_bias": [True, False],
    "units": [2, 5],
    "unroll": [True, False],
    "use_bias": [True, False],
    "use_gate": [True, False],
    "use_scale": [True, False],
    "value_dim": [None, 2, 3],
    "zero_output_for_mask": [True, False],
}


def varied(layer, like, changes):
    """Returns a layer anew with other values. Keras's config is not what it was given, but what followed from that; ours is."""
    given = {key: value for key, value in like.get_config().items() if key not in ("name", "dtype", "trainable")}
    if any(isinstance(value, dict) or callable(value) for value in given.values()):
        return type(layer).from_config({**layer.get_config(), **changes})
    return type(layer)(**{**given, **changes})


def compare(name, x, changes):
    """Compares a layer with that of Keras, but for combinations of values that Keras refuses."""
    try:
        theirs = varied(make(name, keras.layers), make(name), changes)
        theirs.build(*arguments(name, each(np.shape, x)))
        random = np.random.default_rng(1)
        weights = [random.uniform(0.05, 0.3, w.shape).astype(w.dtype) for w in theirs.weights]
        theirs.set_weights(weights)
        by_theirs, (expected, *_) = gradients(theirs, name, x)
    except (ValueError, TypeError, NotImplementedError, ZeroDivisionError):
        return
    if expected.size == 0 or np.isnan(expected).any():
        return  # of a window larger than the inputs, which is refused here
    ours = varied(make(name), make(name), changes)
    ours.build(*arguments(name, each(np.shape, x)))
    ours.set_weights(weights)
    by_ours, (found, *_) = gradients(ours, name, x)
    assert_close(found, expected, 1e-5)
    for one, other in zip(jax.tree.leaves(by_ours), jax.tree.leaves(by_theirs), strict=True):
        assert_close(one, other, 1e-5)


def choices(name):
    taken = inspect.signature(type(make(name))).parameters
    return {key: st.sampled_from(VALUES[key]) for key in taken if key in VALUES and (name, key) != ("Rescaling", "scale")}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_IN_KERAS and choices(name)])
@given(data=st.data(), sizes=st.sampled_from([(1, 6), (3, 5)]), seed=st.integers(0, 99))
@examples(1)
def test_any_options_are_those_of_keras(name, data, sizes, seed):
    changes = data.draw(st.fixed_dictionaries({}, optional=choices(name)))
    compare(name, each(jnp.asarray, inputs(name, *sizes, seed)), changes)
