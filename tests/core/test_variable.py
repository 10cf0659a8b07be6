"""Variable: an array that can be assigned to, and that never keeps what belongs to a trace."""

import inspect
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from properties import examples

MATRIX = np.array([[1.5, -2.0, 3.25], [0.5, 4.0, -1.0], [2.0, 0.25, 1.0]], "float32")
BINARY = ["add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]
RAW = {
    "jax.jit": lambda body: jax.jit(body)(1.0),
    "jax.grad": lambda body: jax.grad(lambda x: jnp.float32(body(x)))(1.0),
    "jax.vjp": lambda body: jax.vjp(body, 1.0),
    "jax.jvp": lambda body: jax.jvp(body, (1.0,), (1.0,)),
    "jax.vmap": lambda body: jax.vmap(body)(jnp.ones(2)),
    "jax.checkpoint": lambda body: jax.checkpoint(body)(1.0),
    "jax.eval_shape": lambda body: jax.eval_shape(body, 1.0),
    "jax.lax.scan": lambda body: jax.lax.scan(lambda c, x: (c, body(x)), 0.0, jnp.ones(3)),
    "jax.lax.map": lambda body: jax.lax.map(body, jnp.ones(3)),
    "jax.lax.cond": lambda body: jax.lax.cond(jnp.array(True), body, lambda x: x, 1.0),
    "jax.lax.switch": lambda body: jax.lax.switch(jnp.array(1), [lambda x: x, body], 1.0),
    "jax.lax.while_loop": lambda body: jax.lax.while_loop(lambda x: x < 0.0, lambda x: body(x) + 1.0, -1.0),
    "jax.lax.fori_loop": lambda body: jax.lax.fori_loop(0, 3, lambda i, x: body(x), 0.0),
}
NEW_VALUES = {
    "traced": lambda v, x: v.assign(jnp.full(2, x)),
    "added": lambda v, x: v.assign_add(np.ones(2, "float32")),
    "concrete": lambda v, x: v.assign(np.array([7.0, 7.0], "float32")),
}


def variable(value=(1.0, 2.0), **kwargs):
    return lamina.Variable(np.array(value, "float32"), name="total", **kwargs)


def assert_same(ours, theirs):
    """Equal in structure, dtype and every bit, NaN included."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert jnp.result_type(a) == jnp.result_type(b)
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


# --- what it is ------------------------------------------------------------------------------------------------------


def test_a_variable_says_what_it_is():
    v = lamina.Variable(MATRIX, name="kernel", trainable=False, constraint=jnp.abs, regularizer=jnp.sum)
    assert (v.shape, v.dtype, v.ndim, v.size, len(v)) == ((3, 3), np.float32, 2, 9, 3)
    assert (v.name, v.path, v.trainable, v.constraint, v.regularizer) == ("kernel", "kernel", False, jnp.abs, jnp.sum)
    assert isinstance(v.value, jax.Array) and type(v.numpy()) is np.ndarray
    for word in ("kernel", "(3, 3)", "float32"):
        assert word in repr(v)


def test_numpy_returns_a_copy_of_ones_own():
    v = variable()
    v.numpy()[:] = 9
    np.asarray(v)[:] = 9
    np.testing.assert_array_equal(v.numpy(), [1, 2])


@pytest.mark.parametrize(
    "value, dtype",
    [(3, "int32"), (2.5, "float32"), (True, "bool"), ([1, 2], "int32"), (np.float64(1), "float32"), (1j, "complex64")],
)
def test_the_dtype_follows_the_value_in_the_default_precision(value, dtype):
    v = lamina.Variable(value)
    assert v.dtype == dtype and not v.value.weak_type
    np.testing.assert_array_equal(v.numpy(), value)


def test_an_initializer_gives_the_first_value():
    v = lamina.Variable(lambda shape, dtype: np.full(shape, 3, dtype), shape=[2, np.int64(3)], dtype="bfloat16")
    assert v.shape == (2, 3) and v.dtype == jnp.bfloat16 and float(v.sum()) == 18
    with pytest.raises(ValueError, match="shape"):
        lamina.Variable(lambda shape, dtype: np.zeros(shape, dtype))
    with pytest.raises(ValueError, match=r"total.*\(2, None\)"):
        lamina.Variable(np.zeros, shape=(2, None), name="total")
    with pytest.raises(ValueError, match=r"\(2, -1\)"):
        lamina.Variable(np.zeros, shape=(2, -1))
    with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
        lamina.Variable(np.zeros(3), shape=(2,))


@pytest.mark.parametrize("name", ["", "a/b", 3])
def test_a_name_is_one_step_of_a_path(name):
    with pytest.raises(ValueError, match="name"):
        lamina.Variable(1.0, name=name)


def test_a_variable_may_start_from_another_and_shares_nothing_with_it():
    first = variable()
    second = lamina.Variable(first)
    first.assign_add([1.0, 1.0])
    np.testing.assert_array_equal(second.numpy(), [1, 2])


def test_variables_are_told_apart_by_identity_in_sets_and_dicts():
    a, b = variable(), variable()
    assert len({a, b, a}) == 2 and {a: 1, b: 2}[a] == 1


# --- as an array -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BINARY + COMPARISONS)
@pytest.mark.parametrize("other", [MATRIX[::-1], jnp.asarray(MATRIX.T), 2, 0.5, np.float32(3)], ids=lambda x: type(x).__name__)
def test_operators_give_what_they_give_for_the_array(name, other):
    function = getattr(operator, name)
    if name == "matmul" and np.ndim(other) == 0:
        other = MATRIX
    v, array = lamina.Variable(MATRIX), jnp.asarray(MATRIX)
    assert_same(function(v, other), function(array, other))
    assert_same(function(other, v), function(other, array))
    assert_same(function(v, lamina.Variable(MATRIX.T)), function(array, jnp.asarray(MATRIX.T)))


@pytest.mark.parametrize("name", ["and_", "or_", "xor", "lshift", "rshift"])
def test_integer_operators_give_what_they_give_for_the_array(name):
    function, array = getattr(operator, name), jnp.array([1, 2, 7])
    assert_same(function(lamina.Variable(array), 2), function(array, 2))
    assert_same(function(2, lamina.Variable(array)), function(2, array))


def test_unary_operators_indexing_and_array_methods():
    v, array = lamina.Variable(MATRIX), jnp.asarray(MATRIX)
    for function in (operator.neg, operator.pos, operator.abs, list, round):
        assert_same(function(v), function(array))
    assert_same(~lamina.Variable([1, 2]), ~jnp.array([1, 2]))
    for index in (0, -1, slice(1, None), (slice(None), 2), (Ellipsis, None), np.array([True, False, True]), [0, 2]):
        key = np.array(index) if isinstance(index, list) else index
        assert_same(v[key], array[key])
    assert_same((v.T, v.sum(0), v.mean(), v.at[0].add(1), v.astype("int32")), (
        array.T, array.sum(0), array.mean(), array.at[0].add(1), array.astype("int32"),
    ))  # fmt: skip
    assert divmod(lamina.Variable(7.0), 2) == divmod(jnp.float32(7), 2)
    with pytest.raises(AttributeError):
        v.no_such_method  # noqa: B018


def test_python_numbers_can_be_made_of_it():
    assert (int(lamina.Variable(3)), float(lamina.Variable(2.5)), bool(lamina.Variable(0))) == (3, 2.5, False)
    assert [10, 20, 30][lamina.Variable(1)] == 20 and complex(lamina.Variable(2.0)) == 2 and f"{lamina.Variable(2.5):.1f}" == "2.5"
    with pytest.raises(ValueError, match="ambiguous"):
        bool(lamina.Variable([1.0, 2.0]))


def outcome(function, operands):
    """What a function gives: shapes and dtypes, without compiling it; numbers where it cannot be traced."""
    try:
        return jax.eval_shape(lambda: function(*operands))
    except jax.errors.JAXTypeError:
        return function(*operands)


def functions_of(module, operands):
    """The public functions of a module that take so many arrays and give arrays, and what they give."""
    memory = {"from_dlpack", "frombuffer"}  # these take a place in memory, not an array
    for name in sorted(set(dir(module)) - memory):
        function = getattr(module, name)
        if name.startswith("_") or not callable(function) or inspect.isclass(function):
            continue
        try:
            expected = outcome(function, operands)
        except Exception:  # takes something else than so many arrays
            continue
        leaves = jax.tree.leaves(expected)
        if leaves and all(isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct)) for leaf in leaves):
            yield name, function, expected


def refusals(module, operands, variants):
    """The functions of a module that do not take the variants as they take the operands, and how many there are."""
    failed, count = {}, 0
    for name, function, expected in functions_of(module, operands):
        count += 1
        for variant in variants:
            try:
                jax.tree.map(assert_alike, outcome(function, variant), expected)
            except Exception as error:
                failed[name] = f"{type(error).__name__}: {error}"[:150]
    return failed, count


def assert_alike(a, b):
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    if isinstance(b, jax.Array):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("module, least", [(jnp, 80), (jnp.linalg, 8), (jax.nn, 15)], ids=["jax.numpy", "linalg", "nn"])
def test_functions_of_one_array_take_a_variable(module, least):
    failed, count = refusals(module, (jnp.asarray(MATRIX),), [(lamina.Variable(MATRIX),)])
    assert not failed and count >= least


@pytest.mark.parametrize("module, least", [(jnp, 45), (jnp.linalg, 4)], ids=["jax.numpy", "linalg"])
def test_functions_of_two_arrays_take_variables_on_either_side(module, least):
    a, b = jnp.asarray(MATRIX), jnp.asarray(MATRIX.T)
    v, w = lamina.Variable(a), lamina.Variable(b)
    failed, count = refusals(module, (a, b), [(v, b), (a, w), (v, w)])
    assert not failed and count >= least


def test_functions_of_a_variable_give_the_numbers_that_they_give_of_its_array():
    v, array = lamina.Variable(MATRIX), jnp.asarray(MATRIX)
    for function in (jnp.sin, jnp.sum, jnp.linalg.inv, jax.nn.softmax, jnp.argsort, jax.nn.relu, jnp.transpose, jnp.unique):
        assert_same(function(v), function(array))


def test_a_variable_is_its_array_in_structures_that_jax_takes():
    v = variable()
    assert_same(jax.tree.map(lambda x: x * 2, {"a": v}), {"a": v.value * 2})
    assert_same(jax.jit(lambda x: x["a"] + 1)({"a": v}), v.value + 1)
    assert_same(jax.grad(lambda x: (x**2).sum())(v), 2 * v.value)
    assert_same(jax.vmap(jnp.sin)(v), jnp.sin(v.value))
    assert_same(jax.lax.scan(lambda c, x: (c + x, x), v[0], v)[0], v[0] + v[0] + v[1])
    assert_same(jnp.stack([v, v]), jnp.stack([v.value, v.value]))
    assert_same(np.asarray(jnp.where(v > 1, v, 0)), np.array([0, 2], "float32"))
    assert_same(np.add(np.ones(2, "float32"), v), np.ones(2, "float32") + v.numpy())


# --- writing ---------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.sampled_from(["assign", "assign_add", "assign_sub"]), st.integers(-9, 9), st.sampled_from("pnjlv")),
        max_size=8,
    )
)
@examples(30)
def test_assignments_do_what_arithmetic_does(steps):
    v, expected = variable([0.0, 0.0]), np.zeros(2, "float32")
    for method, number, kind in steps:
        array = np.array([number, 2 * number], "float32")
        as_given = {
            "p": tuple(array.tolist()), "n": array.astype("int64"), "j": jnp.asarray(array), "l": array.tolist(),
            "v": lamina.Variable(array),
        }[kind]  # fmt: skip
        assert getattr(v, method)(as_given) is v
        expected = {"assign": array, "assign_add": expected + array, "assign_sub": expected - array}[method]
        np.testing.assert_array_equal(v.numpy(), expected)
        assert v.dtype == np.float32 and not v.value.weak_type


@pytest.mark.parametrize("method", ["assign", "assign_add", "assign_sub"])
@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.zeros((1, 2)), np.zeros(3), [[1.0, 2.0]], np.ones(2, complex)])
def test_what_does_not_fit_is_refused_by_name_and_nothing_changes(method, wrong):
    v = variable()
    before = v.value
    if np.shape(wrong) == (3,) and method != "assign":
        with pytest.raises((ValueError, TypeError)):
            getattr(v, method)(wrong)
    else:
        with pytest.raises(ValueError, match="total"):
            getattr(v, method)(wrong)
    assert v.value is before


def test_a_scalar_is_not_spread_over_an_array_by_assign():
    v = variable()
    with pytest.raises(ValueError, match=r"total.*\(2,\).*\(\)"):
        v.assign(1.0)


@pytest.mark.parametrize("write", ["init", "assign", "jit"])
def test_an_array_of_the_users_is_neither_kept_nor_changed(write):
    """JAX may share memory with an aligned NumPy array: writing to either must not show in the other."""
    memory = np.zeros(1024 + 64, "float32")
    start = (-memory.ctypes.data % 64) // 4
    mine = memory[start : start + 1024]
    v = lamina.Variable(mine if write == "init" else np.ones(1024, "float32"))
    if write != "init":
        v.assign(mine)
    if write == "jit":
        lamina.jit(lambda: v.assign_add(np.ones(1024, "float32")))()
        np.testing.assert_array_equal(mine, 0)
    else:
        mine[:] = 7
        np.testing.assert_array_equal(v.numpy(), 0)


# --- traces ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", NEW_VALUES)
@pytest.mark.parametrize("transformation", RAW)
@pytest.mark.parametrize("outside", ["eager", "in jit", "in a layer"])
def test_a_write_inside_a_raw_transformation_is_refused_by_name(transformation, write, outside):
    v = variable(trainable=False)

    def body(x):
        NEW_VALUES[write](v, x)
        return x

    class Careless(lamina.Layer):
        def call(self, x):
            RAW[transformation](body)
            return x

    run = {
        "eager": lambda: RAW[transformation](body),
        "in jit": lamina.jit(lambda: RAW[transformation](body)),
        "in a layer": lambda: Careless()(np.ones(2)),
    }[outside]
    with jax.checking_leaks(), pytest.raises(lamina.StateError, match=r"'total'.*lamina\.") as error:
        run()
    assert "raw JAX transformation" in str(error.value)
    assert not isinstance(v.value, jax.core.Tracer)
    np.testing.assert_array_equal(v.numpy(), [1, 2])
    lamina.jit(lambda: v.assign_add([1.0, 1.0]))()
    np.testing.assert_array_equal(v.numpy(), [2, 3])


@pytest.mark.parametrize("transformation", ["jax.jit", "jax.grad", "jax.vjp", "jax.jvp", "jax.vmap", "jax.lax.scan"])
def test_a_compiled_function_that_writes_is_refused_inside_a_raw_transformation(transformation):
    """Also if some of what it writes does not depend on what is traced."""
    count, total = lamina.Variable(0.0, name="count"), lamina.Variable(0.0, name="total")

    @lamina.jit
    def step(x):
        count.assign_add(1.0)
        total.assign_add(x)
        return x

    step(1.0)
    with pytest.raises(lamina.StateError, match=r"'(count|total)'"):
        RAW[transformation](step)
    assert not any(isinstance(v.value, jax.core.Tracer) for v in (count, total))
    assert (float(count), float(total)) == (1.0, 1.0)


@pytest.mark.parametrize("start", [lambda x: x, lambda x: [x, 1.0], lambda x: (x, x), lambda x: jnp.ones(2) * x])
def test_a_variable_cannot_start_from_a_traced_value(start):
    made = []
    for transform in (jax.jit, lamina.jit):
        with pytest.raises(lamina.StateError, match="trace"):
            transform(lambda x: made.append(lamina.Variable(start(x))))(1.0)
    assert not made


def test_a_variable_made_inside_a_trace_is_concrete():
    made = []

    def body(x):
        made.append(lamina.Variable(np.ones(2, "float32")))
        made.append(lamina.Variable(lambda shape, dtype: jnp.ones(shape, dtype), shape=(2,)))
        return x

    jax.jit(body)(1.0)
    jax.eval_shape(body, 1.0)
    jax.grad(body)(1.0)
    for v in made:
        assert not isinstance(v.value, jax.core.Tracer)
        np.testing.assert_array_equal(v.numpy(), [1, 1])


def test_reading_inside_a_raw_transformation_is_allowed():
    v = variable()
    assert float(jax.jit(lambda x: jnp.sum(v * x))(2.0)) == 6.0
    assert float(jax.grad(lambda x: jnp.sum(v * x))(2.0)) == 3.0
