"""What holds for every layer: the numbers, gradients and shapes of Keras, compiled or not, and again from its config."""

import contextlib
import json

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras.src.backend import get_keras_mask, set_keras_mask

import lamina
from lamina.core.masks import mask_of, with_mask
from lamina.core.symbolic import SymbolicTensor
from properties import examples

EPSILON = {"float32": 2e-6, "mixed_float16": 2**-9, "mixed_bfloat16": 2**-6}

# How to make the layer from `lamina.layers` or `keras.layers`, and the shapes of its inputs, in which b and t may be any size:
# a list for a list of inputs, a tuple for several arguments.
# Negative numbers are rare enough in inputs of integers not to be drawn: those are indices.
CASES = {
    "Activation": (lambda k: k.Activation("tanh"), "b t 3"),
    "ActivityRegularization": (lambda k: k.ActivityRegularization(0.1, 0.2), "b 3"),
    "AdaptiveAveragePooling1D": (lambda k: k.AdaptiveAveragePooling1D(3), "b 8 3"),
    "AdaptiveAveragePooling2D": (lambda k: k.AdaptiveAveragePooling2D((2, 3)), "b 4 5 3"),
    "AdaptiveAveragePooling3D": (lambda k: k.AdaptiveAveragePooling3D(2, "channels_first"), "b 2 4 3 2"),
    "AdaptiveMaxPooling1D": (lambda k: k.AdaptiveMaxPooling1D(4), "b 8 3"),
    "AdaptiveMaxPooling2D": (lambda k: k.AdaptiveMaxPooling2D((2, 3)), "b 4 5 3"),
    "AdaptiveMaxPooling3D": (lambda k: k.AdaptiveMaxPooling3D(2), "b 4 3 2 3"),
    "Add": (lambda k: k.Add(), ["b t 3", "b t 3", "b 1 3"]),
    "AdditiveAttention": (lambda k: k.AdditiveAttention(dropout=0.3, seed=1), ["b 3 4", "b t 4", "b t 4"]),
    "AlphaDropout": (lambda k: k.AlphaDropout(0.4, seed=3), "b t 3"),
    "Attention": (lambda k: k.Attention(use_scale=True), ["b t 4", "b 3 4"]),
    "Attention of sums": (lambda k: k.Attention(True, "concat", 0.3, seed=1), ["b 3 4", "b t 4"]),
    "Average": (lambda k: k.Average(), ["b 5 3", "b 3"]),
    "AveragePooling1D": (lambda k: k.AveragePooling1D(3, 2, "same"), "b t 3"),
    "AveragePooling3D": (lambda k: k.AveragePooling3D((1, 2, 2), 1, data_format="channels_first"), "b 3 t 2 4"),
    "AveragePooling2D": (lambda k: k.AveragePooling2D((2, 1), padding="same"), "b 5 4 3"),
    "BatchNormalization": (lambda k: k.BatchNormalization(), "b t 3"),
    "BatchNormalization of axis 1": (lambda k: k.BatchNormalization(1, 0.7, 0.1, center=False), "b 3 t 2"),
    "BatchNormalization renormalized": (lambda k: k.BatchNormalization(renorm=True, renorm_clipping={"rmax": 2.0}), "b t 3"),
    "Bidirectional": (lambda k: k.Bidirectional(k.GRU(3, return_sequences=True), "ave"), "b t 3"),
    "Concatenate": (lambda k: k.Concatenate(axis=1), ["b t 3", "b 2 3", "b t 3"]),
    "Concatenate along the last axis": (lambda k: k.Concatenate(), ["b t 3", "b t 1"]),
    "CenterCrop": (lambda k: k.CenterCrop(3, 2), "b 5 4 3"),
    "Conv1D": (lambda k: k.Conv1D(4, 3, padding="causal", dilation_rate=2), "b t 3"),
    "Conv2D of unknown sizes": (lambda k: k.Conv2D(4, (3, 2), (1, 2), "same", groups=2), "b t t 2"),
    "Conv3D": (lambda k: k.Conv3D(3, 2, 2, "same", "channels_first"), "b 2 t 5 4"),
    "Conv2D": (lambda k: k.Conv2D(4, 3, 2, "same", activation="relu"), "b 6 5 3"),
    "ConvLSTM1D": (lambda k: k.ConvLSTM1D(2, 3, dropout=0.3, recurrent_dropout=0.4, seed=2), "b t 5 3"),
    "ConvLSTM2D": (lambda k: k.ConvLSTM2D(2, (2, 3), 2, "same", "channels_first", return_sequences=True), "b t 2 4 3"),
    "ConvLSTM3D": (lambda k: k.ConvLSTM3D(1, 2, go_backwards=True, activation="softsign"), "b t 3 2 3 2"),
    "Conv1DTranspose": (lambda k: k.Conv1DTranspose(4, 3, 2, "same", output_padding=1), "b t 3"),
    "Conv2DTranspose": (lambda k: k.Conv2DTranspose(4, (3, 2), (2, 1), activation="tanh"), "b t 4 3"),
    "Conv3DTranspose": (lambda k: k.Conv3DTranspose(2, 2, 2, "same", data_format="channels_first"), "b 3 t 2 2"),
    "Cropping1D": (lambda k: k.Cropping1D((1, 2)), "b 5 3"),
    "Cropping2D": (lambda k: k.Cropping2D(((1, 0), (2, 1)), "channels_first"), "b 2 4 5"),
    "Cropping3D": (lambda k: k.Cropping3D((1, 0, 1)), "b 4 t 3 2"),
    "Dense": (lambda k: k.Dense(4, "relu"), "b t 3"),
    "CategoryEncoding": (lambda k: k.CategoryEncoding(7, "count"), "b t int"),
    "Discretization": (lambda k: k.Discretization([-0.5, 0.1, 0.6], output_mode="multi_hot"), "b t"),
    "DepthwiseConv1D": (lambda k: k.DepthwiseConv1D(3, padding="same", depth_multiplier=2), "b t 3"),
    "DepthwiseConv2D": (lambda k: k.DepthwiseConv2D((2, 3), 2, data_format="channels_first"), "b 3 5 6"),
    "Dot": (lambda k: k.Dot((1, 2), normalize=True), ["b 4 3 2", "b t 4"]),
    "Dot of vectors": (lambda k: k.Dot(-1), ["b 4", "b 4"]),
    "Dropout": (lambda k: k.Dropout(0.3, (None, 1, 3), seed=4), "b t 3"),
    "ELU": (lambda k: k.ELU(0.7), "b t 3"),
    "EinsumDense": (lambda k: k.EinsumDense("btf,fhd->bthd", (None, 2, 5), "tanh", "hd"), "b t 3"),
    "EinsumDense before": (lambda k: k.EinsumDense("...x,xy->...y", 5, bias_axes="y"), "b t 2 3"),
    "EinsumDense after": (lambda k: k.EinsumDense("ab...,bc->ac...", 5, bias_axes="c"), "b 3 t 2"),
    "Embedding": (lambda k: k.Embedding(7, 3), "b t int"),
    "Flatten": (lambda k: k.Flatten(), "b t 3 2"),
    "Flatten of channels first": (lambda k: k.Flatten("channels_first"), "b 2 t 3"),
    "Flatten of numbers": (lambda k: k.Flatten(), "b"),
    "GRU": (lambda k: k.GRU(4, dropout=0.3, seed=2), "b t 3"),
    "GaussianDropout": (lambda k: k.GaussianDropout(0.4, seed=5), "b t 3"),
    "GaussianNoise": (lambda k: k.GaussianNoise(0.4, seed=6), "b t 3"),
    "GlobalAveragePooling1D": (lambda k: k.GlobalAveragePooling1D("channels_first"), "b 3 t"),
    "GlobalAveragePooling3D": (lambda k: k.GlobalAveragePooling3D(), "b t 3 4 2"),
    "GlobalMaxPooling1D": (lambda k: k.GlobalMaxPooling1D(), "b t 2"),
    "GlobalMaxPooling3D": (lambda k: k.GlobalMaxPooling3D("channels_first", True), "b 2 t 4 2"),
    "GlobalAveragePooling2D": (lambda k: k.GlobalAveragePooling2D(keepdims=True), "b 3 4 2"),
    "GlobalMaxPooling2D": (lambda k: k.GlobalMaxPooling2D(), "b 3 4 2"),
    "GroupNormalization": (lambda k: k.GroupNormalization(2), "b t 2 6"),
    "GroupNormalization of axis 1": (lambda k: k.GroupNormalization(-1, 1, 0.1, scale=False), "b 3 t 2"),
    "GroupedQueryAttention": (lambda k: k.GroupQueryAttention(3, 4, 2, use_gate=True), ("b t 5", "b 3 5")),
    "Identity": (lambda k: k.Identity(), "b t 3"),
    "LSTM": (lambda k: k.LSTM(4, return_sequences=True, dropout=0.3, recurrent_dropout=0.2, seed=2), "b t 3"),
    "Lambda": (lambda k: k.Lambda(lambda x, shift: 2 * x + shift, arguments={"shift": 1.0}), "b t 3"),
    "LayerNormalization": (lambda k: k.LayerNormalization(), "b t 3"),
    "LayerNormalization of two axes": (lambda k: k.LayerNormalization([2, 3], 0.1), "b t 3 2"),
    "LeakyReLU": (lambda k: k.LeakyReLU(0.2), "b t 3"),
    "Masking": (lambda k: k.Masking(0.5), "b t 3"),
    "MaxPooling1D": (lambda k: k.MaxPooling1D(3, 2, "same"), "b t 3"),
    "MaxPooling3D": (lambda k: k.MaxPooling3D((1, 2, 2), data_format="channels_first"), "b 3 t 5 4"),
    "MaxPooling2D of whole windows": (lambda k: k.MaxPooling2D((2, 3), padding="same"), "b 4 5 3"),
    "MaxPooling2D": (lambda k: k.MaxPooling2D(2, 1), "b 4 5 3"),
    "Maximum": (lambda k: k.Maximum(), ["b t 3", "b t 1", "b t 3"]),
    "MelSpectrogram": (lambda k: k.MelSpectrogram(8, 1, 6, sampling_rate=100, num_mel_bins=3, power_to_db=False), "b t"),
    "Minimum": (lambda k: k.Minimum(), ["b t 3", "b t 3"]),
    "MultiHeadAttention": (lambda k: k.MultiHeadAttention(2, 2), ("b t 2", "b 3 3", "b 3 2")),
    "MultiHeadAttention over an axis": (
        lambda k: k.MultiHeadAttention(2, 3, 5, 0.3, False, (2, 3), 2, use_gate=True, seed=1),
        ("b 2 t 4", "b 2 3 4"),
    ),
    "Multiply": (lambda k: k.Multiply(), ["b t 3", "b t 3", "b 1 1"]),
    "Normalization": (lambda k: k.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0]), "b t 3"),
    "PReLU": (lambda k: k.PReLU(keras.initializers.Constant(0.3) if k is keras.layers else "ones", shared_axes=[1]), "b t 3"),
    "Permute": (lambda k: k.Permute((3, 1, 2)), "b t 3 2"),
    "RNN": (lambda k: k.RNN([k.LSTMCell(3, dropout=0.3, seed=2), k.GRUCell(4, reset_after=False)]), "b t 3"),
    "ReLU": (lambda k: k.ReLU(1.5, 0.1, 0.2), "b t 3"),
    "RMSNormalization": (lambda k: k.RMSNormalization([2, 3]), "b t 2 3"),
    "RepeatVector": (lambda k: k.RepeatVector(4), "b t"),
    "Reshape": (lambda k: k.Reshape((-1, 4)), "b t 8"),
    "Resizing": (lambda k: k.Resizing(3, 7, crop_to_aspect_ratio=True), "b 5 4 3"),
    "Rescaling": (lambda k: k.Rescaling(0.3, offset=-1.0), "b t 3"),
    "ReversibleEmbedding": (lambda k: k.ReversibleEmbedding(7, 3, tie_weights=False), "b t int"),
    "RotaryEmbedding": (lambda k: k.RotaryEmbedding(), "b t 2 4"),
    "STFTSpectrogram": (lambda k: k.STFTSpectrogram("magnitude", 4, 2, padding="same", expand_dims=True), "b t 3"),
    "SeparableConv1D": (lambda k: k.SeparableConv1D(4, 2, padding="same", dilation_rate=2), "b t 3"),
    "SeparableConv2D": (lambda k: k.SeparableConv2D(2, (3, 2), 2, "same", depth_multiplier=2, use_bias=False), "b t 4 3"),
    "SimpleRNN": (lambda k: k.SimpleRNN(4, return_sequences=True, go_backwards=True), "b t 3"),
    "SinePositionEncoding": (lambda k: k.SinePositionEncoding(), "b t 3"),
    "Softmax": (lambda k: k.Softmax(axis=(1, 2)), "b t 3"),
    "SpatialDropout1D": (lambda k: k.SpatialDropout1D(0.4, seed=7), "b t 3"),
    "SpatialDropout2D": (lambda k: k.SpatialDropout2D(0.4, "channels_first", seed=8), "b 3 t 2"),
    "SpatialDropout3D": (lambda k: k.SpatialDropout3D(0.4, seed=9), "b t 2 2 3"),
    "SpectralNormalization": (lambda k: k.SpectralNormalization(k.Dense(4), 2), "b t 3"),
    "Subtract": (lambda k: k.Subtract(), ["b t 3", "b t 3"]),
    "TimeDistributed": (lambda k: k.TimeDistributed(k.Dense(4, "relu")), "b t 3"),
    "UnitNormalization": (lambda k: k.UnitNormalization((1, 2)), "b t 3"),
    "UpSampling1D": (lambda k: k.UpSampling1D(3), "b t 3"),
    "UpSampling2D": (lambda k: k.UpSampling2D((2, 1), "channels_first"), "b 2 t 3"),
    "UpSampling2D between pixels": (lambda k: k.UpSampling2D(2, interpolation="bilinear"), "b 3 t 2"),
    "UpSampling3D": (lambda k: k.UpSampling3D((1, 2, 3)), "b t 2 3 2"),
    "ZeroPadding1D": (lambda k: k.ZeroPadding1D((2, 0), "channels_first"), "b 3 t"),
    "ZeroPadding2D": (lambda k: k.ZeroPadding2D((1, 2)), "b t 3 2"),
    "ZeroPadding3D": (lambda k: k.ZeroPadding3D(((1, 0), (0, 2), (1, 1))), "b 2 t 2 3"),
}
KERAS_LACKS_BFLOAT16 = ("STFTSpectrogram",)
KERAS_LACKS_FLOAT16 = ("GroupedQueryAttention", "MultiHeadAttention")  # JAX's attention, which it takes, does on the CPU
KERAS_LACKS_GRADIENTS = ("MelSpectrogram",)  # those of a square root, where a signal has nothing of a frequency
every_case = pytest.mark.parametrize("name", CASES)
NOT_IN_KERAS = ("RotaryEmbedding", "SinePositionEncoding")
cases_of_keras = pytest.mark.parametrize("name", [name for name in CASES if name not in NOT_IN_KERAS])


