"""Settings of the whole library."""

from lamina.core.errors import disable_traceback_filtering, enable_traceback_filtering, is_traceback_filtering_enabled
from lamina.core.process import set_steps_per_dispatch
from lamina.training.progress import disable_interactive_logging, enable_interactive_logging, is_interactive_logging_enabled

__all__ = [
    "disable_interactive_logging",
    "disable_traceback_filtering",
    "enable_interactive_logging",
    "enable_traceback_filtering",
    "is_interactive_logging_enabled",
    "is_traceback_filtering_enabled",
    "set_steps_per_dispatch",
]
