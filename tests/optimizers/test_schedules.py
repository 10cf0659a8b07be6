"""Learning rates that follow the step."""

import jax
import keras
import numpy as np
import pytest

import lamina
import optimizers.runs as runs
from lamina.optimizers import schedules

CASES = [
    ("ExponentialDecay", (0.5, 7, 0.6), {}),
    ("ExponentialDecay", (0.5, 7, 0.6), dict(staircase=True)),
    ("InverseTimeDecay", (0.5, 7, 0.6), {}),
    ("InverseTimeDecay", (0.5, 7, 0.6), dict(staircase=True)),
    ("PiecewiseConstantDecay", ([5, 9, 20], [0.5, 0.3, 0.2, 0.1]), {}),
    ("PiecewiseConstantDecay", ([5], [0.5, 0.3]), {}),
    ("PolynomialDecay", (0.5, 10), {}),
    ("PolynomialDecay", (0.5, 10), dict(end_learning_rate=0.1, power=0.5, cycle=True)),
    ("CosineDecay", (0.5, 10), dict(alpha=0.1)),
    ("CosineDecay", (0.1, 10), dict(alpha=0.1, warmup_target=0.6, warmup_steps=5)),
    ("CosineDecay", (0.1, 10), dict(warmup_target=0.6)),
    ("CosineDecayRestarts", (0.5, 5), {}),
    ("CosineDecayRestarts", (0.5, 5), dict(t_mul=1.0, m_mul=0.5, alpha=0.1)),
    ("CosineDecayRestarts", (0.5, 4), dict(t_mul=1.5, m_mul=0.8)),
]


@pytest.mark.parametrize("name, args, options", CASES)
def test_a_schedule_is_that_of_keras_and_comes_back_from_its_config(name, args, options):
    ours = getattr(schedules, name)(*args, **options)
    theirs = getattr(keras.optimizers.schedules, name)(*args, **options)
    again = type(ours).from_config(ours.get_config())
    assert ours.get_config() == theirs.get_config()
    steps = [0, 1, 3, 4, 5, 6, 7, 9, 10, 12, 14, 16, 21, 34, 50]
    expected = jax.vmap(theirs)(np.array(steps))
    np.testing.assert_allclose(lamina.vmap(ours)(np.array(steps)), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([float(again(step)) for step in steps[:4]], expected[:4], rtol=1e-5, atol=1e-6)


def test_waves_start_anew_exactly_where_they_should():
    for t_mul in (1.0, 2.0, 3.0):
        starts = np.cumsum([0, *(4 * t_mul**i for i in range(6))])
        rates = lamina.vmap(schedules.CosineDecayRestarts(1.0, 4, t_mul=t_mul))(starts[starts % 1 == 0].astype("int32"))
        np.testing.assert_allclose(rates, 1.0, atol=1e-5)


@pytest.mark.parametrize("accumulation", [None, 3])
def test_an_optimizer_follows_a_schedule_as_in_keras(accumulation):
    arguments = dict(momentum=0.9, weight_decay=0.1, gradient_accumulation_steps=accumulation)
    ours = lamina.optimizers.SGD(schedules.ExponentialDecay(0.2, 3, 0.5), **arguments)
    theirs = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.2, 3, 0.5), **arguments)
    expected, _ = runs.keras_run(theirs, runs.gradients(), compiled=True)
    runs.assert_equal_runs(runs.lamina_run(ours, runs.gradients()), expected)
    np.testing.assert_allclose(float(ours.learning_rate), 0.2 * 0.5 ** (12 / 3), rtol=1e-6)
    looped = lamina.optimizers.SGD(lambda step: 0.2 * 0.5 ** (step / 3), **arguments)
    runs.assert_equal_runs(runs.looped_run(looped, runs.gradients()), expected)


def test_schedules_of_optax_are_taken():
    import optax

    weight = lamina.Variable([1.0])
    optimizer = lamina.optimizers.SGD(optax.linear_schedule(1.0, 0.0, 4))
    for _ in range(3):
        optimizer.apply([np.ones(1)], [weight])
    np.testing.assert_allclose(weight.numpy(), 1 - (1 + 0.75 + 0.5))
    assert float(optimizer.learning_rate) == 0.25


def test_a_learning_rate_is_set_where_it_is_a_number():
    weight = lamina.Variable([1.0])
    optimizer = lamina.optimizers.SGD(0.5)
    step = lamina.jit(lambda: optimizer.apply([np.ones(1, "float32")], [weight]))
    step()
    optimizer.learning_rate = 0.25
    step()
    optimizer.learning_rate.assign(0.125)
    step()
    assert weight.numpy() == 1 - 0.875
    with pytest.raises(ValueError, match=r"learning_rate must be .* not -1"):
        optimizer.learning_rate = -1.0
    with pytest.raises(ValueError, match="new optimizer"):
        optimizer.learning_rate = schedules.ExponentialDecay(0.1, 1, 0.5)
    assert float(optimizer.learning_rate) == 0.125
    optimizer = lamina.optimizers.SGD(0.5)
    optimizer.learning_rate = schedules.InverseTimeDecay(0.5, 1, 1.0)
    with pytest.raises(ValueError, match=r"follows the schedule <InverseTimeDecay.*0\.1"):
        optimizer.learning_rate = 0.1
    assert [variable.name for variable in optimizer.variables] == ["iterations"]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), "decay_steps must be a positive number, not 0"),
        (lambda: schedules.InverseTimeDecay(-0.1, 1, 0.5), "initial_learning_rate"),
        (lambda: schedules.PolynomialDecay(0.1, 1, power=-1), "power"),
        (lambda: schedules.CosineDecay(0.1, 1, alpha="a"), "alpha"),
        (lambda: schedules.CosineDecayRestarts(0.1, 10, t_mul=0.5), "t_mul"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "2 boundaries part 3 values; 2"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3]), "ascending"),
        (lambda: schedules.PiecewiseConstantDecay([2], [0.1, -0.2]), r"values\[1\]"),
    ],
)
def test_what_makes_no_schedule_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()
