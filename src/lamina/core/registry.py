"""Names: how configs, and arguments such as `activation="relu"`, lead to classes and functions.

There is a table for each family: layers, losses, activations and so on. What is Lamina's own goes by a public name there, `Dense`.
What is a user's goes by its full name, `my_models.Twin`, and by the one that it was registered under, `mine>Twin`; the last part
of these serves where only one has it. Two of one name are told apart, or refused with the places where both stand.

Nothing is imported or run because a name says so, and no table keeps alive what it holds.
"""

import contextlib
import gc
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakValueDictionary

from lamina.core.errors import user_line
from lamina.core.text import suggest

_LIBRARIES = ("keras", "lamina", "tf_keras")  # a class that a config places in one of these is Lamina's own
_ANY_MODULE = (None, "__main__", "__mp_main__")  # modules that do not tell where a class is
_OLD_PREFIX = "Custom>"  # what older configs have before the name of a user's class

Candidates = Callable[[], list[Any]]


class Entry(NamedTuple):
    """What a table knows of a class or function of a user's.

    Args:
        place: where it stands: `file:line, in function`.
        names: those that it was registered under, each with its last part; none for what goes by its full name.
    """

    place: str
    names: dict[str, str]


class Registry:
    """The classes, or the functions, of one family by their names.

    Args:
        family: what they are, in the plural: "layers".
        base: the class that all of them come from; None for functions.

    >>> steps = Registry("steps")
    >>> def forwards(): ...
    >>> steps.add_own(forwards, "forwards", "ahead")
    >>> steps.find("ahead", "step") is forwards, steps.name_of(forwards)
    (True, 'forwards')
    >>> steps.find("forward", "step")
    Traceback (most recent call last):
    ...
    ValueError: Unknown step 'forward'. Did you mean 'forwards'?
    """

    def __init__(self, family: str, base: type | None = None) -> None:
        self.family = family
        self.base = base
        self._own: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._first_names: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
        self._users: WeakKeyDictionary[Any, Entry] = WeakKeyDictionary()

    # --- entering ----------------------------------------------------------------------------------------------------

    def add_own(self, thing: Any, *names: str) -> None:
        """Enters a class or function of Lamina's under public names; configs call it by the first that it is ever given."""
        for name in names:
            self._own[name] = thing
            self._first_names.setdefault(thing, name)

    def add_aliases(self, aliases: Mapping[str, Any]) -> None:
        """Enters further public names of what is Lamina's own."""
        for name, thing in aliases.items():
            self.add_own(thing, name)

    def add(self, thing: Any) -> None:
        """Enters a class or function of a user's, which goes by its full name."""
        self._users[thing] = Entry(_place(thing), {})

    def register(self, thing: Any, package: str, short: str) -> None:
        """Enters a class or function of a user's under the name `package>short`.

        Raises:
            ValueError: if that is the name of something else, which stands in another place.
        """
        name, entry = f"{package}>{short}", self._users.get(thing, Entry(_place(thing), {}))

        def is_same(other: Any) -> bool:
            """Tells whether that is the same definition, run before: a cell of a notebook, or a module that is loaded twice."""
            known = _known(self._users, other) or Entry("", {})
            twice = known.place == entry.place and getattr(other, "__qualname__", "") == getattr(thing, "__qualname__", None)
            return other is thing or twice or full_name(other) == full_name(thing)

        def others() -> list[Any]:
            given = [global_objects[name]] if name in global_objects else []
            return [other for other in (*self.called(name), *given) if not is_same(other)]

        if others():
            gc.collect()
        for other in others():
            raise ValueError(
                f"{name!r} is the name of {self._described(other)} already, and cannot be that of {full_name(thing)} "
                f"({entry.place}) too. Register one of them under another name, or take the first out of the table: "
                f"del lamina.utils.get_custom_objects()[{name!r}]."
            )
        global_objects.pop(name, None)
        self._users[thing] = entry
        entry.names[name] = short

    def remove(self, name: str) -> None:
        """Forgets a name that something was registered under."""
        for thing in self.called(name):
            names = self._users[thing].names
            del names[name]
            if not names:
                del self._users[thing]

    # --- what there is -----------------------------------------------------------------------------------------------

    def __contains__(self, thing: Any) -> bool:
        return _known(self._first_names, thing) is not None or _known(self._users, thing) is not None

    def name_of(self, thing: Any) -> str | None:
        """Returns the public name of what is Lamina's own, or the last that something was registered under; else None."""
        entry = _known(self._users, thing)
        return _known(self._first_names, thing) if entry is None else next(reversed(entry.names), None)

    def own(self) -> dict[str, Any]:
        """Returns what is Lamina's own, by public name."""
        return dict(self._own)

    def names(self) -> list[str]:
        """Returns the names to choose from: public ones, those that something was registered under, and short ones."""
        others = (names for thing, names in registered._of_users() if self._may_be(thing))
        users = (pair for names in (*(names for _, names in self._of_users()), *others) for pair in names.items())
        return [*self.own(), *dict.fromkeys(full if ">" in full else short for full, short in users)]

    def called(self, name: str) -> list[Any]:
        """Returns all that has exactly this name."""
        own = self._own.get(name)
        return [thing for thing, names in self._of_users() if name in names] if own is None else [own]

    def called_shortly(self, short: str) -> list[Any]:
        """Returns all that is a user's and has a name with this last part."""
        return [thing for thing, names in self._of_users() if short in names.values()]

    def _of_users(self) -> list[tuple[Any, Mapping[str, str]]]:
        """Returns what is a user's, with its names and the last part of each."""
        living = [thing for reference in self._users.keyrefs() if (thing := reference()) is not None]
        return [(thing, self._users[thing].names or {full_name(thing): thing.__name__}) for thing in living]

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, name: str, kind: str) -> Any:
        """Returns the class or function that a name means in code, as in `activation="relu"`.

        Args:
            name: a public, registered or full name, or the last part of a name that only one has.
            kind: what messages call it: "activation".

        Raises:
            ValueError: for a name that nothing has, with the nearest known one; or that several have, with their places.
        """
        own = self._own.get(name)
        if own is not None and not (self._users or global_objects or _scope.get()):
            return own  # at once, where nothing else can be meant
        short = name.removeprefix(_OLD_PREFIX)

        def exactly() -> list[Any]:
            if own is None:
                return [*registered.called(name), *self.called(name)]
            # A class called as one of Lamina's own may be what is meant, unless it was given a name to tell it by.
            return [own, *(thing for thing in self.called_shortly(name) if thing not in registered)]

        def shortly() -> list[Any]:
            return [*self.called_shortly(short), *filter(self._may_be, registered.called_shortly(short))]

        found = custom_object([name, short])
        found = self.only([exactly, shortly], name) if found is None else found
        if found is None:
            held = " What is registered is known for as long as something holds it." if ">" in name else ""
            raise ValueError(f"Unknown {kind} {name!r}. {suggest(name, self.names())}{held}")
        return found

    def find_own(self, name: Any, kind: str) -> Any:
        """Returns what has a public name, whatever a user has defined. Raises ValueError for a name that nothing has."""
        found = self._own.get(name) if isinstance(name, str) else None
        if found is None:
            raise ValueError(f"Unknown {kind} {name!r} in a config. {suggest(str(name), self.own())}")
        return found

    def find_class(self, described: Mapping[str, Any]) -> Any:
        """Returns the class that a config describes: by `class_name`, and a user's by `module` and `registered_name` as well.

        A name without a module means Lamina's own if there is one of that name. It may be all that an old config has of a user's,
        and `__main__` is whichever program is run: then the last part of the name serves, if only one class has it. Custom objects
        come first, except that they are never taken for what a config of Lamina's or Keras's says is built in.

        Raises:
            ValueError: for a class that the program has not defined, or of which it has several, with their places.
        """
        name, module, given = (described.get(key) for key in ("class_name", "module", "registered_name"))
        if not (isinstance(name, str) and isinstance(module, str | None) and isinstance(given, str | None)):
            raise ValueError(f"A class goes by names in a config, not by {name!r} of {module!r}, registered as {given!r}.")
        full = name if module is None else f"{module}.{name}"
        own = self._own.get(name) if module is None or module.partition(".")[0] in _LIBRARIES else None
        if own is not None and (module is not None or "family" in described):
            return own
        given = given if given is not None and ">" in given else None  # Keras repeats the name of what was not registered
        short = name.removeprefix(_OLD_PREFIX) if module is None else name.rpartition(".")[2]

        def is_one(thing: Any) -> bool:
            return isinstance(thing, type) and self.base is not None and issubclass(thing, self.base)

        def exactly(name: str | None) -> list[Any]:
            return [] if name is None else [thing for thing in (*registered.called(name), *self.called(name)) if is_one(thing)]

        def shortly() -> list[Any]:
            both = (*self.called_shortly(short), *registered.called_shortly(short)) if module in _ANY_MODULE else ()
            return [thing for thing in both if is_one(thing)]

        spelt = [given, full, name, short]
        found = custom_object(spelt, is_one)
        ways: list[Candidates] = [lambda: exactly(given), lambda: exactly(full), shortly]
        found = self.only(ways, given or full) if found is None else found
        if found is None:
            others, unfit = [self._described(thing) for thing in self.called_shortly(short)], custom_object(spelt)
            hint = f"There is another {short}, {others[0]}." if others else suggest(short, self.names())
            if unfit is not None:
                hint = f"The custom object of that name, {unfit!r}, is not a class of {self.family}."
            raise ValueError(
                f"Unknown class {given or full!r} in {self.family}. {hint} A class of your own is known once it is defined, for as "
                f"long as something holds it; or give it: custom_objects={{{short!r}: ...}}."
            )
        return found

    def only(self, ways: list[Candidates], name: str) -> Any:
        """Returns the only candidate of the first way of finding that has any; None if none has.

        Raises:
            ValueError: if there are several.
        """
        for candidates in ways:
            found = candidates()
            if len(found) > 1:
                found = _current(found)
            if len(found) > 1:
                found.clear()
                gc.collect()  # a class that is gone lives on until then, for it refers to itself
                found = _current(candidates())
            if len(found) > 1:
                raise self.confusion(name, found)
            if found:
                return found[0]
        return None

    def confusion(self, name: str, found: list[Any]) -> ValueError:
        """Returns the error for a name that several classes or functions have."""
        return ValueError(
            f"{name!r} is the name of {len(found)} {self.family}: {' and '.join(map(self._described, found))}. Say which is meant: "
            f"pass it itself, or custom_objects={{{getattr(found[0], '__name__', name)!r}: ...}}."
        )

    def _described(self, thing: Any) -> str:
        entry = _known(self._users, thing) or _known(registered._users, thing)
        other = "Lamina's own" if is_own(thing) else "put into get_custom_objects()"
        return f"{full_name(thing)} ({other if entry is None else entry.place})"

    def _may_be(self, thing: Any) -> bool:
        """Tells whether something registered may be meant where this family is: that it is not a class of another."""
        family = getattr(thing, "_registry", None)
        return family is self or not isinstance(family, Registry)


