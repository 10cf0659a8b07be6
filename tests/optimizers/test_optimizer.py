"""What all optimizers have in common: what they take and refuse, keep, and give back."""

import copy
import gc
import json

import jax
import numpy as np
import optax
import pytest

import lamina
import optimizers.runs as runs
from lamina import optimizers

CLASSES = [cls for cls in vars(optimizers).values() if isinstance(cls, type) and issubclass(cls, optimizers.Optimizer)]
OTHERS = (optimizers.Optimizer, optimizers.OptaxOptimizer, optimizers.LossScaleOptimizer, optimizers.MultiOptimizer)
PLAIN = [cls for cls in CLASSES if cls not in OTHERS]


# --- what they are made from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", PLAIN)
def test_an_optimizer_comes_back_from_its_config_and_is_known_by_its_name(cls):
    options = dict(clipnorm=0.5, use_ema=True, ema_momentum=0.8, gradient_accumulation_steps=3, name="mine")
    optimizer = cls(0.3, **options)
    config = json.loads(json.dumps(optimizer.get_config()))
    again = optimizers.get(dict(class_name=cls.__name__, config=config))
    assert type(again) is cls and again.get_config() == optimizer.get_config()
    assert again.name == "mine" and again.clipnorm == 0.5 and config["learning_rate"] == 0.3
    assert optimizers.get(cls.__name__.lower()).get_config() == optimizers.get(cls).get_config()


def test_a_config_holds_the_learning_rate_of_now():
    optimizer = optimizers.Adam(0.1)
    assert optimizer.get_config()["learning_rate"] == 0.1
    optimizer.learning_rate = 0.25
    assert optimizer.get_config()["learning_rate"] == 0.25
    assert optimizer.get_config()["weight_decay"] is None
    schedule = optimizers.schedules.CosineDecay(0.25, 10, warmup_target=0.5, warmup_steps=5)
    optimizer.learning_rate = schedule
    again = optimizers.Adam.from_config(json.loads(json.dumps(optimizer.get_config())))
    assert again.get_config()["learning_rate"] == optimizer.get_config()["learning_rate"]
    assert float(again.learning_rate) == 0.25


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optimizers.SGD(-0.1), "learning_rate must be a number that is not negative, not -0.1"),
        (lambda: optimizers.SGD(float("nan")), "learning_rate"),
        (lambda: optimizers.SGD("fast"), "learning_rate"),
        (lambda: optimizers.SGD(True), "learning_rate"),
        (lambda: optimizers.SGD(momentum=1.5), "momentum must be a number from 0 to 1"),
        (lambda: optimizers.Adam(beta_1=1.0), "beta_1 must be at least 0 and less than 1"),
        (lambda: optimizers.Adam(beta_2=-0.1), "beta_2"),
        (lambda: optimizers.Nadam(epsilon=-1e-7), "epsilon"),
        (lambda: optimizers.AdamW(weight_decay=None), "weight_decay"),
        (lambda: optimizers.RMSprop(rho=2), "rho"),
        (lambda: optimizers.Lion(beta_1=0), "beta_1"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.5), "learning_rate_power"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1), "l1_regularization_strength"),
        (lambda: optimizers.Adafactor(beta_2_decay=0.8), "beta_2_decay"),
        (lambda: optimizers.Muon(ns_steps=0), "ns_steps must be an integer of at least 1"),
        (lambda: optimizers.Adam(weight_decay=-1), "weight_decay"),
        (lambda: optimizers.Adam(clipnorm=0), "clipnorm must be a positive number, not 0"),
        (lambda: optimizers.Adam(clipvalue="1"), "clipvalue"),
        (lambda: optimizers.Adam(clipnorm=1.0, global_clipnorm=2.0), "clipnorm and global_clipnorm"),
        (lambda: optimizers.Adam(ema_momentum=1.1), "ema_momentum"),
        (lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=0), "ema_overwrite_frequency"),
        (lambda: optimizers.Adam(ema_overwrite_frequency=2), "use_ema"),
        (lambda: optimizers.Adam(loss_scale_factor=0), "loss_scale_factor"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=1), "gradient_accumulation_steps must be an integer of at least 2"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_unknown_argument_or_name_is_refused_with_the_nearest():
    with pytest.raises(TypeError, match="clipnorm"):
        optimizers.Adam(clip_norm=1.0)
    with pytest.raises(ValueError, match="rmsprop"):
        optimizers.get("rmspropp")
    with pytest.raises(TypeError, match="optax"):
        optimizers.get(3)


# --- what they are applied to ----------------------------------------------------------------------------------------


