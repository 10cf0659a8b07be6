"""Names in configs and arguments: each leads to the one class or function that is meant, or to none."""

import collections
import contextlib
import gc
import json
import re
import sys
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers, utils
from lamina.core.module import Module
from lamina.core.registry import Registry, is_own, tables

X = np.ones((2, 3), "float32")

BODIES = {
    "layers": ("lamina.layers.Layer", "def call(self, x): return x", "()"),
    "losses": ("lamina.losses.Loss", "def call(self, y, p): return abs(y - p)", "()"),
    "metrics": ("lamina.metrics.Metric", "def result(self): return 0.0", "()"),
    "optimizers": ("lamina.optimizers.SGD", "def extra(self): return self", "()"),
    "schedules": ("lamina.optimizers.schedules.LearningRateSchedule", "def __call__(self, step): return 0.1", "()"),
    "initializers": ("lamina.initializers.Initializer", "def __call__(self, shape, dtype): return np.ones(shape)", "()"),
    "regularizers": ("lamina.regularizers.Regularizer", "def __call__(self, x): return jnp.sum(x)", "()"),
    "constraints": ("lamina.constraints.Constraint", "def __call__(self, w): return w", "()"),
    "dtype_policies": ("lamina.DTypePolicy", "def extra(self): return self", "('float32')"),
    "optimizer_maps": ("lamina.optimizers.OptimizerMap", "def extra(self): return self", "(lamina.optimizers.SGD())"),
    "objects": ("lamina.core.module.Module", "def extra(self): return self", "()"),
}
WITH_GET = ["losses", "metrics", "optimizers", "initializers", "regularizers", "constraints"]


