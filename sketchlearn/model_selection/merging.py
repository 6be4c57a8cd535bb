"""From many components to few: the path on which numbers of clusters are compared."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from sketchlearn.model_selection.noise import WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes, refine
from sketchlearn.points.em import Moments, merge

# Parameters that are moved together at most: beyond, a step takes too long.
MOST_AT_ONCE = 200
# Pairs whose mergers are tried on the sketch: those that rows of the mixture would miss least.
N_PAIRS = 8


class Effort(NamedTuple):
    """How closely mixtures are matched.

    Attributes
    ----------
    n_first : int
        Steps of all components of the first mixture.
    n_merged : int
        Steps after each merger.
    n_around : int
        Components that move after one, those nearest to the merged one.
    least_loss : float
        What a merger costs before any move, as a share of the penalty of a component: one of two
        components in one cluster costs less, and is no reason to move.
    n_tried : int
        Mergers after which components move, the cheapest, where they do: that which costs least
        before need not cost least after.
    """

    n_first: int
    n_merged: int
    n_around: int
    least_loss: float
    n_tried: int


QUICK, THOROUGH = Effort(1, 1, 6, 0.5, 1), Effort(3, 4, 100, 0.0, 3)


class Fit(NamedTuple):
    """A mixture, and the sum of squares that it leaves of a whitened sketch."""

    mixture: Moments
    deviance: float


def merge_down(
    whitened: WhitenedSketch,
    mixture: Moments,
    shapes: Shapes,
    fewest: int,
    effort: Effort,
    tell: Callable[[int], None],
) -> dict[int, Fit]:
    """Return the fits of a mixture's components, of one fewer, and so on.

    Each time the two components are merged whose merger costs least, or the lightest is dropped,
    and those around move; of several such mergers that one stays which leaves least. A cluster that
    was decoded as several components is merged first, since that costs no more than noise does.

    Parameters
    ----------
    whitened : WhitenedSketch
        What is to be matched.
    mixture : Moments
        Components, more than there are clusters.
    shapes : Shapes
        Which covariances they may have.
    fewest : int
        The number to end at.
    effort : Effort
        How closely they are matched.
    tell : callable
        Called with each number before it is sought.
    """
    tell(len(mixture.weights))
    fit = _sweep(whitened, mixture, shapes, effort.n_first)
    path = {len(mixture.weights): fit}
    a_component = shapes.n_parameters * np.log(whitened.n_rows)
    while (k := len(fit.mixture.weights)) > fewest:
        tell(k - 1)
        merged = _merge_cheapest(whitened, fit.mixture, effort.n_tried)
        if merged[0].deviance - fit.deviance >= effort.least_loss * a_component:
            merged = [_settle(whitened, one.mixture, shapes, effort) for one in merged]
        fit = min(merged, key=attrgetter("deviance"))
        path[k - 1] = fit
    return path


def _merge_cheapest(whitened: WhitenedSketch, mixture: Moments, n: int) -> list[Fit]:
    """Return the n best mixtures of one component fewer, the best first, what changed last."""
    firsts, seconds = _list_pairs(mixture)
    merged = merge(mixture, firsts, seconds)
    # Or the lightest is dropped: the nearest has its weight.
    lightest = int(np.argmin(mixture.weights))
    near = _order_by_distance(mixture, lightest)[1]
    firsts, seconds = np.append(firsts, lightest), np.append(seconds, near)
    alone = (
        mixture.weights[[lightest, near]].sum(),
        mixture.means[near],
        mixture.covariances[near],
    )
    merged = Moments(
        *(np.append(each, [one], axis=0) for each, one in zip(merged, alone, strict=True))
    )
    parts, wholes = (
        (whitened.waves.compute_atoms(each.means, each.covariances) * each.weights[:, None]).T
        for each in (mixture, merged)
    )
    changes = whitened.whiten(parts[:, firsts] + parts[:, seconds] - wholes, np.zeros(len(firsts)))
    left = whitened.compute_residual(mixture)[:, None] + changes
    costs = np.einsum("ij,ij->j", left, left)
    fits = []
    for i in np.argsort(costs, kind="stable")[:n]:
        others = np.setdiff1d(np.arange(len(mixture.weights)), [firsts[i], seconds[i]])
        pairs = zip(mixture, merged, strict=True)
        result = Moments(*(np.append(old[others], new[[i]], axis=0) for old, new in pairs))
        fits.append(Fit(result, float(costs[i])))
    return fits


def _list_pairs(mixture: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs whose mergers can cost least, by a bound on what each row loses.

    Source: Runnalls, "Kullback-Leibler approach to Gaussian mixture reduction", IEEE Transactions
    on Aerospace and Electronic Systems 43(3), 2007, equation 21.
    """
    firsts, seconds = np.triu_indices(len(mixture.weights), 1)
    weights, _, covariances = merge(mixture, firsts, seconds)
    own = mixture.weights * np.linalg.slogdet(mixture.covariances)[1]
    costs = weights * np.linalg.slogdet(covariances)[1] - own[firsts] - own[seconds]
    nearest = np.argsort(costs, kind="stable")[:N_PAIRS]
    return firsts[nearest], seconds[nearest]


def _settle(whitened: WhitenedSketch, mixture: Moments, shapes: Shapes, effort: Effort) -> Fit:
    """Move the last component and those nearest to it."""
    most = min(_count_at_once(shapes), effort.n_around)
    block = _order_by_distance(mixture, len(mixture.weights) - 1)[:most]
    return Fit(*refine(whitened, mixture, shapes, block, effort.n_merged))


def _sweep(whitened: WhitenedSketch, mixture: Moments, shapes: Shapes, n: int) -> Fit:
    """Move all components, as many at a time as are moved together."""
    most, k = _count_at_once(shapes), len(mixture.weights)
    deviance = np.inf
    for first in range(0, k, most):
        block = np.arange(first, min(k, first + most))
        mixture, deviance = refine(whitened, mixture, shapes, block, n)
    return Fit(mixture, deviance)


def _count_at_once(shapes: Shapes) -> int:
    """Return how many components are moved together."""
    return max(1, MOST_AT_ONCE // shapes.n_parameters)


def _order_by_distance(mixture: Moments, i: int) -> np.ndarray:
    """Return the components by their distance from one, itself first, in its own units."""
    apart = mixture.means - mixture.means[i]
    covariances = mixture.covariances + mixture.covariances[i]
    distances = np.einsum("kd,kd->k", apart, np.linalg.solve(covariances, apart[..., None])[..., 0])
    distances[i] = -1.0
    return np.argsort(distances, kind="stable")
