"""Coarse features' overtones, taken off a sketch before it is decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights


def clear_overtones(problem: Problem, rng: np.random.Generator) -> Problem:
    r"""Return the problem without what its features add to waves: their overtones.

    Signs of waves estimate :math:`\varphi(\omega)` and, beside it, some of the characteristic
    function at odd multiples of the frequency, see `FeatureMap.overtones`. Noise of that kind does
    not become less with more rows. A mixture that is decoded in spite of it tells the
    characteristic function at these multiples, what they add is taken off, and the mixture is
    adjusted, in turns.

    Parameters
    ----------
    problem : Problem
        As of a sketch; returned as it is where its features have no overtones.
    rng : numpy.random.Generator
        Where the first decode's randomness comes from.
    """
    if not problem.family.operator.features.overtones():
        return problem
    mixture = BestOf(n_init=1).solve(problem, rng)
    own, cleared = problem.at_scale(mixture.family.operator.scale), problem
    for _ in range(2):
        target = problem.target - compute_overtones(mixture)
        cleared, own = replace(problem, target=target), replace(own, target=target)
        fit: Fit = solve_weights(own, mixture.parameters)
        mixture = own.make_mixture(adjust(own, fit, shapes="free", max_iter=REFINING.n_many))
    return cleared


def compute_overtones(mixture: Mixture) -> np.ndarray:
    """Return what features add to a mixture's waves, (2 m,) float64, real parts first."""
    weights, family = mixture.weights * mixture.total_weight, mixture.family
    m, total = family.operator.n_frequencies, 0.0
    for multiple, factors in family.operator.features.overtones():
        stacked = weights @ family.at_multiple(abs(multiple)).sketch(mixture.parameters)
        total = total + factors * (stacked[:m] + np.sign(multiple) * 1j * stacked[m:])
    return np.concatenate([np.real(total), np.imag(total)])
