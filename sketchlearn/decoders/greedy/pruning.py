"""Fewer atoms: the least important ones dropped, or two that are coherent merged."""

from __future__ import annotations

import numpy as np

from sketchlearn.decoders.greedy.mode_seeking import SEEKING
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import REFINING, Candidates, Shapes, adjust


def compute_importances(problem: Problem, fit: Fit) -> np.ndarray:
    """Return by how much the cost would rise without each atom (k,), other weights solved again."""
    return Candidates.of(problem, fit.parameters).compute_importances(fit.weights)


def remove_atoms(
    problem: Problem, fit: Fit, shapes: Shapes, *, n: int = 1, keeps_shapes: bool
) -> tuple[Fit, np.ndarray]:
    """Drop all but one of n atoms, the least important first, then drop or merge: what costs less.

    Returns the numbers of the atoms that are left as well, those aside that were merged.
    """
    candidates = Candidates.of(problem, fit.parameters)
    candidates, fit, left = _drop(candidates, fit, n - 1)
    _, without, kept = _drop(candidates, fit, 1)
    fewer = [(without, left[kept])]
    if (pair := _find_most_coherent(candidates)) is not None and fit.weights[pair].sum() > 0:
        merged = _merge(candidates, fit, pair, keeps_shapes=keeps_shapes)
        # Compared after an adjustment: what two atoms shared, one has to move for.
        fewer = [
            (adjust(problem, each, shapes=shapes, max_iter=REFINING.n_few), numbers)
            for each, numbers in (*fewer, (merged, np.delete(left, pair)))
        ]
    return min(fewer, key=lambda each: each[0].cost)


def merge_most_coherent(problem: Problem, fit: Fit, *, keeps_shapes: bool) -> Fit | None:
    """Make the two most coherent atoms one of their moments; None if none are coherent enough.

    Where shapes are to stay, it has their mean and their shape.
    """
    candidates = Candidates.of(problem, fit.parameters)
    pair = _find_most_coherent(candidates)
    if pair is None or fit.weights[pair].sum() <= 0:
        return None
    return _merge(candidates, fit, pair, keeps_shapes=keeps_shapes)


def drop_least_important(problem: Problem, fit: Fit, n: int = 1) -> Fit:
    """Drop the atom whose removal raises the least-squares cost least; of n, one by one."""
    return _drop(Candidates.of(problem, fit.parameters), fit, n)[1]


def _drop(candidates: Candidates, fit: Fit, n: int) -> tuple[Candidates, Fit, np.ndarray]:
    """Drop the least important of a fit's atoms n times; returns the numbers of the others too."""
    left = np.arange(len(fit.weights))
    for _ in range(n):
        is_left = np.arange(len(left)) != candidates.compute_importances(fit.weights).argmin()
        candidates, left = candidates.take(is_left), left[is_left]
        fit = candidates.solve_weights(n_iter=fit.n_iter)
    return candidates, fit, left


def _find_most_coherent(candidates: Candidates) -> list[int] | None:
    """Return the two atoms that are most coherent, None if they are too little so."""
    norms = np.sqrt(np.diag(candidates.gram))
    coherence = np.triu(candidates.gram / np.outer(norms, norms), 1)
    pair = [int(i) for i in np.unravel_index(coherence.argmax(), coherence.shape)]
    return pair if coherence[*pair] >= SEEKING.coherence else None


def _merge(candidates: Candidates, fit: Fit, pair: list[int], *, keeps_shapes: bool) -> Fit:
    """Make two atoms of a fit one, which comes last."""
    family, weights = candidates.problem.family, fit.weights[pair]
    shares = weights / weights.sum()
    one = shares[None] @ fit.parameters[pair]
    if not keeps_shapes:
        locations = family.split(fit.parameters)[0][pair]
        middle = shares @ locations
        variances = shares @ (family.covariances(fit.parameters)[pair] + (locations - middle) ** 2)
        one = family.from_moments(middle[None], variances[None])
    rest = candidates.take(np.delete(np.arange(len(fit.weights)), pair))
    return rest.join(one).solve_weights(n_iter=fit.n_iter)