def make(name, of=lamina.layers):
    return CASES[name][0](of)


def each(function, structure):
    """Applies a function to each input, or to each shape: tuples of sizes are shapes."""
    several = isinstance(structure, (list, tuple)) and not isinstance(structure[0], (int, type(None)))
    return type(structure)(map(function, structure)) if several else function(structure)


def arguments(name, inputs):
    """What is given to a layer: the inputs, one by one where it takes several."""
    return inputs if isinstance(CASES[name][1], tuple) else (inputs,)


def shapes(name, b, t):
    sizes = {"b": b, "t": t}
    return each(lambda text: tuple(sizes[s] if s in sizes else int(s) for s in text.removesuffix(" int").split()), CASES[name][1])


def inputs(name, b=4, t=6, seed=0):
    """Random numbers; among them whole rows of 0.5, and integers where a layer takes those."""
    random = np.random.default_rng(seed)

    def draw(shape):
        x = np.where(random.random((*shape[:-1], 1)) < 0.3, 0.5, random.normal(0, 1, shape))
        return random.integers(0, 7, shape) if "int" in CASES[name][1] else x.astype("float32")

    return each(draw, shapes(name, b, t))


@contextlib.contextmanager
def policy(dtype):
    lamina.set_dtype_policy(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        lamina.set_dtype_policy("float32")
        keras.config.set_dtype_policy("float32")


def both(name, x):
    """Returns our layer and that of Keras, with the same weights, none of them zero."""
    ours, theirs = make(name), make(name, keras.layers)
    ours(*arguments(name, x))
    theirs.build(*arguments(name, each(np.shape, x)))
    random = np.random.default_rng(1)
    weights = [random.uniform(0.5, 1.5, w.shape).astype(w.dtype) for w in ours.weights]
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    return ours, theirs


def gradients(layer, name, x, mask=None, **options):
    """The gradients of the sum of the outputs' sines, by the weights and by inputs that are no integers; and what else comes out.

    That is the outputs, their mask, and the variables that are not trained. Everything is one pure, compiled function.
    """
    run = pure_run if isinstance(layer, lamina.Layer) else pure_run_of_keras
    before = [variable.value for variable in layer.non_trainable_variables]

    def total(weights, x):
        outputs, *others = run(layer, weights, before, name, x, mask, options)
        return jnp.sum(jnp.sin(jnp.asarray(outputs, "float32"))), (outputs, *others)

    by = (0,) if "int" in CASES[name][1] else (0, 1)
    weights = [variable.value for variable in layer.trainable_variables]
    fast = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}  # compiled fast, to run slowly
    return jax.jit(jax.grad(total, by, has_aux=True), compiler_options=fast)(weights, x)


