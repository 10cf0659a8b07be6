"""What the tests of optimizers share: the same variables and random gradients for Lamina and for Keras."""

import jax
import jax.numpy as jnp
import keras
import numpy as np

import lamina

SHAPES = {"kernel": (5, 4), "bias": (4,), "embedding_table": (6, 2), "deep": (2, 3, 2), "scale": ()}


def numbers(seed, *leading):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(*leading, *shape)).astype("float32") for shape in SHAPES.values()]


def variables(**options):
    return [lamina.Variable(value, name=name, **options) for name, value in zip(SHAPES, numbers(0), strict=True)]


def gradients(steps=12, missing=None):
    """Returns the gradients of each step; those of variable number `missing` are None."""
    stacks = numbers(1, steps)
    return [[None if i == missing else stack[n] for i, stack in enumerate(stacks)] for n in range(steps)]


def keras_run(optimizer, grads, constraint=None, compiled=False):
    """Returns the variables' values after each step by Keras, and its variables.

    Args:
        optimizer: one of Keras's.
        grads: the gradients of each step.
        constraint: the variables' constraint.
        compiled: compile the step; some of Keras's optimizers cannot do without.
    """
    weights = [keras.Variable(value, name=name) for name, value in zip(SHAPES, numbers(0), strict=True)]
    for weight in weights:
        weight.constraint = constraint
    optimizer.build(weights)
    if not compiled:
        return [optimizer.apply(step, weights) or [np.asarray(weight) for weight in weights] for step in grads], weights
    values, state, found = [w.value for w in weights], [v.value for v in optimizer.variables], []
    apply = jax.jit(optimizer.stateless_apply)
    for step in grads:
        values, state = apply(state, step, values)
        found.append([np.asarray(value) for value in values])
    for weight, value in zip(weights + optimizer.variables, values + state, strict=True):
        weight.assign(value)
    return found, weights


def lamina_run(optimizer, grads, weights=None):
    """Returns the variables' values after each step, one call after another."""
    weights = weights or variables()
    return [optimizer.apply(step, weights) or [weight.numpy() for weight in weights] for step in grads]


def looped_run(optimizer, grads, weights=None):
    """Returns the variables' values after each step of one compiled loop."""
    weights = weights or variables()
    stacks = [None if column[0] is None else jnp.stack(column) for column in zip(*grads, strict=True)]

    @lamina.jit
    def run():
        def step(i, found):
            optimizer.apply([None if stack is None else stack[i] for stack in stacks], weights)
            return [values.at[i].set(weight.value) for values, weight in zip(found, weights, strict=True)]

        return lamina.fori_loop(0, len(grads), step, [jnp.zeros((len(grads), *shape)) for shape in SHAPES.values()])

    found = run()
    return [[np.asarray(values[n]) for values in found] for n in range(len(grads))]


def assert_equal_runs(one, other, rtol=2e-5, atol=2e-6):
    for n, (left, right) in enumerate(zip(one, other, strict=True)):
        for name, a, b in zip(SHAPES, left, right, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=f"{name} after step {n + 1}")
