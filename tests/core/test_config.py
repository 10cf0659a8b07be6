"""Configs: captured from the constructor, and enough to make the object again."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.config import Configurable, deserialize, serialize
from properties import examples

X = np.ones((2, 3), "float32")


class Scaled(layers.Layer):
    def __init__(self, factor, power=2, *, shape=(1, 2), table=None, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.power, self.shape, self.table, self.inner = factor, power, shape, table, inner

    def call(self, x):
        return self.factor * x**self.power


class MoreScaled(Scaled):
    def __init__(self, extra=1, **kwargs):
        super().__init__(**kwargs)
        self.extra = extra


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(-1, 1), st.sampled_from(["relu", "", "é"])),
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.lists(children, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["a", "family", "config", "class_name"]), children, max_size=2),
    ),
    max_leaves=6,
)  # fmt: skip


@given(factor=VALUES, power=VALUES, shape=VALUES, positional=st.booleans(), name=st.sampled_from([None, "mine"]))
@examples(80)
def test_any_arguments_come_back_however_they_were_given(factor, power, shape, positional, name):
    layer = (
        Scaled(factor, power, shape=shape, name=name) if positional else Scaled(power=power, factor=factor, shape=shape, name=name)
    )
    config = layer.get_config()
    twin = Scaled.from_config(config)
    assert (twin.factor, twin.power, twin.shape, twin.name) == (factor, power, shape, layer.name)
    assert twin.get_config() == config
    assert set(config) == {"factor", "power", "shape", "table", "inner", "name", "trainable", "dtype"}


def test_nested_objects_become_dicts_that_json_can_hold_and_come_back():
    layer = MoreScaled(
        factor=np.float32(2.0),
        extra=lamina.initializers.Constant(3.0),
        inner=[
            layers.Dense(2, activation="relu", kernel_regularizer=lamina.regularizers.L2(0.5)),
            {"x": layers.Dropout(0.1)},
        ],
        table={"spec": lamina.constraints.MaxNorm(1.0)},
        dtype="mixed_bfloat16",
        trainable=False,
        name="mine",
    )
    config = json.loads(json.dumps(layer.get_config()))
    twin = MoreScaled.from_config(config)
    assert (twin.name, twin.dtype_policy.name, twin.trainable, twin.factor) == ("mine", "mixed_bfloat16", False, 2.0)
    assert isinstance(twin.extra, lamina.initializers.Constant) and isinstance(twin.inner[0], layers.Dense)
    assert twin.inner[0].units == 2 and twin.inner[1]["x"].rate == 0.1
    assert isinstance(twin.table["spec"], lamina.constraints.MaxNorm)
    assert json.loads(json.dumps(twin.get_config())) == config
    assert twin.inner[0] is not layer.inner[0]


def test_a_config_says_what_was_given_though_the_layer_changed_it_later():
    table = {"a": [1, 2]}
    layer = Scaled(1.0, table=table)
    layer.factor = 5.0
    layer.table["a"].append(3)
    assert (layer.get_config()["factor"], layer.get_config()["table"]) == (1.0, {"a": [1, 2]})
    config = layer.get_config()
    config["table"]["a"].append(4)
    assert layer.get_config()["table"] == {"a": [1, 2]}


def test_a_config_tells_the_present_trainable_and_the_name_given_by_itself():
    layer = Scaled(1.0)
    layer.trainable = False
    config = layer.get_config()
    assert config["trainable"] is False and config["name"] == "scaled"
    assert Scaled.from_config(config).trainable is False


def test_the_same_config_makes_the_same_numbers():
    for layer in (
        layers.Dense(3, "tanh", kernel_initializer=lamina.initializers.GlorotNormal(seed=3)),
        layers.Dropout(0.5, seed=2),
    ):
        twin = type(layer).from_config(layer.get_config())
        np.testing.assert_array_equal(layer(X, training=True), twin(X, training=True))


def test_subclasses_without_config_code_of_any_family_are_captured():
    class Decay(lamina.regularizers.Regularizer):
        def __init__(self, rate, *, floor=0.0):
            self.rate, self.floor = rate, floor

        def __call__(self, x):
            return self.rate * (x**2).sum() + self.floor

    layer = layers.Dense(1, kernel_regularizer=Decay(0.5, floor=1.0))
    twin = layers.Dense.from_config(json.loads(json.dumps(layer.get_config())))
    assert (twin.kernel_regularizer.rate, twin.kernel_regularizer.floor) == (0.5, 1.0)
    described = layer.get_config()["kernel_regularizer"]
    assert (described["module"], described["class_name"]) == (Decay.__module__, Decay.__qualname__)
    old = {"family": "regularizers", "class_name": "Custom>Decay", "config": described["config"]}  # as configs had it before
    assert type(layers.Dense(1, kernel_regularizer=old).kernel_regularizer) is Decay


def test_own_get_config_in_keras_style_works():
    class Old(layers.Layer):
        def __init__(self, units=1, **kwargs):
            super().__init__(**kwargs)
            self.units = units

        def get_config(self):
            config = super().get_config()
            config.update({"units": self.units + 1})
            return config

    twin = Old.from_config(Old(3, name="old").get_config())
    assert (twin.units, twin.name) == (4, "old")


def test_what_a_config_cannot_hold_says_so():
    class Many(layers.Layer):
        def __init__(self, *parts):
            super().__init__()

    with pytest.raises(NotImplementedError, match=r"Many.*\*parts.*get_config"):
        Many(1, 2).get_config()
    with pytest.raises(TypeError, match=r"Scaled.*facto.*factor"):
        Scaled.from_config({"facto": 1})


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "Custom>Nothing", "lamina.layers.Dense", "__import__"])
def test_a_config_never_leads_to_code_that_is_no_known_class(name):
    with pytest.raises(ValueError, match=r"[Uu]nknown"):
        deserialize({"family": "layers", "class_name": name, "config": {}})
    with pytest.raises(ValueError, match=r"[Uu]nknown"):
        deserialize({"family": name, "class_name": "Dense", "config": {}})
    with pytest.raises(ValueError, match=r"[Uu]nknown"):
        lamina.initializers.get(name)


def test_a_class_of_ones_own_may_be_called_as_one_of_laminas():
    class Dense(layers.Layer):
        def call(self, x):
            return x

    own = serialize(Dense(name="own"))
    assert type(deserialize(own)) is Dense and type(deserialize(serialize(layers.Dense(1)))) is layers.Dense


def test_plain_dicts_that_look_like_objects_stay_dicts_unless_they_are():
    assert deserialize(serialize({"family": "x", "a": 1})) == {"family": "x", "a": 1}
    assert issubclass(layers.Layer, Configurable)


def test_attributes_of_ones_own_may_have_any_public_name():
    class Net(layers.Layer):
        family, registry, module, tables = "effnet", {}, 3, []

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.family, self.registry, self.base = "other", [], None

    assert type(layers.deserialize(layers.serialize(Net()))) is Net


def test_rooms_serialize_and_deserialize_what_is_theirs():
    made = [
        (lamina.layers, lamina.layers.Dense(3, "relu")),
        (lamina.layers, lamina.Sequential([lamina.Input((2,)), lamina.layers.Dense(3)])),
        (lamina.optimizers, lamina.optimizers.Adam(lamina.optimizers.schedules.CosineDecay(0.1, 7), clipnorm=1.0)),
        (lamina.optimizers.schedules, lamina.optimizers.schedules.CosineDecay(0.1, 7)),
    ]
    for room, one in made:
        data = json.loads(json.dumps(room.serialize(one)))
        again = room.deserialize(data)
        assert type(again) is type(one) and again.get_config() == one.get_config()
        for bad in (3, [data]):
            with pytest.raises(TypeError):
                room.deserialize(bad)
        with pytest.raises(ValueError, match="Nothing"):
            room.deserialize({**data, "class_name": "Nothing"})
        for bad in ([1], "units", {"__tuple__": [1]}, 3):
            with pytest.raises(ValueError, match="must be a dict of arguments, not"):
                room.deserialize({**data, "config": bad})
