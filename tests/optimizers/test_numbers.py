"""The numbers of optimizers are those of Keras, after every step, eager and compiled, packed or not."""

import keras
import numpy as np
import pytest

import lamina
import lamina.optimizers.optimizer as base
import optimizers.runs as runs

FORMULAS = {
    "sgd": ("SGD", dict(learning_rate=0.1)),
    "momentum": ("SGD", dict(learning_rate=0.1, momentum=0.9)),
    "nesterov": ("SGD", dict(learning_rate=0.1, momentum=0.9, nesterov=True)),
    "adam": ("Adam", dict(learning_rate=0.1)),
    "amsgrad": ("Adam", dict(learning_rate=0.1, beta_1=0.8, beta_2=0.6, epsilon=1e-3, amsgrad=True)),
    "adamw": ("AdamW", dict(learning_rate=0.1, weight_decay=0.1)),
    "rmsprop": ("RMSprop", dict(learning_rate=0.1)),
    "rmsprop with all": ("RMSprop", dict(learning_rate=0.1, rho=0.7, momentum=0.8, epsilon=1e-3, centered=True)),
    "adagrad": ("Adagrad", dict(learning_rate=0.1)),
    "adadelta": ("Adadelta", dict(learning_rate=1.0)),
    "adamax": ("Adamax", dict(learning_rate=0.1)),
    "nadam": ("Nadam", dict(learning_rate=0.1)),
    "ftrl": ("Ftrl", dict(learning_rate=0.1)),
    "ftrl with all": (
        "Ftrl",
        dict(
            learning_rate=0.1,
            learning_rate_power=-0.7,
            initial_accumulator_value=0.3,
            l1_regularization_strength=0.2,
            l2_regularization_strength=0.1,
            l2_shrinkage_regularization_strength=0.1,
            beta=0.5,
        ),
    ),
    "lion": ("Lion", dict(learning_rate=0.1)),
    "lamb": ("Lamb", dict(learning_rate=0.1)),
    "adafactor": ("Adafactor", dict(learning_rate=0.5)),
    "schedule-free": ("ScheduleFreeAdamW", dict(learning_rate=0.1)),
    "schedule-free with all": (
        "ScheduleFreeAdamW",
        dict(learning_rate=0.1, beta_1=0.6, beta_2=0.8, epsilon=1e-3, warmup_steps=5, weight_decay=0.1),
    ),
    "muon": ("Muon", dict(learning_rate=0.1, adam_weight_decay=0.1, adam_lr_ratio=0.5)),
    "muon without": (
        "Muon",
        dict(learning_rate=0.1, nesterov=False, rms_rate=None, exclude_layers=["kern"], exclude_embeddings=False),
    ),
}
OPTIONS = {
    "weight decay": dict(weight_decay=0.1),
    "clipnorm": dict(clipnorm=0.7),
    "clipvalue": dict(clipvalue=0.3),
    "global clipnorm": dict(global_clipnorm=2.0),
    "ema": dict(use_ema=True, ema_momentum=0.6),
    "ema that overwrites": dict(use_ema=True, ema_momentum=0.6, ema_overwrite_frequency=3),
    "loss scale": dict(loss_scale_factor=4.0),
    "accumulation": dict(gradient_accumulation_steps=3),
    "accumulation with most": dict(
        gradient_accumulation_steps=2,
        global_clipnorm=1.0,
        weight_decay=0.05,
        loss_scale_factor=2.0,
        use_ema=True,
        ema_momentum=0.5,
        ema_overwrite_frequency=3,
    ),
    "all but accumulation": dict(weight_decay=0.05, clipnorm=0.5, loss_scale_factor=0.5, use_ema=True, ema_overwrite_frequency=2),
}


def both(name, **arguments):
    return getattr(lamina.optimizers, name)(**arguments), getattr(keras.optimizers, name)(**arguments)


@pytest.mark.parametrize("case", FORMULAS)
def test_a_formula_is_that_of_keras(case):
    name, arguments = FORMULAS[case]
    ours, theirs = both(name, **arguments)
    expected, _ = runs.keras_run(theirs, runs.gradients())
    runs.assert_equal_runs(runs.lamina_run(ours, runs.gradients()), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name, case", [*(("Adam", case) for case in OPTIONS), ("SGD", "accumulation with most"), ("SGD", "all but accumulation")]
)
def test_an_option_does_what_it_does_in_keras(name, case):
    arguments = dict(learning_rate=0.1, **({"momentum": 0.9} if name == "SGD" else {}), **OPTIONS[case])
    ours, theirs = both(name, **arguments)
    weights = runs.variables(constraint=lamina.constraints.NonNeg())
    expected, keras_weights = runs.keras_run(
        theirs, runs.gradients(), constraint=keras.constraints.NonNeg(), compiled="gradient_accumulation_steps" in arguments
    )
    runs.assert_equal_runs(runs.lamina_run(ours, runs.gradients(), weights), expected)
    assert int(np.asarray(ours.iterations)) == int(theirs.iterations)
    ours.finalize_variable_values(weights)
    theirs.finalize_variable_values(keras_weights)
    runs.assert_equal_runs([[w.numpy() for w in weights]], [[np.asarray(w) for w in keras_weights]])


