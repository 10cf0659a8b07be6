"""A causal transformer from Dense, Embedding and LayerNormalization."""

from typing import Any

import numpy as np
from programs.models.library import keras, layers, ops


class Attention(layers.Layer):
    def __init__(self, width: int, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.qkv = layers.Dense(3 * width)
        self.out = layers.Dense(width)

    def call(self, x: Any) -> Any:
        _, time, width = x.shape
        q, k, v = (self.by_head(part, time, width) for part in ops.split(self.qkv(x), 3, axis=-1))
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (width // self.heads) ** -0.5
        scores = ops.where(np.tri(time, dtype=bool), scores, -1e9)
        mixed = ops.transpose(ops.matmul(ops.softmax(scores, axis=-1), v), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, time, width)))

    def by_head(self, x: Any, time: int, width: int) -> Any:
        return ops.transpose(ops.reshape(x, (-1, time, self.heads, width // self.heads)), (0, 2, 1, 3))


class Block(layers.Layer):
    def __init__(self, width: int, heads: int, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.norm1 = layers.LayerNormalization()
        self.attention = Attention(width, heads)
        self.norm2 = layers.LayerNormalization()
        self.expand = layers.Dense(hidden, activation="gelu")
        self.contract = layers.Dense(width)

    def call(self, x: Any) -> Any:
        x = x + self.attention(self.norm1(x))
        return x + self.contract(self.expand(self.norm2(x)))


class Transformer(keras.Model):
    def __init__(self, words: int, time: int, width: int = 128, heads: int = 4, hidden: int = 512, blocks: int = 2) -> None:
        super().__init__()
        self.time = time
        self.word = layers.Embedding(words, width)
        self.position = layers.Embedding(time, width)
        self.blocks = [Block(width, heads, hidden) for _ in range(blocks)]
        self.norm = layers.LayerNormalization()
        self.logits = layers.Dense(words)

    def call(self, words: Any) -> Any:
        x = self.word(words) + self.position(ops.arange(self.time))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))
