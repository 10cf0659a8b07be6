"""Dynamic loss scaling: as in Keras, eager and compiled."""

import keras
import numpy as np
import pytest

import lamina
import optimizers.runs as runs

OVERFLOWS = (3, 4, 9)


def make(library, **inner):
    return library.optimizers.LossScaleOptimizer(
        library.optimizers.SGD(0.1, momentum=0.9, **inner), initial_scale=8.0, dynamic_growth_steps=2
    )


def gradients(scales):
    """Returns gradients times the scale of each step; some hold what is not finite."""
    steps = runs.gradients(len(scales))
    for n, (step, scale) in enumerate(zip(steps, scales, strict=True)):
        step[:] = [np.array(grad * scale, "float32") for grad in step]
        if n in OVERFLOWS:
            step[1][2] = np.inf if n % 2 else np.nan
    return steps


def scales(steps):
    scale, count, found = 8.0, 0, []
    for n in range(steps):
        found.append(scale)
        scale, count = (scale / 2, 0) if n in OVERFLOWS else (scale * 2, 0) if count == 1 else (scale, count + 1)
    return found, scale


@pytest.mark.parametrize("inner", [{}, dict(gradient_accumulation_steps=2, use_ema=True)])
def test_steps_and_scales_are_those_of_keras(inner):
    expected, last = scales(12)
    grads = gradients(expected)
    theirs, ours = make(keras, **inner), make(lamina, **inner)
    reference, _ = runs.keras_run(theirs, grads, compiled=True)
    weights, others = runs.variables(), runs.variables()
    runs.assert_equal_runs(runs.lamina_run(ours, grads, weights), reference)
    assert float(theirs.dynamic_scale) == float(ours.dynamic_scale) == last
    assert int(ours.inner_optimizer.variables[0]) == 12 - len(OVERFLOWS)
    looped = make(lamina, **inner)
    runs.assert_equal_runs(runs.looped_run(looped, grads, others), reference)
    for one, other in zip(looped.variables, ours.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=2e-5, atol=2e-6)


def test_the_loss_is_scaled_by_the_scale_of_the_moment():
    weight = lamina.Variable(np.ones(3, "float16"))
    optimizer = lamina.optimizers.LossScaleOptimizer(lamina.optimizers.SGD(0.5), initial_scale=2**10)

    @lamina.jit
    def step(x):
        grads = lamina.grad(lambda: optimizer.scale_loss(lamina.ops.sum(weight * x) * 1e-3), [weight])()
        optimizer.apply(grads, [weight])
        return grads[0]

    assert np.isfinite(step(1.0)).all()
    np.testing.assert_allclose(weight.numpy(), 1 - 0.5e-3, rtol=1e-3)
    before = weight.numpy()
    assert not np.isfinite(step(1e5)).all()
    np.testing.assert_array_equal(weight.numpy(), before)
    assert float(optimizer.dynamic_scale) == 2**9
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.25


def test_it_comes_back_from_its_config_and_refuses_what_would_scale_twice():
    optimizer = lamina.optimizers.LossScaleOptimizer(lamina.optimizers.Adam(0.1, beta_1=0.5), dynamic_growth_steps=7)
    again = lamina.optimizers.get(dict(class_name="LossScaleOptimizer", config=optimizer.get_config()))
    assert again.get_config() == optimizer.get_config()
    assert again.inner_optimizer.beta_1 == 0.5 and again.dynamic_growth_steps == 7
    for inner in (lamina.optimizers.SGD(loss_scale_factor=2.0), optimizer):
        with pytest.raises(ValueError, match="twice"):
            lamina.optimizers.LossScaleOptimizer(inner)
    with pytest.raises(TypeError, match="'sgd'"):
        lamina.optimizers.LossScaleOptimizer("sgd")
    with pytest.raises(ValueError, match="initial_scale"):
        lamina.optimizers.LossScaleOptimizer(lamina.optimizers.SGD(), initial_scale=0)
    with pytest.raises(ValueError, match="gradients for 1 variables"):
        optimizer.apply([], [lamina.Variable(1.0)])
