"""An optimizer that is written for Keras, as one variable's step, is one here too, with the same numbers."""

import keras
import numpy as np
import pytest

import lamina
import optimizers.runs as runs


def momentum_of(library):
    class Momentum(library.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, momentum=0.9, name="momentum", **kwargs):
            super().__init__(learning_rate=learning_rate, name=name, **kwargs)
            self.momentum = momentum

        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.traces = self.add_optimizer_variables(variables, "trace")
            self.biggest = [self.add_variable_from_reference(variable, "biggest", "ones") for variable in variables]

        def update_step(self, gradient, variable, learning_rate):
            place = self._get_variable_index(variable)
            trace, biggest = self.traces[place], self.biggest[place]
            self.assign(trace, self.momentum * trace + gradient)
            self.assign(biggest, library.ops.maximum(biggest, library.ops.abs(trace)))
            self.assign_sub(variable, learning_rate * trace / biggest)

        def get_config(self):
            return {**super().get_config(), "momentum": self.momentum}

    return Momentum


@pytest.mark.parametrize(
    "options",
    [
        {},
        dict(weight_decay=0.1, clipnorm=0.5, use_ema=True, ema_overwrite_frequency=2),
        dict(gradient_accumulation_steps=2, loss_scale_factor=4.0),
    ],
    ids=str,
)
def test_steps_are_those_of_keras(options):
    ours, theirs = (momentum_of(library)(0.05, **options) for library in (lamina, keras))
    grads = runs.gradients(4)
    reference, _ = runs.keras_run(theirs, grads, compiled=True)
    weights = runs.variables()
    runs.assert_equal_runs(runs.lamina_run(ours, grads, weights), reference)
    runs.assert_equal_runs(runs.looped_run(momentum_of(lamina)(0.05, **options), grads), reference)
    assert {"trace", "biggest"} <= set(ours.state_of(weights[0]))
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config() and again.momentum == 0.9


def test_variables_without_a_gradient_stay_and_models_train():
    weights, optimizer = runs.variables(), momentum_of(lamina)()
    before = [weight.numpy() for weight in weights]
    optimizer.apply([None, *[np.ones_like(value) for value in before[1:]]], weights)
    assert [np.array_equal(old, weight.numpy()) for old, weight in zip(before, weights, strict=True)] == [True, *[False] * 4]
    assert not np.any(optimizer.traces[0].numpy()) and np.any(optimizer.traces[1].numpy())
    model = lamina.Sequential([lamina.layers.Dense(1)])
    model.compile(momentum_of(lamina)(0.05), "mse")
    losses = model.fit(np.ones((8, 3)), np.full((8, 1), 5.0), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_one_that_defines_neither_way_says_so():
    class Nothing(lamina.optimizers.Optimizer):
        pass

    with pytest.raises(NotImplementedError, match="transformation"):
        Nothing(0.1).apply([np.float32(1)], [lamina.Variable(1.0)])


def test_state_for_all_variables_together_is_kept_too():
    class Count(lamina.optimizers.Optimizer):
        def build(self, variables):
            if not self.built:
                super().build(variables)
                self.moved = self.add_variable((), "zeros", "int32", "moved")

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.moved, 1)

    weights, optimizer = runs.variables(), Count(0.1)
    runs.lamina_run(optimizer, runs.gradients(2), weights)
    assert int(optimizer.moved) == 2 * len(weights) and optimizer.moved in optimizer.variables
