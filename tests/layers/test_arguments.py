"""Arguments of constructors: what cannot be is refused when it is given, in a sentence that says which argument and which value."""

import inspect

import pytest

import lamina
from layers.test_every_layer import CASES, make

WORDS = ["nonsense", 3]
AXIS = ["last", 1.5, None, [0, "a"]]
SIZE = [0, -1, 2.5, "two", None, True]
SHARE = [-0.1, 1.5, "half", None, True]
NOT_NEGATIVE = [-0.1, "much", float("nan"), True]
SWITCH = ["yes", 2, 0.5, []]

# What no layer takes for an argument of this name. Windows have at most three axes.
BAD = {
    "Hashing.mask_value": [],
    "MixUp.alpha": ["much", None, 0],
    "Rescaling.scale": ["much", None],
    "activation": ["nonsense", 3],
    "addition_factor": ["much", None],
    "alpha": ["much", None, float("nan")],
    "arguments": [3, "nonsense"],
    "attention_axes": ["last", 1.5],
    "axes": ["ab", 1.5, None, (1, 2, 3), (1, "a")],
    "axis": ["last", 1.5, [0, "a"], True],
    "bias_axes": [3, "z"],
    "bin_boundaries": [3, "nonsense", [1.0, 0.0], [[0.0, 1.0]]],
    "bins": SIZE,
    "bounding_box_format": WORDS,
    "brightness_factor": ["much"],
    "cell": [3, "lstm"],
    "cells": [3],
    "chain_depth": ["much", None],
    "clip_limit": ["much"],
    "contrast_factor": ["much"],
    "cropping": [-1, 2.5, "two", None, (1, 2, 3, 4, 5), (1, -1)],
    "data_format": ["channels_middle", 3],
    "depth_multiplier": SIZE,
    "dilation_rate": [*SIZE, (1, 2, 3, 4)],
    "dims": [3, "ab", (0, 1), (1, 1), (1, 2.5)],
    "dropout": SHARE,
    "epsilon": [*NOT_NEGATIVE, None],
    "equation": [3, "ab", "ab,bc", "...a...,ab->...b..."],
    "factor": ["much", None, (0.1, 0.2, 0.3), (0.1, "a")],
    "feature_axis": AXIS,
    "fft_length": [0, -1, 2.5, "two", True],
    "fill_mode": WORDS,
    "fill_value": ["much"],
    "filters": SIZE,
    "flash_attention": ["yes", 3],
    "frame_length": SIZE,
    "frame_step": [0, -1, 2.5, "two", True],
    "function": [3, None],
    "groups": [0, -2, 2.5, "two", None, True],
    "head_dim": SIZE,
    "height": SIZE,
    "height_factor": ["much", None, (0.1, 0.2, 0.3)],
    "hue_factor": ["much"],
    "implementation": [3, "fast"],
    "input_dim": SIZE,
    "interpolation": WORDS,
    "kernel_size": [*SIZE, (1, 2, 3, 4)],
    "key_dim": SIZE,
    "l1": [-0.1, "much", float("nan")],
    "l2": [-0.1, "much", float("nan")],
    "layer": [3, "dense", lamina.layers.Dense],
    "layers": [3],
    "logit_soft_cap": [0, *NOT_NEGATIVE],
    "mag_exp": ["much", None],
    "mask": [3, "nonsense"],
    "mask_value": ["nonsense", None],
    "max_freq": NOT_NEGATIVE,
    "max_number": SIZE,
    "max_tokens": [0, -1, 2.5, "two", True],
    "max_value": NOT_NEGATIVE,
    "max_wavelength": [*NOT_NEGATIVE, 0, None],
    "mean": ["much"],
    "merge_mode": WORDS,
    "min_freq": NOT_NEGATIVE,
    "min_power": NOT_NEGATIVE,
    "mode": WORDS,
    "momentum": SHARE,
    "n": SIZE,
    "negative_slope": [*NOT_NEGATIVE, None],
    "ngrams": [0, -1, 2.5, "two"],
    "noise_shape": [3, "nonsense", (0, 1, 1), (1.5, 1, 1)],
    "num_bins": [0, -1, 2.5, "two", True],
    "num_chains": SIZE,
    "num_heads": SIZE,
    "num_key_value_heads": SIZE,
    "num_mel_bins": SIZE,
    "num_oov_indices": [-1, 2.5, "two", None],
    "num_ops": SIZE,
    "num_query_heads": SIZE,
    "num_tokens": SIZE,
    "offset": ["much", None],
    "oov_method": WORDS,
    "output_dim": SIZE,
    "output_mode": WORDS,
    "output_padding": [-1, 2.5, "two", (1, 1, 1, 1)],
    "output_sequence_length": [0, -1, 2.5, "two"],
    "output_shape": [-1, 2.5, "two"],
    "output_size": [*SIZE, (1, 2, 3, 4)],
    "padding": ["nonsense", 2.5, None, (1, 2, 3, 4, 5), -1],
    "pool_size": [*SIZE, (1, 2, 3, 4)],
    "power_iterations": SIZE,
    "rate": SHARE,
    "recurrent_dropout": SHARE,
    "ref_power": ["much", None],
    "renorm_clipping": [3, {"nonsense": 1.0}, {"dmax": -1.0}, {"rmin": "much"}],
    "renorm_momentum": SHARE,
    "salt": ["nonsense", 2.5, (1, 2, 3)],
    "sampling_rate": SIZE,
    "saturation_factor": ["much"],
    "scale": [],
    "scaling": WORDS,
    "scaling_factor": [*NOT_NEGATIVE, 0, None],
    "score_mode": WORDS,
    "sequence_axis": AXIS,
    "sequence_length": [0, -1, 2.5, "two", True],
    "sequence_stride": SIZE,
    "shared_axes": ["first", 1.5, [1, "a"]],
    "sigma": ["much", None],
    "size": [*SIZE, (1, 2, 3, 4)],
    "sliding_window": [0, -1, 2.5, "two", True],
    "split": WORDS,
    "standardize": WORDS,
    "stddev": SHARE,
    "strides": [0, -1, 2.5, "two", True, (1, 2, 3, 4)],
    "target_shape": [3, "ab", (2, -2), (-1, -1), (2.5,), None],
    "threshold": [*NOT_NEGATIVE, None],
    "threshold_factor": ["much", None],
    "tile_grid_size": ["much"],
    "top_db": NOT_NEGATIVE,
    "units": SIZE,
    "use_cudnn": ["nonsense", True],
    "value_dim": [0, -1, 2.5, "two", True],
    "value_range": [3, (1.0,), (1, 1), ("a", "b"), None],
    "variance": ["much"],
    "vocabulary": [3, 2.5],
    "vocabulary_dtype": ["float32", 3],
    "width": SIZE,
    "width_factor": ["much", (0.1, 0.2, 0.3)],
    "window": ["nonsense"],
    "x_factor": ["much", None, -0.1],
    "y_factor": ["much", None, -0.1],
}
# Any of these may be a name of what another family knows.
NAMED = ("activation", "constraint", "initializer", "regularizer")
# What these take is looked at later, or is anything.
FREE = {"backward_layer", "dtype", "idf_weights", "mask_token", "name", "oov_token", "reverse_dtype", "seed", "weights"}

