"""Functional models: the graph from inputs to outputs, as a user writes it, calls it and looks at it."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3)).astype("float32"), RNG.normal(size=(4, 3)).astype("float32")


def affine(layer, x):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


# --- as in Keras -----------------------------------------------------------------------------------------------------


def random_graph(library, seed):
    """Draws a graph of dense layers, some of them shared, and operators; every tensor is of shape (None, 3)."""
    rng = np.random.default_rng(seed)
    inputs = [library.Input((3,), name=f"input_{i}") for i in range(rng.integers(1, 4))]
    tensors, dense = list(inputs), [library.layers.Dense(3, name=f"dense_{i}") for i in range(6)]
    for _ in range(12):
        one, other = (tensors[i] for i in rng.integers(0, len(tensors), 2))
        kind = rng.integers(0, 5)
        if kind < 3:
            tensors.append(dense[rng.integers(0, len(dense))](one))
        elif kind == 3:
            tensors.append(one * 0.5 + other)
        else:
            tensors.append(library.ops.tanh(one))
    outputs = [tensors[i] for i in rng.choice(np.arange(len(inputs), len(tensors)), 3, replace=False)]
    return library.Model(inputs, outputs)


@pytest.mark.parametrize("seed", range(8))
def test_any_graph_has_the_layers_in_the_order_of_keras_and_computes_the_same(seed):
    ours, theirs = random_graph(lamina, seed), random_graph(keras, seed)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [w.path for w in theirs.weights]
    assert (ours.input_shape, ours.output_shape) == (theirs.input_shape, theirs.output_shape)
    ours.set_weights(theirs.get_weights())
    data = [RNG.normal(size=(2, 3)).astype("float32") for _ in ours.inputs]
    for a, b in zip(ours(data), theirs(data), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_shared_layer_is_one_layer_and_branches_meet():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,), name="y")
    shared, last = layers.Dense(4, name="shared"), layers.Dense(1, name="last")
    model = lamina.Model([x, y], last(layers.concatenate([shared(x), shared(y), x - y])))
    assert model.layers == [x._node.function, y._node.function, shared, last] and len(model.weights) == 4
    merged = np.concatenate([affine(shared, A), affine(shared, B), A - B], -1)
    np.testing.assert_allclose(model([A, B]), affine(last, merged), rtol=1e-5, atol=1e-6)


def test_operators_slices_and_constants_are_nodes():
    x = lamina.Input((3,))
    table = np.arange(3, dtype="float32")
    model = lamina.Model(x, ops.exp(-(x**2)) + x[:, :1] * 2.0 + table - ops.sum(x, axis=-1, keepdims=True))
    np.testing.assert_allclose(model(A), np.exp(-(A**2)) + A[:, :1] * 2 + table - A.sum(-1, keepdims=True), rtol=1e-5, atol=1e-6)


def test_layers_may_be_called_with_several_arguments_and_by_name():
    class Attend(layers.Layer):
        def call(self, query, value, *, scale=1.0, training=False):
            return (query * value.sum(1, keepdims=True) * scale) if training else query + value

    x, y = lamina.Input((3,)), lamina.Input((3,))
    attend = Attend()
    kept, following = attend(query=x, value=y, scale=2.0, training=True), attend(x, value=y)
    model = lamina.Model([x, y], [kept, following])
    inside = A * B.sum(1, keepdims=True)
    for training in (False, True):  # what was said when the layer was called holds, whatever the model is called with
        first, second = model([A, B], training=training)
        assert_close(first, 2 * inside)
        assert_close(second, inside if training else A + B)


def test_models_are_layers_of_models_and_of_layers():
    x = lamina.Input((3,))
    encoder = lamina.Model(x, layers.Dense(2, name="code")(x), name="encoder")
    decoder = lamina.Sequential([layers.Dense(3)], name="decoder")
    y, steps = lamina.Input((3,)), lamina.Input((5, 3))
    model = lamina.Model([y, steps], [decoder(encoder(y)), layers.TimeDistributed(encoder)(steps)], name="whole")
    assert len(model.weights) == 4 and {w.path.split("/")[0] for w in encoder.weights} == {"whole"}
    sequence = RNG.normal(size=(4, 5, 3)).astype("float32")
    decoded, codes = model([A, sequence])
    assert_close(decoded, decoder(encoder(A)))
    np.testing.assert_allclose(codes[:, 2], encoder(sequence[:, 2]), rtol=1e-5, atol=1e-6)


def test_a_graph_can_be_cut_anywhere_and_the_parts_share_their_layers():
    x = lamina.Input((3,), name="x")
    h1 = layers.Dense(4, name="first")(x)
    h2 = layers.Dense(5, name="second")(h1 * 2)
    whole = lamina.Model(x, layers.Dense(2, name="third")(h2))
    front, back = lamina.Model(x, h2), lamina.Model(h2, whole.output)
    middle = lamina.Model(whole.get_layer("second").input, whole.get_layer("second").output)
    assert [[layer.name for layer in m.layers[1:]] for m in (front, back, middle)] == [["first", "second"], ["third"], ["second"]]
    assert all(isinstance(m.layers[0], layers.InputLayer) for m in (front, back, middle))
    np.testing.assert_allclose(back(front(A)), whole(A), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(middle(lamina.Model(x, h1)(A) * 2), front(A), rtol=1e-5, atol=1e-6)
    assert set(middle.weights) < set(front.weights) < set(whole.weights)


# --- names -----------------------------------------------------------------------------------------------------------


def test_outputs_and_inputs_have_names_of_their_own():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,))
    dense = layers.Dense(2, name="head")
    outputs = [dense(x), dense(y), ops.exp(x), ops.exp(y), -x, y]
    model = lamina.Model([x, y], outputs)
    assert model.input_names == ["x", "input_layer"]
    assert model.output_names == ["head", "head_1", "exp", "exp_1", "neg", "input_layer"]
    nested = lamina.Model({"left": x, "right": y}, {"b": outputs[0], "a": {"p": outputs[1], "q": [outputs[2]]}})
    assert nested.input_names == ["left", "right"] and nested.output_names == ["a_p", "a_q_0", "b"]
    assert [tensor.shape for tensor in nested.outputs] == nested.output_shape == [(None, 2), (None, 3), (None, 2)]


def test_a_layer_is_found_by_name_and_by_number():
    x = lamina.Input((3,), name="x")
    model = lamina.Model(x, layers.Dense(2, name="head")(x))
    assert [model.get_layer(index=i).name for i in (0, 1, -1)] == ["x", "head", "head"]
    assert model.get_layer("head") is model.layers[1] and model.layers[1].output is model.output
    with pytest.raises(ValueError, match=r"'heed'.*head"):
        model.get_layer("heed")


# --- what it is called on --------------------------------------------------------------------------------------------


def two_inputs(nest):
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,), name="y")
    return lamina.Model(nest(x, y), x - 2 * y)


@pytest.mark.parametrize("nest", [
    lambda x, y: [x, y], lambda x, y: (x, y), lambda x, y: {"x": x, "y": y}, lambda x, y: {"y": y, "x": x},
    lambda x, y: [x, {"deep": [y]}], lambda x, y: {"q": {"p": [x]}, "r": y},
])  # fmt: skip
def test_data_are_given_as_the_inputs_are_nested(nest):
    model = two_inputs(nest)
    expected = A - 2 * B
    for function in (model, jax.jit(model), lambda data: model.predict(data, verbose=0)):
        assert_close(function(nest(A, B)), expected, rtol=1e-6)
    outer = lamina.Model(model.inputs, model(model.input))
    assert_close(outer([A, B]), expected, rtol=1e-6)


def test_data_may_go_by_name_and_what_else_is_there_is_left_alone():
    for nest in (lambda x, y: [x, y], lambda x, y: {"x": x, "y": y}):
        assert_close(two_inputs(nest)({"also": A[:1], "y": B, "x": A}), A - 2 * B, rtol=1e-6)
    x = lamina.Input((3,), name="x")
    one = lamina.Model(x, x * 2)
    for data in (A, [A], (A,), {"x": A}):
        np.testing.assert_allclose(one(data), A * 2)


def by_name(pair):
    return {"x": pair[0], "y": pair[1]}


@pytest.mark.parametrize("nest, data, words", [
    (list, [A], r"2 inputs \('x', 'y'\), not 1"), (list, A, "2 inputs.*not 1"), (list, [A, B, B], "2 inputs.*not 3"),
    (list, {"x": A}, r"'y'.*\['x'\]"), (list, [A, B[:, :2]], r"'y'.*\(None, 3\).*float32\(4, 2\)"),
    (list, [A[:, None], B], r"'x'.*\(None, 3\).*\(4, 1, 3\)"), (list, [A, None], "'y'.*not optional"),
    (by_name, {"y": B}, "'x'"), (by_name, A, r"dict.*\['x', 'y'\]"), (by_name, [A, B], "dict"),
    (by_name, {"x": A, "y": [B, B]}, "one array.*'y'"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_by_the_name_of_the_input(nest, data, words):
    with pytest.raises(ValueError, match=words):
        two_inputs(lambda x, y: nest([x, y]))(data)


def test_data_are_cast_and_ranks_are_adjusted_as_in_keras():
    def make(library):
        x, y = library.Input((3,), dtype="float16"), library.Input((2, 1), dtype="int32")
        return library.Model([x, y], [x + 1, y * 2])

    data = [RNG.integers(0, 5, (4, 3, 1)), RNG.normal(size=(4, 2))]
    for a, b in zip(make(lamina)(data), make(keras)(data), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_array_equal(a, b)


def test_named_axes_are_of_one_size():
    x, y = lamina.Input(("time", 3), name="x"), lamina.Input(("time",), name="y")
    model = lamina.Model([x, y], x * y[..., None])
    assert model([np.ones((2, 5, 3)), np.ones((2, 5))]).shape == (2, 5, 3)
    with pytest.raises(ValueError, match=r"'time'.*5.*'x'.*4.*'y'"):
        model([np.ones((2, 5, 3)), np.ones((2, 4))])


def test_an_optional_input_may_be_none():
    class Shift(layers.Layer):
        def call(self, x, by=None):
            return x if by is None else x + by

    x, y = lamina.Input((3,)), lamina.Input((3,), optional=True)
    model = lamina.Model([x, y], Shift()(x, y))
    np.testing.assert_array_equal(model([A, None]), A)
    np.testing.assert_array_equal(model([A, B]), A + B)


def test_masks_pass_through_and_can_be_given():
    seen = []

    class Reader(layers.Layer):
        def call(self, x, mask=None):
            seen.append(None if mask is None else np.asarray(mask).tolist())
            return x * 1.0

    x = lamina.Input((3, 1), dtype="float16")
    model = lamina.Model(x, Reader()(layers.Dropout(0.1)(layers.Masking()(x))))
    data = np.array([[[1.0], [0.0], [2.0]]], "float32")
    inner = lamina.Model(x, Reader()(x))
    given = jnp.array([[True, False, True]])
    seen.clear()
    model(data), inner(layers.Masking()(data)), inner(data, mask=given), inner(data)
    assert seen == [given.tolist()] * 3 + [None]


def test_what_no_graph_can_be_made_of_is_refused():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,), name="y")
    for inputs, outputs, words in [
        ([x, A], x, "inputs.*symbolic"), (x, [x, 1.0], "outputs.*symbolic"), ([], x, "inputs.*symbolic"),
        ([x, x], x * 2, "twice"), (x, x + y, "y.*not among the inputs"),
        (x, layers.Dense(2, name="x")(x), r"several layers.*'x'"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            lamina.Model(inputs, outputs)
    with pytest.raises(TypeError, match="outputs"):
        lamina.Model(inputs=x)


def test_losses_and_metrics_of_other_graphs_are_refused():
    x, y = lamina.Input((3,), name="x"), lamina.Input((3,), name="y")
    model = lamina.Model(x, x * 2)
    for add in (lambda: model.add_loss(ops.mean(y)), lambda: model.add_metric(ops.mean(y), name="mean")):
        with pytest.raises(ValueError, match=r"y.*not among the inputs"):
            add()
    assert model.losses == [] and [metric.name for metric in model.metrics] == ["loss"]


# --- subclasses ------------------------------------------------------------------------------------------------------


class Tower(lamina.Model):
    """A functional model that is written as a class."""

    def __init__(self, units, **kwargs):
        x = lamina.Input((3,), name="x")
        hidden = layers.Dense(units, name="hidden")(x)
        super().__init__(inputs=x, outputs={"hidden": hidden, "out": layers.Dense(1, name="out")(hidden)}, **kwargs)
        self.units = units
        self.extra = layers.Dense(2)

    def width(self):
        return self.units


class Doubled(lamina.Model):
    """A model with another step, made from inputs and outputs as they are given."""

    def predict_step(self, data):
        return 2 * super().predict_step(data)


def test_a_subclass_may_be_written_in_the_functional_style():
    tower = Tower(4, name="tower")
    assert isinstance(tower, Tower) and isinstance(tower, lamina.Functional) and tower.width() == 4
    assert [w.path for w in tower.weights] == ["tower/hidden/kernel", "tower/hidden/bias", "tower/out/kernel", "tower/out/bias"]
    assert tower(A)["out"].shape == (4, 1) and tower.get_layer("hidden").units == 4
    twin = Tower.from_config(tower.get_config())
    assert tower.get_config()["units"] == 4 and [w.path for w in twin.weights] == [w.path for w in tower.weights]
    assert lamina.models.model_from_json(tower.to_json()).width() == 4


def test_a_subclass_without_a_constructor_takes_inputs_and_outputs():
    x = lamina.Input((3,))
    model = Doubled(x, layers.Dense(2)(x), name="doubled")
    for one in (model, Doubled.from_config(model.get_config()), lamina.models.clone_model(model)):
        assert isinstance(one, Doubled) and isinstance(one, lamina.Functional) and one.name == "doubled"
        assert_close(one.predict(A, verbose=0), 2 * one(A), rtol=1e-6)


# --- shapes, building, pure form -------------------------------------------------------------------------------------


class TwoInputs(lamina.Model):
    def __init__(self, units=2, nested=dict, **kwargs):
        super().__init__(**kwargs)
        self.units, self.nested = units, nested
        self.left, self.right, self.drop = layers.Dense(units), layers.Dense(units), layers.Dropout(0.5, seed=1)

    def call(self, inputs):
        first, second = inputs.values() if self.nested is dict else inputs
        return {"sum": self.drop(self.left(first)) + self.right(second)}


def three_kinds():
    x, y = lamina.Input((3,), name="x"), lamina.Input((5,), name="y")
    dense = layers.Dense(2)(x) + layers.Dense(2)(y)
    functional = lamina.Model({"x": x, "y": y}, {"sum": layers.Dropout(0.5, seed=1)(dense)})
    sequential = lamina.Sequential([TwoInputs(), layers.Identity()])
    return [functional, sequential, TwoInputs()]


@pytest.mark.parametrize("kind", range(3))
def test_all_kinds_are_built_by_shapes_and_have_shapes_and_a_pure_form(kind):
    model = three_kinds()[kind]
    shapes = {"x": (None, 3), "y": (None, 5)}
    assert model.compute_output_shape(shapes) == {"sum": (None, 2)}
    model.build(shapes)
    assert model.built and model.count_params() == 8 + 12
    data = {"x": A, "y": np.ones((4, 5), "float32")}
    pure = jax.jit(lambda trained, others, data: model.stateless_call(trained, others, data, training=True))
    values = [[v.value for v in vs] for vs in (model.trainable_variables, model.non_trainable_variables)]
    (outputs, others), again = pure(*values, data), pure(*values, data)
    np.testing.assert_array_equal(outputs["sum"], again[0]["sum"])
    assert not np.array_equal(outputs["sum"], pure(values[0], others, data)[0]["sum"])  # the seed has moved on
    assert_close(pure(*values, data)[0]["sum"], model(data, training=True)["sum"], rtol=1e-6)


def test_a_list_of_shapes_builds_a_model_of_a_list():
    model = TwoInputs(nested=list)
    with pytest.raises(ValueError, match=r"not built.*build\(shape\)"):
        model.count_params()
    model.build([(None, 3), (None, 5)])
    assert model.count_params() == 20 and TwoInputs.from_config(model.get_config()).nested is list
    with pytest.raises(ValueError, match=r"'mine'.*not built"):
        layers.Dense(3, name="mine").count_params()
    assert layers.ReLU().count_params() == 0


def test_a_deep_graph_is_made_in_one_pass():
    runs = []

    class Counted(layers.Dense):
        def call(self, inputs):
            runs.append(1)
            return super().call(inputs)

    x = inputs = lamina.Input((4,))
    for _ in range(60):
        x = Counted(4)(x)
    assert len(lamina.Model(inputs, x).layers) == 61 and len(runs) == 60


@pytest.mark.parametrize("change", [lambda model: setattr(model, "inner", layers.Dense(4)), lambda model: delattr(model, "inner")])
def test_a_graph_that_still_calls_a_layer_that_was_replaced_says_so(change):
    class Made(lamina.Model):
        def __init__(self):
            inputs, inner = lamina.Input((3,)), layers.Dense(4, name="old")
            super().__init__(inputs, layers.Dense(2)(inner(inputs)), name="made")
            self.inner = inner

    model = Made()
    with pytest.warns(UserWarning, match=r"The model 'made' still calls <Dense made/old, units=4>, which self.inner no longer"):
        change(model)
    assert model(np.ones((1, 3))).shape == (1, 2)
