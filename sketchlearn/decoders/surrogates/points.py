"""Moving synthetic points until their sketch is the data's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sketchlearn._progress import begin
from sketchlearn._threads import on_one_blas_thread
from sketchlearn.decoders.decoder import Mixture
from sketchlearn.decoders.surrogates.matching import PointMatching, gauss_newton, quasi_newton
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch import Sketch

# A particle's variance, in parts of the operator's squared scale.
BLUR = 0.3
# Numbers in a sketch up to which moves are solved for, by a matrix of that size; beyond, more and
# cheaper moves are made for each.
MOST_NUMBERS, QUASI_MOVES = 4000, 5


@dataclass(frozen=True, eq=False)
class Cloud:
    """Equally weighted particles (n, d), each a Gaussian of covariance ``blur`` (d, d)."""

    points: np.ndarray
    blur: np.ndarray
    cost: float
    n_iter: int

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Points (n_samples, d): all particles equally often up to one, each with its blur."""
        times = -(-n_samples // len(self.points))
        chosen = np.concatenate([rng.permutation(len(self.points)) for _ in range(times)])
        return self.points[chosen[:n_samples]] + gaussian(self.blur, n_samples, rng)


@on_one_blas_thread
def move(
    sketch: Sketch,
    start: np.ndarray,
    blur: np.ndarray,
    max_iter: int,
    common_log_envelope: np.ndarray | float = 0.0,
) -> Cloud:
    r"""Move points from ``start`` (n, d) until the sketch of their blurred cloud is the data's.

    Minimises :math:`\sum_j |z_j - E_j \frac1n \sum_i e^{i \omega_j^T x_i}|^2` over all positions,
    with :math:`E_j = \exp(\gamma_j - \omega_j^T B \omega_j / 2)` for the blur B and
    :math:`\gamma` the log-envelope that an `AtomFamily` has in common. It goes on below the noise
    floor: stopping there leaves the points where the start put them.
    """
    begin(f"moving {len(start):,} points")
    matching = PointMatching(sketch, blur, common_log_envelope)
    points = matching.scaled(start)
    if len(matching.target) <= MOST_NUMBERS:
        points, cost, n_iter = gauss_newton(matching, points, max_iter)
    else:
        points, cost, n_iter = quasi_newton(matching, points, QUASI_MOVES * max_iter)
    return Cloud(matching.unscaled(points), blur, cost, n_iter)


def blur_covariance(operator: FrequencyOperator) -> np.ndarray:
    """Covariance (d, d) of a particle: isotropic, but no wider than the data in any direction."""
    variances, axes = np.linalg.eigh(operator.covariance)
    return BLUR * (axes * np.clip(variances, 0.0, operator.scale**2)) @ axes.T


def start_cloud(
    mixture: Mixture, blur: np.ndarray, n_points: int, widening: float, rng: np.random.Generator
) -> np.ndarray:
    """Points (n_points, d) of the mixture, its atoms' widths times ``widening``, less the blur."""
    operator = mixture.family.operator
    # Systematic sampling: every atom gets its share of points up to one.
    quantiles = (np.arange(n_points) + rng.random()) / n_points
    atom = np.searchsorted(np.cumsum(mixture.weights)[:-1], quantiles)
    covariances = widening**2 * mixture.family.covariance_matrices(mixture.parameters) - blur
    values, axes = np.linalg.eigh(covariances)
    factors = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    normal = rng.standard_normal((n_points, operator.n_features))
    points = mixture.locations[atom]
    # Atoms come in order, each a run of points.
    for k, (start, stop) in enumerate(
        itertools.pairwise(np.searchsorted(atom, np.arange(len(factors) + 1)))
    ):
        points[start:stop] += normal[start:stop] @ factors[k].T
    return points


def gaussian_cloud(
    operator: FrequencyOperator, blur: np.ndarray, n_points: int, rng: np.random.Generator
) -> np.ndarray:
    """Points (n_points, d) of a Gaussian with the pilot's mean and covariance, less the blur."""
    return operator.center + gaussian(operator.covariance - blur, n_points, rng)


def gaussian(covariance: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Centred Gaussian points (n_samples, d) of the covariance's positive part."""
    variances, axes = np.linalg.eigh(covariance)
    normal = rng.standard_normal((n_samples, len(variances)))
    return np.asarray((normal * np.sqrt(np.maximum(variances, 0.0))) @ axes.T)
