"""Coarse features' overtones, taken off a sketch before it is decoded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn._progress import tell, tell_cost
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.atoms.family import AtomFamily
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.long_atoms import free_shapes
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import REFINING, JointObjective
from sketchlearn.optim.lbfgs import minimise

# Least variance of an atom, in squared scales: overtones are the finer the narrower it is.
LEAST_VARIANCE = 1e-4
# Decrease of the cost, as a fraction of it, at which the adjustment ends.
TOLERANCE = 1e-4
# Times that a mixture is decoded anew, of what another left of overtones; and what another round
# must leave of the cost, as a fraction: overtones hide clusters that are far narrower than waves.
MORE_ROUNDS, WORTH_A_ROUND = 3, 0.7


def clear_overtones(problem: Problem, rng: np.random.Generator) -> Problem:
    r"""Return the problem without what its features add to waves: their overtones.

    Signs of waves estimate :math:`\varphi(\omega)` and, beside it, some of the characteristic
    function at odd multiples of the frequency, see `Signs`. Noise of that kind does not become less
    with more rows. A mixture that is decoded in spite of it is adjusted to what the features
    themselves are expected to be, and what that has beside waves is taken off; then another is
    decoded, while each leaves much less than the one before; and once more long atoms are, where
    these leave half of what round ones do.

    Parameters
    ----------
    problem : Problem
        As of a sketch; returned as it is where its features have no overtones.
    rng : numpy.random.Generator
        Where the first decode's randomness comes from.
    """
    family = problem.family
    if not family.operator.features.has_overtones:
        return problem
    own = problem
    if isinstance(family, SphericalGaussian):
        # Clusters of unlike widths are of unlike widths off a few axes too.
        own = replace(problem, family=family.in_proportion())
    target, mixture = _clear(own, BestOf(n_init=1).solve(own, rng))
    for _ in range(MORE_ROUNDS):
        if mixture.cost <= own.noise:
            break
        again = BestOf(n_init=1).solve(replace(own, target=target), rng)
        other, moved = _clear(own, again)
        if moved.cost > WORTH_A_ROUND * mixture.cost:
            break
        target, mixture = other, moved
    found = free_shapes(
        replace(own, target=target).at_scale(mixture.family.operator.scale),
        mixture,
        rng.spawn(1)[0],
    )
    if found is not None and found.cost < 0.5 * mixture.cost:
        target, _ = _clear(own, found)
    return replace(problem, target=target)


def _clear(problem: Problem, mixture: Mixture) -> tuple[np.ndarray, Mixture]:
    """Adjust a mixture to features; return the target less its overtones, and the mixture."""
    own = replace(problem, family=mixture.family)
    weights = mixture.weights * mixture.total_weight
    start = Fit(weights, mixture.parameters, mixture.cost, mixture.n_iter)
    objective = FeatureObjective(own, start, "free", least_variance=LEAST_VARIANCE)
    tell(n_atoms=len(weights))
    end = minimise(
        objective,
        objective.start,
        objective.lower,
        objective.upper,
        max_iter=2 * REFINING.n_many,
        tolerance=TOLERANCE,
        on_iteration=tell_cost,
    )
    weights, parameters = objective.unpack(end.x)
    target = problem.target - compute_overtones(own.family, weights, parameters)
    fit = Fit(weights, parameters, end.cost, mixture.n_iter + end.n_iter)
    return target, replace(own, target=target).make_mixture(fit)


class FeatureObjective(JointObjective):
    r"""How far a mixture's expected features are from a sketch, as a function of its parameters.

    The cost is :math:`\|z - \sum_k \alpha_k f(\theta_k)\|^2`, f the mean of the estimates that the
    features give of an atom's rows, where `JointObjective` has its waves.
    """

    def differentiate(
        self, weights: np.ndarray, parameters: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the distance from the target, squared, and its gradients."""
        family, d = self.problem.family, self.d
        locations, shapes = family.split(parameters)
        mean, in_phase, in_envelope = family.operator.features.expect(
            family.turns(locations), family.log_envelope(shapes)
        )
        real, imaginary = np.split(self.problem.target, 2)
        left = real + 1j * imaginary - weights @ mean
        away = -2.0 * np.conj(left)
        in_parameters = np.empty(parameters.shape)
        slopes = np.real(away * in_phase).astype(np.float32)
        in_parameters[:, :d] = family.operator.linear_map.adjoint(slopes)
        if family.n_shape:
            slopes = np.real(away * in_envelope)
            in_parameters[:, d:] = family.log_envelope_pullback(shapes, slopes)
        in_parameters *= weights[:, None]
        return float(np.sum(np.abs(left) ** 2)), np.real(mean @ away), in_parameters


def compute_overtones(
    family: AtomFamily, weights: np.ndarray, parameters: np.ndarray
) -> np.ndarray:
    """Return what features add to a mixture's waves, (2 m,) float64, real parts first.

    Parameters
    ----------
    family : AtomFamily
        Of its atoms; phases of their rows are taken for Gaussian.
    weights, parameters : ndarray of shape (k,) and (k, p)
        Weights that are not scaled to a sum of one, and atoms.
    """
    locations, shapes = family.split(parameters)
    means, *_ = family.operator.features.expect(
        family.turns(locations), family.log_envelope(shapes)
    )
    total = weights @ means
    return np.concatenate([total.real, total.imag]) - weights @ family.sketch(parameters)
