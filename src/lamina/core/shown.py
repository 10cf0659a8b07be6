"""What an object says of itself in one line: `<Dense net/hidden, units=4>`."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from lamina.core.errors import describe

_LONGEST = 60  # characters of a value


class Shown:
    """A base for what shows itself in one line, its class and some facts; also while it is half made, or broken."""

    __slots__ = ()

    def _facts(self) -> Iterable[str]:
        """What to say of it; by default the arguments of its constructor that it keeps and that are not the default ones."""
        defaults = {p.name: p.default for p in inspect.signature(type(self).__init__).parameters.values()}
        kept = vars(self)
        return shown_arguments({name: kept[name] for name in defaults if name in kept and kept[name] != defaults[name]})

    def __repr__(self) -> str:
        try:
            facts = list(self._facts())
        except Exception:  # whoever looks at a broken object wants to see it, not another error
            facts = ["half made"]
        return f"<{type(self).__name__}{' ' if facts else ''}{', '.join(facts)}>"


def shown_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """Returns arguments as text.

    >>> shown_arguments({"units": 3, "kernel": np.ones((3, 5)), "activation": np.tanh, "layers": [lamina.layers.ReLU()]})
    ['units=3', 'kernel=float64(3, 5)', 'activation=tanh', 'layers=[<ReLU re_lu, not built>]']
    """
    return [f"{name}={shown(value)}" for name, value in arguments.items()]


def is_plain(value: Any) -> bool:
    """Tells whether a value is said in a word or two: a number, a name, a function, or a few of these."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return isinstance(value, (str, int, float)) or _is_function(value)


def _is_function(value: Any) -> bool:
    return callable(value) and isinstance(getattr(value, "__name__", None), str)


def shown(value: Any) -> str:
    """Returns a value in few words."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key!r}: {shown(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        text = f"{opening}{', '.join(map(shown, value))}{closing}"
    elif _is_function(value):
        text = value.__name__
    elif isinstance(value, (Shown, str, bytes, int, float, complex, type(None))) or getattr(value, "shape", None) is not None:
        text = describe(value)
    elif type(value).__repr__ is object.__repr__ or callable(value):
        text = f"<{type(value).__name__}>"
    else:
        text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
