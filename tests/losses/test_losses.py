"""Losses: their numbers and gradients are those of Keras, whatever the options, weights and masks."""

import random

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.core.masks import with_mask
from properties import examples

REDUCTIONS = ("sum_over_batch_size", "mean", "mean_with_sample_weight", "sum", "none")
SHAPES = ((4, 3), (2, 3, 4))

# --- targets and predictions -----------------------------------------------------------------------------------------


def _softmax(x):
    return (np.exp(x) / np.exp(x).sum(-1, keepdims=True)).astype("float32")


def numbers(rng, shape):
    return rng.normal(size=shape), rng.normal(size=shape) * 2


def counts(rng, shape):
    return rng.poisson(2.0, shape), rng.uniform(0.1, 4, shape)


def binary(rng, shape):
    return rng.integers(0, 2, shape), rng.uniform(0.02, 0.98, shape)


def binary_logits(rng, shape):
    return rng.integers(0, 2, shape), rng.normal(size=shape)


def signs(rng, shape):
    return rng.choice([-1, 1], shape), rng.normal(size=shape)


def distributions(rng, shape):
    return _softmax(rng.normal(size=shape)), _softmax(rng.normal(size=shape))


def labels(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1]), _softmax(rng.normal(size=shape))


def label_logits(rng, shape):
    return rng.integers(0, shape[-1], shape[:-1]), rng.normal(size=shape)


def one_hot(rng, shape):
    y_true, y_pred = labels(rng, shape)
    return np.eye(shape[-1])[y_true], y_pred


def one_hot_logits(rng, shape):
    y_true, y_pred = label_logits(rng, shape)
    return np.eye(shape[-1])[y_true], y_pred


def first_axis(data):
    """The same with the classes in axis 1, where there are more than two axes."""

    def moved(rng, shape):
        y_true, y_pred = data(rng, shape)
        return (np.moveaxis(y_true, -1, 1) if y_true.ndim == y_pred.ndim else y_true), np.moveaxis(y_pred, -1, 1)

    return moved


def embeddings(rng, shape):
    y_pred = rng.normal(size=(6, 4))
    return rng.integers(0, 3, 6), y_pred / np.linalg.norm(y_pred, axis=1, keepdims=True)


def sequences(rng, shape):
    y_true = rng.integers(1, 5, (3, 3))
    y_true[0, 2:] = 0
    return y_true, rng.normal(size=(3, 7, 5))


# A loss joins by one line: class, options, what it is given.
CASES = [
    ("MeanSquaredError", {}, numbers),
    ("MeanAbsoluteError", {}, numbers),
    ("MeanAbsolutePercentageError", {}, numbers),
    ("MeanSquaredLogarithmicError", {}, counts),
    ("CosineSimilarity", {}, numbers),
    ("CosineSimilarity", {"axis": 1}, numbers),
    ("Huber", {}, numbers),
    ("Huber", {"delta": 0.3}, numbers),
    ("LogCosh", {}, numbers),
    ("Hinge", {}, signs),
    ("Hinge", {}, binary_logits),
    ("SquaredHinge", {}, signs),
    ("SquaredHinge", {}, binary_logits),
    ("CategoricalHinge", {}, one_hot_logits),
    ("KLDivergence", {}, distributions),
    ("Poisson", {}, counts),
    ("BinaryCrossentropy", {}, binary),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, binary_logits),
    ("BinaryCrossentropy", {"axis": 1}, binary),
    ("BinaryFocalCrossentropy", {}, binary),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "alpha": 0.6, "gamma": 1.5, "label_smoothing": 0.2}, binary),
    ("BinaryFocalCrossentropy", {"from_logits": True, "axis": 1}, binary_logits),
    ("CategoricalCrossentropy", {}, one_hot),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}, distributions),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot_logits),
    ("CategoricalCrossentropy", {"axis": 1}, first_axis(one_hot)),
    ("CategoricalFocalCrossentropy", {}, one_hot),
    ("CategoricalFocalCrossentropy", {"alpha": 0.4, "gamma": 1.5, "label_smoothing": 0.1}, one_hot),
    ("CategoricalFocalCrossentropy", {"from_logits": True}, one_hot_logits),
    ("CategoricalGeneralizedCrossEntropy", {}, labels),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.8}, labels),
    ("SparseCategoricalCrossentropy", {}, labels),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, label_logits),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, labels),
    ("Dice", {}, binary),
    ("Dice", {"axis": -1}, binary),
    ("Tversky", {}, binary),
    ("Tversky", {"alpha": 0.2, "beta": 0.9, "axis": (-1,)}, binary),
    ("Circle", {}, embeddings),
    ("Circle", {"gamma": 2.0, "margin": 0.1, "remove_diagonal": False}, embeddings),
    ("CTC", {}, sequences),
]


