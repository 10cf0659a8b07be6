"""Control flow with state, and what lamina.ops.core says of tensors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import ops
from lamina.core.symbolic import SymbolicTensor

ROW = np.arange(3.0, dtype="float32")


def counting(result):
    """A variable, and a function that adds 1 to it and returns `result` of its arguments."""
    count = lamina.Variable(0.0)

    def function(*args):
        count.assign_add(1.0)
        return result(*args)

    return count, function


@pytest.mark.parametrize(
    "turns, result, run",
    [
        (3, lambda carry, x: (carry + x, x), lambda f: ops.scan(f, 0.0, ROW)),
        (3, lambda x: x * 2, lambda f: ops.map(f, ROW)),
        (4, lambda i, value: value + i, lambda f: ops.fori_loop(0, 4, f, 0)),
        (3, lambda i, total: (i + 1, total + i), lambda f: ops.while_loop(lambda i, total: i < 3, f, (0, 0))),
        (2, lambda i: i + 1, lambda f: ops.while_loop(lambda i: True, f, 0, maximum_iterations=2)),
        (1, lambda: 1.0, lambda f: ops.cond(True, f, lambda: 2.0)),
        (1, lambda x: x, lambda f: ops.switch(1, [lambda x: -x, f], 1.0)),
        (1, lambda x: x, lambda f: ops.vectorized_map(f, ROW)),
    ],
)
def test_what_a_body_writes_is_carried_out(turns, result, run):
    count, function = counting(result)
    run(function)
    assert count.numpy() == turns
    lamina.jit(lambda: run(function))()
    assert count.numpy() == 2 * turns


def test_control_flow_takes_symbolic_tensors():
    x = SymbolicTensor((None, 3))
    last, every = ops.scan(lambda carry, row: (carry + row, row.sum()), np.zeros(3, "float32"), x)
    assert last.shape == (3,) and every.shape == (None,)
    assert ops.map(lambda row: row[:2], x).shape == (None, 2)
    assert ops.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, v * 2), (0, x))[1].shape == (None, 3)
    assert ops.cond(SymbolicTensor((), "bool"), lambda v: v, lambda v: -v, x).shape == (None, 3)


def test_a_loop_over_one_value_returns_it_bare_and_over_a_tuple_a_tuple():
    assert ops.while_loop(lambda i: i < 3, lambda i: i + 1, 0) == 3
    assert ops.while_loop(lambda i: i < 3, lambda i: (i + 1,), (0,)) == (3,)


def test_custom_gradients_are_used():
    @ops.custom_gradient
    def clipped(x):
        return x * 2, lambda upstream: jnp.clip(upstream, -1, 1)

    assert lamina.grad(lambda x: clipped(x) * 5.0)(3.0) == 1


def test_stop_gradient_stops_it():
    assert jax.grad(lambda x: x * ops.stop_gradient(x))(3.0) == 3


def test_what_is_a_tensor():
    for x in (jnp.ones(2), lamina.Variable(1.0), SymbolicTensor((2,))):
        assert ops.is_tensor(x)
    for x in (np.ones(2), 1.0, [1.0]):
        assert not ops.is_tensor(x)


def test_dtypes_have_names():
    assert ops.dtype(lamina.Variable(1.0)) == "float32" and ops.dtype(SymbolicTensor((2,), "int32")) == "int32"
    assert ops.dtype(3) == "int32" and ops.dtype(jnp.ones(2, "bfloat16")) == "bfloat16"


def test_conversions():
    assert isinstance(ops.convert_to_numpy(lamina.Variable(ROW)), np.ndarray)
    assert ops.convert_to_numpy([lamina.Variable(1.0), 2.0]).tolist() == [1, 2]
    assert ops.convert_to_tensor([lamina.Variable(1.0), 2.0], "int32").tolist() == [1, 2]
    assert ops.convert_to_tensor(SymbolicTensor((None,)), "int32").dtype == jnp.int32
    with pytest.raises(TypeError, match="has no numbers"):
        ops.convert_to_numpy(SymbolicTensor((2,)))


def test_bad_input_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="not 'sum'"):
        ops.scatter_update(ROW, [[0]], [1.0], reduction="sum")
    with pytest.raises(ValueError, match="unstack was given num=2, but axis 0"):
        ops.unstack(ROW, num=2)
