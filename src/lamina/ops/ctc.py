"""Connectionist temporal classification: labels of a sequence without knowing when each occurs.

Source: Graves et al., Connectionist Temporal Classification, 2006. A path names a class or the blank at each time; its labels
are what is left when repetitions are merged and blanks dropped.
"""

from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.graph import op
from lamina.core.variable import Array
from lamina.ops.wrap import compiled

__all__ = ["ctc_decode", "ctc_loss"]


@op
@compiled("mask_index")
def ctc_loss(target: Any, output: Any, target_length: Any, output_length: Any, mask_index: int = 0) -> Array:
    """Returns −log of the probability of the labels, summed over all paths that give them, for each example.

    Args:
        target: labels of shape (batch, labels).
        output: logits of shape (batch, time, classes).
        target_length: how many labels each example has, of shape (batch,).
        output_length: how long each example is, of shape (batch,).
        mask_index: which class is the blank.
    """
    import optax

    beyond_output = _steps(output) >= output_length[:, None]
    beyond_target = _steps(target) >= target_length[:, None]
    paddings = beyond_output.astype(output.dtype), beyond_target.astype(output.dtype)
    losses: Array = optax.ctc_loss(output, paddings[0], target, paddings[1], blank_id=mask_index)
    return losses


@op
@compiled("strategy", "beam_width", "top_paths", "merge_repeated", "mask_index")
def ctc_decode(
    inputs: Any,
    sequence_lengths: Any,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[Array, Array]:
    """Returns the likeliest labels of sequences, and how likely they are.

    Args:
        inputs: logits of shape (batch, time, classes).
        sequence_lengths: how long each example is, of shape (batch,).
        strategy: "greedy" takes the likeliest class at each time; "beam_search" adds up the paths that give the same
            labels, for the `beam_width` likeliest beginnings.
        beam_width: how many beginnings are kept.
        top_paths: how many label sequences to return from the beam search.
        merge_repeated: whether "greedy" merges repetitions; the beam search does in any case.
        mask_index: which class is the blank.

    Returns:
        The labels, of shape (1 or top_paths, batch, time), −1 after the last; and for "greedy" the negative sum of the chosen
        logits, of shape (batch, 1), for "beam_search" the log-probabilities, of shape (batch, top_paths).

    Raises:
        ValueError: for another strategy.
    """
    inside = _steps(inputs) < sequence_lengths[:, None]
    if strategy == "greedy":
        labels, score = _greedy(inputs, inside, merge_repeated, mask_index)
        return labels[None], score
    if strategy == "beam_search":
        if top_paths > beam_width:
            raise ValueError(f"The {top_paths} top paths cannot be found with a beam_width of {beam_width}.")
        search = jax.vmap(lambda logits, inside: _beam_search(logits, inside, beam_width, mask_index))
        labels, score = search(jax.nn.log_softmax(inputs), inside)
        return jnp.moveaxis(labels[:, :top_paths], 1, 0), score[:, :top_paths]
    raise ValueError(f"The strategy of ctc_decode must be 'greedy' or 'beam_search', not {strategy!r}.")


def _steps(x: Array) -> Array:
    """Returns 0, 1, 2, ... along the second axis."""
    return jnp.arange(x.shape[1])[None, :]


def _greedy(logits: Array, inside: Array, merge_repeated: bool, blank: int) -> tuple[Array, Array]:
    score = -jnp.sum(jnp.where(inside, jnp.max(logits, -1), 0), -1, keepdims=True)
    path = jnp.argmax(logits, -1).astype(jnp.int32)
    kept = inside & (path != blank)
    if merge_repeated:
        kept &= jnp.pad(path[:, 1:] != path[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    front = jnp.argsort(~kept, axis=-1, stable=True)
    labels = jnp.where(kept, path, -1)
    return jnp.take_along_axis(labels, front, -1), score


def _beam_search(log_probabilities: Array, inside: Array, width: int, blank: int) -> tuple[Array, Array]:
    """Prefix beam search of one sequence, of shape (time, classes); returns labels (width, time) and their scores.

    Of each beam are known its labels, how many they are, and the log-probability of the paths so far that give them and end
    in a blank or in the last label. No two that any path gives have the same labels.
    """
    time, classes = log_probabilities.shape
    never = jnp.full(width, -jnp.inf)
    start = (jnp.full((width, time), -1), jnp.zeros(width, jnp.int32), never.at[0].set(0.0), never)

    def step(beams: Any, now: tuple[Array, Array]) -> tuple[Any, None]:
        log_p, inside = now
        labels, count, blank_end, label_end = beams
        last = jnp.where(count > 0, jnp.take_along_axis(labels, jnp.maximum(count - 1, 0)[:, None], 1)[:, 0], blank)
        either = jnp.logaddexp(blank_end, label_end)
        # A beam goes on as it is: with a blank, or with its last label once more.
        stay_blank, stay_label = either + log_p[blank], label_end + log_p[last]
        # Or it grows by a label; by its last one only after a blank.
        repeats = last[:, None] == jnp.arange(classes)
        grown = jnp.where(repeats, blank_end[:, None], either[:, None]) + log_p
        grown = grown.at[:, blank].set(-jnp.inf)
        # Where that makes the labels of another beam (one that any path gives), it is that beam's.
        parent = jnp.where(jnp.arange(time) == count[:, None] - 1, -1, labels)
        makes = (labels[:, None] == parent).all(-1) & (count[:, None] + 1 == count) & (either > -jnp.inf)
        stay_label = jnp.logaddexp(stay_label, jax.nn.logsumexp(jnp.where(makes, grown[:, last], -jnp.inf), axis=0))
        taken = (makes[:, :, None] & repeats[None]).any(1)
        grown = jnp.where(taken, -jnp.inf, grown)
        # The likeliest of all are the new beams.
        score = jnp.concatenate([jnp.logaddexp(stay_blank, stay_label), grown.ravel()])
        best = jax.lax.top_k(score, width)[1]
        grows = best >= width
        source = jnp.where(grows, (best - width) // classes, best)
        label = jnp.where(grows, (best - width) % classes, -1)
        at_end = (jnp.arange(time) == count[source][:, None]) & grows[:, None]
        new = (
            jnp.where(at_end, label[:, None], labels[source]),
            count[source] + grows,
            jnp.where(grows, -jnp.inf, stay_blank[source]),
            jnp.where(grows, score[best], stay_label[source]),
        )
        return jax.tree.map(lambda a, b: jnp.where(inside, a, b), new, beams), None

    (labels, _, blank_end, label_end), _ = jax.lax.scan(step, start, (log_probabilities, inside))
    score, order = jax.lax.top_k(jnp.logaddexp(blank_end, label_end), width)
    return labels[order], score
