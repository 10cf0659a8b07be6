"""Metrics: after any batches, weights and masks their values are those of Keras."""

import inspect
import random
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina.core.masks import with_mask
from properties import examples

SHAPES = ((6, 3), (3, 4, 5))

# --- targets and predictions -----------------------------------------------------------------------------------------


def _softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def numbers(rng, shape):
    return rng.normal(size=shape), rng.normal(size=shape) * 2


def counts(rng, shape):
    return rng.poisson(2.0, shape), rng.uniform(0.1, 4, shape)


def binary(rng, shape):
    return rng.integers(0, 2, shape), rng.uniform(0.02, 0.98, shape)


def logits(rng, shape):
    return rng.integers(0, 2, shape), rng.normal(size=shape)


def one_hot(rng, shape):
    return np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])], _softmax(rng.normal(size=shape))


def sparse(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1]), _softmax(rng.normal(size=shape))


def classes(rng, shape):
    return rng.integers(0, 4, shape[:-1]), rng.integers(0, 4, shape[:-1])


def ranked(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1]), rng.permuted(np.broadcast_to(np.arange(shape[-1]), shape), axis=-1)


def matrix(data):
    """The same, always of shape (batch, features): Keras has nothing else there."""
    return lambda rng, shape: data(rng, SHAPES[0])


def column(data):
    return lambda rng, shape: data(rng, (7, 1))


# A metric joins by one line: class, options, what it is given.
CASES = [
    ("MeanSquaredError", {}, numbers),
    ("RootMeanSquaredError", {}, numbers),
    ("MeanAbsoluteError", {}, numbers),
    ("MeanAbsolutePercentageError", {}, numbers),
    ("MeanSquaredLogarithmicError", {}, counts),
    ("CosineSimilarity", {}, numbers),
    ("CosineSimilarity", {"axis": 1}, matrix(numbers)),
    ("LogCoshError", {}, numbers),
    ("R2Score", {}, matrix(numbers)),
    ("R2Score", {"class_aggregation": None}, matrix(numbers)),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, matrix(numbers)),
    ("PearsonCorrelation", {}, numbers),
    ("PearsonCorrelation", {"axis": 1}, matrix(numbers)),
    ("ConcordanceCorrelation", {}, numbers),
    ("Hinge", {}, logits),
    ("SquaredHinge", {}, logits),
    ("CategoricalHinge", {}, one_hot),
    ("KLDivergence", {}, one_hot),
    ("Poisson", {}, counts),
    ("BinaryCrossentropy", {}, binary),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, logits),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, one_hot),
    ("SparseCategoricalCrossentropy", {}, sparse),
    ("Accuracy", {}, classes),
    ("BinaryAccuracy", {}, binary),
    ("BinaryAccuracy", {"threshold": 0.3}, column(binary)),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, sparse),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, sparse),
    ("SparseTopKCategoricalAccuracy", {"k": 2, "from_sorted_ids": True}, ranked),
    ("FBetaScore", {"beta": 2.0}, matrix(one_hot)),
    ("FBetaScore", {"average": "weighted", "threshold": 0.4}, matrix(binary)),
    ("F1Score", {"average": "macro"}, matrix(one_hot)),
    ("F1Score", {"average": "micro", "threshold": 0.5}, matrix(binary)),
    ("IoU", {"num_classes": 4, "target_class_ids": [0, 2]}, classes),
    ("IoU", {"num_classes": 3, "target_class_ids": [0, 1], "ignore_class": 1}, classes),
    ("BinaryIoU", {"threshold": 0.3}, binary),
    ("BinaryIoU", {"target_class_ids": [1]}, binary),
    ("MeanIoU", {"num_classes": 4}, classes),
    ("MeanIoU", {"num_classes": 5, "sparse_y_pred": False}, sparse),
    ("OneHotIoU", {"num_classes": 5, "target_class_ids": [0, 3]}, one_hot),
    ("OneHotMeanIoU", {"num_classes": 5}, one_hot),
    ("TruePositives", {}, binary),
    ("FalsePositives", {"thresholds": [0.7, 0.2]}, binary),
    ("TrueNegatives", {"thresholds": 0.4}, binary),
    ("FalseNegatives", {"thresholds": [0.0, 0.5, 1.0]}, binary),
    ("Precision", {}, binary),
    ("Precision", {"thresholds": [0.9, 0.1, 0.5]}, binary),
    ("Precision", {"top_k": 2}, binary),
    ("Precision", {"top_k": 2, "thresholds": 0.5}, binary),
    ("Recall", {}, binary),
    ("Recall", {"class_id": 1}, binary),
    ("Recall", {"class_id": 0, "top_k": 2}, binary),
    ("SensitivityAtSpecificity", {"specificity": 0.6}, binary),
    ("SensitivityAtSpecificity", {"specificity": 0.6, "num_thresholds": 1}, binary),
    ("SpecificityAtSensitivity", {"sensitivity": 0.6, "num_thresholds": 7}, binary),
    ("PrecisionAtRecall", {"recall": 0.4, "class_id": 1}, binary),
    ("RecallAtPrecision", {"precision": 0.7}, binary),
    ("AUC", {}, binary),
    ("AUC", {"curve": "PR"}, binary),
    ("AUC", {"curve": "pr", "summation_method": "minoring", "thresholds": [0.7, 0.2, 0.4]}, binary),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, binary),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 11}, binary),
    ("AUC", {"from_logits": True, "summation_method": "majoring"}, logits),
    ("AUC", {"multi_label": True}, matrix(binary)),
    ("AUC", {"multi_label": True, "num_labels": 3, "curve": "PR", "label_weights": [0.5, 0.2, 2.0]}, matrix(binary)),
    ("AUC", {"label_weights": [0.5, 0.2, 2.0]}, matrix(binary)),
]
LATE = ("R2Score", "FBetaScore", "F1Score", "AUC")  # make their variables with the first batch, in Keras too


