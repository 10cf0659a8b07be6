"""Symbolic tensors: shapes and recorded calls without numbers."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers, ops
from lamina.core.graph import op, replay
from properties import examples

SIZES = {None: 3, "time": 4, "width": 5}


def concrete(tensor):
    shape = [SIZES.get(size, size) for size in tensor.shape]
    return jnp.asarray(np.random.default_rng(0).uniform(0.5, 2.0, shape), tensor.dtype)


def agrees(shape, values):
    """A symbolic shape agrees with an array's: None is any size, and a name or expression is what it comes to."""
    named = {name: size for name, size in SIZES.items() if name}
    sizes = [eval(size, {}, named) if isinstance(size, str) else size for size in shape]
    return len(sizes) == values.ndim and all(m in (None, n) for m, n in zip(sizes, values.shape, strict=True))


BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "lt", "le", "gt", "ge"]
UNARY = {
    "neg": operator.neg, "pos": operator.pos, "abs": operator.abs, "first": lambda x: x[0], "last": lambda x: x[..., -1],
    "part": lambda x: x[:, 1:], "new axis": lambda x: x[:, None], "sum": lambda x: ops.sum(x, -1), "relu": ops.relu,
    "transpose": lambda x: ops.transpose(x), "concatenate": lambda x: ops.concatenate([x, x], -1),
    "cast": lambda x: ops.cast(x, "int32"), "where": lambda x: ops.where(x > 1, x, 0.0),
    "stack": lambda x: ops.stack([x, x]), "reflected": lambda x: 2 - x, "power": lambda x: 2**x,
}  # fmt: skip


@given(
    shape=st.tuples(st.sampled_from([None, 2, "time"]), st.sampled_from([None, 6, "width"]), st.integers(2, 4)),
    steps=st.lists(st.sampled_from([*BINARY, *UNARY]), min_size=1, max_size=4),
)
@examples(40)
def test_a_recorded_computation_computes_what_the_same_code_computes_on_arrays(shape, steps):
    def run(x):
        for step in steps:
            if len(x.shape) < 2:
                break
            x = getattr(operator, step)(x, 1.5) if step in BINARY else UNARY[step](x)
            if x.dtype == bool:
                x = ops.cast(x, "float32")
        return x

    inputs = lamina.SymbolicTensor(shape)
    outputs = run(inputs)
    values = concrete(inputs)
    expected = run(values)
    assert isinstance(outputs, lamina.SymbolicTensor) and agrees(outputs.shape, expected) and outputs.dtype == expected.dtype
    np.testing.assert_array_equal(replay(outputs, {inputs: values}), expected)


@pytest.mark.parametrize("name", [*BINARY, "matmul", "and_", "or_", "xor"])
def test_operators_take_arrays_variables_and_numbers_on_either_side(name):
    function, dtype = getattr(operator, name), "int32" if name in ("and_", "or_", "xor") else "float32"
    values = jnp.arange(1, 10).reshape(3, 3).astype(dtype)
    x = lamina.SymbolicTensor((3, 3), dtype)
    others = [values + 1, np.asarray(values) + 1, lamina.Variable(values + 1)] + ([] if name == "matmul" else [2])
    for other in others:
        for recorded, expected in [
            (function(x, other), function(values, other)),
            (function(other, x), function(other, values)),
        ]:
            assert isinstance(recorded, lamina.SymbolicTensor)
            np.testing.assert_array_equal(replay(recorded, {x: values}), expected)


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_named_axes_keep_their_names_and_expressions_follow_from_them():
    x = lamina.Input(("time", 3))
    assert x.shape == (None, "time", 3)
    assert (x * 2 + x).shape == (None, "time", 3)
    assert ops.concatenate([x, x], 1).shape == (None, "2*time", 3)
    assert ops.concatenate([x, lamina.Input(("time", 4))], -1).shape == (None, "time", 7)
    assert ops.sum(x, 1).shape == (None, 3)
    assert ops.reshape(x, (-1, 3)).shape == (None, 3)
    assert ops.matmul(x, lamina.Input((3, "time"))).shape == (None, "time", "time")
    assert layers.Dense(5)(x).shape == (None, "time", 5)


@pytest.mark.parametrize("name", ["time", "time_axis", "my_batch", "n1", "T"])
def test_any_identifier_may_name_an_axis(name):
    assert (lamina.Input((name, 3)) + 1).shape == (None, name, 3)


def test_axes_of_different_names_do_not_fit_and_the_message_says_which():
    x, y = lamina.Input(("time", 3)), lamina.Input(("width", 3))
    with pytest.raises((ValueError, TypeError)) as error:
        x + y
    assert "time" in str(error.value) and "width" in str(error.value)
    assert (x + lamina.Input(("time", 3))).shape == (None, "time", 3)
    assert (x + lamina.Input((1, 3))).shape == (None, "time", 3)
    with pytest.raises((ValueError, TypeError)):
        ops.concatenate([x, y], -1)


