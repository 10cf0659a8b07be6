"""What lamina.ops.numpy does beyond wrapping jax.numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import ops
from lamina.core.symbolic import SymbolicTensor

ROW = np.arange(3.0, dtype="float32")


def test_lists_of_numbers_are_arrays():
    np.testing.assert_array_equal(ops.add([1, 2], (3, 4)), [4, 6])
    np.testing.assert_array_equal(ops.sum([[1, 2], [3, 4]], axis=0), [4, 6])
    np.testing.assert_array_equal(ops.where([True, False], [1.0, 2.0], 0.0), [1, 0])
    np.testing.assert_array_equal(ops.relu([-1.0, 2.0]), [0, 2])


def test_lists_may_hold_variables_and_symbolic_tensors():
    v = lamina.Variable(2.0)
    assert ops.sum([v, 3.0]) == 5
    assert ops.stack([v, 3.0]).shape == (2,)
    assert ops.concatenate([SymbolicTensor((None, 2)), np.ones((4, 2), "float32")], axis=-2).shape == (None, 2)


def test_float64_becomes_float32():
    assert ops.add(np.ones(2), np.ones(2)).dtype == jnp.float32
    assert ops.mean(np.ones(2)).dtype == jnp.float32


def test_a_new_shape_may_have_one_unknown_size():
    x = SymbolicTensor((None, 6))
    assert ops.reshape(x, (ops.shape(x)[0], 2, 3)).shape == (None, 2, 3)
    assert ops.reshape(np.ones((2, 6)), (None, 4)).shape == (3, 4)


def test_sizes_in_pythons_terms():
    x = SymbolicTensor((None, "time", 3))
    assert ops.shape(x) == (None, "time", 3)
    assert ops.ndim(x) == 3 and ops.ndim([[1, 2]]) == 2
    assert ops.shape(lamina.Variable(ROW)) == (3,)
    assert ops.size(np.ones((2, 3))) == 6


def test_inside_a_trace_sizes_are_what_jax_has():
    doubled = []

    def program(x):
        doubled.append(ops.shape(x)[0] * 2)
        return ops.reshape(x, (ops.shape(x)[0] * 3,))

    size = jax.export.symbolic_shape("n")[0]
    out = jax.eval_shape(program, jax.ShapeDtypeStruct((size, 3), "float32"))
    assert doubled == [2 * size] and out.shape == (3 * size,)


def test_divide_no_nan_has_no_nan_in_its_gradient():
    gradient = jax.grad(lambda x: ops.divide_no_nan(1.0, x))
    assert gradient(0.0) == 0 and gradient(2.0) == -0.25


def test_rows_are_counted_each_by_itself_whatever_their_largest_number():
    np.testing.assert_array_equal(ops.bincount([[1, 2, 2], [0, 0, 1]]), [[0, 1, 2], [2, 1, 0]])
    np.testing.assert_array_equal(ops.bincount(np.array([[1, 1]]), weights=np.array([[0.5, 1.0]])), [[0, 1.5]])


def test_vectorize_makes_an_op():
    norm = ops.vectorize(lambda row: jnp.sqrt(jnp.sum(row**2)), signature="(n)->()")
    assert norm(np.ones((5, 4))).tolist() == [2.0] * 5
    assert norm(SymbolicTensor((None, 4))).shape == (None,)
    scaled = ops.vectorize(lambda x, factor: x * factor, excluded=[1])
    assert scaled(ROW, 2).tolist() == [0, 2, 4]


def test_empty_arrays_have_the_shape_asked_for():
    assert ops.empty((2, 3)).shape == (2, 3)
    assert ops.empty_like(ROW, dtype="int32").dtype == jnp.int32


def test_an_argument_too_many_is_refused():
    with pytest.raises(TypeError, match="max takes x, axis, keepdims, initial in this order"):
        ops.max(ROW, 0, False, 0.0, 1)


def test_functions_are_named_as_in_keras():
    assert ops.sum.__name__ == "sum" and "jax.numpy.sum" in ops.sum.__doc__
    assert ops.exp.__name__ == "exp"


def test_a_symbolic_condition_cannot_ask_where_it_is_true():
    with pytest.raises(jax.errors.ConcretizationTypeError):
        ops.where(SymbolicTensor((3,), "bool"))