def name_of(case):
    return f"{case[0]} {case[1] or ''}"


def batches_of(case, seed, shape, many=2):
    rng = np.random.default_rng(seed)
    return [tuple(jnp.asarray(y, None if y.dtype.kind == "i" else "float32") for y in case[2](rng, shape)) for _ in range(many)]


def both(case):
    return [getattr(library.metrics, case[0])(**case[1]) for library in (lamina, keras)]


def compiled(function):
    """Compiled fast, to run slowly."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True})


def close(found, expected, what=""):
    jax.tree.map(lambda a, b: assert_close(a, b, err_msg=what), found, expected)


def per_sample(y_true, y_pred, case, rng):
    """Weights that Keras can take, whole numbers for what it counts in integers."""
    whole = "IoU" in case[0]
    shape = (
        y_true.shape[:-1]
        if whole and case[0].startswith("OneHot")
        else y_true.shape
        if whole
        else y_pred.shape[: max(1, y_pred.ndim - 1)]
    )
    return jnp.asarray(rng.integers(1, 4, shape) if whole else rng.uniform(0.5, 2, shape), "int32" if whole else "float32")


def results(metrics, batches):
    """The values of metrics after batches, as a pure function: each metric's batches are (y_true, y_pred, sample_weight)."""

    def run(batches):
        values = []
        for metric, own in zip(metrics, batches, strict=True):
            state = [jnp.zeros(v.shape, v.dtype) for v in metric.variables]
            for y_true, y_pred, weights in own:
                state = metric.stateless_update_state(state, y_true, y_pred, sample_weight=weights)
            values.append(metric.stateless_result(state))
        return values

    return compiled(run)(batches)


# --- the numbers of Keras ---------------------------------------------------------------------------------------------


# All metrics are one program, for compiling one costs much more than running it.
@given(seed=st.integers(0, 9999))
@examples(1)
def test_values_are_those_of_keras(seed):
    choose = random.Random(seed).choice
    shape, batches, pairs = choose(SHAPES), [], []
    for case in CASES:
        rng = np.random.default_rng(seed)
        own, weighted = batches_of(case, seed, shape), choose([True, False])
        batches.append([(*batch, per_sample(*batch, case, rng) if weighted else None) for batch in own])
        pairs.append(both(case))
        if case[0] in LATE:
            for metric in pairs[-1]:
                metric.update_state(*own[0])
                metric.reset_state()
    for case, *pair in zip(CASES, *(results(metrics, batches) for metrics in zip(*pairs, strict=True)), strict=True):
        close(*pair, name_of(case))


@pytest.mark.parametrize(
    "shape, weights", [((), None), ((4,), None), ((4, 3), None), ((4, 3), (4,)), ((4, 3), (4, 1)), ((4, 3), (4, 3)), ((4,), (4, 1))]
)
def test_mean_and_sum_are_those_of_keras(shape, weights):
    rng = np.random.default_rng(0)
    for name in ("Mean", "Sum"):
        metrics = both((name, {}))
        for _ in range(2):
            given_weights = None if weights is None else rng.uniform(size=weights)
            values = rng.normal(size=shape)
            for metric in metrics:
                metric.update_state(values, sample_weight=given_weights)
        close(*(metric.result() for metric in metrics), name)


