"""How numbers are compared."""

import numpy as np


def assert_close(actual, desired, rtol=1e-5, err_msg=""):
    """Compares arrays to a share of each number, and to the same share of the largest of them, or of 1 if that is more.

    Where numbers of that size are added and nearly cancel, what is left is as wrong as they were, however small it is; and
    machines differ in the order in which they add.
    """
    desired = np.asarray(desired, "float64")
    largest = np.max(np.abs(desired), initial=1, where=np.isfinite(desired))
    np.testing.assert_allclose(np.asarray(actual, "float64"), desired, rtol=rtol, atol=rtol * largest, err_msg=str(err_msg))
