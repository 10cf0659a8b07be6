"""Writes the pages of the reference: every public name, by the room that it is found in, from its docstring.

`conf.py` calls it; the pages lie in `docs/reference`, which git does not keep.
"""

import functools
import importlib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import lamina

FOLDER = Path(__file__).parent / "reference"
PUBLIC_JAX = ("jax.numpy", "jax.nn", "jax.numpy.linalg", "jax.scipy.linalg", "jax.scipy.special", "jax.lax", "jax")
PARTS = {  # of `lamina` itself, in their order: what is defined where
    "Models": ("models.model", "models.sequential", "models.functional", "layers.input_layer"),
    "Layers": ("core.layer", "core.input_spec", "core.symbolic"),
    "State": ("core.variable", "core.state", "core.errors"),
    "Compiling and differentiating": ("core.lift", "core.jit", "core.gradient"),
    "Control flow": ("core.control",),
    "Looking inside": ("inspect.story", "core.printing"),
    "Dtypes and names": ("core.dtypes", "core.names"),
}


def rooms() -> list[str]:
    """Returns the modules that the public names are found in, less those of ops whose names all stand in `lamina.ops` too."""
    doubles = [f"lamina.ops.{name}" for name in ("linalg", "nn", "numpy")]
    return ["lamina", *sorted(room for room in _below("lamina") if room not in doubles)]


def _below(room: str) -> Iterable[str]:
    """Returns the public modules in a room, and in these."""
    module = importlib.import_module(room)
    for name in module.__all__:
        if isinstance(getattr(module, name), ModuleType):
            yield f"{room}.{name}"
            yield from _below(f"{room}.{name}")


def public_names(room: str) -> dict[str, Any]:
    """Returns the public objects of a room, by name, in their order."""
    module = importlib.import_module(room)
    found = {name: getattr(module, name) for name in module.__all__}
    return {name: value for name, value in found.items() if not isinstance(value, ModuleType)}


def write() -> None:
    """Writes all pages, and the page that lists them."""
    FOLDER.mkdir(exist_ok=True)
    for room in rooms():
        _write(FOLDER / f"{room}.rst", _page(room))
    links = "\n".join(f"   {room.removeprefix('lamina.')} <{room}>" for room in rooms())
    rows = _table([(f":doc:`{room}`", _first_line(importlib.import_module(room))) for room in rooms()])
    _write(FOLDER / "index.rst", f"{_title('Reference', '=')}\n{rows}\n\n.. toctree::\n   :hidden:\n\n{links}\n")


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text("utf-8") != text:  # what has not changed is not built again
        path.write_text(text, "utf-8")


def _page(room: str) -> str:
    module, public = importlib.import_module(room), public_names(room)
    groups: dict[str, list[str]] = {part: [] for part in PARTS} if room == "lamina" else {}
    for name in sorted(public, key=lambda name: _rank(public[name])) if room == "lamina" else public:
        groups.setdefault(_group(room, name, public[name]), []).append(name)
    parts = [_title(room, "="), _first_line(module) + "\n", f".. py:module:: {room}\n"]
    first_places = {id(value): path for path, value in _places().items()}
    for title, names in groups.items():
        if len(groups) > 1:
            parts.append(_title(title, "-"))
        parts.append(_table([(f":py:obj:`~{room}.{name}`", _first_line(public[name])) for name in names]))
        for name in names:
            path, first = f"{room}.{name}", first_places[id(public[name])]
            parts.append(_entry(path, public[name]) if first == path else _alias(path, first))
    return "\n".join(parts)


def _group(room: str, name: str, value: Any) -> str:
    """Returns the heading that a name stands under: by where it is defined, or for ops, by the part of the package that has it."""
    module = str(getattr(value, "__module__", room))
    if room == "lamina":
        return next((part for part, modules in PARTS.items() if module.removeprefix("lamina.") in modules), "Besides")
    if room == "lamina.ops":
        parts = ("core", "linalg", "nn", "math", "fourier", "numpy")
        return next((part for part in parts if name in getattr(lamina.ops, part).__all__), "rearrangement").capitalize()
    own_file = room in ("lamina.layers", "lamina.losses", "lamina.metrics", "lamina.random") and module.startswith("lamina")
    return (module if own_file else room).rpartition(".")[2].replace("_", " ").capitalize()


