"""Operations that are computed in one way on one platform and in another way on the next.

An `Operation` has a default form, and forms for some platforms. In a traced program it is one equation, a primitive of JAX that
says what is computed and leaves open how. How is decided when the program is lowered, for the platform that it is lowered for:
only then, and only that platform's form is traced. So a program that was traced on a CPU and is exported for a GPU has the GPU's
form in it, and one that is exported for both has both, each for its own.

Differentiating or mapping an operation gives another computation of it, which is decided as late: in the program of a platform
stand the derivatives of that platform's form, with its own rules. `Call`, `Tangent`, `Transposed` and `Mapped` are these
computations; they nest, so that derivatives are of any order and kind.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import jax
from jax.interpreters import ad, batching, mlir, partial_eval

from lamina.core.text import show_shape
from lamina.core.variable import Array

R = TypeVar("R")  # what an operation returns: an array, or a tuple of several
Form = Callable[..., R]
Flat = Callable[..., Sequence[Array]]  # takes arrays, returns arrays


class Operation(Generic[R]):
    """A function of arrays that has a form for each platform.

    A form is a pure function. Its positional arguments are arrays, None, or tuples of such, its keywords settings that can be
    hashed. It returns an array, or a tuple of several, of the shapes and dtypes that the default form returns. It may have rules
    for its derivatives. Of a call nothing is kept for the gradient but the arguments: what else its rules need is computed
    again, and where that stands in one program with the forward pass, XLA merges the two. It may not use the names of mapped
    axes, which are gone when it is traced.

    Args:
        name: what it is called in traced programs.
        default: the form where there is no other. It also says what the outputs are like.
        outputs: a function that says so, too, and is traced faster, where the default form has many parts.
        forms: others, by platform: "cpu", "cuda", "rocm", "tpu".

    >>> double = Operation("double", lambda x: 2 * x, tpu=lambda x: x + x)
    >>> jax.make_jaxpr(double)(1.0).eqns[0].primitive
    double
    >>> jax.export.export(jax.jit(double), platforms=["tpu"])(1.0).mlir_module().count("stablehlo.add")
    1
    """

    def __init__(self, name: str, default: Form[R], outputs: Form[Any] | None = None, **forms: Form[R]) -> None:
        self.name, self.default, self.outputs, self.forms = name, default, outputs, forms

    def __repr__(self) -> str:
        return self.name

    def form(self, platform: str | None) -> Form[R]:
        """Returns the form for a platform, as a plain function, which runs anywhere; None is the default form."""
        return self.default if platform is None else self.forms.get(platform, self.default)

    def __call__(self, *args: Any, **settings: Any) -> R:
        """Computes the operation in the form of the platform that the program will be lowered for."""
        if not self.forms:
            return self.default(*args, **settings)
        arrays, tree = jax.tree.flatten(args)
        precision, x64 = jax.config.jax_default_matmul_precision, jax.config.jax_enable_x64  # type: ignore[attr-defined]
        call = Call(self, tree, tuple(sorted(settings.items())), precision, x64)
        outputs: Any = self.primitive.bind(*arrays, computation=call)
        result: Any = outputs[0] if len(outputs) == 1 else tuple(outputs)
        return cast(R, result)

    @functools.cached_property
    def primitive(self) -> Any:
        """The primitive of JAX that stands for it in traced programs."""
        from jax.extend.core import Primitive  # here, because it loads much of JAX

        primitive = Primitive(self.name)
        primitive.multiple_results = True
        primitive.def_impl(functools.partial(_run, primitive))
        primitive.def_abstract_eval(_abstract)
        ad.primitive_jvps[primitive] = functools.partial(_differentiate, primitive)
        ad.primitive_transposes[primitive] = functools.partial(_transpose, primitive)
        batching.primitive_batchers[primitive] = functools.partial(_map, primitive)
        for platform in (None, *self.forms):
            mlir.register_lowering(primitive, functools.partial(_lower, platform), platform)
        return primitive


# --- computations: what an equation stands for ----------------------------------------------------------------------------


class Computation:
    """What an equation of an operation computes; two that are equal compute the same."""

    @property
    def name(self) -> str:
        """What its function is called in lowered programs."""
        raise NotImplementedError

    def on(self, platform: str | None) -> Flat:
        """Returns the function of arrays that computes it with a platform's form."""
        raise NotImplementedError

    def outputs(self, avals: Sequence[Any]) -> Sequence[Any]:
        """Returns what the outputs for such arguments are like."""
        return list(jax.make_jaxpr(_compiled(self, None))(*avals).out_avals)