def name_of(case):
    return f"{case[0]} {case[1] or ''} {case[2].__name__}"


def made(case, seed, shape):
    y_true, y_pred = case[2](np.random.default_rng(seed), shape)
    return jnp.asarray(y_true), jnp.asarray(y_pred, "float32")


def both(case, **options):
    return [getattr(library.losses, case[0])(**case[1], **options) for library in (lamina, keras)]


def compiled(function):
    """Compiled fast, to run slowly."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True})


def close(found, expected, what="", rtol=1e-5, atol=3e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=what), found, expected)


# --- the numbers of Keras ---------------------------------------------------------------------------------------------


def masked(loss, y_pred, mask):
    """The predictions, carrying the mask in the way of the library that the loss is of."""
    if mask is None:
        return y_pred
    if isinstance(loss, lamina.losses.Loss):
        return with_mask(y_pred * 1, mask)
    y_pred = y_pred * 1
    keras.src.backend.set_keras_mask(y_pred, mask)
    return y_pred


def value_and_gradient(loss, weights=None, mask=None):
    def run(y_true, y_pred):
        def total(y_pred):
            value = loss(y_true, masked(loss, y_pred, mask), sample_weight=weights)
            return jnp.sum(value), value

        return jax.grad(total, has_aux=True)(y_pred)

    return run


def weights_and_mask(values, rng):
    """Weights and a mask that Keras can take: of the shape of the values."""
    weights = jnp.asarray(rng.uniform(0.5, 2, values), "float32")
    return weights, jnp.asarray(rng.uniform(size=values) < 0.6).at[(0,) * len(values)].set(True)


def shape_of_values(case, data):
    return jax.eval_shape(both(case, reduction="none")[0], *data).shape


# All losses are one program, for compiling one costs much more than running it.
@given(seed=st.integers(0, 9999))
@examples(1)
def test_numbers_and_gradients_are_those_of_keras(seed):
    choose = random.Random(seed).choice
    shape, batches, runs = choose(SHAPES), [], ([], [])
    for case in CASES:
        batches.append(made(case, seed, shape))
        weights, mask = weights_and_mask(shape_of_values(case, batches[-1]), np.random.default_rng(seed))
        weights, mask = choose([(None, None), (weights, None), (None, mask), (weights, mask)])
        # Of one number for all samples, Keras makes no mean.
        reduction = choose([r for r in REDUCTIONS if r != "mean_with_sample_weight" or weights is None or weights.ndim])
        for each, loss in zip(runs, both(case, reduction=reduction), strict=True):
            each.append(value_and_gradient(loss, weights, mask if weights is None or weights.ndim else None))
    found, expected = (compiled(lambda batches, r=r: [f(*b) for f, b in zip(r, batches, strict=True)])(batches) for r in runs)
    for case, *pair in zip(CASES, found, expected, strict=True):
        close(*pair, name_of(case))


@pytest.mark.parametrize("shape", SHAPES)
def test_reductions_weights_and_masks_are_those_of_keras(shape):
    case = ("MeanSquaredError", {}, numbers)
    y_true, y_pred = made(case, 0, shape)
    weights, mask = weights_and_mask(shape[:-1], np.random.default_rng(0))
    pairs = [(weights, None), (None, mask), (weights, mask), (weights * 0, mask), (2.0, mask), (weights, mask & False)]
    pairs += [(weights[..., None], None), (weights[:, :1], mask)] if len(shape) == 3 else [(weights[:, None], mask)]
    for reduction in REDUCTIONS:
        first, second = both(case, reduction=reduction)
        for pair in pairs if reduction != "mean_with_sample_weight" else pairs[:4]:
            (gradient, value), expected = (value_and_gradient(loss, *pair)(y_true, y_pred) for loss in (first, second))
            close((gradient, value.reshape(expected[1].shape)), expected, reduction)


FUNCTIONS = [name for name in dir(keras.losses) if name[0].islower() and name not in ("get", "serialize", "deserialize")]


def test_functions_are_those_of_keras():
    calls = []
    for name in FUNCTIONS:
        cases = [case for case in CASES if case[0].replace("_", "").lower() == name.replace("_", "")]
        assert cases, name
        calls += [(name, made(case, 1, SHAPES[1]), {"q": 0.5} | case[1] if "generalized" in name else case[1]) for case in cases]
    found, expected = (
        compiled(lambda data, room=room: [getattr(room, n)(*d, **c[2]) for (n, *_), d, c in zip(calls, data, calls, strict=True)])(
            [data for _, data, _ in calls]
        )
        for room in (lamina.losses, keras.losses)
    )
    for call, *pair in zip(calls, found, expected, strict=True):
        close(*pair, call[0])


def test_functions_take_lists_and_variables_and_names_of_arguments():
    y_true, y_pred = [[0, 1]], [[0.25, 0.5]]
    for predicted in (y_pred, np.array(y_pred), lamina.Variable(y_pred)):
        close(lamina.losses.mean_absolute_error(y_true, y_pred=predicted), [0.375])
        close(lamina.losses.dice(y_true, predicted, axis=[1]), [1 - 1 / 1.75])


def test_a_missing_last_axis_of_targets_or_predictions_is_added():
    rng = np.random.default_rng(0)
    flat, column = (jnp.asarray(rng.uniform(0.1, 0.9, shape), "float32") for shape in ((5,), (5, 1)))
    for name, options, data in CASES:
        if data in (numbers, counts, binary) and not options:
            for pair in ((flat, column), (column, flat)):
                close(*(loss(*pair) for loss in both((name, options), reduction="none")), name)


# --- what else holds ---------------------------------------------------------------------------------------------------


def test_eager_is_compiled_and_half_precision_is_near_it():
    batches = [made(case, 2, SHAPES[1]) for case in CASES]

    def run(batches):
        for case, (y_true, y_pred) in zip(CASES, batches, strict=True):
            whole, low = (both(case, dtype=dtype)[0] for dtype in (None, "bfloat16"))
            yield whole(y_true, y_pred), low(y_true, y_pred), *value_and_gradient(whole)(y_true, y_pred.astype("float16"))

    found = compiled(lambda batches: list(run(batches)))(batches)
    for case, batch, (whole, low, gradient, half) in zip(CASES, batches, found, strict=True):
        close(both(case)[0](*batch), whole, name_of(case))
        assert (low.dtype, half.dtype, gradient.dtype) == ("bfloat16", "float32", "float16")
        close(low.astype("float32"), whole, name_of(case), 0.1, 0.05)
        close(half, whole, name_of(case), 0.01, 0.005)
        assert np.isfinite(gradient).all(), name_of(case)


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_configs_come_back(case):
    loss, _ = both(case, reduction="sum", dtype="bfloat16")
    copy = lamina.losses.deserialize(lamina.losses.serialize(loss))
    assert type(copy) is type(loss) and copy.get_config() == loss.get_config()
    assert vars(copy) == vars(loss) | {"_given": copy._given}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_probabilities_of_zero_and_one_have_finite_losses_and_gradients(dtype):
    cases = [case for case in CASES if case[2] in (binary, one_hot, labels) and case[1].get("axis") != 1]
    batches = [made(case, 3, (2, 3))[0] for case in cases]

    def run(batches, y_pred):
        return [value_and_gradient(both(case)[0])(batch, y_pred) for case, batch in zip(cases, batches, strict=True)]

    for y_pred in (jnp.eye(3, dtype=dtype)[:2], 1 - jnp.eye(3, dtype=dtype)[:2]):
        for case, (gradient, value) in zip(cases, compiled(run)(batches, y_pred), strict=True):
            assert np.isfinite(value) and np.isfinite(np.asarray(gradient, "float32")).all(), name_of(case)


def test_a_focal_loss_of_far_logits_keeps_its_digits():
    y_true, logits = np.array([[1.0, 0.0]]), np.array([[-40.0, 40.0]])
    np.testing.assert_allclose(lamina.losses.binary_focal_crossentropy(y_true, logits, from_logits=True), [40.0], rtol=1e-6)


def test_classes_may_be_in_another_axis_where_keras_refuses_them_or_smooths_by_the_last():
    y_true, y_pred = made(("", {}, one_hot), 0, (2, 3, 4))
    whole, moved = (y_true, y_pred), [jnp.moveaxis(y, -1, 1) for y in (y_true, y_pred)]
    for formula in (lamina.losses.categorical_crossentropy, lamina.losses.categorical_focal_crossentropy):
        close(formula(*moved, label_smoothing=0.3, axis=1), formula(*whole, label_smoothing=0.3))
    sparse, labels = lamina.losses.sparse_categorical_crossentropy, jnp.argmax(y_true, -1)
    close(sparse(labels, moved[1], axis=1), sparse(labels, y_pred))


def test_weights_of_samples_hold_for_all_their_values_in_every_mean():
    y_true, y_pred = made(("", {}, numbers), 0, (2, 3, 4))
    values = lamina.losses.mean_squared_error(y_true, y_pred)
    for weights in (np.array([1.0, 3.0]), np.array([[1.0], [3.0]])):
        found = lamina.losses.MeanSquaredError("mean_with_sample_weight")(y_true, y_pred, sample_weight=weights)
        close(found, np.average(values, weights=np.repeat([[1.0], [3.0]], 3, 1)))


def test_a_circle_of_lone_samples_has_a_finite_gradient():
    gradient, value = value_and_gradient(lamina.losses.Circle())(jnp.arange(3), jnp.eye(3))
    assert value == 0 and np.isfinite(gradient).all()


def test_losses_take_symbolic_tensors_and_graphs_with_them_come_back():
    inputs = lamina.Input((3,))
    error = lamina.losses.mean_absolute_error(inputs, inputs * 2)
    model = lamina.Model(inputs, error)
    for each in (model, lamina.Model.from_config(model.get_config())):
        close(each(np.array([[1.0, 2.0, 3.0]], "float32")), [2.0])


# --- names and refusals -----------------------------------------------------------------------------------------------


def test_every_public_name_of_keras_is_there_and_takes_its_arguments():
    import inspect

    for name in dir(keras.losses):
        if name.startswith("_") or name in ("get", "serialize", "deserialize"):
            continue
        found, expected = getattr(lamina.losses, name), getattr(keras.losses, name)
        assert list(inspect.signature(found).parameters) == list(inspect.signature(expected).parameters), name
    assert set(dir(keras.losses)) - set(dir(lamina.losses)) == set()


def test_every_name_that_keras_knows_is_known():
    from keras.src.losses import ALL_OBJECTS_DICT

    for name, expected in ALL_OBJECTS_DICT.items():
        if name in ("Loss", "LossFunctionWrapper"):
            continue
        assert isinstance(lamina.losses.get(name), lamina.losses.Loss), name
        own = expected.__name__.replace("_", "").lower()
        assert type(lamina.losses.get(name)).__name__.lower() == own, name
    for name, case in zip("ab", (("Huber", {}), ("MeanSquaredError", {})), strict=True):
        assert [loss.name for loss in both(case)] == [both(case)[1].name] * 2, name
    with pytest.raises(ValueError, match="huber"):
        lamina.losses.get("hubber")


@pytest.mark.parametrize("y_true, expected", [([[1.0], [0.0]], "binary"), ([[1.0, 0.0]] * 2, "categorical"), ([1, 0], "sparse")])
def test_crossentropy_is_what_the_shapes_ask_for(y_true, expected):
    y_pred = np.full((2, 1 if expected == "binary" else 2), 0.3, "float32")
    name = {"binary": "binary", "categorical": "categorical", "sparse": "sparse_categorical"}[expected]
    found = lamina.losses.get("crossentropy")(y_true, y_pred)
    close(found, jnp.mean(getattr(lamina.losses, f"{name}_crossentropy")(np.array(y_true), y_pred)))


def test_functions_are_losses_and_come_back_by_their_names():
    loss = lamina.losses.get(lamina.losses.huber)
    assert loss.name == "huber"
    copy = lamina.losses.deserialize(lamina.losses.serialize(loss))
    assert copy.function is lamina.losses.huber
    difference = lamina.losses.get(lambda y_true, y_pred: y_true - y_pred)
    close(difference([1.0, 2.0], [[1.0], [1.0]]), 0.5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: lamina.losses.MeanSquaredError(reduction="average"), "average"),
        (lambda: lamina.losses.CategoricalGeneralizedCrossEntropy(q=1.0), "q must"),
        (lambda: lamina.losses.BinaryCrossentropy(label_smoothing=1.5), "label_smoothing"),
        (lambda: lamina.losses.BinaryFocalCrossentropy(alpha=-1), "alpha"),
        (lambda: lamina.losses.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 4))), r"\(2, 3\).*\(2, 4\)"),
        (lambda: lamina.losses.SparseCategoricalCrossentropy()(np.ones((2, 3)), np.ones((2, 3))), "One class number"),
        (lambda: lamina.losses.MeanSquaredError()(np.ones(2), np.ones(2), sample_weight=np.ones(3)), r"weights of shape \(3,\)"),
        (lambda: lamina.losses.Dice()(np.ones((2, 3)), np.ones((2, 3)), sample_weight=np.ones(2)), r"values of shape \(\)"),
        (lambda: lamina.losses.ctc(np.ones(3), np.ones((1, 2, 3))), "labels of shape"),
        (lambda: lamina.losses.circle(np.ones(3), np.ones(3)), "embeddings"),
        (
            lambda: lamina.losses.SparseCategoricalCrossentropy()._check(np.array([3]), (1, 3)),
            "label 3",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_labels_that_are_ignored_need_not_be_classes():
    loss = lamina.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    loss._check(np.array([0, -1, 2]), (3, 3))
    close(loss([0, -1], [[0.5, 0.5], [0.1, 0.9]]), np.log(2.0))


def test_one_class_alone_is_warned_of():
    with pytest.warns(UserWarning, match="one class"):
        lamina.losses.CategoricalCrossentropy()(np.ones((2, 1)), np.ones((2, 1)))
