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


@final
@dataclass(frozen=True)
class MeanShift(Decoder):
    r"""Greedy mode seeking on the residual, then swaps of the least useful atom for a better one.

    Three stages, each a joint adjustment followed by swaps: shapes fixed at the operator's scale,
    one shape that all atoms share, one shape for each atom. Freed earlier, one atom's shape would
    swallow the data; never freed, clusters of unequal width pull their neighbours' centres.

    A swap adds the atom best correlated with the residual, adjusts, drops the atom whose loss costs
    least, :math:`\alpha_j^2 / [G^{-1}]_{jj}` with G the atoms' Gram matrix, adjusts, and is kept
    if the cost fell by more than 0.1 %.

    Parameters
    ----------
    starts : {"gaussian", "box"}, default="gaussian"
        Where modes are sought from: random points of a Gaussian with the pilot's mean and
        covariance, or of the operator's box. The first finds close clusters in many dimensions, the
        second small clusters far from all others.
    n_starts : int, default=200
        Starting points of a greedy step; a swap takes twice as many.
    n_ascents : int, default=32
        Starts that climb, the best correlated ones.
    shapes : {"fixed", "shared", "free"}, default="free"
        The last stage.
    good_fit : float, default=1.1
        Goodness of fit under which no swap is tried: what is left is sampling noise.

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
        good_cost = self.good_fit * sketch.standard_error**2
        fit = self.greedy(target, family, n_atoms, rng)
        stages: tuple[Shapes, ...] = ("fixed", "shared", "free")
        for shapes in stages[: stages.index(self.shapes) + 1]:
            n_iter = 100 if shapes == "fixed" else 300
            fit = adjust(target, family, fit, shapes=shapes, max_iter=n_iter)
            fit = self.swaps(target, family, fit, shapes, good_cost, rng)
        return mixture_of(sketch, family, fit)

    def greedy(
        self, target: np.ndarray, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Fit:
        """One atom after the other where the residual's mode is, all adjusted in between."""
        fit = Fit(np.empty(0), np.empty((0, len(family.bounds()[0]))), float(target @ target))
        for _ in range(n_atoms):
            fit = self._expanded(target, family, fit, self.n_starts, rng)
            fit = adjust(target, family, fit, shapes="fixed", max_iter=15)
        return fit

    def swaps(
        self,
        target: np.ndarray,
        family: AtomFamily,
        fit: Fit,
        shapes: Shapes,
        good_cost: float,
        rng: np.random.Generator,
    ) -> Fit:
        """Swap until enough tries in a row have found nothing, or only noise is left."""
        n_failures = 0
        while n_failures < max(5, len(fit.weights) / 3) and fit.cost > good_cost:
            tried = self._expanded(target, family, fit, 2 * self.n_starts, rng)
            tried = adjust(target, family, tried, shapes=shapes, max_iter=40)
            tried = without_least(target, family, tried)
            tried = adjust(target, family, tried, shapes=shapes, max_iter=40)
            if tried.cost < (1.0 - LEAST_GAIN) * fit.cost:
                fit, n_failures = tried, 0
            else:
                fit, n_failures = replace(fit, n_iter=tried.n_iter), n_failures + 1
        return fit

    def _expanded(
        self,
        target: np.ndarray,
        family: AtomFamily,
        fit: Fit,
        n_starts: int,
        rng: np.random.Generator,
    ) -> Fit:
        """The fit with one more atom where the residual calls for it, all weights solved for."""
        shape = family.default_shape()
        residual = target
        if len(fit.weights):
            shape = np.median(family.split(fit.parameters)[1], axis=0)
            residual = residual_of(target, fit.weights, family.sketch(fit.parameters))
        points = starting_points(family, self.starts, n_starts, rng)
        location = select(family, shape, residual, points, self.n_ascents)
        atom = np.concatenate([location, shape])
        fuller = reweighted(target, family, np.vstack([fit.parameters, atom]))
        return replace(fuller, n_iter=fit.n_iter)


def without_least(target: np.ndarray, family: AtomFamily, fit: Fit) -> Fit:
    """The fit less the atom whose removal raises the least-squares cost least."""
    atoms = family.sketch(fit.parameters)
    inverse = cho_solve(cho_factor(gram_matrix(atoms)), np.eye(len(atoms)))
    kept = np.arange(len(atoms)) != np.argmin(fit.weights**2 / np.diag(inverse))
    fewer = reweighted(target, family, fit.parameters[kept])
    return replace(fewer, n_iter=fit.n_iter)
