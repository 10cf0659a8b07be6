"""Datasets to learn with: downloaded once, checked by their SHA-256, and kept; or read from a copy of one's own.

They are kept in `datasets` below the folder that the environment's `LAMINA_HOME` names, or else below `lamina` in the user's cache
folder. Where there is no network, a file can be put there by hand: the error says under which name. `path` names a file elsewhere.

Nothing in a file is executed: arrays are read as arrays, archives are read without being unpacked.

Keras's `boston_housing` is left out: one of its columns assumes that racial segregation raises the value of houses, and
scikit-learn has withdrawn it. `california_housing` is of the same kind.
"""

from typing import Any

from lamina.datasets import california_housing, cifar10, cifar100, fashion_mnist, imdb, mnist, reuters
from lamina.datasets.idx import read_idx

__all__ = ["california_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "read_idx", "reuters"]


def __getattr__(name: str) -> Any:
    """Says why there is no `boston_housing`."""
    if name == "boston_housing":
        raise AttributeError(
            "lamina.datasets has no boston_housing: one of its columns assumes that racial segregation raises the "
            "value of houses, and scikit-learn has withdrawn it for that. lamina.datasets.california_housing is of the same kind; "
            "with load_data(version='small') it is as small."
        )
    raise AttributeError(f"module 'lamina.datasets' has no attribute {name!r}")
