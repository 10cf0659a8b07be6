"""The runs in Lamina, Keras 3 and tf-keras.

Every program has these functions. Each makes a model and returns `run(count)`, which does what is timed `count` times; one
that trains returns the mean loss of the last epoch.
"""

from collections.abc import Callable
from typing import Any

import data
from programs.models.library import PEER, keras, ops

Run = Callable[[int], Any]


def wide_and_deep() -> Run:
    (wide, deep, y), (wide_held, deep_held, y_held) = data.housing()
    model = _wide_and_deep()
    model.compile(loss=["mse", "mse"], loss_weights=[0.9, 0.1], optimizer="sgd")
    held_out = ([wide_held, deep_held], [y_held, y_held])

    def run(count: int) -> float:
        return _loss(model.fit([wide, deep], [y, y], epochs=count, verbose=0, validation_data=held_out))

    return run


def watched() -> Run:
    plain = wide_and_deep()

    def run(count: int) -> float:
        with keras.watch():
            return plain(count)

    return run


def lenet(batch: int) -> Run:
    from programs.models.lenet import lenet

    return _training(lenet(), *data.digits(), batch)


def transformer() -> Run:
    from programs.models.transformer import Transformer

    return _training(Transformer(data.WORDS, data.TIME), *data.sentences(), data.BATCH)


def _training(model: Any, x: Any, y: Any, batch: int) -> Run:
    model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda count: _loss(model.fit(x, y, batch_size=batch, epochs=count, verbose=0))


def lstm() -> Run:
    return _regression(_lstm(), *data.series(), data.SERIES_BATCH)


def lstm_forward() -> Run:
    return _outputs(_lstm(), data.series()[0], data.SERIES_BATCH)


def attention() -> Run:
    return _regression(_attention(), *data.texts(), data.TEXTS_BATCH)


def attention_forward() -> Run:
    return _outputs(_attention(), data.texts()[0], data.TEXTS_BATCH)


def _lstm() -> Any:
    from programs.models.sequences import lstm

    return lstm(data.UNITS)


def _attention() -> Any:
    from programs.models.sequences import Attention

    return Attention(data.HEADS, data.HEAD_SIZE)


def _regression(model: Any, x: Any, y: Any, batch: int) -> Run:
    model.compile("sgd", "mse")
    return lambda count: _loss(model.fit(x, y, batch_size=batch, epochs=count, verbose=0))


def _outputs(model: Any, x: Any, batch: int) -> Run:
    def run(count: int) -> None:
        for _ in range(count):
            model.predict(x, batch_size=batch, verbose=0)

    return run


def predict(samples: int) -> Run:
    inputs, model = list(data.blocks(samples)), _wide_and_deep()

    def run(count: int) -> None:
        for _ in range(count):
            model.predict(inputs, verbose=0)

    return run


def call() -> Run:
    inputs, model = [ops.convert_to_tensor(a) for a in data.blocks(1)], _wide_and_deep()

    def run(count: int) -> None:
        for _ in range(count):
            outputs = model(inputs)
        _wait(outputs)

    return run


def device() -> str:
    if PEER not in ("lamina", "keras_jax"):
        return "CPU"
    import jax

    return jax.devices()[0].device_kind.replace("cpu", "CPU")


def _wide_and_deep() -> Any:
    from programs.models.wide_and_deep import WideAndDeep

    return WideAndDeep()


def _loss(history: Any) -> float:
    return history.history["loss"][-1]


def _wait(outputs: Any) -> None:
    for output in outputs:
        if hasattr(output, "block_until_ready"):
            output.block_until_ready()
