"""lift, jit, value_and_grad and grad: stateful code runs compiled and differentiated as it runs plainly."""

import functools
import gc
import threading
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from fast_calls import slow_calls_refused
from properties import examples

X = np.array([0.5, -1.0], "float32")


@pytest.fixture
def total():
    return lamina.Variable(np.zeros(2, "float32"), name="total", trainable=False)


@pytest.fixture
def weight():
    return lamina.Variable(np.array([2.0, 3.0], "float32"), name="weight")


def has_tracer(*variables):
    return any(isinstance(v.value, jax.core.Tracer) for v in variables)


# --- one program, run in every way -----------------------------------------------------------------------------------

OPERATIONS = {
    "assign": lambda a, b, x: a.assign(x * 2),
    "add": lambda a, b, x: a.assign_add(x),
    "sub": lambda a, b, x: a.assign_sub(0.5),
    "copy": lambda a, b, x: a.assign(b),
    "mix": lambda a, b, x: a.assign(jnp.sin(a * x) + b),
    "add twice": lambda a, b, x: a.assign_add(b).assign_add(b),
}


class Holder(lamina.Layer):
    """Three variables and a seed, with a program over them."""

    def __init__(self, steps):
        super().__init__()
        self.slots = [lamina.Variable(np.full(2, i + 1, "float32"), name=f"v{i}") for i in range(3)]
        self.seeds = lamina.random.SeedGenerator(7)
        self.steps = steps

    def run(self, x):
        for operation, first, second in self.steps:
            if operation == "draw":
                self.slots[first].assign_add(lamina.random.uniform((2,), seed=self.seeds))
            else:
                OPERATIONS[operation](self.slots[first], self.slots[second], x)
        return sum(jnp.sum(v * v) for v in self.slots)

    def state(self):
        return [v.numpy() for v in self.variables]


def _twice(run):
    return lambda holder: [run(holder)(jnp.asarray(X)), run(holder)(jnp.asarray(-X))]


def _scanned(holder, wrap=lambda f: f):
    xs = jnp.stack([X, -X])
    return list(wrap(lambda xs: lamina.scan(lambda c, x: (c, holder.run(x)), None, xs)[1])(xs))


WAYS = {
    "jit": lambda h: [f := lamina.jit(h.run), f(X), f(-X)][1:],
    "jit in jit": lambda h: [g := lamina.jit(h.run), f := lamina.jit(lambda x: g(x)), f(X), f(-X)][2:],
    "jit of both": lambda h: list(lamina.jit(lambda x: (h.run(x), h.run(-x)))(X)),
    "jit of a compiled one twice": lambda h: [g := lamina.jit(h.run), *lamina.jit(lambda x: (g(x), g(-x)))(X)][1:],
    "value_and_grad": _twice(lambda h: lambda x: lamina.value_and_grad(lambda: h.run(x), h.slots)()[0]),
    "jit of value_and_grad": _twice(lambda h: lamina.jit(lambda x: lamina.value_and_grad(lambda: h.run(x), h.slots)()[0])),
    "value_and_grad of jit": _twice(lambda h: lambda x: lamina.value_and_grad(lamina.jit(h.run), h.slots)(x)[0]),
    "gradient of the argument": _twice(lambda h: lambda x: lamina.value_and_grad(h.run)(x)[0]),
    "remat": _twice(lambda h: lamina.remat(h.run)),
    "jit of remat": _twice(lambda h: lamina.jit(lamina.remat(h.run))),
    "gradient of remat": _twice(lambda h: lambda x: lamina.value_and_grad(lamina.remat(h.run))(x)[0]),
    "scan": _scanned,
    "jit of scan": lambda h: _scanned(h, lamina.jit),
    "scan of jit": lambda h: [g := lamina.jit(h.run), *lamina.scan(lambda c, x: (c, g(x)), 0, jnp.stack([X, -X]))[1]][1:],
    "map": lambda h: list(lamina.map(h.run, jnp.stack([X, -X]))),
    "cond": _twice(lambda h: lamina.jit(lambda x: lamina.cond(x[0] > 9, lambda x: jnp.sum(x), h.run, x))),
    "switch": _twice(lambda h: lamina.jit(lambda x: lamina.switch((x[0] > 9) + 1, [jnp.sum, h.run], x))),
    "fori_loop": lambda h: list(lamina.fori_loop(0, 2, lambda i, out: out.at[i].set(h.run(jnp.stack([X, -X])[i])), jnp.zeros(2))),
}


