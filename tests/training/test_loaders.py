"""Data from other libraries, as they offer it: the same batches train the same model."""

import numpy as np
import pytest

import lamina
from comparing import assert_close
from lamina import layers

pytestmark = pytest.mark.loaders


def arrays():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(100, 4)).astype("float32")
    return x, (x @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")


def trained(*args, **kwargs):
    lamina.random.set_seed(3)
    model = lamina.Sequential([layers.Dense(1)])
    model.compile(lamina.optimizers.SGD(0.05), "mse")
    return np.array(model.fit(*args, epochs=3, verbose=0, **kwargs).history["loss"])


def expected():
    return trained(*arrays(), batch_size=16, shuffle=False)


def test_pytorch():
    import torch

    x, y = map(torch.tensor, arrays())
    assert_close(trained(x, y, batch_size=16, shuffle=False), expected())
    dataset = torch.utils.data.TensorDataset(x, y)
    assert_close(trained(torch.utils.data.DataLoader(dataset, batch_size=16)), expected())
    assert trained(torch.utils.data.DataLoader(dataset, batch_size=16, shuffle=True))[-1] < expected()[0]


def test_tensorflow():
    import tensorflow as tf

    x, y = arrays()
    assert_close(trained(tf.constant(x), tf.constant(y), batch_size=16, shuffle=False), expected())
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    assert_close(trained(dataset), expected())
    assert_close(trained(dataset.repeat(), steps_per_epoch=7), expected())


def test_hugging_face_datasets():
    import datasets

    x, y = arrays()
    dataset = datasets.Dataset.from_dict({"x": x, "y": y})
    assert_close(trained(dataset, "y", batch_size=16, shuffle=False), expected())
    assert trained(dataset, "y", batch_size=16)[-1] < expected()[0]
    with pytest.raises(ValueError, match="'y'"):
        trained(dataset, "yy")
    parts = datasets.Dataset.from_dict({"a": x[:, :2], "b": x[:, 2:], "y": y})
    a, b = lamina.Input((2,), name="a"), lamina.Input((2,), name="b")
    model = lamina.Model({"a": a, "b": b}, layers.Dense(1)(layers.concatenate([a, b])))
    model.compile(lamina.optimizers.SGD(0.05), "mse")
    losses = model.fit(parts, "y", epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_grain():
    import grain

    x, y = arrays()
    dataset = grain.MapDataset.source(list(zip(x, y, strict=True))).batch(16)
    assert_close(trained(dataset, shuffle=False), expected())
    assert_close(trained(dataset.to_iter_dataset()), expected())
