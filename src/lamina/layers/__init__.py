"""Layers: what models are composed of, one module a family."""

from collections.abc import Mapping
from typing import Any

from lamina.core.config import resolve
from lamina.core.config import serialize as serialize
from lamina.core.input_spec import InputSpec
from lamina.core.layer import Layer
from lamina.core.registry import also_known
from lamina.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from lamina.layers.activity_regularization import ActivityRegularization
from lamina.layers.attention import AdditiveAttention, Attention
from lamina.layers.augmentation_policies import AugMix, RandAugment
from lamina.layers.batch_normalization import BatchNormalization
from lamina.layers.bidirectional import Bidirectional
from lamina.layers.bounding_boxes import MaxNumBoundingBoxes
from lamina.layers.category_encoding import CategoryEncoding
from lamina.layers.convolution import Conv1D, Conv2D, Conv3D
from lamina.layers.convolutional_lstm import ConvLSTM1D, ConvLSTM2D, ConvLSTM3D
from lamina.layers.dense import Dense
from lamina.layers.depthwise_convolution import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from lamina.layers.discretization import Discretization
from lamina.layers.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.embedding import Embedding
from lamina.layers.feature_normalization import Normalization
from lamina.layers.flax_layer import FlaxLayer
from lamina.layers.gru import GRU, GRUCell
from lamina.layers.hashing import HashedCrossing, Hashing
from lamina.layers.identity import Identity
from lamina.layers.image_colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomInvert,
    RandomPosterization,
    RandomSaturation,
    Solarization,
)
from lamina.layers.image_filters import RandomElasticTransform, RandomGaussianBlur, RandomSharpness
from lamina.layers.image_geometry import RandomFlip, RandomPerspective, RandomRotation, RandomShear, RandomTranslation, RandomZoom
from lamina.layers.image_histograms import AutoContrast, ContrastLimitedAdaptiveHistogramEqualization, Equalization
from lamina.layers.image_mixing import CutMix, MixUp, RandomErasing
from lamina.layers.image_sizes import CenterCrop, RandomCrop, Resizing
from lamina.layers.input_layer import Input, InputLayer
from lamina.layers.jax_layer import JaxLayer
from lamina.layers.lambda_layer import Lambda
from lamina.layers.lookup import IntegerLookup, StringLookup
from lamina.layers.lstm import LSTM, LSTMCell
from lamina.layers.masking import Masking
from lamina.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from lamina.layers.multi_head_attention import GroupedQueryAttention, MultiHeadAttention
from lamina.layers.normalization import GroupNormalization, LayerNormalization, RMSNormalization, UnitNormalization
from lamina.layers.pipeline import Pipeline
from lamina.layers.pooling import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from lamina.layers.position import RotaryEmbedding, SinePositionEncoding
from lamina.layers.recurrent import RNN
from lamina.layers.rescaling import Rescaling
from lamina.layers.reshaping import Flatten, Permute, RepeatVector, Reshape
from lamina.layers.resizing import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from lamina.layers.reversible_embedding import ReversibleEmbedding
from lamina.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from lamina.layers.spectral_normalization import SpectralNormalization
from lamina.layers.spectrogram import MelSpectrogram, STFTSpectrogram
from lamina.layers.stacked_cells import StackedRNNCells
from lamina.layers.text_vectorization import TextVectorization
from lamina.layers.time_distributed import TimeDistributed
from lamina.layers.transposed_convolution import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from lamina.layers.wrapper import Wrapper

# Other names that Keras knows them by.
Convolution1D, Convolution2D, Convolution3D = Conv1D, Conv2D, Conv3D
Convolution1DTranspose, Convolution2DTranspose, Convolution3DTranspose = Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
SeparableConvolution1D, SeparableConvolution2D = SeparableConv1D, SeparableConv2D
AvgPool1D, AvgPool2D, AvgPool3D = AveragePooling1D, AveragePooling2D, AveragePooling3D
GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D = GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D
GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D = GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D
MaxPool1D, MaxPool2D, MaxPool3D = MaxPooling1D, MaxPooling2D, MaxPooling3D
GroupQueryAttention = GroupedQueryAttention


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Layer:
    """Returns a new layer from what `serialize` returned: plain data that name its class, with its config.

    A class of your own is known once it is defined.

    Args:
        config: what `serialize` returned.
        custom_objects: classes and functions of your own, by the names that the config has for them.

    Raises:
        ValueError: for a class that is not known, or a name that several classes have, with the places where they stand.
        TypeError: for what is not a config of a layer.

    >>> config = lamina.layers.serialize(lamina.layers.Dense(3, name="last"))
    >>> lamina.layers.deserialize(config).name
    'last'
    """
    with also_known(custom_objects):
        found = resolve(config, Layer, "layer", must_be_callable=False)
    if not isinstance(found, Layer):
        raise TypeError(f"A layer is made from what lamina.layers.serialize returns, not from {config!r}.")
    return found


__all__ = [
    "Pipeline",
    "CenterCrop",
    "RandomCrop",
    "Resizing",
    "CutMix",
    "MixUp",
    "RandomErasing",
    "AutoContrast",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Equalization",
    "RandomFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "RandomElasticTransform",
    "RandomGaussianBlur",
    "RandomSharpness",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPosterization",
    "RandomSaturation",
    "Solarization",
    "MaxNumBoundingBoxes",
    "AugMix",
    "RandAugment",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "ELU",
    "EinsumDense",
    "Embedding",
    "Flatten",
    "FlaxLayer",
    "GRU",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "GroupedQueryAttention",
    "HashedCrossing",
    "Hashing",
    "Identity",
    "Input",
    "InputLayer",
    "InputSpec",
    "IntegerLookup",
    "JaxLayer",
    "LSTM",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "MelSpectrogram",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "RNN",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "ReversibleEmbedding",
    "RotaryEmbedding",
    "STFTSpectrogram",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "SinePositionEncoding",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "Wrapper",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]
