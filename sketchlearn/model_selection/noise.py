"""How a sketch's noise is correlated, and its numbers made independent of one another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.linalg import cholesky
from scipy.linalg.blas import dtrmm
from scipy.linalg.lapack import dtrtri

from sketchlearn.points.em import Moments
from sketchlearn.sketches.sketch_like import SketchLike

# Rows whose worth of variance is added to every number: what fewer rows than that would move is no
# evidence, since a sum of so few terms is not Gaussian. At the least a share of one row's variance.
LEAST_ROWS, LEAST_SHARE = 3.0, 1e-6


@dataclass(frozen=True, eq=False)
class ChosenWaves:
    """Some of a sketch's waves: their frequencies, as a matrix.

    Attributes
    ----------
    vectors : ndarray of shape (d, m)
        The frequencies, radians per unit of the coordinates in which components are sought.
    center : ndarray of shape (d,)
        Where phases are zero.
    blur : ndarray of shape (m, m) or float
        What all components have in common, as quadratic forms of two frequencies: the covariance
        off the axes, where components are sought along some only.
    """

    vectors: np.ndarray
    center: np.ndarray
    blur: np.ndarray | float = 0.0

    @cached_property
    def products(self) -> np.ndarray:
        """Products of two coordinates of each frequency, (d d, m): what quadratic forms are of."""
        d, m = self.vectors.shape
        return np.asarray((self.vectors[:, None] * self.vectors).reshape(d * d, m))

    def compute_atoms(self, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Return the components' characteristic functions, complex (k, m)."""
        squares = covariances.reshape(len(covariances), len(self.products)) @ self.products
        if isinstance(self.blur, np.ndarray):
            squares = squares + np.diag(self.blur)
        phases = (means - self.center) @ self.vectors
        return np.asarray(np.exp(-0.5 * squares + 1j * phases))

    def compute_covariance(self, mixture: Moments) -> np.ndarray:
        r"""Return the covariance of one row's cosines and sines, (2 m, 2 m), cosines first.

        With :math:`\varphi` the characteristic function of the mixture,
        :math:`E \cos_a \cos_b = \tfrac12 \operatorname{Re}(\varphi(\omega_a - \omega_b) +
        \varphi(\omega_a + \omega_b))`, and likewise for the others.
        """
        m = self.vectors.shape[1]
        minus, plus = np.zeros((2, m, m), dtype=complex)
        for weight, mean, matrix in zip(*mixture, strict=True):
            products = self.vectors.T @ matrix @ self.vectors + self.blur
            halves = 0.5 * np.diag(products)
            apart = -(halves[:, None] + halves)
            phases = np.exp(1j * (mean - self.center) @ self.vectors)
            minus += weight * np.exp(apart + products) * np.outer(phases, phases.conj())
            plus += weight * np.exp(apart - products) * np.outer(phases, phases)
        z = mixture.weights @ self.compute_atoms(mixture.means, mixture.covariances)
        z = np.concatenate([z.real, z.imag])
        mixed = (plus - minus).imag / 2
        second = np.block([[(minus + plus).real / 2, mixed], [mixed.T, (minus - plus).real / 2]])
        return np.asarray(second - np.outer(z, z))


@dataclass(frozen=True, eq=False)
class WhitenedSketch:
    r"""A sketch's numbers divided by the root of their noise's covariance.

    The right mixture leaves independent errors of unit variance, whose squares sum to a
    :math:`\chi^2`; among all weightings of the numbers this one finds wrong mixtures most surely,
    and minimising the sum is nearly as good as likelihood on the rows. The last number says that
    weights sum to one.

    Source: Hansen, "Large sample properties of generalized method of moments estimators",
    Econometrica 50(4), 1982, theorem 3.2; Feuerverger and McDunnough, "On the efficiency of
    empirical characteristic function procedures", JRSS B 43(1), 1981.

    Attributes
    ----------
    waves : ChosenWaves
        The frequencies.
    root : ndarray of shape (2 m, 2 m)
        Inverse of the Cholesky factor of the noise's covariance: numbers times it are independent.
    target : ndarray of shape (2 m + 1,)
        The whitened numbers.
    n_rows : float
        Effective number of rows.
    n_numbers : float
        To how many independent ones they amount: those whose noise is no more than what was added
        to it count less than one.
    """

    waves: ChosenWaves
    root: np.ndarray
    target: np.ndarray
    n_rows: float
    n_numbers: float

    @classmethod
    def of(
        cls, sketch: SketchLike, waves: ChosenWaves, chosen: np.ndarray, mixture: Moments
    ) -> Self:
        """Return the numbers of the chosen frequencies, noise being that of rows of a mixture.

        Whatever the sketch's error is beyond it, of coarse features or of a private release, is the
        same for all numbers.
        """
        n_rows, m = sketch.n_effective, sketch.n_frequencies
        mixture = mixture._replace(weights=mixture.weights / mixture.weights.sum())
        total = sketch.standard_error**2 * len(chosen) / m
        covariance = waves.compute_covariance(mixture) / n_rows
        n = len(covariance)
        beyond = max(0.0, total - float(np.trace(covariance))) / n
        covariance[np.diag_indices(n)] += beyond
        added = max(LEAST_ROWS / n_rows, LEAST_SHARE) / n_rows
        covariance[np.diag_indices(n)] += added
        factor = cholesky(covariance, lower=True)
        inverse, _ = dtrtri(factor, lower=True)
        z = sketch.centered_mean[chosen]
        target = inverse @ np.concatenate([z.real, z.imag])
        return cls(
            waves=waves,
            root=np.asfortranarray(inverse),
            target=np.append(target, n_rows),
            n_rows=n_rows,
            n_numbers=n - added * float(np.sum(inverse**2)),
        )

    def whiten(self, columns: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Return complex columns (m, p) as (2 m + 1, p), ``total`` (p,) their sum of weights."""
        m = len(columns)
        stacked = np.empty((2 * m, columns.shape[1]), order="F")
        stacked[:m], stacked[m:] = columns.real, columns.imag
        white = dtrmm(1.0, self.root, stacked, lower=True, overwrite_b=True)
        return np.vstack([white, self.n_rows * total])

    def add_noise(self, rng: np.random.Generator) -> WhitenedSketch:
        """Return the numbers with another draw of their noise, which is of unit variance here."""
        noise = rng.standard_normal(len(self.target) - 1)
        return replace(self, target=self.target + np.append(noise, 0.0))

    def compute(self, mixture: Moments) -> np.ndarray:
        """Return a mixture's whitened numbers, (2 m + 1,)."""
        wave = mixture.weights @ self.waves.compute_atoms(mixture.means, mixture.covariances)
        return self.whiten(wave[:, None], np.sum(mixture.weights, keepdims=True))[:, 0]

    def compute_residual(self, mixture: Moments) -> np.ndarray:
        """Return what a mixture leaves of the target, (2 m + 1,)."""
        return self.target - self.compute(mixture)
