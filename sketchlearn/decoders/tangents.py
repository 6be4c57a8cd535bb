"""How a mixture's sketch moves with its parameters, and rows and waves that are drawn of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.mixture import Mixture

# Rows that are drawn of the mixture: their noise is known to some five per cent then.
N_DRAWN = 500
# Added to the Gram matrix of the tangents, which are of norm one: parameters may be alike.
RIDGE = 1e-12
# Step of the differences that tangents are taken by: of an atom's deviation, and of a shape.
STEP = 1e-2
# Numbers of the sketch that are taken at a time: all of them in float64 would need twice the room.
BLOCK = 500


@final
@dataclass(frozen=True)
class Tangents:
    """Directions in which a mixture's parameters move its sketch.

    Attributes
    ----------
    family : AtomFamily
        Of the atoms.
    weights : ndarray of shape (k,)
        Of the atoms that have any.
    parameters : ndarray of shape (k, p)
        Theirs.
    directions : ndarray of shape (k (1 + p), 2 m)
        What a step changes, float32; of the weights, which come first, their own share.
    """

    family: AtomFamily
    weights: np.ndarray
    parameters: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, mixture: Mixture, most_numbers: float) -> Self | None:
        """Return a mixture's, by differences; None where they have more numbers than that."""
        is_used = mixture.weights > 0.0
        weights, given = mixture.weights[is_used], mixture.parameters[is_used]
        family, k = mixture.family, len(given)
        if 2 * given.size * family.operator.n_frequencies > most_numbers:
            return None
        shape = (k * (1 + given.shape[1]), 2 * family.operator.n_frequencies)
        found = cls(family, weights, given, np.empty(shape, np.float32))

        def sketch(parameters: np.ndarray) -> np.ndarray:
            return weights[:, None] * family.sketch(parameters)

        found.directions[:k] = sketch(given)
        for j, moved in enumerate(found.differentiate(sketch), start=1):
            found.directions[j * k : (j + 1) * k] = moved
        return found

    def differentiate(self, function: Callable[[np.ndarray], np.ndarray]) -> Iterator[np.ndarray]:
        """Yield what steps of the parameters, one after another, change of a function of them."""
        d = self.family.n_features
        widths = np.sqrt(self.family.covariances(self.parameters).mean(axis=1))
        # Atoms may have no width; steps then are parts of the scale.
        widths = np.maximum(widths, STEP * self.family.operator.scale)
        for j in range(self.parameters.shape[1]):
            step = np.zeros(self.parameters.shape)
            step[:, j] = STEP * widths if j < d else STEP
            yield function(self.parameters + step) - function(self.parameters - step)

    @cached_property
    def norms(self) -> np.ndarray:
        """Lengths of the directions, (k (1 + p), 1)."""
        squares = sum(np.sum(np.square(block), axis=1) for block in self._read_blocks())
        return np.maximum(np.sqrt(squares)[:, None], 1e-30)

    def project(self, slopes: np.ndarray) -> np.ndarray:
        """Return how numbers of slopes (k (1 + p), q) change with the sketch, (q, 2 m)."""
        gram = np.zeros((len(slopes), len(slopes)))
        for block in self._read_blocks():
            directions = block / self.norms
            gram += directions @ directions.T
        gram[np.diag_indices_from(gram)] += RIDGE
        factor = cho_factor(gram, overwrite_a=True)
        shares = (cho_solve(factor, slopes / self.norms) / self.norms).T
        return np.hstack([shares @ block for block in self._read_blocks()])

    def _read_blocks(self) -> Iterator[np.ndarray]:
        """Yield the directions in float64, some numbers of the sketch at a time."""
        for start in range(0, self.directions.shape[1], BLOCK):
            yield self.directions[:, start : start + BLOCK].astype(np.float64)


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
