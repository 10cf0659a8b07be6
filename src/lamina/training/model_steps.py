"""The steps of a model: what runs them, made anew where the model is no longer what they were made for."""

from typing import Any, NamedTuple

from lamina.core.variable import Variable, are_same
from lamina.core.weights import layers_of
from lamina.training.compile_cache import keep_programs
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


def steps_of(model: Any, kind: str) -> Steps:
    """Returns what runs the steps of a kind, "train", "test" or "predict": new ones where the model is not what it was."""
    record = model._lamina
    trained = model.trainable_weights if kind == "train" else []
    made_for = MadeFor(record.objective, bool(model.run_eagerly or model.dynamic), layers_of(model), trained)
    known: tuple[MadeFor, Steps] | None = record.steps.get(kind)
    because = "first time" if known is None else made_for.difference(known[0], kind)
    if known is not None and not because:
        return known[1]
    keep_programs()
    results = AllOutputs if kind == "predict" else LastLogs
    read, written = _touched(model, kind)
    if known is not None and because == _TRAINED:  # the layers are those that there were
        read, written = [*read, *known[1].read], [*written, *known[1].written]
    made = Steps(getattr(model, f"{kind}_step"), results, made_for.eagerly, read, written, because)
    record.steps[kind] = made_for, made
    return made


def _touched(model: Any, kind: str) -> tuple[list[Variable], list[Variable]]:
    """Returns the variables that a step can be expected to read and to write."""
    own = not overrides(model, kind)
    if kind == "predict":
        return (model.weights if own else []), []
    if kind == "test":
        return model.variables, [variable for metric in model.metrics for variable in metric.variables]
    optimizer = model.optimizer if own else None
    if optimizer is not None and model.trainable_weights:
        optimizer.build(model.trainable_weights)
    return [], [*model.variables, *(optimizer.variables if optimizer is not None else ())]


def overrides(model: Any, kind: str) -> bool:
    """Tells whether a model has a step of its own in place of that of a learner."""
    return getattr(type(model), f"{kind}_step") is not getattr(Learner, f"{kind}_step")
