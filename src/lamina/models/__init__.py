"""Models: layers that can be trained."""

from lamina.layers.input_layer import Input
from lamina.models.architecture import model_from_json
from lamina.models.clone import clone_model
from lamina.models.functional import Functional
from lamina.models.model import Model
from lamina.models.sequential import Sequential

__all__ = ["Functional", "Input", "Model", "Sequential", "clone_model", "model_from_json"]
