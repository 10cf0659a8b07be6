"""What the layers of attention with several heads share: the projections, and the call."""

from collections.abc import Sequence
from typing import Any

import lamina.constraints as constraints
import lamina.initializers as initializers
import lamina.regularizers as regularizers
from lamina.core.layer import Layer
from lamina.core.masks import with_mask
from lamina.core.variable import Array
from lamina.layers.attended import Attended, attention_of_heads
from lamina.layers.checks import fraction, positive
from lamina.layers.einsum_dense import EinsumDense
from lamina.random import SeedGenerator


class HeadsLayer(Layer):
    """Attention of several heads: each has its own queries, keys and values, and their results are projected together.

    Args:
        heads: how many heads the queries have.
        key_heads: how many the keys and values have; each serves as many heads of the queries.
        key_dim: the size of a query and of a key in each head.
        value_dim: the size of a value in each head.
        dropout: the probability that a weight is left out in training.
        use_bias: whether the projections have biases.
        sliding_window: a query looks only at places that are nearer to its own than this; None is no limit.
        flash_attention: see `lamina.ops.dot_product_attention`.
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
    """

    supports_masking = True

    def __init__(
        self,
        heads: int,
        key_heads: int,
        key_dim: int,
        value_dim: int,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
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
        self._options = {
            "kernel_initializer": initializers.get(kernel_initializer),
            "bias_initializer": initializers.get(bias_initializer),
            "kernel_regularizer": regularizers.get(kernel_regularizer),
            "bias_regularizer": regularizers.get(bias_regularizer),
            "activity_regularizer": self.activity_regularizer,
            "kernel_constraint": constraints.get(kernel_constraint),
            "bias_constraint": constraints.get(bias_constraint),
            "dtype": self.dtype_policy,
        }
        self._mixed_sizes = (heads, value_dim)
        self.query_dense = self._projection("query", heads, key_dim)
        self.key_dense = self._projection("key", key_heads, key_dim)
        self.gate_dense = self._projection("gate", heads, value_dim, activation="sigmoid") if use_gate else None
        self.value_dense = self._projection("value", key_heads, value_dim)
        self.seed_generator = SeedGenerator(seed) if dropout else None

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

    def _output_sizes(self, query_shape: Any) -> Sequence[Any]:
        """Returns the sizes of the outputs' axes after those of batch and time."""
        return query_shape[-1:]

    def _attended_axes(self, axes: int) -> tuple[int, ...]:
        """Returns the axes that attention goes over, of inputs of so many."""
        return tuple(range(1, axes - 1))

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Creates the weights of the projections."""
        if len(query_shape) < 3:
            raise ValueError(
                f"The layer {self.path!r} needs queries of shape (batch, time, features), with one or more axes of time, not "
                f"of {len(query_shape)} axes."
            )
        self.attended_axes = self._attended_axes(len(query_shape))
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
        settings = Attended(
            self.attended_axes,
            bool(use_causal_mask),
            self.sliding_window,
            self.dropout,
            self.flash_attention,
            bool(return_attention_scores),
        )
        mixed, scores = attention_of_heads(
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

    def _pass_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
        """Leaves the masks as they are: `call` puts the query's on the outputs; the scores, which have other axes, get none."""
        return outputs
