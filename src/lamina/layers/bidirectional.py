"""Bidirectional: a recurrent layer, and the same one backwards."""

from typing import Any

import jax.numpy as jnp

from lamina.core.config import remade
from lamina.core.layer import Layer
from lamina.core.variable import Array

_MERGES: dict[str | None, Any] = {
    "concat": lambda forward, backward: jnp.concatenate([forward, backward], -1),
    "sum": lambda forward, backward: forward + backward,
    "ave": lambda forward, backward: (forward + backward) / 2,
    "mul": lambda forward, backward: forward * backward,
    None: lambda forward, backward: (forward, backward),
}


class Bidirectional(Layer):
    """merge(layer(inputs), the same layer backwards(inputs)), each with weights of its own.

    Both are made anew from the config of the layer given; where they return sequences, those of the second are put in the
    order of the inputs, and both are zero where a mask is false. With `return_state` the states of the first come before those of
    the second; an `initial_state` is a list of both in that order.

    Args:
        layer: a recurrent layer, such as `LSTM`: one with `go_backwards`, `return_sequences`, `return_state` and `stateful`.
        merge_mode: "concat" along the last axis, "sum", "ave" (the mean), "mul", or None for both as a tuple.
        weights: the first weights, those of the first layer before those of the second.
        backward_layer: another layer to go backwards; it is taken as it is.
        kwargs: what `lamina.Layer` takes.

    Raises:
        TypeError: for what is not a recurrent layer.
        ValueError: for an unknown merge mode, or layers that go the same way or return different things.

    Source: Schuster and Paliwal, Bidirectional Recurrent Neural Networks, 1997.

    >>> layer = lamina.layers.Bidirectional(lamina.layers.LSTM(4, return_sequences=True))
    >>> layer(np.ones((2, 5, 3))).shape
    (2, 5, 8)
    """

    supports_masking = True

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for given in (layer,) if backward_layer is None else (layer, backward_layer):
            if not isinstance(given, Layer) or not hasattr(given, "go_backwards"):
                raise TypeError(f"Bidirectional wraps a recurrent layer, such as lamina.layers.LSTM, not {given!r}.")
        if merge_mode not in _MERGES:
            raise ValueError(f"merge_mode of Bidirectional must be 'concat', 'sum', 'ave', 'mul' or None, not {merge_mode!r}.")
        self.merge_mode = merge_mode
        self.first_weights = weights
        self.forward_layer = _copy(layer, "forward")
        self.backward_layer: Any = backward_layer or _copy(layer, "backward", go_backwards=True)
        self._check_match()
        parts: tuple[Any, ...] = self.forward_layer, self.backward_layer
        for part in parts:
            part.zero_output_for_mask = part.return_sequences
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.stateful = self.forward_layer.stateful
        self.input_spec = layer.input_spec

    def _check_match(self) -> None:
        first, second = self.forward_layer, self.backward_layer
        if first.go_backwards == second.go_backwards:
            raise ValueError(
                f"One layer of Bidirectional must go forwards and the other backwards; both have go_backwards={first.go_backwards}."
            )
        for name in ("return_sequences", "return_state", "stateful"):
            if getattr(first, name) != getattr(second, name):
                raise ValueError(
                    f"Both layers of Bidirectional must have one value of {name}, not {getattr(first, name)} and "
                    f"{getattr(second, name)}."
                )

    def build(self, sequences_shape: Any) -> None:
        """Builds both layers."""
        self.forward_layer.build(sequences_shape)
        self.backward_layer.build(sequences_shape)
        if self.first_weights is not None:
            self.set_weights(self.first_weights)

    def call(self, sequences: Array, initial_state: Any = None, mask: Array | None = None) -> Any:
        """Runs both layers, and merges their outputs."""
        half = len(initial_state) // 2 if initial_state is not None else 0
        forward, states = self._run(self.forward_layer, sequences, mask, initial_state and initial_state[:half])
        backward, backward_states = self._run(self.backward_layer, sequences, mask, initial_state and initial_state[half:])
        if self.return_sequences:
            backward = jnp.flip(backward, 1)
        merged = _MERGES[self.merge_mode](forward, backward)
        outputs = merged if isinstance(merged, tuple) else (merged,)
        outputs = (*outputs, *states, *backward_states)
        return outputs if len(outputs) > 1 else merged

    def _run(self, layer: Any, sequences: Array, mask: Array | None, states: Any) -> tuple[Array, Any]:
        options = {} if states is None else {"initial_state": list(states)}
        outputs = layer(sequences, mask=mask, **options)
        output, *states = outputs if self.return_state else (outputs,)
        return output.astype(self.compute_dtype), states

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs: that of the inputs where they are sequences; states have none."""
        mask = mask if self.return_sequences else None
        masks = [mask] if self.merge_mode else [mask, mask]
        if self.return_state:
            masks += [None] * 2 * len(self.forward_layer.state_size)
        return masks if len(masks) > 1 else mask

    # --- states ------------------------------------------------------------------------------------------------------

    @property
    def states(self) -> list[Any] | None:
        """The variables that hold the states between batches, those of the first layer before those of the second."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return None if forward is None else [*forward, *backward]

    def reset_state(self) -> None:
        """Sets what both layers keep between batches to the first states."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """The same as `reset_state`, as older code has it."""
        self.reset_state()


def _copy(layer: Layer, direction: str, **changes: Any) -> Any:
    """Returns a new layer from the config of another, with some of it changed, called after it and where it goes."""
    name = f"{direction}_{layer.name.removeprefix(f'{direction}_')}"
    made = remade(layer, **changes, name=name)
    if layer._lamina.name is None:
        made._lamina.name = None  # a name that was made up is not part of a path
    return made
