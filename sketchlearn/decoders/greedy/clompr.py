"""Compressive learning orthogonal matching pursuit with replacement (CL-OMPR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of
from sketchlearn.decoders.greedy.mode_seeking import Starts, modes, starting_points
from sketchlearn.decoders.refinement import (
    Fit,
    adjust,
    nonnegative_weights,
    residual_of,
    reweighted,
)
from sketchlearn.sketches.sketch import Sketch


@final
@dataclass(frozen=True)
class CLOMPR(Decoder):
    r"""Greedy decoder: 2 k rounds of *select, expand, threshold, reweight, adjust*.

    Each round adds the atom best correlated with the residual (select, expand), keeps the k atoms
    of largest weight when there are more (threshold), solves for the weights (reweight), and moves
    all atoms and weights together (adjust). Atoms keep the operator's scale as their shape until
    the end, when one shape that all share is fitted jointly: freeing it earlier lets one atom
    swallow the data.

    Parameters
    ----------
    starts : {"gaussian", "box"}, default="gaussian"
        Where modes are sought from; see `MeanShift`.
    n_starts : int, default=200
        Random starting points of each select.
    n_ascents : int, default=32
        Starts that climb, the best correlated ones.
    n_adjustments : int, default=15
        Optimiser iterations of each round's adjust.
    n_final_adjustments : int, default=300
        Optimiser iterations of the last adjust.
    tolerance : float, default=1e-6
        Relative decrease of the cost over ten iterations under which an adjust ends.

    References
    ----------
    Keriven, Bourrier, Gribonval and Perez, "Sketching for large-scale learning of mixture models",
    Information and Inference 7(3), 2018, algorithm 1. Keriven, Tremblay, Traonmilin and Gribonval,
    "Compressive K-means", ICASSP 2017, section 3.
    """

    starts: Starts = "gaussian"
    n_starts: int = 200
    n_ascents: int = 32
    n_adjustments: int = 15
    n_final_adjustments: int = 300
    tolerance: float = 1e-6

    # Products here are small, and threads of BLAS that wait for each other are slow on a busy
    # machine; with one, the result does not depend on their number either.
    @on_one_blas_thread
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        target = check_decodable(sketch, family, n_atoms)
        fit = Fit(np.empty(0), np.empty((0, len(family.bounds()[0]))), float(target @ target))
        for _ in range(2 * n_atoms):
            location = self.select(target, family, fit, rng)
            parameters = self.expand(family, fit, location)
            parameters = self.threshold(target, family, parameters, n_atoms)
            fit = self.reweight(target, family, parameters, fit.n_iter)
            fit = self.adjust(target, family, fit)
        fit = adjust(
            target,
            family,
            fit,
            shapes="shared",
            max_iter=self.n_final_adjustments,
            tolerance=self.tolerance,
        )
        return mixture_of(sketch, family, fit)

    def select(
        self, target: np.ndarray, family: AtomFamily, fit: Fit, rng: np.random.Generator
    ) -> np.ndarray:
        """Location (d,) of the atom best correlated with what the current atoms leave."""
        residual = target
        if len(fit.weights):
            residual = residual_of(target, fit.weights, family.sketch(fit.parameters))
        points = starting_points(family, self.starts, self.n_starts, rng)
        return modes(family, family.default_shape(), residual, points, self.n_ascents)[0]

    def expand(self, family: AtomFamily, fit: Fit, location: np.ndarray) -> np.ndarray:
        """The parameters with the new atom appended."""
        return np.vstack([fit.parameters, family.at(location[None])])

    def threshold(
        self, target: np.ndarray, family: AtomFamily, parameters: np.ndarray, n_atoms: int
    ) -> np.ndarray:
        """Keep the ``n_atoms`` atoms of largest weight on normalised sketches."""
        if len(parameters) <= n_atoms:
            return parameters
        atoms = family.sketch(parameters)
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        weights = nonnegative_weights(target, atoms / norms)
        kept = np.argsort(-weights, kind="stable")[:n_atoms]
        return parameters[np.sort(kept)]

    def reweight(
        self, target: np.ndarray, family: AtomFamily, parameters: np.ndarray, n_iter: int
    ) -> Fit:
        """Non-negative least squares for the weights alone."""
        fit = reweighted(target, family, parameters)
        return Fit(fit.weights, fit.parameters, fit.cost, n_iter)

    def adjust(self, target: np.ndarray, family: AtomFamily, fit: Fit) -> Fit:
        """Move weights and locations jointly, shapes fixed."""
        return adjust(
            target,
            family,
            fit,
            shapes="fixed",
            max_iter=self.n_adjustments,
            tolerance=self.tolerance,
        )
