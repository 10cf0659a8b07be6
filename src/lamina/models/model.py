"""Model: a layer that can be trained."""

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

from lamina.core.layer import Layer
from lamina.core.weights import layers_in
from lamina.models.architecture import Architecture
from lamina.training.trainer import Trainer
from lamina.training.weights_file import load_weights, save_weights


class Model(Architecture, Trainer):
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

    _functional: ClassVar[type["Model"] | None] = None  # the class behind Model(inputs, outputs)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Makes `Model(inputs, outputs)` a functional model."""
        if cls is Model and Model._functional is not None and (args or "inputs" in kwargs):
            return Model._functional.__new__(Model._functional, *args, **kwargs)  # type: ignore[return-value]
        return super().__new__(cls, *args, **kwargs)

    @property
    def layers(self) -> list[Layer]:
        """The layers that it holds directly."""
        return layers_in(self)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns the layer of the given name or number. Raises ValueError if there is none."""
        if name is None and index is not None and -len(self.layers) <= index < len(self.layers):
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = ", ".join(layer.name for layer in self.layers)
        raise ValueError(f"The model {self.name!r} has no layer {index if name is None else name!r}. Its layers: {names}.")

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Shows its layers, their output shapes, and how many weights they have, as a table.

        Shapes are found by running `call` without numbers, on inputs as it was built for. The total is of the model's weights;
        what the optimizer keeps is counted apart.

        Args:
            line_length: how wide the table is, in characters; by default as wide as the terminal.
            positions: where the columns end, in characters or as parts of the line, as Keras has it: layer, shape, params, and
                those that follow.
            print_fn: what is given each line of plain text; by default the table goes to the notebook or the terminal.
            expand_nested: whether layers inside of layers are listed.
            show_trainable: whether to say which layers are trained.
            layer_range: the names of the first and of the last layer to list, or regular expressions for them.

        Raises:
            ValueError: if the model is not built, or an argument fits nothing.

        >>> model = lamina.Sequential([lamina.Input((3,)), lamina.layers.Dense(4), lamina.layers.Dense(1)], name="net")
        >>> model.summary(print_fn=print)
        Model "net" (Sequential)
        Layer (type)      Output shape   Params   Size
        ----------------------------------------------
        dense (Dense)     (None, 4)          16   64 B
        dense_1 (Dense)   (None, 1)           5   20 B
        <BLANKLINE>
        Total params: 21 (84 B)
        Trainable params: 21 (84 B)
        Non-trainable params: 0 (0 B)
        """
        from lamina.inspect.summary import summarize

        summarize(
            self,
            print_fn,
            line_length=line_length,
            positions=positions,
            expand_nested=expand_nested,
            show_trainable=show_trainable,
            layer_range=layer_range,
        )

    def save_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Writes the weights to a file: see `lamina.training.weights_file.save_weights`."""
        save_weights(self, filepath)

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Sets the weights to those in a file: see `lamina.training.weights_file.load_weights`."""
        load_weights(self, filepath)