def test_code_that_branches_on_sizes_runs_with_stand_ins_in_their_place():
    @op
    def halve(x):
        size = x.shape[1] if x.shape[1] > 10 else 10
        return x[:, : int(size) // 2], x.shape[2] > 2

    out, flag = halve(lamina.Input(("time", 3)))
    assert out.shape == (None, None, 3) and flag.shape == ()

    class Pick(layers.Layer):
        def call(self, x):
            return x[:, 0] if int(x.shape[1]) > 1 else x[:, 0] * 2

    assert Pick()(lamina.Input((None, 4))).shape == (None, 4)
    assert Pick().compute_output_shape((None, None, 4)) == (None, 4)


@pytest.mark.parametrize("ask", [(None, None), (None, None, 8), (2, None)])
def test_a_size_that_is_unknown_never_becomes_the_size_of_a_weight(ask):
    class Affine(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight((input_shape[1],), initializer="ones")

        def call(self, x):
            return x * 1 + self.kernel[0]

    class Lazy(layers.Layer):
        scale = None

        def call(self, x):
            if self.scale is None:
                self.scale = self.add_weight((x.shape[1],), initializer="ones")
            return x * 1 + self.scale[0]

    for make in (Affine, Lazy):
        for use in (lambda layer: layer.build(ask), lambda layer: layer.compute_output_shape(ask), lambda layer: layer(
            lamina.SymbolicTensor(ask)
        )):  # fmt: skip
            layer = make(name="mine")
            with pytest.raises(ValueError, match="mine"):
                use(layer)
            assert not layer.built and layer.weights == []


def test_a_failed_symbolic_call_leaves_library_layers_unbuilt():
    dense = layers.Dense(3)
    with pytest.raises(ValueError, match="dense"):
        dense(lamina.Input((None,)))
    assert not dense.built and dense.weights == []
    assert dense(np.ones((2, 5), "float32")).shape == (2, 3)


def test_weights_do_not_depend_on_how_a_layer_was_built():
    def weights(build):
        lamina.random.set_seed(5)

        class Branching(layers.Layer):
            def __init__(self):
                super().__init__()
                self.dense, self.last = layers.Dense(4), layers.Dense(2)

            def call(self, x):
                x = self.dense(x)
                return self.last(x if int(x.shape[1]) > 1 else 2 * x)

        layer = Branching()
        build(layer)
        return layer.get_weights()

    x = np.ones((2, 3, 6), "float32")
    first = weights(lambda layer: layer(x))
    for build in (lambda layer: layer.build((None, None, 6)), lambda layer: layer(lamina.Input(("time", 6)))):
        jax.tree.map(np.testing.assert_array_equal, weights(build), first)


# --- what has no numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [bool, lambda x: x and 1, lambda x: 1 if x > 0 else 2, np.asarray, np.sin, lambda x: np.ones(3) + np.asarray(x),
     jnp.sin, jnp.asarray, lambda x: jnp.ones(3) + jnp.asarray(x), lambda x: jax.jit(lambda y: y)(x), float, int, list],
)  # fmt: skip
def test_what_needs_numbers_is_refused_in_words(use):
    with pytest.raises(TypeError):
        use(lamina.Input((3,)))
    if use not in (float, int):
        x = lamina.Input((3,), name="pixels")
        with pytest.raises(TypeError) as error:
            use(x)
        assert "Symbolic" in str(error.value) or "pixels" in str(error.value)


def test_comparing_for_equality_is_not_silently_false():
    x = lamina.SymbolicTensor((2,))
    for function in (operator.eq, operator.ne):
        result = function(x, 0.0)
        assert isinstance(result, lamina.SymbolicTensor)
        np.testing.assert_array_equal(replay(result, {x: jnp.array([0.0, 1.0])}), function(np.array([0.0, 1.0]), 0.0))


def test_length_and_iteration_follow_the_first_size_where_it_is_known():
    x = lamina.SymbolicTensor((2, 3))
    first, second = x
    values = jnp.arange(6.0).reshape(2, 3)
    assert len(x) == 2 and first.shape == (3,)
    np.testing.assert_array_equal(replay(second, {x: values}), values[1])
    with pytest.raises(TypeError, match="length"):
        len(lamina.Input((3,)))


# --- recording -------------------------------------------------------------------------------------------------------


def test_each_recorded_call_runs_once_in_order_and_missing_inputs_are_named():
    ran = []

    @op
    def note(x, label):
        ran.append(label)
        return {"double": x * 2, "pair": [x, x + 1]}

    x, y = lamina.Input((2,), name="x"), lamina.Input((2,), name="y")
    shared = note(x, "shared")
    left, right = note(shared["double"], "left"), note(shared["pair"][1], "right")
    outputs = [left["double"] + right["double"], shared["pair"]]
    ran.clear()
    values = jnp.array([[1.0, 2.0]])
    total, pair = replay(outputs, {x: values})
    assert sorted(ran) == ["left", "right", "shared"] and ran[0] == "shared"
    np.testing.assert_array_equal(total, values * 4 + (values + 1) * 2)
    np.testing.assert_array_equal(pair, [values, values + 1])
    with pytest.raises(ValueError, match="y"):
        replay(x + y, {x: values})


def test_symbolic_tensors_nested_in_arguments_are_found():
    x, y = lamina.Input((2,)), lamina.Input((2,))

    @op
    def f(parts, *, scale):
        return parts["a"][0] + parts["a"][1] * scale["s"]

    out = f({"a": [x, y]}, scale={"s": 2.0})
    np.testing.assert_array_equal(replay(out, {x: jnp.ones((1, 2)), y: jnp.ones((1, 2))}), [[3, 3]])


def test_a_variable_in_a_recorded_call_is_read_when_the_call_runs():
    v, x = lamina.Variable(np.float32(1.0)), lamina.SymbolicTensor((2,))
    out = ops.add(x * v, v)
    v.assign(3.0)
    np.testing.assert_array_equal(replay(out, {x: jnp.ones(2)}), [6, 6])


def test_recording_a_call_changes_no_state():
    layer = layers.BatchNormalization()
    layer.build((None, 3))
    dropout = layers.Dropout(0.5, seed=1)
    before = [v.numpy() for v in layer.variables + dropout.variables]
    dropout(layer(lamina.Input((3,)), training=True), training=True)
    jax.tree.map(np.testing.assert_array_equal, [v.numpy() for v in layer.variables + dropout.variables], before)
