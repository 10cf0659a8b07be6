"""The config of a graph: its layers and the calls of them, as plain data, and back.

A config of a graph has

- `layers`: what `serialize` gives for each layer, with its `name` beside it;
- `calls`: in an order in which they can run; each with the name of the `layer` or the `function`, the arguments, and the
  numbers of the tensors that it gives. In the arguments `{"__tensor__": 3}` stands for the tensor of that number;
- `inputs`, `outputs`: structures of such numbers. The inputs have the first numbers;
- `losses`, `metrics`: those that were added as symbolic tensors, with the name of the layer that owns them, or None.

Functions go by their public names, and are looked up in a table of those that graphs record. Nothing is imported or run
because a config says so.
"""

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import jax

import lamina.activations as activations
import lamina.layers as layers
import lamina.losses as losses
import lamina.ops as ops
from lamina.core.config import deserialize, serialize
from lamina.core.graph import OPERATORS, order_of_calls
from lamina.core.layer import Layer
from lamina.core.plain import decode, encode, refuse_code
from lamina.core.registry import Registry
from lamina.core.symbolic import Node, SymbolicTensor, is_tensor, symbolic_leaves
from lamina.core.text import suggest

GRAPH_KEYS = frozenset({"layers", "calls", "inputs", "outputs", "losses", "metrics"})


def is_graph_config(config: Mapping[str, Any]) -> bool:
    """Tells whether a config is of a graph, and not of a constructor's arguments."""
    return config.keys() >= GRAPH_KEYS


@functools.cache
def known_functions() -> Registry:
    """Returns the table of the functions that a graph may record, by their public names."""
    table = Registry("functions")
    table.add_aliases({f"operator.{name}": function for name, function in OPERATORS.items()})
    table.add_aliases(_recorded("lamina.ops", ops))
    for part in ("nn", "numpy", "linalg", "image"):
        table.add_aliases(_recorded(f"lamina.ops.{part}", getattr(ops, part)))
    for name, room in (("activations", activations), ("layers", layers), ("losses", losses)):
        table.add_aliases(_recorded(f"lamina.{name}", room))
    return table


def _recorded(prefix: str, room: Any) -> dict[str, Callable[..., Any]]:
    return {f"{prefix}.{name}": f.recorded for name, f in vars(room).items() if name[0] != "_" and hasattr(f, "recorded")}


# --- out -------------------------------------------------------------------------------------------------------------


def graph_config(model: Any) -> dict[str, Any]:
    """Returns the config of a functional model's graph.

    Raises:
        TypeError: if something in it is code: a function that Lamina does not know by name, or a loss that is a function.
    """
    if model._lamina.lasting_losses:
        raise TypeError(
            f"The model {model.name!r} has no config: a function was added as a loss, {model._lamina.lasting_losses[0]!r}. Write a "
            "layer, a subclass of lamina.Layer, whose call() adds the loss."
        )
    owners = [(None, model), *((layer.name, layer) for layer in model.layers)]
    losses = [(name, loss) for name, owner in owners for loss in owner._lamina.symbolic_losses if model._computes(loss)]
    metrics = [(name, v, m.name) for name, owner in owners for v, m in owner._lamina.symbolic_metrics if model._computes(v)]
    nodes = order_of_calls([*model.outputs, *(loss for _, loss in losses), *(v for _, v, _ in metrics)], model.inputs)
    called = [node.function for node in nodes if isinstance(node.function, Layer)]
    counter = itertools.count()
    numbers = dict(zip(model.inputs, counter, strict=False))
    config = {
        "layers": [{**serialize(layer), "name": layer.name} for layer in dict.fromkeys([*model.layers, *called])],
        "calls": [_written_call(node, numbers, counter, model) for node in nodes],
        "inputs": encode(jax.tree.map(lambda start: start.name, model._lamina.starts)),
        "outputs": _written(model.output, numbers),
        "losses": [[name, numbers[loss]] for name, loss in losses],
        "metrics": [[name, numbers[value], metric] for name, value, metric in metrics],
    }
    refuse_code(config, f"The model {model.name!r}")
    return config


