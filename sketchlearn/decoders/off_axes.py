"""Atoms that are as wide off a few axes as along them, where clusters' widths are unlike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.atoms.gaussian import GREATEST_VARIANCE, LEAST_VARIANCE
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem

# Adjustments; each knows better than the one before how wide clusters are on average.
N_ROUNDS = 3


def free_widths_off_axes(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
    r"""Let atoms be as wide off a few axes as along these, if that halves what is left.

    Atoms have the rows' covariance U off the axes in common, as clusters of one width do. Those of
    variances :math:`s_k` along the axes that are wider in all directions have
    :math:`s_k / \bar s \; U`, for the mean :math:`\bar s = \sum_k \alpha_k s_k`, which follows from
    the rows' variance along the axes, less that of the locations. Off hundreds of columns that
    damps their waves so unlike that with one U in common weights are wrong by factors, and points
    that match the sketch nevertheless stand elsewhere.

    Parameters
    ----------
    problem : Problem
        What was matched.
    mixture : Mixture
        Of atoms that may have a part of their envelope in common.
    rng : numpy.random.Generator
        As decoders take it.

    Returns
    -------
    Mixture
        The same one if it leaves but noise, or the other hardly less.
    """
    family = mixture.family
    if not isinstance(family, SphericalGaussian) or mixture.quality.is_noise:
        return mixture
    if not family.is_wide_off_axes:
        return mixture
    begin("widths off the axes")
    found, mean = mixture, family.operator.scale**2
    bounds = LEAST_VARIANCE * mean, GREATEST_VARIANCE * mean
    for _ in range(N_ROUNDS):
        own = replace(problem, family=family.in_proportion(mean))
        n_iter = found.n_iter
        found = GivenAtoms(found.locations, found.covariances).solve(own, rng)
        found = replace(found, n_iter=n_iter + found.n_iter)
        apart = found.locations - found.weights @ found.locations
        between = float(found.weights @ np.sum(apart**2, axis=1))
        mean = float(np.clip((problem.region.variance - between) / family.n_features, *bounds))
    return found if found.cost < 0.5 * mixture.cost else mixture
