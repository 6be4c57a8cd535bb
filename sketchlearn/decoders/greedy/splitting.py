"""Hierarchical splitting: one atom becomes two, then four, until there are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.pruning import drop_least_important
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import adjust, solve_weights
from sketchlearn.decoders.surrogates.points import draw_gaussian


@final
@dataclass(frozen=True)
class Splitting(Decoder):
    r"""Fit one wide atom; split all in two, adjust, and so on; prune to the number asked for.

    An atom of covariance S splits into two of half its weight at :math:`\mu \pm S^{1/2} u`, u the
    direction of its largest variance where one stands out, else a random direction in which the
    data is wide. There are about log2 k rounds of joint adjustment in place of the k of a greedy
    decoder, which is why it is meant for many atoms. It needs no starting points, so it finds the
    clusters that random starts miss; but as no atom is wider than five times the operator's scale,
    it does not see clusters that lie farther from all others, which a greedy decoder does.

    Parameters
    ----------
    n_adjustments : int, default=60
        Optimiser iterations after each split and each pruning.
    n_final_adjustments : int, default=300
        Optimiser iterations of the last adjustment.

    References
    ----------
    Keriven, Bourrier, Gribonval and Perez, "Sketching for large-scale learning of mixture models",
    Information and Inference 7(3), 2018, algorithm 2.
    """

    n_adjustments: int = 60
    n_final_adjustments: int = 300

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Split until there are enough, and prune."""
        family, region = problem.family, problem.region
        spread = region.variances
        fit = solve_weights(problem, family.from_moments(region.mean[None], spread[None]))
        while len(fit.weights) < problem.n_atoms:
            fit = self.split(problem, fit, rng)
            fit = adjust(problem, fit, shapes="free", max_iter=self.n_adjustments)
        fit = drop_least_important(problem, fit, len(fit.weights) - problem.n_atoms)
        fit = adjust(problem, fit, shapes="free", max_iter=self.n_final_adjustments)
        return problem.make_mixture(fit)

    def split(self, problem: Problem, fit: Fit, rng: np.random.Generator) -> Fit:
        """Replace every atom by two, and solve for their weights."""
        family = problem.family
        variances = family.covariances(fit.parameters)
        locations, shapes = family.split(fit.parameters)
        steps = np.sqrt(variances) * self._draw_directions(problem, variances, rng)
        lower, upper = problem.region.lower, problem.region.upper
        pairs = [np.clip(locations + sign * steps, lower, upper) for sign in (1.0, -1.0)]
        halves = np.vstack([np.hstack([pair, shapes]) for pair in pairs])
        return solve_weights(problem, halves, n_iter=fit.n_iter)

    def _draw_directions(
        self, problem: Problem, variances: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Return unit directions (k, d): each atom's widest axis, or a random one of the data's."""
        random = draw_gaussian(problem.region.covariance, len(variances), rng)
        random /= np.maximum(np.linalg.norm(random, axis=1, keepdims=True), 1e-300)
        widest = np.eye(variances.shape[1])[np.argmax(variances, axis=1)]
        stands_out = np.ptp(variances, axis=1) > 1e-6 * variances.max(axis=1)
        return np.where(stands_out[:, None], widest, random)
