"""Warnings of losses that do not suit the targets that they are given, or the layers whose outputs they take."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lamina.core.errors import warn
from lamina.core.text import describe
from lamina.losses.hints import outside_probabilities


def warn_of_targets(loss: Any, target: Any, output: str, shape: Sequence[int]) -> None:
    """Warns of targets of a crossentropy that are not probabilities.

    Args:
        loss: the loss of an output.
        target: its targets.
        output: the output's name.
        shape: its shape.
    """
    name = type(loss).__name__
    fits = isinstance(target, np.ndarray) and [n for n in target.shape[1:] if n != 1] == [n for n in shape[1:] if n != 1]
    if name in ("BinaryCrossentropy", "CategoricalCrossentropy") and fits:
        wrong = outside_probabilities(target)
        if wrong is not None:
            also = " Labels of -1 and 1 become 0 and 1 by (y + 1) / 2." if name == "BinaryCrossentropy" and wrong == -1 else ""
            warn(
                f"{name} takes targets from 0 to 1, but the targets of the output {output!r}, {describe(target)}, hold "
                f"{wrong:g}: training would lead nowhere.{also} For numbers of any size use 'mse'; for class numbers "
                "'sparse_categorical_crossentropy'."
            )


def warn_of_activation(loss: Any, layer: Any) -> None:
    """Warns if a crossentropy takes logits from a layer that gives probabilities, or the other way round.

    Args:
        loss: the loss of an output.
        layer: the layer that makes the output, where that is known.
    """
    from_logits = getattr(loss, "from_logits", None)
    if from_logits is None or layer is None:
        return
    function = getattr(layer, "activation", None)
    activation = "softmax" if type(layer).__name__ == "Softmax" else getattr(function, "__name__", "")
    owner = f"The layer {layer.path!r} ({type(layer).__name__})"
    if from_logits and activation in ("softmax", "sigmoid"):
        warn(
            f"{owner} gives probabilities, for its activation is {activation!r}, but the loss {type(loss).__name__}"
            "(from_logits=True) takes what comes before that. Take the activation out, or from_logits=True."
        )
    elif not from_logits and activation == "linear" and hasattr(layer, "kernel"):
        wanted = "sigmoid" if "Binary" in type(loss).__name__ else "softmax"
        warn(
            f"{owner} has no activation, so its outputs are logits, of any size, but the loss {type(loss).__name__} takes "
            f"probabilities. Give the loss from_logits=True (lamina.losses.{type(loss).__name__}(from_logits=True)), or the layer "
            f"activation={wanted!r}."
        )
