"""`jit`: stateful functions, compiled."""

import contextlib
import functools
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

import lamina.core.events as events
from lamina.core.context import context
from lamina.core.errors import add_context, filter_traceback
from lamina.core.frame import Cell, Frame, given_away, keep_for_readers, state_lock, store, transact
from lamina.core.interrupt import uninterrupted
from lamina.core.jax_internals import forget_failed_call, in_trace
from lamina.core.lift import only_variables, values_in
from lamina.core.masks import any_masks, masks_of, put_masks
from lamina.core.names import next_serial
from lamina.core.placement import copied, own_memory, placed
from lamina.core.side_effects import checking_side_effects
from lamina.core.text import ReprMixin, describe, describe_call, format_value
from lamina.core.variable import Array, Variable, are_same


class _Found(Exception):
    def __init__(self, read: list[Variable], written: list[Variable]) -> None:
        self.read = read
        self.written = written


class _NotTraced(Exception):
    """A program was started that has to be traced first."""


class _Touched(NamedTuple):
    """The variables that a function touches, and its programs for these.

    Attributes:
        read: those that it only reads.
        written: those that it writes.
        programs: by what surrounds a call, a program that donates what is written, and one that does not.
    """

    read: tuple[Variable, ...]
    written: tuple[Variable, ...]
    programs: dict[Any, tuple[Any, Any]]


class _Place:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _references() -> int:
    """The reference count, seen from a list, of an array that only one variable holds."""
    place = _Place(object())
    held = [place.value]
    return max(map(sys.getrefcount, held))


_OWN = _references()


def donatable(arrays: list[Array]) -> list[Array]:
    """Returns the arrays with a copy in place of each that somebody besides its variable holds, so that donation is safe."""
    if not arrays or max(map(sys.getrefcount, arrays)) <= _OWN:
        return arrays
    held = [count > _OWN for count in map(sys.getrefcount, arrays)]
    return [copied(array) if copy else array for array, copy in zip(arrays, held, strict=True)]