@pytest.fixture(autouse=True, scope="module")
def quick_collections():
    """What was there before these tests is passed over when garbage is collected, which they do often."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class Cell:
    """Runs code as a module or a cell of a notebook does, in a namespace that lasts; each time from another file."""

    def __init__(self, module):
        self.names = {"__name__": module, "lamina": lamina, "np": np, "jnp": jnp}
        self.runs = 0

    def run(self, source):
        self.runs += 1
        exec(compile(source, f"{self.names['__name__']}_{self.runs}.py", "exec"), self.names)
        return self.names

    def define(self, family, name="Twin"):
        base, body, _ = BODIES[family]
        return self.run(f"\nclass {name}({base}):\n    {body}")[name]


def made(family, cls):
    return eval(f"cls{BODIES[family][2]}", {"cls": cls, "lamina": lamina})


def written(family, cls):
    return json.loads(json.dumps(utils.serialize_keras_object(made(family, cls))))


def read(config, custom_objects=None):
    return type(utils.deserialize_keras_object(config, custom_objects))


def room_of(family):
    return lamina.optimizers.schedules if family == "schedules" else getattr(lamina, family)


# --- two of one name -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", BODIES)
def test_classes_of_one_name_are_told_apart_by_their_modules(family):
    one, other = Cell("first").define(family), Cell("second").define(family)
    for cls, module in ((one, "first"), (other, "second")):
        config = written(family, cls)
        assert (config["family"], config["module"], config["class_name"]) == (family, module, "Twin")
        assert read(config) is cls and read({"in": [config]}) is dict
        assert read(config, {"Twin": one}) is one and read(config, {"second.Twin": one, "first.Twin": other}) is not cls
        if hasattr(lamina, family):
            room = room_of(family)
            assert type(room.deserialize(config)) is cls and type(room.deserialize(config, {"Twin": one})) is one
            assert type(room.deserialize(config, custom_objects={"Twin": other})) is other


@pytest.mark.parametrize("family", BODIES)
@pytest.mark.parametrize("name", ["Twin", "Custom>Twin"])
def test_a_short_name_serves_where_one_class_has_it_and_is_refused_where_two_have(family, name):
    one = Cell("first").define(family)
    config = {**written(family, one), "class_name": name}
    del config["module"]  # as older configs have it
    assert read(config) is one
    if family in WITH_GET:
        assert type(room_of(family).get(name)) is one
    cell = Cell("second")
    other = cell.define(family)
    asks = [lambda: read(config), *([lambda: room_of(family).get(name)] if family in WITH_GET else [])]
    for ask in asks:
        with pytest.raises(ValueError, match=r"first\.Twin \(first_1\.py:2.* and second\.Twin \(second_1\.py:2.*custom_objects"):
            ask()
    assert read(config, {"Twin": other}) is other
    gone = weakref.ref(other)
    del other, cell
    assert read(config) is one and gone() is None


def test_classes_of_a_class_or_a_function_go_by_their_full_names():
    cell = Cell("first")
    cell.run("class A:\n    class Twin(lamina.Layer): pass\nclass B:\n    class Twin(lamina.Layer): pass")
    one, other = cell.names["A"].Twin, cell.names["B"].Twin
    assert [written("layers", cls)["class_name"] for cls in (one, other)] == ["A.Twin", "B.Twin"]
    assert [read(written("layers", cls)) for cls in (one, other)] == [one, other]


def test_a_users_module_may_be_called_as_a_library():
    one = Cell("keras.mine").define("layers")
    assert read(written("layers", one)) is one and type(layers.deserialize({**written("layers", one), "family": "layers"})) is one


def test_classes_that_the_same_lines_made_are_refused_while_both_live():
    def make(shift):
        class Twin(layers.Layer):
            def call(self, x):
                return super().call(x) + shift

        return Twin

    one, other = make(1), make(2)
    config = written("layers", one)
    with pytest.raises(
        ValueError, match=r"2 layers: .*make\.<locals>\.Twin \(.*test_registry\.py:\d+.* and .*test_registry\.py:\d+"
    ):
        read(config)
    assert read(config, {"Twin": other}) is other
    del other
    assert read(config) is one


def test_a_class_of_another_module_is_not_taken_for_one_that_is_not_there():
    config = {**written("layers", Cell("first").define("layers")), "module": "elsewhere"}
    gc.collect()
    one = Cell("second").define("layers")
    words = r"Unknown class 'elsewhere\.Twin' in layers\. There is another Twin, second\.Twin \(second_1.*custom_objects=\{'Twin'"
    with pytest.raises(ValueError, match=words):
        read(config)
    assert read(config, {"Twin": one}) is one
    assert read({**config, "module": "__main__"}) is one  # whichever program was run: no place to tell by


# --- definitions that are run again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", BODIES)
def test_a_cell_that_is_run_again_replaces_its_class_also_where_objects_of_the_old_one_live(family):
    cell = Cell("notebook")
    old = made(family, cell.define(family))
    new = cell.define(family)
    assert read(written(family, new)) is new and read(written(family, type(old))) is new
    if family in WITH_GET:
        assert type(room_of(family).get("Twin")) is new


def test_so_does_a_module_that_is_loaded_again(monkeypatch):
    cell = Cell("reloaded")
    source = "class Twin(lamina.losses.Huber):\n    pass"  # nothing in it tells of the module but its name
    old, new = (cell.run(source)["Twin"]() for _ in range(2))
    with pytest.raises(ValueError, match=r"reloaded_1\.py:1.*reloaded_2\.py:1"):
        read(written("losses", type(old)))
    module = type(sys)("reloaded")
    module.Twin = type(new)
    monkeypatch.setitem(sys.modules, "reloaded", module)
    assert read(written("losses", type(old))) is type(new)


def test_so_does_a_function_also_where_the_module_holds_it_wrapped():
    cell = Cell("notebook")
    for wrapper in ("", "@jax.jit\n", "@lamina.jit\n"):
        source = f"import jax\n{wrapper}@lamina.utils.register_keras_serializable('mine')\ndef act(x): return x"
        functions = [lamina.activations.get("act") for _ in range(2) if cell.run(source)]
        assert functions[0] is not functions[1] and lamina.activations.get("mine>act") is functions[1]


def test_a_definition_that_still_has_a_name_is_not_replaced():
    cell = Cell("notebook")
    cell.define("layers")
    cell.run("Old = Twin")
    cell.define("layers")
    for cls in (cell.names["Old"], cell.names["Twin"]):
        with pytest.raises(ValueError, match=r"notebook_1\.py:2.*notebook_3\.py:2"):
            read(written("layers", cls))
    cell.run("_3 = Old; del Old")  # what an interpreter keeps of a result is no name
    assert read(written("layers", cell.names["_3"])) is cell.names["Twin"]


def test_a_registered_definition_may_be_run_again():
    cell = Cell("notebook")
    source = "@lamina.utils.register_keras_serializable('mine')\nclass Twin(lamina.Layer):\n    def call(self, x): return x"
    old = cell.run(source)["Twin"]()
    new = cell.run(source)["Twin"]
    assert read(written("layers", new)) is new and read({"family": "layers", "class_name": "mine>Twin", "config": {}}) is new
    assert utils.get_registered_object("mine>Twin") is new and utils.get_custom_objects()["mine>Twin"] is new
    assert read(utils.serialize_keras_object(old)) is new


def test_a_clone_has_the_very_classes_of_its_model():
    cell = Cell("notebook")
    old = cell.define("layers")
    model = lamina.Sequential([lamina.Input((2, 3)), layers.TimeDistributed(old(name="a"), name="b")])
    new = cell.define("layers")
    assert type(lamina.models.clone_model(model).layers[0].layer) is old
    assert type(lamina.models.model_from_json(model.to_json()).layers[0].layer) is new

    one, other = Cell("same").define("layers"), Cell("same").define("layers")
    parts = [layers.TimeDistributed(one(), name="c"), layers.TimeDistributed(other(), name="d")]
    clone = lamina.models.clone_model(lamina.Sequential([lamina.Input((2, 3)), *parts]))
    assert [type(part.layer) for part in clone.layers] == [one, other]
    pair = layers.Bidirectional(layers.RNN([layers.SimpleRNNCell(2)]))
    assert type(pair.backward_layer.cell) is type(pair.forward_layer.cell)


# --- what has the name of one of Lamina's own ------------------------------------------------------------------------


def test_in_a_config_a_bare_name_is_laminas_own_and_in_code_it_is_refused_where_it_may_be_either():
    own, mine = layers.Dense, Cell("first").define("layers", "Dense")
    built_in = {"family": "layers", "class_name": "Dense", "config": {"units": 2}}
    assert read(built_in) is own and read(written("layers", mine)) is mine
    assert layers.serialize(own(2, name="d"))["class_name"] == "Dense"
    keras = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 2}, "registered_name": None}
    assert type(layers.deserialize(keras)) is own and type(layers.deserialize(keras, {"Dense": mine})) is own
    theirs = {"module": "first", "class_name": "Dense", "config": {}, "registered_name": "Dense"}  # as Keras writes it
    assert type(layers.deserialize(theirs)) is mine
    assert read(built_in, {"Dense": mine}) is own  # what says that it is built in stays so
    assert type(layers.deserialize({"class_name": "Dense", "config": {}}, {"Dense": mine})) is mine

    metric = Cell("first").define("metrics", "F1Score")
    with pytest.raises(ValueError, match=r"lamina.metrics.f_score.F1Score \(Lamina's own\) and first.F1Score \(first_1.py:2"):
        lamina.metrics.get("F1Score")
    assert type(lamina.metrics.get("f1_score")) is lamina.metrics.F1Score  # nobody else has this one
    assert type(lamina.metrics.get("first.F1Score")) is metric
    with utils.custom_object_scope({"F1Score": metric}):
        assert type(lamina.metrics.get("F1Score")) is metric
    utils.register_keras_serializable("mine")(metric)  # now it has a name to tell it by
    assert type(lamina.metrics.get("F1Score")) is lamina.metrics.F1Score
    assert type(lamina.metrics.get("mine>F1Score")) is metric


def test_laminas_own_names_are_unique_in_each_family_and_lead_to_what_they_name():
    def below(cls):
        return {cls, *(found for sub in cls.__subclasses__() for found in below(sub))}

    for family, table in tables.items():
        if table.base is not None and family != "objects":  # no config makes what is of no family, unless it is a user's
            ours = [cls for cls in below(table.base) if is_own(cls) and vars(sys.modules[cls.__module__]).get(cls.__name__) is cls]
            names = collections.Counter(cls.__name__ for cls in ours if cls._registry is table)
            assert [name for name, number in names.items() if number > 1] == [], family
            assert names.keys() <= table.own().keys()
        assert all(table.find_own(name, "thing") is thing for name, thing in table.own().items())
    assert {"layers", "losses", "metrics", "optimizers", "schedules", "initializers", "activations", "formulas"} <= tables.keys()


# --- functions -------------------------------------------------------------------------------------------------------


def test_functions_of_one_name_are_told_apart_by_their_packages():
    def half(x):
        return x / 2

    def third(x):
        return x / 3

    utils.register_keras_serializable("one", "part")(half)
    assert layers.Activation("part").activation is half and lamina.activations.get("Custom>part") is half
    utils.register_keras_serializable("other", "part")(third)
    assert [lamina.activations.get(name) for name in ("one>part", "other>part")] == [half, third]
    assert layers.Dense.from_config(json.loads(json.dumps(layers.Dense(1, third).get_config()))).activation is third
    for get in (
        lamina.activations.get,
        lamina.losses.get,
        lamina.metrics.get,
        lamina.initializers.get,
        lamina.metrics.MeanMetricWrapper,
    ):
        with pytest.raises(
            ValueError, match=r"'part' is the name of 2 .*half \(.*test_registry.py:\d+.* and .*third \(.*test_registry"
        ):
            get("part")
        get("one>part")
    assert lamina.activations.deserialize("part", custom_objects={"part": third}) is third
    with pytest.raises(ValueError, match=r"Unknown activation 'one>patr'.*'one>part'"):
        lamina.activations.get("one>patr")
    del third
    gc.collect()
    assert lamina.activations.get("part") is half


def test_a_registered_function_does_not_stand_in_the_way_of_laminas_own():
    relu = utils.register_keras_serializable("mine", "relu")(lambda x: x)
    assert lamina.activations.get("relu") is lamina.activations.relu and lamina.activations.get("mine>relu") is relu


def test_a_registered_loss_is_a_metric_and_a_function_of_a_metric_may_be_named():
    @utils.register_keras_serializable("mine")
    def off(y_true, y_pred):
        return jnp.abs(y_true - y_pred)

    metric = lamina.metrics.MeanMetricWrapper("mine>off")
    again = lamina.metrics.deserialize(json.loads(json.dumps(lamina.metrics.serialize(metric))))
    assert again.function is off and again([[0.0]], [[2.0]]) == 2.0
    assert lamina.losses.get("off")(jnp.ones((1, 1)), jnp.zeros((1, 1))) == 1.0


# --- nothing is kept, imported or run --------------------------------------------------------------------------------


@pytest.mark.parametrize("family", BODIES)
def test_classes_that_are_gone_are_let_go_of(family):
    cell = Cell("first")
    cls = cell.define(family)
    thing = made(family, cls)
    utils.register_keras_serializable("mine")(cls)
    read(written(family, cls))
    with contextlib.suppress(TypeError):
        cls(unknown_argument=1)
    gone = weakref.ref(cls)
    del thing, cls, cell
    gc.collect()
    assert gone() is None and "mine>Twin" not in utils.get_custom_objects()
    assert "Twin" not in tables[family].names()


def test_classes_of_models_that_were_trained_are_let_go_of():
    class Block(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight((shape[-1], 2))
            super().build(shape)

        def call(self, x, training=None):
            super().compute_mask(x)
            return x @ self.kernel

    class Net(lamina.Model):
        def __init__(self, units=2):
            x = lamina.Input((3,))
            super().__init__(x, layers.Dense(units)(x))

    x = lamina.Input((3,))
    model = lamina.Model(x, Block()(Net()(x)))
    model.compile("sgd", "mse")
    model.fit(X, np.ones((2, 2)), verbose=0)
    for again in (lamina.models.model_from_json(model.to_json()), lamina.models.clone_model(model)):
        assert list(map(type, again.layers)) == list(map(type, model.layers))
    gone = [weakref.ref(cls) for cls in (Net, Block, type(model.layers[1]))]
    del model, again, Net, Block
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


@pytest.mark.parametrize("described", [
    {"module": "antigravity", "class_name": "Twin"}, {"module": "os", "class_name": "system"},
    {"module": None, "class_name": "antigravity.Twin"}, {"module": "keras.src.utils", "class_name": "rmtree"},
    {"module": "lamina.layers", "class_name": "Layers"}, {"module": "subprocess", "class_name": "Popen"},
    {"module": "subprocess", "class_name": "Popen", "registered_name": "a>Popen"},
    {"module": "builtins", "class_name": "type"}, {"class_name": 3}, {"class_name": ["Dense"]}, {"class_name": None},
    {"class_name": "Dense", "module": 3}, {"class_name": "Dense", "registered_name": {"a": 1}}, {"class_name": "Adam"},
    {"class_name": ""}, {"class_name": "Custom>"}, {"class_name": "Custom>Dense"}, {"module": "__main__", "class_name": "Dense"},
])  # fmt: skip
def test_a_name_that_nothing_has_leads_to_nothing_and_imports_nothing(described):
    with pytest.raises(ValueError, match=r"Unknown class|goes by names"):
        layers.deserialize({"config": {}, **described})
    assert "antigravity" not in sys.modules


def test_a_function_table_is_no_family_of_objects():
    for family in ("activations", "formulas", "nothing", 3, None, ["layers"]):
        with pytest.raises(ValueError, match="Unknown family"):
            utils.deserialize_keras_object({"family": family, "class_name": "relu", "config": {}})


def test_a_table_of_ones_own_knows_what_it_was_told():
    def one():
        pass

    table = Registry("steps")
    table.add_aliases({"first": one, "1st": one})
    assert (table.find_own("1st", "step"), table.name_of(one), one in table, print in table) == (one, "first", True, False)
    for name in ("second", ["first"]):
        with pytest.raises(ValueError, match=re.escape(f"Unknown step {name!r} in a config")):
            table.find_own(name, "step")
    assert table.name_of([1]) is None and issubclass(layers.Layer, Module)
