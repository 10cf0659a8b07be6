"""Initializers: the distributions of Keras, drawn on the host; and the sequence they draw from."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.initializers.random_initializers import compute_fans

from lamina import initializers
from lamina.core.host_random import host_generator, next_host_generator, next_host_seed, set_host_seed
from properties import examples

SCALED = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform", "VarianceScaling"]
RANDOM = [*SCALED, "RandomNormal", "RandomUniform", "TruncatedNormal", "Orthogonal"]
DETERMINISTIC = ["Zeros", "Ones", "Constant", "Identity"]
OPTIONS = {
    "RandomNormal": {"mean": 1.0, "stddev": 0.5},
    "TruncatedNormal": {"mean": -1.0, "stddev": 2.0},
    "RandomUniform": {"minval": 1.0, "maxval": 4.0},
    "Constant": {"value": -2.5},
    "Identity": {"gain": 3.0},
}


def assert_same_distribution(ours, theirs):
    """Mean, deviation, and (where the distribution is bounded) range agree, for tens of thousands of draws."""
    spread = theirs.std()
    assert abs(ours.mean() - theirs.mean()) < 0.04 * spread
    assert ours.std() == pytest.approx(spread, rel=0.03)
    if abs(theirs - theirs.mean()).max() < 3 * spread:
        np.testing.assert_allclose([ours.min(), ours.max()], [theirs.min(), theirs.max()], atol=0.04 * spread)


@pytest.mark.parametrize("name", [*SCALED, "RandomNormal", "RandomUniform", "TruncatedNormal"])
def test_distributions_are_those_of_keras(name):
    shape, options = (500, 44), {**OPTIONS.get(name, {}), "seed": 17}
    ours = getattr(initializers, name)(**options)(shape)
    assert (type(ours), ours.shape, ours.dtype) == (np.ndarray, shape, np.float32)
    assert_same_distribution(ours, np.asarray(getattr(keras.initializers, name)(**options)(shape)))


@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "untruncated_normal", "uniform"])
def test_variance_scaling_meets_the_variance(mode, distribution):
    n = {"fan_in": 9 * 30, "fan_out": 9 * 200, "fan_avg": 9 * 115}[mode]
    w = initializers.VarianceScaling(3.0, mode, distribution, seed=1)((3, 3, 30, 200))
    assert w.var() * n == pytest.approx(3, rel=0.03)


@given(shape=st.lists(st.integers(1, 9), max_size=5).map(tuple))
def test_fans_are_those_of_keras(shape):
    assert initializers.fans(shape) == compute_fans(shape)
    axes = tuple(range(len(shape)))
    assert initializers.fans(shape, axes[1:], axes[:1]) == compute_fans(shape, axes[1:], axes[:1])


@pytest.mark.parametrize("name", DETERMINISTIC)
@given(shape=hnp.array_shapes(min_dims=2, max_dims=2), dtype=st.sampled_from(["float32", "bfloat16", "float16", "int32"]))
@examples(3)
def test_values_that_are_not_random_are_those_of_keras(name, shape, dtype):
    options = OPTIONS.get(name, {})
    ours = getattr(initializers, name)(**options)(shape, dtype)
    np.testing.assert_array_equal(ours, np.asarray(getattr(keras.initializers, name)(**options)(shape, dtype)).astype(dtype))
    assert ours.dtype == jnp.dtype(dtype)


@given(shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=6), gain=st.floats(0.1, 3))
def test_orthogonal_is_orthogonal(shape, gain):
    w = initializers.Orthogonal(gain)(shape).reshape(-1, shape[-1])
    product = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, gain**2 * np.eye(min(w.shape)), atol=1e-5)


def test_orthogonal_has_no_favourite_direction():
    set_host_seed(0)
    matrices = np.stack([initializers.Orthogonal()((3, 3)) for _ in range(500)])
    np.testing.assert_allclose(matrices.mean(0), 0, atol=0.1)  # the deviation of these means is 0.026


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_makes_the_values_and_no_seed_makes_others_each_time(name):
    make = getattr(initializers, name)
    seeded = make(seed=3)
    np.testing.assert_array_equal(seeded((4, 5)), seeded((4, 5)))
    np.testing.assert_array_equal(seeded((4, 5)), make(seed=np.int64(3))((4, 5)))
    np.testing.assert_array_equal(seeded((4, 5)), make(seed=SimpleNamespace(initial_seed=3))((4, 5)))
    assert (seeded((4, 5)) != make(seed=4)((4, 5))).any()
    set_host_seed(7)
    free, other = make(), make()
    first = free((4, 5)), free((4, 5))
    assert (first[0] != first[1]).any() and (first[0] != other((4, 5))).any()
    set_host_seed(7)
    again = make()
    other((4, 5))  # what others draw meanwhile does not count
    np.testing.assert_array_equal(first, (again((4, 5)), again((4, 5))))


@pytest.mark.parametrize("name", RANDOM)
def test_low_precision_is_float32_rounded(name):
    initializer = getattr(initializers, name)(seed=5)
    for dtype in ("bfloat16", "float16"):
        w = initializer((6, 4), dtype)
        assert w.dtype == jnp.dtype(dtype)
        np.testing.assert_array_equal(w, initializer((6, 4)).astype(dtype))
    assert initializer((6, 4), "float64").dtype == np.float64
    assert initializer((6, 4), None).dtype == np.float32
    with pytest.raises(ValueError, match=f"{name} draws real numbers, which int32 cannot hold"):
        initializer((6, 4), "int32")


@pytest.mark.parametrize("name", RANDOM + DETERMINISTIC)
def test_values_are_known_inside_a_trace(name):
    def traced(x):
        assert type(getattr(initializers, name)()((3, 3))) is np.ndarray
        return x

    jax.jit(traced)(1.0)


def test_every_name_of_keras_is_known():
    stft = {"STFT", "STFTInitializer", "stft"}  # Fourier transforms are left out
    for name in set(dir(keras.initializers)) - stft:
        theirs = getattr(keras.initializers, name)
        if isinstance(theirs, type) and theirs is not keras.initializers.Initializer:
            assert getattr(initializers, name).__name__ == theirs.__name__
            assert type(initializers.get(name)).__name__ == theirs.__name__
    assert isinstance(initializers.get("normal"), initializers.RandomNormal)
    assert isinstance(initializers.get("uniform"), initializers.RandomUniform)
    assert isinstance(initializers.get("zero"), initializers.Zeros)
    assert isinstance(initializers.get("one"), initializers.Ones)


@pytest.mark.parametrize("name", RANDOM + DETERMINISTIC)
def test_configs_are_those_of_keras_and_come_back(name):
    options = {**OPTIONS.get(name, {}), **({"seed": 2} if name in RANDOM else {})}
    initializer = getattr(initializers, name)(**options)
    theirs = getattr(keras.initializers, name)(**options)
    if name != "Identity":  # whose gain Keras forgets
        assert initializer.get_config() == theirs.get_config()
    for copy in (initializer.clone(), initializers.get(initializers.serialize(initializer))):
        np.testing.assert_array_equal(copy((3, 4)), initializer((3, 4)))
    from_keras = initializers.get({"class_name": name, "config": initializer.get_config()})
    np.testing.assert_array_equal(from_keras((3, 4)), initializer((3, 4)))


def test_what_may_stand_for_an_initializer():
    def own(shape, dtype=None):
        return np.zeros(shape, dtype)

    values = np.arange(6.0).reshape(2, 3)
    assert initializers.get(None) is None
    assert initializers.get(own) is own
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    for array in (values, jnp.asarray(values)):
        np.testing.assert_array_equal(initializers.get(array)((2, 3)), values)
    with pytest.raises(ValueError, match=r"(?s)glorot_unifrom.*glorot_uniform"):
        initializers.get("glorot_unifrom")


@pytest.mark.parametrize(
    "error, make",
    [
        ("scale must be positive, not -1", lambda: initializers.VarianceScaling(-1)),
        ("mode must be one of fan_in, fan_out, fan_avg, not 'in'", lambda: initializers.VarianceScaling(mode="in")),
        ("distribution must be one of", lambda: initializers.VarianceScaling(distribution="cauchy")),
        ("give both or neither", lambda: initializers.GlorotUniform(input_axes=[0])),
        ("stddev must not be negative", lambda: initializers.RandomNormal(stddev=-0.1)),
        ("stddev must not be negative", lambda: initializers.TruncatedNormal(stddev=-0.1)),
        ("2 is greater than 1", lambda: initializers.RandomUniform(2, 1)),
        ("seed is an integer", lambda: initializers.HeNormal(seed="x")),
        ("Constant takes a number", lambda: initializers.Constant("x")),
        ("cannot fill a weight of shape", lambda: initializers.Constant([1, 2])((3,))),
        ("Identity makes matrices", lambda: initializers.Identity()((3,))),
        ("Orthogonal makes matrices", lambda: initializers.Orthogonal()((3,))),
        ("Zeros was given the shape", lambda: initializers.Zeros()((None, 3))),
        ("HeNormal was given the shape", lambda: initializers.HeNormal()((None, 3))),
    ],
)
def test_bad_input_is_refused(error, make):
    with pytest.raises((ValueError, TypeError), match=error):
        make()


def test_the_host_sequence_gives_no_stream_twice():
    def draw(_=None):
        return int(next_host_generator().integers(2**62))

    set_host_seed(11)
    own = [draw() for _ in range(50)]
    with ThreadPoolExecutor(8) as pool:
        seeds = list(pool.map(draw, range(800)))
    own += [draw() for _ in range(50)]
    assert len({*seeds, *own}) == 900
    set_host_seed(11)
    assert [draw() for _ in range(100)] == own  # whatever other threads have drawn meanwhile
    assert int(host_generator(11).integers(2**62)) not in {*seeds, *own}
    assert all(0 <= next_host_seed() < 2**31 for _ in range(50))
