"""A run of training: where it stands, so that its state can be taken at any step, and taken up again elsewhere."""

import threading
import weakref
from typing import Any, NamedTuple

from lamina.callbacks.callback_list import CallbackList
from lamina.callbacks.history import History
from lamina.core.frame import Cell, state_lock


class Position(NamedTuple):
    """Where a run stands.

    Attributes:
        epoch: the number of the epoch that is running, from 0.
        step: how many of its steps are done.
        ended: how many callbacks have been told of its end; None before that.
    """

    epoch: int
    step: int
    ended: int | None = None


class Run:
    """A run of training.

    Args:
        epochs: the numbers of its epochs.
        callbacks: what is called meanwhile: callbacks, alone or in lists.

    Attributes:
        history: what `fit` returns, called after the other callbacks.
        data: what it trains on, once that is known.
        position: where it stands; a cell, so that it changes together with the weights.
        logs: those of the last step that was looked at; at the end of an epoch, those of the epoch.
    """

    def __init__(self, epochs: range, callbacks: Any) -> None:
        self.epochs = epochs
        self.history = History()
        self.callbacks = CallbackList([callbacks, self.history])
        self.data: Any = None
        self.position = Cell(Position(epochs.start, 0))
        self.logs: Any = {}
        self.goes_on = threading.Lock()  # held while it does: however it ends, Python lets go of it


def run_of(model: Any) -> Run | None:
    """Returns the run that trains a model now."""
    reference = model._lamina.run
    run: Run | None = None if reference is None else reference()
    return run if run is not None and run.goes_on.locked() else None


def begin_run(model: Any, run: Run) -> None:
    """Makes a run, which goes on from here, the one that trains a model.

    Raises:
        RuntimeError: if another one trains it.
    """
    with state_lock:
        other = run_of(model)
        if other is not None:
            epoch, step, _ = other.position._read()
            raise RuntimeError(
                f"The model {model.name!r} is being trained already: it is at step {step + 1:,} of epoch {epoch + 1}. Two runs "
                "would undo each other's steps. Let the first one end, or set model.stop_training = True; predict and evaluate may "
                "be called meanwhile."
            )
        model._lamina.run = weakref.ref(run)