def _rank(value: Any) -> int:
    module, ordered = value.__module__.removeprefix("lamina."), [module for modules in PARTS.values() for module in modules]
    return ordered.index(module) if module in ordered else len(ordered)


def _entry(path: str, value: Any) -> str:
    if not inspect.isclass(value):
        return f".. autofunction:: {path}\n"
    if issubclass(value, BaseException):
        return f".. autoexception:: {path}\n"
    members = _members(value)
    return f".. autoclass:: {path}\n" + (f"   :members: {', '.join(members)}\n" if members else "")


def _members(cls: type) -> list[str]:
    """Returns the documented members of a class and of what it is made from, less those that come from elsewhere."""
    elsewhere = [base for base in cls.__mro__[1:] if any(base is known for known in _places().values())]
    found: dict[str, None] = {}
    line = [base for base in cls.__mro__ if base.__module__.startswith("lamina")]
    for place, base in enumerate(line):
        if base in elsewhere:
            break
        if base is not cls and base.__module__.startswith("lamina.layers."):
            continue  # what a family of layers shares inside
        for name, member in vars(base).items():
            shown = isinstance(member, (property, classmethod, staticmethod)) or inspect.isfunction(member)
            first = not any(name in vars(below) for below in line[place + 1 :])
            if shown and first and not name.startswith("_") and member.__doc__:
                found[name] = None
    return list(found)


@functools.cache
def _places() -> dict[str, Any]:
    """Returns every public object by its path; one that has several by the first."""
    places: dict[str, Any] = {}
    seen = set()
    for room in rooms():
        for name, value in public_names(room).items():
            if id(value) not in seen:
                places[f"{room}.{name}"] = value
                seen.add(id(value))
    return places


def _alias(path: str, first: str) -> str:
    return f".. py:data:: {path.rpartition('.')[2]}\n\n   Another name of :py:obj:`{first}`.\n"


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _table(rows: list[tuple[str, str]]) -> str:
    lines = [f"   * - {left}\n     - {right}" for left, right in rows]
    return ".. list-table::\n   :widths: auto\n\n" + "\n".join(lines) + "\n"


def _first_line(value: Any) -> str:
    return "\n".join(as_rst([docstring(value).split("\n\n")[0].replace("\n", " ")]))


# --- docstrings ------------------------------------------------------------------------------------------------------


def docstring(value: Any) -> str:
    """Returns what stands below a name: its docstring, or for what JAX defines, what it is called there."""
    if not inspect.isclass(value) and str(getattr(value, "__module__", "")).startswith("jax"):
        name = value.__name__
        for module in PUBLIC_JAX:
            if callable(getattr(importlib.import_module(module), name, None)):
                return f"As `{module}.{name}`."
        return f"As in JAX: `{name}`."
    return inspect.getdoc(value) or ""


def signature(value: Any) -> str | None:
    """Returns the arguments of a function or class as people write them; None for errors."""
    if inspect.isclass(value) and issubclass(value, BaseException):
        return None
    found = inspect.signature(value.__init__ if inspect.isclass(value) else value)
    arguments = list(found.parameters.values())[inspect.isclass(value) :]
    plain = [argument.replace(annotation=argument.empty) for argument in arguments if not argument.name.startswith("_")]
    return str(inspect.Signature(plain))


def as_rst(lines: Iterable[str]) -> list[str]:
    """Returns lines of a docstring as reStructuredText: names in backticks may be links, other signs mean themselves."""
    return [line if line.lstrip().startswith((">>>", "... ")) else _line(line) for line in lines]


def _line(line: str) -> str:
    pieces = re.split(r"(`[^`]*`)", line)
    return "".join(_quoted(piece) if i % 2 else _escaped(piece) for i, piece in enumerate(pieces))


def _quoted(piece: str) -> str:
    text = piece[1:-1]
    return (
        f":py:obj:`{text}`"
        if re.fullmatch(r"[A-Za-z_][\w.]*", text) and not text.endswith("_")
        else f"``{text}``"
        if text
        else piece
    )


def _escaped(piece: str) -> str:
    return re.sub(r"([*|])|(?<=\w)(_)(?!\w)", r"\\\1\2", piece)
