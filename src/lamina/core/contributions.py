"""What layers add to training besides their outputs: losses and metrics."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from lamina.core.calls import calls, current_root
from lamina.core.errors import StateError
from lamina.core.frame import Cell, thread
from lamina.core.metric import Mean, Metric
from lamina.core.symbolic import SymbolicTensor
from lamina.core.tree import walk
from lamina.core.variable import Variable
from lamina.core.weights import Weighted


class Contributing(Weighted):
    """A layer's losses and metrics.

    Losses added in `call` belong to the outermost call of a layer that was running (`RootCall`); the next call of that
    outermost layer forgets them. They are kept in a cell, so losses that are only known while a trace runs go with its frame.
    """

    _untracked = Weighted._untracked | {"_lasting_losses", "_symbolic_losses", "_symbolic_metrics"}
    _call_losses: Cell

    def __init__(self) -> None:
        self._lasting_losses: list[Callable[[], Any]] = []
        self._symbolic_losses: list[SymbolicTensor] = []
        self._symbolic_metrics: list[tuple[SymbolicTensor, Mean]] = []
        self._added_metrics: dict[str, Metric] = {}

    # --- losses ------------------------------------------------------------------------------------------------------

    def add_loss(self, losses: Any) -> None:
        """Adds one loss, or a list of them, to what training minimises.

        Args:
            losses: values, for the call that is running; functions without arguments, computed each time `losses` is
                read; or symbolic tensors of the model's graph, computed at each of its calls.
        """
        for loss in losses if isinstance(losses, (list, tuple)) else [losses]:
            if isinstance(loss, SymbolicTensor):
                self._symbolic_losses.append(loss)
            elif isinstance(loss, Variable) or not callable(loss):
                self.keep_loss(loss.value if isinstance(loss, Variable) else loss)
            else:
                self._lasting_losses.append(loss)

    def keep_loss(self, value: Any) -> None:
        """Keeps the value of a loss until the next call of the outermost layer."""
        last = self._losses_of_last_call()[0]
        root = last if not calls.stack and last is not None and last.layer is self else current_root(self)
        if len(thread.frames) > root.depth and root.layer is not None and calls.stack:
            raise StateError(
                f"The layer {self.path!r} adds a loss inside lamina.jit, scan, map, cond, vmap, remat or a gradient, from which "
                "it cannot be carried out. Return the value from there, and call add_loss with it outside."
            )
        if root.layer._losses_of_last_call()[0] is not root:
            root.layer._call_losses.write((root, ()))
        of, values = self._losses_of_last_call()
        self._call_losses.write((root, (*(values if of is root else ()), jnp.asarray(value))))

    def _losses_of_last_call(self) -> tuple[Any, tuple[jax.Array, ...]]:
        return self._call_losses.read() or (None, ())

    def _forget_losses(self) -> None:
        if self._call_losses.read() is not None:
            self._call_losses.write(None)

    def _own_losses(self) -> list[Any]:
        root, values = self._losses_of_last_call()
        current = root is not None and root.layer._losses_of_last_call()[0] is root and root.is_readable()
        symbolic = [] if current and values else self._symbolic_losses
        return [*(values if current else ()), *symbolic, *(loss() for loss in self._lasting_losses)]

    def _regularize_activity(self, outputs: Any) -> None:
        regularizer = self.activity_regularizer  # type: ignore[attr-defined]
        for output in jax.tree.leaves(outputs):
            size = output.shape[0] if output.ndim and isinstance(output.shape[0], int) else 1
            self.keep_loss(regularizer(output) / max(size, 1))

    @property
    def losses(self) -> list[Any]:
        """The losses of this layer and of those below it: from the last call, from functions, and of weights."""
        layers = [layer for layer in self.flatten_layers() if isinstance(layer, Contributing)]
        added = [loss for layer in layers for loss in layer._own_losses()]
        return added + [weight.regularizer(weight.value) for weight in self.trainable_weights if weight.regularizer is not None]

    # --- metrics -----------------------------------------------------------------------------------------------------

    def add_metric(self, value: Any, name: str | None = None) -> None:
        """Takes a value into a mean over batches that training shows and logs.

        Args:
            value: an array, in `call`; a symbolic tensor of a model's graph; or a Metric, whose `result` is shown.
            name: what logs call it. May only be left out for a Metric.

        Raises:
            ValueError: if there is no name.
        """
        if isinstance(value, Metric):
            self._added_metrics[name or value.name] = value
            return
        if name is None:
            raise ValueError(f"add_metric of the layer {self.path!r} needs a name: add_metric(value, name='...').")
        metric = self._added_metrics.get(name)
        if metric is None:
            metric = self._added_metrics[name] = Mean(name)
            metric._adopt(self)
        if isinstance(value, SymbolicTensor):
            self._symbolic_metrics.append((value, metric))  # type: ignore[arg-type]
        else:
            metric.update_state(value)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of this layer and of those below it."""
        found: dict[Metric, None] = {}
        seen: set[Any] = {self}
        stack: list[Weighted] = [self]
        while stack:
            owned = stack.pop()._owned()
            below = [child for name, value in owned for _, child in walk(name, value) if child not in seen]
            seen.update(below)
            found.update(dict.fromkeys(child for child in below if isinstance(child, Metric)))
            stack.extend(child for child in reversed(below) if isinstance(child, Weighted))
        return list(found)
