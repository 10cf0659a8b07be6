"""The call of a layer, on one page: `run` is what happens between `layer(x)` and the layer's own `call`, and after it."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

import lamina.core.events as events
from lamina.core.building import first_call
from lamina.core.context import context
from lamina.core.errors import add_context
from lamina.core.input_spec import check_inputs
from lamina.core.jax_internals import in_trace
from lamina.core.layer_losses import RootCall, forget_losses, regularize_activity
from lamina.core.masks import any_masks, check_masks, mask_of, with_mask
from lamina.core.mistakes import explain_early
from lamina.core.placement import to_device
from lamina.core.shapes import ShapeSpec
from lamina.core.symbolic import SymbolicTensor
from lamina.core.text import describe_call
from lamina.core.variable import Variable

if TYPE_CHECKING:
    from lamina.core.layer import Layer


def run(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs a call of a layer, in a frame: casts its inputs, builds it if need be, computes, and leaves things as they were.

    An error takes back what the call has written, and says which layer it came from, how that was called and built, and where.
    """
    record, signature = layer._lamina, type(layer)._signature
    calls, frame = context.calls, context.frames[-1]
    autocast, training, written = context.autocast, context.training, len(frame.log)
    if not calls:
        forget_losses(layer)
    try:
        dtype = record.input_dtype
        args = tuple([cast_input(arg, dtype) for arg in args])
        for key in kwargs:
            kwargs[key] = cast_input(kwargs[key], dtype)
        args, context.training = signature.resolve_training(args, kwargs, training)
        calls.append((layer, calls[-1][1] if calls else RootCall(layer)))
        try:
            return compute(layer, args, kwargs) if layer.built else first_call(layer, compute, args, kwargs)
        finally:
            calls.pop()
            context.autocast, context.training = autocast, training
    except Exception as error:
        frame.undo(written)
        explain_early(error, layer)
        subject = f"the layer {layer.path!r} ({type(layer).__name__})"
        add_context(error, subject, describe_call(args, kwargs), record.built_with, kind="part")
        raise


def compute(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Computes the outputs of a layer that is built: checks the inputs, finds the masks, calls, regularises, passes the mask on."""
    signature = type(layer)._signature
    if layer.input_spec is not None:
        check_inputs(layer.input_spec, signature.first(args, kwargs), layer)
    if signature.masks:
        signature.resolve_masks(args, kwargs)
    elif layer.supports_masking and any_masks():
        inputs = signature.first(args, kwargs)
        check_masks(inputs, mask_of(inputs), layer)
    context.autocast = layer._lamina.weight_dtype
    outputs = _reported_call(layer, args, kwargs) if events.listeners else layer.call(*args, **kwargs)
    if isinstance(outputs, (Variable, list, tuple, dict)):
        outputs = jax.tree.map(lambda leaf: leaf, outputs)  # variables become their values
    if layer.activity_regularizer is not None:
        regularize_activity(layer, layer.activity_regularizer, outputs)
    if (type(layer)._computes_mask or any_masks()) and type(layer)._gives_mask(layer, args, kwargs):
        return _pass_mask(layer, args, kwargs, outputs)
    return outputs


def _reported_call(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs `call`, and tells those who watch."""
    why = events.why_called((args, kwargs), in_trace())
    with events.happening("call", type(layer).__name__, subject=layer, reason=why, given=describe_call(args, kwargs)) as event:
        outputs = layer.call(*args, **kwargs)
        event.gave = jax.tree.map(lambda leaf: ShapeSpec(jnp.shape(leaf), jnp.result_type(leaf)), outputs)
        return outputs


def _pass_mask(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> Any:
    """Puts the mask that `compute_mask` gives on the outputs; parts of composite layers may have put one on already."""
    inputs = type(layer)._signature.first(args, kwargs)
    mask = kwargs.get("mask")
    mask = mask_of(inputs) if mask is None else mask
    held = [leaf for leaf in jax.tree.leaves((args, kwargs)) if isinstance(leaf, jax.Array)]
    if type(layer)._computes_mask or (layer.supports_masking and mask is not None):
        return with_mask(outputs, layer.compute_mask(inputs, mask), held)
    if not layer.supports_masking and isinstance(outputs, jax.Array) and any(outputs is array for array in held):
        return with_mask(outputs, None, held)
    return outputs


# --- inputs ----------------------------------------------------------------------------------------------------------


def cast_input(value: Any, dtype: np.dtype | None) -> Any:
    """Returns arrays as JAX arrays, floating ones in `dtype` unless that is None, also in structures; the rest as it is."""
    if isinstance(value, jax.Array):
        if dtype is not None and value.dtype != dtype and jnp.issubdtype(value.dtype, jnp.floating):
            mask = mask_of(value)
            value = value.astype(dtype)
            return value if mask is None else with_mask(value, mask, ())
        return value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        if value.dtype.kind in "USOT":
            return value  # strings stay on the host
        return to_device(value, dtype if jnp.issubdtype(value.dtype, jnp.floating) else None)
    if isinstance(value, Variable):
        return cast_input(value.value, dtype)
    if isinstance(value, (list, tuple, dict)):
        return jax.tree.map(lambda leaf: cast_input(leaf, dtype), value, is_leaf=lambda leaf: isinstance(leaf, Variable))
    return value


def has_symbolic(value: Any) -> bool:
    """Tells whether there are symbolic tensors in a structure."""
    if isinstance(value, (list, tuple)):
        return any(map(has_symbolic, value))
    if isinstance(value, dict):
        return any(map(has_symbolic, value.values()))
    return isinstance(value, SymbolicTensor)