@dataclass(frozen=True)
class Call(Computation):
    """The operation itself, with what its arguments are besides arrays, and the settings of JAX that the call was made under."""

    operation: Operation[Any]
    tree: Any
    settings: tuple[tuple[str, Any], ...]
    precision: Any
    x64: bool

    @property
    def name(self) -> str:
        return self.operation.name

    def on(self, platform: str | None) -> Flat:
        return self._flat(self.operation.form(platform))

    def outputs(self, avals: Sequence[Any]) -> Sequence[Any]:
        outputs = self.operation.outputs
        if outputs is None or not _stand_alone(avals):
            return super().outputs(avals)
        return list(jax.make_jaxpr(self._flat(outputs))(*avals).out_avals)

    def _flat(self, form: Form[Any]) -> Flat:
        settings = dict(self.settings)

        def run(*arrays: Array) -> list[Array]:
            with jax.default_matmul_precision(self.precision), jax.enable_x64(self.x64):
                return jax.tree.leaves(form(*jax.tree.unflatten(self.tree, arrays), **settings))

        return run


@dataclass(frozen=True)
class Tangent(Computation):
    """The derivative of a computation along a direction: a function of its arguments, and of the tangents of those that move."""

    of: Computation
    moving: tuple[bool, ...]

    @property
    def name(self) -> str:
        return f"{self.of.name}_tangent"

    def on(self, platform: str | None) -> Flat:
        def run(*args: Array) -> list[Array]:
            function, primals, tangents = self.apart(platform, args)
            moved: list[Array] = jax.jvp(function, primals, tangents)[1]
            return moved

        return run

    def outputs(self, avals: Sequence[Any]) -> Sequence[Any]:
        return self.of.outputs(avals[: len(self.moving)]) if _stand_alone(avals) else super().outputs(avals)

    def apart(self, platform: str | None, args: Sequence[Array]) -> tuple[Flat, list[Array], list[Array]]:
        """Returns the computation as a function of what moves alone, where it is taken, and the tangents."""
        count = len(self.moving)
        function, still = self.of.on(platform), _those(self.moving, args[:count], False)

        def of_moving(*moving: Array) -> Sequence[Array]:
            return function(*_merged(self.moving, moving, still))

        return of_moving, _those(self.moving, args[:count]), list(args[count:])


@dataclass(frozen=True)
class Transposed(Computation):
    """The transpose of a computation that is linear in some of its arguments: a function of the others and of cotangents.

    Outputs whose cotangents are zero are not part of it.
    """

    of: Computation
    linear: tuple[bool, ...]
    asked: tuple[bool, ...]  # which outputs have a cotangent
    avals: tuple[Any, ...]  # of the arguments that it is linear in

    @property
    def name(self) -> str:
        return f"{self.of.of.name}_gradient" if self._is_gradient else f"{self.of.name}_transposed"  # type: ignore[attr-defined]

    @property
    def _is_gradient(self) -> bool:
        return isinstance(self.of, Tangent) and self.linear == (
            *(False for _ in self.of.moving),
            *_those(self.of.moving, self.of.moving),
        )

    def on(self, platform: str | None) -> Flat:
        count = self.linear.count(False)

        def run(*args: Array) -> list[Array]:
            function, at = self._apart(platform, args[:count])
            return list(jax.vjp(lambda *args: _those(self.asked, function(*args)), *at)[1](list(args[count:])))

        return run

    def _apart(self, platform: str | None, fixed: Sequence[Array]) -> tuple[Flat, list[Array]]:
        """Returns a function whose gradient is the transpose, and where it is taken."""
        if self._is_gradient:
            function, at, _ = cast(Tangent, self.of).apart(platform, fixed)
            return function, at
        function = self.of.on(platform)
        return lambda *linear: function(*_merged(self.linear, linear, fixed)), [ad.zeros_like_aval(aval) for aval in self.avals]

    def outputs(self, avals: Sequence[Any]) -> Sequence[Any]:
        return self.avals if _stand_alone(avals) else super().outputs(avals)


