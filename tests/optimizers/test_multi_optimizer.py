"""MultiOptimizer: each of several optimizers moves its variables as it would alone, and as in Keras."""

import json

import keras
import numpy as np
import pytest

import lamina
import optimizers.runs as runs


def make(library, **options):
    several = library.optimizers
    chosen = several.OptimizerMap(
        several.SGD(0.1, momentum=0.9), {"kernel": several.Adam(0.05), "(deep|scale)": several.Lion(0.01)}
    )
    return several.MultiOptimizer(chosen, **options)


@pytest.mark.parametrize("options", [{}, dict(loss_scale_factor=4.0)], ids=str)
def test_steps_are_those_of_keras(options):
    grads = runs.gradients(5)
    theirs, ours = make(keras, **options), make(lamina, **options)
    reference, _ = runs.keras_run(theirs, grads)
    runs.assert_equal_runs(runs.lamina_run(ours, grads), reference)
    runs.assert_equal_runs(runs.looped_run(make(lamina, **options), grads), reference)
    assert int(ours.iterations) == int(theirs.iterations) == 5
    assert [type(one).__name__ for one in ours.optimizers] == [type(one).__name__ for one in theirs.optimizers]
    assert ours.scale_loss(1.0) == options.get("loss_scale_factor", 1.0)


def test_a_function_may_choose():
    adam, sgd = lamina.optimizers.Adam(0.05), lamina.optimizers.SGD(0.1, momentum=0.9)
    weights, alone = runs.variables(), runs.variables()
    both = lamina.optimizers.MultiOptimizer(lambda variable: adam if variable.ndim == 2 else sgd)
    both.exclude_from_weight_decay(var_names=["bias"])
    found = runs.lamina_run(both, runs.gradients(3), weights)
    other = {True: lamina.optimizers.Adam(0.05), False: lamina.optimizers.SGD(0.1, momentum=0.9)}
    for matrix, optimizer in other.items():
        members = [i for i, weight in enumerate(alone) if (weight.ndim == 2) == matrix]
        for step in runs.gradients(3):
            optimizer.apply([step[i] for i in members], [alone[i] for i in members])
    runs.assert_equal_runs(found[-1:], [[weight.numpy() for weight in alone]])
    assert set(both.state_of(weights[1])) == {"momentum"} and float(adam.iterations) == float(sgd.iterations) == 3
    assert both.optimizers == [adam, sgd]


def test_variables_without_gradients_stay_and_a_failed_step_changes_nothing():
    weights, optimizer = runs.variables(), make(lamina)
    before = [weight.numpy() for weight in weights]
    optimizer.apply([np.ones_like(before[0]), *[None] * 4], weights)
    changed = [not np.array_equal(old, weight.numpy()) for old, weight in zip(before, weights, strict=True)]
    assert changed == [True, False, False, False, False]
    now = [variable.numpy() for variable in (*weights, *optimizer.variables)]
    with pytest.raises(ValueError, match="gradient"):
        optimizer.apply([np.ones_like(before[0]), np.ones(99), *[None] * 3], weights)
    for value, variable in zip(now, (*weights, *optimizer.variables), strict=True):
        np.testing.assert_array_equal(value, variable.numpy())


def test_it_comes_back_from_its_config_and_its_weights():
    one, moved = make(lamina, loss_scale_factor=2.0), runs.variables()
    runs.lamina_run(one, runs.gradients(2), moved)
    other = lamina.optimizers.deserialize(json.loads(json.dumps(lamina.optimizers.serialize(one))))
    assert other.get_config() == one.get_config()
    weights = runs.variables()
    with pytest.raises(ValueError, match="build"):
        other.set_weights([variable.numpy() for variable in one.variables])
    other.build(weights)
    other.set_weights([variable.numpy() for variable in one.variables])
    for left, right in zip(one.variables, other.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    with pytest.raises(ValueError, match="shapes"):
        other.set_weights([np.zeros(7)])


def test_a_model_trains_with_it():
    model = lamina.Sequential([lamina.layers.Dense(4, name="first"), lamina.layers.Dense(1, name="last")], name="net")
    slow = lamina.optimizers.OptimizerMap(lamina.optimizers.SGD(0.1), {".*first.*": lamina.optimizers.SGD(0.0)})
    model.build((None, 2))
    before = model.get_weights()
    model.compile(lamina.optimizers.MultiOptimizer(slow), "mse")
    model.fit(np.ones((8, 2)), np.ones((8, 1)), epochs=2, verbose=0)
    still = [np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert still == [True, True, False, False]


def test_what_cannot_be_one_of_several_is_refused():
    several, sgd = lamina.optimizers, lamina.optimizers.SGD()
    with pytest.raises(TypeError, match="optimizer_map"):
        several.MultiOptimizer(sgd.learning_rate)
    with pytest.raises(TypeError, match="not 'adam'"):
        several.OptimizerMap("adam")
    with pytest.raises(TypeError, match="not 3"):
        several.MultiOptimizer(lambda variable: 3).build([lamina.Variable(1.0)])
    for bad in (several.LossScaleOptimizer(sgd), several.MultiOptimizer(several.OptimizerMap(sgd))):
        with pytest.raises(ValueError, match="one of several"):
            several.OptimizerMap(sgd, {"a": bad})
    found = several.OptimizerMap(sgd, {"a.*": sgd, ".*b": sgd})
    with pytest.raises(ValueError, match="fits 'a"):
        found["ab"]
    with pytest.raises(ValueError, match="already"):
        found["a.*"] = sgd
    with pytest.raises(TypeError, match="key"):
        found[3] = sgd
    del found["a.*"]
    assert found["ab"] is sgd and len(found) == 1 and list(found) == [".*b"]
    both = several.MultiOptimizer(found)
    for use in (lambda: both.learning_rate, lambda: setattr(both, "learning_rate", 1.0)):
        with pytest.raises(AttributeError, match=r"multi_optimizer\.optimizers"):
            use()
