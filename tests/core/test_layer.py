"""Layer: building, calling, the reserved arguments, masks, specs, weights and the pure form."""

import threading

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers, ops
from lamina.core.weights import layers_of

X = np.arange(6, dtype="float32").reshape(2, 3) / 4


class Affine(layers.Layer):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units))
        self.bias = self.add_weight((self.units,), "zeros")

    def call(self, inputs):
        return inputs @ self.kernel + self.bias


class Counter(layers.Layer):
    """Counts its calls in a variable."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = self.add_weight((), "zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        return x * 2


# --- building --------------------------------------------------------------------------------------------------------


class Shapes(layers.Layer):
    """Keeps the shapes that it was built with."""

    def build(self, *shapes):
        self.shapes = shapes

    def call(self, *inputs, **more):
        return jax.tree.leaves((inputs, more))[0]


def test_build_gets_the_shape_of_each_input_nested_as_the_inputs_are():
    a, b = np.zeros((2, 3), "float32"), np.zeros((2, 4, 1), "int32")
    for arguments, expected in [
        ((a,), ((2, 3),)),
        ((a, b), ((2, 3), (2, 4, 1))),
        (([a, b],), ([(2, 3), (2, 4, 1)],)),
        (((a, [b]),), (((2, 3), [(2, 4, 1)]),)),
        (({"x": a, "y": {"z": b}},), ({"x": (2, 3), "y": {"z": (2, 4, 1)}},)),
        ((jnp.zeros(()),), ((),)),
    ]:
        layer = Shapes()
        layer(*arguments)
        assert layer.shapes == expected
        layer = Shapes()
        layer.build(*expected)
        assert layer.built and layer.shapes == expected
    layer = Shapes()
    layer.build([None, 3])
    assert layer.shapes == ((None, 3),)


def test_build_may_ask_for_shapes_by_the_names_of_the_arguments():
    class Attend(layers.Layer):
        def build(self, value_shape, query_shape):
            self.shapes = {"query": query_shape, "value": value_shape}

        def call(self, query, value, key=None, training=False):
            return query

    for call in (
        lambda layer: layer(np.zeros((2, 3)), np.zeros((2, 4))),
        lambda layer: layer(np.zeros((2, 3)), value=np.zeros((2, 4)), training=True),
        lambda layer: layer(value=np.zeros((2, 4)), query=np.zeros((2, 3))),
        lambda layer: layer(lamina.Input((3,), batch_size=2), lamina.Input((4,), batch_size=2)),
        lambda layer: layer.build(query_shape=(2, 3), value_shape=[2, 4]),
    ):
        layer = Attend()
        call(layer)
        assert layer.shapes == {"query": (2, 3), "value": (2, 4)}


class Two(layers.Layer):
    """Has sub-layers and no build of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second, self.heads = Affine(4), Affine(1), {"x": Affine(2), "y": [Affine(3)]}

    def call(self, a, b=None, training=False):
        if isinstance(a, dict):
            a, b = a["a"], a["b"][0]
        x = self.second(self.first(a) + b)
        return {"x": self.heads["x"](x), "y": self.heads["y"][0](x)}


@pytest.mark.parametrize(
    "shapes",
    [
        ((None, 3), (None, 4)),
        ([2, 3], [2, 4]),
        ((None, "time", 3), (None, "time", 4)),
        ({"a": (None, 3), "b": [(None, 4)]},),
    ],
)
def test_any_layer_is_built_from_shapes_alone(shapes):
    layer = Two(name="two")
    with jax.checking_leaks():
        layer.build(*shapes)
    assert layer.built and all(below.built for below in layers_of(layer))
    assert [w.path for w in layer.weights] == [
        f"two/{step}/{w}" for step in ("first", "second", "heads/x", "heads/y/0") for w in ("kernel", "bias")
    ]
    assert not any(isinstance(w.value, jax.core.Tracer) for w in layer.weights)
    out = layer({"a": X, "b": [np.ones((2, 4))]}) if isinstance(shapes[0], dict) else layer(X, np.ones((2, 4)))
    assert jax.tree.map(jnp.shape, out) == {"x": (2, 2), "y": (2, 3)}
    before = layer.weights
    layer.build(*shapes)
    assert layer.weights == before