@dataclass(frozen=True)
class Mapped(Computation):
    """A computation for each position along an axis of its arguments; None for those that are the same for all."""

    of: Computation
    axes: tuple[int | None, ...]

    @property
    def name(self) -> str:
        return f"{self.of.name}_mapped"

    def on(self, platform: str | None) -> Flat:
        return jax.vmap(self.of.on(platform), self.axes)


def _stand_alone(avals: Iterable[Any]) -> bool:
    """Tells whether no mesh of devices says where arrays lie; then a tangent is like what it is of, and a cotangent, too."""
    return all(aval.sharding.mesh.empty for aval in avals)


def _those(which: Iterable[bool], of: Iterable[Any], wanted: bool = True) -> list[Any]:
    return [item for chosen, item in zip(which, of, strict=True) if chosen is wanted]


def _merged(which: Iterable[bool], chosen: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    chosen, others = iter(chosen), iter(others)
    return [next(chosen if wanted else others) for wanted in which]


# --- rules: what JAX does with the primitive ------------------------------------------------------------------------------


def _differentiate(
    primitive: Any, primals: Sequence[Array], tangents: Sequence[Any], *, computation: Computation
) -> tuple[list[Array], list[Array]]:
    moving = tuple(type(tangent) is not ad.Zero for tangent in tangents)
    outputs = primitive.bind(*primals, computation=computation)
    return outputs, primitive.bind(*primals, *_those(moving, tangents), computation=Tangent(computation, moving))


def _transpose(primitive: Any, cotangents: Sequence[Any], *args: Any, computation: Computation) -> list[Any]:
    linear = tuple(ad.is_undefined_primal(arg) for arg in args)
    asked = tuple(type(cotangent) is not ad.Zero for cotangent in cotangents)
    fixed, avals = _those(linear, args, False), tuple(arg.aval for arg in _those(linear, args))
    transposed = Transposed(computation, linear, asked, avals)
    results = primitive.bind(*fixed, *_those(asked, cotangents), computation=transposed)
    return _merged(linear, results, [None] * len(fixed))


def _map(
    primitive: Any, args: Sequence[Array], axes: Sequence[int | None], *, computation: Computation
) -> tuple[list[Array], list[int]]:
    outputs = primitive.bind(*args, computation=Mapped(computation, tuple(axes)))
    return outputs, [0] * len(outputs)


def _abstract(*avals: Any, computation: Computation) -> list[Any]:
    return list(computation.outputs(avals))


def _lower(platform: str | None, context: Any, *args: Any, computation: Computation) -> Any:
    def checked(*args: Array) -> Sequence[Array]:
        outputs: Sequence[Array] = _compiled(computation, platform)(*args)
        wanted, found = ([(array.shape, array.dtype) for array in arrays] for arrays in (context.avals_out, outputs))
        if wanted != found:
            raise TypeError(
                f"The form of {computation.name} for {platform!r} returns {_listed(found)}, where the default form returns "
                f"{_listed(wanted)}; all forms of an operation must return arrays of the same shapes and dtypes."
            )
        return outputs

    return mlir.lower_fun(checked)(context, *args)


def _listed(arrays: Sequence[tuple[Any, Any]]) -> str:
    return ", ".join(f"{dtype} of shape {show_shape(shape)}" for shape, dtype in arrays) or "nothing"


@functools.lru_cache(maxsize=4096)
def _compiled(computation: Computation, platform: str | None) -> Any:
    """Returns the function of a computation, which JAX traces once for each kind of arguments, whichever program it stands in.

    What no output needs is left out: in a gradient the outputs of the form, mostly.
    """
    function = computation.on(platform)

    def run(*args: Array) -> Sequence[Array]:
        closed = jax.make_jaxpr(function)(*args)
        jaxpr, _ = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.out_avals), instantiate=True)
        return jax.core.eval_jaxpr(jaxpr, closed.consts, *args)

    run.__name__ = run.__qualname__ = f"{computation.name}_{platform or 'default'}"
    return jax.jit(run)


def _run(primitive: Any, *args: Array, computation: Computation) -> list[Array]:
    with jax.disable_jit(False):  # the form is chosen when the program is lowered, so there must be one
        outputs: list[Array] = _program(primitive, computation)(*args)
        return outputs


@functools.lru_cache(maxsize=4096)
def _program(primitive: Any, computation: Computation) -> Any:
    return jax.jit(lambda *args: primitive.bind(*args, computation=computation))