class Compiled(ReprMixin):
    """A stateful function, compiled: see `lamina.jit`.

    Args:
        function: any function of arrays.
        static_argnums: positions of arguments that are Python values.
        static_argnames: names of such arguments.
        name: what profiles, and those who watch, are shown; the function's own by default.
        borrows: whether who calls it leaves the memory of its arguments alone until the results are there.
        reason: why layers are called inside.
        because: why there is a first trace.
        reported: whether traces are told to those who watch.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: int | Sequence[int] = (),
        static_argnames: str | Sequence[str] = (),
        *,
        name: str | None = None,
        borrows: bool = False,
        reason: str = "jit",
        because: str = "first time",
        reported: bool = True,
    ) -> None:
        functools.update_wrapper(self, function)
        if name is not None:
            self.__name__ = name
        self.function = function
        self.static_argnums, self.static_argnames = _static(function, static_argnums, static_argnames)
        self._borrows, self._reason, self._because, self._reported = borrows, reason, because, reported
        self._traced = False
        self._last: dict[str, str] | None = None  # what the last trace was given
        self._known = False
        self._donates = True  # whether what it writes is written over in place
        self._bound: dict[int, Compiled] = {}  # of methods, for each instance by its identity: equal ones differ, too
        self._touched = _Touched((), (), {})

    def _facts(self) -> Iterable[str]:
        return [format_value(self.function)]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """Makes a function in a class body a method: compiled for each instance by itself."""
        if instance is None:
            return self
        key = id(instance)
        if key not in self._bound:
            forget = self._bound.pop
            reference = weakref.ref(instance, lambda _: forget(key, None))

            @functools.wraps(self.function)
            def method(*args: Any, **kwargs: Any) -> Any:
                return self.function(reference(), *args, **kwargs)

            del method.__wrapped__
            bound = Compiled(method)
            bound.static_argnums, bound.static_argnames = tuple(n - 1 for n in self.static_argnums if n), self.static_argnames
            self._bound[key] = bound
        return functools.partial(_call_method, self._bound[key], instance)

    @property
    def _written(self) -> tuple[Variable, ...]:
        """The variables that it is known to write so far."""
        return self._touched.written

    def _expect(self, read: Iterable[Variable], written: Iterable[Variable], donates: bool = True) -> None:
        """Says beforehand what the function touches, so that one trace is enough.

        Args:
            read: the variables that it reads.
            written: those that it writes.
            donates: whether these are written over in place.
        """
        self._donates = donates
        self._touch(read, written)

    def _touch(self, read: Iterable[Variable], written: Iterable[Variable]) -> None:
        """Makes programs for these variables the ones to run; those that are there stay, if the variables are the same."""
        writes = dict.fromkeys(written)
        variables = tuple(v for v in dict.fromkeys(read) if v not in writes), tuple(writes)
        if not all(map(are_same, variables, self._touched[:2])):
            self._touched = _Touched(*variables, {})

    def _compile(self, touched: "_Touched", surroundings: Any) -> tuple[Any, Any]:
        """Makes the program, one that donates and one that does not; its trace raises _Found if it touches other variables.

        Args:
            touched: the variables that are known so far.
            surroundings: what a trace depends on besides its arguments; each has a program of its own.
        """
        read, written = touched.read, touched.written
        known_read, known_written = {*read, *written}, set(written)
        first = not self._traced

        def pure(
            given: list[Array], kept: list[Array], masks: dict[int, Any], *args: Any, **kwargs: Any
        ) -> tuple[Any, list[Array]]:
            if context.dispatching:
                raise _NotTraced
            start = next_serial()
            if masks:
                put_masks(jax.tree.leaves((args, kwargs)), masks)
            frame = Frame(zip(written + read, given + kept, strict=True), log_reads=True)
            with (
                checking_side_effects(self._description, True, self.function),
                frame,
                events.reason(self._reason),
                self._reporting(args, kwargs, surroundings),
            ):
                out = values_in(self.function(*args, **kwargs))
            # A variable that this trace has made belongs to a layer that was built, or, made once more, to this call alone.
            outside = [v for v in only_variables(frame.reads) + only_variables(frame.written) if first or v._lamina.serial < start]
            new_read = [v for v in outside if v not in known_read and v in (frame.reads or ())]
            new_written = [v for v in outside if v not in known_written and v in frame.written]
            if new_read or new_written:
                raise _Found(new_read, new_written)
            return out, [placed(frame.values[variable], variable._placement) for variable in written]

        pure.__name__ = getattr(self, "__name__", "function")  # what profiles and logs show
        static = tuple(n + 3 for n in self.static_argnums)
        compiled = functools.partial(jax.jit, pure, static_argnums=static, static_argnames=self.static_argnames)
        programs = touched.programs[surroundings] = compiled(donate_argnums=0), compiled()
        return programs

    def _reporting(self, args: tuple[Any, ...], kwargs: dict[str, Any], surroundings: tuple[Any, ...]) -> Any:
        """Returns a context that tells those who watch of a trace, and why there is one."""
        if not self._reported:
            return contextlib.nullcontext()
        before, now = self._last, _named(self.function, args, kwargs, surroundings)
        self._last = now
        changed = [] if before is None else [name for name in {**before, **now} if before.get(name) != now.get(name)]
        if before is None:
            because = self._because
        elif changed:
            because = "; ".join(f"{name} was {before.get(name, 'not given')}, is {now.get(name, 'not given')}" for name in changed)
        else:
            because = "it reads or writes other variables than were known" if self._known else "the first one found its variables"
            self._known = True
        name = getattr(self, "__name__", "function")
        return events.happening("trace", name, reason=events.current_reason(), because=because, given=_listed(now))

    @property
    def _description(self) -> str:
        """What messages call it."""
        if self._reason != "jit":
            return f"the {self._reason}"
        return f"the compiled function {getattr(self, '__name__', 'function')!r}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not events.listeners or context.frames:
                return self._call(args, kwargs, {})
            with events.run(getattr(self, "__name__", "function")):
                return self._call(args, kwargs, {})
        except (_Found, _NotTraced):
            raise
        except Exception as error:
            filter_traceback(error)
            raise

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], also: Mapping[Cell, Any]) -> Any:
        """Calls it.

        Args:
            args: what the function is given by place.
            kwargs: what it is given by name.
            also: values of other cells, to be stored together with those of its variables.
        """
        try:
            return self._run(args, kwargs, also)
        except (_Found, _NotTraced):
            raise
        except Exception as error:
            add_context(error, self._description, describe_call(args, kwargs))
            filter_traceback(error)
            raise

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any], also: Mapping[Cell, Any]) -> Any:
        if not self._borrows:
            args, kwargs = own_memory(args), own_memory(kwargs) if kwargs else kwargs
        masks = masks_of(jax.tree.leaves((args, kwargs))) if any_masks() else {}
        if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
            call = self.function if context.frames or in_trace() else functools.partial(transact, self.function)
            return call(*args, **kwargs)
        run = self._run_inside if context.frames or in_trace() else functools.partial(self._run_alone, also)
        while True:
            touched = self._touched
            try:
                return run(touched, args, kwargs, masks)
            except _Found as found:
                self._traced = True
                self._touch((*touched.read, *found.read), (*touched.written, *found.written))

    def _run_alone(
        self,
        also: Mapping[Cell, Any],
        touched: "_Touched",
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        masks: dict[int, Any],
    ) -> Any:
        """Runs the program on the variables themselves, whose arrays it may write over: nobody else reads or writes meanwhile.

        Where it has to be traced and compiled first, that is done while others go on.
        """
        read, written = touched.read, touched.written
        surroundings = _surroundings(touched)
        donating, keeping = touched.programs.get(surroundings) or self._compile(touched, surroundings)
        donates = self._donates and written and not jax.config.jax_debug_nans  # type: ignore[attr-defined]
        program = donating if donates else keeping
        for traced in (False, True):
            with state_lock, uninterrupted() if donates else contextlib.nullcontext():
                keep_for_readers(written)
                kept = [variable._value for variable in read]
                context.dispatching, before = not traced, context.dispatching
                try:
                    given_away.update(written if donates else ())
                    given = [variable._value for variable in written]
                    given = donatable(given) if donates else given
                    out, new = program(given, kept, masks, *args, **kwargs)
                    store((*written, *also), (*new, *also.values()))
                    return out
                except BaseException as error:
                    forget_failed_call(program)
                    if not isinstance(error, _NotTraced):
                        raise
                finally:
                    given_away.clear()
                    context.dispatching = before
            context.dispatching, before = False, context.dispatching
            try:
                program.lower(given, kept, masks, *args, **kwargs).compile()
            finally:
                context.dispatching = before
        raise AssertionError("a program that has been traced runs")

    def _run_inside(self, touched: "_Touched", args: tuple[Any, ...], kwargs: dict[str, Any], masks: dict[int, Any]) -> Any:
        """Runs the program inside a frame or a trace; donates nothing: a gradient may need what was read, or a frame go back."""
        surroundings = _surroundings(touched)
        _, keeping = touched.programs.get(surroundings) or self._compile(touched, surroundings)
        kept, given = [v._read() for v in touched.read], [v._read() for v in touched.written]
        if touched.written and not context.frames:
            touched.written[0]._check(given[0])
        before, context.dispatching = context.dispatching, False
        try:
            out, new = keeping(given, kept, masks, *args, **kwargs)
        except BaseException:
            forget_failed_call(keeping)
            raise
        finally:
            context.dispatching = before
        for variable, value in zip(touched.written, new, strict=True):
            variable.assign(value)
        return out


def _surroundings(touched: "_Touched") -> tuple[Any, ...]:
    """Returns what a trace depends on besides its arguments: also where that lies which it writes."""
    return context.training, context.autocast, tuple([variable._placement for variable in touched.written])


def _named(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], surroundings: tuple[Any, ...]) -> dict[str, str]:
    """Returns each argument of a trace as `describe` shows it, by its name, and what else a trace depends on."""
    given = dict(kwargs)
    try:
        given = dict(inspect.signature(function).bind_partial(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        given |= {f"argument {i}": arg for i, arg in enumerate(args)}
    leaves = [(name + jax.tree_util.keystr(path), leaf) for name, arg in given.items() for path, leaf in _paths(arg)]
    training, autocast, placements = surroundings
    around = {} if training is None else {"training": repr(training)}
    around |= {} if autocast is None else {"the dtype of weights": autocast.name}
    spread = {str(placement) for placement in placements if placement is not None}
    around |= {"where variables lie": ", ".join(sorted(spread))} if spread else {}
    return around | {name: describe(leaf) for name, leaf in leaves}


def _paths(value: Any) -> list[tuple[Any, Any]]:
    return jax.tree_util.tree_flatten_with_path(value)[0]


def _listed(given: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in given.items())


def _call_method(bound: Compiled, instance: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls a compiled method; holds the instance, which the method itself knows only weakly."""
    try:
        return bound(*args, **kwargs)
    except Exception as error:
        filter_traceback(error)
        raise


