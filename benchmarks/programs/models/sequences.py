"""A recurrent and an attention layer, each with as little around it as makes it a model."""

from typing import Any

from programs.models.library import keras, layers


def lstm(units: int) -> Any:
    return keras.Sequential([layers.LSTM(units)])


class Attention(keras.Model):
    """Self-attention, and the mean over the steps."""

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.attention = layers.MultiHeadAttention(heads, size)
        self.mean = layers.GlobalAveragePooling1D()

    def call(self, x: Any) -> Any:
        return self.mean(self.attention(x, x))
