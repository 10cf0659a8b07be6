"""What completion shows of a module: its public names, which `__all__` lists."""

from types import ModuleType


def show_public(module: ModuleType) -> None:
    """Makes `dir` show what is public in a module and in its public modules, instead of all that they import.

    >>> module = ModuleType("module")
    >>> module.__all__, module.answer, module.helper = ["answer"], 42, ModuleType
    >>> show_public(module)
    >>> [name for name in dir(module) if not name.startswith("_")], module.helper is ModuleType
    (['answer'], True)
    """
    found = vars(module)
    found["__dir__"] = lambda: {*found["__all__"], *filter(_is_special, found)}
    for name in found["__all__"]:
        if isinstance(found.get(name), ModuleType):
            show_public(found[name])


def _is_special(name: str) -> bool:
    """Tells whether a name is one that Python gives a meaning to: `__doc__`."""
    return name.startswith("__") and name.endswith("__")
