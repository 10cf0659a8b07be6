"""What Lamina uses of JAX beyond its documented interface: each test that fails says what a new version has changed of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina.core.jax_internals as internals
from fast_calls import slow_calls_refused

EAGER = jnp.ones(2)


def transformed(look):
    """Calls look(x) inside each kind of trace."""
    jax.jit(look)(EAGER)
    jax.grad(lambda x: look(x).sum())(EAGER)
    jax.vmap(look)(EAGER)
    jax.lax.scan(lambda carry, x: (carry, look(x)), 0, EAGER)
    jax.eval_shape(lambda x: look(x), EAGER)  # not the function that jax.jit knows


# --- traces ----------------------------------------------------------------------------------------------------------


def test_the_state_of_traces_tells_each_from_the_others_and_from_eager_code():
    states = [internals.trace_state()]

    def look(x):
        states.append(internals.trace_state())
        assert internals.in_trace() and internals.is_tracer(x)
        return x

    transformed(look)
    assert len(states) == 6
    assert internals.trace_state() == states[0] == internals.eager_state()
    assert all(state != states[0] for state in states[1:])
    assert not internals.in_trace() and not internals.is_tracer(EAGER)


def test_a_trace_inside_another_has_a_state_of_its_own():
    def outer(x):
        state = internals.trace_state()
        jax.jit(lambda y: found.append(internals.trace_state() == state) or y)(x)
        found.append(internals.trace_state() == state)
        return x

    found = []
    jax.jit(outer)(EAGER)
    assert found == [False, True]


def test_after_a_call_that_failed_those_that_follow_are_fast_again():
    def function(x):
        if failing:
            raise ValueError
        return x + 1

    program, failing = jax.jit(function), True
    with pytest.raises(ValueError):  # noqa: PT011
        program(EAGER)
    failing = False
    program(EAGER)
    with slow_calls_refused(), pytest.raises(RuntimeError, match="no_tracing"):
        program(EAGER)
    internals.forget_failed_call(program)
    program(EAGER)
    with slow_calls_refused():
        program(EAGER)


def test_tracers_of_gradients_and_of_lanes_are_known():
    seen = {}

    def look(x, name):
        seen[name] = internals.is_differentiated(x), internals.is_batched(x)
        return x

    jax.grad(lambda x: look(x, "grad").sum())(EAGER)
    jax.jvp(lambda x: look(x, "jvp"), (EAGER,), (EAGER,))
    jax.linearize(lambda x: look(x, "linearize"), EAGER)
    jax.jit(lambda x: look(x, "jit"))(EAGER)
    jax.vmap(lambda x: look(x, "vmap"))(EAGER)
    differentiated, plain, batched = (True, False), (False, False), (False, True)
    assert seen == {"grad": differentiated, "jvp": differentiated, "linearize": differentiated, "jit": plain, "vmap": batched}


# --- faster ways -----------------------------------------------------------------------------------------------------


def test_the_fast_way_to_the_device_is_there():
    assert internals._device_put() is not None
    array = internals.put_on_default_device(np.arange(3, dtype="int32"))
    assert isinstance(array, jax.Array) and array.devices() == {jax.local_devices()[0]} and array.tolist() == [0, 1, 2]


def test_the_fast_way_to_shapes_is_there_and_gives_those_of_jax():
    assert internals._abstract_tracing() is not None
    specs = [jax.ShapeDtypeStruct((3, 4), "float32"), jax.ShapeDtypeStruct((4,), "bfloat16")]

    def function(arrays):
        return {"product": arrays[0] @ arrays[1], "sum": [arrays[0].sum(), jnp.zeros(5, "int8")]}

    assert internals.eval_shape(function, specs) == jax.eval_shape(function, specs)


def test_the_names_of_mapped_axes_are_known():
    found = []
    jax.vmap(lambda x: found.append(list(internals.axis_names())) or x, axis_name="lane")(EAGER)
    assert found == [["lane"]] and list(internals.axis_names()) == []


# --- what JAX tells --------------------------------------------------------------------------------------------------


def test_programs_that_are_compiled_are_told_of():
    told = []

    def listen(event, seconds, **_):
        told.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        jax.jit(lambda x: x * 3.25)(EAGER)
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert internals.COMPILED in told


def test_a_note_says_that_frames_were_removed():
    with pytest.raises(TypeError) as failure:
        jax.jit(lambda x: x + "text")(EAGER)
    if jax.config.jax_traceback_filtering == "remove_frames":
        assert any(note.startswith(internals.FRAMES_REMOVED) for note in getattr(failure.value, "__notes__", []))


def test_memory_that_does_not_suffice_is_known_by_its_message():
    with pytest.raises((jax.errors.JaxRuntimeError, MemoryError)) as failure:
        jax.block_until_ready(jax.jit(lambda: jnp.zeros((2**46,), "int8"))())
    assert internals.out_of_memory(failure.value)


def test_a_result_that_differs_between_lanes_is_known_by_its_message():
    with pytest.raises(ValueError, match="vmap") as failure:
        jax.vmap(lambda x: x, out_axes=None)(EAGER)
    assert internals.differs_between_lanes(failure.value)


def deleted():
    array = jnp.ones(3)
    array.delete()
    return array + 1


def donated():
    array = jnp.ones(3)
    jax.jit(lambda x: x + 1, donate_argnums=0)(array)
    return array + 1


def leaked():
    kept = []
    jax.jit(lambda x: kept.append(x) or x)(EAGER)
    return kept[0] + 1


MISTAKES = {
    "if": lambda: jax.jit(lambda x: 1 if x.sum() > 0 else 2)(EAGER),
    "range": lambda: jax.jit(lambda n: list(range(n)))(3),
    "NumPy": lambda: jax.jit(lambda x: np.sin(x))(EAGER),
    "boolean index": lambda: jax.jit(lambda x: x[x > 0])(EAGER),
    "float": lambda: jax.jit(lambda x: float(x.sum()))(EAGER),
    "leaked": leaked,
    "deleted": deleted,
    "donated": donated,
    "product": lambda: jnp.ones((2, 3)) @ jnp.ones((2, 3)),
    "sum": lambda: jnp.ones((2, 3)) + jnp.ones((2, 4)),
    "where": lambda: jax.lax.add(jnp.ones((2, 3)), jnp.ones((2, 4))),
    "concatenate": lambda: jnp.concatenate([jnp.ones((2, 3)), jnp.ones((2, 4))]),
    "reshape": lambda: jnp.ones(6).reshape(4),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_errors_that_people_meet_are_known(mistake):
    with pytest.raises(Exception) as failure:  # noqa: PT011
        MISTAKES[mistake]()
    assert internals.advice_on(failure.value)
