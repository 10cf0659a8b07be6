"""Recurrent layers: the numbers, states and gradients of Keras, whatever the options, the mask and the way there."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from lamina.core.masks import mask_of, with_mask
from properties import examples

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 0]], "bool")  # trailing, leading, and holes


def alike(ours, theirs, shape, seed=1):
    """Builds both layers, and gives them the same weights."""
    for layer in (ours, theirs):
        layer.build(shape)
    random = np.random.default_rng(seed)
    values = [random.normal(0, 0.5, w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(values)
    theirs.set_weights(values)
    return ours, theirs


def assert_close(actual, desired, tolerance=1e-5):
    for mine, expected in zip(jax.tree.leaves(actual), jax.tree.leaves(desired), strict=True):
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, rtol=tolerance, atol=tolerance)


def outputs_and_gradients(layer, x, states, mask):
    """Returns the outputs, and the gradients for the weights, the inputs and the first states."""
    weights = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]

    @jax.jit
    def run(weights, x, states):
        def loss(weights, x, states):
            outputs = layer.stateless_call(weights, others, x, initial_state=states, mask=mask)[0]
            leaves = jax.tree.leaves(outputs)
            return sum((i + 1) * jnp.sum(jnp.sin(leaf)) for i, leaf in enumerate(leaves)), outputs

        return jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(weights, x, states)

    (_, outputs), gradients = run(weights, x, states)
    return outputs, gradients


@given(
    kind=st.sampled_from(["SimpleRNN", "LSTM", "GRU", "GRU before"]),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    options=st.fixed_dictionaries(
        {
            "return_sequences": st.booleans(),
            "go_backwards": st.booleans(),
            "use_bias": st.booleans(),
            "activation": st.sampled_from(["tanh", "softsign"]),
        }
    ),
    unroll=st.booleans(),
    masked=st.booleans(),
    zero=st.booleans(),
    seed=st.integers(0, 99),
)
@examples(7)
def test_outputs_states_and_gradients_are_those_of_keras(kind, sizes, options, unroll, masked, zero, seed):
    batch, time, features, units = sizes
    random = np.random.default_rng(seed)
    options |= {"return_state": True, "zero_output_for_mask": zero and options["return_sequences"]}
    if kind == "GRU before":
        options["reset_after"] = False
    name = kind.split()[0]
    ours = getattr(layers, name)(units, unroll=unroll, **options)
    alike(ours, theirs := getattr(keras.layers, name)(units, **options), (batch, time, features))
    x, *states = (random.normal(size=(batch, *s)).astype("float32") for s in [(time, features), (units,), (units,)])
    states = states[: len(ours.state_size)]
    mask = jnp.asarray(random.random((batch, time)) < 0.6) if masked else None
    assert_close(outputs_and_gradients(ours, x, states, mask), outputs_and_gradients(theirs, x, states, mask))


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "ConvLSTM1D"])
@pytest.mark.parametrize("rates", [(0.4, 0), (0.4, 0.3)])
def test_dropout_is_that_of_keras_for_the_same_draws(kind, rates):
    arguments = (4, 2) if kind == "ConvLSTM1D" else (4,)
    x = np.ones((3, 5, 6, 2), "float32") if kind == "ConvLSTM1D" else X
    options = {"dropout": rates[0], "recurrent_dropout": rates[1], "return_sequences": True}
    ours = getattr(layers, kind)(*arguments, seed=3, **options)
    theirs = getattr(keras.layers, kind)(*arguments, **options)
    drawn = getattr(layers, kind)(*arguments, seed=3, **options)
    drawn.build(x.shape)
    alike(ours, theirs, x.shape)
    names = ("_dropout_mask", "_recurrent_dropout_mask")
    for name, keep in zip(names, drawn.cell._draw_keep(3), strict=True):
        if keep is not None:
            setattr(theirs.cell, name, keep[0] if len(keep) == 1 else list(keep))
    first = ours(x, training=True)
    assert_close(first, theirs(x, training=True))
    assert np.abs(ours(x, training=True) - first).max() > 1e-3  # drawn anew
    assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_bidirectional_is_that_of_keras(merge_mode):
    sequences = merge_mode != "mul"
    ours, theirs = (
        k.Bidirectional(k.LSTM(2, return_sequences=sequences, return_state=True), merge_mode) for k in (layers, keras.layers)
    )
    alike(ours, theirs, X.shape)
    states = list(np.random.default_rng(2).normal(size=(4, 3, 2)).astype("float32"))
    assert_close(ours(X, initial_state=states, mask=jnp.asarray(MASK)), theirs(X, initial_state=states, mask=jnp.asarray(MASK)))
    masks = mask_of(ours(with_mask(jnp.asarray(X), jnp.asarray(MASK))))
    for mask in (masks or [])[: 1 if merge_mode else 2]:
        np.testing.assert_array_equal(mask, MASK)
    assert (masks is None) != sequences


def minimal_cell(k):
    """A cell of one's own, whose output is not its state, for either library."""

    class Minimal(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = self.state_size = units
            self.output_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
            self.recurrent = self.add_weight(shape=(self.units, self.units), name="recurrent")

        def call(self, inputs, states):
            state = jnp.tanh(inputs @ jnp.asarray(self.kernel) + states[0] @ jnp.asarray(self.recurrent))
            return 2 * state, [state]

    return Minimal


def test_a_cell_of_ones_own_runs_and_where_masked_its_last_output_stays():
    ours = layers.RNN(
        [minimal_cell(lamina)(3), layers.GRUCell(2), minimal_cell(lamina)(4)], return_sequences=True, return_state=True
    )
    theirs = keras.layers.RNN(
        [minimal_cell(keras)(3), keras.layers.GRUCell(2), minimal_cell(keras)(4)], return_sequences=True, return_state=True
    )
    alike(ours, theirs, X.shape)
    assert_close(ours(X), theirs(X))
    assert_close(lamina.jit(ours)(X), theirs(X))
    alone = ours(X[:1, :3])  # the first sample has three steps
    masked, *states = ours(X, mask=jnp.asarray(MASK))
    assert_close([masked[:1, :3], *(s[:1] for s in jax.tree.leaves(states))], alone)
    np.testing.assert_array_equal(masked[0, 3:], masked[0, 2:3].repeat(2, 0))
    assert not np.asarray(masked[1, :2]).any()


def test_the_ways_through_a_layer_lead_to_the_same_numbers():
    class Overridden(layers.LSTMCell):
        def call(self, inputs, states, training=False, keep=None):
            return super().call(inputs, states, training, keep)

    class Composed(layers.Layer):  # built by its call
        state_size = 2

        def __init__(self):
            super().__init__()
            self.inner = layers.SimpleRNNCell(2)

        def call(self, inputs, states):
            return self.inner(inputs, states)

    for plain, other in [
        (
            layers.LSTM(2, dropout=0.5, recurrent_dropout=0.2, seed=1),
            layers.RNN(Overridden(2, dropout=0.5, recurrent_dropout=0.2, seed=1)),
        ),
        (layers.GRU(2), layers.GRU(2, lambda x: jnp.tanh(x))),
        (layers.SimpleRNN(2, unroll=True), layers.RNN(Composed())),
    ]:
        alike(plain, other, X.shape)
        for training in (False, True):
            outputs = [layer(X, mask=jnp.asarray(MASK), training=training) for layer in (plain, other)]
            assert_close(*outputs)


def test_what_a_cell_writes_is_carried_from_step_to_step():
    class Counting(layers.Layer):
        state_size = 4

        def build(self, input_shape):
            self.steps = self.add_weight((), "zeros", trainable=False)

        def call(self, inputs, states):
            self.steps.assign_add(1)
            return inputs + states[0], states[0] + self.steps.value

    layer = layers.RNN(Counting(), return_state=True)
    output, state = layer(X)
    assert layer.cell.steps.numpy() == 5
    np.testing.assert_allclose(state, np.full((3, 4), 1 + 2 + 3 + 4 + 5))
    np.testing.assert_allclose(output, X[:, -1] + (1 + 2 + 3 + 4), rtol=1e-6)


def test_derivatives_of_any_order_and_direction_are_those_of_keras():
    ours, theirs = alike(layers.LSTM(2), keras.layers.LSTM(2), (1, 3, 2))
    x = jnp.asarray(X[:1, :3, :2])

    def derivatives(layer):
        def loss(scale):
            return jnp.sum(jnp.sin(layer(x * scale)))

        return jax.jit(lambda s: (jax.jvp(loss, (s,), (s + 1,))[1], jax.hessian(loss)(s)))(jnp.ones(2))

    assert_close(derivatives(ours), derivatives(theirs), 1e-4)


@pytest.mark.parametrize("wrap", [lambda layer, k: layer, lambda layer, k: k.Bidirectional(layer)])
def test_states_are_kept_from_batch_to_batch_until_reset(wrap):
    ours, theirs = (wrap(k.GRU(2, stateful=True), k) for k in (layers, keras.layers))
    alike(ours, theirs, X.shape)
    run = lamina.jit(ours)
    first = ours(X)
    assert_close(first, theirs(X))
    assert_close(run(X), theirs(X))
    assert_close(ours.states, [state.value for state in theirs.states])
    ours.reset_states()
    assert_close(ours(X), first)
    assert len(ours.weights) == len(theirs.weights)  # states are none
    with pytest.raises(ValueError, match=r"stateful and keeps states for batches of 3; it was given one of 2"):
        ours(X[:2])


@pytest.mark.parametrize("inputs", [[], [lamina.Input((5, 4), batch_size=3)]])
def test_a_stateful_model_is_fitted_and_reset_to_states_of_ones_own(inputs):
    model = lamina.Sequential([*inputs, layers.LSTM(2, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    data = np.concatenate([X, X])
    model.fit(data, np.zeros((6, 1)), batch_size=3, epochs=2, shuffle=False, verbose=0)
    lstm = model.layers[0]
    kept = [state.numpy() for state in lstm.states]
    assert all(np.abs(state).max() > 0 for state in kept)
    assert_close(lstm(X), layers_like(lstm)(X, initial_state=kept), 1e-5)
    lstm.reset_state(kept)
    assert_close([state.value for state in lstm.states], kept)
    with pytest.raises(ValueError, match=r"takes states of shape \(3, 2\) and \(3, 2\); it was given \(3, 2\)"):
        lstm.reset_state(kept[:1])


def layers_like(layer):
    """Returns a layer of the same settings and weights that keeps no states."""
    again = layers.LSTM.from_config({**layer.get_config(), "stateful": False})
    again.build((3, 5, 4))
    again.set_weights(layer.get_weights())
    return again


def test_states_pass_through_a_functional_model_and_its_config():
    inputs, start = lamina.Input((None, 4)), lamina.Input((2,))
    _, *states = layers.LSTM(2, return_state=True, name="encoder")(inputs, initial_state=[start, start])
    outputs = layers.LSTM(2, return_sequences=True, name="decoder")(inputs, initial_state=states)
    model = lamina.Model([inputs, start], outputs)
    given = np.full((3, 2), 0.5, "float32")
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    _, *states = encoder(X, initial_state=[given, given])
    assert_close(model([X, given]), decoder(X, initial_state=states))
    again = lamina.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    assert_close(again([X, given]), model([X, given]))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit([X, given], np.zeros((3, 5, 2)), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_masks_come_from_the_inputs_and_go_on_in_the_order_of_the_outputs():
    x = with_mask(jnp.asarray(X), jnp.asarray(MASK))
    layer = layers.GRU(2, return_sequences=True, go_backwards=True, return_state=True)
    outputs, state = layer(x)
    np.testing.assert_array_equal(mask_of(outputs), MASK[:, ::-1])
    assert mask_of(state) is None
    np.testing.assert_array_equal(outputs[:, -1], state)
    assert mask_of(layers.GRU(2)(x)) is None
    zeroed = layers.GRU(2, return_sequences=True, zero_output_for_mask=True)(x)
    np.testing.assert_array_equal((zeroed == 0).all(-1), ~MASK)


def test_masked_steps_of_a_convolutional_lstm_are_as_if_they_were_not_there():
    images = np.random.default_rng(3).normal(size=(2, 5, 3, 4, 2)).astype("float32")
    layer = layers.ConvLSTM2D(2, 2, padding="same", return_state=True)
    counted = np.array([0, 1, 1, 0, 1], "bool")
    for mask in (counted[None].repeat(2, 0), counted[None, :, None, None].repeat(2, 0).repeat(3, 2)):
        assert_close(layer(images, mask=jnp.asarray(mask)), layer(images[:, counted]))


def test_weights_are_regularized_constrained_and_first_as_asked():
    layer = layers.LSTM(
        3,
        kernel_initializer="ones",
        recurrent_initializer="zeros",
        bias_initializer=lamina.initializers.Constant(2),
        kernel_regularizer="l2",
        recurrent_regularizer=lamina.regularizers.L1(1.0),
        bias_constraint="non_neg",
        activity_regularizer="l1",
    )
    outputs = layer(X)
    np.testing.assert_allclose(layer.losses, [0.01 * np.abs(outputs).sum() / 3, 0.01 * 48, 0], rtol=1e-5)
    np.testing.assert_array_equal(layer.cell.bias.numpy(), [2] * 3 + [1] * 3 + [2] * 6)
    assert (layer.cell.kernel.numpy() == 1).all() and layer.cell.bias.constraint is not None
    assert (layer.units, layer.use_bias, layer.kernel_regularizer) == (3, True, layer.cell.kernel_regularizer)
    assert [weight.path.split("/", 1)[1] for weight in layer.weights] == [
        f"lstm_cell/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]


def test_a_cell_may_compute_in_another_dtype_than_its_layer():
    layer = layers.RNN(layers.LSTMCell(2), dtype="mixed_bfloat16", return_state=True)
    outputs = layer(X)
    assert {array.dtype.name for array in outputs} == {"bfloat16"}
    plain = layers.RNN(layer.cell, return_state=True)
    assert_close([o.astype("float32") for o in outputs], plain(X.astype("bfloat16").astype("float32")), 2**-7)


def test_what_cannot_be_is_refused():
    for mask in (np.ones((3, 4), "bool"), np.ones(3, "bool")):
        with pytest.raises(ValueError, match=r"The mask of the layer .* \(batch, time\), \(3, 5\)"):
            layers.LSTM(2)(X, mask=jnp.asarray(mask))
    with pytest.raises(ValueError, match=r"takes states of shape \(3, 2\) and \(3, 2\); it was given \(3, 2\) and \(3, 1\)"):
        layers.LSTM(2)(X, initial_state=[np.ones((3, 2)), np.ones((3, 1))])
    with pytest.raises(ValueError, match="was given sequences of no steps"):
        layers.GRU(2)(X[:, :0])
    with pytest.raises(ValueError, match="it needs to know the size of its batches"):
        layers.GRU(2, stateful=True)(lamina.Input((5, 4)))
    with pytest.raises(TypeError, match=r"RNN takes a cell: a layer with a state_size and call\(inputs, states\)"):
        layers.RNN(layers.Dense(2))
    with pytest.raises(ValueError, match="at least one cell"):
        layers.RNN([])
    with pytest.raises(ValueError, match="use_cudnn=True of LSTM cannot be met"):
        layers.LSTM(2, use_cudnn=True)
    with pytest.raises(ValueError, match=r"dropout of GRUCell must be a number from 0 to 1, not 1\.5"):
        layers.GRU(2, dropout=1.5)
    with pytest.raises(ValueError, match="units of LSTMCell must be a positive integer, not 0"):
        layers.LSTM(0)
    with pytest.raises(ValueError, match="only one may be more than 1"):
        layers.ConvLSTM1D(2, 3, strides=2, dilation_rate=2)
    with pytest.raises(TypeError, match="Bidirectional wraps a recurrent layer"):
        layers.Bidirectional(layers.Dense(2))
    with pytest.raises(ValueError, match="both have go_backwards=True"):
        layers.Bidirectional(layers.LSTM(2, go_backwards=True))
    with pytest.raises(ValueError, match="one value of return_sequences, not False and True"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True))
    with pytest.raises(ValueError, match="merge_mode of Bidirectional"):
        layers.Bidirectional(layers.LSTM(2), "max")
    with pytest.raises(AttributeError, match="LSTM has no attribute 'unitz'"):
        _ = layers.LSTM(2).unitz

    class Odd(layers.Layer):
        state_size = 2

        def call(self, inputs, states):
            return inputs, [states[0][:, :1]]

    with pytest.raises(ValueError, match=r"states of shape \(3, 2\) and returned states of shape \(3, 1\)"):
        layers.RNN(Odd())(X)