def test_what_does_not_fit_is_refused_and_changes_nothing():
    a, b = lamina.Variable(np.ones(2, "float32"), name="a"), lamina.Variable(np.ones(3, "float32"), name="b")
    one, two = np.ones(2, "float32"), np.ones(3, "float32")
    optimizer = optimizers.Adam(0.1)
    with pytest.raises(ValueError, match="build"):
        optimizer.apply([one])
    for grads, targets, message in [
        ([one], [a, b], "1 gradients for 2"),
        ([two], [a], r"float32\(3,\)"),
        ([one, one], [a, a], "twice"),
        ([None, None], [a, b], "None for every"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.apply(grads, targets)
    with pytest.raises(TypeError, match="floating"):
        optimizer.apply([one], [lamina.Variable(np.ones(2, "int32"))])
    assert not optimizer.built
    optimizer.apply([one], [a])
    with pytest.raises(ValueError, match=r"float32\(2,\).*<Variable b"):
        optimizer.apply([one, one], [a, b])
    with pytest.raises(ValueError, match="keeps nothing for <Variable b"):
        optimizer.state_of(b)
    assert int(optimizer.iterations) == 1
    np.testing.assert_allclose(a.numpy(), 0.9, rtol=1e-5)
    np.testing.assert_array_equal(b.numpy(), 1.0)
    optimizer.apply([one])
    optimizers.SGD().apply([], [])


def test_a_step_that_fails_changes_nothing():
    def refuse(value):
        raise ArithmeticError("a constraint that fails")

    weights = runs.variables()
    optimizer = optimizers.Adam(0.1)
    optimizer.build(weights)
    before = [variable.numpy() for variable in [*weights, *optimizer.variables]]
    weights[-1].constraint = refuse
    with pytest.raises(ArithmeticError):
        optimizer.apply(runs.gradients(1)[0])
    for kept, variable in zip(before, [*weights, *optimizer.variables], strict=True):
        np.testing.assert_array_equal(kept, variable.numpy())


def test_pairs_are_taken_in_any_order():
    weights, other = runs.variables(), runs.variables()
    one, two = optimizers.Adam(0.1), optimizers.Adam(0.1)
    for step in runs.gradients(3):
        one.apply(step, weights)
        count = two.apply_gradients(list(zip(step, other, strict=True))[:: -1 if two.built else 1])
    assert int(count) == 3
    runs.assert_equal_runs([[w.numpy() for w in weights]], [[w.numpy() for w in other]])


def test_what_is_kept_for_a_variable_can_be_looked_at():
    weights, grads = runs.variables(), runs.gradients(1)
    optimizer = optimizers.Adam(0.1, beta_1=0.5, beta_2=0.75, use_ema=True, gradient_accumulation_steps=2)
    optimizer.build(weights)
    for _ in range(3):
        optimizer.apply(grads[0])
    for weight, grad in zip(weights, grads[0], strict=True):
        state = optimizer.state_of(weight)
        assert sorted(state) == ["accumulator", "average", "momentum", "velocity"]
        np.testing.assert_allclose(state["momentum"], grad / 2, rtol=1e-6)
        np.testing.assert_allclose(state["velocity"], grad**2 / 4, rtol=1e-6)
        np.testing.assert_allclose(state["accumulator"], grad, rtol=1e-6)
    paths = [variable.path for variable in optimizer.variables]
    slots = ("momentum", "velocity", "average", "accumulator")
    names = ["iterations", "learning_rate", *(f"{weight.path}/{slot}" for weight in weights for slot in slots)]
    assert paths == [f"adam/{name}" for name in names]
    twice = optimizers.OptaxOptimizer(optax.chain(optax.trace(0.5), optax.trace(0.5)))
    twice.apply(grads[0][:2], weights[:2])
    assert [v.path for v in twice.variables[2:]] == [
        f"optax/{name}/{slot}" for name in ("kernel", "bias") for slot in ("momentum", "momentum_1")
    ]
    np.testing.assert_allclose(twice.state_of(weights[1])["momentum_1"], grads[0][1], rtol=1e-6)


def test_options_that_are_off_keep_nothing_and_compile_to_nothing():
    weights, grads = runs.variables(), runs.gradients(1)[0]
    optimizer = optimizers.SGD(0.1)
    optimizer.build(weights)
    state = [*weights, *optimizer.variables]
    assert len(optimizer.variables) == 2
    pure = lamina.lift(lambda grads: optimizer.apply(grads, weights), state)
    program = jax.make_jaxpr(pure)([variable.value for variable in state], grads)
    assert {equation.primitive.name for equation in program.eqns} <= {"add", "mul", "neg", "convert_element_type"}
    assert [str(equation.primitive) for equation in program.eqns].count("mul") == len(weights)


# --- where they run --------------------------------------------------------------------------------------------------


def test_state_made_inside_a_trace_is_that_of_the_variables():
    weights = runs.variables()
    optimizer = optimizers.Adagrad(0.1, use_ema=True)

    @lamina.jit
    def two_steps(grads):
        optimizer.apply(grads, weights)
        optimizer.apply(grads, weights)

    grads = runs.gradients(1)[0]
    two_steps(grads)
    expected = runs.lamina_run(optimizers.Adagrad(0.1), [grads, grads])
    runs.assert_equal_runs([[w.numpy() for w in weights]], expected[-1:])
    assert int(optimizer.iterations) == 2


def test_a_training_run_is_the_same_compiled_and_as_plain_python():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    ends = []
    for eager in (False, True):
        lamina.random.set_seed(1)
        model = lamina.Sequential([lamina.layers.Dense(5, activation="tanh"), lamina.layers.Dense(1)])
        rate = optimizers.schedules.CosineDecay(0.1, 10)
        options = dict(weight_decay=0.1, clipnorm=0.5, use_ema=True, ema_overwrite_frequency=3, gradient_accumulation_steps=2)
        optimizer = optimizers.Adam(rate, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse", run_eagerly=eager)
        model.fit(x, x[:, :1] ** 2, batch_size=5, epochs=2, shuffle=False, verbose=0)
        ends.append([variable.numpy() for variable in [*model.weights, *optimizer.variables]])
    assert len(ends[0]) == 4 + 1 + 4 * 4 and ends[0][4] == 16
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_averages_take_the_place_of_weights_when_asked():
    weights = runs.variables()
    optimizer = optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    optimizer.finalize_variable_values(weights)
    found = runs.lamina_run(optimizer, runs.gradients(3), weights)
    optimizer.finalize_variable_values(weights[1:])
    np.testing.assert_array_equal(weights[0].numpy(), found[-1][0])
    for i, weight in enumerate(weights[1:], 1):
        np.testing.assert_allclose(weight.numpy(), found[0][i] / 4 + found[1][i] / 4 + found[2][i] / 2, rtol=1e-5)
    with pytest.raises(ValueError, match="keeps nothing"):
        optimizer.finalize_variable_values([lamina.Variable(1.0)])


def test_the_loss_is_scaled_and_gradients_are_scaled_back():
    optimizer, weight = optimizers.SGD(0.5, loss_scale_factor=8.0), lamina.Variable([2.0])
    grads = lamina.grad(lambda: optimizer.scale_loss(lamina.ops.sum(weight**2)), [weight])()
    np.testing.assert_allclose(grads[0], 32.0)
    optimizer.apply(grads, [weight])
    np.testing.assert_allclose(weight.numpy(), 0.0)
    assert optimizers.SGD().scale_loss(3.0) == 3.0


@pytest.mark.parametrize("order", [("net", "optimizer"), ("optimizer", "net")])
def test_a_copy_goes_on_by_itself(order):
    made = {"net": runs.variables(), "optimizer": optimizers.Adam(0.1)}
    weights = {name: made[name] for name in order}
    grads = runs.gradients(4)
    runs.lamina_run(weights["optimizer"], grads[:2], weights["net"])
    other = copy.deepcopy(weights)
    expected = runs.lamina_run(optimizers.Adam(0.1), grads)
    runs.assert_equal_runs(runs.lamina_run(other["optimizer"], grads[2:], other["net"]), expected[2:])
    assert int(weights["optimizer"].iterations) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1, use_ema=True),
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)),
        lambda: optimizers.MultiOptimizer(
            optimizers.OptimizerMap(optimizers.SGD(0.1, momentum=0.9), {"kernel": optimizers.Adam(0.1)})
        ),
    ],
)
@pytest.mark.parametrize("steps", [0, 2])
def test_a_deep_copy_of_an_optimizer_alone_is_one_for_the_same_variables_with_state_of_its_own(make, steps):
    weights, grads = runs.variables(), runs.gradients(4)
    one = make()
    one.exclude_from_weight_decay(var_list=weights[:1])
    for step in grads[:steps]:
        one.apply(step, weights)
    other, values = copy.deepcopy(one), [weight.numpy() for weight in weights]
    gc.collect()
    assert other.targets == one.targets == (weights if steps else [])
    assert not {id(v) for v in one.variables} & {id(v) for v in other.variables}
    found = []
    for optimizer in (one, other):
        for weight, value in zip(weights, values, strict=True):
            weight.assign(value)
        found.append(runs.lamina_run(optimizer, grads[steps:], weights))
    runs.assert_equal_runs(*found)


