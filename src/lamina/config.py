"""Settings of the whole library."""

from lamina.core.leaving import disable_traceback_filtering, enable_traceback_filtering, is_traceback_filtering_enabled

__all__ = ["disable_traceback_filtering", "enable_traceback_filtering", "is_traceback_filtering_enabled"]
