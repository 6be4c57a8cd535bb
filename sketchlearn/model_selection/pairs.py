"""Whether a component may be two clusters side by side, which a sketch does not show."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg import eigh

from sketchlearn.model_selection.noise import WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes, linearise
from sketchlearn.points.em import Moments

# Factor of variances up to which components are of one shape.
ALIKE = 2.0
# Variance, in those of one of two such clusters, from which both together have a valley between
# them: they are two and a half deviations apart then.
WIDE = 2.5
# Standard deviations of noise beyond what is needed for two clusters to be told from one.
BY_CHANCE = 2.0


def may_hide_pairs(whitened: WhitenedSketch, mixture: Moments, shapes: Shapes) -> bool:
    r"""Whether some component may be two of another's shape, and a sketch would not show it.

    Of a component that is two clusters side by side, with the same moments, the mixture's sketch
    differs by :math:`\Delta`, numbers being divided by the root of their noise's covariance. What
    of it no change of the mixture's parameters makes up for, with tangents J, is

    .. math:: \lVert \Delta - J (J^T J)^{-1} J^T \Delta \rVert .

    It is small where waves are too long to see such clusters, or too short along them to see
    anything. So it is of many components that are one, and only those are in doubt that are as wide
    as another but for one direction.
    """
    _, jacobian = linearise(whitened, mixture, shapes.tangents, np.zeros(len(whitened.target)))
    norms = np.maximum(np.linalg.norm(jacobian, axis=0), np.finfo(float).tiny)
    basis, _, _ = np.linalg.svd(jacobian / norms, full_matrices=False)
    atoms = whitened.waves.compute_atoms(mixture.means, mixture.covariances)
    # So much less must be left for one component more to be chosen.
    needed = BY_CHANCE + (shapes.n_parameters * np.log(whitened.n_rows)) ** 0.5
    for j, step in list_pairs(mixture.covariances):
        means = mixture.means[j] + np.array([step, -step])
        narrowed = np.repeat((mixture.covariances[j] - np.outer(step, step))[None], 2, axis=0)
        halves = whitened.waves.compute_atoms(means, narrowed)
        moved = mixture.weights[j] * (halves.mean(axis=0) - atoms[j])
        change = whitened.whiten(moved[:, None], np.zeros(1))[:, 0]
        if np.linalg.norm(change - basis @ (basis.T @ change)) < needed:
            return True
    return False


def list_pairs(covariances: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each component that may be two of another's shape, and a half of the way between them.

    In units of the other's deviations it has variance about one along all axes but one.
    """
    for j, own in enumerate(covariances):
        for other in np.delete(covariances, j, axis=0):
            factors, axes = eigh(own, other)
            if factors[-1] > WIDE and np.all(np.abs(np.log(factors[:-1])) < np.log(ALIKE)):
                yield j, (factors[-1] - 1.0) ** 0.5 * (other @ axes[:, -1])