@pytest.mark.parametrize("regressors", [2, 13, 40])
def test_the_adjusted_score_is_that_of_keras(regressors):
    metrics = both(("R2Score", {"num_regressors": regressors}))
    for batch in batches_of(("", {}, column(numbers)), 0, ()):
        for metric in metrics:
            metric.update_state(*batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(*(metric.result() for metric in metrics))


FUNCTIONS = [name for name in dir(keras.metrics) if name[0].islower() and name not in ("get", "serialize", "deserialize")]
OWN = {
    "binary_accuracy": binary,
    "categorical_accuracy": one_hot,
    "concordance_correlation": numbers,
    "pearson_correlation": numbers,
    "sparse_categorical_accuracy": sparse,
    "sparse_top_k_categorical_accuracy": sparse,
    "top_k_categorical_accuracy": one_hot,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_keras_or_of_the_losses(name):
    if name not in OWN:
        assert getattr(lamina.metrics, name) is getattr(lamina.losses, name)
        return
    options = {"k": 2} if "top_k" in name else {}
    for shape in SHAPES:
        y_true, y_pred = batches_of(("", {}, OWN[name]), 0, shape)[0]
        found, expected = (getattr(library.metrics, name)(y_true, y_pred, **options) for library in (lamina, keras))
        assert found.dtype == "float32"
        close(found, expected)
    if name == "sparse_categorical_accuracy":
        close(lamina.metrics.sparse_categorical_accuracy(y_true[..., None], y_pred), found)


# --- masks and weights -------------------------------------------------------------------------------------------------


def test_a_mask_is_a_weight_of_zero():
    cases = [case for case in CASES if case[2] in (binary, numbers, sparse, one_hot, classes) and case[1].get("axis") != 1]
    batches = [batches_of(case, 0, SHAPES[1], 1)[0] for case in cases]
    masks = [jnp.asarray(np.random.default_rng(0).uniform(size=(3, 4)) < 0.6)] * len(cases)
    masks = [jnp.any(mask, 1) if case[1].get("axis") == 1 else mask for case, mask in zip(cases, masks, strict=True)]

    def run(batches):
        for case, (y_true, y_pred), mask in zip(cases, batches, masks, strict=True):
            values = []
            for arguments in ({"y_pred": with_mask(y_pred * 1, mask)}, {"y_pred": y_pred, "sample_weight": mask.astype("float32")}):
                metric = both(case)[0]
                values.append(metric.stateless_update_state(initial(metric), y_true, **arguments))
            yield values

    for case, (masked, weighted) in zip(cases, compiled(lambda batches: list(run(batches)))(batches), strict=True):
        close(masked, weighted, name_of(case))


def initial(metric):
    return [jnp.zeros(variable.shape, variable.dtype) for variable in metric.variables]


def test_weights_of_pixels_need_not_be_whole():
    y_true, y_pred, weights = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0.3, 0.3, 0.3, 0.1])
    metric = lamina.metrics.MeanIoU(num_classes=2)
    metric.update_state(y_true, y_pred, sample_weight=weights)
    close(metric.result(), (0.3 / 0.9 + 0.1 / 0.7) / 2)
    assert metric.variables[0].dtype == "float32"


def test_targets_to_ignore_do_not_count():
    y_pred = np.array([[0.5, 0.5], [0.1, 0.9]])
    for weights in (None, np.ones(2)):
        metric = lamina.metrics.SparseCategoricalCrossentropy(ignore_class=-1)
        metric.update_state([0, -1], y_pred, sample_weight=weights)
        close(metric.result(), np.log(2.0))


# --- what else holds ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs():
    """Each metric after two batches taken in eagerly, with the batches."""
    found = []
    for case in CASES:
        metric, own = both(case)[0], batches_of(case, 1, SHAPES[0])
        for batch in own:
            metric.update_state(*batch)
        found.append((case, metric, own))
    return found


@pytest.mark.slow
def test_eager_is_compiled_and_half_precision_is_finite(runs):
    metrics, batches = [m for _, m, _ in runs], [[(*batch, None) for batch in own] for *_, own in runs]
    whole = results(metrics, batches)
    low = [[(y, p.astype("bfloat16") if p.dtype == "float32" else p, w) for y, p, w in own] for own in batches]
    for (case, metric, _), value, half in zip(runs, whole, results(metrics, low), strict=True):
        close(metric.result(), value, name_of(case))
        assert np.isfinite(half).all() and half.dtype == "float32", name_of(case)


