"""Placement: which devices a variable lies on, whole or in parts, and what keeps it there."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

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


def test_the_memory_of_structures_is_copied_and_arrays_of_jax_are_not():
    host, device = np.ones(2), jax.numpy.ones(2)
    given = {"a": [host, device], "b": (1, "x", None, host)}
    copied = own_memory(given)
    assert copied["a"][1] is device and copied["a"][0] is not host and copied["b"][3] is not host
    assert copied["b"][:3] == (1, "x", None) and type(copied["b"]) is tuple


def test_a_single_cpu_is_told_from_others():
    assert is_on_one_cpu(None) and is_on_one_cpu(jax.sharding.SingleDeviceSharding(jax.devices()[0]))
