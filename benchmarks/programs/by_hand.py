"""The limit: the same training written by hand in JAX, one program for one model, with nothing of a framework in it.

An epoch is one call: a loop on the device gathers each batch by the epoch's permutation. Convolutions are products with banded
matrices, and every product is of two dimensions: both are what XLA runs fastest on a CPU.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import data
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree

Run = Callable[[int], Any]

WIDTH, HEADS, HIDDEN, BLOCKS = 128, 4, 512, 2
CHUNK = 1_000  # samples predicted at a time: what is in between stays in the cache


# --- models ----------------------------------------------------------------------------------------------------------


def _dense(rng: Any, fan_in: int, fan_out: int) -> Any:
    limit = (6 / (fan_in + fan_out)) ** 0.5
    return rng.uniform(-limit, limit, (fan_in, fan_out)).astype("float32"), np.zeros(fan_out, "float32")


def _wide_and_deep_weights() -> Any:
    rng = np.random.default_rng(0)
    return [_dense(rng, a, b) for a, b in ((6, 30), (30, 30), (35, 1), (30, 1))]


def _wide_and_deep(weights: Any, wide: Any, deep: Any) -> Any:
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = weights
    hidden = jnp.maximum(jnp.maximum(deep @ w1 + b1, 0) @ w2 + b2, 0)
    return jnp.concatenate([wide, hidden], -1) @ w3 + b3, hidden @ w4 + b4


def _wide_and_deep_loss(weights: Any, wide: Any, deep: Any, y: Any) -> Any:
    main, aux = _wide_and_deep(weights, wide, deep)
    return 0.9 * jnp.mean((main - y) ** 2) + 0.1 * jnp.mean((aux - y) ** 2)


def _lenet_weights() -> Any:
    rng = np.random.default_rng(0)

    def conv(channels: int, filters: int) -> Any:
        kernel, bias = _dense(rng, 25 * channels, 25 * filters)
        return kernel[:, :filters].reshape(5, 5, channels, filters), bias[:filters]

    return [conv(1, 6), conv(6, 16), *(_dense(rng, a, b) for a, b in ((400, 120), (120, 84), (84, 10)))]


def _convolve(x: Any, kernel: Any, bias: Any, block: int) -> Any:
    """A valid convolution: so many outputs side by side are the patch that they see times a banded matrix."""
    size, _, channels, filters = kernel.shape
    batch, height, width, _ = x.shape
    rows, columns, reach = height - size + 1, width - size + 1, block + size - 1
    band = np.stack([np.eye(reach, block, -k, dtype="float32") for k in range(size)])
    matrix = jnp.einsum("rkcf,kxy->rxcyf", kernel, band).reshape(size * reach * channels, block * filters)
    x = x.reshape(batch, height, width * channels)
    x = jnp.stack([x[..., i * channels : (i + reach) * channels] for i in range(0, columns, block)], 2)
    x = jnp.concatenate([x[:, i : i + rows] for i in range(size)], -1)
    return (x.reshape(-1, x.shape[-1]) @ matrix).reshape(batch, rows, columns, filters) + bias


def _pool(x: Any) -> Any:
    return lax.reduce_window(x, np.float32(0), lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") * 0.25


def _lenet_loss(weights: Any, x: Any, labels: Any) -> Any:
    conv1, conv2, (w1, b1), (w2, b2), (w3, b3) = weights
    x = _pool(jnp.tanh(_convolve(jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0))), *conv1, block=4)))
    x = _pool(jnp.tanh(_convolve(x, *conv2, block=2))).reshape(-1, 400)
    return _crossentropy(jnp.tanh(jnp.tanh(x @ w1 + b1) @ w2 + b2) @ w3 + b3, labels)


def _transformer_weights() -> Any:
    rng = np.random.default_rng(0)
    embeddings = [rng.uniform(-0.05, 0.05, (n, WIDTH)).astype("float32") for n in (data.WORDS, data.TIME)]
    norm = (np.ones(WIDTH, "float32"), np.zeros(WIDTH, "float32"))
    sizes = ((WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, HIDDEN), (HIDDEN, WIDTH))
    blocks = [[norm, norm, *(_dense(rng, a, b) for a, b in sizes)] for _ in range(BLOCKS)]
    return embeddings, blocks, norm, _dense(rng, WIDTH, data.WORDS)


def _norm(x: Any, scale: Any, offset: Any) -> Any:
    x = x - x.mean(-1, keepdims=True)
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-3) * scale + offset


def _attend(qkv: Any) -> Any:
    q, k, v = jnp.moveaxis(qkv.reshape(-1, data.TIME, 3, HEADS, WIDTH // HEADS), 2, 0)
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) * (WIDTH // HEADS) ** -0.5
    scores = jnp.where(np.tri(data.TIME, dtype=bool), scores, -1e9)
    return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v).reshape(-1, WIDTH)


def _transformer_loss(weights: Any, words: Any, following: Any) -> Any:
    (word, place), blocks, norm, (w, b) = weights
    x = (word[words] + place).reshape(-1, WIDTH)
    for norm1, norm2, (w1, b1), (w2, b2), (w3, b3), (w4, b4) in blocks:
        x = x + _attend(_norm(x, *norm1) @ w1 + b1) @ w2 + b2
        x = x + jax.nn.gelu(_norm(x, *norm2) @ w3 + b3, approximate=False) @ w4 + b4
    return _crossentropy(_norm(x, *norm) @ w + b, following.reshape(-1))


def _lstm_weights() -> Any:
    kernel, bias = _dense(np.random.default_rng(0), 2 * data.UNITS, 4 * data.UNITS)
    return kernel[: data.UNITS], kernel[data.UNITS :], bias


def _lstm(weights: Any, x: Any) -> Any:
    kernel, recurrent, bias = weights

    def step(carry: Any, projected: Any) -> Any:
        hidden, cell = carry
        i, f, c, o = jnp.split(projected + hidden @ recurrent, 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
        return (jax.nn.sigmoid(o) * jnp.tanh(cell), cell), None

    projected = x.transpose(1, 0, 2).reshape(-1, data.UNITS) @ kernel + bias
    start = jnp.zeros((len(x), data.UNITS))
    return lax.scan(step, (start, start), projected.reshape(data.SERIES_TIME, len(x), -1))[0][0]


def _attention_weights() -> Any:
    rng, width = np.random.default_rng(0), data.HEADS * data.HEAD_SIZE
    return _dense(rng, width, 3 * width), _dense(rng, width, width)


def _attention(weights: Any, x: Any) -> Any:
    (w1, b1), (w2, b2) = weights
    q, k, v = jnp.moveaxis((x.reshape(-1, x.shape[-1]) @ w1 + b1).reshape(*x.shape[:2], 3, data.HEADS, data.HEAD_SIZE), 2, 0)
    scores = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) * data.HEAD_SIZE**-0.5)
    mixed = jnp.einsum("bhqk,bkhd->bqhd", scores, v).reshape(-1, x.shape[-1])
    return (mixed @ w2 + b2).reshape(x.shape).mean(1)


def _squares(outputs: Callable[..., Any]) -> Callable[..., Any]:
    return lambda weights, x, y: jnp.mean((outputs(weights, x) - y) ** 2)


def _crossentropy(logits: Any, labels: Any) -> Any:
    return jnp.mean(jax.nn.logsumexp(logits, -1) - jnp.take_along_axis(logits, labels[:, None], -1)[:, 0])


# --- training --------------------------------------------------------------------------------------------------------


def _sgd(step: Any, weights: Any, grads: Any, state: Any) -> Any:
    return weights - 0.01 * grads, state


def _adam(step: Any, weights: Any, grads: Any, state: Any) -> Any:
    m, v = 0.9 * state[0] + 0.1 * grads, 0.999 * state[1] + 0.001 * grads * grads
    t = step + 1.0
    rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return weights - rate * m / (jnp.sqrt(v) + 1e-7), (m, v)


def _fit(loss_of: Any, update: Any, weights: Any, batch: int, train: Any, held_out: Any = None) -> Run:
    """Returns what trains for `count` epochs, each with a pass over the held-out samples if there are any.

    The weights are one flat vector, and so is the optimizer's state: one kernel moves them all.
    """
    flat, unflatten = ravel_pytree(jax.tree.map(jnp.asarray, weights))

    def over(arrays: Any, order: Any, step: Any, carry: Any) -> Any:
        """Runs a step on every batch, the last smaller one too."""
        whole, rest = divmod(len(arrays[0]), batch)

        def body(i: Any, carry: Any, size: int = batch) -> Any:
            if order is None:
                return step(carry, [lax.dynamic_slice_in_dim(a, i * batch, size) for a in arrays], size)
            index = lax.dynamic_slice(order, (i * batch,), (size,))
            return step(carry, [a.at[index].get(mode="promise_in_bounds") for a in arrays], size)

        carry = lax.fori_loop(0, whole, body, carry)
        return body(whole, carry, rest) if rest else carry

    def mean_loss(flat: Any, arrays: Any) -> Any:
        return loss_of(unflatten(flat), *arrays)

    def train_step(carry: Any, arrays: Any, size: int) -> Any:
        flat, state, step, total = carry
        loss, grads = jax.value_and_grad(mean_loss)(flat, arrays)
        flat, state = update(step, flat, grads, state)
        return flat, state, step + 1, total + size * loss

    @partial(jax.jit, donate_argnums=0)
    def epoch(carry: Any, order: Any, train: Any, held_out: Any) -> Any:
        flat, state, step, total = over(train, order, train_step, (*carry, 0.0))
        val_total = 0.0
        if held_out is not None:
            val_total = over(held_out, None, lambda total, arrays, size: total + size * mean_loss(flat, arrays), 0.0)
        return (flat, state, step), total, val_total

    carry = (flat, (jnp.zeros_like(flat), jnp.zeros_like(flat)), jnp.zeros((), "int32"))
    train, held_out = jax.tree.map(jnp.asarray, (train, held_out))
    rng, size = np.random.default_rng(0), len(train[0])

    def run(count: int) -> float:
        nonlocal carry
        for _ in range(count):
            carry, total, _ = jax.block_until_ready(epoch(carry, rng.permutation(size).astype("int32"), train, held_out))
        return float(total) / size

    return run


# --- runs ------------------------------------------------------------------------------------------------------------


def wide_and_deep() -> Run:
    return _fit(_wide_and_deep_loss, _sgd, _wide_and_deep_weights(), data.BATCH, *data.housing())


def lenet(batch: int) -> Run:
    return _fit(_lenet_loss, _adam, _lenet_weights(), batch, data.digits())


def transformer() -> Run:
    return _fit(_transformer_loss, _adam, _transformer_weights(), data.BATCH, data.sentences())


def lstm() -> Run:
    return _fit(_squares(_lstm), _sgd, _lstm_weights(), data.SERIES_BATCH, data.series())


def lstm_forward() -> Run:
    return _outputs(_lstm, _lstm_weights(), data.series()[0], data.SERIES_BATCH)


def attention() -> Run:
    return _fit(_squares(_attention), _sgd, _attention_weights(), data.TEXTS_BATCH, data.texts())


def attention_forward() -> Run:
    return _outputs(_attention, _attention_weights(), data.texts()[0], data.TEXTS_BATCH)


def _outputs(model: Callable[..., Any], weights: Any, x: Any, batch: int) -> Run:
    weights = jax.tree.map(jnp.asarray, weights)
    program = jax.jit(lambda weights, x: lax.map(lambda x: model(weights, x), x.reshape(-1, batch, *x.shape[1:])))

    def run(count: int) -> None:
        for _ in range(count):
            jax.device_get(program(weights, x))

    return run


def predict(samples: int) -> Run:
    arrays, weights = data.blocks(samples), jax.tree.map(jnp.asarray, _wide_and_deep_weights())
    program = jax.jit(_wide_and_deep)
    if samples > CHUNK:
        program = jax.jit(lambda weights, *arrays: lax.map(lambda a: _wide_and_deep(weights, *a), arrays, batch_size=CHUNK))

    def run(count: int) -> None:
        for _ in range(count):
            jax.device_get(program(weights, *arrays))

    return run


def call() -> Run:
    inputs, weights = [jnp.asarray(a) for a in data.blocks(1)], jax.tree.map(jnp.asarray, _wide_and_deep_weights())

    def run(count: int) -> None:
        for _ in range(count):
            outputs = _wide_and_deep(weights, *inputs)
        jax.block_until_ready(outputs)

    return run


def device() -> str:
    return jax.devices()[0].device_kind.replace("cpu", "CPU")