def test_merged_metrics_have_seen_what_each_has(runs):
    for case, metric, own in runs:
        parts = [both(case)[0] for _ in own]
        for part, batch in zip(parts, own, strict=True):
            part.update_state(*batch)
        merged = both(case)[0]
        merged.merge_state(parts)
        close(merged.result(), metric.result(), name_of(case))
        merged.reset_state()
        merged.update_state(*own[0])
        close(merged.result(), parts[0].result(), name_of(case))
        merged.merge_state([both(case)[0]])
        close(merged.result(), parts[0].result(), name_of(case))


def test_only_equals_are_merged():
    metric = lamina.metrics.Precision(thresholds=0.3)
    for other in (lamina.metrics.Precision(thresholds=0.4), lamina.metrics.Recall(thresholds=0.3)):
        with pytest.raises(ValueError, match="cannot be merged"):
            metric.merge_state([other])
    metric.merge_state([lamina.metrics.Precision(thresholds=0.3, name="other")])


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_configs_come_back_and_nothing_seen_is_no_error(case):
    metric = getattr(lamina.metrics, case[0])(**case[1], name="mine", dtype="bfloat16")
    copy = lamina.metrics.deserialize(lamina.metrics.serialize(metric))
    assert type(copy) is type(metric) and copy.get_config() == metric.get_config()
    assert (copy.name, copy.dtype) == ("mine", "bfloat16")
    assert [v.shape for v in copy.variables] == [v.shape for v in metric.variables]
    assert (np.asarray(metric.result(), "float32") == 0).all() or case[1].get("curve") == "PRGAIN"


def test_constants_and_perfect_predictions_have_scores():
    ones = np.ones((3, 2))
    assert lamina.metrics.R2Score()(ones, ones) == 1
    assert lamina.metrics.R2Score()(ones, ones * 2) == 0
    assert lamina.metrics.PearsonCorrelation()(ones, np.arange(6.0).reshape(3, 2)) == 0
    assert lamina.metrics.ConcordanceCorrelation()(ones, ones) == 0


def test_several_outputs_of_a_sample_are_one_sample_in_the_adjusted_score():
    (y_true, y_pred), n = batches_of(("", {}, numbers), 0, (9, 2))[0], 9
    plain, adjusted = lamina.metrics.R2Score(), lamina.metrics.R2Score(num_regressors=3)
    close(adjusted(y_true, y_pred), 1 - (1 - plain(y_true, y_pred)) * (n - 1) / (n - 3 - 1))


# --- in fit --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fit_gives_the_same_looped_and_eagerly_and_as_keras():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(24, 4)).astype("float32")
    y = np.eye(3, dtype="float32")[rng.integers(0, 3, 24)]
    weights = rng.uniform(0.5, 1.5, 24).astype("float32")
    start = rng.normal(size=(4, 3)).astype("float32")

    def logs(library, **options):
        model = library.Sequential([library.Input((4,)), library.layers.Dense(3, activation="softmax")])
        model.layers[-1].kernel.assign(start)
        model.compile(
            "sgd",
            "categorical_crossentropy",
            metrics=[library.metrics.AUC(name="area"), "f1_score", "accuracy", library.metrics.R2Score(), library.losses.huber],
            weighted_metrics=[library.metrics.Precision(class_id=1, thresholds=[0.3, 0.5], name="precision"), "mse"],
            **options,
        )
        return model.fit(x, y, sample_weight=weights, batch_size=10, epochs=2, shuffle=False, verbose=0).history

    looped, eager, theirs = logs(lamina), logs(lamina, run_eagerly=True), logs(keras)
    assert set(looped) == set(theirs)
    close(looped, eager)
    for name in set(looped) - {"loss"}:
        close(looped[name], theirs[name], name)


# --- names and refusals -----------------------------------------------------------------------------------------------

TAKES_ELSE = {"Metric": "name comes before dtype, as in all other metrics (and in tf.keras)"}


def test_every_public_name_of_keras_is_there_and_takes_its_arguments():
    assert set(dir(keras.metrics)) - set(dir(lamina.metrics)) == set()
    for name in set(dir(keras.metrics)) - set(TAKES_ELSE):
        if not name.startswith("_") and name not in ("get", "serialize"):
            found, expected = getattr(lamina.metrics, name), getattr(keras.metrics, name)
            assert list(inspect.signature(found).parameters) == list(inspect.signature(expected).parameters), name


