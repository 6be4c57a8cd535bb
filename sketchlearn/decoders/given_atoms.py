"""Atoms from elsewhere, matched to a sketch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of
from sketchlearn.decoders.greedy.mean_shift import SHAPE_PRECISION
from sketchlearn.decoders.refinement import adjust, reweighted
from sketchlearn.sketches.sketch import Sketch


@final
@dataclass(frozen=True, eq=False)
class GivenAtoms(Decoder):
    """Atoms of given moments, their weights solved for and all adjusted jointly.

    It looks for none, so that it takes a moment where others take long; where the given ones are
    wrong, its figures say so. `BestOf` goes on to decoders that look for them then.

    Parameters
    ----------
    locations, variances : ndarray of shape (n_atoms, n_features)
        Means of the atoms, and their variances along the features.
    max_iter : int, default=300
        Optimiser iterations.
    """

    locations: np.ndarray
    variances: np.ndarray
    max_iter: int = 300

    @on_one_blas_thread
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Adjust the ``n_atoms`` atoms; see `Decoder.decode`.

        Raises
        ------
        ValueError
            Also if another number of atoms is asked for than was given.
        """
        target = check_decodable(sketch, family, n_atoms)
        if len(self.locations) != n_atoms:
            raise ValueError(
                f"expected the locations of n_atoms={n_atoms} atoms, got {len(self.locations)}"
            )
        lower, upper = family.operator.lower, family.operator.upper
        locations = np.clip(self.locations, lower, upper)
        start = reweighted(target, family, family.from_moments(locations, self.variances))
        prior = SHAPE_PRECISION * sketch.standard_error**2 / len(target)
        fit = adjust(target, family, start, shapes="free", max_iter=self.max_iter, prior=prior)
        return mixture_of(sketch, family, fit)
