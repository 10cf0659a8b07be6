"""CategoryEncoding: integers as vectors of zeros and ones."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from lamina.core.jax_internals import is_tracer
from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import one_of, positive
from lamina.layers.encoding import MODES, encoded, no_sparse


class CategoryEncoding(Layer):
    """Integers in [0, num_tokens) as vectors of that size.

    Args:
        num_tokens: how many categories there are.
        output_mode: "one_hot": a vector for each integer, of shape (..., n, num_tokens), or (..., num_tokens) where n is 1;
            "multi_hot": a vector for the last axis, (..., num_tokens), with 1 for each integer that is there; "count": likewise,
            with how often it is there.
        sparse: taken as Keras has it; only False is possible.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for another mode; from a call on values that are known, for integers out of range.

    >>> print(lamina.layers.CategoryEncoding(4, "count")(np.array([[0, 1, 1], [3, 3, 3]])))
    [[1. 2. 0. 0.]
     [0. 0. 0. 3.]]
    """

    _casts_inputs = False

    def __init__(self, num_tokens: int, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_tokens = positive(num_tokens, "num_tokens", self)
        self.output_mode = one_of(MODES[1:], output_mode, "output_mode", self)
        no_sparse(sparse, self)

    def call(self, inputs: Array, count_weights: Any = None) -> Array:
        """Encodes the inputs.

        Args:
            inputs: integers of shape (..., n).
            count_weights: what each of them counts for, in the mode "count"; of the shape of the inputs.
        """
        inputs = jnp.asarray(inputs).astype("int32")
        if count_weights is not None and (self.output_mode != "count" or jnp.shape(count_weights) != inputs.shape):
            raise ValueError(
                f"count_weights are for output_mode='count', one for each input: inputs of shape {inputs.shape} and weights of "
                f"shape {jnp.shape(count_weights)} were given to a layer of output_mode={self.output_mode!r}."
            )
        if not is_tracer(inputs) and inputs.size:
            least, most = int(np.min(inputs)), int(np.max(inputs))
            if least < 0 or most >= self.num_tokens:
                raise ValueError(
                    f"The layer {self.path!r} has num_tokens={self.num_tokens}, so it takes integers from 0 to "
                    f"{self.num_tokens - 1}, but was given integers from {least} to {most}."
                )
        return encoded(inputs, self.output_mode, self.num_tokens, self.dtype, count_weights)
