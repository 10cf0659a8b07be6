"""Input and InputLayer: where graphs start."""

import json

import keras
import pytest

import lamina
from lamina import layers


@pytest.mark.parametrize("options", [
    {"shape": (3,)}, {"shape": (), "batch_size": 2}, {"batch_shape": (None, None, 3), "dtype": "int32"},
    {"shape": (2, 1), "name": "pixels", "optional": True},
])  # fmt: skip
def test_an_input_has_the_shape_dtype_and_name_of_keras(options):
    ours, theirs = lamina.Input(**options), keras.Input(**options)
    assert (ours.shape, ours.dtype.name) == (theirs.shape, theirs.dtype) and ours._is_input
    layer, reference = ours._node.function, keras.layers.InputLayer(**options)
    assert isinstance(layer, layers.InputLayer) and layer.built and layer.input is layer.output is ours
    assert ours.name == layer.name == options.get("name", "input_layer")
    for attribute in ("batch_shape", "dtype", "optional"):
        assert getattr(layer, attribute) == getattr(reference, attribute)
    twin = layers.InputLayer.from_config(json.loads(json.dumps(layer.get_config())))
    assert twin.get_config() == layer.get_config() and twin.tensor is not ours


def test_results_of_calls_are_no_inputs():
    x = lamina.Input((3,))
    assert not (x + 1)._is_input and not layers.Dense(2)(x)._is_input and lamina.SymbolicTensor((2,))._is_input


def test_an_input_is_of_the_dtype_of_weights():
    before = lamina.dtype_policy()
    for policy, dtype in (("mixed_bfloat16", "float32"), ("bfloat16", "bfloat16")):
        lamina.set_dtype_policy(policy)
        try:
            assert lamina.Input((3,)).dtype == dtype
        finally:
            lamina.set_dtype_policy(before)


@pytest.mark.parametrize("options", [
    {}, {"shape": (3,), "batch_shape": (None, 3)}, {"batch_shape": (2, 3), "batch_size": 2}, {"shape": (-1,)},
    {"shape": ("two words",)}, {"shape": (1.5,)},
])  # fmt: skip
def test_shapes_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"shape|size"):
        lamina.Input(**options)
