"""Architecture: what a model is made of, whichever way it was written, and how that is written down."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from lamina.core.config import deserialize, serialize
from lamina.core.layer import Layer
from lamina.core.plain import refuse_code
from lamina.core.registry import also_known
from lamina.models.graph_config import is_graph_config


class Architecture(Layer):
    """A base for models: a subclass composes layers in `call`, or is given the graph that leads from inputs to outputs.

    Args:
        inputs: symbolic inputs; with `outputs`, the model becomes a functional one.
        outputs: what follows from them.
        kwargs: what `lamina.Layer` takes.
    """

    _functional: ClassVar[type[Any] | None] = None  # the class behind models with a graph

    def __init__(self, *graph: Any, **kwargs: Any) -> None:
        graph = (*graph, *(kwargs.pop(name) for name in ("inputs", "outputs")[len(graph) :] if name in kwargs))
        if not graph:
            super().__init__(**kwargs)
            return
        if len(graph) != 2 or self._functional is None:
            raise TypeError(f"{type(self).__name__} takes inputs and outputs, or neither of them.")
        self.__class__ = self._functional._form_of(type(self))
        vars(self)["_lamina"] = self._record.in_place_of(self._lamina)
        super().__init__(**kwargs)
        self._take_graph(*graph)

    def _take_graph(self, inputs: Any, outputs: Any) -> None:
        """Becomes the model of the graph from the inputs to the outputs: what a functional model does."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """Returns a new model, with new weights, from what `get_config` returned.

        Args:
            config: that.
            custom_objects: classes and functions of one's own, by the names that the config has for them.
        """
        form = cls._functional._form_of(cls) if cls._functional is not None and is_graph_config(config) else cls
        with also_known(custom_objects):
            return form.from_config(config) if form is not cls else super().from_config(config)

    def to_json(self, **kwargs: Any) -> str:
        """Returns the class and the config as text: what `lamina.models.model_from_json` takes.

        Args:
            kwargs: what `json.dumps` takes, such as `indent`.

        Raises:
            TypeError: if the config holds code.
        """
        described = serialize(self)
        refuse_code(described, f"The model {self.name!r}")
        return json.dumps(described, **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns a new model, with new weights, from what `model.to_json()` returned.

    Args:
        json_string: that.
        custom_objects: classes and functions of one's own, by the names that the text has for them.

    Raises:
        ValueError: if it names a class or a function that the program does not know, or is of no model.

    >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(2)])
    >>> lamina.models.model_from_json(model.to_json()).count_params()
    8
    """
    model = deserialize(json.loads(json_string), custom_objects)
    if not isinstance(model, Architecture):
        raise ValueError(f"The text is of no model, but of {model!r}.")
    return model
