"""`lamina explain`: runs a script as Python would, and tells its story."""

import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from lamina.inspect.story import watch

_RUNNERS = (__file__, "<frozen runpy>", runpy.__file__)


def explain(script: Path, arguments: Sequence[str], save: Path | None = None) -> int:
    """Runs a script as `python script.py argument ...` does, then prints the story of the run; returns the script's exit status.

    Args:
        script: what to run.
        arguments: what it is given, in `sys.argv`.
        save: where to write the story, too; see `Story.save`.
    """
    if save is not None:
        save = save.resolve()  # the script may change to another folder
    here = os.getcwd()
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(script.resolve().parent)
    status = 0
    try:
        with watch(save=save) as story:
            try:
                runpy.run_path(str(script), run_name="__main__")
            except SystemExit as stop:
                status = _status(stop)
    except BaseException as error:
        _report(error)
        status = 130 if isinstance(error, KeyboardInterrupt) else 1
    os.chdir(here)
    sys.stderr.flush()
    print(f"\n{story}")
    if save is not None:
        print(f"\nThe story is in {os.path.relpath(save)}.")
    return status


def _status(stop: SystemExit) -> int:
    """Returns the exit status that a `sys.exit` asks for, as Python does: what is not a number is printed, and means 1."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    print(stop.code, file=sys.stderr)
    return 1


def _report(error: BaseException) -> None:
    """Shows an error as Python does at the end of a script, beginning at the script's own lines."""
    sys.stdout.flush()
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename in _RUNNERS:
        trace = trace.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)
