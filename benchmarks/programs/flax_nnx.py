"""The runs in Flax NNX: a compiled step, called from a Python loop."""

import itertools
from collections.abc import Callable
from typing import Any

import data
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

Run = Callable[[int], Any]


class WideAndDeep(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.hidden1, self.hidden2 = nnx.Linear(6, 30, rngs=rngs), nnx.Linear(30, 30, rngs=rngs)
        self.main_output, self.aux_output = nnx.Linear(35, 1, rngs=rngs), nnx.Linear(30, 1, rngs=rngs)

    def __call__(self, wide: Any, deep: Any) -> Any:
        hidden = nnx.relu(self.hidden2(nnx.relu(self.hidden1(deep))))
        return self.main_output(jnp.concatenate([wide, hidden], -1)), self.aux_output(hidden)


class LeNet5(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1, self.conv2 = nnx.Conv(1, 6, (5, 5), rngs=rngs), nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
        sizes = [400, 120, 84, 10]
        self.dense = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])

    def __call__(self, x: Any) -> Any:
        for conv in (self.conv1, self.conv2):
            x = nnx.avg_pool(nnx.tanh(conv(x)), (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        return self.dense[2](nnx.tanh(self.dense[1](nnx.tanh(self.dense[0](x)))))


class Block(nnx.Module):
    def __init__(self, width: int, heads: int, hidden: int, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.norm1, self.norm2 = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.qkv, self.out = nnx.Linear(width, 3 * width, rngs=rngs), nnx.Linear(width, width, rngs=rngs)
        self.expand, self.contract = nnx.Linear(width, hidden, rngs=rngs), nnx.Linear(hidden, width, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        q, k, v = (part.reshape(*x.shape[:2], self.heads, -1) for part in jnp.split(self.qkv(self.norm1(x)), 3, -1))
        x = x + self.out(jax.nn.dot_product_attention(q, k, v, is_causal=True).reshape(x.shape))
        return x + self.contract(nnx.gelu(self.expand(self.norm2(x)), approximate=False))


class Transformer(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, width: int = 128, heads: int = 4, hidden: int = 512, blocks: int = 2) -> None:
        self.word, self.place = nnx.Embed(data.WORDS, width, rngs=rngs), nnx.Embed(data.TIME, width, rngs=rngs)
        self.blocks = nnx.List([Block(width, heads, hidden, rngs) for _ in range(blocks)])
        self.norm, self.logits = nnx.LayerNorm(width, rngs=rngs), nnx.Linear(width, data.WORDS, rngs=rngs)

    def __call__(self, words: Any) -> Any:
        x = self.word(words) + self.place(jnp.arange(data.TIME))
        for block in self.blocks:
            x = block(x)
        return self.logits(self.norm(x))


class LSTM(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.lstm = nnx.RNN(nnx.OptimizedLSTMCell(data.UNITS, data.UNITS, rngs=rngs))

    def __call__(self, x: Any) -> Any:
        return self.lstm(x)[:, -1]


class Attention(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.attention = nnx.MultiHeadAttention(data.HEADS, data.HEADS * data.HEAD_SIZE, decode=False, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.attention(x).mean(1)


def wide_and_deep() -> Run:
    train, held_out = data.housing()
    model = WideAndDeep(nnx.Rngs(0))

    def loss_of(model: Any, wide: Any, deep: Any, y: Any) -> Any:
        main, aux = model(wide, deep)
        return 0.9 * jnp.mean((main - y) ** 2) + 0.1 * jnp.mean((aux - y) ** 2)

    epoch = _epoch(model, optax.sgd(0.01), loss_of, train, data.BATCH)
    test_step = nnx.cached_partial(nnx.jit(loss_of), model)
    batches = [[a[i : i + data.BATCH] for a in held_out] for i in range(0, data.VALIDATION, data.BATCH)]

    def run(count: int) -> float:
        for _ in range(count):
            loss = epoch()
            np.average(jax.device_get([test_step(*batch) for batch in batches]), weights=[len(b[0]) for b in batches])
        return loss

    return run


def lenet(batch: int) -> Run:
    return _training(LeNet5(nnx.Rngs(0)), data.digits(), batch)


def transformer() -> Run:
    return _training(Transformer(nnx.Rngs(0)), data.sentences(), data.BATCH)


def _training(model: Any, arrays: Any, batch: int) -> Run:
    def loss_of(model: Any, x: Any, y: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

    epoch = _epoch(model, optax.adam(0.001), loss_of, arrays, batch)
    return lambda count: [epoch() for _ in range(count)][-1]


def lstm() -> Run:
    return _regression(LSTM(nnx.Rngs(0)), data.series(), data.SERIES_BATCH)


def lstm_forward() -> Run:
    return _outputs(LSTM(nnx.Rngs(0)), data.series()[0], data.SERIES_BATCH)


def attention() -> Run:
    return _regression(Attention(nnx.Rngs(0)), data.texts(), data.TEXTS_BATCH)


def attention_forward() -> Run:
    return _outputs(Attention(nnx.Rngs(0)), data.texts()[0], data.TEXTS_BATCH)


def _regression(model: Any, arrays: Any, batch: int) -> Run:
    epoch = _epoch(model, optax.sgd(0.01), lambda model, x, y: jnp.mean((model(x) - y) ** 2), arrays, batch)
    return lambda count: [epoch() for _ in range(count)][-1]


def _outputs(model: Any, x: Any, batch: int) -> Run:
    forward = nnx.cached_partial(nnx.jit(lambda model, x: model(x)), model)

    def run(count: int) -> None:
        for _ in range(count):
            jax.device_get([forward(x[i : i + batch]) for i in range(0, len(x), batch)])

    return run


def _epoch(model: Any, transformation: Any, loss_of: Callable[..., Any], arrays: Any, batch: int) -> Callable[[], float]:
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any, arrays: Any) -> Any:
        loss, grads = nnx.value_and_grad(loss_of)(model, *arrays)
        optimizer.update(model, grads)
        return loss

    train_step = nnx.cached_partial(step, model, optimizer)
    rng, size = np.random.default_rng(0), len(arrays[0])

    def run() -> float:
        order = rng.permutation(size)
        batches = [order[i : i + batch] for i in range(0, size, batch)]
        losses = [train_step([a[index] for a in arrays]) for index in batches]
        return float(np.average(jax.device_get(losses), weights=[len(index) for index in batches]))

    return run


def predict(samples: int) -> Run:
    arrays = data.blocks(samples)
    forward = nnx.cached_partial(nnx.jit(lambda model, wide, deep: model(wide, deep)), WideAndDeep(nnx.Rngs(0)))

    def run(count: int) -> None:
        for _ in range(count):
            jax.device_get(forward(*arrays))

    return run


def call() -> Run:
    inputs, model = [jnp.asarray(a) for a in data.blocks(1)], WideAndDeep(nnx.Rngs(0))

    def run(count: int) -> None:
        for _ in range(count):
            outputs = model(*inputs)
        jax.block_until_ready(outputs)

    return run


def device() -> str:
    return jax.devices()[0].device_kind.replace("cpu", "CPU")
