"""Layers that convolve and pool: the numbers of Keras with random arguments, unknown sizes, and bad arguments."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina import layers
from properties import examples

CHANNELS = 4


def images(axes, data_format="channels_last", size=6, seed=0):
    spatial = range(size, size + axes)
    shape = (2, CHANNELS, *spatial) if data_format == "channels_first" else (2, *spatial, CHANNELS)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def assert_like_keras(name, arguments, x):
    """The same weights give the same outputs, and the shape is known without numbers, with no size known but the channels."""
    ours, theirs = (getattr(library.layers, name)(**arguments) for library in (lamina, keras))
    first = arguments.get("data_format") == "channels_first"
    unknown = lamina.Input((CHANNELS, *[None] * (x.ndim - 2)) if first else (*[None] * (x.ndim - 2), CHANNELS))
    shape = ours(unknown).shape
    theirs.build(x.shape)
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    random = np.random.default_rng(1)
    weights = [random.normal(0, 0.5, w.shape).astype("float32") for w in ours.weights]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    outputs, expected = ours(x), np.asarray(theirs(x))
    assert outputs.shape == expected.shape == ours.compute_output_shape(x.shape)
    assert all(size in (None, real) for size, real in zip(shape, expected.shape, strict=True))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


@st.composite
def windows(draw, axes, *, causal=False):
    """Arguments that all convolutions take: either the window moves by more than one, or its elements lie apart."""
    per_axis = st.one_of(st.integers(1, 3), st.tuples(*[st.integers(1, 3)] * axes))
    arguments = {
        "kernel_size": draw(per_axis),
        "padding": draw(st.sampled_from(["valid", "same", *["causal"] * causal])),
        "data_format": draw(st.sampled_from(["channels_last", "channels_first"])),
        "activation": draw(st.sampled_from([None, "tanh"])),
        "use_bias": draw(st.booleans()),
    }
    return {**arguments, draw(st.sampled_from(["strides", "dilation_rate"])): draw(st.integers(1, 2))}


@pytest.mark.parametrize("axes", [1, 2, 3])
@examples(2)
@given(data=st.data())
def test_convolutions_are_those_of_keras(axes, data):
    arguments = data.draw(windows(axes, causal=axes == 1))
    arguments |= {"filters": data.draw(st.sampled_from([4, 20])), "groups": data.draw(st.sampled_from([1, 2, 4]))}
    assert_like_keras(f"Conv{axes}D", arguments, images(axes, arguments["data_format"]))


@pytest.mark.parametrize("axes", [1, 2, 3])
@examples(2)
@given(data=st.data())
def test_transposed_convolutions_are_those_of_keras(axes, data):
    arguments = data.draw(windows(axes))
    arguments |= {"filters": data.draw(st.sampled_from([3, 20])), "output_padding": data.draw(st.sampled_from([None, 0]))}
    if arguments.get("strides") == 2 and data.draw(st.booleans()):
        arguments["output_padding"] = 1
    assert_like_keras(f"Conv{axes}DTranspose", arguments, images(axes, arguments["data_format"]))


@pytest.mark.parametrize("axes", [1, 2])
@examples(2)
@given(data=st.data())
def test_depthwise_convolutions_are_those_of_keras(axes, data):
    arguments = {**data.draw(windows(axes)), "depth_multiplier": data.draw(st.integers(1, 2))}
    assert_like_keras(f"DepthwiseConv{axes}D", arguments, images(axes, arguments["data_format"]))


@pytest.mark.parametrize("axes", [1, 2])
@examples(2)
@given(data=st.data())
def test_separable_convolutions_are_those_of_keras(axes, data):
    arguments = {**data.draw(windows(axes)), "depth_multiplier": data.draw(st.integers(1, 2)), "filters": 3}
    assert_like_keras(f"SeparableConv{axes}D", arguments, images(axes, arguments["data_format"]))


@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@examples(2)
@given(data=st.data())
def test_poolings_are_those_of_keras(kind, axes, data):
    arguments = {
        "pool_size": data.draw(st.tuples(*[st.integers(1, 3)] * axes)),
        "strides": data.draw(st.sampled_from([None, 1, 2])),
        "padding": data.draw(st.sampled_from(["valid", "same"])),
        "data_format": data.draw(st.sampled_from(["channels_last", "channels_first"])),
    }
    assert_like_keras(f"{kind}Pooling{axes}D", arguments, images(axes, arguments["data_format"]))


@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_poolings_to_a_size_or_of_everything_are_those_of_keras(kind, axes, data_format):
    x = images(axes, data_format)
    assert_like_keras(f"Adaptive{kind}Pooling{axes}D", {"output_size": (3,) * axes, "data_format": data_format}, x)
    assert_like_keras(f"Global{kind}Pooling{axes}D", {"keepdims": axes == 2, "data_format": data_format}, x)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_the_mean_over_steps_leaves_out_those_that_the_mask_leaves_out(data_format):
    x, mask = images(1, data_format), np.array([[1, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool)
    ours, theirs = (library.layers.GlobalAveragePooling1D(data_format, keepdims=True) for library in (lamina, keras))
    np.testing.assert_allclose(ours(x, mask=mask), theirs(x, mask=mask), rtol=1e-5, atol=1e-6)
    if data_format == "channels_last":
        x[~mask] = 0.0
        masked = ours(layers.Masking()(x))
        np.testing.assert_allclose(masked, theirs(x, mask=mask), rtol=1e-5, atol=1e-6)
        assert lamina.core.masks.mask_of(masked) is None


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv1D(4, 3, padding="causal", groups=2),
        layers.DepthwiseConv1D(3, padding="causal", dilation_rate=2),
        layers.SeparableConv1D(2, 3, padding="causal", data_format="channels_first"),
    ],
)
def test_a_causal_convolution_does_not_see_what_comes_later(layer):
    first = layer.data_format == "channels_first"
    x = images(1, layer.data_format, size=7)
    later = x.copy()
    if first:
        later[:, :, 4:] += 1.0
    else:
        later[:, 4:] += 1.0
    a, b = (np.moveaxis(layer(array), 1, -1) if first else np.asarray(layer(array)) for array in (x, later))
    assert a.shape[1] == 7
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert (a[:, 4:] != b[:, 4:]).any(axis=(0, 2)).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_images_are_enlarged_as_by_keras(interpolation):
    for data_format in ("channels_last", "channels_first"):
        arguments = {"size": (2, 3), "data_format": data_format, "interpolation": interpolation}
        assert_like_keras("UpSampling2D", arguments, images(2, data_format))


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: layers.Conv1D(0, 3), "filters of Conv1D"),
        (lambda: layers.Conv1D(2, (3, 3)), "kernel_size of Conv1D"),
        (lambda: layers.Conv3D(2, 3, strides=(1, 2)), "strides of Conv3D must be a positive integer or 3"),
        (lambda: layers.Conv2D(2, 3, padding="causal"), "padding of Conv2D"),
        (lambda: layers.Conv1D(2, 3, dilation_rate=0), "dilation_rate"),
        (lambda: layers.Conv1D(4, 3, groups=3), "filters .* groups"),
        (lambda: layers.Conv1D(4, 3, groups=4)(np.ones((1, 5, 6))), "4 groups, which do not divide 6"),
        (lambda: layers.Conv2D(2, 3, data_format="nhwc"), "data_format"),
        (lambda: layers.Conv2D(2, 3)(np.ones((1, 2, 5, 1))), "kernel reaches over"),
        (lambda: layers.Conv2DTranspose(2, 3, 2, output_padding=2), "output_padding"),
        (lambda: layers.Conv1DTranspose(2, 3, padding="causal"), "padding of Conv1DTranspose"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), "depth_multiplier"),
        (lambda: layers.SeparableConv1D(3, 2, depth_multiplier=1.5), "depth_multiplier"),
        (lambda: layers.MaxPooling1D(padding="causal"), "padding of MaxPooling1D"),
        (lambda: layers.AveragePooling3D((1, 2)), "pool_size"),
        (lambda: layers.AdaptiveMaxPooling2D((1, 2, 3)), "output_size"),
        (lambda: layers.GlobalMaxPooling1D("channels"), "data_format"),
        (lambda: layers.ZeroPadding2D(((1, 1), (1, -1))), "padding of ZeroPadding2D"),
        (lambda: layers.Cropping1D((1, 2, 3)), "cropping of Cropping1D"),
        (lambda: layers.Cropping1D(3)(np.ones((1, 6, 1))), "leaves nothing"),
        (lambda: layers.UpSampling2D(interpolation="cubic"), "interpolation"),
        (lambda: layers.Conv3D(2, 3).build((None, 8, 8, 8, None)), "channels"),
    ],
)
def test_bad_arguments_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