# How to make those that have no case among all layers.
MADE = {
    **{
        name: lambda k, name=name: getattr(k, name)()
        for name in [
            "AugMix",
            "AutoContrast",
            "ContrastLimitedAdaptiveHistogramEqualization",
            "CutMix",
            "Equalization",
            "MixUp",
            "RandAugment",
            "RandomColorJitter",
            "RandomElasticTransform",
            "RandomErasing",
            "RandomFlip",
            "RandomGaussianBlur",
            "RandomPerspective",
            "RandomShear",
            "Solarization",
        ]
    },
    **{
        name: lambda k, name=name: getattr(k, name)(0.1)
        for name in [
            "RandomBrightness",
            "RandomColorDegeneration",
            "RandomContrast",
            "RandomGrayscale",
            "RandomHue",
            "RandomInvert",
            "RandomRotation",
            "RandomSaturation",
            "RandomSharpness",
            "RandomZoom",
        ]
    },
    "RandomPosterization": lambda k: k.RandomPosterization(4),
    "MaxNumBoundingBoxes": lambda k: k.MaxNumBoundingBoxes(3, bounding_box_format="xyxy"),
    "RandomCrop": lambda k: k.RandomCrop(2, 2),
    "RandomTranslation": lambda k: k.RandomTranslation(0.1, 0.1),
    "GRUCell": lambda k: k.GRUCell(2),
    "HashedCrossing": lambda k: k.HashedCrossing(3),
    "Hashing": lambda k: k.Hashing(3),
    "IntegerLookup": lambda k: k.IntegerLookup(),
    "LSTMCell": lambda k: k.LSTMCell(2),
    "RotaryEmbedding": lambda k: k.RotaryEmbedding(),
    "SimpleRNNCell": lambda k: k.SimpleRNNCell(2),
    "SinePositionEncoding": lambda k: k.SinePositionEncoding(),
    "StackedRNNCells": lambda k: k.StackedRNNCells([k.LSTMCell(2)]),
    "StringLookup": lambda k: k.StringLookup(),
    "TextVectorization": lambda k: k.TextVectorization(),
}


def bad_values(cls, name, default):
    """Returns values that a layer's argument must refuse; what this one layer takes is not among them."""
    if isinstance(default, bool):
        return SWITCH
    if name.endswith(NAMED):
        return ["nonsense", 3, [1]]
    return BAD.get(f"{cls.__name__}.{name}", BAD[name])


@pytest.mark.parametrize("name", [name for name in [*CASES, *MADE] if " " not in name])
def test_what_an_argument_cannot_be_is_refused_by_its_name(name):
    layer = MADE[name](lamina.layers) if name in MADE else make(name)
    cls, config = type(layer), layer.get_config()
    for argument, parameter in inspect.signature(cls).parameters.items():
        if argument in FREE or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        for value in bad_values(cls, argument, parameter.default):
            with pytest.raises((ValueError, TypeError)) as caught:
                cls.from_config({**config, argument: value})
            said = str(caught.value)
            kind = next((kind for kind in NAMED if argument.endswith(kind)), argument)
            assert kind in said, f"{argument}={value!r} of {name}: {said}"
            assert repr(value) in said or str(value) in said, f"{argument}={value!r} of {name}: {said}"
