"""Configs of models: out, through JSON, and in again, the same architecture."""

import json
import operator

import jax
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops
from ops.cases import CALLS

RNG = np.random.default_rng(0)


class BlockOfLayers(layers.Layer):
    """A layer of one's own, with parts, options in a tuple, and two arguments in its call."""

    def __init__(self, units, inner=None, sizes=(1, 2), **kwargs):
        super().__init__(**kwargs)
        self.first, self.inner, self.sizes = layers.Dense(units), inner, sizes

    def call(self, x, scale=None, *, power=1):
        x = self.first(x) if self.inner is None else self.inner(self.first(x))
        return {"out": x**power * (1 if scale is None else scale), "size": ops.sum(x, axis=tuple(self.sizes[:1]))}


class Written(lamina.Model):
    def __init__(self, units, activation="relu", shape=(2, 3), **kwargs):
        super().__init__(**kwargs)
        self.shape_of_it = shape
        self.steps = [layers.Dense(units, activation=activation), layers.Dense(units)]

    def call(self, x):
        for step in self.steps:
            x = step(x)
        return x


def branches():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,))
    shared, last = layers.Dense(3, name="shared"), layers.Dense(2)
    h = layers.add([shared(shared(x)), shared(y)])
    return lamina.Model([x, y], [last(h), layers.Concatenate()([h, x])], name="branches")


def operators():
    x = lamina.Input(("time", 4), name="x")
    table = np.arange(4, dtype="float32")
    parts = ops.split(x, 2, axis=-1)
    y = ops.exp(-(x**2)) + x[:, :1] * 2.0 + table - 1.5 * x[..., ::-1] @ np.eye(4, dtype="float32")
    return lamina.Model(x, {"y": layers.Dense(1)(y), "z": [ops.cast(parts[0] > 0, "int32"), ops.where(parts[1] > 0, parts[1], 0)],
                            "w": lamina.activations.elu(x[:, 0, None], alpha=0.5), "v": ops.sum(x, axis=(1, 2))})  # fmt: skip


def nested():
    x = lamina.Input((5, 3))
    inner = lamina.Model(x, {"a": layers.Conv1D(2, 2)(x) if hasattr(layers, "Conv1D") else layers.Dense(2)(x), "b": x[:, 0]})
    y = lamina.Input((5, 3), name="y")
    parts = inner(y)
    tail = lamina.Sequential([layers.TimeDistributed(layers.Dense(2, name="step")), layers.Flatten()])
    return lamina.Model({"in": y}, (tail(parts["a"]), [Written(2)(parts["b"])]), trainable=False)


def own_layers():
    x, y = lamina.Input((4, 3)), lamina.Input((1,))
    block = BlockOfLayers(2, inner=layers.Dense(2, kernel_regularizer="l2"), sizes=(1, (2, 3)))
    first, second = block(x), block(x, scale=y[:, None], power=2)
    return lamina.Model([x, y], [first["out"], second["out"], second["size"]])


def contributions():
    x = lamina.Input((3,))
    hidden = layers.Dense(4, activity_regularizer="l1")
    h = hidden(x)
    model = lamina.Model(x, layers.Dense(1)(h))
    model.add_loss([ops.mean(h**2), ops.mean(layers.Dense(1, name="critic")(h))])
    hidden.add_metric(ops.max(h), name="most")
    assert model.layers[-1].name == "critic" and len(model.weights) == 6
    return model


def stacked():
    return lamina.Sequential(
        [lamina.Input((3,), batch_size=2), layers.Dense(2), lamina.Sequential([layers.Dense(1)])], name="stacked"
    )


def deferred():
    model = lamina.Sequential([layers.Dense(2), layers.BatchNormalization(), Written(3)])
    model(np.ones((2, 4), "float32"))
    return model


KINDS = [branches, operators, nested, own_layers, contributions, stacked, deferred]


def data_for(model):
    tensors, tree = jax.tree.flatten(model.input)
    sizes = [[4 if isinstance(size, str) else size or 2 for size in tensor.shape] for tensor in tensors]
    return jax.tree.unflatten(tree, [RNG.normal(size=shape).astype(t.dtype) for shape, t in zip(sizes, tensors, strict=True)])


@pytest.mark.parametrize("make", KINDS)
def test_a_config_passes_through_json_and_gives_the_same_architecture(make):
    model = make()
    config = json.loads(json.dumps(model.get_config()))
    through_text = lamina.models.model_from_json(model.to_json(indent=1))
    base = lamina.Sequential if isinstance(model, lamina.Sequential) else lamina.Model
    data = data_for(model)
    expected = model(data)
    for twin in (base.from_config(config), type(model).from_config(model.get_config()), through_text):
        assert type(twin) is type(model) and twin.built and twin.name == model.name and twin.trainable == model.trainable
        assert [(w.path, w.shape, w.trainable) for w in twin.weights] == [(w.path, w.shape, w.trainable) for w in model.weights]
        assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        assert twin.output_names == model.output_names and (twin.input_names == model.input_names or make is deferred)
        assert json.dumps(twin.get_config()) == json.dumps(model.get_config())
        assert not set(twin.weights) & set(model.weights)
        twin.set_weights(model.get_weights())
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), twin(data), expected)
        assert jax.tree.structure(twin(data)) == jax.tree.structure(expected)
        assert_close([*map(float, twin.losses)], [*map(float, model.losses)])
        assert [m.name for m in twin.metrics] == [m.name for m in model.metrics]


