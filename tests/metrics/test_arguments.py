"""Arguments of losses and metrics: what cannot be is refused when it is given, in a sentence that says which and which value."""

import inspect

import pytest

import lamina

NEEDED = {"num_classes": 4, "target_class_ids": [0], "specificity": 0.5, "sensitivity": 0.5, "recall": 0.5, "precision": 0.5}
NUMBER = ["much", float("nan"), (1, 2)]
SHARE = [*NUMBER, -0.1, 1.5, None]
COUNT = ["two", 2.5, 0, -1, True]
BAD = {
    "alpha": ["much", float("nan"), None],
    "average": ["mean", 3],
    "axis": ["last", 1.5],
    "beta": [*NUMBER, None],
    "class_aggregation": ["sum", 3],
    "class_id": ["two", 2.5],
    "curve": ["ROCK", 3],
    "delta": [*NUMBER, None],
    "gamma": [*NUMBER, None],
    "ignore_class": ["two", 2.5],
    "k": [*COUNT, None],
    "label_smoothing": SHARE,
    "margin": [*NUMBER, None],
    "num_classes": [*COUNT, None],
    "num_labels": ["two", 2.5],
    "num_regressors": ["two", 2.5, -1, None],
    "num_thresholds": COUNT,
    "precision": SHARE,
    "q": [*SHARE, 1.0],
    "recall": SHARE,
    "reduction": ["average", 3],
    "sensitivity": SHARE,
    "specificity": SHARE,
    "summation_method": ["sum", 3],
    "target_class_ids": [3, [4], ["two"], [-1], None],
    "threshold": NUMBER,
    "thresholds": [[2.0], [-1.0], ["much"]],
    "top_k": COUNT,
}
FREE = {"dtype", "fn", "kwargs", "label_weights", "name"}
BASES = {"FunctionLoss", "Loss", "MeanMetricWrapper", "Metric"}
CLASSES = [
    cls
    for room in (lamina.losses, lamina.metrics)
    for cls in (getattr(room, name) for name in room.__all__)
    if isinstance(cls, type) and cls.__name__ not in BASES
]


@pytest.mark.parametrize("cls", sorted({*CLASSES}, key=str), ids=lambda cls: f"{cls.__module__.split('.')[1]} {cls.__name__}")
def test_what_an_argument_cannot_be_is_refused_by_its_name(cls):
    parameters = inspect.signature(cls).parameters
    needed = {key: NEEDED[key] for key, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    for argument in parameters.keys() - FREE:
        for value in ["yes", 2, 0.5] if isinstance(parameters[argument].default, bool) else BAD[argument]:
            with pytest.raises((ValueError, TypeError)) as caught:
                cls(**{**needed, argument: value})
            said = str(caught.value)
            assert argument.removesuffix("s") in said, f"{argument}={value!r}: {said}"
            assert repr(value).strip("[]") in said, f"{argument}={value!r}: {said}"
