"""What layers add to training besides their outputs: losses and metrics.

Losses added in `call` belong to the outermost call of a layer that was running (`RootCall`); the next call of that outermost layer
forgets them. They are kept in a cell, so losses that are only known while a trace runs go with its frame.
"""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from lamina.core.context import context
from lamina.core.errors import StateError
from lamina.core.jax_internals import eager_state, trace_state
from lamina.core.metric import Mean, Metric
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tree import attach, owned
from lamina.core.variable import Variable
from lamina.core.weights import is_layer, layers_of

if TYPE_CHECKING:
    from lamina.core.layer import Layer


class RootCall:
    """An outermost call of a layer, with all the calls of layers inside it; losses belong to one."""

    __slots__ = ("depth", "layer", "trace")

    def __init__(self, layer: "Layer") -> None:
        self.layer = layer
        self.depth = len(context.frames)
        self.trace = trace_state()

    def is_readable(self) -> bool:
        """Tells whether its values are known now: those of a raw JAX trace only while that trace runs."""
        return bool(self.trace == trace_state() or self.trace == eager_state())


# --- losses ----------------------------------------------------------------------------------------------------------


def add_loss(layer: "Layer", losses: Any) -> None:
    """Adds losses to what training minimises: see `Layer.add_loss`."""
    for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
        if isinstance(loss, SymbolicTensor):
            layer._lamina.symbolic_losses.append(loss)
        elif isinstance(loss, Variable) or not callable(loss):
            keep_loss(layer, loss.value if isinstance(loss, Variable) else loss)
        else:
            layer._lamina.lasting_losses.append(loss)


def keep_loss(layer: "Layer", value: Any) -> None:
    """Keeps the value of a loss until the next call of the outermost layer."""
    calls, last = context.calls, _of_last_call(layer)[0]
    after_its_call = last is not None and last.layer is layer
    root = calls[-1][1] if calls else last if after_its_call else RootCall(layer)
    if calls and len(context.frames) > root.depth:
        raise StateError(
            f"The layer {layer.path!r} adds a loss inside lamina.jit, scan, map, cond, vmap, remat or a gradient, from which "
            "it cannot be carried out. Return the value from there, and call add_loss with it outside."
        )
    if _of_last_call(root.layer)[0] is not root:
        root.layer._lamina.call_losses._write((root, ()))
    of, values = _of_last_call(layer)
    layer._lamina.call_losses._write((root, (*(values if of is root else ()), jnp.asarray(value))))


def _of_last_call(layer: "Layer") -> tuple[Any, tuple[jax.Array, ...]]:
    return layer._lamina.call_losses._read() or (None, ())


def forget_losses(layer: "Layer") -> None:
    """Forgets the losses of the last call."""
    cell = layer._lamina.call_losses
    if cell._read() is not None:
        cell._write(None)


def regularize_activity(layer: "Layer", regularizer: Any, outputs: Any) -> None:
    """Adds the penalty on the outputs of a call, over the number of samples, to its losses."""
    for output in jax.tree.leaves(outputs):
        size = output.shape[0] if output.ndim and isinstance(output.shape[0], int) else 1
        keep_loss(layer, regularizer(output) / max(size, 1))


def losses_of(root: "Layer") -> list[Any]:
    """Returns the losses of a layer and of those below it: from the last call, from functions, and of weights."""
    added = [loss for layer in layers_of(root) for loss in _own_losses(layer)]
    return added + [weight.regularizer(weight.value) for weight in root.trainable_weights if weight.regularizer is not None]


def _own_losses(layer: "Layer") -> list[Any]:
    record = layer._lamina
    root, values = _of_last_call(layer)
    current = root is not None and _of_last_call(root.layer)[0] is root and root.is_readable()
    symbolic = [] if current and values else record.symbolic_losses
    return [*(values if current else ()), *symbolic, *(loss() for loss in record.lasting_losses)]


# --- metrics ---------------------------------------------------------------------------------------------------------


def add_metric(layer: "Layer", value: Any, name: str | None) -> None:
    """Takes a value into a mean over batches that training shows: see `Layer.add_metric`."""
    added = layer._lamina.added_metrics
    if isinstance(value, Metric):
        added[name or value.name] = value
        attach(layer, "metrics", value)
        return
    if name is None:
        raise ValueError(f"add_metric of the layer {layer.path!r} needs a name: add_metric(value, name='...').")
    metric = added.get(name)
    if metric is None:
        metric = added[name] = Mean(name)
        attach(layer, "metrics", metric)
    if isinstance(value, SymbolicTensor):
        layer._lamina.symbolic_metrics.append((value, metric))  # type: ignore[arg-type]
    else:
        metric.update_state(value)


def metrics_of(root: "Layer") -> list[Metric]:
    """Returns the metrics of a layer and of those below it."""
    found: dict[int, Metric] = {}
    seen: set[int] = {id(root)}
    stack: list[Any] = [root]
    while stack:
        below = {id(child): child for _, child in owned(stack.pop()) if id(child) not in seen}
        seen.update(below)
        found.update((id(child), child) for child in below.values() if isinstance(child, Metric))
        stack.extend(child for child in reversed(below.values()) if is_layer(child))
    return list(found.values())
