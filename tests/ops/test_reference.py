"""Every function of lamina.ops gives Keras's numbers, for arrays, Variables and symbolic tensors."""

import inspect
import operator
from typing import Any

import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import jax
import keras
import numpy as np
import pytest

import lamina
from lamina import ops
from lamina.core.graph import replay
from lamina.core.symbolic import SymbolicTensor
from ops.cases import BINARY, CALLS, COVERED, REDUCTIONS, UNARY, Call, real
from ops.compare import arrays_to, assert_same, leaves
from properties import examples

shapes = arrays.array_shapes(min_dims=1, max_dims=3, max_side=4)

LEFT_OUT: dict[str, str] = {}  # names of keras.ops that Lamina lacks, and why


def named(module: Any, name: str) -> Any:
    """The function of a module that goes by a name, such as "add" or "image.resize"."""
    return operator.attrgetter(name)(module)


def both(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    return getattr(ops, name)(*args, **kwargs), getattr(keras.ops, name)(*args, **kwargs)


def public(module: Any) -> set[str]:
    return {name for name in dir(module) if not name.startswith("_")}


def test_every_name_of_keras_is_there():
    assert public(keras.ops) - LEFT_OUT.keys() <= public(ops)
    for part in ("numpy", "nn", "linalg", "image"):
        assert public(getattr(keras.ops, part)) - LEFT_OUT.keys() <= set(getattr(ops, part).__all__), part


def test_every_public_name_is_compared():
    assert public(ops) - {"linalg", "nn", "numpy"} == {name.split(".")[0] for name in COVERED}
    assert {f"image.{name}" for name in ops.image.__all__} == {name for name in COVERED if name.startswith("image.")}


def assert_all_same(arguments: dict[str, tuple[Any, ...]]) -> None:
    """All functions at once, in one compiled program, which takes a fraction of the time of as many small ones."""

    def run(arguments: Any) -> Any:
        return [{name: getattr(module, name)(*args) for name, args in arguments.items()} for module in (ops, keras.ops)]

    ours, theirs = jax.jit(run)(arguments)
    for name in arguments:
        assert_same(ours[name], theirs[name], note=f"{name}{[a.shape for a in arguments[name]]}")


@examples(3)
@hypothesis.given(shape=shapes)
def test_functions_of_one_array(shape):
    assert_all_same({name: (make(*shape),) for name, make in UNARY.items()})


@examples(3)
@hypothesis.given(shape=shapes)
def test_functions_of_two_arrays(shape):
    assert_all_same({name: (first(*shape), second(*shape)) for name, (first, second) in BINARY.items()})


@examples(3)
@hypothesis.given(data=st.data(), shape=shapes, keepdims=st.booleans())
def test_reductions(data, shape, keepdims):
    axis = data.draw(st.none() | st.integers(-len(shape), len(shape) - 1))

    @jax.jit
    def run(x: jax.Array) -> Any:
        positional = {name: both(name, x, axis, keepdims) for name in REDUCTIONS}
        return positional, {name: both(name, x, axis=axis, keepdims=keepdims) for name in REDUCTIONS}

    for results in run(real(*shape)):
        for name, (ours, theirs) in results.items():
            assert_same(ours, theirs, note=f"{name}{shape}, axis={axis}, keepdims={keepdims}")


CASES = [pytest.param(name, one, id=f"{name}-{number}") for name, number, one in CALLS]


def keras_numbers(name: str, one: Call) -> Any:
    """What Keras gives; compiled as a whole where it can be, which takes less time than compiling each of its steps."""
    function = named(keras.ops, name)
    leaves, tree = jax.tree.flatten((one.args, one.kwargs))
    arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
    if not arrays or one.data_dependent or name in ("convert_to_numpy", "rearrange"):
        return function(*one.args, **one.kwargs)

    def run(arrays: list[jax.Array]) -> Any:
        remaining = iter(arrays)
        args, kwargs = tree.unflatten([next(remaining) if isinstance(leaf, np.ndarray) else leaf for leaf in leaves])
        return function(*args, **kwargs)

    return jax.jit(run)(arrays)


@pytest.mark.parametrize("name, one", CASES)
def test_case(name: str, one: Call):
    assert_same(named(ops, name)(*one.args, **one.kwargs), keras_numbers(name, one), tolerance=1e-4)


@pytest.mark.parametrize("name, one", [param for param in CASES if param.id.endswith("-0")])
def test_variables_stand_for_arrays(name: str, one: Call):
    function = named(ops, name)
    args, kwargs = arrays_to(lamina.Variable, (one.args, one.kwargs))
    assert_same(function(*args, **kwargs), function(*one.args, **one.kwargs))


SYMBOLIC = [param for param in CASES if not param.values[1].data_dependent]


@pytest.mark.parametrize("name, one", SYMBOLIC)
def test_symbolic_tensors_have_the_real_shapes_and_replay_to_the_same_numbers(name: str, one: Call):
    function, feed = named(ops, name), {}

    def symbol(array: np.ndarray) -> SymbolicTensor:
        tensor = SymbolicTensor(array.shape, array.dtype)
        feed[tensor] = array
        return tensor

    args, kwargs = arrays_to(symbol, (one.args, one.kwargs))
    if not feed or name == "convert_to_numpy":
        return
    outputs, real = function(*args, **kwargs), function(*one.args, **one.kwargs)
    symbols = jax.tree.leaves(outputs)
    assert [tuple(s.shape) for s in symbols] == [leaf.shape for leaf in leaves(real)]
    assert [s.dtype for s in symbols] == [leaf.dtype for leaf in leaves(real)]
    assert_same(replay(outputs, feed), real, tolerance=1e-4)


def test_sizes_that_are_not_known_stay_unknown():
    one = {name: (make(3, 4),) for name, make in UNARY.items()}
    two = {name: (first(3, 4), second(3, 4)) for name, (first, second) in BINARY.items()}
    for name, args in {**one, **two, **{name: (real(3, 4),) for name in REDUCTIONS}}.items():
        function = getattr(ops, name)
        output = function(*(SymbolicTensor((None, 4), array.dtype) for array in args))
        expected = jax.eval_shape(function, *args)
        assert output.dtype == expected.dtype, name
        assert all(size in (None, known) for size, known in zip(output.shape, expected.shape, strict=True)), name
        assert output.shape == expected.shape or None in output.shape, name


@pytest.mark.parametrize("name", sorted({name for name, _, call in CALLS if not call.data_dependent}))
def test_arguments_go_by_keras_s_names_too(name):
    theirs = inspect.signature(named(keras.ops, name))
    if any(p.kind is p.VAR_POSITIONAL for p in theirs.parameters.values()):
        return
    call = next(call for known, _, call in CALLS if known == name and not call.data_dependent)
    given = dict(theirs.bind(*call.args, **call.kwargs).arguments)
    given |= given.pop("kwargs", {})
    held = {key: value for key, value in given.items() if isinstance(value, np.ndarray) and name != "convert_to_numpy"}
    rest = {key: value for key, value in given.items() if key not in held}
    jax.eval_shape(lambda held: named(ops, name)(**held, **rest), held)


@pytest.mark.parametrize("name", [*UNARY, *BINARY, *REDUCTIONS])
def test_arrays_go_by_keras_s_names_too(name):
    makers = {**{key: (make,) for key, make in UNARY.items()}, **BINARY}.get(name, (real,))
    names = list(inspect.signature(getattr(keras.ops, name)).parameters)
    given = {key: make(2, 2) for key, make in zip(names, makers, strict=False)}
    jax.eval_shape(lambda given: getattr(ops, name)(**given), given)
