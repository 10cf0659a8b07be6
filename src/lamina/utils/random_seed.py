"""One seed for all that is random."""

import random

import numpy as np

import lamina.random as draws


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's global generator, and Lamina.

    Args:
        seed: an integer from 0 to 2³² − 1.

    Raises:
        ValueError: for anything else.

    >>> lamina.utils.set_random_seed(7)
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"A seed must be an integer from 0 to 2**32 - 1, not {seed!r}.")
    random.seed(seed)
    np.random.seed(seed)
    draws.set_seed(seed)
