"""Writes `docs/keras_names.md`: every public name of Keras 3, and whether Lamina has it, or why not.

    python docs/keras_names.py        # where Keras is installed

Names, and arguments of classes, that Lamina lacks have their reasons here.
"""

import inspect
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras

import lamina

PAGE = Path(__file__).parent / "keras_names.md"
ROOMS = (
    *("layers", "losses", "metrics", "optimizers", "optimizers.schedules", "callbacks", "initializers", "regularizers"),
    *(
        "constraints",
        "activations",
        "ops",
        "ops.image",
        "ops.linalg",
        "ops.nn",
        "ops.numpy",
        "random",
        "models",
        "utils",
        "datasets",
    ),
)

_OLD = "for code of Keras 1 and 2"
_QUANTISED = "quantisation is left out"
_ADAPTED = "low-rank adapters are left out"
_INTERNAL = "Keras's own classes give it to their base; it cannot be given to them"
_UNUSED = "Keras takes it and does nothing with it"
_DENSE = "JAX arrays are dense and of one shape"
_TEXT = "text is `str`, which is Unicode"
_OF_OPTIMIZERS = (
    *("learning_rate", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm", "use_ema", "ema_momentum"),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
)

_WITHOUT_FACTOR = (
    *("AutoContrast", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "Equalization", "MaxNumBoundingBoxes", "MixUp"),
    *(
        "RandomColorJitter",
        "RandomCrop",
        "RandomFlip",
        "RandomShear",
        "RandomTranslation",
        "RandomZoom",
        "Resizing",
        "Solarization",
    ),
)

# By name, why Lamina lacks it.
REASONS: dict[str, str] = {
    "layers.TFSMLayer": "runs a TensorFlow SavedModel, which needs TensorFlow",
    "layers.TorchModuleWrapper": "runs a PyTorch module, which needs the PyTorch backend",
    "datasets.boston_housing": "one of its columns rests on a racist assumption; scikit-learn has withdrawn it for that",
    "optimizers.legacy": _OLD,
    "utils.FeatureSpace": "a model's inputs are numbers: lookups and hashes are called on the strings before",
    "utils.model_to_dot": "`utils.plot_model` draws, without pydot, whose objects it would return",
    "utils.legacy": _OLD,
    "callbacks.BackupAndRestore": "comes with the files from which a run continues",
    "callbacks.OrbaxCheckpoint": "comes with the files from which a run continues",
    "models.load_model": "comes with the files of models",
    "models.save_model": "comes with the files of models",
}

# By argument, or by class and argument, why Lamina's constructors lack it.
ARGUMENTS: dict[str, str] = {
    "InputLayer.autocast": "it has no weights, and gives back what it is given",
    "InputLayer.trainable": "it has no weights, and gives back what it is given",
    "InputLayer.activity_regularizer": "it has no weights, and gives back what it is given",
    "InputLayer.input_tensor": "a graph may start from any tensor: give it to `Model(inputs, outputs)`",
    "InputLayer.ragged": _DENSE,
    "InputLayer.sparse": _DENSE,
    "StringLookup.encoding": _TEXT,
    "TextVectorization.encoding": _TEXT,
    "StringLookup.oov_method": _INTERNAL,
    "StringLookup.vocabulary_dtype": _INTERNAL,
    "native_serialization_platforms": "for functions that are handed to TensorFlow",
    "pool_dimensions": _INTERNAL,
    "pool_mode": _INTERNAL,
    "rank": _INTERNAL,
    "ReduceLROnPlateau.baseline": _UNUSED,
    **{f"LossScaleOptimizer.{name}": _UNUSED for name in _OF_OPTIMIZERS},
    **{f"{name}.factor": _INTERNAL for name in _WITHOUT_FACTOR},
    "lora_alpha": _ADAPTED,
    "lora_rank": _ADAPTED,
    "gptq_unpacked_column_size": _QUANTISED,
    "quantization_config": _QUANTISED,
}


def names_of(room: str) -> list[str]:
    """Returns the public names of a module of Keras."""
    return [name for name in dir(_find(keras, room)) if not name.startswith("_")]


def is_here(room: str, name: str) -> bool:
    """Tells whether a name is a public one of Lamina's."""
    return name in _find(lamina, room).__all__


def _find(module: Any, room: str) -> Any:
    for part in room.split("."):
        module = getattr(module, part, None)
    return module


def missing_arguments(room: str, name: str) -> list[str]:
    """Returns the arguments that the constructor of a class of Keras takes and that of Lamina's does not."""
    theirs, ours = (getattr(_find(module, room), name, None) for module in (keras, lamina))
    if not (inspect.isclass(theirs) and inspect.isclass(ours)):
        return []
    taken = _arguments(ours)
    return [argument for argument in _arguments(theirs) if argument not in taken]


def _arguments(cls: type) -> list[str]:
    """Returns the arguments of a constructor, and where it passes `**kwargs` on, those of its base classes."""
    found: dict[str, None] = {}
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        parameters = list(inspect.signature(vars(base)["__init__"]).parameters.values())[1:]
        found |= dict.fromkeys(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(found)


def page() -> str:
    """Returns the text of the page."""
    return "\n\n".join([_HEAD, *map(_part, ROOMS), _ARGUMENTS_HEAD, _argument_table()]) + "\n"


def _part(room: str) -> str:
    """Returns a room's heading, and its names by what there is to say of them."""
    said: dict[str, list[str]] = {"here": []}
    for name in names_of(room):
        said.setdefault("here" if is_here(room, name) else REASONS.get(f"{room}.{name}", "?"), []).append(name)
    total, here = sum(map(len, said.values())), len(said["here"])
    count = f"All {total} are here." if here == total else f"{here} of {total} are here."
    return f"## {room}\n\n{count}\n\n{_table('name', said)}"


def _argument_table() -> str:
    """Returns the table of arguments that are missing, by their reasons."""
    said: dict[str, list[str]] = {}
    for key, reason in ARGUMENTS.items():
        said.setdefault(reason, []).append(key.replace(".", "(") + ")" if "." in key else key)
    return _table("argument", said)


def _table(title: str, said: dict[str, list[str]]) -> str:
    rows = [f"| {', '.join(f'`{name}`' for name in names)} | {reason} |" for reason, names in said.items() if names]
    return "\n".join([f"| {title} | |", "|---|---|", *rows])


_VERSION = ".".join(keras.__version__.split(".")[:2])
_HEAD = f"""# The names of Keras

Every public name of Keras {_VERSION}, module by module: whether it is here, by the same name in the same place, or why not.
`docs/keras_names.py` writes this page, and a test holds it to what is there."""

_ARGUMENTS_HEAD = """## Arguments

Classes take every argument that those of Keras take when they are made, except these. Where no class is named, none takes it."""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