def test_output_shapes_are_nested_as_the_outputs_are():
    assert Two().compute_output_shape((None, 3), (None, 4)) == {"x": (None, 2), "y": (None, 3)}
    assert Two().compute_output_shape({"a": (5, "time", 3), "b": [(5, "time", 4)]}) == {
        "x": (5, "time", 2), "y": (5, "time", 3),
    }  # fmt: skip


def test_keras_idioms_in_build_work():
    class Idiomatic(layers.Layer):
        def build(self, input_shape):
            self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 2), initializer="ones", trainable=True)
            super().build(input_shape)

    class Inherits(Idiomatic):
        def build(self, input_shape):
            super().build(input_shape)
            self.bias = self.add_weight(shape=(2,))
            self.built = True

        def call(self, x):
            return x @ self.kernel + self.bias

    for make in (lambda layer: layer(X), lambda layer: layer.build((None, 3)), lambda layer: layer(lamina.Input((3,)))):
        layer = Inherits()
        make(layer)
        assert layer.built and [w.name for w in layer.weights] == ["kernel", "bias"]


def test_a_layer_builds_the_layers_that_it_holds_where_its_build_says_so():
    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = Affine(4)

        def build(self, input_shape):
            self.inner.build(input_shape)
            self.scale = self.add_weight((4,))

        def call(self, x):
            return self.inner(x) * self.scale

    layer = Outer()
    layer.build((None, 3))
    kernel = layer.inner.kernel
    assert layer(X).shape == (2, 4) and layer.inner.kernel is kernel and len(layer.weights) == 3


@pytest.mark.parametrize("where", ["jit", "value_and_grad", "jax.jit", "jax.grad", "jax.vmap", "eval_shape", "scan", "thread"])
def test_wherever_a_layer_is_first_called_its_weights_are_concrete_and_the_same(where):
    def run(x):
        return jnp.sum(layer(x))

    lamina.random.set_seed(1)
    expected = Two()
    expected(X, np.ones((2, 4)))
    lamina.random.set_seed(1)
    model, layer = Two(), None
    layer = lambda x: model(x, jnp.ones((2, 4)))["y"]  # noqa: E731
    x = jnp.asarray(X)
    with jax.checking_leaks():
        if where == "thread":
            thread = threading.Thread(target=run, args=(x,))
            thread.start()
            thread.join()
        else:
            {
                "jit": lambda: lamina.jit(run)(x),
                "value_and_grad": lambda: lamina.value_and_grad(run)(x),
                "jax.jit": lambda: jax.jit(run)(x),
                "jax.grad": lambda: jax.grad(run)(x),
                "jax.vmap": lambda: jax.vmap(run)(x[None]),
                "eval_shape": lambda: jax.eval_shape(run, x),
                "scan": lambda: lamina.scan(lambda c, x: (c, run(x)), None, x[None]),
            }[where]()
    assert model.built and all(below.built for below in layers_of(model))
    jax.tree.map(np.testing.assert_array_equal, model.get_weights(), expected.get_weights())


def test_add_weight_takes_a_name_or_a_shape_first_and_has_keras_defaults():
    layer = layers.Layer(name="mine")
    layer.a = layer.add_weight("kernel", shape=(2, 3))
    layer.b = layer.add_weight((2, 3), "ones", name="other", trainable=False)
    layer.c = layer.add_weight(shape=[4], dtype="int32")
    layer.d = layer.add_weight()
    layer.e = layer.add_weight(shape=3, initializer=lamina.initializers.Constant(2.0), constraint="non_neg", regularizer="l2")
    assert [(w.name, w.shape, w.dtype.name, w.trainable) for w in (layer.a, layer.b, layer.c, layer.d, layer.e)] == [
        ("kernel", (2, 3), "float32", True), ("other", (2, 3), "float32", False), ("c", (4,), "int32", True),
        ("d", (), "float32", True), ("e", (3,), "float32", True),
    ]  # fmt: skip
    limit = np.sqrt(6 / 5)
    assert 0 < np.abs(layer.a.numpy()).max() <= limit and layer.c.numpy().tolist() == [0] * 4
    assert float(layer.losses[0]) == pytest.approx(0.01 * 3 * 4) and layer.e.constraint is not None


