"""Hashing and HashedCrossing: categories without a vocabulary, by a hash."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import hash_key, one_of, positive
from lamina.layers.encoding import MODES, encoded, no_sparse
from lamina.layers.fingerprint import combined, fingerprint, hashed
from lamina.layers.host_inputs import host_array, per_value

_SEED = 0xDECAFCAFFE  # that of TensorFlow's crossed columns


def text(value: Any) -> bytes:
    """Returns the bytes that stand for a string or an integer."""
    return (value if isinstance(value, str) else str(int(value))).encode()


class Hashing(Layer):
    """The bin, of `num_bins`, that the hash of each string or integer gives. It runs on the host, not in compiled code.

    The hash is FarmHash's fingerprint, or SipHash with a salt: as in TensorFlow, and so in Keras.

    Args:
        num_bins: how many bins there are.
        mask_value: a value that is given bin 0, which then has no other.
        salt: an integer, or two of them, that change which values fall together.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `CategoryEncoding`.
        sparse: taken as Keras has it; only False is possible.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for another mode, or a salt that is not one or two integers.
        TypeError: when called, for what are neither strings nor integers, and inside compiled code.

    >>> print(lamina.layers.Hashing(7)(np.array(["a", "b", "a"])))
    [5 2 5]
    """

    _casts_inputs = False

    def __init__(
        self, num_bins: int, mask_value: Any = None, salt: Any = None, output_mode: str = "int", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.num_bins = positive(num_bins, "num_bins", self)
        self.mask_value = mask_value
        if mask_value is not None and num_bins == 1:
            raise ValueError("Hashing with a mask_value needs num_bins of at least 2: bin 0 is for what is masked.")
        self.salt = hash_key(salt, self)
        self.output_mode = one_of(MODES, output_mode, "output_mode", self)
        no_sparse(sparse, self)

    def call(self, inputs: Any) -> Array:
        """Returns the bins, encoded."""
        bins = jnp.asarray(per_value(host_array(inputs, self), self._bin), "int32")
        return encoded(bins, self.output_mode, self.num_bins, self.compute_dtype)

    def _bin(self, value: Any) -> int:
        if self.mask_value is not None and text(value) == text(self.mask_value):
            return 0
        masked = int(self.mask_value is not None)
        return hashed(text(value), self.salt) % (self.num_bins - masked) + masked


class HashedCrossing(Layer):
    """The bin that the hash of two or more features together gives. It runs on the host, not in compiled code.

    Args:
        num_bins: how many bins there are.
        output_mode: "int" or "one_hot".
        sparse: taken as Keras has it; only False is possible.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for another mode; when called, for fewer than two features or features of different shapes.
        TypeError: when called, for what are neither strings nor integers, and inside compiled code.

    >>> print(lamina.layers.HashedCrossing(5)((np.array(["a", "b"]), np.array([1, 2]))))
    [0 2]
    """

    _casts_inputs = False

    def __init__(self, num_bins: int, output_mode: str = "int", sparse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_bins = positive(num_bins, "num_bins", self)
        self.output_mode = one_of(MODES[:2], output_mode, "output_mode", self)
        no_sparse(sparse, self)

    def call(self, inputs: Sequence[Any]) -> Array:
        """Returns the bins, encoded.

        Args:
            inputs: two or more arrays of strings or integers, of one shape.
        """
        features = [host_array(feature, self) for feature in inputs]
        if len(features) < 2 or len({feature.shape for feature in features}) > 1:
            shapes = [feature.shape for feature in features]
            raise ValueError(f"The layer {self.path!r} crosses two or more features of one shape, but was given shapes {shapes}.")
        bins = [self._bin(values) for values in zip(*(feature.flat for feature in features), strict=True)]
        indices = jnp.asarray(np.reshape(np.array(bins, "int32"), features[0].shape))
        return encoded(indices, self.output_mode, self.num_bins, self.compute_dtype)

    def _bin(self, values: Sequence[Any]) -> int:
        number = _SEED
        for value in values:
            number = combined(number, fingerprint(text(value)) if isinstance(value, str) else int(value) % 2**64)
        return number % self.num_bins
