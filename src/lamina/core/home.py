"""The folder for what Lamina keeps on disk."""

import os
from pathlib import Path


def home() -> Path:
    """Returns the folder for what Lamina keeps: `LAMINA_HOME`, or `lamina` in the user's cache folder. It need not be there yet."""
    chosen = os.environ.get("LAMINA_HOME")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lamina"
