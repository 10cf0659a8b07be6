"""States in files: what is read is what was written."""

import zipfile

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.npz import read_npz, write_npz

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
arrays = st.sampled_from(
    [np.arange(3), np.ones((2, 0), "float16"), np.array(True), np.array(["a", "bc"]), np.float32(3).reshape(())]
)


@given(values=st.dictionaries(st.text("abc/.", min_size=1).filter(lambda name: name != "plain.json"), plain | arrays, max_size=6))
def test_arrays_and_plain_values_come_back(values, tmp_path_factory):
    file = tmp_path_factory.mktemp("npz") / "state.npz"
    write_npz(file, values)
    found = read_npz(file)
    assert found.keys() == values.keys()
    np.testing.assert_equal(found, values)


def test_dtypes_that_numpy_lacks_come_back_as_wider_ones(tmp_path):
    value = np.asarray(jnp.array([1.5, -2.25], "bfloat16"))
    write_npz(tmp_path / "state.npz", {"a": value})
    np.testing.assert_array_equal(read_npz(tmp_path / "state.npz")["a"], np.array([1.5, -2.25], "float32"))


@pytest.mark.parametrize("content", [b"[1, 2]", b"{", b"[" * 100_000])
def test_plain_values_that_are_not_by_name_are_refused(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "state.npz", "w") as archive:
        archive.writestr("plain.json", content)
    with pytest.raises(ValueError, match="cannot be read"):
        read_npz(tmp_path / "state.npz")
