"""What to do about the errors of JAX that people meet most: each in a sentence or two that names the cause and the cure."""

import re

import jax

_TRACED = "This code is traced once, without numbers, to be compiled"
_PLAINLY = "To run steps as plain Python, compile(run_eagerly=True)."

_BY_TYPE: list[tuple[type[BaseException], str]] = [
    (
        jax.errors.TracerBoolConversionError,
        f"{_TRACED}, so Python's if, while, and, or, not cannot ask for a value of an array. Choose between values with "
        "lamina.ops.where(condition, a, b) and between computations with lamina.cond(condition, f, g, x); loop with "
        f"lamina.while_loop. A setting that is no array is named: lamina.jit(f, static_argnames='setting'). {_PLAINLY}",
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
_BY_MESSAGE: list[tuple[str, str]] = [
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


def cure_of(error: BaseException) -> str | None:
    """Returns what to do about an error of JAX's, or None.

    >>> cure_of(TypeError("add got incompatible shapes for broadcasting: (8, 3), (5, 2).")).split(":")[0]
    'Shapes are compared from their last axis on'
    """
    for kind, cure in _BY_TYPE:
        if isinstance(error, kind):
            return cure
    if isinstance(error, (TypeError, ValueError, RuntimeError)):
        message = str(error)
        for pattern, cure in _BY_MESSAGE:
            if re.search(pattern, message):
                return cure
    return None