@pytest.mark.parametrize("shape", [(None, 2), (3, -1), (2, 1.5), ("time",), None, "x"])
def test_a_weight_of_unknown_or_negative_size_is_refused_naming_layer_and_shape(shape):
    layer = layers.Layer(name="mine")
    if shape is None or shape == "x":
        assert layer.add_weight(shape).shape == ()
        return
    with pytest.raises(ValueError, match=r"kernel.*mine") as error:
        layer.add_weight("kernel", shape=shape)
    assert str(shape[0]) in str(error.value) and layer.weights == []


# --- calling ---------------------------------------------------------------------------------------------------------


def test_a_layer_without_call_or_with_unknown_arguments_says_so():
    with pytest.raises(NotImplementedError, match=r"Layer.*call"):
        layers.Layer()(X)
    with pytest.raises(TypeError, match=r"Affine.*unts.*units"):
        Affine(unts=3)
    with pytest.raises(TypeError, match=r"Dense.*activaton.*activation"):
        layers.Dense(1, activaton="relu")
    with pytest.raises(TypeError, match="inputz"):
        Affine()(inputz=X)
    with pytest.raises(TypeError, match="positional"):
        Affine()(X, X, X)


def test_forgetting_super_init_is_explained_wherever_it_shows():
    class Broken(layers.Layer):
        def __init__(self):
            self.dense = layers.Dense(1)
            self.w = lamina.Variable(1.0)

        def call(self, x):
            return x

    class AddsWeight(layers.Layer):
        def __init__(self):
            self.w = self.add_weight((2,))

    for use in (
        lambda: Broken()(X), lambda: Broken().build((None, 3)), AddsWeight, lambda: Broken()(lamina.Input((3,))),
        lambda: lamina.Sequential([Broken()])(X), lambda: Broken().compute_output_shape((2, 3)),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"super\(\)\.__init__\(\)"):
            use()
    assert "Broken" in repr(Broken()) or "broken" in repr(Broken())


def test_outputs_are_arrays_however_nested_and_in_compiled_code_the_same():
    class Returns(layers.Layer):
        def __init__(self):
            super().__init__()
            self.w = self.add_weight((2,), "ones")

        def call(self, x):
            return {"w": self.w, "pair": (self.w, [x, None])}

    layer = Returns()
    eager = layer(X)
    layer.w.assign([5.0, 5.0])
    compiled = lamina.jit(layer)(X)
    assert jax.tree.structure(eager) == jax.tree.structure(compiled)
    assert isinstance(eager["w"], jax.Array) and isinstance(eager["pair"][0], jax.Array)
    np.testing.assert_array_equal(eager["pair"][0], 1)


def test_inputs_may_be_anything_that_holds_numbers():
    layer = Affine(2)
    expected = np.asarray(layer(X))
    for inputs in (jnp.asarray(X), X.astype("float64"), X.astype("float16"), lamina.Variable(X)):
        assert_close(layer(inputs), expected)
        assert_close(layer(inputs=inputs), expected)
    seen = []

    class See(layers.Layer):
        def call(self, x, flag="a", n=1, other=None):
            seen.append((x.dtype.name, flag, n, other))
            return x

    See()(np.arange(3), "b", n=2, other=[1, "c"])
    See()(np.array([True]))
    assert seen == [("int32", "b", 2, [1, "c"]), ("bool", "a", 1, None)]


def test_a_call_leaves_its_arguments_as_they_were():
    inputs = {"a": X.astype("float64"), "b": [np.ones((2, 4), "float64")]}
    options = {"training": True}
    held = inputs["b"]
    Two()(inputs, **options)
    assert inputs["a"].dtype == "float64" and inputs["b"] is held and held[0].dtype == "float64" and options == {"training": True}


# --- training --------------------------------------------------------------------------------------------------------


class Sees(layers.Layer):
    def __init__(self, seen, **kwargs):
        super().__init__(**kwargs)
        self.seen = seen

    def call(self, x, training=False):
        self.seen(training)
        return x


