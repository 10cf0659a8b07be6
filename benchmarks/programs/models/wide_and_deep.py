"""Two inputs, two outputs, as a subclassed model."""

from typing import Any

from programs.models.library import keras, layers


class WideAndDeep(keras.Model):
    def __init__(self, units: int = 30, activation: str = "relu", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden1 = layers.Dense(units, activation=activation)
        self.hidden2 = layers.Dense(units, activation=activation)
        self.main_output = layers.Dense(1)
        self.aux_output = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        wide, deep = inputs
        hidden = self.hidden2(self.hidden1(deep))
        return self.main_output(layers.concatenate([wide, hidden])), self.aux_output(hidden)
