"""Callbacks: what is called as training goes on."""

from lamina.callbacks.callback import Callback, CallbackList
from lamina.callbacks.history import History

__all__ = ["Callback", "CallbackList", "History"]