class Passes(layers.Layer):
    """Takes no training argument, and calls what it holds with or without one."""

    def __init__(self, inner, **arguments):
        super().__init__()
        self.inner, self.arguments = inner, arguments

    def call(self, x):
        return self.inner(x, **self.arguments)


def test_training_is_what_is_passed_else_what_surrounds_else_the_default():
    seen = []
    see = Sees(seen.append)

    def call(layer, *args, **kwargs):
        seen.clear()
        layer(X, *args, **kwargs)
        return seen[0]

    assert [call(see), call(see, True), call(see, training=True), call(see, None), call(see, training=None)] == [
        False, True, True, False, False,
    ]  # fmt: skip
    nested = Passes(Passes(see))
    assert [call(nested), call(nested, training=True), call(nested, training=False)] == [False, True, False]
    assert call(Passes(Passes(see, training=False)), training=True) is False
    assert call(Passes(Passes(see, training=True)), training=False) is True
    assert call(see) is False

    class On(layers.Layer):
        def call(self, x, *, training=True):
            seen.append(training)
            return x

    class Any(layers.Layer):
        def call(self, x, **kwargs):
            seen.append(kwargs.get("training"))
            return x

    assert [call(On()), call(On(), training=False), call(Passes(On()), training=False)] == [True, False, False]
    assert call(Any(), training=True) is True
    assert Affine()(X, training=True).shape == (2, 2)


def test_training_reaches_through_compiled_code_gradients_and_loops():
    seen = []
    for wrap in (
        lambda f: lambda x: lamina.jit(f)(x), lambda f: lambda x: lamina.value_and_grad(lambda x: f(x).sum())(x)[1],
        lambda f: lambda x: lamina.map(f, x), lambda f: lambda x: lamina.remat(f)(x), lambda f: lambda x: lamina.vmap(f)(x),
    ):  # fmt: skip

        class Wraps(layers.Layer):
            def __init__(self, wrap):
                super().__init__()
                self.inner, self.wrap = Sees(seen.append), wrap

            def call(self, x):
                return self.wrap(self.inner)(x)

        layer = Wraps(wrap)
        for training in (True, False, True):
            seen.clear()
            layer(X, training=training)
            assert set(seen) == {training}


def test_a_traced_training_is_refused_in_words():
    with pytest.raises(TypeError, match="static_argnames"):
        lamina.jit(lambda x, training: layers.Dropout(0.5)(x, training=training))(X, True)
    layer = layers.Dropout(0.5, seed=1)
    out = lamina.jit(lambda x, training: layer(x, training=training), static_argnames="training")(X + 1, training=True)
    assert (np.asarray(out) == 0).any()


# --- masks -----------------------------------------------------------------------------------------------------------

MASKED = np.array([[[1.0], [0.0], [2.0]], [[3.0], [4.0], [0.0]]], "float32")
MASK = MASKED[..., 0] != 0


class Read(layers.Layer):
    """Returns the mask that it was given, as numbers; -1 for none."""

    supports_masking = True

    def call(self, x, mask=None):
        return x * 0 - 1 if mask is None else x * 0 + jnp.asarray(mask)[..., None]


def read(x, **kwargs):
    out = np.asarray(Read()(x, **kwargs))[..., 0]
    return None if (out == -1).all() else out.astype(bool)


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit, lambda f: lambda x: lamina.remat(f)(x)], ids=["eager", "jit", "remat"])
def test_masks_flow_the_same_way_eagerly_and_compiled(wrap):
    class Net(layers.Layer):
        def __init__(self):
            super().__init__()
            self.steps = [layers.Masking(), layers.Dense(2), layers.Dropout(0.1), Read()]

        def call(self, x):
            for step in self.steps:
                x = step(x)
            return x

    np.testing.assert_array_equal(np.asarray(wrap(Net())(jnp.asarray(MASKED)))[..., 0], MASK)


def auxiliary(f):
    """Returns `f`, run under a gradient."""
    return lambda x: lamina.value_and_grad(lambda x: (jnp.sum(f(x)), f(x)), has_aux=True)(x)[0][1]