@pytest.mark.parametrize("way", WAYS)
@given(
    steps=st.lists(st.tuples(st.sampled_from([*OPERATIONS, "draw"]), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=5)
)
@examples(4)
def test_a_program_leaves_the_same_state_however_it_is_run(way, steps):
    plain, other = Holder(steps), Holder(steps)
    expected = [plain.run(jnp.asarray(X)), plain.run(jnp.asarray(-X))]
    assert_close(WAYS[way](other), expected)
    assert not has_tracer(*other.variables)
    for ours, theirs in zip(other.state(), plain.state(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


# --- lift ------------------------------------------------------------------------------------------------------------


def test_a_lifted_function_is_pure_and_takes_raw_transformations(total, weight):
    def step(x):
        total.assign_add(x * weight)
        return total

    pure = lamina.lift(step, [total, weight])
    with jax.checking_leaks():
        for run in (pure, jax.jit(pure)):
            out, new = run([np.ones(2), np.ones(2)], X)
            np.testing.assert_array_equal([out, *new], [1 + X, 1 + X, [1, 1]])
    grads = jax.grad(lambda values: jnp.sum(pure(values, X)[0]))([total.value, weight.value])
    np.testing.assert_array_equal(grads, [[1, 1], X])
    batch = jax.vmap(pure, in_axes=([0, None], None))([jnp.zeros((3, 2)), jnp.ones(2)], X)
    assert batch[0].shape == (3, 2)
    np.testing.assert_array_equal([total.numpy(), weight.numpy()], [[0, 0], [2, 3]])


def test_a_lifted_function_refuses_what_it_was_not_given(total, weight):
    pure = lamina.lift(lambda x: total.assign_add(weight * x), [weight])
    with pytest.raises(lamina.StateError, match=r"'total'.*lift"):
        pure([weight.value], X)
    with pytest.raises(lamina.StateError, match="'total'"):
        jax.jit(lamina.lift(lambda: lamina.scan(lambda c, x: (c, total.assign_add(x).sum()), 0, jnp.ones((2, 2))), [weight]))([X])
    with pytest.raises(ValueError, match=r"1 values? .*expected.*2"):
        pure([X, X], X)
    with pytest.raises(ValueError, match=r"weight.*\(2,\).*\(3,\)"):
        lamina.lift(lambda: weight * 1, [weight])([np.ones(3)])
    np.testing.assert_array_equal(total.numpy(), 0)


# --- jit -------------------------------------------------------------------------------------------------------------


def test_jit_takes_and_returns_structures_static_values_and_new_shapes(total):
    @functools.partial(lamina.jit, static_argnames=("mode", "times"))
    def f(inputs, mode, *, times=1):
        total.assign_add([1.0, 1.0])
        assert mode == "plus" or times > 0
        return {"out": [inputs["a"] * times, (inputs["b"], None)], "total": total, "mode": mode == "plus"}

    for n, size in enumerate((1, 2, 2, 3), start=1):
        out = f({"a": np.ones(size, "float32"), "b": jnp.zeros(size)}, "plus", times=size)
        assert out["mode"] and out["out"][1][1] is None
        np.testing.assert_array_equal(out["out"][0], np.full(size, size))
        np.testing.assert_array_equal(out["total"], [n, n])
        assert isinstance(out["total"], jax.Array)
    f({"a": X, "b": X}, mode="minus", times=2)
    by_number = lamina.jit(lambda x, power: x**power + total[0], static_argnums=1)
    assert float(by_number(2.0, 3)) == float(by_number(2.0, power=3)) == 13.0


def test_a_branch_that_only_a_later_trace_takes_may_touch_other_variables(total, weight):
    @lamina.jit
    def f(x):
        total.assign_add(jnp.sum(x) * jnp.ones(2))
        if x.shape[0] > 2:
            weight.assign_add(total)
        return total

    for size in (1, 3, 1, 3):
        f(np.ones(size, "float32"))
    np.testing.assert_array_equal(total.numpy(), [8, 8])
    np.testing.assert_array_equal(weight.numpy(), [2 + 4 + 8, 3 + 4 + 8])


def test_a_method_is_compiled_as_a_function_is():
    class Counter:
        def __init__(self):
            self.count = lamina.Variable(0)

        def add(self, n):
            self.count.assign_add(n)
            return self.count * 10

        compiled = lamina.jit(add)

        @lamina.jit
        def decorated(self, n):
            return self.add(n)

        @functools.partial(lamina.jit, static_argnames="n")
        def with_static(self, n):
            return self.add(int(n))

    first, second = Counter(), Counter()
    bound = lamina.jit(first.add)
    assert [int(bound(1)), int(bound(2))] == [10, 30]
    for method in (second.compiled, second.decorated, second.with_static):
        method(1)
    assert [int(first.count), int(second.count)] == [3, 3]
    assert int(first.decorated(n=1)) == 40 and int(second.count) == 3


def test_variables_are_found_through_layers_built_in_the_first_call():
    net = lamina.Sequential([lamina.layers.Dense(3), lamina.layers.BatchNormalization(), lamina.layers.Dense(1)])
    step = lamina.jit(lambda x: net(x, training=True))
    x = np.arange(12, dtype="float32").reshape(4, 3)
    out = step(x)
    assert len(net.weights) == 8 and not has_tracer(*net.variables)
    moved = net.layers[1].moving_mean.numpy()
    assert np.abs(moved).max() > 0
    np.testing.assert_allclose(out, net(x, training=True), rtol=1e-5, atol=1e-6)
    step(x)
    assert_close(net.layers[1].moving_mean.numpy(), moved * (1 + 0.99 + 0.99**2), rtol=1e-4)


@pytest.mark.parametrize("kind", ["variable", "layer", "seed"])
def test_state_made_inside_a_compiled_function_is_local_or_refused_in_words(kind):
    """Never an endless search for the variables that the function touches."""
    traces = []

    def f(x):
        traces.append(None)
        assert len(traces) < 50, "the function is traced again and again"
        if kind == "variable":
            local = lamina.Variable(np.ones((), "float32"), name="local")
            local.assign_add(1.0)
            return local * jnp.sum(x)
        if kind == "layer":
            return lamina.layers.Dense(1, kernel_initializer=lamina.initializers.Constant(2.0))(x[None]).sum()
        lamina.random.uniform((), seed=lamina.random.SeedGenerator(3))
        return 2 * jnp.sum(x)

    compiled, refused = lamina.jit(f), ""
    try:
        out = [float(compiled(X)), float(compiled(X))]
    except lamina.StateError as error:
        refused = str(error)
    assert "outside" in refused or (not refused and np.allclose(out, -1.0))  # the message says where such state belongs


def test_one_trace_is_enough_once_the_variables_are_known(total):
    traces = []

    @lamina.jit
    def f(x):
        traces.append(None)
        total.assign_add(x)
        return total

    f(X)
    at_first = len(traces)
    for _ in range(5):
        f(X)
    assert len(traces) == at_first <= 2


def test_calls_of_a_kind_that_is_known_are_fast(total):
    @lamina.jit
    def f(x):
        if x.size > 3:
            raise ValueError("too long")
        return total.assign_add(x.sum())

    for x in (X, X[:1]):
        f(x)
    with pytest.raises(ValueError, match="too long"):
        f(np.zeros(4, "float32"))
    for x in (X, X[:1]):
        f(x)
    with slow_calls_refused():
        for x in (X, X[:1], X):
            f(x)


@pytest.mark.parametrize("seen", ["training", "dtype"])
def test_a_compiled_function_inside_a_layer_knows_the_layers_call(seen):
    """A program made for one value of `training`, or one dtype policy, does not serve another."""

    class Inner(lamina.Layer):
        def call(self, x, training=False):
            return x * 2 if training else x

    class Outer(lamina.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Inner()
            self.compiled = lamina.jit(self.inner)

        def call(self, x, training=False):
            return self.compiled(x)

    w = lamina.Variable(np.full((), 1.001, "float32"))
    read = lamina.jit(lambda: w * 1)

    class Reader(lamina.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.w = w

        def call(self, x):
            return read()

    if seen == "training":
        outer = Outer()
        assert [float(outer(X, training=flag)[0]) for flag in (False, True, False)] == [0.5, 1.0, 0.5]
    else:
        low, high = Reader(dtype="mixed_bfloat16"), Reader()
        assert [str(layer(X).dtype) for layer in (low, high, low)] == ["bfloat16", "float32", "bfloat16"]


# --- donation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_arrays_that_somebody_holds_outlive_a_compiled_write(size):
    a, b, c = (lamina.Variable(np.ones(size, "float32")) for _ in range(3))
    add = lamina.jit(lambda: [v.assign_add(np.ones(size, "float32")).sum() for v in (a, b, c)])
    kept = {
        "value": a.value,
        "view": np.asarray(c.value),
        "in a dict": {"x": [c.value]},
        "memory": memoryview(np.asarray(b.value)),
    }
    b.assign(a.value)  # two variables, one array
    aliased = [b.value, np.asarray(a.value)]
    for _ in range(3):
        add()
    np.testing.assert_array_equal(kept["value"], 1)
    np.testing.assert_array_equal(kept["view"], 1)
    np.testing.assert_array_equal(kept["in a dict"]["x"][0], 1)
    np.testing.assert_array_equal(kept["memory"], 1)
    np.testing.assert_array_equal(aliased, 1)
    for v in (a, b, c):
        np.testing.assert_array_equal(v.numpy(), 4)


def test_a_variables_own_array_may_be_an_argument_and_a_result(total):
    f = lamina.jit(lambda x: (total.assign_add(x).value, x, total.value))
    total.assign([1.0, 1.0])
    first = f(total.value)
    second = f(total.value)
    np.testing.assert_array_equal([*first, *second], np.array([[2, 2], [1, 1], [2, 2], [4, 4], [2, 2], [4, 4]]))
    total.assign_add([1.0, 1.0])
    np.testing.assert_array_equal(second[0], 4)


def test_an_array_is_donated_where_only_the_variable_holds_it():
    v = lamina.Variable(np.zeros(100_000, "float32"))
    add = lamina.jit(lambda: v.assign_add(np.ones(100_000, "float32"))[0])
    add()
    where = v.value.unsafe_buffer_pointer()
    add()
    assert v.value.unsafe_buffer_pointer() == where


# --- failures --------------------------------------------------------------------------------------------------------


def _raise(total):
    total.assign_add([1.0, 1.0])
    raise KeyError("mine")


@pytest.mark.parametrize("way", ["jit", "nested jit", "value_and_grad", "scan", "remat", "cond", "vmap", "while_loop", "layer"])
@pytest.mark.parametrize("compiled", [False, True])
def test_an_exception_inside_leaves_state_and_frames_as_they_were(way, compiled, total):
    class Failing(lamina.Layer):
        def call(self, x):
            _raise(total)

    def body(*_):
        _raise(total)

    ways = {
        "jit": lamina.jit(body),
        "nested jit": lamina.jit(lambda: lamina.jit(body)()),
        "value_and_grad": lambda: lamina.value_and_grad(body, total)(),
        "scan": lambda: lamina.scan(body, 0.0, jnp.ones(3)),
        "remat": lambda: lamina.remat(body)(),
        "cond": lambda: lamina.cond(jnp.array(True), body, body),
        "vmap": lambda: lamina.vmap(body)(jnp.ones(3)),
        "while_loop": lambda: lamina.while_loop(lambda x: x < 1, body, 0.0),
        "layer": lambda: Failing()(X),
    }
    if way == "cond" and not compiled:
        ways["cond"] = lambda: lamina.cond(True, lambda: lamina.jit(body)(), body)
    before = total.value
    with pytest.raises(KeyError, match="mine"):
        (lamina.jit(ways[way]) if compiled else ways[way])()
    assert total.value is before
    total.assign_add(X)
    np.testing.assert_array_equal(total.numpy(), X)


def test_a_nan_that_jax_is_told_to_look_for_is_found_and_leaves_the_variables_as_they_were():
    v = lamina.Variable(np.ones(2, "float32"), name="v")

    @lamina.jit
    def f(x):
        v.assign_add(jnp.ones(2))
        return jnp.log(x)

    f(1.0)
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        f(-1.0)
    np.testing.assert_array_equal(v.numpy(), 2)
    f(1.0)
    np.testing.assert_array_equal(v.numpy(), 3)


def test_without_jit_the_same_numbers_come_out(total):
    def f(x):
        out = lamina.scan(lambda c, x: (c + x, total.assign_add(x).sum()), jnp.zeros(2), x)
        return lamina.cond(jnp.sum(total) > 0, lambda: total * 2, lambda: total * 3), out

    x = jnp.arange(6.0).reshape(3, 2)
    compiled = lamina.jit(f)(x)
    total.assign([0.0, 0.0])
    with jax.disable_jit():
        plain = lamina.jit(f)(x)
    jax.tree.map(np.testing.assert_array_equal, compiled, plain)
    np.testing.assert_array_equal(total.numpy(), [6, 9])


# --- gradients -------------------------------------------------------------------------------------------------------


def test_gradients_are_those_of_jax_for_any_structure_of_variables(weight):
    bias = lamina.Variable(np.float32(0.5), name="bias")

    def loss(x, scale=1.0):
        return jnp.sum(jnp.tanh(x * weight + bias)) * scale

    def pure(values, x, scale=1.0):
        return jnp.sum(jnp.tanh(x * values["w"][0] + values["b"])) * scale

    wrt, values = {"w": [weight], "b": bias}, {"w": [weight.value], "b": bias.value}
    for wrap in (lambda f: f, lamina.jit):
        ours = wrap(lamina.value_and_grad(loss, wrt))(X, scale=2.0)
        theirs = jax.value_and_grad(pure)(values, X, scale=2.0)
        assert jax.tree.structure(ours) == jax.tree.structure(theirs)
        jax.tree.map(lambda a, b: assert_close(a, b, rtol=1e-6), ours, theirs)
    assert_close(lamina.grad(loss, weight)(X), theirs[1]["w"][0] / 2, rtol=1e-6)
    assert_close(lamina.grad(loss)(X), jax.grad(loss)(jnp.asarray(X)), rtol=1e-6)


def test_a_variable_asked_for_twice_has_its_whole_gradient_in_both_places():
    w = lamina.Variable(3.0)
    np.testing.assert_array_equal(lamina.grad(lambda: w * w, [w, w])(), [6, 6])


@pytest.mark.parametrize("argnums", [0, 1, -1, (0, 1), (1, 0), (-1, 0), (1,)])
def test_argnums_mean_what_they_mean_in_jax(argnums):
    def f(x, y):
        return x * y**2, {"x": x}

    expected = jax.value_and_grad(f, argnums, has_aux=True)(2.0, 3.0)
    for wrap in (lambda f: f, lamina.jit):
        ours = wrap(lamina.value_and_grad(f, argnums=argnums, has_aux=True))(2.0, 3.0)
        assert jax.tree.structure(ours) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, ours, expected)
        grads, aux = lamina.grad(f, argnums=argnums, has_aux=True)(2.0, 3.0)
        assert jax.tree.structure(grads) == jax.tree.structure(expected[1]) and float(aux["x"]) == 2.0


def test_second_derivatives_and_gradients_inside_gradients_keep_state(total):
    w = lamina.Variable(2.0)

    def inner():
        total.assign_add([1.0, 1.0])
        return w**3

    for wrap in (lambda f: f, lamina.jit):
        total.assign([0.0, 0.0])
        assert float(wrap(lamina.grad(lambda: lamina.grad(inner, w)() ** 2, w))()) == 2 * 12 * 12
        np.testing.assert_array_equal(total.numpy(), 1)


def test_gradients_flow_through_a_value_written_and_read_again(weight, total):
    def loss(x):
        total.assign(weight * x)
        total.assign_add(total)
        return jnp.sum(total * x)

    for wrap in (lambda f: f, lamina.jit):
        assert_close(wrap(lamina.grad(loss, weight))(X), 2 * X * X, rtol=1e-6)
        assert_close(total.numpy(), 2 * X * weight.numpy(), rtol=1e-6)
        assert not has_tracer(total, weight)


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_loss_may_use_a_value_before_it_writes_over_it(wrap, order):
    """The gradient needs the old value: a compiled loss must not donate it away."""
    first, second = lamina.Variable(np.array([2.0, 3.0], "float32")), lamina.Variable(np.array([4.0, 5.0], "float32"))

    def loss(x):
        value = jnp.sum(first * first * second) * x
        first.assign_add([1.0, 1.0])
        return value

    compute = lamina.value_and_grad(wrap(loss), [first, second][::order])
    for _ in range(2):
        a, b = first.numpy(), second.numpy()
        grads = compute(3.0)[1]
        assert_close(grads, [6 * a * b, 3 * a * a][::order], rtol=1e-6)
        np.testing.assert_array_equal(first.numpy(), a + 1)


def test_what_cannot_be_differentiated_is_refused_in_words(weight):
    with pytest.raises(ValueError, match="build"):
        lamina.value_and_grad(lambda: 0.0, lamina.layers.Dense(1).trainable_weights)
    with pytest.raises(TypeError, match="argnums"):
        lamina.value_and_grad(lambda: 0.0, [weight, 3.0])
    with pytest.raises(TypeError, match="steps"):
        lamina.grad(lambda: 0.0, lamina.Variable(0, name="steps"))


# --- two optimizers in one step, and threads ------------------------------------------------------------------------


def test_two_optimizers_in_one_compiled_step_are_ordinary():
    """Two models, trained against each other: as plain Python does it."""

    def run(wrap):
        lamina.random.set_seed(3)
        first, second = lamina.layers.Dense(2), lamina.layers.Dense(1)
        optimizers = lamina.optimizers.Adam(0.1), lamina.optimizers.SGD(0.1)
        data = np.arange(6, dtype="float32").reshape(3, 2) / 6
        second(first(data))

        @wrap
        def step(x):
            value, grads = lamina.value_and_grad(lambda: jnp.mean(second(first(x)) ** 2), first.trainable_weights)()
            optimizers[0].apply(grads, first.trainable_weights)
            other, grads = lamina.value_and_grad(lambda: -jnp.mean(second(first(x)) ** 2), second.trainable_weights)()
            optimizers[1].apply(grads, second.trainable_weights)
            return value, other

        return [np.asarray(step(data)) for _ in range(3)], first.get_weights() + second.get_weights()

    eager, compiled = run(lambda f: f), run(lamina.jit)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-6), eager, compiled)


def test_another_thread_reads_the_variables_own_value_while_a_frame_is_open(weight):
    layer = lamina.layers.Dense(1, kernel_initializer="ones")
    layer(X[None])
    seen = []

    def body(x):
        layer.kernel.assign(layer.kernel * x)
        thread = threading.Thread(target=lambda: seen.append([w.numpy().tolist() for w in layer.weights]))
        thread.start()
        thread.join()
        return layer.kernel.value.sum()

    lamina.jit(body)(5.0)
    lamina.value_and_grad(body)(3.0)
    assert seen[0] == [[[1.0], [1.0]], [0.0]] and seen[-1] == [[[5.0], [5.0]], [0.0]]
    assert layer.kernel.numpy().tolist() == [[15.0], [15.0]]


def test_compiled_functions_and_what_they_touch_can_be_collected():
    def run():
        v = lamina.Variable(1.0)
        lamina.jit(lambda: v.assign_add(1.0).value)()
        return weakref.ref(v)

    gone = run()
    gc.collect()
    assert gone() is None


def test_variables_expected_in_another_order_are_told_apart_as_themselves():
    a, b = lamina.Variable(np.ones(2, "float32")), lamina.Variable(np.ones(4, "float32"))
    total = lamina.jit(lambda: a.sum() + b.sum())
    for order in ([a, b], [b, a]):
        total._expect(order, [])
        assert float(total()) == 6
