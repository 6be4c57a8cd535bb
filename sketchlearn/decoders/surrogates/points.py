"""Surrogate points, moved until their sketch is the data's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn._progress import begin
from sketchlearn._threads import on_one_blas_thread
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.refinement import REFINING
from sketchlearn.decoders.settings import Settings
from sketchlearn.decoders.surrogates.matching import PointMatching, gauss_newton, quasi_newton
from sketchlearn.sketches.region import Region


@final
@dataclass(frozen=True)
class PointsSettings(Settings):
    """How many points stand for the rows, how wide each is, and how long they are moved.

    Attributes
    ----------
    kernel_variance : float
        Variance of the kernel that a point stands for, as a fraction of the operator's squared
        scale; and where the sketch has more to say, of the kernel before.
    least_points, points_an_atom : int
        Fewest points, and points for each atom.
    draws_a_point : int
        Rows drawn for each point, so that its kernel is seen.
    most_numbers : int
        Numbers in a sketch up to which moves are solved for, by a matrix of that size. Of larger
        ones half as many points are moved: that takes as long as there are points times numbers.
    """

    kernel_variance: float = 0.3
    least_points: int = 3000
    points_an_atom: int = 100
    draws_a_point: int = 3
    most_numbers: int = 4000


POINTS = PointsSettings()


@dataclass(frozen=True, eq=False)
class SurrogatePoints:
    """Equally weighted points (n, d), each standing for a Gaussian kernel.

    Attributes
    ----------
    points : ndarray of shape (n, d)
        In data coordinates.
    bandwidth : ndarray of shape (d, d)
        Covariance of the kernel.
    cost : float
        Squared distance between their sketch and the data's.
    n_iter : int
        Iterations that moved them.
    n_sharpenings : int or None
        How often the bandwidth was narrowed to match the sketch; None if they were not moved.
    """

    points: np.ndarray
    bandwidth: np.ndarray
    cost: float
    n_iter: int
    n_sharpenings: int | None = None

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draw rows (n_samples, d): all points equally often up to one, each by its kernel."""
        times = -(-n_samples // len(self.points))
        chosen = np.concatenate([rng.permutation(len(self.points)) for _ in range(times)])
        rows = self.points[chosen[:n_samples]]
        if not self.bandwidth.any():
            return rows
        return rows + draw_gaussian(self.bandwidth, n_samples, rng)


@on_one_blas_thread
def match_points(
    problem: Problem,
    start: np.ndarray,
    bandwidth: np.ndarray,
    max_iter: int,
    *,
    most_numbers: int | None = None,
) -> SurrogatePoints:
    r"""Move points from ``start`` (n, d) until their sketch is the data's.

    Minimises :math:`\sum_j |z_j - E_j \frac1n \sum_i e^{i \omega_j^T x_i}|^2` over all positions,
    with :math:`E_j = \exp(\gamma_j - \omega_j^T B \omega_j / 2)` for the bandwidth B and
    :math:`\gamma` the log-envelope that the family's atoms have in common. It goes on below the
    noise floor: stopping there leaves the points where the start put them.

    Sketches of up to ``most_numbers`` numbers, by default those of the settings, are matched by
    `gauss_newton` in ``max_iter`` iterations, larger ones by those of `quasi_newton`, as many as of
    a long adjustment, which are cheaper.
    """
    begin(f"moving {len(start):,} points")
    matching = PointMatching(problem, bandwidth)
    points = matching.to_units(start)
    if not is_large(problem, most_numbers):
        points, cost, n_iter = gauss_newton(matching, points, max_iter)
    else:
        points, cost, n_iter = quasi_newton(matching, points, REFINING.n_many)
    return SurrogatePoints(matching.from_units(points), bandwidth, cost, n_iter)


def count_points(n_atoms: int) -> int:
    """Return how many surrogate points a mixture of so many atoms is worth."""
    return max(POINTS.least_points, POINTS.points_an_atom * n_atoms)


def count_moved_points(problem: Problem, n_atoms: int) -> int:
    """Return how many points are moved until their sketch is the problem's."""
    if not is_large(problem):
        return count_points(n_atoms)
    return max(POINTS.least_points // 2, POINTS.points_an_atom * n_atoms)


def is_large(problem: Problem, most_numbers: int | None = None) -> bool:
    """Whether a sketch has too many numbers for moves that are solved for."""
    return len(problem.target) > (most_numbers or POINTS.most_numbers)


def choose_bandwidth(problem: Problem) -> np.ndarray:
    """Return a kernel's covariance (d, d): as wide as atoms, but nowhere wider than the data."""
    family, widest = problem.family, problem.family.operator.scale**2
    widths = np.broadcast_to(family.widths, family.n_features)
    units = np.outer(widths, widths)
    variances, axes = np.linalg.eigh(problem.region.covariance / units)
    kernel = POINTS.kernel_variance * (axes * np.clip(variances, 0.0, widest)) @ axes.T
    return np.asarray(units * kernel)


def compute_blur(problem: Problem, bandwidth: np.ndarray) -> float:
    """Return the squared distance of a sketch to that of its rows blurred by a kernel (d, d)."""
    faded = 1.0 - np.exp(-0.5 * problem.family.operator.linear_map.quadratic_form(bandwidth))
    return float(np.sum((np.tile(faded, 2) * problem.target) ** 2))


def draw_mixture_points(
    mixture: Mixture,
    bandwidth: np.ndarray,
    n_points: int,
    rng: np.random.Generator,
    *,
    widening: float = 1.0,
) -> np.ndarray:
    """Draw points (n_points, d) of a mixture, atoms ``widening`` as wide, less the bandwidth."""
    # Systematic sampling: every atom gets its share of points up to one.
    quantiles = (np.arange(n_points) + rng.random()) / n_points
    atom = np.searchsorted(np.cumsum(mixture.weights)[:-1], quantiles)
    covariances = widening**2 * mixture.family.covariance_matrices(mixture.parameters) - bandwidth
    values, axes = np.linalg.eigh(covariances)
    factors = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    normal = rng.standard_normal((n_points, mixture.family.n_features))
    points = mixture.locations[atom]
    # Atoms come in order, each a run of points.
    for k, (start, stop) in enumerate(
        itertools.pairwise(np.searchsorted(atom, np.arange(len(factors) + 1)))
    ):
        points[start:stop] += normal[start:stop] @ factors[k].T
    return points


def draw_region_points(
    region: Region, bandwidth: np.ndarray, n_points: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw points (n_points, d) of a Gaussian with the rows' moments, less the bandwidth."""
    return region.mean + draw_gaussian(region.covariance - bandwidth, n_points, rng)


def draw_gaussian(covariance: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw centred Gaussian points (n_samples, d) of the covariance's positive part."""
    variances, axes = np.linalg.eigh(covariance)
    normal = rng.standard_normal((n_samples, len(variances)))
    return np.asarray((normal * np.sqrt(np.maximum(variances, 0.0))) @ axes.T)
