"""What a process decides for itself: its seed, how many steps a dispatch takes, when a block of data is closed.

All of it is decided here, so that many processes that run one program can be made to decide alike.
"""

import os
import secrets
from pathlib import Path

from lamina.core.checks import at_least


class Process:
    """The decisions of this process.

    Attributes:
        steps_per_dispatch: how many steps of training one dispatch takes; None is as many as measurement finds best, which
            may differ from run to run.
    """

    def __init__(self) -> None:
        self.steps_per_dispatch: int | None = None

    def seed(self) -> int:
        """Returns the seed of randomness where the user has set none: from the operating system."""
        return secrets.randbits(64)

    @property
    def measures(self) -> bool:
        """Whether clocks have a say."""
        return self.steps_per_dispatch is None


process = Process()


def set_steps_per_dispatch(steps: int | None) -> None:
    """Sets how many steps of training, evaluation or prediction are one dispatch to the device.

    By default that is found by measurement. A fixed number makes a process do the same in every run, whatever else the machine
    has to do, and many processes do the same as each other.

    Args:
        steps: the number; None to measure.

    Raises:
        ValueError: for anything else.

    >>> lamina.config.set_steps_per_dispatch(32)
    >>> lamina.config.set_steps_per_dispatch(None)
    """
    process.steps_per_dispatch = None if steps is None else at_least(1, steps, "steps", "None or ")


def home() -> Path:
    """Returns the folder for what Lamina keeps: `LAMINA_HOME`, or `lamina` in the user's cache folder. It need not be there yet."""
    chosen = os.environ.get("LAMINA_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamina"
