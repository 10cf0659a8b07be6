"""What Lamina keeps of a layer, apart from the attributes that the layer's own code gives it."""

import copy
import threading
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from lamina.core.dtypes import DTypePolicy
from lamina.core.frame import Cell
from lamina.core.metric import Mean, Metric
from lamina.core.symbolic import Node, SymbolicTensor
from lamina.core.tree import Record
from lamina.core.variable import Variable


class LayerRecord(Record):
    """What Lamina keeps of a layer.

    Attributes:
        ready: whether the constructor of the base class has run.
        made_name: the name that was made from the class's, or the given one.
        trainable: whether its weights are trained.
        dynamic: whether `call` needs values that are only known while it runs.
        policy: in which dtypes it keeps its weights and computes.
        input_dtype: what floating inputs are cast to, or None.
        weight_dtype: in which dtype floating weights are read in `call`, or None for their own.
        lock: held by the thread that builds the layer.
        building: whether its `build` runs.
        built_with: the shapes that it was built for, and the user's line; None before.
        built_at: the line where the user's code said that it is built, or None.
        called_with: the arguments of the first call, arrays as their shapes and dtypes; None before.
        nodes: its calls on symbolic tensors.
        unassigned: weights that `add_weight` has made and no attribute has been given.
        call_losses: the losses of the last call, and the outermost call that it belonged to.
        lasting_losses: functions that compute a loss.
        symbolic_losses: losses that belong to a model's graph.
        symbolic_metrics: values of a model's graph, and the metrics that take them.
        added_metrics: the metrics of `add_metric`, by name.
    """

    __slots__ = (
        "added_metrics",
        "building",
        "built_at",
        "built_with",
        "call_losses",
        "called_with",
        "dynamic",
        "input_dtype",
        "lasting_losses",
        "lock",
        "made_name",
        "nodes",
        "policy",
        "ready",
        "symbolic_losses",
        "symbolic_metrics",
        "trainable",
        "unassigned",
        "weight_dtype",
    )

    def __init__(self) -> None:
        super().__init__()
        self.ready = False
        self.made_name = ""
        self.trainable = True
        self.dynamic = False
        self.policy: DTypePolicy = None  # type: ignore[assignment]
        self.input_dtype: np.dtype | None = None
        self.weight_dtype: np.dtype | None = None
        self.lock = threading.RLock()
        self.building = False
        self.built_with: tuple[tuple[Any, ...], str | None] | None = None
        self.built_at: str | None = None
        self.called_with: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.nodes: list[Node] = []
        self.unassigned: list[Variable] = []
        self.call_losses = Cell()
        self.lasting_losses: list[Callable[[], Any]] = []
        self.symbolic_losses: list[SymbolicTensor] = []
        self.symbolic_metrics: list[tuple[SymbolicTensor, Mean]] = []
        self.added_metrics: dict[str, Metric] = {}

    def of_copy(self) -> Self:
        """Returns the record of a shallow copy, with a place of its own for the losses of calls."""
        record = super().of_copy()
        record.call_losses = copy.copy(self.call_losses)
        return record

    @classmethod
    def _not_copied(cls) -> frozenset[str]:
        return frozenset({"holders", "lock"})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.lock = threading.RLock()
