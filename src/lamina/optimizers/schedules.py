"""Learning rates that depend on the step. Any function of it is one too; these can be saved and loaded."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.config import Configurable, resolve
from lamina.core.config import serialize as serialize
from lamina.core.registry import also_known
from lamina.core.variable import Array

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]


class LearningRateSchedule(Configurable, family="schedules"):
    """A learning rate that depends on the step: `schedule(step)`, step from 0 on.

    A subclass defines `__call__` by `jax.numpy`, so that it can be compiled.

    >>> class Warmup(LearningRateSchedule):
    ...     def __init__(self, rate, steps):
    ...         self.rate, self.steps = rate, steps
    ...     def __call__(self, step):
    ...         return self.rate * jnp.minimum(1.0, (step + 1) / self.steps)
    >>> optimizer = lamina.optimizers.SGD(Warmup(0.5, 10))
    >>> print(optimizer.learning_rate)
    0.05
    """

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate of step number `step`."""
        raise NotImplementedError(f"{type(self).__name__} must define __call__(self, step) and return the learning rate.")


def _share(step: Any, steps: float, staircase: bool = False) -> Array:
    """Returns which part of `steps` has gone by, with `staircase` in whole numbers."""
    share = jnp.asarray(step, "float32") / steps
    return jnp.floor(share) if staircase else share


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate * decay_rate^(step / decay_steps).

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: after so many steps the rate is `decay_rate` times what it was.
        decay_rate: the factor.
        staircase: change the rate only every `decay_steps`.
        name: its name.

    Raises:
        ValueError: for decay_steps that are not positive, or a negative rate.

    >>> print(ExponentialDecay(0.5, 10, 0.25)(5))
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        checks.not_negative(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        checks.positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Array:
        return self.initial_learning_rate * self.decay_rate ** _share(step, self.decay_steps, self.staircase)


class InverseTimeDecay(LearningRateSchedule):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps).

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: see the formula.
        decay_rate: see the formula.
        staircase: change the rate only every `decay_steps`.
        name: its name.

    Raises:
        ValueError: for decay_steps that are not positive, or a negative rate.

    >>> print(InverseTimeDecay(0.5, 10, 1.0)(10))
    0.25
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        checks.not_negative(initial_learning_rate=initial_learning_rate, decay_rate=decay_rate)
        checks.positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step: Any) -> Array:
        return self.initial_learning_rate / (1 + self.decay_rate * _share(step, self.decay_steps, self.staircase))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i], where i is how many of the boundaries are less than step.

    Args:
        boundaries: steps, ascending; the last ones with the rate before.
        values: the rates, one more than there are boundaries.
        name: its name.

    Raises:
        ValueError: if boundaries are not ascending, or there is not one value more.

    >>> schedule = PiecewiseConstantDecay([10, 20], [0.5, 0.25, 0.125])
    >>> print(schedule(10), schedule(11), schedule(21))
    0.5 0.25 0.125
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(f"{len(boundaries)} boundaries part {len(boundaries) + 1} values; {len(values)} were given.")
        for i, boundary in enumerate(boundaries):
            checks.numbers(**{f"boundaries[{i}]": boundary})
        if list(boundaries) != sorted(boundaries):
            raise ValueError(f"boundaries must be ascending, not {list(boundaries)}.")
        for i, value in enumerate(values):
            checks.not_negative(**{f"values[{i}]": value})
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step: Any) -> Array:
        passed = jnp.sum(jnp.asarray(step) > jnp.asarray(self.boundaries))
        return jnp.asarray(self.values, "float32")[passed]


