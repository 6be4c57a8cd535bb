"""A decoder of one's own: weights on random points, the heaviest of which are refined."""

from dataclasses import dataclass

import numpy as np

from sketchlearn.decoders import Decoder, adjust, solve_weights


@dataclass(frozen=True)
class RandomGrid(Decoder):
    """Non-negative least squares on atoms at random points of the box; the best of some starts.

    Parameters
    ----------
    n_points : int, default=400
        Points of each start.
    n_starts : int, default=8
        Starts.
    """

    n_points: int = 400
    n_starts: int = 8

    def _decode(self, problem, rng):
        fits = [self.refine(problem, rng) for _ in range(self.n_starts)]
        return problem.make_mixture(min(fits, key=lambda fit: fit.cost))

    def refine(self, problem, rng):
        """Keep the heaviest atoms, far from each other while there are such, and adjust."""
        family, operator = problem.family, problem.family.operator
        points = problem.region.draw_everywhere(self.n_points, rng)
        kept, order = [], np.argsort(-solve_weights(problem, family.at(points)).weights)
        for least in (4.0 * operator.scale, 0.0):
            for i in order:
                is_far = all(np.linalg.norm(points[i] - points[j]) > least for j in kept)
                if is_far and len(kept) < problem.n_atoms:
                    kept.append(i)
        fit = solve_weights(problem, family.at(points[kept]))
        fit = adjust(problem, fit, shapes="fixed", max_iter=100)
        return adjust(problem, fit, shapes="free", max_iter=100)
