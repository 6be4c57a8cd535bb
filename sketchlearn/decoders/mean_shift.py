"""Greedy mode seeking, then swaps: the decoder that rarely misses a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of
from sketchlearn.decoders.refinement import (
    Fit,
    Shapes,
    adjust,
    gram_matrix,
    residual_of,
    reweighted,
)
from sketchlearn.decoders.selection import Starts, select, starting_points
from sketchlearn.sketching import Sketch

# A swap that lowers the cost by less has found nothing new.
LEAST_GAIN = 1e-3
# Starting points of a search for small atoms, in parts of a greedy step's.
FINE_SEARCH = 10
# What an atom must explain to be no noise, in units of the noise in one real entry of the sketch:
# the best fitting noise explains up to 12, a cluster of 0.2 % of 50,000 rows 40.
SIGNIFICANT = 15.0
# Cosine of the angle between atoms from which they may stand for one cluster.
ALIKE = 0.5
BOTH: tuple[Starts, ...] = ("gaussian", "box")


@final
@dataclass(frozen=True)
class MeanShift(Decoder):
    r"""Greedy mode seeking on the residual, then swaps of the least useful atom for a better one.

    Three stages, each a joint adjustment followed by swaps: shapes fixed at the operator's scale,
    one shape that all atoms share, one shape for each atom. Freed earlier, one atom's shape would
    swallow the data; never freed, clusters of unequal width pull their neighbours' centres.

    A swap adds the atom best correlated with the residual, adjusts, drops the atom whose loss costs
    least, :math:`\alpha_j^2 / [G^{-1}]_{jj}` with G the atoms' Gram matrix, or merges the two most
    alike if that costs less, adjusts, and is kept if the cost fell by more than 0.1 %. Where no
    more is left than noise, small clusters may still be hidden in it: then the search is finer, and
    over once the best new atom is not significant.

    Parameters
    ----------
    starts : {"gaussian", "box"}, default="gaussian"
        Where modes are sought from: random points of a Gaussian with the pilot's mean and
        covariance, or of the operator's box. The first finds close clusters in many dimensions, the
        second small clusters far from all others.
    n_starts : int, default=200
        Starting points of a greedy step; a swap takes twice as many, the search for small clusters
        ten times, half of them in the box.
    n_ascents : int, default=32
        Starts that climb, the best correlated ones.
    shapes : {"fixed", "shared", "free"}, default="free"
        The last stage.
    good_fit : float, default=1.1
        Goodness of fit under which only small clusters are still sought.

    References
    ----------
    Belhadji and Gribonval, "Sketch and shift: a robust decoder for compressive clustering",
    2024 (arXiv 2312.09940), sections 3 and 4.
    """

    starts: Starts = "gaussian"
    n_starts: int = 200
    n_ascents: int = 32
    shapes: Shapes = "free"
    good_fit: float = 1.1

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        target = check_decodable(sketch, family, n_atoms)
        noise = sketch.standard_error**2
        fit = self.greedy(target, family, n_atoms, rng)
        stages: tuple[Shapes, ...] = ("fixed", "shared", "free")
        for shapes in stages[: stages.index(self.shapes) + 1]:
            n_iter = 100 if shapes == "fixed" else 300
            fit = adjust(target, family, fit, shapes=shapes, max_iter=n_iter)
            fit = self.swaps(target, family, fit, shapes, noise, rng)
        return mixture_of(sketch, family, fit)

    def greedy(
        self, target: np.ndarray, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Fit:
        """One atom after the other where the residual's mode is, all adjusted in between."""
        fit = Fit(np.empty(0), np.empty((0, len(family.bounds()[0]))), float(target @ target))
        for _ in range(n_atoms):
            points = starting_points(family, self.starts, self.n_starts, rng)
            fit = self._expanded(target, family, fit, points)
            fit = adjust(target, family, fit, shapes="fixed", max_iter=15)
        return fit

    def swaps(
        self,
        target: np.ndarray,
        family: AtomFamily,
        fit: Fit,
        shapes: Shapes,
        noise: float,
        rng: np.random.Generator,
    ) -> Fit:
        """Swap until enough tries in a row have found nothing, or only noise is left."""
        least = SIGNIFICANT * noise / len(target)
        n_failures = 0
        while n_failures < max(5, len(fit.weights) / 3):
            is_fine = fit.cost <= self.good_fit * noise
            points = self._starting_points(family, is_fine, rng)
            tried = self._expanded(target, family, fit, points)
            if is_fine and importances(family, tried)[-1] < least:
                break
            tried = adjust(target, family, tried, shapes=shapes, max_iter=40)
            tried = contracted(target, family, tried, shapes)
            tried = adjust(target, family, tried, shapes=shapes, max_iter=40)
            if tried.cost < (1.0 - LEAST_GAIN) * fit.cost:
                fit, n_failures = tried, 0
            else:
                fit, n_failures = replace(fit, n_iter=tried.n_iter), n_failures + 1
        return fit

    def _starting_points(
        self, family: AtomFamily, is_fine: bool, rng: np.random.Generator
    ) -> np.ndarray:
        """Where a swap seeks its new atom."""
        if not is_fine:
            return starting_points(family, self.starts, 2 * self.n_starts, rng)
        half = FINE_SEARCH * self.n_starts // 2
        return np.vstack([starting_points(family, starts, half, rng) for starts in BOTH])

    def _expanded(
        self, target: np.ndarray, family: AtomFamily, fit: Fit, points: np.ndarray
    ) -> Fit:
        """The fit with one more atom where the residual calls for it, all weights solved for."""
        shape = family.default_shape()
        residual = target
        if len(fit.weights):
            shape = np.median(family.split(fit.parameters)[1], axis=0)
            residual = residual_of(target, fit.weights, family.sketch(fit.parameters))
        location = select(family, shape, residual, points, self.n_ascents)
        atom = np.concatenate([location, shape])
        fuller = reweighted(target, family, np.vstack([fit.parameters, atom]))
        return replace(fuller, n_iter=fit.n_iter)


def importances(family: AtomFamily, fit: Fit) -> np.ndarray:
    """How much the cost would rise without each atom (k,), the other weights solved for again."""
    atoms = family.sketch(fit.parameters)
    inverse = cho_solve(cho_factor(gram_matrix(atoms)), np.eye(len(atoms)))
    return np.asarray(fit.weights**2 / np.diag(inverse))


def contracted(target: np.ndarray, family: AtomFamily, fit: Fit, shapes: Shapes) -> Fit:
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
