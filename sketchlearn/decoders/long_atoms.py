"""Gaussians of any shape, where round atoms leave much: clusters may be long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.atoms import DiagonalGaussian, FullGaussian, SphericalGaussian
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import THRESHOLDS


def free_shapes(problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture | None:
    """Decode long atoms where round ones leave much; None where they do not, or cannot be told.

    The sketch must have twice as many numbers as the atoms have parameters: else they would
    explain anything. Where Gaussians of any shape have too many, their axes are the columns'.

    Parameters
    ----------
    problem : Problem
        Of round atoms.
    mixture : Mixture
        What these came to, where the long ones start.
    rng : numpy.random.Generator
        Draws where further ones are sought from.
    """
    is_round = isinstance(problem.family, SphericalGaussian)
    # What the data has beyond a few axes is in the envelope that round atoms have in common.
    if not is_round or problem.family.is_wide_off_axes:
        return None
    if mixture.quality.misfit <= THRESHOLDS.large_misfit:
        return None
    operator = mixture.family.operator
    for family in (FullGaussian(operator), DiagonalGaussian(operator)):
        shaped = replace(problem, family=family)
        if 2 * shaped.n_parameters <= len(problem.target):
            begin("Gaussians of any shape")
            return MeanShift().go_on(shaped, mixture, rng)
    return None