@pytest.mark.parametrize("wrap", [lamina.jit, lamina.remat, auxiliary], ids=["jit", "remat", "grad"])
def test_a_masked_array_keeps_its_mask_on_its_way_into_compiled_code(wrap):
    x = layers.Masking()(MASKED)
    np.testing.assert_array_equal(np.asarray(Read()(x))[..., 0], MASK)
    np.testing.assert_array_equal(np.asarray(wrap(Read())(x))[..., 0], MASK)


def test_an_explicit_mask_counts_before_the_one_that_is_carried():
    x = layers.Masking()(MASKED)
    np.testing.assert_array_equal(read(x), MASK)
    np.testing.assert_array_equal(read(x, mask=~MASK), ~MASK)
    assert read(MASKED) is None


def test_each_argument_that_is_named_for_another_gets_its_mask():
    class Attend(layers.Layer):
        def call(self, query, value, key=None, query_mask=None, value_mask=None, key_mask=None):
            found = [query_mask, value_mask, key_mask]
            return [jnp.zeros(()) if mask is None else jnp.asarray(mask) for mask in found]

    x, y = layers.Masking()(MASKED), layers.Masking()(MASKED[::-1])
    query, value, key = Attend()(x, value=y)
    np.testing.assert_array_equal(query, MASK)
    np.testing.assert_array_equal(value, MASK[::-1])
    assert key.shape == ()
    query, value, key = Attend()(MASKED, MASKED, y, value_mask=MASK)
    assert query.shape == ()
    np.testing.assert_array_equal([value, key], [MASK, MASK[::-1]])


def test_masks_of_several_inputs_come_nested_as_they_are():
    seen = []

    class Merge(layers.Layer):
        def call(self, inputs, mask=None):
            return inputs[0]

        def compute_mask(self, inputs, mask=None):
            seen.append(mask)
            return None if mask is None else mask[0]

    x = layers.Masking()(MASKED)
    out = Merge()([x, jnp.ones((2, 3, 1))])
    assert seen[0][1] is None
    np.testing.assert_array_equal(seen[0][0], MASK)
    np.testing.assert_array_equal(read(out), MASK)
    Merge()((jnp.ones(2), jnp.ones(2)))
    assert seen[1] is None


def test_a_layer_that_does_not_pass_masks_on_stops_them_even_if_it_returns_its_input():
    class Opaque(layers.Layer):
        def call(self, x):
            return x

    class Stops(layers.Layer):
        supports_masking = True

        def call(self, x):
            return x

        def compute_mask(self, inputs, mask=None):
            return None

    x = layers.Masking()(MASKED)
    for layer in (Opaque(), Stops()):
        assert read(layer(x)) is None
        np.testing.assert_array_equal(read(x), MASK)


def test_a_mask_is_put_on_the_outputs_and_never_on_the_callers_array():
    class Marks(layers.Layer):
        def call(self, x):
            return x

        def compute_mask(self, inputs, mask=None):
            return jnp.asarray(MASK)

    x = jnp.asarray(MASKED)
    np.testing.assert_array_equal(read(Marks()(x)), MASK)
    assert read(x) is None