def test_every_name_that_keras_knows_is_known():
    from keras.src.metrics import ALL_OBJECTS_DICT

    for name, cls in ALL_OBJECTS_DICT.items():
        if cls not in (keras.metrics.Metric, keras.metrics.MeanMetricWrapper):
            needed = {p.name: 0.5 for p in inspect.signature(cls).parameters.values() if p.default is p.empty}
            if "num_classes" in needed:
                needed = {"num_classes": 2} | ({"target_class_ids": [0]} if "target_class_ids" in needed else {})
            metric = lamina.metrics.get({"class_name": cls.__name__, "config": needed}) if needed else lamina.metrics.get(name)
            assert metric.name == name or needed
            assert type(metric).__name__ == cls.__name__ or name == "accuracy"
    with pytest.raises(ValueError, match="F1Score"):
        lamina.metrics.get("f1score_")


def test_default_names_are_those_of_keras():
    for name, options, _ in CASES:
        ours, theirs = both((name, options))
        assert ours.name == theirs.name.rstrip("_0123456789") or ours.name == theirs.name


def test_losses_and_functions_and_their_names_are_metrics():
    y_true, y_pred = np.array([[0.0], [0.0]]), np.array([[1.0], [3.0]])
    for identifier, expected in [
        (lamina.losses.Huber(delta=2.0), 2.25),
        (lambda a, b: jnp.abs(a - b), 2.0),
        (lamina.metrics.MeanMetricWrapper("huber", delta=2.0), 2.25),
    ]:
        metric = lamina.metrics.get(identifier)
        close(metric(y_true, y_pred), expected)
        close(metric(y_true[:, 0], y_pred), expected)
    wrapper = lamina.metrics.MeanMetricWrapper(lamina.losses.huber, name="h", delta=2.0)
    copy = lamina.metrics.deserialize(lamina.metrics.serialize(wrapper))
    close(copy(y_true, y_pred), 2.25)


class Ratio(lamina.metrics.Metric):
    """A metric as people write them for Keras."""

    def __init__(self, name="ratio", **kwargs):
        super().__init__(name=name, **kwargs)
        self.top = self.add_variable(shape=(), initializer="zeros", name="top")
        self.bottom = self.add_weight(shape=(2,), initializer="ones", dtype="int32", name="bottom")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.top.assign_add(jnp.sum(jnp.asarray(y_pred)))
        self.bottom.assign_add(jnp.ones(2))

    def result(self):
        return self.top / self.bottom[0]


def test_metrics_of_ones_own_may_start_from_an_initializer():
    metric = Ratio()
    assert metric.bottom.dtype == "int32" and metric([1.0], [4.0]) == 2


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda m: m.Precision(thresholds=1.5), "threshold"),
        (lambda m: m.TruePositives(thresholds=[]), "empty"),
        (lambda m: m.Recall(top_k=0), "top_k"),
        (lambda m: m.Recall(class_id=0)([1.0], [1.0]), "class_id"),
        (lambda m: m.AUC(curve="ROCK"), "ROCK"),
        (lambda m: m.AUC(summation_method="sum"), "sum"),
        (lambda m: m.AUC(num_thresholds=1), "num_thresholds"),
        (lambda m: m.AUC(num_labels=2), "multi_label"),
        (lambda m: m.AUC(multi_label=True)(np.ones(2), np.ones(2)), "labels"),
        (lambda m: m.SensitivityAtSpecificity(1.5), "specificity"),
        (lambda m: m.RecallAtPrecision(0.5, num_thresholds=0), "num_thresholds"),
        (lambda m: m.FBetaScore(beta=0), "beta"),
        (lambda m: m.F1Score(average="mean"), "mean"),
        (lambda m: m.F1Score(threshold=0.0), "threshold"),
        (lambda m: m.F1Score()(np.ones(3), np.ones(3)), "reshape"),
        (lambda m: m.R2Score(class_aggregation="sum"), "sum"),
        (lambda m: m.R2Score(num_regressors=-1), "num_regressors"),
        (lambda m: m.R2Score()(np.ones(3), np.ones(3)), "outputs"),
        (lambda m: m.IoU(2, [2]), "target_class_ids"),
        (lambda m: m.MeanIoU(0), "num_classes"),
        (lambda m: m.MeanIoU(2)(np.ones(3), np.ones((3, 2))), "sparse_y_pred"),
        (lambda m: m.TopKCategoricalAccuracy(k=0), "k must"),
        (lambda m: m.BinaryAccuracy()(np.ones((2, 2)), np.ones(3)), "one shape"),
        (lambda m: m.MeanMetricWrapper("hubber"), "huber"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make(lamina.metrics)


def test_a_number_of_classes_does_not_change():
    metric = lamina.metrics.F1Score()
    metric.update_state(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="number of classes"):
        metric.update_state(np.eye(2), np.eye(2))
    assert (np.asarray(metric.result()) == 1).all()
