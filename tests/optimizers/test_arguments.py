"""Arguments of optimizers: what cannot be is refused when it is given; and whatever they are, the numbers are those of Keras."""

import inspect

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
import optimizers.runs as runs
from optimizers.test_numbers import FORMULAS, OPTIONS
from properties import examples

CLASSES = sorted({name for name, _ in FORMULAS.values()})
NOT_NEGATIVE = [-0.1, "much", None, float("nan"), float("inf"), True]
FACTOR = [1.0, -0.1, "much", None, float("nan"), True]
BAD = {
    "adam_beta_1": FACTOR,
    "adam_beta_2": FACTOR,
    "adam_lr_ratio": NOT_NEGATIVE,
    "adam_weight_decay": [-0.1, "much"],
    "beta": NOT_NEGATIVE,
    "beta_1": [1.1, -0.1, "much", None, float("nan"), True],
    "beta_2": [1.1, -0.1, "much", None, float("nan"), True],
    "beta_2_decay": [0.8, "much", None],
    "clip_threshold": [0, -0.1, "much", None],
    "clipnorm": [0, -1, "much", True],
    "clipvalue": [0, -1, "much", True],
    "ema_momentum": [1.1, -0.1, "much", None],
    "ema_overwrite_frequency": [0, -1, 2.5, "two"],
    "epsilon": NOT_NEGATIVE,
    "epsilon_1": NOT_NEGATIVE,
    "epsilon_2": NOT_NEGATIVE,
    "global_clipnorm": [0, -1, "much", True],
    "gradient_accumulation_steps": [0, 1, -1, 2.5, "two"],
    "initial_accumulator_value": NOT_NEGATIVE,
    "l1_regularization_strength": NOT_NEGATIVE,
    "l2_regularization_strength": NOT_NEGATIVE,
    "l2_shrinkage_regularization_strength": NOT_NEGATIVE,
    "learning_rate": NOT_NEGATIVE,
    "learning_rate_power": [0.5, "much", None],
    "loss_scale_factor": [0, -1, "much"],
    "momentum": [1.1, -0.1, "much", None],
    "muon_a": ["much", None],
    "muon_b": ["much", None],
    "muon_c": ["much", None],
    "ns_steps": [0, -1, 2.5, "two", None],
    "rho": [1.1, -0.1, "much", None],
    "rms_rate": [0, -1, "much"],
    "warmup_steps": [-1, 2.5, "two", None],
    "weight_decay": [-0.1, "much", True],
}
FREE = {"exclude_layers", "name"}


@pytest.mark.parametrize("name", CLASSES)
def test_what_an_argument_cannot_be_is_refused_by_its_name(name):
    cls = getattr(lamina.optimizers, name)
    own, shared = (inspect.signature(c).parameters for c in (cls, lamina.optimizers.Optimizer))
    arguments = {key: p for key, p in {**shared, **own}.items() if p.kind is not p.VAR_KEYWORD and key not in FREE}
    for argument, parameter in arguments.items():
        for value in ["yes", 2, 0.5] if isinstance(parameter.default, bool) else BAD[argument]:
            with pytest.raises((ValueError, TypeError)) as caught:
                cls(**{"learning_rate": 0.1, argument: value})
            said = str(caught.value)
            assert argument in said and repr(value) in said, f"{argument}={value!r} of {name}: {said}"


# Where these are drawn from, for whatever optimizer takes them.
VALUES = {
    "adam_beta_1": st.floats(0, 0.95),
    "adam_beta_2": st.floats(0.1, 0.999),
    "adam_lr_ratio": st.floats(0.1, 2),
    "adam_weight_decay": st.sampled_from([None, 0.05]),
    "amsgrad": st.booleans(),
    "beta_1": st.floats(0.1, 0.95),
    "beta_2": st.floats(0.1, 0.999),
    "centered": st.booleans(),
    "epsilon": st.sampled_from([1e-7, 1e-3, 0.1]),
    "initial_accumulator_value": st.floats(0.1, 1),
    "l1_regularization_strength": st.floats(0, 0.5),
    "l2_regularization_strength": st.floats(0, 0.5),
    "momentum": st.floats(0, 0.95),
    "nesterov": st.booleans(),
    "rho": st.floats(0.1, 0.95),
}
RATES = {
    "PolynomialDecay": dict(initial_learning_rate=0.1, decay_steps=4, end_learning_rate=0.02, power=2.0),
    "CosineDecay": dict(initial_learning_rate=0.02, decay_steps=6, warmup_target=0.1, warmup_steps=2),
    "InverseTimeDecay": dict(initial_learning_rate=0.1, decay_steps=2, decay_rate=0.5),
}


def compare(name, data):
    taken = inspect.signature(getattr(lamina.optimizers, name)).parameters
    arguments = {key: data.draw(VALUES[key], key) for key in taken if key in VALUES and data.draw(st.booleans())}
    arguments |= OPTIONS[data.draw(st.sampled_from(sorted(OPTIONS)), "options")]
    schedule, (ours, theirs) = data.draw(st.sampled_from([None, *RATES]), "schedule"), (lamina.optimizers, keras.optimizers)
    rates = [getattr(room.schedules, schedule)(**RATES[schedule]) if schedule else 0.1 for room in (ours, theirs)]
    one, other = (getattr(room, name)(rate, **arguments) for room, rate in zip((ours, theirs), rates, strict=True))
    expected, _ = runs.keras_run(other, runs.gradients(5), compiled=True)
    runs.assert_equal_runs(runs.looped_run(one, runs.gradients(5)), expected, rtol=1e-4, atol=1e-5)


@given(name=st.sampled_from(CLASSES), data=st.data())
@examples(2)
def test_whatever_the_arguments_the_numbers_are_those_of_keras(name, data):
    compare(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSES)
@given(data=st.data())
@examples(4)
def test_whatever_its_arguments_the_numbers_of_each_are_those_of_keras(name, data):
    compare(name, data)


def test_in_mixed_bfloat16_every_optimizer_moves_weights_in_float32_and_all_numbers_stay_finite():
    lamina.set_dtype_policy("mixed_bfloat16")
    try:
        layer = lamina.layers.Dense(3, "tanh")
        layer.build((None, 4))
        models = {name: lamina.layers.Dense.from_config(layer.get_config()) for name in CLASSES}
        x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
        optimizers = {name: getattr(lamina.optimizers, name)(0.1) for name in CLASSES}
        for model in models.values():
            model.build((None, 4))
        before = {name: model.kernel.numpy() for name, model in models.items()}

        @lamina.jit
        def step():
            for name, model in models.items():
                grads = lamina.grad(lambda model=model: lamina.ops.mean((model(x) - x[:, :3]) ** 2), model.trainable_variables)()
                optimizers[name].apply(grads, model.trainable_variables)

        step(), step()
    finally:
        lamina.set_dtype_policy("float32")
    for name, model in models.items():
        assert model.compute_dtype == "bfloat16" and (model.kernel.numpy() != before[name]).any(), name
        for variable in [*model.weights, *optimizers[name].variables]:
            assert variable.dtype in ("float32", "int32") and np.isfinite(variable.numpy()).all(), f"{name}: {variable!r}"
