r"""What a release costs: zero-concentrated privacy inside, (epsilon, delta) outside, and budgets.

A mechanism is :math:`\rho`-zCDP where, for neighbouring data sets, its outputs' Rényi divergence of
every order a > 1 is at most :math:`\rho a` (Bun and Steinke, "Concentrated differential privacy",
2016). It adds up over releases, and is turned to :math:`(\varepsilon, \delta)` once, at the end.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, final

from scipy.optimize import minimize_scalar

Neighbors = Literal["add-remove", "replace"]
# Orders less one, as logarithms, between which the best one is looked for.
LEAST_ORDER, GREATEST_ORDER = -40.0, 60.0
# Bisections: float64 has no more to tell.
HALVINGS = 200
# By how much, as a fraction, what was spent may exceed a budget: the rounding of sums.
ROUNDING = 1e-9


def delta_of(rho: float, epsilon: float) -> float:
    r"""Return the least known delta of a :math:`\rho`-zCDP mechanism at an epsilon.

    .. math:: \delta = \min_{a > 1} \frac{e^{(a - 1)(a \rho - \varepsilon)}}{a - 1}
        \left(1 - \frac1a\right)^a

    Canonne, Kamath and Steinke, "The discrete Gaussian for differential privacy", 2020,
    proposition 12. Whatever order the search ends at, what it gives is valid.

    Parameters
    ----------
    rho, epsilon : float
        Not negative.
    """
    if rho == 0.0:
        return 0.0

    def log_delta(log_excess: float) -> float:
        excess = math.exp(log_excess)
        order = 1.0 + excess
        tail = order * (math.log(excess) - math.log1p(excess)) - log_excess
        return excess * (order * rho - epsilon) + tail

    # Where the order is large, near (epsilon / rho + 1) / 2; a grid, lest the search misses it.
    starts = [LEAST_ORDER + i for i in range(int(GREATEST_ORDER - LEAST_ORDER) + 1)]
    best = min(starts, key=log_delta)
    found = minimize_scalar(
        log_delta, bounds=(best - 1.0, best + 1.0), method="bounded", options={"xatol": 1e-12}
    )
    least = min(float(found.fun), log_delta(best))
    return math.exp(min(least, 0.0))


@lru_cache
def epsilon_of(rho: float, delta: float) -> float:
    r"""Return the least known epsilon of a :math:`\rho`-zCDP mechanism at a delta.

    Infinite where delta is zero, unless rho is.
    """
    if rho == 0.0:
        return 0.0
    if delta <= 0.0:
        return math.inf
    # At most what the untightened conversion has: rho + 2 sqrt(rho log 1 / delta).
    most = rho + 2.0 * math.sqrt(rho * math.log(1.0 / delta)) + 1e-300
    if delta_of(rho, 0.0) <= delta:
        return 0.0
    return _bisect(lambda epsilon: delta_of(rho, epsilon) <= delta, most, 0.0)


@lru_cache
def rho_of(epsilon: float, delta: float) -> float:
    r"""Return the greatest :math:`\rho` that is known to be within :math:`(\varepsilon, \delta)`.

    Parameters
    ----------
    epsilon, delta : float
        Positive; delta below 1.
    """
    beyond = 1.0
    while epsilon_of(beyond, delta) <= epsilon:
        beyond *= 2.0
    return _bisect(lambda rho: delta_of(rho, epsilon) <= delta, 0.0, beyond)


def _bisect(is_within: Callable[[float], bool], within: float, beyond: float) -> float:
    """Return the number nearest to ``beyond`` that is within, by bisection from one that is."""
    for _ in range(HALVINGS):
        middle = 0.5 * (within + beyond)
        if middle in (within, beyond):
            break
        within, beyond = (middle, beyond) if is_within(middle) else (within, middle)
    return within


@final
@dataclass(frozen=True)
class PrivacyLoss:
    r"""What releases cost the rows that they were made of: a :math:`\rho`, and perhaps an epsilon.

    Parameters
    ----------
    rho : float
        Of zero-concentrated differential privacy.
    pure_epsilon : float, default=infinity
        Of differential privacy with delta zero, where every mechanism has it.

    Raises
    ------
    ValueError
        If one is negative or no number: no release gives back what another cost.

    Examples
    --------
    >>> from sketchlearn.privacy import PrivacyLoss
    >>> once = PrivacyLoss(rho=0.02)
    >>> round(once.epsilon(1e-6), 3), round((once + once).epsilon(1e-6), 3)
    (0.9, 1.305)
    """

    rho: float
    pure_epsilon: float = math.inf

    def __post_init__(self) -> None:
        for name in ("rho", "pure_epsilon"):
            if not (value := getattr(self, name)) >= 0.0:
                raise ValueError(f"{name} must not be negative, got {value!r}")

    @classmethod
    def of_pure(cls, epsilon: float) -> PrivacyLoss:
        r"""Return the loss of an epsilon without delta, which is :math:`\varepsilon^2/2`-zCDP."""
        return cls(0.5 * epsilon**2, epsilon)

    def epsilon(self, delta: float) -> float:
        """Return epsilon at a delta: the lesser of what both guarantees say."""
        return min(self.pure_epsilon, epsilon_of(self.rho, delta))

    def delta(self, epsilon: float) -> float:
        """Return delta at an epsilon: the lesser of what both guarantees say."""
        return 0.0 if epsilon >= self.pure_epsilon else delta_of(self.rho, epsilon)

    def beside(self, other: PrivacyLoss) -> PrivacyLoss:
        """Return the loss where the other releases are of rows of other people: the greater one."""
        return PrivacyLoss(max(self.rho, other.rho), max(self.pure_epsilon, other.pure_epsilon))

    def __add__(self, other: Any) -> PrivacyLoss:
        """Return the loss of both releases to rows that are in both."""
        if not isinstance(other, PrivacyLoss):
            return NotImplemented
        return PrivacyLoss(self.rho + other.rho, self.pure_epsilon + other.pure_epsilon)


@final
class Budget:
    r"""How much may be released of one data set, and how much of that was.

    Releases of the same rows add up: their :math:`\rho`, or their epsilons where delta is zero. A
    release that would exceed the budget is refused before any noise is drawn. A budget lives in the
    program that made it; keep `spent` where releases of several programs are to add up.

    Parameters
    ----------
    epsilon, delta : float
        What all releases together may cost.

    Raises
    ------
    ValueError
        If epsilon is not positive and finite, or delta not from 0 to 1.

    Examples
    --------
    >>> from sketchlearn.privacy import Budget, PrivacyLoss
    >>> budget = Budget(epsilon=1.0, delta=1e-6)
    >>> budget.spend(PrivacyLoss(rho=0.02))
    >>> budget.spend(PrivacyLoss(rho=0.02))
    Traceback (most recent call last):
        ...
    ValueError: this would spend epsilon = 1.3 at delta = 1e-06, of a budget of 1
    """

    def __init__(self, epsilon: float, delta: float) -> None:
        check_privacy(epsilon, delta)
        self.epsilon, self.delta = float(epsilon), float(delta)
        self._spent: PrivacyLoss | None = None
        self._relation: tuple[Neighbors, int] | None = None
        self._lock = threading.Lock()

    @property
    def spent(self) -> PrivacyLoss:
        """What was spent so far."""
        return self._spent or PrivacyLoss(0.0, 0.0)

    def spend(
        self, loss: PrivacyLoss, neighbors: Neighbors = "add-remove", rows_per_person: int = 1
    ) -> None:
        """Add a loss to what was spent.

        Parameters
        ----------
        loss : PrivacyLoss
            What is to be released, or was elsewhere.
        neighbors, rows_per_person
            As of `release`; the same for all that is spent.

        Raises
        ------
        ValueError
            If it would exceed the budget, or is of other neighbours than before; nothing is spent
            then.
        """
        with self._lock:
            relation = (neighbors, rows_per_person)
            if self._relation not in (None, relation):
                raise ValueError(
                    f"the budget counts neighbors and rows_per_person of {self._relation}, and "
                    f"these are {relation}: their losses do not add up"
                )
            total = self.spent + loss
            if (epsilon := total.epsilon(self.delta)) > self.epsilon * (1.0 + ROUNDING):
                raise ValueError(
                    f"this would spend epsilon = {epsilon:.3g} at delta = {self.delta:g}, of a "
                    f"budget of {self.epsilon:g}"
                )
            self._spent, self._relation = total, relation

    def __repr__(self) -> str:
        return (
            f"Budget(epsilon={self.epsilon:g}, delta={self.delta:g}, "
            f"spent {self.spent.epsilon(self.delta):.4g})"
        )


def check_privacy(epsilon: Any, delta: Any) -> None:
    """Refuse an epsilon or a delta that promises nothing or cannot be.

    Raises
    ------
    TypeError
        If one is no number.
    ValueError
        If epsilon is not positive and finite, or delta not at least 0 and below 1.
    """
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0.0 < epsilon < math.inf:
        raise ValueError(f"epsilon must be positive and finite, got {epsilon!r}")
    if not 0.0 <= delta < 1.0:
        raise ValueError(f"delta must be at least 0 and less than 1, got {delta!r}")
