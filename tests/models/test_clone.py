"""clone_model: the same architecture with layers and weights of its own."""

import jax
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops
from lamina.core.config import remade
from lamina.models import clone_model

X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def functional():
    x = lamina.Input((3,), name="x")
    shared = layers.Dense(3, name="shared")
    return lamina.Model(x, {"out": layers.Dense(2, name="last")(ops.tanh(shared(shared(x)))), "in": x * 2}, name="graph")


def sequential():
    return lamina.Sequential([lamina.Input((3,)), layers.Dense(4), layers.Lambda(lambda x: x + 1), layers.Dense(1)], name="stack")


def deferred():
    model = lamina.Sequential([layers.Dense(4), layers.Dense(1)])
    model(X)
    return model


def nested():
    x = lamina.Input((3,), name="x")
    inner = functional()
    return lamina.Model(x, sequential()(inner(inner(x)["in"])["in"]), trainable=False)


class Written(lamina.Model):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(units)

    def call(self, x):
        return self.dense(x)


class Tower(lamina.Model):
    def __init__(self, units):
        x = lamina.Input((3,))
        super().__init__(inputs=x, outputs=layers.Dense(units, name="dense")(x))


@pytest.mark.parametrize("make", [functional, sequential, deferred, nested, lambda: Written(5, name="w"), lambda: Tower(3)])
def test_a_clone_has_the_same_architecture_and_weights_of_its_own(make):
    model = make()
    clone = clone_model(model)
    expected, _ = model(X), clone(X)
    assert type(clone) is type(model) and clone.trainable == model.trainable
    inside = [w.path.split("/", 1)[1] for w in model.weights]
    assert [w.path.split("/", 1)[1] for w in clone.weights] == inside and clone.built
    assert not set(map(id, clone.weights)) & set(map(id, model.weights))
    assert not np.allclose(clone.get_weights()[0], model.get_weights()[0])
    clone.set_weights(model.get_weights())
    jax.tree.map(lambda a, b: assert_close(a, b, rtol=1e-6), clone(X), expected)


@pytest.mark.parametrize("options", [{}, {"recursive": True}, {"recursive": True, "clone_function": remade}])
@pytest.mark.parametrize("make", [functional, sequential, deferred, nested, lambda: Tower(3)])
def test_the_weights_of_a_clone_are_placed_as_the_originals_are(make, options):
    model = make()
    placement = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    for weight in model.weights[::2]:
        weight.placement = placement
    clone = clone_model(model, **options)
    clone(X)
    assert [weight.placement for weight in clone.weights] == [weight.placement for weight in model.weights]


def test_layers_may_be_cloned_by_a_function_which_may_keep_them():
    def renamed(layer):
        return type(layer).from_config({**layer.get_config(), "name": f"new_{layer.name}"})

    for model in (functional(), sequential()):
        clone = clone_model(model, clone_function=renamed)
        expected = [layer.name if isinstance(layer, layers.InputLayer) else f"new_{layer.name}" for layer in model.layers]
        assert [layer.name for layer in clone.layers] == expected
        assert clone_model(model, clone_function=lambda layer: layer).weights == model.weights


def test_calls_may_be_made_by_a_function():
    def with_dropout(layer, *args, **kwargs):
        return layers.Dropout(0.5)(layer(*args, **kwargs))

    model = functional()
    clone = clone_model(model, clone_function=lambda layer: layer, call_function=with_dropout)
    assert sum(isinstance(layer, layers.Dropout) for layer in clone.layers) == 3
    assert_close(clone(X)["out"], model(X)["out"], rtol=1e-6)


def test_models_inside_are_cloned_as_one_layer_or_recursively():
    model = nested()
    asked = []

    def note(layer):
        asked.append(layer.name)
        return type(layer).from_config(layer.get_config()) if not isinstance(layer, lamina.Model) else layer

    clone_model(model, clone_function=note)
    assert sorted(asked) == ["graph", "stack"]
    asked.clear()
    clone = clone_model(model, clone_function=note, recursive=True)
    assert sorted(asked) == ["dense", "dense_1", "lambda", "last", "shared"]
    assert clone.get_layer("graph").get_layer("shared") is not model.get_layer("graph").get_layer("shared")


def test_a_clone_may_start_from_given_tensors():
    y = lamina.Input((3,), name="y")
    doubled = y * 2
    for model, given in ((functional(), doubled), (sequential(), [doubled]), (deferred(), doubled)):
        clone = clone_model(model, input_tensors=given)
        assert clone.inputs[0] is doubled
        clone.set_weights(model.get_weights())
        whole = lamina.Model(y, clone.output)
        jax.tree.map(lambda a, b: assert_close(a, b), whole(X), model(2 * X))


def test_added_losses_and_metrics_go_with_it():
    x = lamina.Input((3,))
    dense = layers.Dense(2)
    h = dense(x)
    model = lamina.Model(x, h)
    model.add_loss(ops.mean(h**2))
    dense.add_metric(ops.max(h), name="most")
    clone = clone_model(model)
    clone.set_weights(model.get_weights())
    model(X), clone(X)
    assert_close(clone.losses, model.losses, rtol=1e-6)
    assert [m.name for m in clone.metrics] == [m.name for m in model.metrics] and "most" in [m.name for m in clone.metrics]


def test_options_that_are_not_for_a_kind_of_model_are_refused():
    x, y = lamina.Input((3,)), lamina.Input((3,))
    pair = lamina.Model([x, y], x + y)
    for model, options, words in [
        (Written(), {"clone_function": lambda layer: layer}, "clone_function.*Written"),
        (Written(), {"input_tensors": x}, "input_tensors.*Written"),
        (sequential(), {"call_function": lambda layer, x: layer(x)}, "call_function.*Sequential"),
        (pair, {"input_tensors": {"x": x, "y": y}}, "input_tensors.*nested"), (pair, {"input_tensors": [x]}, "input_tensors"),
        (pair, {"input_tensors": [X, X]}, "symbolic"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            clone_model(model, **options)
