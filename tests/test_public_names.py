"""What a module shows is what is public in it: `dir`, and so completion, agrees with `__all__`, and so with `import *`."""

import importlib
from types import ModuleType

import pytest

import lamina


def public_modules(path="lamina"):
    """Returns the names of the modules that one comes to from `lamina` by public names."""
    module = importlib.import_module(path)
    below = [name for name in module.__all__ if isinstance(getattr(module, name), ModuleType)]
    return [path, *(found for name in below for found in public_modules(f"{path}.{name}"))]


@pytest.mark.parametrize("path", public_modules())
def test_a_module_shows_its_public_names_and_no_others(path):
    module = importlib.import_module(path)
    special = {name for name in dir(module) if name.startswith("__")}
    assert set(dir(module)) - special == set(module.__all__)
    assert {"__all__", "__doc__", "__name__"} <= special
    star: dict[str, object] = {}
    exec(f"from {path} import *", star)
    assert set(star) - {"__builtins__"} == set(module.__all__)


@pytest.mark.parametrize("path", public_modules())
def test_a_public_name_is_one_of_lamina_or_jax(path):
    """No helper that a module imports is taken for public."""
    for name, value in vars(importlib.import_module(path)).items():
        if name in importlib.import_module(path).__all__:
            home = value.__name__ if isinstance(value, ModuleType) else value.__module__
            assert home.partition(".")[0] in ("lamina", "jax"), f"{path}.{name} is of {home}"


def test_public_modules_are_all_here():
    rooms = "activations callbacks config constraints datasets initializers inspect layers losses metrics models ops optimizers"
    rest = (
        "random regularizers utils optimizers.schedules ops.image ops.linalg ops.nn ops.numpy utils.bounding_boxes datasets.mnist"
    )
    assert {"lamina", *(f"lamina.{room}" for room in f"{rooms} {rest}".split())} <= set(public_modules())


def test_names_that_are_not_shown_can_be_had():
    assert lamina.core.layer.Layer is lamina.Layer
    assert lamina.ops.kernels.convolution is not None
