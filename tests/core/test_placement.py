"""Placement: which devices a variable lies on, whole or in parts, and what keeps it there."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina.core.placement import is_on_one_cpu, own_memory, to_device, to_host


def test_every_write_keeps_the_placement_of_a_variable():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    program = [sys.executable, str(Path(__file__).with_name("sharded.py"))]
    result = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout) == (0, "all writes keep the placement\n"), result.stderr[-3000:]


@pytest.mark.parametrize("given", [np.arange(3.0), [0.0, 1.0, 2.0], np.arange(3), True, 2.5, np.float16(1), np.array(3, ">i4")])
def test_arrays_come_to_the_device_and_back(given):
    array = to_device(given)
    assert isinstance(array, jax.Array) and not array.weak_type
    host = to_host(array)
    np.testing.assert_array_equal(host, given)
    host += host  # it is the caller's
    np.testing.assert_array_equal(array, given)


def test_what_the_caller_holds_is_not_read_later():
    values = np.zeros(1000, "float32")
    array = to_device(values)
    values += 1
    assert float(array.sum()) == 0


def aligned(size):
    """Returns an array in memory that JAX would rather share than copy."""
    raw = np.empty(4 * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 4 * size].view(np.float32)


def updated(metric, *batch):
    metric.reset_state()
    metric.update_state(*batch)
    return metric.result()


class Own(lamina.metrics.Metric):
    def __init__(self):
        super().__init__()
        self.total = self.add_variable(name="total")

    def update_state(self, x):
        self.total.assign_add(jnp.sum(jnp.sin(x) ** 2))

    def result(self):
        return self.total.value


READERS = {
    "activation": lamina.activations.softplus,
    "op of one array": lamina.ops.square,
    "op of two": lambda x: lamina.ops.logaddexp(x, x),
    "op of a list": lambda x: lamina.ops.concatenate([x, x]),
    "loss function": lambda x: lamina.losses.mean_squared_error(x, 2 * x),
    "loss": lambda x: lamina.losses.LogCosh()(x, 2 * x),
    "metric": lambda x: updated(lamina.metrics.Mean(), x),
    "metric of two": lambda x: updated(lamina.metrics.MeanAbsoluteError(), x, x * 2),
    "metric of one's own": lambda x: updated(Own(), x),
    "regularizer": lamina.regularizers.L1L2(0.1, 0.1),
    "constraint": lambda x: lamina.constraints.UnitNorm()(x.reshape(-1, 64)),
    "layer": lambda x: lamina.layers.Dense(4, kernel_initializer="ones")(x.reshape(-1, 64)),
    "jit": lamina.jit(lambda x: jnp.sin(x) ** 2),
    "gradient": lambda x: lamina.grad(lambda x: jnp.sum(jnp.sin(x) ** 3))(x),
    "scan": lambda x: lamina.scan(lambda total, row: (total + jnp.sin(row).sum(), None), 0.0, x.reshape(64, -1))[0],
}


@pytest.mark.parametrize("name", READERS)
def test_a_call_has_read_what_it_was_given_when_it_returns(name):
    read = READERS[name]
    expected = np.asarray(read(np.full(2**20, 0.5, "float32")))
    for _ in range(3):
        given = aligned(2**20)
        given[:] = 0.5
        result = read(given)
        given[:] = 7.0
        np.testing.assert_array_equal(result, expected)


def test_a_graph_keeps_the_numbers_that_it_was_made_with():
    table = np.ones(3, "float32")
    x = lamina.Input((3,))
    model = lamina.Model(x, lamina.ops.maximum(x, table) + table)
    table[:] = 100.0
    np.testing.assert_array_equal(model(np.zeros((1, 3), "float32")), [[2.0, 2.0, 2.0]])


def test_a_batch_that_a_metric_refuses_changes_nothing():
    class Half(Own):
        def update_state(self, x):
            super().update_state(x)
            raise ValueError("no more")

    metric = Half()
    with pytest.raises(ValueError, match="no more"):
        metric.update_state(np.ones(3, "float32"))
    assert float(metric.result()) == 0


def test_the_memory_of_structures_is_copied_and_arrays_of_jax_are_not():
    host, device = np.ones(2), jax.numpy.ones(2)
    given = {"a": [host, device], "b": (1, "x", None, host)}
    copied = own_memory(given)
    assert copied["a"][1] is device and copied["a"][0] is not host and copied["b"][3] is not host
    assert copied["b"][:3] == (1, "x", None) and type(copied["b"]) is tuple


def test_a_single_cpu_is_told_from_others():
    assert is_on_one_cpu(None) and is_on_one_cpu(jax.sharding.SingleDeviceSharding(jax.devices()[0]))
