"""What objects say of themselves."""

import inspect

import jax
import numpy as np
import pytest

import lamina
from lamina import layers, optimizers


def public_classes():
    rooms = [lamina, *(room for name, room in inspect.getmembers(lamina, inspect.ismodule) if name in lamina.__all__)]
    found = {
        thing
        for room in rooms
        for name, thing in vars(room).items()
        if name[0] != "_" and inspect.isclass(thing) and thing.__module__.startswith(room.__name__)
    }
    objects = (cls for cls in found if not issubclass(cls, BaseException) and not getattr(cls, "_is_protocol", False))
    return sorted(objects, key=lambda cls: (cls.__module__, cls.__name__))


@pytest.mark.parametrize("cls", public_classes())
def test_no_public_class_has_pythons_own_repr_and_none_fails_on_what_is_half_made(cls):
    assert cls.__repr__ is not object.__repr__
    half_made = [object.__new__(cls)]
    if not inspect.signature(cls.__new__).parameters.keys() - {"cls", "args", "kwargs"}:
        half_made.append(cls.__new__(cls))
    for made in half_made:
        text = repr(made)
        assert cls.__name__ in text and "\n" not in text and " at 0x" not in text and len(text) < 120


def test_there_are_many_public_classes():
    assert len(public_classes()) > 100


def test_objects_say_what_they_are_in_one_line():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(4, activation="relu", name="hidden")], name="net")
    model.compile(optimizers.Adam(0.001, clipnorm=1.0), "mse")
    model.fit(np.ones((96, 3)), np.ones((96, 4)), verbose=0)
    step = lamina.jit(lambda x: x)
    schedule = optimizers.schedules.ExponentialDecay(0.1, 100, decay_rate=0.5)
    generator = lamina.random.SeedGenerator(7)
    generator.next()
    said = {
        "<Sequential net>": model,
        "<Dense net/hidden, units=4, activation='relu'>": model.layers[0],
        "<Dense dense, units=2, not built>": layers.Dense(2),
        "<Variable net/hidden/kernel (3, 4) float32>": model.layers[0].kernel,
        "<Adam learning_rate=0.001, clipnorm=1.0, 3 steps done>": model.optimizer,
        "<ExponentialDecay initial_learning_rate=0.1, decay_steps=100, decay_rate=0.5>": schedule,
        "<SGD learning_rate=<ExponentialDecay initial_learning_rate=0.1, decay_steps=..., 0 steps done>": optimizers.SGD(schedule),
        "<LossScaleOptimizer <SGD learning_rate=0.01, 0 steps done>, scale=32768>": optimizers.LossScaleOptimizer(optimizers.SGD()),
        "<EarlyStopping monitor='loss', patience=3, mode='min'>": lamina.callbacks.EarlyStopping("loss", patience=3),
        "<GlorotUniform seed=3>": lamina.initializers.GlorotUniform(seed=3),
        "<L2 l2=0.5>": lamina.regularizers.L2(0.5),
        "<MaxNorm max_value=2>": lamina.constraints.MaxNorm(2),
        "<MeanSquaredError>": lamina.losses.MeanSquaredError(),
        "<BinaryAccuracy binary_accuracy>": lamina.metrics.BinaryAccuracy(),
        "<DTypePolicy mixed_bfloat16>": lamina.DTypePolicy("mixed_bfloat16"),
        "<SeedGenerator seed=7, 1 key given>": generator,
        "<InputSpec min_ndim=2, axes={-1: 3}>": lamina.InputSpec(min_ndim=2, axes={-1: 3}),
        "<SymbolicTensor x (None, 3) float32>": lamina.Input((3,), name="x"),
        "<Compiled <lambda>>": step,
    }
    assert {repr(value): value for value in said.values()}.keys() == said.keys()


def test_functions_arrays_and_long_values_are_short():
    def rate(epoch):
        return 0.1

    assert repr(lamina.callbacks.LearningRateScheduler(rate)) == "<LearningRateScheduler schedule=rate>"
    assert repr(lamina.initializers.Constant(np.ones((100, 100)))) == "<Constant value=float64(100, 100)>"
    assert len(repr(lamina.initializers.Constant(list(range(1000))))) < 100


def test_what_a_trace_runs_can_be_shown_in_it():
    model = lamina.Sequential([layers.Dense(1)], name="net")
    model.compile("sgd", "mse")
    seen = []

    @jax.jit
    def traced(x):
        seen.extend(map(repr, (model.optimizer, model)))
        return x

    traced(np.ones(3, "float32"))
    assert seen == ["<SGD learning_rate=0.01, 0 steps done>", "<Sequential net, not built>"]
