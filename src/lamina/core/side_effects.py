"""What Python code does besides returning, while it is traced: it happens once a trace, not once a run.

Variables take part in a trace (`lamina.core.frame`). A plain attribute does not: `self.count += 1` counts traces, and
`self.last = x` keeps something that never has a number. `checking_side_effects` notes such assignments while a trace runs. It
warns of the first, and puts in place of the second what says so when it is used.
"""

import contextlib
import inspect
import linecache
import re
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import jax

from lamina.core.context import context
from lamina.core.errors import INTERNAL, StateError, code_line, warn
from lamina.core.jax_internals import is_tracer
from lamina.core.module import Module
from lamina.core.tree import modules_of

_warned: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


class Writes:
    """The attributes of modules that a trace assigns.

    Args:
        what: what is traced, as people say it.
        once: whether what is traced is compiled, so that the trace happens once for many runs.
    """

    def __init__(self, what: str, once: bool) -> None:
        self.what = what
        self.once = once
        self.first: set[tuple[int, str]] = set()
        self.tracers: dict[tuple[int, str], tuple[Any, str, str]] = {}

    def note(self, owner: Any, name: str, value: Any) -> None:
        """Takes an assignment down; warns of one that counts on the value from before, which is that of another trace.

        An attribute that was set anew before, in the same trace, is a matter of this trace alone.
        """
        key = (id(owner), name)
        if holds_tracer(value):
            frame = _assigning(owner)
            self.tracers[key] = owner, name, "" if frame is None else code_line(frame.f_code, frame.f_lineno)
        elif self.once and key not in self.first and isinstance(vars(owner).get(name), (int, float)) and not _being_built(owner):
            frame = _assigning(owner)
            if frame is not None and _reads_too(frame, name) and name not in _warned.setdefault(owner, set()):
                _warned[owner].add(name)
                warn(
                    f"{owner.path!r} ({type(owner).__name__}) changes its attribute {name!r} from what it was before, at "
                    f"{code_line(frame.f_code, frame.f_lineno)}, in code that is traced once and then runs compiled: this is "
                    f"done once a trace, not once a step. For a value that changes while compiled code runs make a variable: "
                    f"self.{name} = lamina.Variable({type(vars(owner)[name])()!r}, trainable=False) in __init__, and "
                    f"self.{name}.assign_add(...) here. When code is traced, and why, lamina.watch() tells."
                )
        self.first.add(key)

    def remove_tracers(self, root: Any) -> None:
        """Replaces what is left of the trace on attributes by what says so.

        Args:
            root: a module that what was traced is a method of; lists that it added to, here or below, are looked through.
        """
        for module in modules_of(root) if isinstance(root, Module) else ():
            for name, value in vars(module).items():
                if isinstance(value, (list, dict, set)) and holds_tracer(value):
                    self.tracers.setdefault((id(module), name), (module, name, ""))
        for owner, name, line in self.tracers.values():
            if name in vars(owner) and holds_tracer(vars(owner)[name]):
                vars(owner)[name] = _without_tracers(vars(owner)[name], f"{owner.path!r}", name, line, self.what)


def _being_built(owner: Any) -> bool:
    return bool(getattr(owner._lamina, "building", False)) or not getattr(owner, "built", True)


def _assigning(owner: Any) -> FrameType | None:
    """Returns the user's frame that assigns an attribute, or None where it is Lamina that does."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name in ("note", "__setattr__", "_assigning"):
        frame = frame.f_back
    return None if frame is None or frame.f_code.co_filename.startswith(INTERNAL) else frame


def _reads_too(frame: FrameType, name: str) -> bool:
    """Tells whether the line that runs reads the attribute that it assigns: `self.count += 1`, `self.count = self.count + 1`."""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno, frame.f_globals)
    attribute = rf"\.\s*{re.escape(name)}\b"
    return re.search(rf"{attribute}\s*[-+*/%@&|^<>]+=[^=]", line) is not None or len(re.findall(attribute, line)) > 1


def holds_tracer(value: Any, inside: tuple[Any, ...] = ()) -> bool:
    """Tells whether a value, or anything in a list, tuple, dict or set, is known only while a trace runs.

    Args:
        value: what may be one.
        inside: the containers around it, for one that holds itself.
    """
    if not isinstance(value, (list, tuple, set, dict)):
        return is_tracer(value)
    if any(value is container for container in inside):
        return False
    items = value.values() if isinstance(value, dict) else value
    return any(holds_tracer(item, (*inside, value)) for item in items)


def _without_tracers(value: Any, owner: str, name: str, line: str, what: str) -> Any:
    if is_tracer(value):
        return Ended(
            f"self.{name} of {owner} holds a value from inside {what}, which has ended; it never had a number"
            + (f" (it was set at {line})" if line else "")
            + ". Return the value instead, from a gradient with has_aux=True; or keep it in a variable that is made in __init__ or "
            f"build: self.{name} = lamina.Variable(...), and self.{name}.assign(x) in place of self.{name} = x."
        )
    if type(value) in (list, tuple, set):
        return type(value)(_without_tracers(item, owner, name, line, what) for item in value)
    if type(value) is dict:
        return {key: _without_tracers(item, owner, name, line, what) for key, item in value.items()}
    return value


class Ended:
    """What stands where a value of a trace was kept that has ended: any use raises StateError with the message."""

    __slots__ = ("_message",)

    def __init__(self, message: str) -> None:
        self._message = message

    def __repr__(self) -> str:
        return f"<{self._message}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python and NumPy ask for these to see what they have before them
            raise AttributeError(name)
        self._refuse()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise StateError(self._message)

    __hash__ = object.__hash__


_BINARY = (
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lt",
    "le",
    "gt",
    "ge",
    "getitem",
)
_UNARY = ("neg", "pos", "abs", "invert", "len", "iter", "bool", "int", "float", "complex", "index", "round", "array", "jax_array")
for _name in (*_BINARY, *(f"r{name}" for name in _BINARY[:11]), *_UNARY, "call"):
    setattr(Ended, f"__{_name}__", Ended._refuse)
jax.tree_util.register_pytree_node(Ended, Ended._refuse, Ended._refuse)  # so that JAX's functions meet the message too


@contextlib.contextmanager
def checking_side_effects(what: str, once: bool = False, function: Any = None) -> Iterator[None]:
    """Notes what is assigned to plain attributes in the block, which is traced; inside another, that one does.

    Args:
        what: what is traced, as people say it.
        once: whether it is compiled.
        function: what is traced.
    """
    if context.attributes is not None:
        yield
        return
    context.attributes = writes = Writes(what, once)
    try:
        yield
    finally:
        context.attributes = None
        method = inspect.unwrap(function, stop=lambda inner: hasattr(inner, "__self__"))
        writes.remove_tracers(getattr(method, "__self__", None))
