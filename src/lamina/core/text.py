"""Text for people: what a value, an array, a shape or an object looks like in a message, and the name that was meant."""

import difflib
import inspect
import itertools
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

UNNAMED = re.compile(r"\b_(batch|axis\d+)\b")  # in expressions of symbolic sizes: an unknown size that has no name
_LONGEST = 60  # characters of a value


def suggest(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the known name nearest to `name`, or with all of them; names that hold all its words come first.

    >>> suggest("relu6x", ["elu", "relu6"])
    "Did you mean 'relu6'?"
    >>> suggest("sparse_crossentropy", ["binary_crossentropy", "sparse_categorical_crossentropy"])
    "Did you mean 'sparse_categorical_crossentropy'?"
    """
    known = sorted(set(known))
    lowered = {candidate.lower(): candidate for candidate in known}
    parts = set(name.lower().split("_"))
    holding = [candidate for candidate in lowered if len(parts) > 1 and parts <= set(candidate.split("_"))]
    near = difflib.get_close_matches(name.lower(), holding or lowered, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {lowered[near[0]]!r}?"
    return "Known names: " + ", ".join(known) + "."


def unused_name(name: str, taken: Container[str]) -> str:
    """Returns the name, numbered if it is taken.

    >>> unused_name("add", ["add", "add_1"])
    'add_2'
    """
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(1)))
    return next(candidate for candidate in names if candidate not in taken)


# --- values and shapes ------------------------------------------------------------------------------------------------


def describe(value: Any) -> str:
    """Returns arrays as `float32(3, 5)` and structures of them as they nest: what a person needs to see of an argument.

    >>> describe((np.ones((3, 5), "float32"), True))
    '(float32(3, 5), True)'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        return opening + ", ".join(describe(item) for item in value) + closing
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{getattr(dtype, 'name', dtype)}{show_shape(shape)}"
    name = getattr(value, "__name__", None)
    text = name if callable(value) and isinstance(name, str) else _repr(value)
    return shortened(text)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # what describes an error must not raise another
        return f"<{type(value).__name__}>"


def shortened(text: str) -> str:
    """Returns a text, cut where it is too long for a line."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def describe_call(args: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    """Returns the arguments of a call as `describe` shows them.

    >>> describe_call((np.ones(3),), {"training": True})
    'float64(3,), training=True'
    """
    return ", ".join([*(describe(arg) for arg in args), *(f"{name}={describe(value)}" for name, value in kwargs.items())])


def show_shapes(shapes: Any) -> str:
    """Returns a shape, or a structure of shapes, as people write it."""
    return (
        show_shape(shapes)
        if isinstance(shapes, tuple) and not any(isinstance(s, (list, tuple, dict)) for s in shapes)
        else str(shapes)
    )


def show_shape(shape: Iterable[Any]) -> str:
    """Returns a shape as people write it: `(None, 3)`, with named axes bare.

    >>> show_shape((None, "time", 3))
    '(None, time, 3)'
    """
    sizes = ["None" if UNNAMED.search(text) else text for text in map(str, shape)]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"


# --- objects ----------------------------------------------------------------------------------------------------------


class ReprMixin:
    """A base for objects whose `repr` is one line, the class and some facts: `<Dense net/hidden, units=4>`."""

    __slots__ = ()

    def _facts(self) -> Iterable[str]:
        """What to say of it; by default the arguments of its constructor that it keeps and that are not the default ones."""
        defaults = {p.name: p.default for p in inspect.signature(type(self).__init__).parameters.values()}
        kept = vars(self)
        return format_arguments({name: kept[name] for name in defaults if name in kept and kept[name] != defaults[name]})

    def __repr__(self) -> str:
        try:
            facts = list(type(self)._facts(self))
        except Exception:  # whoever looks at a broken object wants to see it, not another error
            facts = ["half made"]
        return f"<{type(self).__name__}{' ' if facts else ''}{', '.join(facts)}>"


def format_arguments(arguments: Mapping[str, Any]) -> list[str]:
    """Returns arguments as text.

    >>> format_arguments({"units": 3, "kernel": np.ones((3, 5)), "activation": np.tanh, "layers": [lamina.layers.ReLU()]})
    ['units=3', 'kernel=float64(3, 5)', 'activation=tanh', 'layers=[<ReLU re_lu, not built>]']
    """
    return [f"{name}={format_value(value)}" for name, value in arguments.items()]


def is_short(value: Any) -> bool:
    """Tells whether a value is said in a word or two: a number, a name, a function, or a few of these."""
    if isinstance(value, (list, tuple)):
        return all(map(is_short, value))
    return isinstance(value, (str, int, float)) or _is_function(value)


def _is_function(value: Any) -> bool:
    return callable(value) and isinstance(getattr(value, "__name__", None), str)


def format_value(value: Any) -> str:
    """Returns a value in few words."""
    if isinstance(value, dict):
        text = "{" + ", ".join(f"{key!r}: {format_value(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, (list, tuple)):
        opening, closing = "[]" if isinstance(value, list) else "()"
        text = f"{opening}{', '.join(map(format_value, value))}{closing}"
    elif _is_function(value):
        text = value.__name__
    elif isinstance(value, (ReprMixin, str, bytes, int, float, complex, type(None))) or getattr(value, "shape", None) is not None:
        text = describe(value)
    elif type(value).__repr__ is object.__repr__ or callable(value):
        text = f"<{type(value).__name__}>"
    else:
        text = " ".join(repr(value).split())
    return shortened(text)
