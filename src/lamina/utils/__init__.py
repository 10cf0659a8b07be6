"""Utilities."""

from lamina.core.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from lamina.core.names import clear_session
from lamina.inspect.picture import plot_model
from lamina.training.batch import pack as pack_x_y_sample_weight
from lamina.training.batch import unpack as unpack_x_y_sample_weight
from lamina.training.progress import disable_interactive_logging, enable_interactive_logging, is_interactive_logging_enabled
from lamina.utils import bounding_boxes
from lamina.utils.arrays import normalize, pad_sequences, to_categorical
from lamina.utils.batches import PyDataset, split_dataset, timeseries_dataset_from_array
from lamina.utils.download import get_file
from lamina.utils.folders import image_dataset_from_directory, text_dataset_from_directory
from lamina.utils.images import array_to_img, img_to_array, load_img, save_img
from lamina.utils.progbar import Progbar
from lamina.utils.random_seed import set_random_seed
from lamina.utils.serialization import deserialize_keras_object, serialize_keras_object
from lamina.utils.settings import Config
from lamina.utils.sounds import audio_dataset_from_directory
from lamina.utils.tensors import get_source_inputs, is_keras_tensor, standardize_dtype

Sequence = PyDataset

__all__ = [
    "Config",
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "audio_dataset_from_directory",
    "bounding_boxes",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
