"""ReversibleEmbedding: from indices to vectors, and from vectors back to a score for each index."""

from typing import Any

import jax.numpy as jnp

from lamina.core.variable import Array
from lamina.layers.checks import positive_number
from lamina.layers.dense import affine
from lamina.layers.embedding import Embedding


class ReversibleEmbedding(Embedding):
    """embeddings[inputs]; and in reverse, inputs @ transpose(embeddings).

    In reverse, vectors of shape (..., output_dim) become scores of shape (..., input_dim), as at the end of language models.

    Args:
        input_dim: how many rows the table has.
        output_dim: the size of a row.
        tie_weights: whether the reverse has the same table; otherwise it has one of its own, of shape (output_dim, input_dim).
        embeddings_initializer: makes the first table, and that of the reverse.
        embeddings_regularizer: its penalty on the table is one of the losses.
        embeddings_constraint: applied to the table after each update.
        mask_zero: whether index 0 stands for padding, which later layers leave out. Scores carry no mask.
        reverse_dtype: the dtype in which the reverse is computed; by default the compute dtype.
        logit_soft_cap: if given, scores become cap * tanh(scores / cap), which are never beyond it.
        kwargs: what `lamina.layers.Embedding` takes.

    Raises:
        ValueError: for sizes that are not positive integers, or a cap that is not a positive number.

    Source: Press and Wolf, Using the Output Embedding to Improve Language Models, 2017.

    >>> layer = lamina.layers.ReversibleEmbedding(7, 3)
    >>> vectors = layer(np.array([[1, 2]]))
    >>> vectors.shape, layer(vectors, reverse=True).shape
    ((1, 2, 3), (1, 2, 7))
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.tie_weights, self.reverse_dtype = bool(tie_weights), reverse_dtype
        self.logit_soft_cap = None if logit_soft_cap is None else positive_number(logit_soft_cap, "logit_soft_cap", self)
        super().__init__(
            input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero, **kwargs
        )

    def build(self, input_shape: Any = None) -> None:
        """Creates the table, and that of the reverse where it is another."""
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                (self.output_dim, self.input_dim), self.embeddings_initializer, autocast=False
            )

    def call(self, inputs: Array, reverse: bool = False) -> Array:
        """Looks rows up, or with `reverse` computes scores."""
        if not reverse:
            return super().call(inputs)
        kernel = self.embeddings.value.T if self.tie_weights else self.reverse_embeddings.value
        dtype = self.reverse_dtype or self.compute_dtype
        scores = affine(inputs.astype(dtype), kernel.astype(dtype), None)
        cap = self.logit_soft_cap
        return scores if cap is None else cap * jnp.tanh(scores / cap)

    def _gives_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return not kwargs.get("reverse", len(args) > 1 and args[1])
