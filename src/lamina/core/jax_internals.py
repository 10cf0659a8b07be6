"""What Lamina uses of JAX beyond its documented interface.

All of it is here, and `tests/core/test_jax_internals.py` says what a new version of JAX has changed of it.
"""

import functools
import re
import threading
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


@functools.cache
def _state_reader() -> Any:
    from jax.extend.core import get_opaque_trace_state  # here, because it loads much of JAX that few programs need

    return get_opaque_trace_state


def trace_state() -> Any:
    """Returns what tells one running trace from another, and from plain eager code."""
    return _state_reader()()


@functools.cache
def eager_state() -> Any:
    """Returns what `trace_state` returns where no trace is running."""
    found: list[Any] = []  # a new thread runs no trace, whatever this one is doing
    thread = threading.Thread(target=lambda: found.append(trace_state()))
    thread.start()
    thread.join()
    return found[0]


def in_trace() -> bool:
    """Tells whether a JAX trace is running, so that new values may only be known while it lasts."""
    return bool(trace_state() != eager_state())


def is_tracer(value: Any) -> bool:
    """Tells whether a value is known only while a trace runs."""
    return isinstance(value, jax.core.Tracer)


def forget_failed_call(program: Any) -> None:
    """Lets a compiled function whose call raised an error be called fast again.

    JAX remembers that the first call with such arguments has failed, and calls of that kind take the slow way through Python from
    then on. What is traced and compiled stays.
    """
    program._clear_cache()


@functools.cache
def _device_put() -> Any:
    """The function of jaxlib below `jax.device_put`, which takes ten times as long; None where there is no such."""
    try:
        from jax._src.lib import xla_client
    except ImportError:
        return None
    return getattr(xla_client, "batched_device_put", None)


@functools.cache
def _alone(device: Any) -> Any:
    return jax.sharding.SingleDeviceSharding(device)


def put_on_default_device(host: np.ndarray) -> jax.Array:
    """Returns an array on the default device, which may go on reading the host's memory for as long as the array lives."""
    put = _device_put()
    device = jax.config.jax_default_device  # type: ignore[attr-defined]
    if put is None or isinstance(device, str):
        array: jax.Array = jax.device_put(host)
        return array
    device = device or jax.local_devices()[0]
    array = put(jax.core.ShapedArray(host.shape, host.dtype), _alone(device), [host], [device], False)
    return array


@functools.cache
def _abstract_tracing() -> Any:
    """The tracing on which `jax.eval_shape` rests, without the names and caches of `jax.jit`; None where there is no such."""
    try:
        from jax.api_util import debug_info
        from jax.extend.linear_util import wrap_init
        from jax.interpreters.partial_eval import trace_to_jaxpr_dynamic
    except ImportError:
        return None
    info = debug_info("jit", eval_shape, (), {})._replace(func_src_info="that was called")

    def trace(function: Callable[..., Any], avals: list[Any]) -> None:
        named = info._replace(arg_names=tuple(f"inputs[{i}]" for i in range(len(avals))))
        trace_to_jaxpr_dynamic(wrap_init(function, debug_info=named), avals)

    return trace


def eval_shape(function: Callable[[list[Any]], Any], specs: list[jax.ShapeDtypeStruct]) -> Any:
    """Returns the shapes and dtypes that a function of arrays gives; as `jax.eval_shape`, in a third of the time."""
    trace = _abstract_tracing()
    if trace is None:
        return jax.eval_shape(function, specs)
    found: list[Any] = []

    def flat(*arrays: Any) -> list[Any]:
        out = function(list(arrays))
        found.append(jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), out))
        return []

    avals = [jax.core.ShapedArray(spec.shape, jax.dtypes.canonicalize_dtype(spec.dtype)) for spec in specs]
    trace(flat, avals)
    return found[0]


@functools.cache
def _names_reader() -> Any:
    from jax.extend.core import unsafe_get_axis_names_DO_NOT_USE  # here, because it loads much of JAX

    return unsafe_get_axis_names_DO_NOT_USE


def axis_names() -> tuple[Any, ...]:
    """Returns the names of the axes that are mapped over here."""
    return tuple(_names_reader()())


# --- tracers ---------------------------------------------------------------------------------------------------------


def is_differentiated(value: Any) -> bool:
    """Tells whether a value is traced for a gradient."""
    kind = type(value).__name__
    return is_tracer(value) and ("JVP" in kind or "Linearize" in kind)


def is_batched(value: Any) -> bool:
    """Tells whether a value inside `jax.vmap` differs from lane to lane."""
    return getattr(value, "batch_dim", None) is not None


# --- what JAX tells --------------------------------------------------------------------------------------------------