# --- optax -----------------------------------------------------------------------------------------------------------


def test_any_optax_optimizer_is_one_and_takes_the_options_too():
    labels = {name: "adam" if name == "kernel" else "sgd" for name in runs.SHAPES}
    for make in (lambda: optax.adamw(0.1), lambda: optax.partition({"adam": optax.adam(0.1), "sgd": optax.sgd(0.1)}, labels)):
        found = runs.lamina_run(optimizers.get(make()), runs.gradients(3))
        values, reference = dict(zip(runs.SHAPES, runs.numbers(0), strict=True)), make()
        state = reference.init(values)
        for step, got in zip(runs.gradients(3), found, strict=True):
            updates, state = reference.update(dict(zip(runs.SHAPES, step, strict=True)), state, values)
            values = optax.apply_updates(values, updates)
            runs.assert_equal_runs([got], [[values[name] for name in runs.SHAPES]])
    weight = lamina.Variable([1.0])
    optimizer = optimizers.OptaxOptimizer(optax.sgd(0.5), clipvalue=1.0, learning_rate=0.5)
    optimizer.apply([np.full(1, 4.0)], [weight])
    assert weight.numpy() == 0.75


def test_a_transformation_of_ones_own_makes_an_optimizer():
    class Signs(optimizers.Optimizer):
        elementwise = True

        def __init__(self, learning_rate=0.1, **kwargs):
            super().__init__(learning_rate, **kwargs)

        def transformation(self):
            return optax.chain(optax.scale_by_sign(), optimizers.descend())

    expected = runs.lamina_run(optimizers.Lion(0.1, beta_1=1e-9, beta_2=0.0, weight_decay=0.1), runs.gradients(1))
    runs.assert_equal_runs(runs.lamina_run(Signs(weight_decay=0.1), runs.gradients(1)), expected)
    assert optimizers.get("Signs").get_config()["learning_rate"] == 0.1
    with pytest.raises(NotImplementedError, match="Nothing has no transformation"):
        type("Nothing", (optimizers.Optimizer,), {})(0.1).build([lamina.Variable(1.0)])