def pure_run(layer, weights, before, name, x, mask, options):
    x = each(lambda x: x if mask is None else with_mask(x * 1, mask), x)
    outputs, after = layer.stateless_call(weights, before, *arguments(name, x), **options)
    return outputs, mask_of(outputs), after


def pure_run_of_keras(layer, weights, before, name, x, mask, options):
    """The same; Keras's `stateless_call` does without masks."""
    variables = layer.trainable_variables + layer.non_trainable_variables
    with keras.StatelessScope(state_mapping=list(zip(variables, [*weights, *before], strict=True))) as scope:
        x = each(lambda x: x * 1, x)
        if mask is not None:
            each(lambda x: set_keras_mask(x, mask), x)
        outputs = layer(*arguments(name, x), **options)
        after = [scope.get_current_value(variable) for variable in layer.non_trainable_variables]
    return outputs, get_keras_mask(outputs), after


def assert_close(actual, desired, tolerance):
    assert (actual.shape, actual.dtype) == (desired.shape, desired.dtype)
    np.testing.assert_allclose(np.float64(actual), np.float64(desired), rtol=tolerance, atol=4 * tolerance)


def test_every_layer_has_a_case():
    found = [getattr(lamina.layers, name) for name in lamina.layers.__all__]
    public = {layer.__name__ for layer in found if isinstance(layer, type)}  # by their own names, not by others that they go by
    bases = {"InputLayer", "InputSpec", "Layer", "Wrapper"}
    on_the_host = {"HashedCrossing", "Hashing", "IntegerLookup", "StringLookup", "TextVectorization"}  # see test_preprocessing.py
    of_functions = {"FlaxLayer", "JaxLayer"}  # see test_jax_layer.py and test_flax_layer.py
    cells = {"GRUCell", "LSTMCell", "SimpleRNNCell", "StackedRNNCells"}  # they take states too: test_recurrent.py
    of_images = """AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization MaxNumBoundingBoxes MixUp
        Pipeline RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop
        RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
        RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
        Solarization"""  # they draw, or look at whole images: test_image_augmentation.py
    elsewhere = bases | on_the_host | of_functions | cells | set(of_images.split())
    assert {name.split()[0] for name in CASES} == public - elsewhere


