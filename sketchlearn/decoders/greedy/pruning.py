"""One atom fewer: the least important one dropped, or two that are coherent merged."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.greedy.mode_seeking import SEEKING
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import (
    REFINING,
    Shapes,
    adjust,
    compute_gram_matrix,
    solve_weights,
)


def compute_importances(family: AtomFamily, fit: Fit) -> np.ndarray:
    """Return by how much the cost would rise without each atom (k,), other weights solved again."""
    atoms = family.sketch(fit.parameters)
    inverse = cho_solve(cho_factor(compute_gram_matrix(atoms)), np.eye(len(atoms)))
    return np.asarray(fit.weights**2 / np.diag(inverse))


def remove_one(problem: Problem, fit: Fit, shapes: Shapes, *, keeps_shapes: bool) -> Fit:
    """Drop the least important atom, or merge the two most coherent: what costs less."""
    fewer = [drop_least_important(problem, fit)]
    if merged := merge_most_coherent(problem, fit, keeps_shapes=keeps_shapes):
        # Compared after an adjustment: what two atoms shared, one has to move for.
        fewer = [
            adjust(problem, each, shapes=shapes, max_iter=REFINING.n_few)
            for each in (*fewer, merged)
        ]
    return min(fewer, key=lambda each: each.cost)


def merge_most_coherent(problem: Problem, fit: Fit, *, keeps_shapes: bool) -> Fit | None:
    """Make the two most coherent atoms one of their moments; None if none are coherent enough.

    Where shapes are to stay, it has their mean and their shape.
    """
    family = problem.family
    atoms = family.sketch(fit.parameters).astype(np.float64)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    coherence = np.triu(atoms @ atoms.T, 1)
    pair = list(np.unravel_index(np.argmax(coherence), coherence.shape))
    if coherence[*pair] < SEEKING.coherence or (total := fit.weights[pair].sum()) <= 0:
        return None
    shares = fit.weights[pair] / total
    one = shares[None] @ fit.parameters[pair]
    if not keeps_shapes:
        locations = family.split(fit.parameters)[0][pair]
        middle = shares @ locations
        variances = shares @ (family.covariances(fit.parameters)[pair] + (locations - middle) ** 2)
        one = family.from_moments(middle[None], variances[None])
    rest = np.delete(fit.parameters, pair, axis=0)
    return solve_weights(problem, np.vstack([rest, one]), n_iter=fit.n_iter)


def drop_least_important(problem: Problem, fit: Fit) -> Fit:
    """Drop the atom whose removal raises the least-squares cost least."""
    kept = np.arange(len(fit.weights)) != np.argmin(compute_importances(problem.family, fit))
    return solve_weights(problem, fit.parameters[kept], n_iter=fit.n_iter)
