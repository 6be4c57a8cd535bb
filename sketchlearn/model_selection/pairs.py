"""Whether a component may be two clusters side by side, which a sketch does not show."""

from __future__ import annotations

import numpy as np

from sketchlearn.model_selection.noise import WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes, linearise
from sketchlearn.points.em import Moments

# Half of how far two clusters side by side are apart, in deviations of both together: they are four
# of their own deviations apart then, and between them is less than a third of their density.
HALF_APART = 0.8**0.5
# From how many times another component's variance along an axis one may be two of such clusters,
# which have it five times. Where numbers were right it was up to 1.9, where they were wrong 2.9 up.
WIDE = 2.5
# Standard deviations of noise beyond what is needed for two clusters to be told from one.
BY_CHANCE = 2.0


def may_hide_pairs(whitened: WhitenedSketch, mixture: Moments, shapes: Shapes) -> bool:
    r"""Whether some component, wide beside another, may be two, and a sketch would not show it.

    Of two clusters of a component's moments, which lie side by side along one of its axes, the
    mixture's sketch differs by :math:`\Delta`, numbers being divided by the root of their noise's
    covariance. What of it no change of the mixture's parameters makes up for, with tangents J, is

    .. math:: \lVert \Delta - J (J^T J)^{-1} J^T \Delta \rVert .

    It is small where waves are too long to see such clusters, or too short along them to see
    anything; so it is of many components that are one, and only those are in doubt that are far
    wider than another along that axis.
    """
    _, jacobian = linearise(whitened, mixture, shapes.tangents, np.zeros(len(whitened.target)))
    norms = np.maximum(np.linalg.norm(jacobian, axis=0), np.finfo(float).tiny)
    basis, _, _ = np.linalg.svd(jacobian / norms, full_matrices=False)
    atoms = whitened.waves.compute_atoms(mixture.means, mixture.covariances)
    # So much less must be left for one component more to be chosen.
    needed = BY_CHANCE + (shapes.n_parameters * np.log(whitened.n_rows)) ** 0.5
    for j, (weight, mean, covariance) in enumerate(zip(*mixture, strict=True)):
        variances, axes = np.linalg.eigh(covariance)
        others = np.delete(mixture.covariances, j, axis=0)
        widths = np.einsum("ei,kde,di->ki", axes, others, axes)
        is_wide = (variances > WIDE * widths).any(axis=0)
        if not is_wide.any():
            continue
        steps = (HALF_APART * np.sqrt(np.maximum(variances, 0.0)) * axes).T[is_wide]
        narrowed = covariance - steps[:, :, None] * steps[:, None, :]
        halves = [whitened.waves.compute_atoms(mean + s * steps, narrowed) for s in (-1, 1)]
        moved = weight * (sum(halves) / 2.0 - atoms[j])
        change = whitened.whiten(moved.T, np.zeros(len(steps)))
        change -= basis @ (basis.T @ change)
        if (np.linalg.norm(change, axis=0) < needed).any():
            return True
    return False
