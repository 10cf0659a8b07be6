"""The state of a run of training: taken at any step, and taken up again, in this process or another."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina.core.host_random import host_position, set_host_position
from lamina.core.metric import Metric
from lamina.core.state import Part, State, check_parts, parts_of, set_parts
from lamina.core.tree import below
from lamina.core.variable import Variable
from lamina.random.generator import shared_generator
from lamina.training.results import numbers
from lamina.training.run import Position, Run, run_of

if TYPE_CHECKING:
    from lamina.training.trainer import Trainer

_METRICS = "variables/compile_metrics/"  # they count from the beginning of an epoch, so they belong to a run


# --- the state of a model --------------------------------------------------------------------------------------------


def model_state(model: "Trainer") -> Iterator[tuple[str, Any]]:
    """Yields the state of a model and of its optimizer, and of the run that trains it."""
    run = run_of(model)
    yield from _parts(model, metrics=run is not None).items()
    if run is not None:
        yield from ((f"run/{key}", value) for key, value in _run_state(model, run))


def set_model_state(model: "Trainer", state: State) -> None:
    """Gives a model the state of another one like it; that of a run is taken up by the next `fit`.

    Raises:
        ValueError: if it is the state of something else, or of a run while another one trains the model.
    """
    state = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in state.items()}  # the caller's
    if not any(key.startswith("run/") for key in state):
        _set(model, state)
        model._lamina.resumed = None
        return
    if run_of(model) is not None:
        raise ValueError(f"The model {model.name!r} is being trained: it cannot go on with another run now.")
    if model.built:
        _set(model, {key: value for key, value in state.items() if not key.startswith(("run/", _METRICS))})
    model._lamina.resumed = state


def _parts(model: "Trainer", metrics: bool) -> dict[str, Part]:
    """Returns the parts of the state of a model and of its optimizer, with or without the metrics of `compile`."""
    parts = {key: part for key, part in parts_of(model) if metrics or not key.startswith(_METRICS)}
    if model.optimizer is not None:
        weights = {id(held): path for path, held in below(model)}
        parts |= {f"optimizer/{path}": variable for path, variable in model.optimizer._variables_by_path(weights)}
    return parts


def _set(model: "Trainer", state: State) -> None:
    modules, metrics = dict(below(model)), any(key.startswith(_METRICS) for key in state)
    late: dict[str, Metric] = {}  # metrics that make their variable with the first batch, by the key of that
    for key in state:
        metric = modules.get(key.removeprefix("variables/").rpartition("/")[0])
        if key.startswith(_METRICS) and isinstance(metric, Metric) and not metric.variables:
            late[key] = metric
    own = {key: part for key, part in parts_of(model) if metrics or not key.startswith(_METRICS)}
    check_parts(model, own, {key: value for key, value in state.items() if key not in late and not key.startswith("optimizer/")})
    for key, metric in late.items():
        metric._make_late(np.shape(state[key]))
    optimizer = model.optimizer
    if optimizer is not None:
        moved = optimizer._paths_in(key.removeprefix("optimizer/") for key in state if key.startswith("optimizer/"))
        optimizer.build([held for path, held in below(model) if path in moved and isinstance(held, Variable)])
    set_parts(model, _parts(model, metrics), state)


# --- the state of a run ----------------------------------------------------------------------------------------------


def _run_state(model: "Trainer", run: Run) -> Iterator[tuple[str, Any]]:
    epoch, step, ended = run.position._read()
    yield from (("first_epoch", run.epochs.start), ("epoch", epoch), ("step", step), ("ended", ended))
    yield "stop_training", bool(model.stop_training)
    yield "logs", {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in numbers(run.logs).items()}
    yield "data", run.data.state()
    yield "random/host", list(host_position())
    yield "random/device", shared_generator().state
    for i, callback in enumerate(run.callbacks):
        yield f"callbacks/{i}/", type(callback).__name__
        yield from ((f"callbacks/{i}/{key}", value) for key, value in type(callback)._state(callback))


def restore_model(model: "Trainer", run: Run) -> int:
    """Puts model, data and position where the run was that this one goes on with, if any; returns how many epochs that has had.

    Raises:
        ValueError: if the state is of a run that this one cannot go on with; nothing is changed then.
    """
    state = model._lamina.resumed
    if state is None:
        return 0
    epoch = state["run/epoch"]
    if state["run/first_epoch"] != run.epochs.start or epoch not in run.epochs:
        raise ValueError(
            f"The state of the model {model.name!r} is that of a run which began with epoch {state['run/first_epoch'] + 1} and was "
            f"in epoch {epoch + 1}; fit was asked for epochs {run.epochs.start + 1} to {run.epochs.stop}. Give it the same "
            "initial_epoch, and enough epochs."
        )
    _set(model, {key: value for key, value in state.items() if not key.startswith("run/")})
    run.data.set_state(state["run/data"])
    run.position._write(Position(epoch, state["run/step"], state["run/ended"]))
    run.logs = dict(state["run/logs"])
    return int(epoch - run.epochs.start)


def restore_callbacks(model: "Trainer", run: Run) -> int:
    """Puts callbacks, which know their model by now, and randomness where that run was; returns how many steps its epoch has had.

    Raises:
        ValueError: for other callbacks than that run had.
    """
    state = model._lamina.resumed
    if state is None:
        return 0
    callbacks = list(run.callbacks)
    had = {key.split("/")[2]: value for key, value in state.items() if key.startswith("run/callbacks/") and key.endswith("/")}
    have = {str(i): type(callback).__name__ for i, callback in enumerate(callbacks)}
    if had != have:
        raise ValueError(
            f"The run that the model {model.name!r} goes on with had the callbacks {', '.join(had.values())}; this one has "
            f"{', '.join(have.values())}. Give fit the same."
        )
    for i, callback in enumerate(callbacks):
        prefix = f"run/callbacks/{i}/"
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix) and key != prefix}
        type(callback)._set_state(callback, own)
    set_host_position(*state["run/random/host"])
    shared_generator().state.assign(state["run/random/device"])
    model._lamina.resumed = None
    model.stop_training = state["run/stop_training"]
    position: Position = run.position._read()
    return position.step
