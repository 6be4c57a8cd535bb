"""Bounded quasi-Newton minimisation: projected L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sketchlearn._kernels.lbfgs import lbfgs_direction
from sketchlearn._progress import tell

MEMORY = 10
SUFFICIENT_DECREASE = 1e-4
LONGEST_BACKTRACK = 12

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended."""

    x: np.ndarray
    cost: float
    n_iter: int
    converged: bool


@dataclass
class Pairs:
    """Ring buffer of the last steps and gradient changes."""

    n: int
    steps: np.ndarray = field(init=False)
    changes: np.ndarray = field(init=False)
    curvatures: np.ndarray = field(init=False)
    n_stored: int = 0
    newest: int = -1

    def __post_init__(self) -> None:
        self.steps = np.empty((MEMORY, self.n))
        self.changes = np.empty((MEMORY, self.n))
        self.curvatures = np.empty(MEMORY)

    def push(self, step: np.ndarray, change: np.ndarray) -> None:
        """Keep the pair if its curvature is positive."""
        curvature = float(step @ change)
        if curvature <= 1e-10 * float(change @ change):
            return
        self.newest = (self.newest + 1) % MEMORY
        self.steps[self.newest] = step
        self.changes[self.newest] = change
        self.curvatures[self.newest] = curvature
        self.n_stored = min(self.n_stored + 1, MEMORY)

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """``-H gradient`` for the current inverse Hessian estimate."""
        out = np.empty(self.n)
        lbfgs_direction(
            gradient, self.steps, self.changes, self.curvatures, self.n_stored, self.newest, out
        )
        return out


def minimise(
    objective: Objective,
    start: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    max_iter: int,
    tolerance: float,
    first_step: float = 1.0,
) -> Minimum:
    """Minimise ``objective`` (value and gradient) in the box, from ``start``.

    The gradient's components that push out of the box are left out of the quasi-Newton direction,
    and the step is projected back (Nocedal and Wright 2006, section 16.7). Variables should be
    scaled to unit curvature. Stops when ten steps lower the cost by less than ``tolerance`` of it.

    Parameters
    ----------
    first_step : float
        Largest change of any variable in the first step, before curvature is known.
    """
    x = np.clip(start, lower, upper)
    cost, gradient = objective(x)
    pairs = Pairs(x.size)
    past = [cost]
    for n_iter in range(1, max_iter + 1):
        tell(cost=cost)
        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        free_gradient = np.where(held, 0.0, gradient)
        direction = np.where(held, 0.0, pairs.direction(free_gradient))
        if direction @ free_gradient >= 0:
            direction = -free_gradient
            pairs.n_stored = 0
        if pairs.n_stored == 0:
            direction *= min(1.0, first_step / max(np.max(np.abs(direction)), 1e-300))
        step = _search(objective, x, cost, gradient, direction, lower, upper)
        if step is None:
            if pairs.n_stored == 0:
                return Minimum(x, cost, n_iter, True)
            pairs.n_stored = 0
            continue
        new_x, new_cost, new_gradient = step
        pairs.push(new_x - x, new_gradient - gradient)
        x, cost, gradient = new_x, new_cost, new_gradient
        past.append(cost)
        if len(past) > 10 and past[-11] - cost <= tolerance * cost:
            return Minimum(x, cost, n_iter, True)
    return Minimum(x, cost, max_iter, False)


def _search(
    objective: Objective,
    x: np.ndarray,
    cost: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Backtrack along the projected direction until the cost falls enough; None if it never."""
    length = 1.0
    for _ in range(LONGEST_BACKTRACK):
        new_x = np.clip(x + length * direction, lower, upper)
        slope = float(gradient @ (new_x - x))
        new_cost, new_gradient = objective(new_x)
        if new_cost <= cost + SUFFICIENT_DECREASE * slope and slope < 0:
            return new_x, new_cost, new_gradient
        curvature = new_cost - cost - slope
        shrink = -0.5 * slope / curvature if curvature > 0 else 0.5
        length *= min(max(shrink, 0.1), 0.5)
    return None
