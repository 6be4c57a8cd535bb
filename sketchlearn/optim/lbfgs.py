"""Bounded quasi-Newton minimisation: projected L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sketchlearn._kernels import lbfgs as kernels

# Value and gradient at a point.
Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class LBFGSSettings:
    """How a minimisation goes; values are the textbook's (Nocedal and Wright 2006, chapters 3, 7).

    Attributes
    ----------
    memory : int
        Pairs of steps and gradient changes that are kept.
    least_curvature : float
        Product of a pair, as a fraction of the squared change, below which it is not kept.
    sufficient_decrease : float
        Share of the decrease that the slope promises, which a step must bring.
    most_trials : int
        Step lengths that are tried, each from ``shortest_share`` to ``longest_share`` of the one
        before.
    shortest_share, longest_share : float
        See there.
    window : int
        Steps over which the decrease of the cost is measured.
    """

    memory: int = 10
    least_curvature: float = 1e-10
    sufficient_decrease: float = 1e-4
    most_trials: int = 12
    shortest_share: float = 0.1
    longest_share: float = 0.5
    window: int = 10


SETTINGS = LBFGSSettings()


def ignore(cost: float) -> None:
    """Do nothing after an iteration."""


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
    settings: LBFGSSettings = SETTINGS
    steps: np.ndarray = field(init=False)
    changes: np.ndarray = field(init=False)
    curvatures: np.ndarray = field(init=False)
    n_stored: int = 0
    newest: int = -1

    def __post_init__(self) -> None:
        memory = self.settings.memory
        self.steps = np.empty((memory, self.n))
        self.changes = np.empty((memory, self.n))
        self.curvatures = np.empty(memory)

    def push(self, step: np.ndarray, change: np.ndarray) -> None:
        """Keep the pair if its curvature is positive."""
        curvature = float(step @ change)
        if curvature <= self.settings.least_curvature * float(change @ change):
            return
        self.newest = (self.newest + 1) % len(self.steps)
        self.steps[self.newest] = step
        self.changes[self.newest] = change
        self.curvatures[self.newest] = curvature
        self.n_stored = min(self.n_stored + 1, len(self.steps))

    def direction(self, gradient: np.ndarray) -> np.ndarray:
        """Return ``-H gradient`` for the current inverse Hessian estimate."""
        out = np.empty(self.n)
        kernels.lbfgs_direction(
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
    on_iteration: Callable[[float], None] = ignore,
    settings: LBFGSSettings = SETTINGS,
) -> Minimum:
    """Minimise ``objective`` (value and gradient) in the box, from ``start``.

    The gradient's components that push out of the box are left out of the quasi-Newton direction,
    and the step is projected back (Nocedal and Wright 2006, section 16.7). Variables should be
    scaled to unit curvature.

    Parameters
    ----------
    objective : callable
        Takes a point (n,), gives the cost and its gradient (n,).
    start, lower, upper : ndarray of shape (n,)
        Where to begin, and the box; its walls may be infinite.
    max_iter : int
        Most iterations.
    tolerance : float
        Decrease of the cost, as a fraction of it, over ``settings.window`` steps that ends it. A
        step whose slope promises no more is the last one if it fails.
    first_step : float, default=1.0
        Largest change of any variable in the first step, before curvature is known.
    on_iteration : callable, optional
        Called with the cost at the start of each iteration; what it raises ends the minimisation.
    settings : LBFGSSettings, optional
        The rest.

    Returns
    -------
    Minimum
        The last point, which is the best, and how it came to be.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.optim.lbfgs import minimise
    >>> far = np.full(2, np.inf)
    >>> end = minimise(lambda x: (x @ x, 2 * x), np.ones(2), -far, far, max_iter=9, tolerance=1e-6)
    >>> end.x
    array([0., 0.])
    """
    x = np.clip(start, lower, upper)
    cost, gradient = objective(x)
    pairs = Pairs(x.size, settings)
    past = [cost]
    for n_iter in range(1, max_iter + 1):
        on_iteration(cost)
        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        free_gradient = np.where(held, 0.0, gradient)
        direction = np.where(held, 0.0, pairs.direction(free_gradient))
        promised = -float(direction @ free_gradient)
        if promised <= 0:
            direction = -free_gradient
            pairs.n_stored = 0
        # Less than that to gain, and a line search would only meet rounding errors.
        is_last = bool(pairs.n_stored) and promised <= tolerance * cost
        if pairs.n_stored == 0:
            direction *= min(1.0, first_step / max(np.max(np.abs(direction)), 1e-300))
        most = 1 if is_last else settings.most_trials
        step = _backtrack(objective, x, cost, gradient, direction, lower, upper, most, settings)
        if step is None:
            if is_last or pairs.n_stored == 0:
                return Minimum(x, cost, n_iter, True)
            pairs.n_stored = 0
            continue
        new_x, new_cost, new_gradient = step
        pairs.push(new_x - x, new_gradient - gradient)
        x, cost, gradient = new_x, new_cost, new_gradient
        past.append(cost)
        if len(past) > settings.window and past[-settings.window - 1] - cost <= tolerance * cost:
            return Minimum(x, cost, n_iter, True)
    return Minimum(x, cost, max_iter, False)


def _backtrack(
    objective: Objective,
    x: np.ndarray,
    cost: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    most_trials: int,
    settings: LBFGSSettings,
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Backtrack along the projected direction until the cost falls enough; None if it never."""
    length = 1.0
    for _ in range(most_trials):
        new_x = x + length * direction
        # `np.clip` takes more than twice as long with arrays.
        np.minimum(np.maximum(new_x, lower, out=new_x), upper, out=new_x)
        slope = float(gradient @ (new_x - x))
        new_cost, new_gradient = objective(new_x)
        if new_cost <= cost + settings.sufficient_decrease * slope and slope < 0:
            return new_x, new_cost, new_gradient
        curvature = new_cost - cost - slope
        shrink = -0.5 * slope / curvature if curvature > 0 else 0.5
        length *= min(max(shrink, settings.shortest_share), settings.longest_share)
    return None
