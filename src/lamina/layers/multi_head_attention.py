"""MultiHeadAttention: attention in which each head looks for something of its own."""

from collections.abc import Sequence
from typing import Any

from lamina.layers.checks import integers, positive, sizes
from lamina.layers.heads import HeadsLayer


class MultiHeadAttention(HeadsLayer):
    """Σ over heads of softmax(Q Kᵀ / √key_dim) V, projected, with Q, K and V projections of query, key and value.

    Called as layer(query, value, key=value), on arrays of shapes (batch, time, features), (batch, places, features) and
    (batch, places, features), or with more axes of time; gives (batch, time, features of the query).

    A query looks only where it and the place count by the masks that query, value and key carry, or that are given as
    `query_mask`, `value_mask` and `key_mask`; where `attention_mask`, which broadcasts to (batch, heads, time, places) and may
    lack the heads, is true; and, with `use_causal_mask=True`, at places up to its own. The outputs carry the query's mask.
    With `return_attention_scores=True` the weights are returned too, of shape (batch, heads, time, places).

    Args:
        num_heads: how many heads there are.
        key_dim: the size of a query and of a key in each head.
        value_dim: the size of a value in each head; by default that of a key.
        dropout: the probability that a weight is left out in training.
        use_bias: whether the projections have biases.
        output_shape: the size or sizes of the outputs after batch and time; by default that of the query.
        attention_axes: the axis or axes of time, if not all between batch and features.
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
        seed: of the dropout; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for sizes that are not positive, a dropout outside [0, 1], or one together with flash_attention=True; from
            the call, for arrays or masks whose sizes do not fit together.

    Sources: Vaswani et al., Attention Is All You Need, 2017; for the gate, Qiu et al., Gated Attention for Large Language
    Models, 2025.

    >>> layer = lamina.layers.MultiHeadAttention(num_heads=2, key_dim=8)
    >>> x = np.ones((3, 5, 16))
    >>> layer(x, x, use_causal_mask=True).shape
    (3, 5, 16)
    >>> layer(x, x, return_attention_scores=True)[1].shape
    (3, 2, 5, 5)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
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
        self.num_heads = positive(num_heads, "num_heads", self)
        self.key_dim = positive(key_dim, "key_dim", self)
        self.value_dim = self.key_dim if value_dim is None else positive(value_dim, "value_dim", self)
        super().__init__(
            self.num_heads,
            self.num_heads,
            self.key_dim,
            self.value_dim,
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
        self.attention_axes = None if attention_axes is None else integers(attention_axes, "attention_axes", self)
        if output_shape is not None:
            given = tuple(output_shape) if isinstance(output_shape, (tuple, list)) else (output_shape,)
            output_shape = sizes(given, len(given), "output_shape", self)
        self._output_shape = output_shape

    def _output_sizes(self, query_shape: Any) -> Sequence[Any]:
        return super()._output_sizes(query_shape) if self._output_shape is None else self._output_shape

    def _attended_axes(self, axes: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return super()._attended_axes(axes)
        given = self.attention_axes if isinstance(self.attention_axes, tuple) else (self.attention_axes,)
        positions = tuple(axis + axes if axis < 0 else axis for axis in given)
        if not set(positions) <= set(range(1, axes - 1)) or len(set(positions)) < len(positions) or not positions:
            raise ValueError(
                f"The attention_axes of the layer {self.path!r} must be some of the axes between batch and features of its "
                f"inputs, which have {axes} axes, each once, not {self.attention_axes}."
            )
        return positions
