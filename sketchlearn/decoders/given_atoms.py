"""Atoms from elsewhere, matched to a sketch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights


@final
@dataclass(frozen=True, eq=False)
class GivenAtoms(Decoder):
    """Atoms of given moments, their weights solved for and all adjusted jointly.

    It looks for none, so that it takes a moment where others take long; where the given ones are
    wrong, its figures say so. `BestOf` goes on to decoders that look for them then.

    Parameters
    ----------
    locations : ndarray of shape (n_atoms, n_features)
        Means of the atoms.
    variances : ndarray of shape (n_atoms, n_features) or (n_atoms, n_features, n_features)
        Their variances along the features, or their covariances.
    max_iter : int, default=300
        Optimiser iterations.
    """

    locations: np.ndarray
    variances: np.ndarray
    max_iter: int = 300

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Adjust the given atoms; ValueError if another number is asked for than was given."""
        family, n_atoms = problem.family, problem.n_atoms
        if len(self.locations) != n_atoms:
            raise ValueError(
                f"expected the locations of n_atoms={n_atoms} atoms, got {len(self.locations)}"
            )
        locations = np.clip(self.locations, problem.region.lower, problem.region.upper)
        place = family.from_moments if self.variances.ndim == 2 else family.from_covariances
        start = solve_weights(problem, place(locations, self.variances))
        prior = REFINING.shape_precision * problem.noise / len(problem.target)
        fit = adjust(problem, start, shapes="free", max_iter=self.max_iter, prior=prior)
        return problem.make_mixture(fit)
