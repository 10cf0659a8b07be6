"""Dtype policies: what weights are kept in, what is computed in, and how policies nest."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers

X = np.ones((2, 3), "float32")


@pytest.fixture(autouse=True)
def default_policy():
    yield
    lamina.set_dtype_policy("float32")


class See(layers.Layer):
    """Keeps the dtypes that it sees."""

    def __init__(self, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner
        self.w = self.add_weight((3,), "ones")
        self.exact = self.add_weight((3,), "ones", autocast=False)
        self.whole = self.add_weight((3,), dtype="int32")
        self.seen = {}

    def call(self, x, other=None):
        self.seen["before"] = self.dtypes(x)
        if self.inner is not None:
            x = self.inner(x)
        self.seen["after"] = self.dtypes(x)
        return x * self.w

    def dtypes(self, x):
        values = (x, self.w.value, self.w + 0, jnp.sum(self.w), self.exact.value, self.whole.value)
        return [np.dtype(v.dtype).name for v in values]


def expected(given, compute, exact="float32"):
    return [given, compute, compute, compute, exact, "int32"]


@pytest.mark.parametrize("wrap", [lambda f: f, lamina.jit, lambda f: lambda x: lamina.value_and_grad(lambda x: f(x).sum())(x)[1]])
def test_each_layer_computes_in_its_own_policy_however_they_nest(wrap):
    half = See(dtype="float16")
    outer = See(See(See(half, dtype="mixed_bfloat16"), dtype="float32"), dtype="mixed_float16")
    wrap(outer)(X)
    middle, inner = outer.inner, outer.inner.inner
    assert outer.seen == {"before": expected("float16", "float16"), "after": expected("float32", "float16")}
    assert middle.seen == {
        "before": expected("float32", "float32"),
        "after": expected("float32", "float32"),
    }  # float16 · bfloat16
    assert inner.seen == {"before": expected("bfloat16", "bfloat16"), "after": expected("float16", "bfloat16")}
    assert half.seen["before"] == expected("float16", "float16", "float16")
    assert [w.dtype.name for w in outer.weights][:2] == ["float32", "float32"]
    assert str(outer.w.value.dtype) == "float32"  # outside of its call


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_weights_of_a_mixed_layer_are_read_low_written_high_and_have_high_gradients(policy):
    class Moves(layers.Layer):
        def __init__(self):
            super().__init__(dtype=policy)
            self.w = self.add_weight((), "ones")
            self.step = self.add_weight((), lamina.initializers.Constant(1 / 1024), trainable=False)

        def call(self, x):
            self.w.assign_add(1 / 1024)
            self.w.assign_sub(self.step)
            self.w.assign_add(self.step)
            return x * self.w

    layer = Moves()
    for wrap in (lambda f: f, lamina.jit):
        layer.w.assign(1.0)
        value, grad = wrap(lamina.value_and_grad(lambda: layer(X).sum(), layer.w))()
        assert str(value.dtype) == layer.compute_dtype and grad.dtype == jnp.float32
        assert float(layer.w) == 1 + 1 / 1024  # bfloat16 has no such number


def test_every_floating_input_is_cast_and_nothing_else():
    seen = {}

    class Takes(layers.Layer):
        def call(self, x, table=None, mask=None, scale=1.0):
            seen.update(x=x, table=table, mask=mask, scale=scale)
            return x["a"]

    Takes(dtype="mixed_bfloat16")(
        {"a": X.astype("float64"), "b": [np.arange(3), X]}, table=(X, None), mask=np.array([True]), scale=2.0
    )
    assert str(seen["x"]["a"].dtype) == str(seen["x"]["b"][1].dtype) == str(seen["table"][0].dtype) == "bfloat16"
    assert str(seen["x"]["b"][0].dtype) == "int32" and seen["table"][1] is None
    assert seen["mask"].dtype == bool and seen["scale"] == 2.0 and type(seen["scale"]) is float


def test_policies_are_named_objects_dtypes_configs_or_the_default():
    for policy in (
        "float16",
        np.float16,
        jnp.float16,
        np.dtype("float16"),
        lamina.DTypePolicy("float16"),
        {"name": "float16"},
    ):
        assert layers.Dense(1, dtype=policy).dtype_policy == lamina.DTypePolicy("float16")
    assert layers.Dense(1).dtype == "float32" == lamina.dtype_policy().name
    lamina.set_dtype_policy("mixed_bfloat16")
    assert layers.Dense(1).compute_dtype == "bfloat16" and layers.Dense(1, dtype="float32").compute_dtype == "float32"
    assert lamina.random.normal((2,)).dtype == jnp.float32
    twin = layers.Dense.from_config(layers.Dense(1).get_config())
    lamina.set_dtype_policy("float32")
    assert twin.compute_dtype == "bfloat16"
    assert len({lamina.DTypePolicy("float16"), lamina.DTypePolicy("float16")}) == 1


@pytest.mark.parametrize("policy", ["float31", "int32", "mixed_bloat16", "", 3, object(), np.int32, "float64", np.float64])
def test_what_is_no_policy_is_refused_with_the_nearest_name_and_the_default_stays(policy):
    for use in (lambda: layers.Dense(1, dtype=policy), lambda: lamina.set_dtype_policy(policy)):
        with pytest.raises(ValueError, match="polic"):
            use()
    assert lamina.dtype_policy().name == "float32"
    with pytest.raises(ValueError, match="mixed_bfloat16"):
        lamina.DTypePolicy("mixed_bloat16")


def test_float64_is_refused_until_jax_is_told_and_then_computes_in_it():
    with pytest.raises(ValueError, match="jax_enable_x64"):
        layers.Dense(1, dtype="float64")
    program = """
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np, lamina
x = np.random.default_rng(0).normal(size=(4, 3))
layer = lamina.layers.Dense(2, dtype="float64")
for out in (layer(x), lamina.jit(layer)(x), layer(x.astype("float32"))):
    assert out.dtype == layer.kernel.dtype == "float64", out.dtype
assert abs(np.asarray(layer(x)) - x @ layer.kernel.numpy()).max() < 1e-14
value, grad = lamina.jit(lamina.value_and_grad(lambda: (layer(x) ** 2).sum(), layer.kernel))()
assert value.dtype == grad.dtype == "float64"
single = lamina.layers.Dense(2)
assert single(x).dtype == single.kernel.dtype == "float32"
assert lamina.random.normal((2,), dtype="float64").dtype == "float64"
lamina.set_dtype_policy("float64")
assert lamina.Sequential([lamina.layers.Dense(2)])(x).dtype == "float64"
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=dict(os.environ))
    assert done.returncode == 0, done.stderr


def test_mixed_precision_agrees_with_full_precision_to_its_own_rounding():
    lamina.random.set_seed(1)
    data = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    full = lamina.Sequential([layers.Dense(16, "tanh"), layers.BatchNormalization(), layers.Dense(2)])
    full(data)
    for policy, tolerance in [("mixed_bfloat16", 0.06), ("mixed_float16", 0.01)]:
        mixed = lamina.Sequential([
            layers.Dense(16, "tanh", dtype=policy), layers.BatchNormalization(dtype=policy), layers.Dense(2, dtype=policy),
        ])  # fmt: skip
        mixed(data)
        mixed.set_weights(full.get_weights())
        assert np.abs(np.asarray(mixed(data), "float32") - full(data)).max() < tolerance
        jax.tree.map(np.testing.assert_array_equal, mixed.get_weights(), full.get_weights())
