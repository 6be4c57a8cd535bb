"""Synthetic points whose sketch is the data's, and k-means on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sketchlearn._kernels.atoms import add_waves, rotate_in_place
from sketchlearn.decoders.decoder import Mixture
from sketchlearn.decoders.lbfgs import minimise
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketching import Sketch

# Each particle stands for a Gaussian of this share of the operator's squared scale.
BLUR = 0.3
BLOCK = 256


@dataclass(frozen=True)
class Cloud:
    """Equally weighted particles (n, d), each blurred by a Gaussian of covariance `blur`."""

    points: np.ndarray
    blur: np.ndarray
    cost: float
    n_iter: int

    def draw(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Points (n_samples, d): every particle equally often, then its blur."""
        times = -(-n_samples // len(self.points))
        chosen = np.concatenate([rng.permutation(len(self.points)) for _ in range(times)])
        noise = rng.multivariate_normal(
            np.zeros(len(self.blur)), self.blur, size=n_samples, method="eigh"
        )
        return self.points[chosen[:n_samples]] + noise


class _Matching:
    r"""Cost :math:`\sum_j |z_j - E_j \frac1n \sum_i e^{i \omega_j^T x_i}|^2` and its gradient."""

    def __init__(self, sketch: Sketch, blur: np.ndarray, n_points: int) -> None:
        operator = sketch.operator
        frequencies = operator.frequencies
        mean = sketch.centered_mean
        self.target = np.concatenate([mean.real, mean.imag])
        envelope = np.exp(-0.5 * np.einsum("lj,lj->j", frequencies, blur @ frequencies))
        self.envelope = np.concatenate([envelope, envelope])
        self.shape = (n_points, operator.n_features)
        # Positions are in units of the scale.
        self.turns = (frequencies * (operator.scale / (2 * np.pi))).astype(np.float32)
        self.back = np.ascontiguousarray((frequencies * operator.scale).T, dtype=np.float32)
        self.buffer = np.empty((BLOCK, operator.n_frequencies), dtype=np.float32)

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        points = x.reshape(self.shape).astype(np.float32)
        n = len(points)
        sums = np.zeros(len(self.target))
        for start in range(0, n, BLOCK):
            partial = np.zeros(len(self.target), dtype=np.float32)
            add_waves(self._phases(points[start : start + BLOCK]), partial)
            sums += partial
        residual = self.target - self.envelope * sums / n
        weighted = (self.envelope * residual * (2.0 / n)).astype(np.float32)
        gradient = np.empty(self.shape)
        for start in range(0, n, BLOCK):
            phases = self._phases(points[start : start + BLOCK])
            rotate_in_place(phases, weighted)
            gradient[start : start + BLOCK] = phases @ self.back
        return float(residual @ residual), gradient.ravel()

    def _phases(self, points: np.ndarray) -> np.ndarray:
        """Phases of a block of points, in turns, in the buffer."""
        return np.matmul(points, self.turns, out=self.buffer[: len(points)])


def match(sketch: Sketch, start: np.ndarray, blur: np.ndarray, max_iter: int = 100) -> Cloud:
    """Move points from ``start`` (n, d) until their blurred sketch is the data's."""
    operator = sketch.operator
    matching = _Matching(sketch, blur, len(start))
    # Equal particles have equal curvature; this makes it about 1.
    power = (matching.envelope[: operator.n_frequencies] ** 2) @ np.sum(matching.back**2, axis=1)
    unit = len(start) / np.sqrt(2.0 * power / operator.n_features)
    x = ((start - operator.center) / operator.scale).ravel()

    def scaled(y: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = matching(y * unit)
        return cost, gradient * unit

    end = minimise(
        scaled,
        x / unit,
        np.full(x.size, -np.inf),
        np.full(x.size, np.inf),
        max_iter=max_iter,
        tolerance=0.0,
        first_step=0.2 / unit,
    )
    points = (end.x * unit).reshape(start.shape) * operator.scale + operator.center
    return Cloud(points, blur, end.cost, end.n_iter)


def blur_covariance(operator: FrequencyOperator) -> np.ndarray:
    """Covariance (d, d) of a particle: isotropic, but never wider than the data in a direction."""
    variances, axes = np.linalg.eigh(operator.covariance)
    return BLUR * (axes * np.clip(variances, 0.0, operator.scale**2)) @ axes.T


def starting_cloud(
    mixture: Mixture,
    blur: np.ndarray,
    n_points: int,
    gaussian_share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Points (n_points, d) sampled from the mixture, a share of them from one wide Gaussian."""
    operator = mixture.family.operator
    n_gaussian = int(gaussian_share * n_points)
    wide = rng.multivariate_normal(
        operator.center, _positive_part(operator.covariance - blur), size=n_gaussian, method="eigh"
    )
    wide = np.clip(wide, operator.lower, operator.upper)
    n_mixture = n_points - n_gaussian
    shares = np.cumsum(mixture.weights) / mixture.weights.sum()
    index = np.searchsorted(shares, (np.arange(n_mixture) + rng.random()) / n_mixture)
    index = np.minimum(index, len(shares) - 1)
    variances = np.maximum(mixture.covariances - BLUR * operator.scale**2, 0.0)
    narrow = mixture.locations[index] + rng.standard_normal(
        (n_mixture, operator.n_features)
    ) * np.sqrt(variances[index])
    return np.vstack([narrow, wide])


def _positive_part(symmetric: np.ndarray) -> np.ndarray:
    """Nearest positive semi-definite matrix."""
    values, axes = np.linalg.eigh(symmetric)
    return (axes * np.maximum(values, 0.0)) @ axes.T
