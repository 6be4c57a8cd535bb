"""Gaussian mixtures of data that is no Gaussian mixture: EM on points moved to match the sketch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from threadpoolctl import threadpool_limits

from sketchlearn.atoms import AtomFamily, GaussianFamily, SphericalGaussian
from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.cloud import blur_covariance, move, start_cloud
from sketchlearn.decoders.decoder import (
    SLIGHT_MISFIT,
    Decoder,
    Mixture,
    check_decodable,
    mixture_of,
)
from sketchlearn.decoders.particles import WIDENING, n_particles
from sketchlearn.decoders.point_mixture import fit_of, mixture_of_points
from sketchlearn.sketching import Sketch

# Points drawn for each particle, so that its blur is seen.
DRAWS_A_PARTICLE = 5
# Random starts of EM on the first cloud.
N_RANDOM_STARTS = 2
# Numbers in the sketch for each parameter above which particles may be sharper; and how sharp.
NUMBERS_TO_SHARPEN, SHARPER = 8.0, 1.0 / 3.0
# Least variances up to which an atom is taken to have collapsed.
COLLAPSED = 1.5


@final
@dataclass(frozen=True)
class CloudEM(Decoder):
    r"""Match the sketch by a mixture; where none does, fit one by EM to points that match it.

    A mixture that matches the sketch is the data's, if the data is such a mixture. If it is not,
    the nearest in sketch distance is far from the likeliest: variances collapse onto detail. Then a
    cloud of points is moved until its sketch is the data's, as `Particles` does, and EM finds the
    likeliest mixture of the cloud. A second cloud, started from that mixture, lacks less of what
    the sketch does not say; EM goes on with it. No row of data is involved.

    Its cost, goodness of fit and misfit are those of the mixture that it returns.

    Parameters
    ----------
    start : Decoder, default=BestOf()
        Matches the sketch, with atoms of the family asked for and, where these do not explain it,
        with spherical ones, which the cloud starts from.
    n_moves : int, default=100
        Optimiser iterations over the particles' positions, of each cloud.
    """

    start: Decoder = field(default_factory=BestOf)
    n_moves: int = 100

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` Gaussians; see `Decoder.decode`.

        Raises
        ------
        TypeError
            If the family is not Gaussian.
        """
        if not isinstance(family, GaussianFamily):
            raise TypeError(f"CloudEM needs a Gaussian family, got {type(family).__name__}")
        target = check_decodable(sketch, family, n_atoms)
        mixture = None
        if spare_share(sketch, family, n_atoms) > 0:
            mixture = self.start.decode(sketch, family, n_atoms, rng)
            if is_identified(mixture, sketch):
                return mixture
        spherical = SphericalGaussian(sketch.operator)
        mixture = self.start.decode(sketch, spherical, n_atoms, rng)
        n_iter = mixture.n_iter
        blur = blur_covariance(sketch.operator)
        fit = None
        for blur_now, widening in self._rounds(sketch, family, n_atoms, blur):
            points = start_cloud(mixture, blur_now, n_particles(n_atoms), widening, rng)
            operator = sketch.operator
            cloud = move(
                sketch, np.clip(points, operator.lower, operator.upper), blur_now, self.n_moves
            )
            drawn = cloud.draw(DRAWS_A_PARTICLE * len(points), rng)
            weights, means, covariances, n_em = mixture_of_points(
                drawn, family, mixture, rng, n_random=N_RANDOM_STARTS if fit is None else 0
            )
            n_iter += cloud.n_iter + n_em
            parameters = family.from_covariances(means, covariances)
            fit = replace(fit_of(target, family, weights, parameters), n_iter=n_iter)
            mixture = mixture_of(sketch, family, fit)
        return replace(mixture, message="fitted by EM to points that match the sketch")

    def _rounds(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, blur: np.ndarray
    ) -> list[tuple[np.ndarray, float]]:
        """Blur and widening of each cloud's start."""
        numbers = 2 * sketch.operator.n_frequencies / n_parameters(family, n_atoms)
        last = SHARPER * blur if numbers >= NUMBERS_TO_SHARPEN else blur
        return [(blur, WIDENING), (last, 1.0)]


def n_parameters(family: AtomFamily, n_atoms: int) -> int:
    """Free numbers of a mixture: weights that sum to 1, locations and shapes."""
    return n_atoms * (1 + family.n_features + family.n_shape) - 1


def spare_share(sketch: Sketch, family: AtomFamily, n_atoms: int) -> float:
    """Share of the sketch's numbers that a mixture's parameters do not use up; may be negative."""
    return 1.0 - n_parameters(family, n_atoms) / (2 * sketch.operator.n_frequencies)


def is_identified(mixture: Mixture, sketch: Sketch) -> bool:
    """Whether a mixture explains the sketch by more than having parameters enough to.

    Each parameter absorbs one of the 2 m numbers' noise and misfit; what is left is compared, for
    the numbers to spare, with noise and with the size of a slight misfit. An atom that collapsed
    to the least variance in some direction is a detail of the data, not a component.
    """
    spare = spare_share(sketch, mixture.family, len(mixture.weights))
    if spare <= 0:
        return False
    covariances = mixture.family.covariance_matrices(mixture.parameters)
    narrowest = float(np.linalg.eigvalsh(covariances).min()) / sketch.operator.scale**2
    if narrowest < COLLAPSED * LEAST_VARIANCE:
        return False
    noise = sketch.standard_error**2
    excess = mixture.cost / spare - noise
    return excess <= SLIGHT_MISFIT * float(np.sum(np.abs(sketch.centered_mean) ** 2))
