"""Dtypes have names, tensors have sources, configs are frozen."""

import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import layers, utils


@pytest.mark.parametrize("dtype", [None, "int64", int, float, bool, np.float16, np.dtype("uint8"), jnp.bfloat16, jnp.int32])
def test_dtypes_have_the_names_of_keras(dtype):
    assert utils.standardize_dtype(dtype) == keras.utils.standardize_dtype(keras.config.floatx() if dtype is None else dtype)


def test_what_is_no_dtype_is_refused():
    with pytest.raises(ValueError, match="'float23' is not a dtype"):
        utils.standardize_dtype("float23")


def test_sources_are_found_through_layers_and_shared_calls():
    x, y, z = (lamina.Input((3,), name=name) for name in "xyz")
    shared = layers.Dense(3)(x)
    outputs = {"a": shared + layers.concatenate([shared, y])[:, :3], "b": z}
    assert utils.get_source_inputs(outputs["a"]) == [x, y] and utils.get_source_inputs(outputs) == [x, y, z]
    assert utils.is_keras_tensor(shared) and not utils.is_keras_tensor(jnp.ones(3))


def test_a_config_is_a_dict_until_it_is_frozen():
    config, reference = (module.Config(rate=0.1) for module in (utils, keras.utils))
    for made in (config, reference):
        made.epochs = 3
        made["name"] = "first"
        made.update({"rate": 0.2})
        del made["name"]
    assert config.as_dict() == reference.as_dict() == {"rate": 0.2, "epochs": 3} and config.to_json() == reference.to_json()
    assert [*config] == [*config.keys()] == ["rate", "epochs"] and "rate" in config and len(config) == 2
    assert config.get("name", 7) == 7 and config.pop("name", 8) == 8 and dict(config.items()) == config.as_dict()
    with pytest.raises(AttributeError, match="has no 'name', but rate, epochs"):
        _ = config.name
    with pytest.raises(AttributeError, match="something of its own under the name 'update'"):
        config.update = 3
    config.freeze()
    for change in (lambda: config.update(rate=1), lambda: config.pop("rate"), lambda: config.__delitem__("rate")):
        with pytest.raises(ValueError, match="The config is frozen, so 'rate'"):
            change()
    assert repr(config) == "<Config rate=0.2, epochs=3>"
    config.unfreeze()
    config.rate = 1
    assert config.rate == 1
