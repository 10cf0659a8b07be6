"""Model: a layer that can be trained."""

from typing import Any, ClassVar, Self

from lamina.core.layer import Layer
from lamina.training.trainer import Trainer


class Model(Trainer):
    """A layer that can be trained: `compile`, `fit`, `evaluate`, `predict`.

    A subclass makes its layers in `__init__` and composes them in `call`. `Model(inputs, outputs)` is the model of the graph
    that leads from symbolic inputs to outputs.

    How it learns is `train_step`, which may be overridden: it is plain code that reads and writes variables, and it is
    compiled together with the loop over the batches.

    Args:
        kwargs: what `lamina.Layer` takes.

    >>> class Line(lamina.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.dense = lamina.layers.Dense(1)
    ...     def call(self, x):
    ...         return self.dense(x)
    >>> model = Line()
    >>> model.compile(lamina.optimizers.SGD(0.1), "mse")
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> history = model.fit(x, 3 * x + 1, epochs=40, verbose=0)
    >>> history.history["loss"][-1] < 0.01
    True
    """

    functional: ClassVar[type["Model"] | None] = None  # the class behind Model(inputs, outputs)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes `Model(inputs, outputs)` a functional model."""
        if cls is Model and Model.functional is not None and (args or "inputs" in kwargs):
            return Model.functional.__new__(Model.functional, *args, **kwargs)  # type: ignore[return-value]
        return super().__new__(cls, *args, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers that it holds directly."""
        return [layer for layer in self.sublayers() if isinstance(layer, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns the layer of the given name or number. Raises ValueError if there is none."""
        if name is None and index is not None and -len(self.layers) <= index < len(self.layers):
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise ValueError(f"The model {self.name!r} has no layer {index if name is None else name!r}. Its layers: {names}.")