def _written_call(node: Node, numbers: dict[SymbolicTensor, int], counter: Any, model: Any) -> dict[str, Any]:
    """Returns the config of a call, and enters the numbers of its outputs."""
    if isinstance(node.function, Layer):
        callee = {"layer": node.function.name}
    elif (name := known_functions().name_of(node.function)) is not None:
        callee = {"function": name}
    else:
        raise TypeError(
            f"The model {model.name!r} has no config: it calls {node.function!r}, which is neither a layer nor a function "
            "of lamina.ops. Write a layer, a subclass of lamina.Layer, whose call() does the computation."
        )
    (called,) = callee.values()
    args, kwargs = [_written(arg, numbers) for arg in node.args], _written(node.kwargs, numbers)
    refuse_code({"arguments": [args, kwargs]}, f"The call of {called!r} in the model {model.name!r}")
    outputs = jax.tree.leaves(node.outputs, is_leaf=is_tensor)
    numbers.update(zip(outputs, counter, strict=False))
    return {**callee, "args": args, "kwargs": kwargs, "outputs": [numbers[tensor] for tensor in outputs]}


def _written(structure: Any, numbers: Mapping[SymbolicTensor, int]) -> Any:
    def number(leaf: Any) -> Any:
        return {"__tensor__": numbers[leaf]} if isinstance(leaf, SymbolicTensor) else leaf

    return encode(jax.tree.map(number, structure, is_leaf=is_tensor))


# --- in --------------------------------------------------------------------------------------------------------------


def graph_of(config: Mapping[str, Any]) -> tuple[Any, Any, Callable[[Any], None]]:
    """Makes the layers of a config, and calls them as it says.

    Returns:
        The symbolic inputs, the outputs, and a function that adds the losses and metrics to the model that is made of these.

    Raises:
        ValueError: for a class or a function that the program does not know, or calls that do not fit together.
    """
    made = {entry["name"]: deserialize(entry) for entry in config["layers"]}
    inputs = jax.tree.map(lambda name: _made(name, made).tensor, decode(config["inputs"]))
    tensors = dict(enumerate(symbolic_leaves(inputs)))
    for call in config["calls"]:
        callee = _made(call["layer"], made) if "layer" in call else known_functions().find_own(call["function"], "function")
        args, kwargs = (_read(call[what], tensors) for what in ("args", "kwargs"))
        if not symbolic_leaves((args, kwargs)):  # nothing is computed here, only recorded
            raise ValueError(f"The call of {call.get('layer') or call['function']!r} in a config is given no tensor.")
        results = symbolic_leaves(callee(*args, **kwargs))
        if len(results) != len(call["outputs"]):
            raise ValueError(
                f"The call of {call.get('layer')!r} in a config gives {len(results)} tensors, not {len(call['outputs'])}."
            )
        tensors.update(zip(call["outputs"], results, strict=True))

    def contribute(model: Any) -> None:
        for name, loss in config["losses"]:
            made.get(name, model).add_loss(tensors[loss])
        for name, value, metric in config["metrics"]:
            made.get(name, model).add_metric(tensors[value], metric)

    return inputs, _read(config["outputs"], tensors), contribute


def _made(name: Any, layers: Mapping[str, Any]) -> Any:
    if not isinstance(name, str) or name not in layers:
        raise ValueError(f"Unknown layer {name!r} in a config. {suggest(str(name), layers)}")
    return layers[name]


def _read(config: Any, tensors: Mapping[int, SymbolicTensor]) -> Any:
    def is_number(value: Any) -> bool:
        return isinstance(value, dict) and value.keys() == {"__tensor__"}

    def tensor(leaf: Any) -> Any:
        if not is_number(leaf):
            return leaf
        if leaf["__tensor__"] not in tensors:
            raise ValueError(f"A config asks for the tensor {leaf['__tensor__']!r}, which no call before gives.")
        return tensors[leaf["__tensor__"]]

    return jax.tree.map(tensor, decode(config), is_leaf=is_number)
