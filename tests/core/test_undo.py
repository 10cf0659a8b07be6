"""What failed leaves nothing behind: layers, variables, losses, names, masks and frames are as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.core.context import context
from lamina.core.weights import layers_of

X = np.ones((2, 3), "float32")


class Mine(Exception):
    """What the layers here raise."""


class Busy(layers.Layer):
    """Has all kinds of state, changes all of it, and then fails where it is told to."""

    def __init__(self, fail=None, inner=None, **kwargs):
        super().__init__(activity_regularizer="l2", **kwargs)
        self.fail, self.inner = fail, inner
        self.count = self.add_weight((), "zeros", trainable=False)
        self.norm, self.drop = layers.BatchNormalization(momentum=0.5), layers.Dropout(0.5, seed=3)
        self.steps, self.table, self.notes, self.scale = [], {}, {"a": [1]}, None
        self.made = set()

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 3), "ones")
        self.steps.append(layers.Dense(3))
        self.table["x"] = layers.Dense(3)
        self.notes["a"].append(2)
        self.made.add(layers.Dense(3))
        self.steps[0].build(input_shape)
        if self.fail == "build":
            raise Mine
        if self.inner is not None:
            self.inner.build(input_shape)

    def call(self, x):
        if self.scale is None:
            self.scale = self.add_weight((), "ones")
        self.count.assign_add(1.0)
        self.add_loss(jnp.sum(x))
        self.add_metric(jnp.sum(x), name="sum")
        x = self.drop(self.norm(self.table["x"](self.steps[0](x)) @ self.kernel))
        if self.inner is not None:
            x = self.inner(x)
        if self.fail == "call":
            raise Mine
        return x * self.scale


def nest(depth, fail, **kwargs):
    layer = Busy(fail, **kwargs)
    for _ in range(depth):
        layer = Busy(inner=layer)
    return layer


def everything(layer):
    """All that can be seen of a layer, with values."""
    return {
        "built": [below.built for below in layers_of(layer)],
        "weights": [(w.path, w.numpy().tolist()) for w in layer.variables if "sum/" not in w.path],
        "losses": [float(loss) for loss in layer.losses],
        "lists": [
            (len(b.steps), sorted(b.table), b.notes["a"], len(b.made), b.scale is None)
            for b in layers_of(layer)
            if isinstance(b, Busy)
        ],
    }


WAYS = {
    "plain": lambda layer: layer(X, training=True),
    "symbolic": lambda layer: layer(lamina.Input((3,)), training=True),
    "jit": lambda layer: lamina.jit(lambda x: layer(x, training=True))(X),
    "gradient": lambda layer: lamina.value_and_grad(lambda x: layer(x, training=True).sum())(X),
    "scan": lambda layer: lamina.scan(lambda c, x: (c, layer(x, training=True)), None, X[None]),
    "jax.jit": lambda layer: jax.jit(lambda x: layer(x, training=True))(X),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fail", ["build", "call"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_first_call_that_fails_leaves_the_layers_as_they_were(way, fail, depth):
    layer = nest(depth, fail)
    before = everything(layer)
    with pytest.raises(Mine):
        WAYS[way](layer)
    assert everything(layer) == before
    assert not context.frames and not context.calls and not context.journal and context.autocast is None
    for below in layers_of(layer):
        below.fail = None
    assert layer(X, training=True).shape == (2, 3)
    assert all(below.built for below in layers_of(layer) if isinstance(below, Busy))
    assert float(layer.count) == 1


@pytest.mark.parametrize("way", [w for w in WAYS if w != "jax.jit"])
@pytest.mark.parametrize("depth", [0, 2])
def test_a_later_call_that_fails_leaves_state_and_losses_of_the_last_that_did_not(way, depth):
    layer = nest(depth, None)
    layer(X, training=True)
    before = everything(layer)
    inmost = layers_of(layer)[-1] if depth == 0 else next(
        b for b in reversed(layers_of(layer)) if isinstance(b, Busy)
    )  # fmt: skip
    inmost = inmost if isinstance(inmost, Busy) else layer
    inmost.fail = "call"
    with pytest.raises(Mine):
        WAYS[way](layer)
    assert everything(layer) == before
    inmost.fail = None
    first = layer(X, training=True)
    assert float(layer.count) == 2 and first.shape == (2, 3)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_build_that_fails_wrote_to_variables_is_forgotten(way):
    class Writes(layers.Layer):
        def __init__(self, fail):
            super().__init__()
            self.fail, self.count = fail, self.add_weight((), "zeros", trainable=False)

        def build(self, input_shape):
            self.count.assign_add(1.0)
            if self.fail:
                raise Mine

        def call(self, x, training=False):
            return x * self.count

    layer = Writes(True)
    with pytest.raises(Mine):
        WAYS[way](layer)
    assert float(layer.count) == 0
    layer.fail = False
    WAYS[way](layer)
    assert float(layer.count) == 1
    np.testing.assert_array_equal(layer(X), X)


@pytest.mark.parametrize("fail", ["build", "call"])
def test_building_from_shapes_that_fails_leaves_the_layer_as_it_was(fail):
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(3), nest(1, fail)

        def call(self, x):
            return self.second(self.first(x))

    layer = Outer()
    before = everything(layer)
    for use in (lambda: layer.build((None, 3)), lambda: layer.compute_output_shape((None, 3))):
        with pytest.raises(Mine):
            use()
        assert everything(layer) == before


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("built", [False, True])
def test_the_layer_outside_may_go_on_after_one_inside_failed_and_what_that_wrote_is_forgotten(built, wrap):
    class Tries(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = nest(1, None if built else "call")
            self.tried = self.add_weight((), "zeros", trainable=False)

        def call(self, x):
            self.tried.assign_add(1.0)
            try:
                return self.inner(x, training=True)
            except Mine:
                return x

    layer = Tries()
    if built:
        layer.inner(X, training=True)
        layer.inner.inner.fail = "call"
    before = everything(layer.inner)
    np.testing.assert_array_equal(wrap(layer)(X), X)
    assert everything(layer.inner) == before
    assert float(layer.tried) == 1


def test_a_list_inside_a_tuple_is_as_it_was_after_a_build_that_failed():
    class Fails(layers.Layer):
        def __init__(self):
            super().__init__()
            self.pair = ([], ({"kept": 1},))

        def build(self, input_shape):
            self.pair[0].append(self.add_weight((2,)))
            self.pair[1][0]["new"] = self.add_weight((2,))
            raise ValueError("no")

    layer = Fails()
    with pytest.raises(ValueError, match="no"):
        layer(np.ones((1, 2)))
    assert layer.pair == ([], ({"kept": 1},)) and layer.weights == []


def test_an_input_that_does_not_fit_changes_nothing():
    layer = Busy()
    layer(X, training=True)
    before = everything(layer)
    with pytest.raises(ValueError, match="busy/steps/0"):
        layer(np.ones((2, 4)), training=True)
    with pytest.raises(TypeError):
        layer("text", training=True)
    assert everything(layer) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_undoes_as_an_error_does(error):
    class Interrupted(layers.Layer):
        def __init__(self):
            super().__init__()
            self.count = self.add_weight((), "zeros", trainable=False)

        def build(self, shape):
            self.kernel = self.add_weight((3,))

        def call(self, x):
            self.count.assign_add(1.0)
            raise error

    layer = Interrupted()
    for call in (layer, lamina.jit(layer)):
        with pytest.raises(error):
            call(X)
        assert not layer.built and layer.weights == [layer.count] and float(layer.count) == 0 and not context.frames


def test_a_failed_step_in_a_model_leaves_optimizer_and_weights_as_they_were():
    layer, optimizer = layers.Dense(1), lamina.optimizers.Adam(0.1)
    layer(X)
    fail = []

    def step(x):
        value, grads = lamina.value_and_grad(lambda: layer(x).sum(), layer.trainable_weights)()
        optimizer.apply(grads, layer.trainable_weights)
        if fail:
            raise Mine
        return value

    compiled = lamina.jit(step)
    compiled(X)
    before = [v.numpy() for v in layer.variables + optimizer.variables]
    fail.append(True)
    with pytest.raises(Mine):
        compiled(np.ones((4, 3), "float32"))  # a new shape: traced anew
    jax.tree.map(np.testing.assert_array_equal, [v.numpy() for v in layer.variables + optimizer.variables], before)
    fail.clear()
    compiled(X)


def test_weights_drawn_after_a_failed_build_are_those_of_a_build_that_never_failed():
    def weights(fail):
        lamina.random.set_seed(2)
        lamina.clear_session()
        layer = Busy(fail)
        if fail:
            with pytest.raises(Mine):
                layer(X)
            layer.fail = None
        layer(X)
        return [w.shape for w in layer.weights], [w.path for w in layer.weights]

    assert weights("call") == weights("build") == weights(None)
