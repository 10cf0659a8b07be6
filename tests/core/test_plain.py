"""Plain data: whatever a config holds passes through JSON and comes back."""

import json
import operator

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.plain import decode, encode, refuse_code
from properties import examples

SIZES = st.one_of(st.none(), st.integers(-3, 3))
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.just(...),
        st.builds(slice, SIZES, SIZES, SIZES), st.sampled_from([np.dtype("int8"), np.dtype(jnp.bfloat16)]),
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.lists(inside, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inside, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
@examples(150)
def test_any_structure_comes_back_and_may_be_written_twice(value):
    text = json.dumps(encode(value))
    assert decode(json.loads(text)) == value and json.dumps(encode(json.loads(text))) == text
    assert decode(decode(json.loads(text))) == value
    refuse_code(encode(value), "it")


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "uint32", "bool", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_arrays_come_back_exactly(dtype, shape):
    values = np.random.default_rng(0).normal(size=(*shape, 2))
    array = (
        (values[..., 0] + 1j * values[..., 1]).astype(dtype) if dtype == "complex64" else values[..., 0].astype(jnp.dtype(dtype))
    )
    for given_array in (array, jnp.asarray(array), array.T):
        back = decode(json.loads(json.dumps(encode(given_array))))
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, given_array)


def test_dtypes_come_back_however_they_are_written():
    for dtype in (np.float32, jnp.float32, np.dtype("float32"), float):
        assert decode(encode(dtype)) == np.dtype("float32")
    assert (decode(encode(bool)), decode(encode(jnp.bfloat16))) == (np.dtype(bool), np.dtype(jnp.bfloat16))


@pytest.mark.parametrize("code", [len, lambda x: x, operator.attrgetter("a"), object(), {1, 2}, b"bytes"])
def test_what_is_no_plain_data_is_refused_with_its_owner(code):
    config = encode({"layers": [{"class_name": "Mine", "config": {"name": "first", "items": ({"deep": code},)}}]})
    with pytest.raises(TypeError, match=r"'first' \(Mine\).*'deep'.*[Ww]rite a layer"):
        refuse_code(config, "The model")
    with pytest.raises(TypeError, match=r"The model.*'deep'"):
        refuse_code(encode({"deep": [code]}), "The model")
