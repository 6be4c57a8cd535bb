"""Coarse features' overtones, taken off a sketch before it is decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.long_atoms import free_shapes
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights


def clear_overtones(problem: Problem, rng: np.random.Generator) -> Problem:
    r"""Return the problem without what its features add to waves: their overtones.

    Signs of waves estimate :math:`\varphi(\omega)` and, beside it, some of the characteristic
    function at odd multiples of the frequency, see `FeatureMap.overtones`. Noise of that kind does
    not become less with more rows. A mixture that is decoded in spite of it tells the
    characteristic function at these multiples, what they add is taken off, and the mixture is
    adjusted, in turns; and once more by long atoms, where these leave half of what round ones do.

    Parameters
    ----------
    problem : Problem
        As of a sketch; returned as it is where its features have no overtones.
    rng : numpy.random.Generator
        Where the first decode's randomness comes from.
    """
    if not problem.family.operator.features.overtones():
        return problem
    cleared, mixture = _clear_in_turns(problem, BestOf(n_init=1).solve(problem, rng))
    own = cleared.at_scale(mixture.family.operator.scale)
    found = free_shapes(own, mixture, rng.spawn(1)[0])
    if found is not None and found.cost < 0.5 * mixture.cost:
        cleared, _ = _clear_in_turns(problem, found)
    return cleared


def _clear_in_turns(problem: Problem, mixture: Mixture) -> tuple[Problem, Mixture]:
    """Take a mixture's overtones off a problem and adjust the mixture, twice; return both."""
    cleared = problem
    own = replace(problem, family=mixture.family)
    for _ in range(2):
        target = problem.target - compute_overtones(mixture)
        cleared, own = replace(problem, target=target), replace(own, target=target)
        fit: Fit = solve_weights(own, mixture.parameters)
        mixture = own.make_mixture(adjust(own, fit, shapes="free", max_iter=REFINING.n_many))
    return cleared, mixture


def compute_overtones(mixture: Mixture) -> np.ndarray:
    """Return what features add to a mixture's waves, (2 m,) float64, real parts first."""
    weights, family = mixture.weights * mixture.total_weight, mixture.family
    m, total = family.operator.n_frequencies, 0.0
    for multiple, factors in family.operator.features.overtones():
        stacked = weights @ family.at_multiple(abs(multiple)).sketch(mixture.parameters)
        total = total + factors * (stacked[:m] + np.sign(multiple) * 1j * stacked[m:])
    return np.concatenate([np.real(total), np.imag(total)])