COMPILED = "/jax/core/compile/backend_compile_duration"  # the event of a program that was compiled, or found on disk
FOUND = "/jax/compilation_cache/cache_hits"  # the event of one that was found on disk
FRAMES_REMOVED = "For simplicity, JAX has removed its internal frames"  # begins a note of JAX's


def out_of_memory(error: BaseException) -> bool:
    """Tells whether an error says that the device, or the host for it, has no memory left."""
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


def differs_between_lanes(error: BaseException) -> bool:
    """Tells whether an error of `jax.vmap` says that a result that was to be the same for all lanes is not."""
    return "out_axes" in str(error)


# What to do about the errors that people meet most: each in a sentence or two that names the cause and the cure.

_TRACED = "This code is traced once, without numbers, to be compiled"
_PLAINLY = "To run steps as plain Python, compile(run_eagerly=True)."

_ADVICE_BY_TYPE: list[tuple[type[BaseException], str]] = [
    (
        jax.errors.TracerBoolConversionError,
        f"{_TRACED}, so Python's if, while, and, or, not cannot ask for a value of an array. Choose between values with "
        "lamina.ops.where(condition, a, b) and between computations with lamina.cond(condition, f, g, x); loop with "
        f"lamina.while_loop. A setting that is not an array is named: lamina.jit(f, static_argnames='setting'). {_PLAINLY}",
    ),
    (
        jax.errors.TracerIntegerConversionError,
        f"{_TRACED}, so a number that is computed cannot be the count of a Python loop, a size, or an index of a Python list. "
        "Loop with lamina.fori_loop or lamina.scan, pick with lamina.ops.take, or make the number a setting: "
        "lamina.jit(f, static_argnames='count').",
    ),
    (
        jax.errors.TracerArrayConversionError,
        f"{_TRACED}, so NumPy, which computes with numbers, cannot take its arrays. Use the function of the same name of "
        f"lamina.ops or jax.numpy. {_PLAINLY}",
    ),
    (
        jax.errors.NonConcreteBooleanIndexError,
        f"{_TRACED}, so all shapes must be known, and how many elements a condition picks is not. Keep the shape and choose: "
        "lamina.ops.where(condition, x, 0).",
    ),
    (
        jax.errors.ConcretizationTypeError,
        f"{_TRACED}, so float(), int(), .item(), .tolist() and sizes that are computed cannot have their number. Leave the value "
        "an array (x.astype('float32') changes its type), print it with lamina.print, or return it and convert it outside. "
        f"{_PLAINLY}",
    ),
    (
        jax.errors.UnexpectedTracerError,
        "A value from inside compiled or differentiated code was kept (on an attribute, in a list, in a global variable) and used "
        "after that code had ended; it never had a number. Return it from the function instead (from a gradient with "
        "has_aux=True), or keep it in a lamina.Variable, with assign.",
    ),
]
_ADVICE_BY_MESSAGE: list[tuple[str, str]] = [
    (
        r"(Array|[Bb]uffer) has been (deleted|donated)|deleted or donated buffer",
        "The memory of this array was given to a compiled program to write over (donate_argnums of jax.jit), or freed by "
        "delete(). Use what that program returned, or give it a copy: jnp.array(x, copy=True).",
    ),
    (
        r"dot_general requires contracting dimensions to have the same shape",
        "A matrix product a @ b sums over the last axis of a and the last but one of b (or its only one), whose sizes must be "
        "equal: the message names both. Swap axes with lamina.ops.transpose, or change the size of one.",
    ),
    (
        r"incompatible shapes for broadcasting|Incompatible shapes for broadcasting|must have equal|shapes must be equal",
        "Shapes are compared from their last axis on: sizes must be equal, or one of them 1 or missing. Put in an axis with "
        "x[..., None] or lamina.ops.expand_dims, or bring both to one shape.",
    ),
    (
        r"Cannot concatenate arrays with shapes that differ",
        "All axes but the one along which arrays are put together must have equal sizes.",
    ),
    (
        r"cannot reshape array|reshape total size must be unchanged",
        "A reshape keeps the number of elements. Leave one size open with -1, and keep the first axis, the samples: "
        "lamina.ops.reshape(x, (x.shape[0], -1)).",
    ),
]


def advice_on(error: BaseException) -> str | None:
    """Returns what to do about an error of JAX's, or None.

    >>> advice_on(TypeError("add got incompatible shapes for broadcasting: (8, 3), (5, 2).")).split(":")[0]
    'Shapes are compared from their last axis on'
    """
    for kind, advice in _ADVICE_BY_TYPE:
        if isinstance(error, kind):
            return advice
    if isinstance(error, (TypeError, ValueError, RuntimeError)):
        message = str(error)
        for pattern, advice in _ADVICE_BY_MESSAGE:
            if re.search(pattern, message):
                return advice
    return None
