"""Compressive learning orthogonal matching pursuit with replacement (CL-OMPR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mode_seeking import Starts, draw_starts, find_modes
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import adjust, solve_nonnegative, solve_weights


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

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Go through the rounds, then fit the shape."""
        fit = problem.start_empty()
        for _ in range(2 * problem.n_atoms):
            location = self.select(problem, fit, rng)
            parameters = self.expand(problem.family, fit, location)
            parameters = self.threshold(problem, parameters)
            fit = solve_weights(problem, parameters, n_iter=fit.n_iter)
            fit = self.adjust(problem, fit)
        fit = adjust(
            problem,
            fit,
            shapes="shared",
            max_iter=self.n_final_adjustments,
            tolerance=self.tolerance,
        )
        return problem.make_mixture(fit)

    def select(self, problem: Problem, fit: Fit, rng: np.random.Generator) -> np.ndarray:
        """Return the location (d,) of the atom best correlated with what the current ones leave."""
        family, residual = problem.family, problem.target
        if len(fit.weights):
            residual = problem.compute_residual(fit.weights, family.sketch(fit.parameters))
        points = draw_starts(problem.region, self.starts, self.n_starts, rng)
        return find_modes(problem, family.default_shape(), residual, points, self.n_ascents)[0]

    def expand(self, family: AtomFamily, fit: Fit, location: np.ndarray) -> np.ndarray:
        """Return the parameters with the new atom appended."""
        return np.vstack([fit.parameters, family.at(location[None])])

    def threshold(self, problem: Problem, parameters: np.ndarray) -> np.ndarray:
        """Keep as many atoms as are asked for, those of largest weight on normalised sketches."""
        if len(parameters) <= problem.n_atoms:
            return parameters
        atoms = problem.family.sketch(parameters)
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        weights = solve_nonnegative(problem.target, atoms / norms)
        kept = np.argsort(-weights, kind="stable")[: problem.n_atoms]
        return parameters[np.sort(kept)]

    def adjust(self, problem: Problem, fit: Fit) -> Fit:
        """Move weights and locations jointly, shapes fixed."""
        return adjust(
            problem,
            fit,
            shapes="fixed",
            max_iter=self.n_adjustments,
            tolerance=self.tolerance,
        )
