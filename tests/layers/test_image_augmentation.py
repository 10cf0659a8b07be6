"""Layers that change images at random: what is drawn is done as Keras does it, to masks, boxes and labels too."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina.layers.bounding_boxes import from_corners, to_corners
from lamina.layers.image_augmentation import BOX_FORMATS

UNIT = {"value_range": (0, 1)}
# What a layer is made with to change every image, of numbers from 0 to 1.
RANDOM = {
    "AugMix": {"num_chains": 2, "chain_depth": 1, **UNIT},
    "CutMix": {"factor": (1, 1)},
    "MixUp": {"alpha": 1.0},
    "RandAugment": {"num_ops": 1, **UNIT},
    "RandomBrightness": {"factor": 0.5, **UNIT},
    "RandomColorDegeneration": {"factor": 0.9, **UNIT},
    "RandomColorJitter": dict(brightness_factor=0.2, contrast_factor=0.2, saturation_factor=0.6, hue_factor=0.3, **UNIT),
    "RandomContrast": {"factor": 0.5, **UNIT},
    "RandomCrop": {"height": 5, "width": 4},
    "RandomElasticTransform": {"factor": (1, 1), "scale": (0.8, 1), **UNIT},
    "RandomErasing": {"factor": (1, 1), "scale": (0.2, 0.5), **UNIT},
    "RandomFlip": {},
    "RandomGaussianBlur": {"factor": (1, 1), "kernel_size": (3, 5), **UNIT},
    "RandomGrayscale": {"factor": 0.5},
    "RandomHue": {"factor": 0.8, **UNIT},
    "RandomInvert": {"factor": (0.5, 0.5), **UNIT},
    "RandomPerspective": {"factor": (1, 1), "scale": 0.4},
    "RandomPosterization": {"factor": 5, **UNIT},
    "RandomRotation": {"factor": 0.4},
    "RandomSaturation": {"factor": (0.1, 0.9), **UNIT},
    "RandomSharpness": {"factor": 0.9, **UNIT},
    "RandomShear": {"x_factor": 0.4, "y_factor": 0.2},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.2, "fill_mode": "wrap"},
    "RandomZoom": {"height_factor": 0.4, "width_factor": 0.3, "fill_mode": "nearest"},
    "Solarization": {"addition_factor": 0.3, "threshold_factor": (0.2, 0.8), **UNIT},
}
QUICK = {"RandomBrightness", "RandomFlip", "RandomHue", "RandomRotation"}


def layers(names, quick=QUICK):
    """Parametrizes a test with layers: with a few of them, and, among the slow tests, with the others."""
    cases = [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("name", cases)


every_layer = layers(RANDOM)


def make(layer, of=lamina.layers, **kwargs):
    return getattr(of, layer)(**{**RANDOM.get(layer, {}), **kwargs})


def images(batch=4, height=8, width=9, seed=0):
    return np.random.default_rng(seed).random((batch, height, width, 3)).astype("float32")


def close(a, b, atol=2e-5):
    np.testing.assert_allclose(np.asarray(a, "float64"), np.asarray(b, "float64"), rtol=1e-5, atol=atol)


# What they draw is called alike in Keras, so that both can be given the same.
DRAWN_ALIKE = sorted(
    set(RANDOM)
    - {"AugMix", "RandAugment", "RandomColorJitter", "RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomGrayscale"}
)


@pytest.mark.parametrize("data_format", ["channels_last", pytest.param("channels_first", marks=pytest.mark.slow)])
@layers(DRAWN_ALIKE)
def test_what_is_drawn_is_done_as_in_keras(name, data_format):
    x = images() if data_format == "channels_last" else np.moveaxis(images(), -1, 1)
    theirs = make(name, keras.layers, data_format=data_format)

    @jax.jit
    def drawn_and_done(x):
        transformation = theirs.get_random_transformation(x, training=True, seed=3)
        return transformation, theirs.transform_images(x, transformation, training=True)

    transformation, expected = drawn_and_done(x)
    if "batch_masks" in transformation and data_format == "channels_first":
        transformation = {key: jnp.moveaxis(v, 1, -1) if v.ndim == 4 else v for key, v in transformation.items()}
    close(make(name, data_format=data_format).transform_images(x, transformation), expected, 1e-4)


FIXED = {
    "CenterCrop": {"height": 5, "width": 3},
    "AutoContrast": UNIT,
    "ContrastLimitedAdaptiveHistogramEqualization": {"tile_grid_size": (3, 2), **UNIT},
    "Equalization": {"bins": 64, **UNIT},
    "RandomBrightness": {"factor": (0.3, 0.3), **UNIT},
    "RandomColorDegeneration": {"factor": (0.3, 0.3), **UNIT},
    "RandomGrayscale": {"factor": 1.0},
    "RandomInvert": {"factor": (1, 1), **UNIT},
    "RandomPosterization": {"factor": (3, 3), **UNIT},
    "RandomRotation": {"factor": (0.25, 0.25), "interpolation": "nearest"},
    "RandomSharpness": {"factor": (0.8, 0.8), **UNIT},
    "RandomTranslation": {"height_factor": (0.2, 0.2), "width_factor": (-0.3, -0.3), "fill_mode": "constant", "fill_value": 0.5},
    "RandomZoom": {"height_factor": (0.3, 0.3)},
}


@layers(FIXED, {"AutoContrast", "CenterCrop", "RandomSharpness"})
def test_layers_with_nothing_left_to_draw_are_those_of_keras(name):
    x = images(1)
    ours, theirs = (getattr(library.layers, name)(**FIXED[name]) for library in (lamina, keras))
    expected = jax.jit(lambda x: theirs(x, training=True))(x) if name != "Equalization" else theirs(x)
    close(ours(x), expected)
    close(ours(x[0]), expected[0])


@pytest.mark.parametrize(
    "size, options",
    [
        ((11, 5), {"interpolation": "lanczos3", "antialias": True}),
        ((4, 6), {"crop_to_aspect_ratio": True, "interpolation": "bicubic"}),
        ((4, 6), {"pad_to_aspect_ratio": True, "fill_value": 0.5}),
    ],
)
def test_resizing_is_that_of_keras(size, options):
    x = images(2, 9, 7)
    ours, theirs = (library.layers.Resizing(*size, **options) for library in (lamina, keras))
    for given in (x, (x[0] * 255).astype("uint8")):
        expected = jax.jit(theirs)(given)
        assert ours(given).dtype == expected.dtype
        close(ours(given), expected, 1 if given.dtype == np.uint8 else 2e-5)


@pytest.mark.slow
def test_a_small_image_is_cropped_to_the_ratio_and_resized_as_in_keras():
    x = images(2, 6, 9)
    for size in ((8, 5), (7, 12)):
        expected = keras.layers.CenterCrop(*size)(x)
        close(lamina.layers.CenterCrop(*size)(x), expected)
        close(lamina.layers.RandomCrop(*size)(x, training=True), expected)
        close(lamina.layers.RandomCrop(*size)(x, training=False), expected)


@every_layer
def test_draws_differ_between_images_and_calls_and_not_between_seeds(name):
    x = np.repeat(images(1), 4, 0) if name not in ("MixUp", "CutMix") else images()
    layer, same = make(name, seed=3), make(name, seed=3)
    first, second = layer(x), layer(x)
    np.testing.assert_array_equal(first, same(x))
    if name not in ("RandAugment", "AugMix"):  # which may have drawn what does not change with what is drawn
        third = layer(x)
        assert max(np.abs(first - second).max(), np.abs(first - third).max()) > 1e-3
        assert len(np.unique(np.concatenate([first, second, third]).round(5), axis=0)) > 1
    assert first.min() >= 0 and first.max() <= 1 + 1e-6


@every_layer
def test_nothing_is_done_outside_of_training(name):
    x, layer = images(), make(name)
    state = layer.seed_generator.state.numpy()
    outputs = layer(x, training=False)
    if name != "RandomCrop":
        np.testing.assert_array_equal(outputs, x)
    np.testing.assert_array_equal(layer.seed_generator.state.numpy(), state)
    mixed = make(name, dtype="mixed_bfloat16")
    assert mixed((255 * x).astype("uint8"), training=False).dtype == jnp.bfloat16
    assert mixed(lamina.Input((8, 9, 3), dtype="uint8")).dtype == "bfloat16"


@layers(RANDOM, {"RandomRotation"})
def test_compiled_is_as_eager_with_the_channels_first_as_last_and_of_one_image_as_of_a_batch(name):
    x = images(1)
    expected = make(name, seed=5)(x)
    layer = make(name, seed=5, data_format="channels_first")
    run = lamina.jit(lambda x: layer(x, training=True))
    close(jnp.moveaxis(run(np.moveaxis(x, -1, 1)), 1, -1), expected)
    close(make(name, seed=5)({"images": x[0]})["images"], expected[0])


@every_layer
def test_a_layer_comes_back_from_its_config_and_has_shapes_without_numbers(name):
    layer = make(name, seed=7, data_format="channels_last", name="it")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    expected = (5, 4) if name == "RandomCrop" else (8, 9)
    assert again(lamina.Input((8, 9, 3))).shape == (None, *expected, 3)


def test_flips_are_flips_and_both_axes_are_drawn_for_themselves():
    x = np.repeat(images(1), 40, 0)
    for mode, options in (("horizontal", {0, 2}), ("vertical", {0, 1}), ("horizontal_and_vertical", {0, 1, 2, 3})):
        outputs = lamina.layers.RandomFlip(mode, seed=1)(x)
        flips = [x[0], x[0, ::-1], x[0, :, ::-1], x[0, ::-1, ::-1]]
        assert {next(i for i, flip in enumerate(flips) if (flip == one).all()) for one in outputs} == options


def test_crops_are_windows_and_each_image_has_its_own():
    x = np.arange(30 * 8 * 5, dtype="float32").reshape(30, 8, 5, 1)
    outputs = lamina.layers.RandomCrop(4, 5, seed=0)(x)  # the width is right already
    starts = {int(one[0, 0, 0] - own[0, 0, 0]) // 5 for one, own in zip(outputs, x, strict=True)}
    assert starts == {0, 1, 2, 3, 4}
    for one, own in zip(outputs, x, strict=True):
        top = int(one[0, 0, 0] - own[0, 0, 0]) // 5
        np.testing.assert_array_equal(one, own[top : top + 4])


GEOMETRY = {
    "RandomCrop": {"height": 20, "width": 24},
    "RandomFlip": {},
    "RandomPerspective": {"factor": (1, 1), "scale": 0.3},
    "RandomRotation": {"factor": 0.05},
    "RandomShear": {"x_factor": 0.2, "y_factor": 0.1},
    "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.2, "width_factor": 0.2},
    "CenterCrop": {"height": 24, "width": 20},
    "Resizing": {"height": 40, "width": 20, "pad_to_aspect_ratio": True},
}


@layers(GEOMETRY, {"RandomRotation"})
@pytest.mark.parametrize("data_format", ["channels_last", pytest.param("channels_first", marks=pytest.mark.slow)])
def test_masks_and_boxes_move_with_what_they_show(name, data_format):
    batch, height, width = 6, 28, 32
    x = np.zeros((batch, height, width, 1), "float32")
    x[:, 10:18, 8:20] = 1
    boxes = np.tile(np.array([[[10, 8, 18, 20], [-1, -1, -1, -1]]], "float32"), (batch, 1, 1))
    options = {} if name == "Resizing" or "Crop" in name else {"fill_mode": "constant"}
    options = {} if name in ("RandomFlip", "RandomPerspective") else options
    layer = getattr(lamina.layers, name)(**GEOMETRY[name], **options, data_format=data_format, bounding_box_format="yxyx")
    given = x if data_format == "channels_last" else np.moveaxis(x, -1, 1)
    data = {"images": given, "segmentation_masks": x[..., 0].astype("int32"), "other": "kept"}
    data |= {"bounding_boxes": {"boxes": boxes, "labels": np.array([[3, -1]] * batch)}, "labels": np.arange(batch)}
    kept = dict(data)
    outputs = layer(data)
    assert data == kept and outputs["other"] == "kept"  # what is given stays as it was
    shown = np.asarray(outputs["images"]).reshape(batch, *outputs["segmentation_masks"].shape[1:])
    assert outputs["segmentation_masks"].dtype == np.int32
    assert np.mean((shown > 0.5) != outputs["segmentation_masks"]) < 0.02
    found = outputs["bounding_boxes"]
    np.testing.assert_array_equal(found["labels"], data["bounding_boxes"]["labels"])
    np.testing.assert_array_equal(found["boxes"][:, 1], boxes[:, 1])
    for one, (top, left, bottom, right) in zip(shown, found["boxes"][:, 0], strict=True):
        rows, columns = np.nonzero(one > 0.4)
        np.testing.assert_allclose(
            [top, left, bottom, right], [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1], atol=1.3
        )


def test_a_box_that_has_left_the_image_is_none():
    layer = lamina.layers.RandomTranslation((0.5, 0.5), 0, bounding_box_format="xywh")
    boxes = {"boxes": np.array([[1, 6, 3, 2], [1, 2, 3, 4]]), "labels": np.array([5, 6])}
    outputs = layer({"images": images(1)[0], "bounding_boxes": boxes})["bounding_boxes"]
    np.testing.assert_allclose(outputs["boxes"], [[-1, -1, -1, -1], [1, 6, 3, 2]])
    assert outputs["labels"].tolist() == [-1, 6]


@pytest.mark.parametrize("source", BOX_FORMATS)
def test_formats_of_boxes_are_those_of_keras(source):
    boxes = np.random.default_rng(0).random((2, 5, 4)).astype("float32")
    convert = keras.utils.bounding_boxes.convert_format
    close(to_corners(boxes, source, 20, 30), convert(jnp.asarray(boxes), source, "xyxy", 20, 30))
    close(from_corners(jnp.asarray(boxes), source, 20, 30), convert(jnp.asarray(boxes), "xyxy", source, 20, 30))


def test_boxes_are_cut_off_and_filled_up_as_in_keras():
    boxes = {"boxes": np.ones((2, 3, 4), "float32"), "labels": np.ones((2, 3), "int32")}
    for number in (2, 5):
        ours, theirs = (
            library.layers.MaxNumBoundingBoxes(number, bounding_box_format="xyxy")(
                {"images": images(2), "bounding_boxes": {key: jnp.asarray(value) for key, value in boxes.items()}}
            )["bounding_boxes"]
            for library in (lamina, keras)
        )
        for key in boxes:
            np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_labels_and_masks_are_mixed_as_the_images(name):
    labels = np.eye(5, dtype="float32")
    x = np.broadcast_to(labels[:, None, None], (5, 6, 7, 5))
    outputs = make(name, seed=2)({"images": x, "labels": labels, "segmentation_masks": x})
    assert len(np.unique(np.asarray(outputs["labels"]).argmax(-1))) > 1 and (outputs["labels"] < 0.99).any()
    close(np.mean(outputs["images"], (1, 2)), outputs["labels"])
    np.testing.assert_array_equal(outputs["segmentation_masks"], outputs["images"])


@pytest.mark.slow
def test_images_mixed_have_the_boxes_of_both():
    boxes = {"boxes": np.arange(24.0).reshape(3, 2, 4), "labels": np.arange(6).reshape(3, 2)}
    outputs = lamina.layers.MixUp(bounding_box_format="xyxy")({"images": images(3), "bounding_boxes": boxes})["bounding_boxes"]
    assert outputs["boxes"].shape == (3, 4, 4)
    close(outputs["boxes"][..., 0] // 4, outputs["labels"])
    np.testing.assert_array_equal(outputs["labels"][:, :2], boxes["labels"])


@pytest.mark.slow
def test_elastic_masks_are_moved_as_their_images():
    x = images(2)
    layer = lamina.layers.RandomElasticTransform((1, 1), (1, 1), "nearest", value_range=(0, 1), seed=1)
    outputs = layer({"images": x, "segmentation_masks": x})
    np.testing.assert_array_equal(outputs["images"], outputs["segmentation_masks"])
    assert (outputs["images"] != x).any()


@pytest.mark.slow
def test_images_are_moved_in_rand_augment_with_their_masks_and_boxes():
    x, boxes = images(2), {"boxes": np.ones((2, 1, 4)), "labels": np.ones((2, 1), "int32")}
    layer = lamina.layers.RandAugment((0, 1), 2, bounding_box_format="xyxy", seed=0)
    data = {"images": x, "segmentation_masks": np.ones((2, 8, 9, 1), "int32"), "bounding_boxes": boxes}
    compiled = lamina.jit(lambda data: layer(data))
    for outputs in (layer(data), compiled(data)):
        assert outputs["images"].shape == x.shape and outputs["bounding_boxes"]["boxes"].shape == (2, 1, 4)
        np.testing.assert_array_equal(outputs["segmentation_masks"], data["segmentation_masks"])


@pytest.mark.slow
def test_where_keras_is_wrong():
    dark = np.full((1, 4, 4, 3), 10, "uint8")
    assert lamina.layers.RandomBrightness((-0.5, -0.5))(dark).max() == 0  # 8-bit integers do not begin anew
    x = np.repeat(images(1), 50, 0)
    contrast = lamina.layers.RandomContrast(0.5, (0, 1), seed=0)(x).std((1, 2, 3))
    assert contrast.min() < x[0].std() < contrast.max()
    bits = lamina.layers.RandomPosterization(3, (0, 1), seed=0)(x)
    assert {len(np.unique(one)) for one in bits} == {2, 4, 8}
    pure = lamina.layers.RandomSaturation((1, 1), (0, 255))(255 * x)
    assert pure.min() >= -1e-3
    close(lamina.layers.RandomInvert((1, 1), (-1, 1))(2 * x - 1), 1 - 2 * x)
    solarized = lamina.layers.Solarization((0.5, 0.5), (1, 1), (0, 1))(x)
    close(solarized, np.where(x < 0.5, x + 0.5, 0), 1e-4)
    both = np.concatenate([images(1), 0.3 * images(1, seed=1)])
    equalized = lamina.layers.Equalization((0, 1))(both)
    close(equalized[1], keras.layers.Equalization((0, 1))(both[1:])[0])


@pytest.mark.parametrize(
    "make, error, word",
    [
        (lambda k: k.RandomRotation(2), ValueError, "factor"),
        (lambda k: k.RandomRotation((0.1, 0.2, 0.3)), ValueError, "factor"),
        (lambda k: k.RandomZoom(-1), ValueError, "above -1"),
        (lambda k: k.RandomShear(-0.1), ValueError, "x_factor"),
        (lambda k: k.RandomFlip("diagonal"), ValueError, "mode"),
        (lambda k: k.RandomTranslation(0.1, 0.1, fill_mode="mean"), ValueError, "fill_mode"),
        (lambda k: k.RandomBrightness(0.1, value_range=1), ValueError, "value_range"),
        (lambda k: k.RandomGaussianBlur(kernel_size=4), ValueError, "odd"),
        (lambda k: k.RandomErasing(fill_value="red"), ValueError, "fill_value"),
        (lambda k: k.MixUp(0), ValueError, "alpha"),
        (lambda k: k.Resizing(0, 3), ValueError, "height"),
        (lambda k: k.Resizing(3, 3, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), ValueError, "not both"),
        (lambda k: k.RandomFlip(bounding_box_format="corners"), ValueError, "bounding_box_format"),
        (lambda k: k.Pipeline([3]), TypeError, "layers"),
        (lambda k: k.RandomFlip()(np.ones((3, 3))), ValueError, "height, width, channels"),
        (lambda k: k.RandomFlip()({"labels": np.ones(3)}), ValueError, "'images'"),
        (lambda k: k.MixUp().transform_labels(np.arange(4), {"mix_weight": 1.0, "permutation_order": [0]}), ValueError, "one-hot"),
        (lambda k: k.CutMix().transform_bounding_boxes({}, {}), ValueError, "MixUp"),
        (lambda k: k.AugMix().transform_bounding_boxes({}, {}), ValueError, "RandAugment"),
        (lambda k: k.RandomFlip()({"images": images(), "bounding_boxes": {"boxes": np.ones((4, 1, 4))}}), ValueError, "format"),
    ],
)
def test_bad_arguments_are_named(make, error, word):
    with pytest.raises(error, match=word):
        make(lamina.layers)


def test_layers_augment_in_training_only_inside_a_model_and_in_a_pipeline():
    x = images(8)
    augment = lamina.layers.Pipeline([lamina.layers.RandomFlip(seed=1), lamina.layers.RandomRotation(0.1, seed=2)])
    model = lamina.Sequential([lamina.Input((8, 9, 3)), augment, lamina.layers.Flatten(), lamina.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(x, np.zeros((8, 1)), batch_size=4, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert augment.layers[0].seed_generator.state.numpy().tolist() == [1, 4]
    close(model.predict(x, verbose=0), model(x, training=False))
    np.testing.assert_array_equal(augment(x, training=False), x)
    assert np.abs(augment(x) - x).max() > 0.1
    again = lamina.layers.Pipeline.from_config(augment.get_config())
    np.testing.assert_allclose(again(x), lamina.layers.Pipeline.from_config(augment.get_config())(x))


def test_unknown_sizes_of_images():
    for layer, expected in (
        (lamina.layers.RandomRotation(0.1), (None, None, None, 3)),
        (lamina.layers.Resizing(4, 5), (None, 4, 5, 3)),
        (lamina.layers.RandomCrop(4, 5), (None, 4, 5, 3)),
    ):
        assert layer(lamina.Input((None, None, 3))).shape == expected


def test_a_program_is_shared_by_layers_that_are_set_alike():
    from lamina.layers.image_augmentation import _run

    x = images()
    lamina.layers.RandomBrightness(0.123)(x)
    count = _run._cache_size()
    lamina.layers.RandomBrightness(0.123, name="another")(x)
    assert _run._cache_size() == count
    layer = lamina.layers.RandomBrightness(0.123)
    layer.value_range = (0, 0.5)
    assert layer(x).max() <= 0.5
    assert jax.tree.leaves(layer.get_random_transformation(x, seed=1))[0].shape == (4, 1, 1, 1)
