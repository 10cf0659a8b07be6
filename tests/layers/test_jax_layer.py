"""JaxLayer: pure functions as layers, with their parameters, their state and their randomness."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close


def init(rng, inputs, training):
    assert training
    params = {"w": jax.random.normal(rng, (inputs.shape[-1], 2)), "steps": 3}
    return params, [jnp.zeros(2), {"count": jnp.int32(0)}]


def call(params, state, rng, inputs, training):
    outputs = inputs @ params["w"] * params["steps"]
    if training:
        mean, count = state[0], state[1]["count"]
        state = [0.5 * mean + 0.5 * outputs.mean(0), {"count": count + 1}]
        outputs = outputs + jax.random.normal(rng, outputs.shape)
    return outputs, state


X = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def test_weights_are_what_init_makes_and_named_by_where_they_stand():
    layer = lamina.layers.JaxLayer(call, init, seed=1, name="pure")
    layer(X)
    found = {weight.path: (weight.dtype, weight.trainable) for weight in layer.weights}
    assert found == {
        "pure/params/steps": ("int32", False),
        "pure/params/w": ("float32", True),
        "pure/state/0": ("float32", False),
        "pure/state/1/count": ("int32", False),
    }
    again = lamina.layers.JaxLayer(call, init, seed=1)
    again.build((None, 3))
    np.testing.assert_array_equal(again.params["w"].value, layer.params["w"].value)


def test_outputs_and_state_are_those_of_keras():
    w = np.random.default_rng(1).normal(size=(3, 2)).astype("float32")
    state = [np.zeros(2, "float32"), {"count": np.int32(5)}]
    layers = [
        library.layers.JaxLayer(call, params={"w": jnp.asarray(w), "steps": jnp.int32(2)}, state=jax.tree.map(jnp.asarray, state))
        for library in (lamina, keras)
    ]
    assert layers[0].built
    for _ in range(2):
        ours, theirs = (layer(X) for layer in layers)
        assert_close(ours, theirs)
        assert_close(ours, X @ w * 2)
    for layer in layers:
        layer(X, training=True)
    assert [int(layer.state[1]["count"].value) for layer in layers] == [6, 6]
    assert not np.array_equal(layers[0](X, training=True), layers[0](X, training=True))


def test_compiled_is_as_eager():
    eager, compiled = (lamina.layers.JaxLayer(call, init, seed=1) for _ in range(2))
    run = lamina.jit(lambda x: compiled(x, training=True))
    for _ in range(2):
        assert_close(run(X), eager(X, training=True))
    for one, other in zip(compiled.variables, eager.variables, strict=True):
        assert_close(one.value, other.value)


def test_it_learns_in_a_model():
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    layer = lamina.layers.JaxLayer(
        lambda params, inputs: inputs["a"] @ params["w"] + inputs["b"],
        lambda rng, inputs: {"w": jnp.zeros((inputs["a"].shape[-1], inputs["b"].shape[-1]))},
    )
    a, b = lamina.Input((3,), name="a"), lamina.Input((1,), name="b")
    model = lamina.Model({"a": a, "b": b}, layer({"a": a, "b": b}))
    assert model.output_shape == (None, 1)
    model.compile("sgd", "mse")
    data = {"a": x, "b": np.zeros((32, 1), "float32")}
    losses = model.fit(data, x.sum(1, keepdims=True), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_init_is_given_ones_of_the_dtype_that_a_call_has():
    def table(rng, inputs):
        assert inputs.dtype == "int32" and np.all(inputs == 1)
        return jax.random.normal(rng, (5, 2))

    layer = lamina.layers.JaxLayer(lambda params, inputs: params[inputs], table)
    assert layer(np.array([[0, 4]], "int32")).shape == (1, 2, 2)


def test_a_config_holds_the_functions_and_values_only_where_nothing_makes_them():
    layer = lamina.layers.JaxLayer(call, init, seed=1)
    again = lamina.layers.JaxLayer.from_config(layer.get_config())
    np.testing.assert_array_equal(again(X), layer(X))
    params = {"w": np.ones((3, 2), "float32")}
    given = lamina.layers.JaxLayer(lambda params, inputs: inputs @ params["w"], params=params)
    again = lamina.layers.JaxLayer.from_config(given.get_config())
    np.testing.assert_array_equal(again(X), given(X))
    assert "params" not in lamina.layers.JaxLayer(call, init, params=params).get_config()


def test_functions_that_do_not_fit_are_refused():
    for arguments, words in [
        (dict(call_fn=lambda x: x), "takes 'x'"),
        (dict(call_fn=lambda params: params), "does not take 'inputs'"),
        (dict(call_fn=lambda inputs: inputs, init_fn=lambda inputs, shape: 1), "init_fn of JaxLayer takes 'shape'"),
        (dict(call_fn=lambda params, inputs: inputs), "give init_fn"),
    ]:
        with pytest.raises(ValueError, match=words):
            lamina.layers.JaxLayer(**arguments)
    layer = lamina.layers.JaxLayer(lambda state, inputs: (inputs, state["n"]), state={"n": 0.0})
    with pytest.raises(ValueError, match="structure"):
        layer(X)
    assert lamina.layers.JaxLayer(lambda inputs: 2 * inputs)(X).shape == X.shape