@cases_of_keras
def test_the_numbers_and_gradients_are_those_of_keras_eager_and_compiled(name):
    x = each(jnp.asarray, inputs(name))
    ours, theirs = both(name, x)
    (found, (outputs, *_)), (expected, (desired, *_)) = (gradients(layer, name, x) for layer in (ours, theirs))
    assert_close(outputs, desired, 1e-5)
    assert_close(ours(*arguments(name, x)), outputs, 1e-5)
    if name not in KERAS_LACKS_GRADIENTS:
        for actual, desired in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert_close(actual, desired, 1e-5)


@pytest.mark.slow
@cases_of_keras
@given(dtype=st.sampled_from(sorted(EPSILON)), sizes=st.sampled_from([(1, 1), (2, 5), (3, 3)]), seed=st.integers(0, 99))
@examples(1)
def test_the_numbers_are_those_of_keras_in_any_precision_and_size(name, dtype, sizes, seed):
    x = inputs(name, *sizes, seed)
    dtype = "mixed_bfloat16" if dtype == "mixed_float16" and name in KERAS_LACKS_FLOAT16 else dtype
    dtype = "mixed_float16" if dtype == "mixed_bfloat16" and name in KERAS_LACKS_BFLOAT16 else dtype
    with policy(dtype):
        ours, theirs = both(name, x)
        x = arguments(name, x)
        assert_close(ours(*x), jax.jit(theirs)(*x), EPSILON[dtype])