class PolynomialDecay(LearningRateSchedule):
    """(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps)^power + end_learning_rate.

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: the step from which on the rate is `end_learning_rate`.
        end_learning_rate: the last rate.
        power: 1 makes the way down straight.
        cycle: instead of staying at the end, start again towards twice, three times, ... as many decay_steps.
        name: its name.

    Raises:
        ValueError: for decay_steps that are not positive, or a negative rate.

    >>> print(PolynomialDecay(0.5, 10, 0.25)(5))
    0.375
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        checks.not_negative(initial_learning_rate=initial_learning_rate, end_learning_rate=end_learning_rate, power=power)
        checks.positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle, self.name = end_learning_rate, power, cycle, name

    def __call__(self, step: Any) -> Array:
        share = _share(step, self.decay_steps)
        share = share / jnp.maximum(jnp.ceil(share), 1) if self.cycle else jnp.minimum(share, 1)
        return (self.initial_learning_rate - self.end_learning_rate) * (1 - share) ** self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """rate * ((1 - alpha) * (1 + cos(π * step / decay_steps)) / 2 + alpha): half a wave down, after a straight way up.

    Args:
        initial_learning_rate: the rate of step 0.
        decay_steps: the steps that the way down takes; the rate then stays.
        alpha: the last rate as a share of the highest.
        name: its name.
        warmup_target: the highest rate, reached on a straight line; None for no way up.
        warmup_steps: the steps that the way up takes; those of the way down count from there.

    Raises:
        ValueError: for steps or rates out of their range.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017; Goyal et al., Accurate, Large
    Minibatch SGD, 2017, for the warm-up.

    >>> schedule = CosineDecay(0.0, 10, warmup_target=0.5, warmup_steps=4)
    >>> [round(float(schedule(step)), 4) for step in (2, 4, 9)]
    [0.25, 0.5, 0.25]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        checks.not_negative(initial_learning_rate=initial_learning_rate, alpha=alpha, warmup_steps=warmup_steps)
        checks.not_negative(**checks.given(warmup_target=warmup_target))
        checks.positive(decay_steps=decay_steps)
        self.initial_learning_rate, self.decay_steps, self.alpha, self.name = initial_learning_rate, decay_steps, alpha, name
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: Any) -> Array:
        first, top = self.initial_learning_rate, self.warmup_target
        if top is None:
            return first * _half_wave(jnp.minimum(_share(step, self.decay_steps), 1), self.alpha)
        step = jnp.asarray(step, "float32")
        down = top * _half_wave(jnp.clip((step - self.warmup_steps) / self.decay_steps, 0, 1), self.alpha)
        return jnp.where(step < self.warmup_steps, first + (top - first) * _share(step, self.warmup_steps or 1), down)


class CosineDecayRestarts(LearningRateSchedule):
    """Half waves of a cosine one after another, each `t_mul` times as long and `m_mul` times as high as the one before.

    initial_learning_rate * ((1 - alpha) * m_mul^i * (1 + cos(π * p)) / 2 + alpha), where i is the number of restarts so far and
    p the part of the wave that has gone by.

    Args:
        initial_learning_rate: the rate of step 0.
        first_decay_steps: the steps of the first wave.
        t_mul: see above; at least 1.
        m_mul: see above.
        alpha: the least rate as a share of the initial one.
        name: its name.

    Raises:
        ValueError: for steps or rates out of their range.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017.

    >>> schedule = CosineDecayRestarts(0.5, 10)
    >>> [round(float(schedule(step)), 4) for step in (5, 10, 20)]
    [0.25, 0.5, 0.25]
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        checks.not_negative(initial_learning_rate=initial_learning_rate, m_mul=m_mul, alpha=alpha)
        checks.positive(first_decay_steps=first_decay_steps)
        checks.numbers(t_mul=t_mul)
        if t_mul < 1:
            raise ValueError(f"t_mul must be at least 1, not {t_mul!r}: shorter and shorter waves would never reach the next step.")
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step: Any) -> Array:
        waves = _share(step, self.first_decay_steps)
        if self.t_mul == 1:
            restarts = jnp.floor(waves)
            share = waves - restarts
        else:
            # A whole number of restarts comes out of the logarithm a little too small at times.
            restarts = jnp.floor(jnp.log(1 + waves * (self.t_mul - 1)) / math.log(self.t_mul) * (1 + 1e-6))
            length = self.t_mul**restarts
            share = jnp.maximum(waves - (length - 1) / (self.t_mul - 1), 0) / length
        return self.initial_learning_rate * _half_wave(share, self.alpha, self.m_mul**restarts)


def _half_wave(share: Array, alpha: float, height: Array | float = 1.0) -> Array:
    return (1 - alpha) * 0.5 * height * (1 + jnp.cos(math.pi * share)) + alpha


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> LearningRateSchedule:
    """Returns a new schedule from what `serialize` returned.

    Args:
        config: what that returned.
        custom_objects: classes of one's own, by the names that the config has for them.

    Raises:
        ValueError: for a class that is not known, or a name that several have.
        TypeError: for what is not a config of a schedule.

    >>> config = serialize(ExponentialDecay(0.5, 10, 0.25))
    >>> print(deserialize(config)(5))
    0.25
    """
    with also_known(custom_objects):
        found = resolve(config, LearningRateSchedule, "schedule", must_be_callable=False)
    if not isinstance(found, LearningRateSchedule):
        raise TypeError(f"A schedule is made from what lamina.optimizers.schedules.serialize returns, not from {config!r}.")
    return found
