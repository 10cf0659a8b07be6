"""Classes and functions of one's own go by the names that they were given."""

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers, utils


@pytest.fixture(autouse=True)
def forgotten():
    """What a test registers is gone after it."""
    before = dict(utils.get_custom_objects())
    yield
    utils.get_custom_objects().clear()
    utils.get_custom_objects().update(before)


def halve(x):
    return x / 2


def test_functions_go_into_configs_by_their_name():
    named = utils.register_keras_serializable("mine", "half")(lambda x: x / 2)
    assert utils.get_registered_name(named) == "mine>half" and utils.get_registered_object("mine>half") is named
    layer = layers.Dense(2, activation=named, kernel_initializer="ones")
    config = utils.serialize_keras_object(layer)
    assert config["config"]["activation"] == "mine>half"
    twin = utils.deserialize_keras_object(config)
    np.testing.assert_array_equal(twin(jnp.ones((1, 4))), [[2, 2]])
    with pytest.raises(ValueError, match="has no name that Lamina knows"):
        utils.serialize_keras_object(halve)


def test_classes_go_by_the_name_that_they_are_given():
    @utils.register_keras_serializable("mine")
    class Halving(layers.Layer):
        def call(self, x):
            return x / 2

    model = lamina.Sequential([lamina.Input((2,)), Halving()])
    config = model.get_config()
    assert "mine>Halving" in str(config)
    np.testing.assert_array_equal(lamina.Sequential.from_config(config)(jnp.ones((1, 2))), [[0.5, 0.5]])
    with pytest.raises(ValueError, match="Thing has no get_config"):
        utils.register_keras_serializable()(type("Thing", (), {}))


def test_scopes_end_and_nest():
    with utils.custom_object_scope({"halve": halve}), utils.CustomObjectScope({"loss": lambda y, p: jnp.abs(y - p)}):
        assert layers.Activation("halve")(jnp.ones(1)) == 0.5
        assert lamina.losses.get("loss")(jnp.ones((1, 1)), jnp.zeros((1, 1))) == 1
        assert utils.get_registered_object("halve") is halve
    for names in (lamina.activations, lamina.losses):
        with pytest.raises(ValueError, match="Unknown"):
            names.get("halve")
    assert utils.get_registered_object("halve", {"halve": halve}) is utils.get_registered_object("halve", None, {"halve": halve})


def test_a_config_may_name_what_is_given_with_it():
    config = {"family": "layers", "class_name": "Other", "config": {"units": 3}}
    made = utils.deserialize_keras_object(config, custom_objects={"Other": layers.Dense})
    assert isinstance(made, layers.Dense) and made.units == 3
    with pytest.raises(ValueError, match="Unknown class 'Other'"):
        utils.deserialize_keras_object(config, custom_objects={"Other": halve})
    with pytest.raises(TypeError, match="no argument 'custom'"):
        utils.deserialize_keras_object(config, custom={})
