"""Models: layers that can be trained."""

from lamina.models.functional import Functional, Input
from lamina.models.model import Model
from lamina.models.sequential import Sequential

__all__ = ["Functional", "Input", "Model", "Sequential"]
