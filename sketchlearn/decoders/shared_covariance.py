"""Atoms that are long along the same axes, as clusters of factors in common are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem

# Adjustments at most; each knows better than the one before what clusters have in common.
N_ROUNDS = 20
# What one leaves at most of what the one before did, if there is to be another.
GAIN = 0.95
# How many times the least variance the greatest is within clusters that are far from round.
LONG = 4.0


def share_covariance(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    r"""Let round atoms have a covariance in common, if that halves what is left.

    Round atoms of clusters that are long along the same axes stand anywhere along these, and leave
    little of the sketch. What clusters have on average is the rows' covariance, less that of the
    locations. The part B of it beyond its least variance is added to every atom's,
    :math:`s_k I + B`; all are adjusted, and B follows from where they are then.

    Parameters
    ----------
    problem : Problem
        What was matched.
    mixture : Mixture
        Of round atoms.
    rng : numpy.random.Generator
        As decoders take it.

    Returns
    -------
    Mixture
        The same one if it leaves but noise, or the other hardly less.
    """
    family, region, found = mixture.family, problem.region, mixture
    if not isinstance(family, SphericalGaussian):
        return mixture
    if mixture.quality.is_noise or not region.is_exact:
        return mixture
    begin("a covariance in common")
    for _ in range(N_ROUNDS):
        before = found
        apart = before.locations - before.weights @ before.locations
        within = region.covariance - (apart.T * before.weights) @ apart
        values, axes = np.linalg.eigh(within)
        least = max(values[0], LEAST_VARIANCE * family.operator.scale**2)
        if values[-1] < LONG * least:
            break
        common = (axes * np.maximum(values - least, 0.0)) @ axes.T
        shared = replace(problem, family=family.with_common_covariance(common))
        variances = np.full_like(before.locations, least) + np.diag(common)
        found = GivenAtoms(before.locations, variances).solve(shared, rng)
        found = replace(found, n_iter=before.n_iter + found.n_iter)
        if found.cost > GAIN * before.cost:
            break
    return found if found.cost < 0.5 * mixture.cost else mixture
