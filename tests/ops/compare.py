"""How results are compared."""

from typing import Any

import jax
import numpy as np


def leaves(structure: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(structure)]


def assert_same(ours: Any, theirs: Any, tolerance: float = 1e-5, note: str = "") -> None:
    """The same arrays in the same order: shapes, dtypes and numbers."""
    ours, theirs = leaves(ours), leaves(theirs)
    assert [a.shape for a in ours] == [a.shape for a in theirs], note
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype, note
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=note)


def arrays_to(make: Any, structure: Any) -> Any:
    """The structure with each NumPy array replaced by `make(array)`."""
    return jax.tree.map(lambda leaf: make(leaf) if isinstance(leaf, np.ndarray) else leaf, structure)