def test_a_stateless_step_returns_what_a_step_assigns():
    one, other = (lamina.optimizers.Adam(0.1, use_ema=True) for _ in range(2))
    weights, moved = runs.variables(), runs.variables()
    one.build(weights), other.build(moved)
    grads = runs.gradients(1)[0]
    new, state = jax.jit(one.stateless_apply)([v.value for v in one.variables], grads, [w.value for w in weights])
    other.apply(grads, moved)
    for value, variable in zip([*new, *state], [*moved, *other.variables], strict=True):
        np.testing.assert_allclose(value, variable.numpy(), rtol=1e-6)
    assert int(one.iterations) == 0
    with pytest.raises(ValueError, match="given 0 values"):
        one.stateless_apply([], grads, [w.value for w in weights])
    with pytest.raises(ValueError, match="build"):
        lamina.optimizers.SGD().stateless_apply([], [], [])


def test_what_is_kept_stays_while_variables_are_left_out_and_comes_for_new_ones():
    weights, grads = runs.variables(), runs.gradients(6)
    optimizer, alone = optimizers.Adam(0.1), optimizers.Adam(0.1)
    optimizer.apply(grads[0][:3], weights[:3])
    paths = [variable.path for variable in optimizer.variables]
    before = [value.copy() for value in map(np.asarray, optimizer.state_of(weights[0]).values())]
    optimizer.apply(grads[1][1:], weights[1:])  # without the first, with two that are new
    for value, now in zip(before, optimizer.state_of(weights[0]).values(), strict=True):
        np.testing.assert_array_equal(value, now)
    assert [variable.path for variable in optimizer.variables][: len(paths)] == paths
    assert set(optimizer.targets) == set(weights)
    other = runs.variables()
    alone.apply(grads[0][:3], other[:3])
    alone.apply([None, *grads[1][1:3]], other[:3])
    for one, two in zip(weights[:3], other[:3], strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_what_is_kept_for_a_variable_goes_with_it():
    kept, gone = lamina.Variable(1.0, name="kept"), lamina.Variable(1.0, name="gone")
    optimizer = optimizers.Adam(0.1)
    optimizer.apply([np.float32(1.0)] * 2, [kept, gone])
    del gone
    gc.collect()
    assert optimizer.targets == [kept] and len(optimizer.variables) == 4
    optimizer.apply([np.float32(1.0)])
    assert int(optimizer.iterations) == 2
