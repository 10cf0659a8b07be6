"""MultiHeadAttention: attention in which each head looks for something of its own; and its form with fewer keys than queries."""

from collections.abc import Sequence
from typing import Any

from lamina.core.layer import Layer
from lamina.core.masks import with_mask
from lamina.core.variable import Array
from lamina.layers.checks import fraction, integers, positive, sizes
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.weight_settings import WeightSettings
from lamina.ops.attention import AttentionSettings, masked_attention
from lamina.random import SeedGenerator


class _Heads(Layer):
    """Attention of several heads: each has its own queries, keys and values, and their results are projected together."""

    supports_masking = True

    def _keep_options(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        use_gate: bool,
        seed: int | None,
    ) -> None:
        """Checks and keeps what both layers take."""
        self.dropout = fraction(dropout, "dropout", self)
        self.use_bias = use_bias
        self.sliding_window = None if sliding_window is None else positive(sliding_window, "sliding_window", self)
        self.flash_attention = flash_attention
        self.use_gate = use_gate
        self.seed = seed
        if flash_attention is not None and not isinstance(flash_attention, bool):
            raise TypeError(f"flash_attention of {type(self).__name__} must be True, False or None, not {flash_attention!r}.")
        if flash_attention and dropout:
            raise ValueError(
                f"{type(self).__name__} was given flash_attention=True and dropout={dropout}, but fused attention has no dropout. "
                "Leave one of them out."
            )

    def _make_projections(
        self, heads: int, key_heads: int, key_dim: int, value_dim: int, kernel: WeightSettings, bias: WeightSettings
    ) -> None:
        """Makes the layers that project queries, keys and values.

        Args:
            heads: how many heads the queries have.
            key_heads: how many the keys and values have; each serves as many heads of the queries.
            key_dim: the size of a query and of a key in each head.
            value_dim: the size of a value in each head.
            kernel: the settings of the projections' kernels.
            bias: those of their biases.
        """
        self._options = {
            **kernel.named("kernel"),
            **bias.named("bias"),
            "activity_regularizer": self.activity_regularizer,
            "dtype": self.dtype_policy,
        }
        self._mixed_sizes = (heads, value_dim)
        self.query_dense = self._projection("query", heads, key_dim)
        self.key_dense = self._projection("key", key_heads, key_dim)
        self.gate_dense = self._projection("gate", heads, value_dim, activation="sigmoid") if self.use_gate else None
        self.value_dense = self._projection("value", key_heads, value_dim)
        self.seed_generator = SeedGenerator(self.seed) if self.dropout else None

    def _projection(self, name: str, heads: int, size: int, **kwargs: Any) -> EinsumDense:
        """Returns a layer from (..., features) to (..., heads, size)."""
        return EinsumDense(
            "...f,fhd->...hd", (heads, size), bias_axes="hd" if self.use_bias else None, name=name, **self._options, **kwargs
        )

    def _output_projection(self, sizes: Sequence[Any]) -> EinsumDense:
        """Returns a layer from (..., heads, size) to (..., *sizes)."""
        letters = "abcefgijklm"[: len(sizes)]
        equation, bias_axes = f"...hd,hd{letters}->...{letters}", letters if self.use_bias else None
        return EinsumDense(equation, sizes, bias_axes=bias_axes, name="attention_output", **self._options)

    def _output_sizes(self, query_shape: Sequence[Any]) -> Sequence[Any]:
        """Returns the sizes of the outputs' axes after those of batch and time."""
        return query_shape[-1:]

    def _axes_of(self, axes: int) -> tuple[int, ...]:
        """Returns the axes that attention goes over, of inputs of so many."""
        return tuple(range(1, axes - 1))

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Creates the weights of the projections."""
        if len(query_shape) < 3:
            raise ValueError(
                f"The layer {self.path!r} needs queries of shape (batch, time, features), with one or more axes of time, not "
                f"of {len(query_shape)} axes."
            )
        self._axes = self._axes_of(len(query_shape))
        self.query_dense.build(query_shape)
        self.key_dense.build(value_shape if key_shape is None else key_shape)
        if self.gate_dense is not None:
            self.gate_dense.build(query_shape)
        self.value_dense.build(value_shape)
        self.output_dense = self._output_projection(self._output_sizes(query_shape))
        self.output_dense.build((*query_shape[:-1], *self._mixed_sizes))

    def call(
        self,
        query: Array,
        value: Array,
        key: Array | None = None,
        query_mask: Array | None = None,
        value_mask: Array | None = None,
        key_mask: Array | None = None,
        attention_mask: Array | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        if return_attention_scores and self.flash_attention:
            raise ValueError(
                f"The layer {self.path!r} was made with flash_attention=True: the scores are never there as a whole, so "
                "return_attention_scores cannot be True. Make it without."
            )
        settings = AttentionSettings(
            self._axes,
            bool(use_causal_mask),
            self.sliding_window,
            self.dropout,
            self.flash_attention,
            bool(return_attention_scores),
        )
        mixed, scores = masked_attention(
            self.query_dense(query),
            self.key_dense(value if key is None else key),
            self.value_dense(value),
            {"query": query_mask, "value": value_mask, "key": key_mask, "attention": attention_mask},
            self.seed_generator.next() if self.seed_generator is not None and training else None,
            settings,
        )
        if self.gate_dense is not None:
            mixed = mixed * self.gate_dense(query)
        outputs = with_mask(self.output_dense(mixed), query_mask)
        return (outputs, scores) if return_attention_scores else outputs

    def _gives_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return False  # `call` gives the outputs the query's; the scores, which have other axes, get none


class MultiHeadAttention(_Heads):
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
        sliding_window: a query looks only at places that are nearer to its own than this; None means no limit.
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.num_heads = positive(num_heads, "num_heads", self)
        self.key_dim = positive(key_dim, "key_dim", self)
        self.value_dim = self.key_dim if value_dim is None else positive(value_dim, "value_dim", self)
        self._keep_options(dropout, use_bias, sliding_window, flash_attention, use_gate, seed)
        kernel = WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint)
        bias = WeightSettings(bias_initializer, bias_regularizer, bias_constraint)
        self._make_projections(self.num_heads, self.num_heads, self.key_dim, self.value_dim, kernel, bias)
        self.attention_axes = None if attention_axes is None else integers(attention_axes, "attention_axes", self)
        if output_shape is not None:
            given = tuple(output_shape) if isinstance(output_shape, (tuple, list)) else (output_shape,)
            output_shape = sizes(given, len(given), "output_shape", self)
        self._output_shape = output_shape

    def _output_sizes(self, query_shape: Any) -> Sequence[Any]:
        return super()._output_sizes(query_shape) if self._output_shape is None else self._output_shape

    def _axes_of(self, axes: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return super()._axes_of(axes)
        given = self.attention_axes if isinstance(self.attention_axes, tuple) else (self.attention_axes,)
        positions = tuple(axis + axes if axis < 0 else axis for axis in given)
        if not set(positions) <= set(range(1, axes - 1)) or len(set(positions)) < len(positions) or not positions:
            raise ValueError(
                f"The attention_axes of the layer {self.path!r} must be some of the axes between batch and features of its "
                f"inputs, which have {axes} axes, each once, not {self.attention_axes}."
            )
        return positions


class GroupedQueryAttention(_Heads):
    """MultiHeadAttention with fewer heads of keys and values than of queries: head i looks at head i · key heads // heads.

    With one head of keys and values it is multi-query attention; with as many as of queries, `MultiHeadAttention`, which see
    for the arguments of the call and the masks.

    Args:
        head_dim: the size of queries, keys and values in each head.
        num_query_heads: how many heads the queries have.
        num_key_value_heads: how many the keys and values have; it divides that of the queries.
        dropout: see `MultiHeadAttention`, as for all further arguments.
        use_bias: whether the projections have biases.
        sliding_window: a query looks only at places that are nearer to its own than this; None means no limit.
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.head_dim = positive(head_dim, "head_dim", self)
        self.num_query_heads = positive(num_query_heads, "num_query_heads", self)
        self.num_key_value_heads = positive(num_key_value_heads, "num_key_value_heads", self)
        if num_query_heads % num_key_value_heads:
            raise ValueError(
                f"num_key_value_heads of GroupedQueryAttention must divide num_query_heads, but {num_key_value_heads} does not "
                f"divide {num_query_heads}."
            )
        self._keep_options(dropout, use_bias, sliding_window, flash_attention, use_gate, seed)
        kernel = WeightSettings(kernel_initializer, kernel_regularizer, kernel_constraint)
        bias = WeightSettings(bias_initializer, bias_regularizer, bias_constraint)
        self._make_projections(self.num_query_heads, self.num_key_value_heads, self.head_dim, self.head_dim, kernel, bias)
