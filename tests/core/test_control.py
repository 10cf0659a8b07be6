"""Control flow that knows about state: equal to Python's loops and branches, eagerly, compiled and under gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import ops
from properties import examples

XS = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.25]], "float32")


class State:
    """Two variables that bodies write: one that gradients flow through, one that counts."""

    def __init__(self):
        self.memory = lamina.Variable(np.full(2, 0.5, "float32"), name="memory")
        self.count = lamina.Variable(0, name="count", trainable=False)
        self.scale = lamina.Variable(np.full(2, 1.5, "float32"), name="scale")

    def step(self, x):
        self.memory.assign(jnp.tanh(self.memory * self.scale + x))
        self.count.assign_add(1)
        return jnp.sum(self.memory * x) + self.count

    def values(self):
        return [self.memory.numpy(), self.count.numpy(), self.scale.numpy()]


def python_loop(state, xs):
    total, outs = jnp.zeros(()), []
    for x in xs:
        outs.append(state.step(x))
        total = total + outs[-1]
    return total, jnp.stack(outs)


def scan(state, xs):
    return lamina.scan(lambda c, x: (lambda y: (c + y, y))(state.step(x)), jnp.zeros(()), xs)


def fori_loop(state, xs):
    def body(i, value):
        y = state.step(xs[i])
        return value[0] + y, value[1].at[i].set(y)

    return lamina.fori_loop(0, len(xs), body, (jnp.zeros(()), jnp.zeros(len(xs))))


def fori_loop_told_its_variables(state, xs):
    def body(i, value):
        y = state.step(xs[i])
        return value[0] + y, value[1].at[i].set(y)

    variables = [state.memory, state.count]
    return lamina.fori_loop(0, len(xs), body, (jnp.zeros(()), jnp.zeros(len(xs))), variables=variables)


def while_loop(state, xs):
    def body(value):
        i, total, outs = value
        y = state.step(xs[i])
        return i + 1, total + y, outs.at[i].set(y)

    return lamina.while_loop(lambda value: state.count < len(xs), body, (0, jnp.zeros(()), jnp.zeros(len(xs))))[1:]


def mapped(state, xs):
    outs = lamina.map(state.step, xs)
    return outs.sum(), outs


def branches(state, xs):
    outs = []
    for x in xs:
        outs.append(lamina.cond(jnp.sum(x) > 0, state.step, lambda x: state.step(x) * 1, x))
    return sum(outs), jnp.stack(outs)


def switches(state, xs):
    outs = [lamina.switch(state.count, [lambda x: state.step(x) * 1, state.step], x) for x in xs]
    return sum(outs), jnp.stack(outs)


def rematerialised(state, xs):
    return python_loop_of(lamina.remat(state.step), xs)


def scan_of_rematerialised(state, xs):
    step = lamina.remat(state.step)
    return lamina.scan(lambda c, x: (lambda y: (c + y, y))(step(x)), jnp.zeros(()), xs)


def scan_of_scan(state, xs):
    outs = lamina.scan(lambda c, x: (c, lamina.map(state.step, x[None])[0]), None, xs)[1]
    return outs.sum(), outs


def python_loop_of(step, xs):
    outs = [step(x) for x in xs]
    return sum(outs), jnp.stack(outs)


LOOPS = [
    scan, fori_loop, fori_loop_told_its_variables, while_loop, mapped, branches, switches, rematerialised,
    scan_of_rematerialised, scan_of_scan,
]  # fmt: skip


def outcome(loop, way):
    """What a loop gives, and the state that it leaves."""
    state, wrap = State(), lamina.jit if way.startswith("jit") else lambda f: f
    if not way.endswith("grad"):
        return *wrap(lambda: loop(state, jnp.asarray(XS)))(), state.values()
    function = lamina.value_and_grad(lambda: loop(state, jnp.asarray(XS)), [state.scale, state.memory], has_aux=True)
    (total, outs), grads = wrap(function)()
    return total, outs, state.values(), grads


@functools.cache
def python_outcome():
    return outcome(python_loop, "jit of value_and_grad")


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["eager", "jit", "value_and_grad", "jit of value_and_grad"])
def test_a_loop_is_equal_to_pythons(loop, way):
    if loop is while_loop and way.endswith("grad"):
        with pytest.raises(ValueError, match=r"[Rr]everse-mode"):  # JAX cannot, and says so
            outcome(loop, way)
        return
    with jax.checking_leaks():
        ours = outcome(loop, way)
    for a, b in zip(ours, python_outcome(), strict=False):
        jax.tree.map(lambda x, y: assert_close(x, y), a, b)


def test_a_python_loop_is_equal_to_itself_compiled():
    jax.tree.map(lambda a, b: assert_close(a, b), outcome(python_loop, "eager"), python_outcome()[:3])


@given(length=st.integers(0, 5), reverse=st.booleans(), unroll=st.integers(1, 3), compiled=st.booleans(), data=st.booleans())
@examples(12)
def test_scan_has_the_results_of_jax_and_the_state_of_a_loop(length, reverse, unroll, compiled, data):
    total = lamina.Variable(np.float32(1.0))
    xs = {"a": jnp.arange(float(length)), "b": jnp.ones((length, 2))} if data else None

    def pure(carry, x):
        total, n = carry
        total = total * 1.5 + (x["a"] if data else n)
        return (total, n + 1.0), (total, x)

    def step(n, x):
        total.assign(total * 1.5 + (x["a"] if data else n))
        return n + 1.0, (total, x)

    (last, n), expected = jax.lax.scan(pure, (1.0, 0.0), xs, length, reverse, unroll)
    run = lambda: lamina.scan(step, 0.0, xs, length=length, reverse=reverse, unroll=unroll)  # noqa: E731
    carry, ys = (lamina.jit(run) if compiled else run)()
    jax.tree.map(lambda a, b: assert_close(a, b, rtol=1e-6), (carry, ys, total.value), (n, expected, last))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("index", [-3, 0, 1, 2, 7])
def test_a_branch_writes_only_what_it_writes(index, compiled):
    slots = [lamina.Variable(np.float32(i), name=f"slot{i}") for i in range(3)]

    def branch(i):
        return lambda x: slots[i].assign_add(x) * 10

    run = lambda index: lamina.switch(index, [branch(i) for i in range(3)], 5.0)  # noqa: E731
    chosen = min(max(index, 0), 2)
    assert float((lamina.jit(run) if compiled else run)(index)) == (chosen + 5) * 10
    assert [float(s) for s in slots] == [i + 5.0 * (i == chosen) for i in range(3)]


@pytest.mark.parametrize("pred", [True, False])
def test_cond_takes_a_variable_an_array_or_a_bool_and_runs_one_known_branch(pred):
    flag, ran = lamina.Variable(pred), []
    for given_as in (pred, np.bool_(pred), jnp.array(pred), flag):
        out = lamina.cond(given_as, lambda: ran.append(True) or 1.0, lambda: ran.append(False) or 2.0)
        assert out == (1.0 if pred else 2.0)
    assert ran == [pred] * 4
    assert float(lamina.jit(lambda: lamina.cond(flag, lambda: 1.0, lambda: 2.0))()) == (1.0 if pred else 2.0)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_condition_that_writes_is_refused_by_name(compiled):
    count = lamina.Variable(0, name="count")
    run = lambda: lamina.while_loop(lambda x: count.assign_add(1) < 3, lambda x: x, 0)  # noqa: E731
    with pytest.raises(lamina.StateError, match="count"):
        (lamina.jit(run) if compiled else run)()
    assert int(count) == 0


def test_a_loop_that_runs_no_turn_leaves_state_as_it_was():
    state = State()
    before = state.values()
    lamina.fori_loop(0, 0, lambda i, v: state.step(v) * v, jnp.ones(2))
    lamina.while_loop(lambda v: v > 2, lambda v: state.step(jnp.ones(2)) + v, 1.0)
    lamina.scan(lambda c, x: (c, state.step(x)), 0, jnp.zeros((0, 2)))
    jax.tree.map(np.testing.assert_array_equal, state.values(), before)


def test_the_number_of_turns_may_be_known_only_at_run_time():
    state, traces = State(), []

    @lamina.jit
    def run(n):
        traces.append(None)
        return lamina.fori_loop(0, n, lambda i, v: v + state.step(jnp.ones(2)), 0.0)

    run(3)
    count = len(traces)
    run(5)
    assert int(state.count) == 8 and len(traces) == count


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
def test_layers_are_built_inside_bodies_with_concrete_weights(wrap):
    def loop(kind, layer):
        call = lambda x: layer(x).sum()  # noqa: E731
        return {
            "scan": lambda: lamina.scan(lambda c, x: (c + call(x[None]), None), jnp.zeros(()), XS)[0],
            "fori_loop": lambda: lamina.fori_loop(0, 3, lambda i, c: c + call(jnp.asarray(XS)[i][None]), jnp.zeros(())),
            "remat": lambda: lamina.remat(call)(jnp.asarray(XS)),
            "vmap": lambda: lamina.vmap(lambda x: call(x[None]))(jnp.asarray(XS)).sum(),
            "cond": lambda: lamina.cond(jnp.sum(jnp.asarray(XS)) > 0, call, lambda x: x.sum(), jnp.asarray(XS)),
        }[kind]

    for kind in ("scan", "fori_loop", "remat", "vmap", "cond"):
        layer = lamina.layers.Dense(2)
        with jax.checking_leaks():
            out = wrap(loop(kind, layer))()
        assert len(layer.weights) == 2 and not any(isinstance(w.value, jax.core.Tracer) for w in layer.weights)
        assert_close(out, np.asarray(layer(XS)).sum())


# --- vmap ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
def test_vmap_takes_axes_as_jax_does_and_keeps_state_that_lanes_share(wrap):
    count = lamina.Variable(0.0)

    def f(x, y, scale):
        count.assign_add(1.0)
        return x @ y * scale["s"], count

    arguments = (jnp.asarray(XS), jnp.asarray(XS.T), {"s": jnp.array([1.0, 2.0, 3.0])})
    expected = jax.vmap(lambda x, y, scale: x @ y * scale["s"], in_axes=(0, 1, {"s": 0}))(*arguments)
    out, counted = wrap(lamina.vmap(f, in_axes=(0, 1, {"s": 0}), out_axes=(0, None)))(*arguments)
    assert_close(out, expected, rtol=1e-6)
    assert float(counted) == float(count) == 1.0
    keyword = wrap(lambda x: lamina.vmap(lambda x, *, k: x + k)(x, k=x))(jnp.asarray(XS))
    np.testing.assert_array_equal(keyword, 2 * XS)


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
def test_draws_differ_from_lane_to_lane_and_come_again_with_the_seed(wrap):
    def draws():
        seed = lamina.random.SeedGenerator(4)
        run = wrap(lamina.vmap(lambda x: x * 0 + lamina.random.uniform((2, 2), seed=seed)))
        nested = wrap(lamina.vmap(lamina.vmap(lambda x: x * 0 + lamina.random.uniform((), seed=seed))))
        return [run(jnp.zeros(5)), run(jnp.zeros(5)), nested(jnp.zeros((3, 4)))], seed.state.numpy()

    first, state = draws()
    second, _ = draws()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    numbers = np.concatenate([np.ravel(a) for a in first])
    assert len(np.unique(numbers)) == len(numbers) and state.tolist() == [4, 3]


def test_what_differs_between_lanes_cannot_be_written_and_the_message_names_it():
    total, other = lamina.Variable(np.float32(1), name="total"), lamina.Variable(np.float32(1), name="other")

    def f(x):
        other.assign_add(1.0)
        total.assign(x)
        return x

    for call in (lamina.vmap(f), lamina.jit(lamina.vmap(f))):
        with pytest.raises(lamina.StateError, match="total") as error:
            call(jnp.ones(3))
        assert "lane" in str(error.value) and "'other'" not in str(error.value)
    assert [float(total), float(other)] == [1, 1]


def test_what_is_reduced_over_the_lanes_may_be_written():
    total = lamina.Variable(np.float32(0))
    lamina.vmap(lambda x: total.assign_add(jax.lax.psum(x, "lanes")).value * x, axis_name="lanes")(jnp.arange(4.0))
    assert float(total) == 6.0


@pytest.mark.parametrize("kind", ["vmap", "value_and_grad", "remat", "layer"])
def test_what_runs_eagerly_compiles_nothing_once_it_has_run(kind):
    """Else each call would take a compile, and memory would grow with each."""
    compiled, xs, state = [], jnp.asarray(XS), State()
    seed, dense = lamina.random.SeedGenerator(0), lamina.layers.Dense(2)
    draw = lamina.vmap(lambda x: x + lamina.random.uniform((), seed=seed))

    run = {
        "vmap": lambda: draw(xs[:, 0]),
        "value_and_grad": lambda: lamina.value_and_grad(state.step, [state.scale])(xs[0]),
        "remat": lambda: lamina.remat(state.step)(xs[0]),
        "layer": lambda: dense(xs),
    }[kind]
    run()
    run()

    def listen(event, duration, **_):
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        run()
        run()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert compiled == []


# --- remat and custom_gradient ---------------------------------------------------------------------------------------


def test_remat_computes_again_instead_of_keeping():
    w = lamina.Variable(np.ones(4, "float32"))

    def f(x):
        return jnp.sum(jnp.sin(jnp.sin(x * w)))

    kept = jax.make_jaxpr(lambda x: jax.grad(lambda x: lamina.remat(f)(x))(x))(jnp.ones(4))
    assert "remat" in str(kept) or "checkpoint" in str(kept)
    plain, again = lamina.grad(f, w)(jnp.arange(4.0)), lamina.grad(lamina.remat(f), w)(jnp.arange(4.0))
    assert_close(plain, again, rtol=1e-6)


def test_remat_takes_the_options_of_checkpoint_and_arguments_that_are_not_arrays():
    def f(x, power, training=False):
        return jnp.sum(x**power) * (2 if training else 1)

    x = jnp.arange(1.0, 3.0)
    assert_close(lamina.grad(lamina.remat(f, static_argnums=1))(x, 3), 3 * x**2, rtol=1e-6)
    assert_close(lamina.grad(lamina.remat(f, static_argnums=(1, 2)))(x, 3, True), 6 * x**2, rtol=1e-6)


def test_a_layer_inside_remat_takes_training():
    layer = lamina.layers.Dropout(0.5, seed=1)
    out = lamina.remat(lambda x: layer(x, training=True))(jnp.ones((4, 8)))
    assert 0 < float((out == 0).mean()) < 1
    again = lamina.remat(lamina.layers.Dropout(0.5, seed=1))(jnp.ones((4, 8)), training=True)
    np.testing.assert_array_equal(out, again)


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit], ids=["eager", "jit"])
def test_a_custom_gradient_replaces_jaxs_and_keeps_state(wrap):
    w, count = lamina.Variable(np.float32(3.0)), lamina.Variable(0.0)

    @lamina.custom_gradient
    def f(x, y):
        count.assign_add(1.0)
        return x * y, lambda upstream: (upstream * 100, upstream * 1000)

    assert float(wrap(lambda: f(2.0, 5.0))()) == 10.0
    value, grads = wrap(lambda: lamina.value_and_grad(lambda: 2 * f(w.value, w.value), w)())()
    assert (float(value), float(grads), float(count)) == (18.0, 2200.0, 2.0)
    assert wrap(lambda: lamina.grad(f, argnums=(0, 1))(2.0, 5.0))() == (100.0, 1000.0)
    assert float(count) == 3.0


# --- printing, and the same through lamina.ops -----------------------------------------------------------------------


def test_print_prints_the_numbers_of_each_run_of_compiled_code(capfd):
    v = lamina.Variable(np.float32(1.0), name="v")

    @lamina.jit
    def f(x):
        v.assign_add(x)
        lamina.print("v is", v, "x is", x, sep="|", end=".\n")
        return x

    for x in (1.0, 2.0):
        f(x)
        jax.effects_barrier()
    lamina.print("eager", v, None, "a")
    assert capfd.readouterr().out == "v is|2.0|x is|1.0.\nv is|4.0|x is|2.0.\neager 4.0 None a\n"


def test_print_in_a_loop_prints_each_turn(capfd):
    lamina.scan(lambda c, x: (lamina.print("turn", x), (c, x))[1], 0, jnp.arange(3))
    jax.effects_barrier()
    assert sorted(capfd.readouterr().out.split("\n")) == ["", "turn 0", "turn 1", "turn 2"]


def test_ops_have_the_same_control_flow():
    state = State()
    outs = ops.scan(lambda c, x: (c, state.step(x)), 0, jnp.asarray(XS))[1]
    assert_close(outs, python_loop(State(), jnp.asarray(XS))[1], rtol=1e-6)
    ops.fori_loop(0, 2, lambda i, v: v + state.step(jnp.ones(2)), 0.0)
    ops.while_loop(lambda i: i < 3, lambda i: (state.step(jnp.ones(2)), i + 1)[1:], (0,))
    lamina.jit(lambda x: ops.cond(x > 0, lambda: state.step(jnp.ones(2)), lambda: 0.0))(1.0)
    assert int(state.count) == 3 + 2 + 3 + 1