def _static(
    function: Callable[..., Any], static_argnums: int | Sequence[int], static_argnames: str | Sequence[str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Returns static arguments by number and by name, so that they are static however they are passed."""
    nums = {static_argnums} if isinstance(static_argnums, int) else set(static_argnums)
    if any(number < 0 for number in nums):
        nums = {number % len(inspect.signature(function).parameters) for number in nums}
    names = {static_argnames} if isinstance(static_argnames, str) else set(static_argnames)
    if nums or names:
        parameters = list(inspect.signature(function).parameters.values())
        positional = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        nums |= {i for i, name in enumerate(positional) if name in names}
        names |= {positional[i] for i in nums if i < len(positional)}
    return tuple(sorted(nums)), tuple(sorted(names))


def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Any:
    """Compiles a function that may read and write variables.

    The variables that it touches are found by one trace, whose results are thrown away; those that it writes are donated,
    so their memory is used again. An array that somebody else still holds is never donated. (A program that fails on the
    device while it runs, because a callback raises or memory runs out, takes what was donated to it along.)

    Args:
        function: any function of arrays (and structures of arrays).
        static_argnums: positions of arguments that are Python values; each new value compiles anew.
        static_argnames: names of such arguments.

    Returns:
        A function with the same arguments and results. Used as a decorator with arguments, a decorator.

    >>> count = lamina.Variable(0, name="count")
    >>> @lamina.jit
    ... def step(x):
    ...     count.assign_add(1)
    ...     return x * count
    >>> print(step(2.0), step(2.0), count.numpy())
    2.0 4.0 2
    """
    if function is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames)
    return Compiled(function, static_argnums, static_argnames)