# --- what is asked of inputs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec, good, bad, words",
    [
        (dict(ndim=2), (2, 3), (2, 3, 4), ["2 axes", "(2, 3, 4)"]),
        (dict(min_ndim=2), (2, 3), (2,), ["at least 2", "(2,)"]),
        (dict(max_ndim=2), (2, 3), (2, 3, 4), ["at most 2", "(2, 3, 4)"]),
        (dict(axes={-1: 3}), (2, 3), (2, 4), ["last axis", "3", "(2, 4)"]),
        (dict(axes={1: 3}), (2, 3, 4), (2, 4, 3), ["axis 1", "3", "(2, 4, 3)"]),
        (dict(axes={2: 3}), (2, 3, 3), (2, 3), ["axis 2", "(2, 3)"]),
        (dict(shape=(None, 3)), (5, 3), (5, 4), ["(None, 3)", "(5, 4)"]),
        (dict(shape=()), (), (1,), ["0 axes", "(1,)"]),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_path_and_both_shapes(spec, good, bad, words):
    class Asks(layers.Layer):
        def __init__(self):
            super().__init__()
            self.input_spec = lamina.InputSpec(**spec)
            self.calls = self.add_weight((), "zeros", trainable=False)

        def build(self, shape):
            self.kernel = self.add_weight((2,))

        def call(self, inputs):
            self.calls.assign_add(1.0)
            return inputs

    outer = Passes(Asks())
    for use in (outer, lamina.jit(outer), lambda x: outer(lamina.SymbolicTensor(x.shape))):
        with pytest.raises(ValueError, match="passes/inner") as error:
            use(np.ones(bad, "float32"))
        assert all(word in str(error.value) for word in words)
        assert not outer.inner.built and outer.inner.weights == [outer.inner.calls] and float(outer.inner.calls) == 0
    outer(np.ones(good, "float32"))
    assert outer.inner.built
    with pytest.raises(ValueError, match="passes/inner"):
        outer(np.ones(bad, "float32"))
    assert float(outer.inner.calls) == 1


def test_inputs_given_by_name_are_checked_as_well():
    layer = layers.Dense(2)
    with pytest.raises(ValueError, match=r"dense.*2 axes.*\(3,\)"):
        layer(inputs=np.ones(3))
    assert not layer.built
    layer(inputs=X)
    with pytest.raises(ValueError, match=r"dense.*3.*\(2, 4\)"):
        layer(inputs=np.ones((2, 4)))


def test_a_spec_may_ask_for_a_dtype_or_several_inputs():
    class Asks(layers.Layer):
        def call(self, inputs):
            return jax.tree.leaves(inputs)[0]

    layer = Asks(name="asks")
    layer.input_spec = lamina.InputSpec(dtype="integer")
    layer(np.ones(2, "int32"))
    with pytest.raises(ValueError, match=r"asks.*integer.*float32"):
        layer(X)
    layer.input_spec = [lamina.InputSpec(ndim=2), None, lamina.InputSpec(axes={-1: 3})]
    layer([X, X, X])
    with pytest.raises(ValueError, match=r"asks.*size 3.*\(2, 4\)"):
        layer([X, X, np.ones((2, 4))])
    with pytest.raises(ValueError, match=r"3 inputs.*2"):
        layer([X, X])


def test_a_spec_may_let_the_last_axis_be_missing_or_in_excess():
    class Takes(lamina.Layer):
        def __init__(self, **spec):
            super().__init__()
            self.input_spec = lamina.InputSpec(allow_last_axis_squeeze=True, **spec)

        def call(self, x):
            return x

    images = Takes(shape=(None, 4, 1))
    for shape in ((2, 4), (2, 4, 1), (2, 4, 1, 1)):
        images(np.ones(shape))
    rows = Takes(shape=(None, 4))
    rows(np.ones((2, 4))), rows(np.ones((2, 4, 1)))
    for layer, shape in ((images, (2, 5)), (images, (4,)), (rows, (2,)), (rows, (2, 4, 2)), (Takes(ndim=2), (2, 3, 3))):
        with pytest.raises(ValueError, match="expects"):
            layer(np.ones(shape))


def test_a_spec_may_be_of_an_input_by_name_and_of_one_that_may_be_none():
    class Takes(lamina.Layer):
        def __init__(self, *specs):
            super().__init__()
            self.input_spec = list(specs)

        def call(self, inputs):
            return 0

    x, y = np.ones((2, 3)), np.ones((2, 4))
    named = Takes(lamina.InputSpec(name="z", axes={-1: 3}), lamina.InputSpec(name="a", axes={-1: 4}))
    named({"z": x, "a": y})
    with pytest.raises(ValueError, match="last axis to have size 3"):
        named({"z": y, "a": x})
    with pytest.raises(ValueError, match="named 'a'"):
        named({"z": x, "b": y})
    Takes(lamina.InputSpec(ndim=2), lamina.InputSpec(ndim=2, optional=True))([x, None])
    with pytest.raises(ValueError, match="given None"):
        Takes(lamina.InputSpec(ndim=2), lamina.InputSpec(ndim=2))([x, None])


def test_a_named_size_is_not_held_against_a_spec():
    layer = layers.Dense(2)
    layer(X)
    assert layer(lamina.Input(("time", 3))).shape == (None, "time", 2)
    with pytest.raises(ValueError, match="dense"):
        layer(lamina.Input(("time", 4)))


def test_without_autocast_inputs_and_weights_keep_their_dtypes():
    class Seen(lamina.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape[1:])

        def call(self, x):
            self.dtypes = x.dtype, self.w.value.dtype
            return x * self.w

    for autocast, expected in ((True, "bfloat16"), (False, "float32")):
        layer = Seen(dtype="mixed_bfloat16", autocast=autocast)
        layer(np.ones((2, 3), "float32"))
        assert layer.dtypes == (expected, expected)
        inner = keras.layers.Dense(1, dtype="mixed_bfloat16", autocast=autocast)
        ours = lamina.layers.Dense(1, dtype="mixed_bfloat16", autocast=autocast)
        assert ours(np.ones((2, 3), "float32")).dtype == str(inner(np.ones((2, 3), "float32")).dtype)
        again = Seen.from_config(layer.get_config())
        again(np.ones((2, 3), "float32"))
        assert again.dtypes == layer.dtypes


# --- weights ---------------------------------------------------------------------------------------------------------


def net():
    class Net(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.first, self.norm, self.last = Affine(3), layers.BatchNormalization(), [Affine(1)]

        def call(self, x):
            return self.last[0](self.norm(self.first(x)))

    layer = Net(name="net")
    layer(X)
    return layer


def test_freezing_reaches_all_below_moves_weights_and_keeps_their_order():
    layer = net()
    order = layer.weights
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]
    for frozen in (layer.first, layer, layer.last[0]):
        frozen.trainable = False
        assert all(not below.trainable for below in layers_of(frozen))
        assert layer.weights == order
        assert [w for w in order if w in set(layer.trainable_weights)] == layer.trainable_weights
        assert len(layer.trainable_weights) + len(layer.non_trainable_weights) == 8
    assert layer.trainable_weights == []
    layer.trainable = True
    assert len(layer.trainable_weights) == 6 and all(below.trainable for below in layers_of(layer))
    layer.first.kernel.trainable = False
    assert layer.first.kernel in set(layer.non_trainable_weights) and layer.first.trainable_weights == [layer.first.bias]


def test_a_layer_under_a_frozen_constructor_argument_is_frozen_too():
    class Frozen(layers.Layer):
        def __init__(self):
            super().__init__(trainable=False)
            self.inner = Affine(2)

        def call(self, x):
            return self.inner(x)

    layer = Frozen()
    layer(X)
    assert layer.trainable_weights == [] and len(layer.weights) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        lambda w: w[:-1],
        lambda w: [*w, w[0]],
        lambda w: [*w[:-1], np.zeros((7, 7))],
        lambda w: [*w[:-1], w[-1].astype(complex)],
        lambda w: [*w[:-1], np.full(w[-1].shape, "x")],
        lambda w: [*w[:-1], np.full(w[-1].shape, None)],
        lambda w: [],
    ],
)
def test_weights_that_do_not_all_fit_are_not_set_at_all(wrong):
    layer = net()
    before = layer.get_weights()
    with pytest.raises((ValueError, TypeError)) as error:
        layer.set_weights(wrong([w + 1 for w in before]))
    assert "net" in str(error.value)
    jax.tree.map(np.testing.assert_array_equal, layer.get_weights(), before)


