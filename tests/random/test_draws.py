"""Random draws: their distributions, their seeds, and their place in state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from comparing import assert_close
from lamina import layers, random
from properties import examples

N = 40_000
# name: the draw, and the mean and standard deviation that theory gives
DISTRIBUTIONS = {
    "normal": (lambda **k: random.normal((N,), 2.0, 3.0, **k), 2.0, 3.0),
    "uniform": (lambda **k: random.uniform((N,), -1.0, 3.0, **k), 1.0, 4 / 12**0.5),
    "truncated_normal": (lambda **k: random.truncated_normal((N,), 1.0, 2.0, **k), 1.0, 2 * 0.8796),
    "bernoulli": (lambda **k: random.bernoulli(0.3, (N,), **k), 0.3, (0.3 * 0.7) ** 0.5),
    "randint": (lambda **k: random.randint((N,), -2, 5, **k), 1.0, 2.0),
    "gamma": (lambda **k: random.gamma((N,), 3.0, **k), 3.0, 3**0.5),
    "beta": (lambda **k: random.beta((N,), 2.0, 6.0, **k), 0.25, (12 / (64 * 9)) ** 0.5),
    "binomial": (lambda **k: random.binomial((N,), 10.0, 0.2, **k), 2.0, 1.6**0.5),
    "categorical": (
        lambda **k: random.categorical(np.log([[0.2, 0.3, 0.5]]).astype("float32"), N, **k), 1.3, (2.3 - 1.3**2) ** 0.5
    ),
    "dropout": (lambda **k: random.dropout(np.ones(N, "float32"), 0.2, **k), 1.0, 0.5),
    "shuffle": (lambda **k: random.shuffle(np.arange(N) % 3, **k), 1.0, (2 / 3) ** 0.5),
}  # fmt: skip
DTYPES = {"normal", "uniform", "truncated_normal", "gamma", "beta", "binomial"}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_draws_have_the_mean_and_deviation_of_their_distribution(name):
    draw, mean, deviation = DISTRIBUTIONS[name]
    numbers = np.asarray(draw(seed=3)).astype("float64")
    assert numbers.size == N
    assert abs(numbers.mean() - mean) < 5 * deviation / N**0.5
    assert numbers.std() == pytest.approx(deviation, rel=0.03)


def test_bounded_draws_keep_to_their_bounds():
    uniform, integers = random.uniform((N,), -1.0, 3.0, seed=1), random.randint((N,), -2, 5, seed=1)
    assert -1 <= uniform.min() < -0.99 and 2.99 < uniform.max() < 3
    assert np.unique(integers).tolist() == list(range(-2, 5)) and integers.dtype == jnp.int32
    truncated = random.truncated_normal((N,), 1.0, 2.0, seed=1)
    assert -3 <= truncated.min() < -2.95 and 4.95 < truncated.max() <= 5


def test_categorical_draws_have_the_probabilities_of_each_row():
    p = np.array([[0.1, 0.9, 0.0], [0.25, 0.25, 0.5]])
    draws = random.categorical(np.log(p + 1e-30).astype("float32"), N, seed=1)
    assert draws.shape == (2, N)
    for row, expected in zip(draws, p, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / N, expected, atol=0.015)


def test_dropout_scales_what_it_keeps_and_drops_along_the_noise_shape():
    x = np.random.default_rng(0).uniform(1, 2, (50, 8, 4)).astype("float32")
    out = np.asarray(random.dropout(x, 0.25, seed=1))
    assert_close(out[out != 0], x[out != 0] / 0.75, rtol=1e-6)
    together = np.asarray(random.dropout(x, 0.25, noise_shape=(None, 1, None), seed=1)) != 0
    assert (together == together[:, :1]).all() and 0.6 < together.mean() < 0.9
    assert random.dropout(x, 0.0, seed=1).tolist() == x.tolist()


@given(seed=st.integers(0, 2**32 - 1), axis=st.integers(-2, 1))
@examples(10)
def test_shuffle_permutes_slices(seed, axis):
    x = np.arange(12).reshape(4, 3)
    out = np.asarray(random.shuffle(x, axis, seed=seed))
    assert sorted(map(tuple, np.moveaxis(out, axis, 0))) == sorted(map(tuple, np.moveaxis(x, axis, 0)))
    np.testing.assert_array_equal(out, random.shuffle(jnp.asarray(x), axis, seed=seed))


@pytest.mark.parametrize("name", sorted(DTYPES))
def test_shape_and_dtype_are_as_asked_for(name):
    arguments = {"gamma": (2.0,), "beta": (2.0, 3.0), "binomial": (4.0, 0.5)}.get(name, ())
    cases = [((), None), ((0,), "float16"), ((np.int64(2), 1), np.float32), ([2, 300], "bfloat16")]
    for shape, dtype in cases[3 if arguments else 0 :]:  # those with arguments are slow to compile
        out = getattr(random, name)(shape, *arguments, dtype=dtype, seed=1)
        assert isinstance(out, jax.Array) and out.shape == tuple(shape) and out.dtype == (dtype or "float32")
        assert np.isfinite(np.asarray(out, "float64")).all()


def test_integer_and_boolean_draws_take_a_dtype():
    assert random.bernoulli(np.full((2, 3), 0.5, "float32"), seed=1).shape == (2, 3)
    assert random.bernoulli(0.5, (4,), dtype="float32", seed=1).dtype == jnp.float32
    assert random.randint((3,), 0, 9, dtype="uint8", seed=1).dtype == jnp.uint8
    assert random.categorical(np.zeros((2, 3), "float32"), 4, dtype="int16", seed=1).dtype == jnp.int16


def test_arguments_may_be_arrays_and_variables():
    mean = lamina.Variable(np.array([0.0, 100.0], "float32"))
    assert np.diff(random.normal((5, 2), mean, 0.1, seed=1), axis=1).min() > 90
    out = random.uniform((5, 2), mean, mean + 1, seed=1)
    assert out[:, 0].max() < 1 and out[:, 1].min() >= 100
    x = lamina.Variable(np.ones((3, 4), "float32"))
    assert random.dropout(x, 0.5, seed=1).shape == (3, 4) and random.shuffle(x, seed=1).shape == (3, 4)
    assert random.dropout(lamina.Input((4,)), 0.5, seed=1).shape == (None, 4)


# --- seeds -----------------------------------------------------------------------------------------------------------


def run_everything():
    kernel = layers.Dense(3)
    kernel.build((None, 2))
    generator = random.SeedGenerator()
    return [random.normal((3,)), kernel.kernel.numpy(), random.uniform((3,), seed=generator), random.normal((3,)),
            layers.Dropout(0.5)(np.ones((2, 8), "float32"), training=True)]  # fmt: skip


def test_set_seed_starts_everything_anew_and_nothing_comes_twice():
    random.set_seed(11)
    first = run_everything()
    random.set_seed(11)
    second = run_everything()
    random.set_seed(12)
    third = run_everything()
    jax.tree.map(np.testing.assert_array_equal, first, second)
    assert not any(np.array_equal(a, b) for a, b in zip(first, third, strict=True))
    numbers = np.concatenate([np.ravel(a) for run in (first, third) for a in run[:4]])
    assert len(np.unique(numbers)) == len(numbers)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_an_integer_seed_gives_the_same_draw_a_generator_the_next_and_none_a_fresh_one(name):
    draw = DISTRIBUTIONS[name][0]
    np.testing.assert_array_equal(draw(seed=5), draw(seed=np.int64(5)))
    generators = random.SeedGenerator(5), random.SeedGenerator(5)
    first, again = draw(seed=generators[0]), draw(seed=generators[0])
    np.testing.assert_array_equal(first, draw(seed=generators[1]))
    np.testing.assert_array_equal(again, draw(seed=generators[1]))
    assert not np.array_equal(first, again) and not np.array_equal(draw(), draw())
    assert generators[0].state.numpy().tolist() == [5, 2]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True, [1], None])
def test_what_is_no_seed_is_refused_and_nothing_changes(seed):
    random.set_seed(3)
    if seed is not None:
        for use in (random.SeedGenerator, lambda s: random.normal((2,), seed=s), lambda s: layers.Dropout(0.5, seed=s)):
            with pytest.raises(ValueError, match=r"[Ss]eed"):
                use(seed)
    with pytest.raises(ValueError, match=r"[Ss]eed"):
        random.set_seed(seed)
    after = random.normal((2,))
    random.set_seed(3)
    np.testing.assert_array_equal(random.normal((2,)), after)


@given(st.lists(st.sampled_from(["normal", "uniform", "randint", "bernoulli"]), min_size=1, max_size=4))
@examples(3)
def test_draws_are_the_same_eagerly_compiled_looped_and_under_gradients(names):
    arguments = {"normal": (), "uniform": (), "randint": (0, 100), "bernoulli": ()}

    def draw(generator):
        first = {"bernoulli": lambda n: random.bernoulli(0.5, (3,), seed=generator)}
        return sum(jnp.float32(first.get(n, lambda n: getattr(random, n)((3,), *arguments[n], seed=generator))(n)) for n in names)

    def three(g):
        return jnp.stack([draw(g) for _ in range(3)])

    def generator():
        return random.SeedGenerator(9)

    expected = three(generator())
    g = [generator() for _ in range(5)]
    step = lamina.jit(lambda: draw(g[0]))
    for other in (
        jnp.stack([step() for _ in range(3)]),
        lamina.jit(lambda: three(g[1]))(),
        lamina.scan(lambda c, _: (c, draw(g[2])), None, length=3)[1],
        lamina.jit(lambda: lamina.scan(lambda c, _: (c, draw(g[3])), None, length=3)[1])(),
        lamina.value_and_grad(lambda x: (x, three(g[4])), has_aux=True)(1.0)[0][1],
    ):
        assert_close(other, expected, rtol=1e-6)
    assert {tuple(one.state.numpy().tolist()) for one in g} == {(9, 3 * len(names))}


def test_a_shared_draw_in_compiled_code_is_a_new_one_at_each_call():
    draw = lamina.jit(lambda: random.normal((3,)))
    assert not np.array_equal(draw(), draw())


def test_a_draw_inside_a_raw_transformation_is_refused_by_name():
    generator = random.SeedGenerator(1, name="noise")
    for transform in (jax.jit, lambda f: lambda: jax.vmap(lambda x: f())(jnp.ones(2))):
        with pytest.raises(lamina.StateError, match="noise"):
            transform(lambda: random.normal((2,), seed=generator))()
    assert generator.state.numpy().tolist() == [1, 0]
    assert jax.jit(lambda: random.normal((2,), seed=1))().shape == (2,)


def test_a_generators_state_is_a_variable_of_the_layer_that_holds_it():
    layer = layers.Dropout(0.5, seed=4)
    x = np.ones((2, 8), "float32")
    first = layer(x, training=True)
    state = [v.numpy() for v in layer.variables]
    second = layer(x, training=True)
    layer.variables[0].assign(state[0])
    np.testing.assert_array_equal(layer(x, training=True), second)
    assert not np.array_equal(first, second) and layer.weights == []
    before = layer.variables[0].numpy()
    layer(x)
    np.testing.assert_array_equal(layer.variables[0].numpy(), before)