@every_case
def test_in_mixed_bfloat16_weights_stay_in_float32_and_all_numbers_are_finite(name):
    x = each(jnp.asarray, inputs(name))
    with policy("mixed_bfloat16"):
        layer = make(name)
        layer.build(*arguments(name, each(np.shape, x)))
        gradient, (outputs, *state) = gradients(layer, name, x, training=True)
    kept = [*layer.trainable_variables, *gradient[0], *jax.tree.leaves(state)]
    assert {str(array.dtype) for array in kept if jnp.issubdtype(array.dtype, jnp.floating)} <= {"float32"}
    for array in jax.tree.leaves((gradient, outputs, state)):
        assert np.isfinite(np.float64(array)).all()


@every_case
def test_compiled_is_as_eager_in_training(name):
    x = arguments(name, inputs(name))
    eager, compiled = make(name), make(name)
    eager(*x), compiled(*x)
    compiled.set_weights(eager.get_weights())
    run = lamina.jit(lambda *x: compiled(*x, training=True))
    for _ in range(2):
        assert_close(run(*x), eager(*x, training=True), 2e-6)
    for mine, other in zip(compiled.variables, eager.variables, strict=True):
        np.testing.assert_allclose(mine.value, other.value, rtol=1e-5, atol=1e-6)


def built(name):
    """Returns a call of a built layer as a pure function, of which JAX itself tells the shapes."""
    layer = make(name)
    layer.build(*arguments(name, shapes(name, None, None)))
    values = [[v.value for v in variables] for variables in (layer.trainable_variables, layer.non_trainable_variables)]
    return lambda *x: layer.stateless_call(*values, *x)[0]


