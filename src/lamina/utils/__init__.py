"""Utilities."""

from lamina.core.naming import clear_session
from lamina.inspect.picture import plot_model
from lamina.training.packing import pack as pack_x_y_sample_weight
from lamina.training.packing import unpack as unpack_x_y_sample_weight
from lamina.utils.arrays import normalize, pad_sequences, to_categorical
from lamina.utils.batches import PyDataset, split_dataset, timeseries_dataset_from_array
from lamina.utils.download import get_file
from lamina.utils.folders import image_dataset_from_directory, text_dataset_from_directory
from lamina.utils.random_seed import set_random_seed

Sequence = PyDataset

__all__ = [
    "PyDataset",
    "Sequence",
    "clear_session",
    "get_file",
    "image_dataset_from_directory",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "set_random_seed",
    "split_dataset",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]
