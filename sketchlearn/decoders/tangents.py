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

    @property
    def norms(self) -> np.ndarray:
        """Lengths of the directions, (k (1 + p), 1)."""
        squares = np.einsum("pj,pj->p", self.directions, self.directions, dtype=np.float64)
        return np.maximum(np.sqrt(squares)[:, None], 1e-30)

    @cached_property
    def gram(self) -> np.ndarray:
        """Inner products of the directions, float64."""
        gram = np.zeros((len(self.directions), len(self.directions)))
        for start in range(0, self.directions.shape[1], BLOCK):
            block = self.directions[:, start : start + BLOCK].astype(np.float64)
            gram += block @ block.T
        return gram

    @property
    def shape_steps(self) -> np.ndarray:
        """What a direction is of one in a shape, (k (1 + p),): 0 of weights and locations."""
        steps = np.zeros(len(self.directions))
        steps[len(self.weights) * (1 + self.family.n_features) :] = 2.0 * STEP
        return steps

    def solve(self, slopes: np.ndarray, prior: float = 0.0) -> np.ndarray:
        """Return how numbers of slopes (k (1 + p), q) change with what sketches have of directions.

        A prior, see `adjust`, holds shapes.
        """
        gram = self.gram + np.diag(prior * self.shape_steps**2)
        norms = np.maximum(np.sqrt(np.diag(gram))[:, None], 1e-30)
        gram /= norms * norms.T
        gram[np.diag_indices_from(gram)] += RIDGE
        factor = cho_factor(gram, overwrite_a=True)
        return np.asarray(cho_solve(factor, slopes / norms) / norms)

    def correlate(self, waves: np.ndarray) -> np.ndarray:
        """Return what waves (n, 2 m) have of the directions, (k (1 + p), n)."""
        return self.directions @ waves.T.astype(np.float32)


def draw_rows(mixture: Mixture, rng: np.random.Generator, n: int = N_DRAWN) -> np.ndarray:
    """Return rows (n, d) drawn of a mixture."""
    family, d = mixture.family, mixture.family.n_features
    values, axes = np.linalg.eigh(family.covariance_matrices(mixture.parameters))
    factors = axes * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    atom = rng.choice(len(mixture.weights), size=n, p=mixture.weights)
    apart = np.einsum("nij,nj->ni", factors[atom], rng.standard_normal((n, d)))
    return np.asarray(mixture.locations[atom] + apart)


def compute_waves(mixture: Mixture, rows: np.ndarray) -> np.ndarray:
    """Return the centred waves (n, 2 m) of rows (n, d)."""
    family = mixture.family
    even = np.ones((1, family.operator.n_frequencies), dtype=np.float32)
    waves = family.waves(rows, even).astype(np.float64)
    return waves - waves.mean(axis=0)
