"""What looks at models from outside: the story of a run, which `watch` tells, and what it is made of."""

from lamina.core.events import Event
from lamina.inspect.story import Story, watch

__all__ = ["Event", "Story", "watch"]
