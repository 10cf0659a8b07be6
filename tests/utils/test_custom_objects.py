"""Classes and functions of one's own go by the names that they were given."""

import gc

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
    with pytest.raises(
        ValueError, match=r"Unknown class 'Other' in layers\. The custom object of that name, .*halve.*, is not a class"
    ):
        utils.deserialize_keras_object(config, custom_objects={"Other": halve})
    with pytest.raises(TypeError, match="no argument 'custom'"):
        utils.deserialize_keras_object(config, custom={})


def test_scopes_come_before_what_is_given_and_that_before_what_is_registered_or_defined():
    def kind(number):
        return type("Kind", (layers.Layer,), {"number": number})

    defined, registered, given, around, inner = map(kind, range(5))
    utils.register_keras_serializable("mine")(registered)
    config = utils.serialize_keras_object(registered())
    assert config["registered_name"] == "mine>Kind"
    for name in ("Kind", "mine>Kind", f"{__name__}.Kind"):

        def read(objects=None, name=name):
            return type(layers.deserialize(config, objects and {name: objects}))

        assert read() is registered and read(given) is given
        with utils.custom_object_scope({name: around}):
            assert read() is read(given) is around
            with utils.custom_object_scope({name: inner}), utils.custom_object_scope({"other": given}):
                assert read() is read(given) is inner
            assert read() is around
        assert read() is registered
    assert utils.get_registered_object("mine>Kind", {"mine>Kind": given}) is given
    assert utils.get_registered_object("mine>Kind", module_objects={"mine>Kind": given}) is registered
    assert type(layers.deserialize({**config, "registered_name": "gone>Kind"}, {"Kind": defined})) is defined


def test_two_things_under_one_name_are_refused_with_the_places_of_both():
    utils.register_keras_serializable("mine", "half")(halve)
    utils.register_keras_serializable("mine", "half")(halve)  # the same again

    def third(x):
        return x / 3

    words = (
        r"'mine>half' is the name of .*halve \(.*test_custom_objects\.py:\d+.*third \(.*test_custom_objects\.py:\d+.*another name"
    )
    with pytest.raises(ValueError, match=words):
        utils.register_keras_serializable("mine", "half")(third)
    with pytest.raises(ValueError, match="'mine>half' is the name of"):
        utils.register_keras_serializable("mine", "half")(type("Half", (layers.Layer,), {}))

    def register(name):  # from one and the same line
        return utils.register_keras_serializable("mine", "x")(type(name, (layers.Layer,), {}))

    kept = register("One")
    with pytest.raises(ValueError, match=r"'mine>x' is the name of .*One .*and cannot be that of .*Other"):
        register("Other")
    assert utils.get_registered_object("mine>x") is kept
    assert utils.get_registered_object("mine>half") is halve and utils.get_registered_name(third) == "third"
    del utils.get_custom_objects()["mine>half"]
    utils.register_keras_serializable("mine", "half")(third)
    assert utils.get_registered_object("mine>half") is third
    utils.register_keras_serializable("mine", "a_third")(third)  # a second name: both lead to it
    assert utils.get_registered_object("mine>half") is utils.get_registered_object("mine>a_third") is third
    assert utils.serialize_keras_object(third) == "mine>a_third"


def test_what_is_put_into_the_table_is_kept_and_what_is_registered_is_known_while_something_holds_it():
    table = utils.get_custom_objects()
    table["third"] = lambda x: x / 3
    table.update(half=halve)
    utils.register_keras_serializable("mine", "gone")(lambda x: x)
    gc.collect()
    assert lamina.activations.get("third")(3.0) == 1.0 and dict(utils.get_custom_objects())["half"] is halve
    assert repr(table) == f"<CustomObjects {', '.join(table)}>"
    assert "mine>gone" not in table and {"third", "half"} <= set(table) and len(table) == len(set(table))
    with pytest.raises(ValueError, match=r"Unknown activation 'mine>gone'.*for as long as something holds it"):
        lamina.activations.get("mine>gone")
    for name in ("mine>gone", "nothing"):
        with pytest.raises(KeyError):
            del table[name]
    utils.register_keras_serializable("mine")(halve)
    table.clear()
    assert not table and utils.get_registered_name(halve) == "halve"


def test_what_cannot_be_registered_or_given_says_so():
    for thing in (np.exp, [1], layers.Dense(1).get_config):
        with pytest.raises(TypeError, match=r"cannot be registered\. Define a function that calls it"):
            utils.register_keras_serializable("mine", "thing")(thing)
    for wrong in ([halve], halve, "halve"):
        for take in (utils.custom_object_scope, lambda objects: lamina.losses.deserialize("mse", objects)):
            with pytest.raises(TypeError, match="custom_objects is a dict of classes and functions by name, not"):
                take(wrong).__enter__()


def test_models_take_custom_objects_all_the_way_down():
    class Halving(layers.Layer):
        def call(self, x):
            return x / 2

    x = lamina.Input((2, 2))
    inner = lamina.Sequential([lamina.Input((2, 2)), layers.TimeDistributed(Halving(name="h"))])
    for model in (lamina.Model(x, inner(x) + 1), lamina.Sequential([x, inner])):
        text, config = model.to_json(), model.get_config()
        other = type("Halving", (layers.Layer,), {"call": lambda self, x: x / 4})
        for again in (
            lamina.models.model_from_json(text, custom_objects={"Halving": other}),
            type(model).from_config(config, custom_objects={"Halving": other}),
            lamina.Model.from_config(config, {"Halving": other}) if isinstance(model, lamina.Functional) else None,
        ):
            if again is not None:
                assert type(again.get_layer(inner.name).layers[0].layer) is other
        assert type(lamina.models.model_from_json(text).get_layer(inner.name).layers[0].layer) is Halving

    class Net(lamina.Model):
        def __init_subclass__(cls):
            super().__init_subclass__()

        def __init__(self, inner):
            x = lamina.Input((2, 2))
            super().__init__(x, layers.TimeDistributed(inner)(x))

        @classmethod
        def from_config(cls, config):
            return super().from_config(config)

    text = Net(Halving()).to_json()
    for kind in (Halving, other):
        again = lamina.models.model_from_json(text, {"Halving": kind})
        assert isinstance(again, Net) and type(again.layers[1].layer) is kind

    with utils.custom_object_scope({"halved": lambda x: x / 2}):
        model = lamina.Sequential([lamina.Input((2,)), layers.Dense(1, "halved", kernel_initializer="ones")])
    with pytest.raises(ValueError, match="Unknown activation 'halved'"):
        lamina.models.clone_model(model)
    clone = lamina.models.clone_model(model, custom_objects={"halved": lambda x: x / 4})
    assert clone(np.ones((1, 2))) == 0.5