@every_case
def test_shapes_are_known_without_numbers(name):
    real = [jax.eval_shape(built(name), *arguments(name, inputs(name, *sizes))).shape for sizes in ((4, 6), (5, 7))]
    expected = tuple(a if a == b else None for a, b in zip(*real, strict=True))
    dtype = "int32" if "int" in CASES[name][1] else "float32"
    unknown, known = shapes(name, None, None), shapes(name, 4, 6)
    assert make(name)(*arguments(name, each(lambda shape: SymbolicTensor(shape, dtype), unknown))).shape == expected
    assert make(name).compute_output_shape(*arguments(name, unknown)) == expected
    assert make(name).compute_output_shape(*arguments(name, known)) == real[0]


@every_case
def test_a_layer_built_from_shapes_is_as_one_built_by_its_first_call(name):
    built, called = make(name), make(name)
    built.build(*arguments(name, shapes(name, None, 6)))
    called(*arguments(name, inputs(name)))
    assert built.built
    assert [(w.path.split("/")[1:], w.shape) for w in built.weights] == [(w.path.split("/")[1:], w.shape) for w in called.weights]


@every_case
def test_a_layer_comes_back_from_its_config(name):
    x = inputs(name)
    layer = make(name)
    config = layer.get_config()
    again = type(layer).from_config(config if name == "Lambda" else json.loads(json.dumps(config)))
    assert json.dumps(again.get_config(), default=id) == json.dumps(config, default=id)
    x = arguments(name, x)
    layer(*x), again(*x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(*x, training=True), layer(*x, training=True))


@cases_of_keras
def test_masking_is_supported_where_keras_supports_it(name):
    assert make(name).supports_masking == make(name, keras.layers).supports_masking
