"""How many steps a dispatch takes, and whether a loop on the device runs them: found by measurement, or fixed."""

from lamina.core.process import process

_DISPATCH_SECONDS = 0.1
_WORTHWHILE_STEPS = 16  # with so many, what a dispatch itself costs is little of what a step costs
_LONGEST_SECONDS = 1.0
_SHORT_SECONDS = 0.02
_SLOW_STEP = 2e-3
_PATIENCE = 5.0  # in seconds, and in times what compiling took
_TRIALS = 4


class DispatchTuner:
    """Finds by measurement how many steps a dispatch of one program takes, and whether they are looped on the device or run alone.

    A dispatch takes as many steps as fill about a tenth of a second, so that progress shows and Ctrl-C answers. Where steps are
    long it takes sixteen, if they take no more than a second: a program takes the memory it works in anew at each call, and for a
    transformer touching it for the first time takes as long as computing in it.

    Some steps run slower in a loop on the device than one by one: convolutions on the CPU, above all. So where a step takes
    long, and the loop has already taken some seconds, and several times as long as it took to compile, a few steps are run one by
    one, and the faster way is kept. The search costs about a fifth of the time that training has taken by then.

    Attributes:
        alone: whether the next steps are run one by one.
    """

    def __init__(self) -> None:
        self.alone = False
        self._compiling = 0.0  # what the first dispatch took
        self._seconds = 0.0  # what a step takes now
        self._least = float("inf")  # what a step in the loop took at best
        self._spent = 0.0
        self._trials: list[float] | None = None  # what steps one by one took, while they are tried
        self._decided = False

    @property
    def begun(self) -> bool:
        """Whether there has been a dispatch."""
        return self._compiling > 0

    def steps(self, limit: int) -> int:
        """Returns how many steps the next dispatch takes, of `limit` that there are."""
        if self._trials is not None or not self._seconds:
            return 1
        long_ones = min(_WORTHWHILE_STEPS, int(_LONGEST_SECONDS / self._seconds))
        return min(limit, max(1, int(_DISPATCH_SECONDS / self._seconds), long_ones))

    def short(self, steps: int) -> bool:
        """Tells whether a dispatch of `steps` steps is short enough not to be waited for. What is measured is waited for."""
        known = self._decided or 0 < self._seconds <= _SLOW_STEP
        return known and self._seconds * steps <= _SHORT_SECONDS

    def took(self, steps: int, seconds: float) -> None:
        """Takes note of how long a dispatch took."""
        each = seconds / steps
        if not self._compiling:
            self._compiling = seconds
            self._seconds = min(each, _LONGEST_SECONDS)
            return
        if self._trials is not None:
            self._try(each)
            return
        self._seconds = each
        if not self._decided:
            self._spent += seconds
            self._least = min(self._least, each)
            if each > _SLOW_STEP and self._spent > _PATIENCE * max(self._compiling, 1.0):
                self._trials, self.alone = [], True

    def _try(self, seconds: float) -> None:
        assert self._trials is not None
        self._trials.append(seconds)
        if len(self._trials) == _TRIALS:
            best = min(self._trials[1:])  # the first one compiled
            self.alone = best < 0.9 * self._least
            self._seconds = best if self.alone else self._least
            self._trials, self._decided = None, True


class FixedDispatch(DispatchTuner):
    """In place of a tuner, where no clock is to decide: a fixed number of steps a dispatch, in a loop on the device."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps = steps

    def steps(self, limit: int) -> int:
        """Returns how many steps the next dispatch takes, of `limit` that there are."""
        return min(limit, self._steps)

    def short(self, steps: int) -> bool:
        """Each dispatch is waited for."""
        return False

    def took(self, steps: int, seconds: float) -> None:
        """Takes note that there has been a dispatch."""
        self._compiling = 1.0


def new_tuner() -> DispatchTuner:
    """Returns what decides for a program, as the process has chosen: see `lamina.config.set_steps_per_dispatch`."""
    fixed = process.steps_per_dispatch
    return DispatchTuner() if fixed is None else FixedDispatch(fixed)
