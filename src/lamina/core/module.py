"""Module: anything that owns variables; its attributes make the tree.

All that Lamina itself keeps of an object is in one attribute, `_lamina`, so that every other name is the user's.
"""

from typing import Any, ClassVar, Self

from lamina.core.config import Configurable
from lamina.core.context import context
from lamina.core.errors import user_line
from lamina.core.names import snake_case
from lamina.core.paths import path_of
from lamina.core.tree import HOLDS_NOTHING, MAY_HOLD, Held, Owner, Record, attach, detach, variables_of


def _hidden_by_attributes(cls: type) -> frozenset[str]:
    """Returns the public names of a class that an attribute would hide."""
    return frozenset(name for name, value in vars(cls).items() if name[:1] != "_" and is_hidden_by_attributes(value))


class Module(Configurable, Owner):
    """Anything that owns variables, directly or through other modules.

    Its path is the root's name and then, for each step down, the explicit name of what is there, or the attribute that it
    sits in (`hidden`, `steps/0`, `heads/a`). Models that are made of named parts go by the parts' names.
    """

    _record: ClassVar[type[Record]] = Record
    _public: ClassVar[frozenset[str]] = frozenset()  # names of Lamina's that an attribute would hide, or is looked at for

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = frozenset().union(*(getattr(base, "_public", ()) for base in cls.__bases__))
        own = _hidden_by_attributes(cls) | vars(cls).get("_own_attributes", {}).keys()
        cls._public = inherited | own if cls.__module__.startswith("lamina.") else inherited - vars(cls).keys()

    def _keep_arguments(self, given: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
        vars(self)["_lamina"] = type(self)._record()  # the first thing that it has, so that attributes can be set from here on
        self._lamina.arguments = given

    def _kept_arguments(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self._lamina.arguments

    @property
    def name(self) -> str:
        """The explicit name, else one made from the class's."""
        return self._lamina.name or snake_case(type(self).__name__)

    @property
    def path(self) -> str:
        """The names from the root of the tree down to this object, joined by `/`."""
        return path_of(self)

    @property
    def variables(self) -> list[Any]:
        """All variables of this object and of what it owns: weights, and the state of metrics and seed generators."""
        return variables_of(self)

    # --- attributes --------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        cls, attributes = type(self), self.__dict__
        if name in cls._public:
            cls._check_name(self, name, value)
        if context.attributes is not None and not isinstance(value, Held):
            context.attributes.note(self, name, value)
        before = attributes.get(name)
        if type(value) in HOLDS_NOTHING and type(before) in HOLDS_NOTHING:
            super().__setattr__(name, value)
            return
        if before is not value and isinstance(before, MAY_HOLD):
            cls._check_replaced(self, name, before, value)
            detach(self, name, before)
            if isinstance(value, MAY_HOLD):
                del attributes[name]  # the order of attributes is the order of assignment
        super().__setattr__(name, value)
        if isinstance(value, MAY_HOLD) and attributes.get(name) is value:
            attach(self, name, value)
            cls._attached(self, value)

    def __delattr__(self, name: str) -> None:
        before = self.__dict__.get(name)
        if isinstance(before, MAY_HOLD):
            type(self)._check_replaced(self, name, before, None)
        super().__delattr__(name)
        detach(self, name, before)

    def _check_name(self, name: str, value: Any) -> None:
        """Raises AttributeError if an attribute of a public name of Lamina's must not have this value."""
        refuse_to_hide(self, name, value)

    def _check_replaced(self, name: str, before: Any, now: Any) -> None:
        """Raises an error if an attribute must not be given another object now, or be deleted, which is None."""

    def _attached(self, value: Any) -> None:
        """Takes note of what an attribute has been given."""

    def _host_state(self) -> dict[str, Any]:
        """Returns what of its own state lives on the host, by name."""
        return {}

    def _set_host_state(self, state: dict[str, Any]) -> None:
        """Gives it what `_host_state` returned."""

    def __copy__(self) -> Self:
        """Returns another object that holds what this one does."""
        copied = type(self).__new__(type(self))
        state: dict[str, Any] = self.__getstate__()  # type: ignore[assignment]
        copied.__setstate__({**state, "_lamina": self._lamina.of_copy()})
        return copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Makes a copy what holds its parts, as the original holds those it was copied from."""
        holders = self._lamina.holders
        replace_attributes(self, state)
        self._lamina.holders = [*holders, *self._lamina.holders]
        for name, part in type(self)._besides(self):
            attach(self, name, part)


def is_hidden_by_attributes(value: Any) -> bool:
    """Tells whether something in a class body would be out of reach behind an attribute of its name."""
    if isinstance(value, property):
        return value.fset is None
    return isinstance(value, (classmethod, staticmethod)) or callable(value)


Module._public = _hidden_by_attributes(Configurable) | _hidden_by_attributes(Module)


def refuse_to_hide(module: Module, name: str, value: Any) -> None:
    """Raises AttributeError for an attribute that would hide a public name of Lamina's; a method may be replaced by a function."""
    known = getattr(type(module), name)
    if not isinstance(known, property) and callable(value) and not isinstance(value, Held):
        return
    owner = next((base for base in type(module).__mro__ if name in vars(base)), type(module))
    what = "the property" if isinstance(known, property) else "the method"
    raise AttributeError(
        f"self.{name} = ... of {type(module).__name__}, at {user_line()}, would hide {what} {owner.__name__}.{name}. Take another "
        f"name: self.own_{name} = ..."
    )


def replace_attributes(module: Module, attributes: dict[str, Any]) -> None:
    """Gives a module all of its attributes anew, in their order, without the checks that an assignment makes."""
    for name, value in vars(module).items():
        detach(module, name, value)
    vars(module).clear()
    vars(module).update(attributes)
    for name, value in attributes.items():
        if isinstance(value, MAY_HOLD):
            attach(module, name, value)
