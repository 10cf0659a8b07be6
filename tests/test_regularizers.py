"""Regularizers: the penalties of Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparing import assert_close
from lamina import regularizers
from lamina.core.variable import Variable
from properties import examples

CASES = [
    ("L1", {}),
    ("L1", {"l1": 0.3}),
    ("L2", {}),
    ("L2", {"l2": 0.3}),
    ("L1L2", {}),
    ("L1L2", {"l1": 0.3, "l2": 0.2}),
    ("OrthogonalRegularizer", {}),
    ("OrthogonalRegularizer", {"factor": 0.3, "mode": "columns"}),
]


@given(shape=st.tuples(st.integers(2, 4), st.integers(2, 4)), seed=st.integers(0, 99))
@examples(4)
def test_penalties_and_their_gradients_are_those_of_keras(shape, seed):
    ours, theirs = ([getattr(module, name)(**options) for name, options in CASES] for module in (regularizers, keras.regularizers))
    x = jnp.asarray(np.random.default_rng(seed).normal(size=shape), "float32")
    actual, expected = (jax.jit(lambda x, f=f: [jax.value_and_grad(g)(x) for g in f])(x) for f in (ours, theirs))
    for case, (penalty, gradient), (their_penalty, their_gradient) in zip(CASES, actual, expected, strict=True):
        assert penalty.shape == ()
        assert_close(penalty, their_penalty, rtol=1e-5, err_msg=case)
        np.testing.assert_allclose(gradient, their_gradient, rtol=1e-4, atol=1e-6, err_msg=case)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 2, 2)])
def test_sums_run_over_every_axis_of_arrays_and_variables(shape):
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    for value in (jnp.asarray(x), x, Variable(x)):
        assert_close(regularizers.L1(0.5)(value), 0.5 * abs(x).sum())
        assert_close(regularizers.L2(0.5)(value), 0.5 * (x**2).sum())
        assert_close(regularizers.L1L2(0.5, 0.25)(value), (0.5 * abs(x) + 0.25 * x**2).sum())


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_rows_of_zeros_and_single_rows_cost_nothing(dtype):
    for x in (jnp.zeros((3, 2), dtype), jnp.ones((1, 4), dtype)):
        penalty, gradient = jax.jit(jax.value_and_grad(regularizers.OrthogonalRegularizer(1.0)))(x)
        assert penalty == 0 and (np.asarray(gradient) == 0).all()


@pytest.mark.parametrize("name, options", CASES)
def test_configs_come_back(name, options):
    regularizer = getattr(regularizers, name)(**options)
    copy = regularizers.deserialize(regularizers.serialize(regularizer))
    assert type(copy) is type(regularizer) and vars(copy) == vars(regularizer) | {"_given": copy._given}
    assert regularizer.get_config() == pytest.approx(getattr(keras.regularizers, name)(**options).get_config())


def test_what_may_stand_for_a_regularizer():
    assert regularizers.get(None) is None
    assert regularizers.get(jnp.sum) is jnp.sum
    assert isinstance(regularizers.get("l1"), regularizers.L1)
    assert isinstance(regularizers.get("L2"), regularizers.L2)
    assert isinstance(regularizers.get("orthogonal_regularizer"), regularizers.OrthogonalRegularizer)
    assert regularizers.l2(0.1).l2 == 0.1
    for name in ("l1_l2", "l1l2", "L1L2"):
        assert (regularizers.get(name).l1, regularizers.get(name).l2) == (0.01, 0.01)
    with pytest.raises(ValueError, match=r"(?s)l3.*l"):
        regularizers.get("l3")


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "0.1"])
@pytest.mark.parametrize("name", ["L1", "L2", "L1L2", "OrthogonalRegularizer"])
def test_factors_must_be_finite_and_not_negative(name, value):
    with pytest.raises(ValueError, match="finite number that is not negative"):
        getattr(regularizers, name)(value)


def test_orthogonal_takes_matrices_and_two_modes():
    with pytest.raises(ValueError, match="matrices"):
        regularizers.OrthogonalRegularizer()(jnp.ones(3))
    with pytest.raises(ValueError, match="mode must be 'rows' or 'columns', not 'diagonal'"):
        regularizers.OrthogonalRegularizer(mode="diagonal")
