"""How a mixture's sketch moves with its parameters, and rows and waves that are drawn of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.decoders.mixture import Mixture

# Rows that are drawn of the mixture: their noise is known to some five per cent then.
N_DRAWN = 500
# Added to the Gram matrix of the tangents, which are of norm one: parameters may be alike.
RIDGE = 1e-12
# Step of the differences that tangents are taken by: of an atom's deviation, and of a shape.
STEP = 1e-2


@final
@dataclass(frozen=True)
class Tangents:
    """Directions in which a mixture's parameters move its sketch.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Of the atoms that have any.
    parameters : list of ndarray of shape (k, p)
        Those of the atoms, and with each in turn a step more and a step less.
    covariances : list of ndarray of shape (k, d, d)
        Of all these.
    directions : ndarray of shape (k (1 + p), 2 m)
        What a step changes; of the weights, which come first, their own share.
    """

    weights: np.ndarray
    parameters: list[np.ndarray]
    covariances: list[np.ndarray]
    directions: np.ndarray

    @classmethod
    def of(cls, mixture: Mixture, most_numbers: float) -> Self | None:
        """Return a mixture's, by differences; None where they have more numbers than that."""
        is_used = mixture.weights > 0.0
        weights, given = mixture.weights[is_used], mixture.parameters[is_used]
        family, d = mixture.family, mixture.family.n_features
        if 2 * given.size * family.operator.n_frequencies > most_numbers:
            return None
        own = family.covariance_matrices(given)
        widths = np.sqrt(np.diagonal(own, axis1=1, axis2=2).mean(axis=1))
        # Atoms may have no width; steps then are parts of the scale.
        widths = np.maximum(widths, STEP * family.operator.scale)
        parameters = [given]
        for j in range(given.shape[1]):
            step = np.zeros(given.shape)
            step[:, j] = STEP * widths if j < d else STEP
            parameters += [given + step, given - step]
        sketches = [family.sketch(each).astype(np.float64) for each in parameters]
        moved = [
            after - before for after, before in zip(sketches[1::2], sketches[2::2], strict=True)
        ]
        directions = np.concatenate([weights[:, None] * each for each in (sketches[0], *moved)])
        covariances = [own, *map(family.covariance_matrices, parameters[1:])]
        return cls(weights, parameters, covariances, directions)

    @property
    def norms(self) -> np.ndarray:
        """Lengths of the directions, (k (1 + p), 1)."""
        return np.maximum(np.linalg.norm(self.directions, axis=1, keepdims=True), 1e-30)

    def project(self, slopes: np.ndarray) -> np.ndarray:
        """Return how numbers of slopes (k (1 + p), q) change with the sketch, (q, 2 m)."""
        directions = self.directions / self.norms
        gram = directions @ directions.T
        gram[np.diag_indices_from(gram)] += RIDGE
        return np.asarray((slopes / self.norms).T @ cho_solve(cho_factor(gram), directions))


def draw_rows(mixture: Mixture, rng: np.random.Generator) -> np.ndarray:
    """Return rows (n, d) drawn of a mixture."""
    family, d = mixture.family, mixture.family.n_features
    values, axes = np.linalg.eigh(family.covariance_matrices(mixture.parameters))
    factors = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    atom = rng.choice(len(mixture.weights), size=N_DRAWN, p=mixture.weights)
    apart = np.einsum("nij,nj->ni", factors[atom], rng.standard_normal((N_DRAWN, d)))
    return np.asarray(mixture.locations[atom] + apart)


def compute_waves(mixture: Mixture, rows: np.ndarray) -> np.ndarray:
    """Return the centred waves (n, 2 m) of rows (n, d)."""
    family = mixture.family
    even = np.ones((1, family.operator.n_frequencies), dtype=np.float32)
    waves = family.waves(rows, even).astype(np.float64)
    return waves - waves.mean(axis=0)
