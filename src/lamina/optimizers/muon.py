"""Muon."""

import re
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

import lamina.optimizers.checks as checks
from lamina.core.variable import Array, Variable
from lamina.optimizers.adam import adam
from lamina.optimizers.optimizer import Optimizer
from lamina.optimizers.transformations import Slots, per_array, zeros


class Muon(Optimizer):
    """W ← W - learning_rate * rms_rate * sqrt(max(rows, columns)) * orthogonalized(g + momentum * M).

    M ← momentum * M + g; `nesterov=False` takes M itself. To orthogonalize, a few Newton-Schulz steps bring all singular values
    near 1: X ← muon_a * X + (muon_b * A + muon_c * A²) X, where A = X Xᵀ, from X divided by its norm.

    That is for matrices. Variables with other than two axes, embeddings, and what `exclude_layers` names are moved by Adam.

    Args:
        learning_rate: the size of a step, or a schedule.
        adam_beta_1: Adam's beta_1.
        adam_beta_2: Adam's beta_2.
        adam_weight_decay: the weight decay of variables that Adam moves; None for none.
        epsilon: Adam's epsilon.
        weight_decay: that of the others.
        exclude_layers: regular expressions; variables in whose path one is found are moved by Adam. Name the output layer here.
        exclude_embeddings: let Adam move variables whose path says "embedding".
        muon_a: a coefficient of the Newton-Schulz step.
        muon_b: another.
        muon_c: another.
        adam_lr_ratio: Adam's learning rate relative to this one.
        momentum: how much of M is kept at each step, from 0 to 1.
        ns_steps: the number of Newton-Schulz steps.
        nesterov: look ahead along M.
        rms_rate: makes updates as large as Adam's usually are; None for updates whose singular values are near learning_rate.
        kwargs: what `Optimizer` takes.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024; Liu et al., Muon is Scalable for LLM
    Training, 2025.

    >>> w = lamina.Variable(np.zeros((2, 2)), dtype="float32")
    >>> lamina.optimizers.Muon(0.1, rms_rate=None).apply([np.diag([3.0, 4.0])], [w])
    >>> print(np.abs(w.numpy()).round(1))
    [[0.1 0. ]
     [0.  0.1]]
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        checks.below_one(adam_beta_1=adam_beta_1, adam_beta_2=adam_beta_2)
        checks.not_negative(epsilon=epsilon, adam_lr_ratio=adam_lr_ratio, **checks.given(adam_weight_decay=adam_weight_decay))
        checks.numbers(muon_a=muon_a, muon_b=muon_b, muon_c=muon_c)
        checks.fractions(momentum=momentum)
        checks.integers(1, ns_steps=ns_steps)
        checks.positive(**checks.given(rms_rate=rms_rate))
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1, self.adam_beta_2, self.adam_weight_decay = adam_beta_1, adam_beta_2, adam_weight_decay
        self.epsilon, self.adam_lr_ratio, self.rms_rate = epsilon, adam_lr_ratio, rms_rate
        self.exclude_layers, self.exclude_embeddings = list(exclude_layers or ()), exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps, self.nesterov = momentum, ns_steps, nesterov
        self._way_of: dict[str, str] = {}

    def _by_adam(self, variable: Variable) -> bool:
        if variable.ndim != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(layer, variable.path) for layer in self.exclude_layers)

    def _decay_of(self, variable: Variable) -> float:
        decay = self.adam_weight_decay if self._by_adam(variable) else self.weight_decay
        return 0.0 if self._spared(variable) else decay or 0.0

    def transformation(self) -> Any:
        """Returns the formula for matrices, and Adam's for the rest; optax's differs in what is a matrix and how it is scaled."""
        import optax

        def start(value: Array) -> Slots:
            return {"momentum": zeros(value)}

        def update(g: Array, slots: Slots, value: Array, *, learning_rate: Array, step: Array) -> tuple[Array, Slots]:
            m = self.momentum * slots["momentum"] + g
            direction = self._orthogonalized(g + self.momentum * m if self.nesterov else m)
            scale = 1.0 if self.rms_rate is None else self.rms_rate * max(value.shape) ** 0.5
            return -learning_rate * scale * direction, {"momentum": m}

        adams = adam(self.adam_beta_1, self.adam_beta_2, self.epsilon, rate_factor=self.adam_lr_ratio)
        return optax.partition({"muon": per_array(start, update), "adam": adams}, self._ways)

    def _ways(self, values: dict[str, Any]) -> dict[str, str]:
        """Returns how each variable is moved: decided once, for a path changes when its layer is put into another."""
        known = self._way_of
        for kept in self._lamina.kept.values():
            target = kept.target()
            if kept.name not in known and target is not None:
                known[kept.name] = "adam" if self._by_adam(target) else "muon"
        return {name: known[name] for name in values}

    def _orthogonalized(self, x: Array) -> Array:
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / (jnp.sqrt(jnp.sum(x * x)) + 1e-7)
        for _ in range(self.ns_steps):
            a = x @ x.T
            x = self.muon_a * x + (self.muon_b * a + self.muon_c * a @ a) @ x
        return x.T if tall else x
