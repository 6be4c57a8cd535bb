"""Hierarchical splitting: one atom becomes two, then four, until there are enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of
from sketchlearn.decoders.greedy.pruning import without_least
from sketchlearn.decoders.refinement import Fit, adjust, reweighted
from sketchlearn.decoders.surrogates.points import gaussian
from sketchlearn.sketches.sketch import Sketch


@final
@dataclass(frozen=True)
class Splitting(Decoder):
    r"""Fit one wide atom; split all in two, adjust, and so on; prune to the number asked for.

    An atom of covariance S splits into two of half its weight at :math:`\mu \pm S^{1/2} u`, u the
    direction of its largest variance where one stands out, else a random direction in which the
    data is wide. There are about log2 k rounds of joint adjustment in place of the k of a greedy
    decoder, which is why it is meant for many atoms. It needs no starting points, so it finds the
    clusters that random starts miss; but as no atom is wider than five times the operator's scale,
    it does not see clusters that lie farther from all others, which a greedy decoder does.

    Parameters
    ----------
    n_adjustments : int, default=60
        Optimiser iterations after each split and each pruning.
    n_final_adjustments : int, default=300
        Optimiser iterations of the last adjustment.

    References
    ----------
    Keriven, Bourrier, Gribonval and Perez, "Sketching for large-scale learning of mixture models",
    Information and Inference 7(3), 2018, algorithm 2.
    """

    n_adjustments: int = 60
    n_final_adjustments: int = 300

    @on_one_blas_thread
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        target = check_decodable(sketch, family, n_atoms)
        operator = family.operator
        spread = np.broadcast_to(np.diag(operator.covariance), (1, family.n_features))
        fit = reweighted(target, family, family.from_moments(operator.center[None], spread))
        while len(fit.weights) < n_atoms:
            fit = self.split(target, family, fit, rng)
            fit = adjust(target, family, fit, shapes="free", max_iter=self.n_adjustments)
        while len(fit.weights) > n_atoms:
            fit = without_least(target, family, fit)
        fit = adjust(target, family, fit, shapes="free", max_iter=self.n_final_adjustments)
        return mixture_of(sketch, family, fit)

    def split(
        self, target: np.ndarray, family: AtomFamily, fit: Fit, rng: np.random.Generator
    ) -> Fit:
        """Every atom replaced by two, their weights solved for."""
        variances = family.covariances(fit.parameters)
        locations, shapes = family.split(fit.parameters)
        steps = np.sqrt(variances) * self._directions(family, variances, rng)
        lower, upper = family.operator.lower, family.operator.upper
        pairs = [np.clip(locations + sign * steps, lower, upper) for sign in (1.0, -1.0)]
        halves = reweighted(
            target, family, np.vstack([np.hstack([pair, shapes]) for pair in pairs])
        )
        return replace(halves, n_iter=fit.n_iter)

    def _directions(
        self, family: AtomFamily, variances: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Unit directions (k, d): each atom's widest axis, or a random one of the data's."""
        random = gaussian(family.operator.covariance, len(variances), rng)
        random /= np.maximum(np.linalg.norm(random, axis=1, keepdims=True), 1e-300)
        widest = np.eye(family.n_features)[np.argmax(variances, axis=1)]
        stands_out = np.ptp(variances, axis=1) > 1e-6 * variances.max(axis=1)
        return np.where(stands_out[:, None], widest, random)
