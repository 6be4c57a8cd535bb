"""Moving synthetic points until their sketch is the data's."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from sketchlearn._kernels.atoms import add_waves, rotate_in_place
from sketchlearn.decoders.decoder import Mixture
from sketchlearn.decoders.lbfgs import minimise
from sketchlearn.decoders.progress import begin
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching import Sketch

# A particle's variance, in parts of the operator's squared scale.
BLUR = 0.3
# Particles whose phases are kept at a time.
BLOCK = 256
# Largest first move of a particle, in parts of the scale.
FIRST_MOVE = 0.2


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


@threadpool_limits.wrap(limits=1, user_api="blas")
def move(sketch: Sketch, start: np.ndarray, blur: np.ndarray, max_iter: int) -> Cloud:
    r"""Move points from ``start`` (n, d) until the sketch of their blurred cloud is the data's.

    Minimises :math:`\sum_j |z_j - E_j \frac1n \sum_i e^{i \omega_j^T x_i}|^2` over all positions,
    with :math:`E_j = \exp(-\omega_j^T B \omega_j / 2)` for the blur B. It goes on below the noise
    floor: stopping there leaves the points where the start put them.
    """
    begin(f"moving {len(start):,} points")
    matching = _Matching(sketch, blur, len(start))
    unbounded = np.full(start.size, np.inf)
    end = minimise(
        matching,
        matching.packed(start),
        -unbounded,
        unbounded,
        max_iter=max_iter,
        tolerance=0.0,
        first_step=FIRST_MOVE / matching.unit,
    )
    return Cloud(matching.unpacked(end.x), blur, end.cost, end.n_iter)


class _Matching:
    """The cost of `move` and its gradient, in variables of about unit curvature."""

    def __init__(self, sketch: Sketch, blur: np.ndarray, n_points: int) -> None:
        operator = sketch.operator
        frequencies = operator.frequencies
        mean = sketch.centered_mean
        self.operator = operator
        self.target = np.concatenate([mean.real, mean.imag])
        envelope = np.exp(-0.5 * np.einsum("lj,lj->j", frequencies, blur @ frequencies))
        self.envelope = np.concatenate([envelope, envelope])
        self.shape = (n_points, operator.n_features)
        # Positions are in units of the scale.
        self.turns = (frequencies * (operator.scale / (2 * np.pi))).astype(np.float32)
        self.back = np.ascontiguousarray((frequencies * operator.scale).T, dtype=np.float32)
        self.buffer = np.empty((BLOCK, operator.n_frequencies), dtype=np.float32)
        slope = float(envelope**2 @ np.sum(self.back**2, axis=1)) / operator.n_features
        self.unit = n_points / np.sqrt(2.0 * max(slope, 1e-30))

    def packed(self, points: np.ndarray) -> np.ndarray:
        """Variables of points in data coordinates."""
        centred = (points - self.operator.center) / (self.operator.scale * self.unit)
        return np.asarray(centred.ravel())

    def unpacked(self, x: np.ndarray) -> np.ndarray:
        """Points in data coordinates."""
        return x.reshape(self.shape) * (self.unit * self.operator.scale) + self.operator.center

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        points = (x.reshape(self.shape) * self.unit).astype(np.float32)
        n = len(points)
        sums = np.zeros(len(self.target))
        for start in range(0, n, BLOCK):
            partial = np.zeros(len(self.target), dtype=np.float32)
            add_waves(self._phases(points[start : start + BLOCK]), partial)
            sums += partial
        residual = self.target - self.envelope * sums / n
        pull = (self.envelope * residual * (2.0 * self.unit / n)).astype(np.float32)
        gradient = np.empty(self.shape)
        for start in range(0, n, BLOCK):
            phases = self._phases(points[start : start + BLOCK])
            rotate_in_place(phases, pull)
            gradient[start : start + BLOCK] = phases @ self.back
        return float(residual @ residual), gradient.ravel()

    def _phases(self, points: np.ndarray) -> np.ndarray:
        """Phases of a block of points in turns, in the buffer."""
        return np.matmul(points, self.turns, out=self.buffer[: len(points)])


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
