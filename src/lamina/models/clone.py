"""Cloning: a model of the same architecture with weights of its own."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from lamina.core.config import remade
from lamina.core.graph import order_of_calls, run_calls
from lamina.core.layer import Layer
from lamina.core.registry import also_known
from lamina.core.symbolic import SymbolicTensor, symbolic_leaves
from lamina.models.functional import Functional
from lamina.models.model import Model
from lamina.models.sequential import Sequential

Clone = Callable[[Layer], Layer]


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Clone | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Returns a model of new layers of the same classes, with the same configs, and new weights.

    Weights are placed as the old ones are. A model that is built by its first call has none yet: it makes them where any are made.

    Args:
        model: a functional or sequential model; any other is made anew from its config.
        input_tensors: symbolic tensors for the new model to start from, nested as `model.input` is; by default new inputs of
            the same names.
        clone_function: makes the new layer from an old one; by default from its config. Not called for inputs.
        call_function: calls a new layer: `call_function(layer, *args, **kwargs)`. For functional models only.
        recursive: whether models inside are cloned in the same way, and not by `clone_function` as one layer.
        custom_objects: classes and functions by name, where layers were given names, as in `activation="halve"`, that are known no
            longer. The classes of the layers themselves are known.

    Raises:
        ValueError: for an option that is not for this kind of model, or input_tensors that do not fit.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2)])
    >>> clone = lamina.models.clone_model(model)
    >>> clone.layers[0] is model.layers[0], clone.weights[0].path == model.weights[0].path
    (False, True)
    """
    clones: dict[Layer, Layer] = {}
    with also_known(custom_objects):
        made = _clone(model, input_tensors, clone_function, call_function, recursive, clones)
    for layer, new in (clones or {model: made}).items():
        _place_alike(layer, new)
    return made


def _place_alike(layer: Layer, new: Layer) -> None:
    """Puts the weights of a new layer where those of the old one are, unless a clone_function has made another kind of layer."""
    weights, own = layer.weights, new.weights
    if [weight.shape for weight in weights] == [weight.shape for weight in own]:
        for weight, one in zip(weights, own, strict=True):
            if weight.placement is not None and one is not weight:
                one.placement = weight.placement


def _clone(
    model: Model,
    input_tensors: Any,
    clone_function: Clone | None,
    call_function: Callable[..., Any] | None,
    recursive: bool,
    clones: dict[Layer, Layer],
) -> Any:
    """Clones a model; `clones` has the layers that are cloned already, so that what is shared stays so."""
    options = {"input_tensors": input_tensors, "clone_function": clone_function, "call_function": call_function}
    given = [name for name, option in options.items() if option is not None]
    if not isinstance(model, (Sequential, Functional)) or not (given or model._takes_parts()):
        if given:
            raise ValueError(
                f"{given[0]} is for functional and sequential models, not for {model.name!r} of {type(model).__name__}."
            )
        return remade(model)

    def clone(layer: Layer) -> Layer:
        if layer not in clones:
            if isinstance(layer, (Sequential, Functional)) and (recursive or clone_function is None):
                calling = call_function if recursive and isinstance(layer, Functional) else None
                clones[layer] = _clone(layer, None, clone_function, calling, recursive, clones)
            else:
                clones[layer] = remade(layer) if clone_function is None else clone_function(layer)
        return clones[layer]

    if isinstance(model, Functional):
        return _clone_functional(model, input_tensors, clone, call_function, clones)
    if call_function is not None:
        raise ValueError(
            f"call_function is for functional models; {model.name!r} is a Sequential, which calls its layers in order."
        )
    return _clone_sequential(model, input_tensors, clone)


def _clone_sequential(model: Sequential, input_tensors: Any, clone: Clone) -> Sequential:
    layers: list[Any] = [clone(layer) for layer in model.layers]
    if input_tensors is not None:
        layers = [*_tensors_like([0], input_tensors, model), *layers]
    elif model._lamina.input_given:
        layers = [model._lamina.starts.copy(), *layers]
    made: Sequential = _class_of(model, Sequential)(layers, **_settings(model))
    if model.built:
        made.build(model._lamina.shape)
    return made


def _clone_functional(
    model: Functional,
    input_tensors: Any,
    clone: Clone,
    call_function: Callable[..., Any] | None,
    clones: dict[Layer, Layer],
) -> Functional:
    if input_tensors is None:
        inputs = jax.tree.map(lambda start: start.copy().tensor, model._lamina.starts)
    else:
        inputs = _tensors_like(model.input, input_tensors, model)
    feed = dict(zip(model.inputs, symbolic_leaves(inputs), strict=True))

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(function, Layer):
            return function(*args, **kwargs)
        return clone(function)(*args, **kwargs) if call_function is None else call_function(clone(function), *args, **kwargs)

    def follow(tensor: SymbolicTensor) -> SymbolicTensor:
        run_calls(order_of_calls([tensor], feed), feed, call)
        return feed[tensor]

    made: Functional = _class_of(model, Functional)(inputs, jax.tree.map(follow, model.output), **_settings(model))
    for owner, new in [(model, made), *((layer, clones[layer]) for layer in model.layers if layer in clones)]:
        for loss in filter(model._computes, owner._lamina.symbolic_losses):
            new.add_loss(follow(loss))
        for value, metric in owner._lamina.symbolic_metrics:
            if model._computes(value):
                new.add_metric(follow(value), metric.name)
    return made


def _class_of(model: Functional | Sequential, base: Any) -> Any:
    return type(model) if model._takes_parts() else base


def _settings(model: Model) -> dict[str, Any]:
    return {"name": model.name, "trainable": model.trainable, "dtype": model.dtype_policy}


def _tensors_like(structure: Any, given: Any, model: Model) -> Any:
    """Returns the tensors that a clone is to start from, nested as the model's inputs are; one tensor may be nested in any way."""
    leaves: list[Any] = jax.tree.leaves(given)
    wanted: Any = jax.tree.structure(structure)
    alone = len(leaves) == wanted.num_leaves == 1
    if not all(isinstance(leaf, SymbolicTensor) for leaf in leaves) or not (alone or jax.tree.structure(given) == wanted):
        raise ValueError(
            f"input_tensors must be symbolic tensors, nested as the inputs of the model {model.name!r} are, {structure!r}; not "
            f"{given!r}."
        )
    return jax.tree.unflatten(wanted, leaves)