@pytest.mark.parametrize(
    "case, option",
    [
        ("momentum", "accumulation"),
        ("adam", "accumulation with most"),
        ("amsgrad", "all but accumulation"),
        ("rmsprop with all", "clipvalue"),
        ("adagrad", "global clipnorm"),
        ("adadelta", "loss scale"),
        ("adamax", "clipnorm"),
        ("nadam", "ema that overwrites"),
        ("ftrl with all", "weight decay"),
        ("lion", "ema"),
        ("lamb", "accumulation with most"),
        ("adafactor", "all but accumulation"),
        ("muon", "accumulation"),
        ("schedule-free with all", "accumulation"),
    ],
)
def test_a_compiled_loop_has_the_numbers_of_single_calls(case, option):
    name, arguments = FORMULAS[case]
    looped, single = (getattr(lamina.optimizers, name)(**arguments, **OPTIONS[option]) for _ in range(2))
    found, expected = runs.looped_run(looped, runs.gradients()), runs.lamina_run(single, runs.gradients())
    runs.assert_equal_runs(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("accumulation", [None, 2])
def test_a_variable_without_a_gradient_stays_as_it_is(missing, accumulation):
    arguments = dict(learning_rate=0.1, weight_decay=0.1, gradient_accumulation_steps=accumulation, use_ema=True)
    for name in ("Adam", "Adafactor"):
        ours, theirs = both(name, **arguments)
        grads = [*runs.gradients(4), *runs.gradients(4, missing), *runs.gradients(4)]
        expected, _ = runs.keras_run(theirs, grads, compiled=True)
        runs.assert_equal_runs(runs.lamina_run(ours, grads), expected, rtol=1e-4, atol=1e-5)
        weights = runs.variables()
        left = getattr(lamina.optimizers, name)(**arguments)
        for number, step in enumerate(grads):
            kept = left.state_of(weights[missing]) if number else {}
            before = weights[missing].numpy()
            present = [i for i, grad in enumerate(step) if grad is not None]
            left.apply([step[i] for i in present], [weights[i] for i in present])
            if missing not in present:
                np.testing.assert_array_equal(before, weights[missing].numpy())
                after = left.state_of(weights[missing])
                assert all(np.array_equal(kept[slot], after[slot]) for slot in kept if slot != "average")
        runs.assert_equal_runs([[w.numpy() for w in weights]], expected[-1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in FORMULAS if getattr(lamina.optimizers, FORMULAS[case][0])().elementwise])
def test_updating_small_arrays_as_one_changes_no_number(case, monkeypatch):
    name, arguments = FORMULAS[case]
    found = []
    for limit in (10**6, 12, -1):
        monkeypatch.setattr(base, "MOST", limit)
        weights = runs.variables()
        optimizer = getattr(lamina.optimizers, name)(**arguments)
        optimizer.exclude_from_weight_decay([weights[0]])
        found.append([runs.lamina_run(optimizer, runs.gradients(4), weights), [optimizer.state_of(w) for w in weights]])
    for run, state in found[1:]:
        runs.assert_equal_runs(run, found[0][0])
        for one, other in zip(state, found[0][1], strict=True):
            assert one.keys() == other.keys()
            for slot in one:
                np.testing.assert_allclose(one[slot], other[slot], rtol=1e-5, atol=1e-6)


def test_variables_left_out_of_weight_decay_do_not_shrink():
    zeros = [[grad * 0 for grad in step] for step in runs.gradients(2)]
    for arguments in (dict(var_names=["bias", "sca"]), dict(var_list=[1, 4])):
        weights = runs.variables()
        optimizer = lamina.optimizers.AdamW(0.1, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(**{k: [weights[i] for i in v] if k == "var_list" else v for k, v in arguments.items()})
        before = [w.numpy() for w in weights]
        runs.lamina_run(optimizer, zeros, weights)
        for i, (old, weight) in enumerate(zip(before, weights, strict=True)):
            np.testing.assert_allclose(weight.numpy(), old if i in (1, 4) else old * 0.95**2, rtol=1e-6)
        with pytest.raises(ValueError, match="before the first"):
            optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_weights_of_low_precision_move_as_their_numbers_in_float32():
    for name in ("Adam", "Adafactor"):
        low, full = runs.variables(dtype="bfloat16"), runs.variables()
        for weights in (low, full):
            optimizer = getattr(lamina.optimizers, name)(0.01, use_ema=True)
            step = lamina.jit(lambda grads, optimizer=optimizer, weights=weights: optimizer.apply(grads, weights))
            for grads in runs.gradients(3):
                step(grads)
        for one, other in zip(low, full, strict=True):
            assert one.dtype == "bfloat16"
            np.testing.assert_allclose(one.numpy().astype("float32"), other.numpy(), atol=0.03)


def test_adafactor_takes_a_rate_as_it_is_where_told_so():
    # Keras limits the rate to 1 / sqrt(step) in any case, against what it says of relative_step.
    fixed, limited = lamina.optimizers.Adafactor(2.0, relative_step=False), lamina.optimizers.Adafactor(2.0)
    scheduled = lamina.optimizers.Adafactor(lambda step: 2.0)
    ends = []
    for optimizer in (fixed, limited, scheduled):
        weight = lamina.Variable([1.0])
        optimizer.apply([np.ones(1)], [weight])
        ends.append(float(weight[0]))
    np.testing.assert_allclose(ends, [-1.0, 0.0, -1.0], atol=1e-6)