tables: dict[str, Registry] = {}  # by family


def open_table(family: str, base: type | None = None) -> Registry:
    """Returns a new table, which configs find by its family."""
    tables[family] = Registry(family, base)
    return tables[family]


# --- definitions -----------------------------------------------------------------------------------------------------


def is_own(thing: Any) -> bool:
    """Tells whether a class or function is one of Lamina's own."""
    return str(getattr(thing, "__module__", None)).startswith("lamina.")


def full_name(thing: Any) -> str:
    """Returns the name of a class or function with that of its module: `my_models.make.<locals>.Twin`."""
    return f"{getattr(thing, '__module__', None)}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def _place(thing: Any) -> str:
    return user_line(made=thing) or "place unknown"


def _known(table: WeakKeyDictionary[Any, Any], thing: Any) -> Any:
    """Returns what a table has of a thing; None for what cannot be in it."""
    try:
        return table.get(thing)
    except TypeError:
        return None


def _current(things: list[Any]) -> list[Any]:
    """Returns each thing once, without the definitions that others have replaced."""
    distinct = {id(thing): thing for thing in things}.values()
    return [thing for thing in distinct if not any(_replaces(other, thing) for other in distinct)]


def _replaces(new: Any, old: Any) -> bool:
    """Tells whether a definition stands where another stood: the same cell of a notebook, say, was run again.

    That is so if the module has the one under the full name of both, and the other under no name but those like `_3` that an
    interpreter gives to its results. Instances may keep the other alive; whoever says its name now means the new one.
    """
    if new is old or not hasattr(new, "__qualname__") or full_name(new) != full_name(old):
        return False
    names = inside = _namespace(new)
    held: Any = None
    for part in new.__qualname__.split("."):
        held = inside.get(part)
        inside = getattr(held, "__dict__", {})
    stands = names is _namespace(old) and inspect.unwrap(held, stop=lambda inner: inner is new) is new
    return stands and not any(value is old for name, value in list(names.items()) if not str(name).startswith("_"))


