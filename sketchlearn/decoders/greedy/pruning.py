"""One atom fewer: the one that is missed least dropped, or two alike merged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.refinement import Fit, Shapes, adjust, gram_matrix, reweighted

# Cosine of the angle between atoms from which they may stand for one cluster.
ALIKE = 0.5


def importances(family: AtomFamily, fit: Fit) -> np.ndarray:
    """How much the cost would rise without each atom (k,), the other weights solved for again."""
    atoms = family.sketch(fit.parameters)
    inverse = cho_solve(cho_factor(gram_matrix(atoms)), np.eye(len(atoms)))
    return np.asarray(fit.weights**2 / np.diag(inverse))


def reduced(target: np.ndarray, family: AtomFamily, fit: Fit, shapes: Shapes) -> Fit:
    """The fit less its least atom, or with the two most alike merged: what costs less."""
    fewer = [without_least(target, family, fit)]
    if merged := with_merged(target, family, fit):
        # Weighed after they have settled: what two atoms shared, one has to move for.
        fewer = [
            adjust(target, family, each, shapes=shapes, max_iter=15) for each in (*fewer, merged)
        ]
    return min(fewer, key=lambda each: each.cost)


def with_merged(target: np.ndarray, family: AtomFamily, fit: Fit) -> Fit | None:
    """The fit with the two most alike atoms as one of their moments; None if none are alike."""
    atoms = family.sketch(fit.parameters).astype(np.float64)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    likeness = np.triu(atoms @ atoms.T, 1)
    pair = list(np.unravel_index(np.argmax(likeness), likeness.shape))
    if likeness[*pair] < ALIKE or (total := fit.weights[pair].sum()) <= 0:
        return None
    shares = fit.weights[pair] / total
    locations = family.split(fit.parameters)[0][pair]
    middle = shares @ locations
    variances = shares @ (family.covariances(fit.parameters)[pair] + (locations - middle) ** 2)
    one = family.from_moments(middle[None], variances[None])
    rest = np.delete(fit.parameters, pair, axis=0)
    return replace(reweighted(target, family, np.vstack([rest, one])), n_iter=fit.n_iter)


def without_least(target: np.ndarray, family: AtomFamily, fit: Fit) -> Fit:
    """The fit less the atom whose removal raises the least-squares cost least."""
    kept = np.arange(len(fit.weights)) != np.argmin(importances(family, fit))
    fewer = reweighted(target, family, fit.parameters[kept])
    return replace(fewer, n_iter=fit.n_iter)
