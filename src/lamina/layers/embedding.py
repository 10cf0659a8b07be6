"""Embedding: a vector for each of a set of numbered things."""

from typing import Any

import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.variable import Array
from lamina.layers.checks import positive
from lamina.layers.weight_settings import WeightSettings, add_weight
from lamina.ops.wrap import compiled


class Embedding(Layer):
    """embeddings[inputs]: for each index its row of a table that is learned.

    The table has shape (input_dim, output_dim); indices of shape (...) give outputs of shape (..., output_dim). An index
    that is not below input_dim gives NaN.

    Args:
        input_dim: how many rows there are.
        output_dim: the size of a row.
        embeddings_initializer: makes the first table.
        embeddings_regularizer: its penalty on the table is one of the losses.
        embeddings_constraint: applied to the table after each update.
        mask_zero: whether index 0 stands for padding, which later layers leave out.
        weights: the first table itself, as an array or a list that holds it; no part of the config.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or weights of another shape.

    >>> layer = lamina.layers.Embedding(3, 2, weights=np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]))
    >>> print(layer(np.array([2, 0])))
    [[3. 4.]
     [0. 0.]]
    """

    embeddings_initializer: Any
    embeddings_regularizer: Any
    embeddings_constraint: Any
    _casts_inputs = False  # indices that come as floating numbers keep their precision: in a lower one 1001 would be 1000

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.input_dim = positive(input_dim, "input_dim", self)
        self.output_dim = positive(output_dim, "output_dim", self)
        WeightSettings(embeddings_initializer, embeddings_regularizer, embeddings_constraint).keep(self, "embeddings")
        self.mask_zero = self.supports_masking = mask_zero
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        """Creates the table."""
        # The few rows that are asked for are cast instead.
        self.embeddings = add_weight(self, "embeddings", (self.input_dim, self.output_dim), autocast=False)

    def call(self, inputs: Array) -> Array:
        return _rows(self.embeddings.value, inputs).astype(self.compute_dtype)

    def compute_mask(self, inputs: Array, mask: Any = None) -> Array | None:
        return inputs != 0 if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("weights", None)
        return config


@compiled()
def _rows(table: Array, indices: Array) -> Array:
    return jnp.take(table, indices if jnp.issubdtype(indices.dtype, jnp.integer) else indices.astype("int32"), axis=0)
