"""Constraints: the projections of Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina import constraints
from lamina.core.variable import Variable
from properties import examples

AXES = [0, 1, -1, [0, 1], (0, 2), [0, 1, 2]]
OPTIONS = {
    "MaxNorm": st.fixed_dictionaries({"max_value": st.floats(0, 3), "axis": st.sampled_from(AXES)}),
    "MinMaxNorm": st.fixed_dictionaries(
        {
            "min_value": st.floats(0, 1),
            "max_value": st.floats(1, 3),
            "rate": st.floats(0, 1),
            "axis": st.sampled_from(AXES),
        }
    ),
    "NonNeg": st.just({}),
    "UnitNorm": st.fixed_dictionaries({"axis": st.sampled_from(AXES)}),
}


@pytest.mark.parametrize("name", OPTIONS)
@given(data=st.data(), seed=st.integers(0, 99), scale=st.sampled_from([0.0, 0.1, 1.0, 10.0]))
@examples(6)
def test_projections_are_those_of_keras(name, data, seed, scale):
    options = data.draw(OPTIONS[name])
    ours, theirs = getattr(constraints, name)(**options), getattr(keras.constraints, name)(**options)
    w = jnp.asarray(np.random.default_rng(seed).normal(0, scale, (2, 3, 4)), "float32")
    np.testing.assert_allclose(ours(w), jax.jit(theirs)(w), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(ours)(Variable(w)), ours(w), rtol=1e-5, atol=1e-6)
    assert ours.get_config() == theirs.get_config()
    copy = constraints.deserialize(constraints.serialize(ours))
    assert type(copy) is type(ours) and copy.get_config() == ours.get_config()


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_dtype_stays(name, dtype):
    assert getattr(constraints, name)()(jnp.ones((2, 3), dtype)).dtype == dtype


def test_what_may_stand_for_a_constraint():
    assert constraints.get(None) is None
    assert constraints.get(jnp.abs) is jnp.abs
    for name in ("max_norm", "min_max_norm", "non_neg", "unit_norm", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"):
        assert type(constraints.get(name)) is type(getattr(constraints, name)())
        assert type(constraints.get(name)).__name__ == type(keras.constraints.get(name)).__name__
    with pytest.raises(ValueError, match=r"(?s)max_nrom.*max_norm"):
        constraints.get("max_nrom")


def test_bad_bounds_are_refused():
    with pytest.raises(ValueError, match="must not be negative"):
        constraints.MaxNorm(-1)
    with pytest.raises(ValueError, match="they are 2 and 1"):
        constraints.MinMaxNorm(2, 1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        constraints.MinMaxNorm(rate=1.5)