def test_every_function_of_ops_can_be_written_unless_it_is_given_a_function():
    for name, _, one in CALLS:
        inputs = []

        def symbol(leaf, inputs=inputs):
            if isinstance(leaf, np.ndarray) and leaf.ndim:
                inputs.append(lamina.Input(batch_shape=leaf.shape, dtype=leaf.dtype))
                return inputs[-1]
            return leaf

        args, kwargs = jax.tree.map(symbol, (one.args, one.kwargs))
        if not inputs or one.data_dependent or name == "convert_to_numpy":
            continue
        model = lamina.Model(inputs, operator.attrgetter(name)(ops)(*args, **kwargs))
        if any(map(callable, jax.tree.leaves((args, kwargs)))):
            with pytest.raises(TypeError, match=f"lamina.ops.{name}.*[Ww]rite a layer"):
                model.get_config()
            continue
        twin = lamina.Model.from_config(json.loads(json.dumps(model.get_config())))
        assert twin.get_config() == model.get_config() and twin.output_shape == model.output_shape, name


def test_a_model_that_is_not_built_stays_so():
    twin = lamina.Sequential.from_config(lamina.Sequential([layers.Dense(2, name="a"), layers.Dense(1)]).get_config())
    assert not twin.built and [layer.name for layer in twin.layers] == ["a", "dense"]


def test_a_subclass_is_described_by_its_constructor():
    model = Written(4, shape=(7, (8, 9)), name="mine")
    twin = lamina.models.model_from_json(model.to_json())
    model.build((None, 3)), twin.build((None, 3))
    assert (type(twin), twin.shape_of_it) == (Written, (7, (8, 9)))
    assert [w.path for w in twin.weights] == [w.path for w in model.weights]


def own_function(x):
    return x + 1


@pytest.mark.parametrize("spoil, words", [
    (lambda x: layers.Lambda(own_function, name="plus")(x), r"'plus' \(Lambda\).*own_function.*'function'.*[Ww]rite a layer"),
    (lambda x: layers.Dense(1, own_function, name="d")(x), r"'d' \(Dense\).*own_function.*'activation'.*[Ww]rite a layer"),
    (lambda x: lamina.core.graph.op(own_function)(x), "own_function.*[Ww]rite a layer"),
    (lambda x: ops.vectorized_map(own_function, x), "vectorized_map.*own_function.*[Ww]rite a layer"),
    (lambda x: x * lamina.Variable(np.ones(3, "float32"), name="free"), "mul.*free.*[Ww]rite a layer"),
    (lambda x: lamina.Sequential([layers.Lambda(own_function, name="plus")])(x), "'plus'.*[Ww]rite a layer"),
])  # fmt: skip
def test_code_is_refused_when_a_config_is_asked_for(spoil, words):
    x = lamina.Input((3,))
    model = lamina.Model(x, spoil(x))
    assert model(np.ones((2, 3), "float32")).shape[0] == 2
    for ask in (model.get_config, model.to_json):
        with pytest.raises(TypeError, match=words):
            ask()


def test_losses_that_are_functions_are_refused_too():
    model = branches()
    model.add_loss(lambda: 1.0)
    with pytest.raises(TypeError, match=r"loss.*[Ww]rite a layer"):
        model.get_config()


def test_a_function_that_lamina_knows_by_name_may_be_in_a_lambda():
    x = lamina.Input((3,))
    model = lamina.Model(x, layers.Lambda("tanh")(x))
    twin = lamina.Model.from_config(json.loads(json.dumps(model.get_config())))
    assert_close(twin(np.ones((1, 3))), np.tanh(np.ones((1, 3))), rtol=1e-6)


@pytest.mark.parametrize("name", [
    "os.system", "builtins.eval", "operator.attrgetter", "operator.methodcaller", "lamina.ops", "lamina.ops.numpy.jax", "exp",
    "lamina.ops.__builtins__", "jax.numpy.exp", "lamina.layers.Lambda", "lamina.core.graph.record",
])  # fmt: skip
def test_a_config_never_leads_to_a_function_that_graphs_do_not_record(name):
    config = branches().get_config()
    config["calls"][-1] = {**config["calls"][-1], "function": name}
    config["calls"][-1].pop("layer", None)
    with pytest.raises(ValueError, match=f"Unknown function '{name}'"):
        lamina.Model.from_config(config)


@pytest.mark.parametrize("change, words", [
    (lambda config: config["calls"][0].update(layer="gone"), "Unknown layer 'gone'"),
    (lambda config: config["layers"][2].update(class_name="Dens"), "Unknown class 'Dens'.*Dense"),
    (lambda config: config["calls"][0].update(args=[{"__tensor__": 99}]), "tensor 99"),
    (lambda config: config["calls"][0].update(outputs=[3, 4]), "1 tensors, not 2"),
    (lambda config: config["calls"][-1].update(args=[[0], 9]), "no tensor"),
    (lambda config: config.update(inputs=["x", "nobody"]), "Unknown layer 'nobody'"),
])  # fmt: skip
def test_a_config_that_does_not_fit_together_is_refused(change, words):
    config = branches().get_config()
    change(config)
    with pytest.raises(ValueError, match=words):
        lamina.Model.from_config(config)


def test_text_of_something_else_is_no_model():
    with pytest.raises(ValueError, match="of no model"):
        lamina.models.model_from_json(json.dumps({"units": 3}))


def test_every_function_of_the_public_rooms_goes_by_a_public_name():
    from lamina.models.graph_config import known_functions

    table = known_functions()
    assert {table.name_of(ops.exp.recorded), table.name_of(layers.add.recorded)} == {"lamina.ops.exp", "lamina.layers.add"}
    assert all(table.find_own(table.name_of(function), "function") is function for function in table.own().values())
    assert table.name_of(lamina.activations.elu.recorded) in {"lamina.ops.elu", "lamina.activations.elu"}
