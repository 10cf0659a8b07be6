"""Keras is the reference for numbers: it runs on JAX here, and has to be told before it is imported."""

import os

from pages import browser

__all__ = ["browser"]

os.environ["KERAS_BACKEND"] = "jax"