def test_weights_go_out_and_in_again():
    layer, twin = net(), net()
    twin.set_weights(layer.weights)
    jax.tree.map(np.testing.assert_array_equal, layer.get_weights(), twin.get_weights())
    twin.set_weights([w.astype("float64") for w in layer.get_weights()])
    assert {w.dtype.name for w in twin.weights} == {"float32"} and layer.count_params() == 3 * 3 + 3 + 4 * 3 + 3 + 1
    layer.get_weights()[0][:] = 9
    jax.tree.map(np.testing.assert_array_equal, layer.get_weights(), twin.get_weights())
    with pytest.raises(ValueError, match="not built"):
        Affine().set_weights([X])


def test_weights_are_read_from_another_thread_as_they_are_while_a_trace_runs_here():
    layer, seen = net(), []
    layer.first.kernel.assign(np.ones((3, 3)))

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.net = layer

        def call(self, x):
            layer.first.kernel.assign(x[0, 0] * np.ones((3, 3)))
            thread = threading.Thread(target=lambda: seen.extend(layer.get_weights()))
            thread.start()
            thread.join()
            return x

    Outer()(X + 7)
    np.testing.assert_array_equal(seen[0], np.ones((3, 3)))
    np.testing.assert_array_equal(layer.first.kernel.numpy(), np.full((3, 3), 7))


