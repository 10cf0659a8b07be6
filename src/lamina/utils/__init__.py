"""Utilities."""

from lamina.inspect.picture import plot_model

__all__ = ["plot_model"]
