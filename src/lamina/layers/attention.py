"""Attention without projections: by dot products, and additive."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.layer import Layer
from lamina.core.masks import with_mask
from lamina.core.text import describe, show_shape
from lamina.core.variable import Array
from lamina.layers.checks import fraction, known, one_of
from lamina.layers.dropout import Dropout
from lamina.ops.wrap import compiled

Inputs = Sequence[Array]
Masks = Sequence[Array | None] | None


class Attention(Layer):
    """softmax(scores) · value, with scores = query · keyᵀ (Luong's attention).

    Called on a list [query, value] or [query, value, key], of shapes (..., time, features), (..., places, features) and
    (..., places, features); gives (..., time, features of the value). By default the key is the value.

    Queries and values that do not count, by the masks that they carry or by the list given as `mask`, are left out: the output of
    such a query is 0, and the others do not look at such a value. The outputs carry the query's mask.

    Args:
        use_scale: whether the scores are multiplied by a weight.
        score_mode: "dot", or "concat": scores = weight · Σ tanh(scale · (query + key)) over the features.
        dropout: the probability that a weight is left out in training.
        seed: of the dropout; None takes the next one that `lamina.random.set_seed` leads to.
        kwargs: what `lamina.Layer` takes.

    Raises:
        ValueError: for another score mode, or a dropout outside [0, 1]; from the call, for what is not such a list, and masks whose
            sizes are not those of what they belong to.

    The call takes, beside the list: `mask`, a list of two or three masks; `return_attention_scores`, whether to return the
    weights too, of shape (..., time, places); `use_causal_mask`, whether a query looks only at places up to its own.

    Source: Luong et al., Effective Approaches to Attention-based Neural Machine Translation, 2015.

    >>> query, value = np.ones((2, 3, 4)), np.ones((2, 5, 4))
    >>> outputs, scores = lamina.layers.Attention()([query, value], return_attention_scores=True)
    >>> outputs.shape, scores.shape
    ((2, 3, 4), (2, 3, 5))
    """

    supports_masking = True

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = one_of(("dot", "concat"), score_mode, "score_mode", self)
        self.dropout = fraction(dropout, "dropout", self)
        self.seed = seed
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy) if dropout else None

    def build(self, input_shape: Any) -> None:
        """Creates the weights of the scores."""
        _parts(input_shape, self)
        self.scale = self.add_weight((), "ones") if self.use_scale else None
        self.concat_score_weight = self.add_weight((), "ones") if self.score_mode == "concat" else None

    def _scores(self, query: Array, key: Array) -> Array:
        """Returns how well each query matches each key, of shape (..., time, places)."""
        if self.concat_score_weight is None:
            scores = query @ jnp.swapaxes(key, -2, -1)
            return scores if self.scale is None else scores * self.scale.value
        return self.concat_score_weight.value * _additive(query, key, 1 if self.scale is None else self.scale.value, 1)

    def call(
        self,
        inputs: Inputs,
        mask: Masks = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value, key = _parts(inputs, self)
        query_mask, value_mask = _checked_masks(mask, query, value, self)
        allowed = None if value_mask is None else value_mask[..., None, :]
        if use_causal_mask:
            past = jnp.tri(query.shape[-2], key.shape[-2], dtype=bool)
            allowed = past if allowed is None else allowed & past
        scores = self._scores(query, key)
        if allowed is not None:
            scores = jnp.where(allowed, scores, scores - (65504.0 if scores.dtype == jnp.float16 else 1e9))
        weights = jax.nn.softmax(scores, -1)
        if self.dropout_layer is not None:
            weights = self.dropout_layer(weights, training=training)
        outputs = weights @ value
        if query_mask is not None:
            outputs = with_mask(jnp.where(query_mask[..., None], outputs, 0), query_mask)
        return (outputs, weights) if return_attention_scores else outputs

    def _gives_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return False  # `call` gives the outputs the query's; the scores, which have other axes, get none


class AdditiveAttention(Attention):
    """softmax(scores) · value, with scores = Σ scale · tanh(query + key) over the features (Bahdanau's attention).

    The scale is a weight of shape (features,). Inputs, masks and the arguments of the call are those of `Attention`.

    Args:
        use_scale: whether there is a scale; otherwise it is 1.
        dropout: the probability that a weight is left out in training.
        kwargs: `seed`, and what `lamina.Layer` takes.

    Raises:
        ValueError: as `Attention`.

    Source: Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, 2015.

    >>> lamina.layers.AdditiveAttention()([np.ones((2, 3, 4)), np.ones((2, 5, 4))]).shape
    (2, 3, 4)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Any) -> None:
        """Creates the scale."""
        query_shape, _, _ = _parts(input_shape, self)
        size = known(query_shape[-1], "the last axis", self) if self.use_scale else None
        self.scale = None if size is None else self.add_weight((size,), "glorot_uniform")

    def _scores(self, query: Array, key: Array) -> Array:
        """Returns how well each query matches each key, of shape (..., time, places)."""
        return _additive(query, key, 1, 1 if self.scale is None else self.scale.value)


@compiled()
def _additive(query: Array, key: Array, inner: Any, outer: Any) -> Array:
    return jnp.sum(outer * jnp.tanh(inner * (query[..., :, None, :] + key[..., None, :, :])), -1)


def _parts(inputs: Any, layer: Layer) -> tuple[Any, Any, Any]:
    """Returns query, value and key, or their shapes, of a list of two or three."""
    if not isinstance(inputs, (list, tuple)) or len(inputs) not in (2, 3):
        raise ValueError(f"The layer {layer.path!r} takes a list [query, value] or [query, value, key], not {describe(inputs)}.")
    return (*inputs, inputs[1]) if len(inputs) == 2 else tuple(inputs)


def _checked_masks(mask: Any, query: Array, value: Array, layer: Layer) -> tuple[Array | None, Array | None]:
    """Returns the masks of queries and values; raises ValueError for those of other sizes."""
    if mask is None:
        return None, None
    if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
        raise ValueError(f"The mask of the layer {layer.path!r} must be a list [query_mask, value_mask], not {describe(mask)}.")
    for name, one, array in zip(("query", "value"), mask, (query, value), strict=False):
        if one is not None and one.shape != array.shape[:-1]:
            raise ValueError(
                f"The {name}'s mask for the layer {layer.path!r} must have shape {show_shape(array.shape[:-1])}, as the {name} "
                f"has, not {show_shape(one.shape)}."
            )
    query_mask, value_mask = (None if one is None else jnp.asarray(one, bool) for one in mask[:2])
    return query_mask, value_mask
