"""GroupedQueryAttention: attention in which several heads of the queries share one of keys and values."""

from typing import Any

from lamina.layers.checks import positive
from lamina.layers.heads import HeadsLayer


class GroupedQueryAttention(HeadsLayer):
    """MultiHeadAttention with fewer heads of keys and values than of queries: head i looks at head i · key heads // heads.

    With one head of keys and values it is multi-query attention; with as many as of queries, `MultiHeadAttention`, which see
    for the arguments of the call and the masks.

    Args:
        head_dim: the size of queries, keys and values in each head.
        num_query_heads: how many heads the queries have.
        num_key_value_heads: how many the keys and values have; it divides that of the queries.
        dropout: see `MultiHeadAttention`, as for all further arguments.
        use_bias: whether the projections have biases.
        sliding_window: a query looks only at places that are nearer to its own than this; None is no limit.
        flash_attention: whether to use cuDNN's fused attention on a GPU; None leaves it to JAX.
        kernel_initializer: makes the first kernels of the projections.
        bias_initializer: makes their first biases.
        kernel_regularizer: its penalty on each kernel is one of the losses.
        bias_regularizer: likewise for the biases.
        activity_regularizer: likewise for the outputs, and for those of each projection.
        kernel_constraint: applied to each kernel after each update.
        bias_constraint: likewise for the biases.
        use_gate: whether the heads' results are multiplied by sigmoid(a projection of the queries).
        seed: of the dropout.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: as `MultiHeadAttention`; and if the heads of keys and values do not divide those of the queries.

    Source: Ainslie et al., GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints, 2023.

    >>> layer = lamina.layers.GroupedQueryAttention(head_dim=8, num_query_heads=4, num_key_value_heads=2)
    >>> x = np.ones((3, 5, 16))
    >>> layer(x, x).shape, layer.query_dense.kernel.shape, layer.key_dense.kernel.shape
    ((3, 5, 16), (16, 4, 8), (16, 2, 8))
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.head_dim = positive(head_dim, "head_dim", self)
        self.num_query_heads = positive(num_query_heads, "num_query_heads", self)
        self.num_key_value_heads = positive(num_key_value_heads, "num_key_value_heads", self)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"num_key_value_heads of GroupedQueryAttention must divide num_query_heads, but {num_key_value_heads} does not "
                f"divide {num_query_heads}."
            )
        super().__init__(
            self.num_query_heads,
            self.num_key_value_heads,
            self.head_dim,
            self.head_dim,
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            use_gate,
            seed,
            **kwargs,
        )