# --- the pure form ---------------------------------------------------------------------------------------------------


def test_the_pure_form_takes_raw_jax_and_changes_nothing():
    class Net(layers.Layer):
        def __init__(self):
            super().__init__()
            self.body, self.norm, self.drop = Affine(3), layers.BatchNormalization(), layers.Dropout(0.5, seed=1)

        def call(self, x):
            return self.drop(self.norm(self.body(x)))

    layer = Net()
    layer(X)
    trained = [w.value for w in layer.trainable_variables]
    others = [w.value for w in layer.non_trainable_variables]
    before = [v.numpy() for v in layer.variables]

    def loss(trained, others, x):
        outputs, new = layer.stateless_call(trained, others, x, training=True)
        return jnp.mean(outputs**2), new

    with jax.checking_leaks():
        (value, new), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(trained, others, X)
    jax.tree.map(np.testing.assert_array_equal, [v.numpy() for v in layer.variables], before)
    assert len(new) == len(others) and [g.shape for g in grads] == [t.shape for t in trained]
    stateful, expected = lamina.value_and_grad(lambda: jnp.mean(layer(X, training=True) ** 2), layer.trainable_variables)()
    assert_close(value, stateful)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), grads, expected)
    now = [v.numpy() for v in layer.non_trainable_variables]
    jax.tree.map(lambda a, b: assert_close(a, b), [np.asarray(n) for n in new], now)


def test_the_pure_form_refuses_what_does_not_fit():
    layer = net()
    trained, others = ([w.value for w in ws] for ws in (layer.trainable_variables, layer.non_trainable_variables))
    for first, second in [(trained[1:], others), (trained, [*others, others[0]]), ([], [])]:
        with pytest.raises(ValueError, match=r"net.*6 trainable and 2"):
            layer.stateless_call(first, second, X)
    with pytest.raises(ValueError, match="net/first/kernel"):
        layer.stateless_call([np.zeros((9, 9)), *trained[1:]], others, X)
    with pytest.raises(ValueError, match=r"affine.*not built"):
        Affine().stateless_call([], [], X)


# --- symbolic calls, and dynamic layers ------------------------------------------------------------------------------


def test_a_connected_layer_knows_its_input_and_output_if_there_is_one():
    layer = Affine(2)
    with pytest.raises(AttributeError, match=r"affine.*0 times"):
        layer.input  # noqa: B018
    x = lamina.Input((3,))
    y = layer(x)
    assert layer.input is x and layer.output is y and layer.built
    two = layers.Add()
    z = two([x, lamina.Input((3,))])
    assert two.output is z and two.input[0] is x
    layer(x)
    with pytest.raises(AttributeError, match=r"affine.*2 times"):
        layer.output  # noqa: B018


def test_a_dynamic_layer_uses_values_and_says_what_it_gives():
    class Branches(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(dynamic=True, **kwargs)

        def call(self, x):
            return x * 2 if float(ops.sum(x)) > 0 else x

        def compute_output_shape(self, shape):
            return shape

    layer = Branches()
    np.testing.assert_array_equal([layer(X), layer(-X)], [2 * X, -X])
    assert layer(lamina.Input((3,))).shape == (None, 3)
    outer = Passes(layer)
    assert outer.dynamic and not Affine().dynamic
    assert layer.get_config()["name"] == layer.name
    np.testing.assert_array_equal(outer(X), 2 * X)


def test_an_error_keeps_its_type_and_says_which_layer_was_called_on_what():
    class Fails(layers.Layer):
        def call(self, x):
            raise KeyError("mine")

    outer = Passes(Passes(Fails(name="deep")))
    for call in (outer, lamina.jit(outer)):
        with pytest.raises(KeyError, match="mine") as error:
            call(X)
        notes = "\n".join(error.value.__notes__)
        assert "passes_1/inner/deep" in notes and "float32(2, 3)" in notes and __file__ in notes
        assert notes.count("In the layer") == 1
