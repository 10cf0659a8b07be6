"""The steps of a model: what runs them, made anew where the model is no longer what they were made for."""

from typing import Any, NamedTuple

import jax

from lamina.core.building import undo_on_error
from lamina.core.shapes import abstract_call
from lamina.core.symbolic import SymbolicTensor
from lamina.core.variable import Variable, are_same
from lamina.core.weights import layers_of
from lamina.training.batch import unpack
from lamina.training.compile_cache import keep_programs
from lamina.training.data import Data
from lamina.training.learner import Learner
from lamina.training.results import AllOutputs, LastLogs
from lamina.training.steps import Steps

_TRAINED = "which weights are trained has changed"


class MadeFor(NamedTuple):
    """What compiled steps were made for: where it is no longer so, there have to be new ones."""

    objective: Any
    eagerly: bool
    layers: list[Any]
    trained: list[Variable]

    def difference(self, before: "MadeFor", kind: str) -> str:
        """Returns what is not as it was, as a reason for new steps of a kind; "" where nothing that they depend on is."""
        if self.objective is not before.objective:
            return "compile() was called again"
        if self.eagerly != before.eagerly:
            return "run_eagerly has changed"
        if len(self.layers) != len(before.layers) or any(
            one is not other for one, other in zip(self.layers, before.layers, strict=True)
        ):
            return "layers were put in, taken out or replaced"
        if kind == "train" and not are_same(self.trained, before.trained):
            return _TRAINED
        return ""


def steps_of(model: Any, kind: str, data: Data) -> Steps:
    """Returns what runs the steps of a kind, "train", "test" or "predict": new ones where the model is not what it was.

    Layers that have come to the model since its steps were made are built for the data first.
    """
    record = model._lamina
    known: tuple[MadeFor, Steps] | None = record.steps.get(kind)
    made_for = _now(model, kind)
    because = "first time" if known is None else made_for.difference(known[0], kind)
    if known is not None and not because:
        return known[1]
    before = {id(layer) for other, _ in record.steps.values() for layer in other.layers}
    if before and not all(layer.built for layer in made_for.layers if id(layer) not in before):
        build_for(model, data, kind)
        made_for = _now(model, kind)
    keep_programs()
    results = AllOutputs if kind == "predict" else LastLogs
    read, written = _touched(model, kind)
    if known is not None and because == _TRAINED:  # the layers are those that there were
        read, written = [*read, *known[1].read], [*written, *known[1].written]
    made = Steps(getattr(model, f"{kind}_step"), results, made_for.eagerly, read, written, because)
    record.steps[kind] = made_for, made
    return made


def _now(model: Any, kind: str) -> MadeFor:
    """Returns what new steps would be made for; the optimizer then has state for all weights, and where these are."""
    layers = layers_of(model)
    eagerly = bool(model.run_eagerly or any(layer._lamina.dynamic for layer in layers))
    trained = model.trainable_weights if kind == "train" else []
    if trained and model.optimizer is not None and not overrides(model, kind):
        model.optimizer.build(trained)
    return MadeFor(model._lamina.objective, eagerly, layers, trained)


def _touched(model: Any, kind: str) -> tuple[list[Variable], list[Variable]]:
    """Returns the variables that a step can be expected to read and to write."""
    own = not overrides(model, kind)
    if kind == "predict":
        return (model.weights if own else []), []
    if kind == "test":
        return model.variables, [variable for metric in model.metrics for variable in metric.variables]
    optimizer = model.optimizer if own else None
    return [], [*model.variables, *(optimizer.variables if optimizer is not None else ())]


def overrides(model: Any, kind: str) -> bool:
    """Tells whether a model has a step of its own in place of that of a learner."""
    return getattr(type(model), f"{kind}_step") is not getattr(Learner, f"{kind}_step")


# --- building --------------------------------------------------------------------------------------------------------


def build_for(model: Any, data: Data, kind: str) -> Any:
    """Builds a model for data; returns the specs of its outputs, or None where only a step of its own knows how to call it."""
    try:
        return _abstractly(model, data)
    except Exception:
        if not overrides(model, kind):
            raise
        return None


def _abstractly(model: Any, data: Data) -> Any:
    """Calls the model without numbers, which builds it, and returns the specs of its outputs."""
    if model.run_eagerly or model.dynamic:
        return model(unpack(data.first())[0])
    inputs = jax.tree.map(lambda spec: SymbolicTensor(spec.shape, spec.dtype), unpack(data.spec())[0])
    return abstract_call(model, (inputs,), {}, lambda: undo_on_error(model))