def _namespace(thing: Any) -> Mapping[str, Any]:
    """Returns the names of the module in which a class or function was defined."""
    module = getattr(thing, "__module__", "")
    inside = (value for value in getattr(thing, "__dict__", {}).values() if isinstance(value, (FunctionType, staticmethod)))
    for function in (thing, *inside):
        names = getattr(inspect.unwrap(function), "__globals__", {})
        if names.get("__name__") == module:
            return names
    return getattr(sys.modules.get(module), "__dict__", {})


# --- custom objects --------------------------------------------------------------------------------------------------

registered = Registry("registered objects")
global_objects: dict[str, Any] = {}  # what was put into `get_custom_objects()`
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects", default=MappingProxyType({}))


def custom_object(names: list[str | None], fits: Callable[[Any], bool] = lambda thing: True) -> Any:
    """Returns what one of the names means in the scopes around, or else in `get_custom_objects()`; None if nothing that fits."""
    for objects in (_scope.get(), global_objects):
        for name in names if objects else ():
            if name is not None and (found := objects.get(name)) is not None and fits(found):
                return found
    return None


@contextlib.contextmanager
def also_known(custom_objects: Mapping[str, Any] | None, first: bool = False) -> Iterator[None]:
    """A block in which more names are known.

    Args:
        custom_objects: classes and functions by name.
        first: whether they come before those of the scopes around.

    Raises:
        TypeError: for what is not a dict.
    """
    if not isinstance(custom_objects, Mapping | None):
        raise TypeError(f"custom_objects is a dict of classes and functions by name, not {custom_objects!r}.")
    if not custom_objects:
        yield
        return
    around = _scope.get()
    token = _scope.set({**around, **custom_objects} if first else {**custom_objects, **around})
    try:
        yield
    finally:
        _scope.reset(token)
