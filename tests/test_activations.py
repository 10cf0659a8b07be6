"""Activations: the numbers and gradients of Keras, compiled or not, by name or as functions."""

import functools

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import activations
from lamina.core import config
from lamina.core.graph import replay
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable
from properties import examples

NOT_FUNCTIONS = {"get", "serialize", "deserialize"}
NAMES = sorted(name for name in dir(keras.activations) if not name.startswith("_") and name not in NOT_FUNCTIONS)
OPTIONS = {"threshold": {"threshold": 0.5, "default_value": -1.5}}
KINKS = np.arange(-12, 13) / 2  # where a piece of some activation ends
EPSILON = {"float32": 1e-6, "float16": 2**-10, "bfloat16": 2**-7}


def ours(name, **options):
    return functools.partial(getattr(activations, name), **{**OPTIONS.get(name, {}), **options})


def theirs(name, **options):
    return functools.partial(getattr(keras.activations, name), **{**OPTIONS.get(name, {}), **options})


def inputs(shape, dtype, seed):
    """Random numbers, and among them the places where pieces meet."""
    random = np.random.default_rng(seed)
    x = np.where(random.random(shape) < 0.3, random.choice(KINKS, shape), random.normal(0, 4, shape))
    return jnp.asarray(x, dtype)


def assert_all_close(ours, theirs, x):
    """Compares dicts of functions, each compiled as one program."""
    actual, desired = (jax.jit(lambda x, f=f: jax.tree.map(lambda g: g(x), f))(x) for f in (ours, theirs))
    tolerance = 8 * EPSILON[x.dtype.name]
    for name in theirs:
        a, b = actual[name], desired[name]
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        np.testing.assert_allclose(np.float64(a), np.float64(b), rtol=tolerance, atol=tolerance, err_msg=name)


@given(shape=hnp.array_shapes(max_dims=3, max_side=4), dtype=st.sampled_from(sorted(EPSILON)), seed=st.integers(0, 99))
@examples(5)
def test_values_are_those_of_keras(shape, dtype, seed):
    names = set(NAMES) - {"sparsemax"}  # that of Keras does not add up to one
    x = inputs((*shape, 4), dtype, seed)
    assert_all_close({name: ours(name) for name in names}, {name: theirs(name) for name in names}, x)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_options_mean_what_they_mean_in_keras(dtype):
    options = [
        ("relu", {"negative_slope": 0.3}),
        ("relu", {"max_value": 6}),
        ("relu", {"threshold": -1.5, "max_value": 2.0}),
        ("relu", {"negative_slope": 0.2, "max_value": 3.5, "threshold": 1.0}),
        ("leaky_relu", {"negative_slope": 0.4}),
        ("elu", {"alpha": 0.6}),
        ("celu", {"alpha": 1.7}),
        ("squareplus", {"b": 0.5}),
        ("hard_shrink", {"threshold": 1.0}),
        ("soft_shrink", {"threshold": 1.0}),
        ("gelu", {"approximate": True}),
        ("softmax", {"axis": 0}),
        ("softmax", {"axis": (0, 2)}),
        ("log_softmax", {"axis": 1}),
        ("glu", {"axis": 1}),
    ]
    expected = {f"{name} {given}": theirs(name, **given) for name, given in options}
    assert_all_close({f"{name} {given}": ours(name, **given) for name, given in options}, expected, inputs((3, 4, 5), dtype, 1))


@functools.cache
def gradient(name):
    """The gradient of the sum of w · f(x), compiled."""
    return jax.jit(jax.grad(lambda x, w: (ours(name)(x) * w).sum()))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_differences_and_compiling_changes_nothing(name):
    random = np.random.default_rng(0)
    # Between the kinks, and no two of them a whole number apart.
    x = np.float32(random.permutation(KINKS[:24] + random.uniform(0.1, 0.4, 24)).reshape(6, 4) / 2)
    function, step = ours(name), np.float32(random.uniform(-0.01, 0.01, x.shape))
    w = np.float32(random.normal(size=function(x).shape))
    np.testing.assert_array_equal(jax.jit(function)(x), function(x))
    ahead, behind = np.float64(function(x + step)), np.float64(function(x - step))
    np.testing.assert_allclose((gradient(name)(x, w) * step).sum(), (w * (ahead - behind)).sum() / 2, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_number_is_made_nan_by_size(name):
    x = np.resize(np.float32([-3e4, -1.0, 1.0, 3e4]), (6, 4))
    values = np.asarray(ours(name)(x))
    assert not np.isnan(values).any() and not np.isnan(gradient(name)(x, np.ones_like(values))).any()


def test_the_gradient_of_relu_at_zero_is_zero():
    for options in ({}, {"max_value": 6}, {"negative_slope": 0.1}, {"threshold": 0.0}):
        assert jax.grad(ours("relu", **options))(0.0) == 0.0


@given(
    x=hnp.arrays("float32", st.sampled_from([(3, 6), (1, 1)]), elements=st.floats(-3, 3, width=16)),
    shift=st.sampled_from([0, 1000]),
)
@examples(30)
def test_sparsemax_is_the_projection_on_the_probabilities(x, shift):
    p = np.asarray(activations.sparsemax(x + shift))
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
    # The conditions of the optimum: p = x - τ where it is positive, x ≤ τ where it is zero.
    tau = np.where(p > 0, x - p, -np.inf).max(-1, keepdims=True)
    np.testing.assert_allclose(p, np.maximum(x - tau, 0), atol=2e-4)
    np.testing.assert_allclose(activations.sparsemax(x.T + shift, axis=0), p.T, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_lists_variables_and_symbolic_tensors_are_taken(name):
    x = np.array([[-1.0, 0.2, 0.7, 2.0]], "float32")
    function = ours(name)
    expected = function(x)
    np.testing.assert_array_equal(function(x.tolist()), expected)
    np.testing.assert_array_equal(function(Variable(x)), expected)
    symbol = SymbolicTensor((None, 4))
    output = function(symbol)
    assert output.shape == (None, expected.shape[1])
    np.testing.assert_array_equal(replay(output, {symbol: x}), expected)


def test_options_that_are_numbers_may_be_arrays():
    alpha = Variable(0.5)
    np.testing.assert_allclose(activations.elu(jnp.array([-1.0]), alpha), [0.5 * np.expm1(-1.0)], rtol=1e-6)
    assert jax.grad(lambda a: activations.elu(-1.0, a))(0.5) == pytest.approx(np.expm1(-1.0))


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_keras_is_known_and_comes_back_from_a_config(name):
    function = activations.get(name)
    assert function is getattr(activations, name)
    assert activations.deserialize(activations.serialize(function)) is function
    assert isinstance(config.serialize(function), str)


def test_what_is_not_a_name():
    def own(x):
        return x

    assert activations.get(None) is activations.linear
    assert activations.get(own) is own
    with pytest.raises(ValueError, match=r"(?s)relu6x.*relu6"):
        activations.get("relu6x")
    with pytest.raises(TypeError, match="must be a name or a function, not 3"):
        activations.get(3)
    with pytest.raises(ValueError, match="no name"):
        activations.serialize(own)
    with pytest.raises(ValueError, match="even"):
        activations.glu(jnp.ones((2, 3)))
