"""Gaussian mixtures of data that is no Gaussian mixture: EM on points moved to match the sketch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily, GaussianFamily, SphericalGaussian
from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import (
    Decoder,
    Mixture,
    check_decodable,
    mixture_of,
    n_parameters,
    spare_share,
)
from sketchlearn.decoders.point_mixture import mixture_of_points
from sketchlearn.decoders.refinement import adjust, fit_of, reweighted
from sketchlearn.decoders.surrogates.kmeans import WIDENING, n_particles
from sketchlearn.decoders.surrogates.points import (
    blur_covariance,
    gaussian_cloud,
    move,
    start_cloud,
)
from sketchlearn.sketches.sketch import Sketch

# Points drawn for each particle, so that its blur is seen.
DRAWS_A_PARTICLE = 5
# Random starts of EM on the first cloud; and of how many atoms EM takes so long that one start, if
# possible not a random one, must do.
N_RANDOM_STARTS, MANY_ATOMS = 2, 32
# Share of the sketch's numbers that a spherical mixture must leave to spare to be a start.
LEAST_SPARE = 0.6
# Optimiser iterations that make a mixture's atoms spherical.
N_ADJUSTMENTS = 100
# Numbers in the sketch for each parameter above which particles may be sharper; and how sharp.
NUMBERS_TO_SHARPEN, SHARPER = 8.0, 1.0 / 3.0
# Clouds after the first, each started from the mixture of the one before: so many if sharper.
N_SHARPER = 2
# Least variances up to which an atom is taken to have collapsed.
COLLAPSED = 1.2
# Rows for each parameter from which a mixture can be told from the rows' accidents.
ROWS_A_PARAMETER = 5


@final
@dataclass(frozen=True)
class CloudEM(Decoder):
    r"""Match the sketch by a mixture; where none does, fit one by EM to points that match it.

    A mixture that matches the sketch is the data's, if the data is such a mixture. If it is not,
    the nearest in sketch distance is far from the likeliest: variances collapse onto detail. Then a
    cloud of points is moved until its sketch is the data's, as `Particles` does, and EM finds the
    likeliest mixture of the cloud. A second cloud, started from that mixture, lacks less of what
    the sketch does not say; EM goes on with it, and with a third where the sketch has numbers
    enough for sharper clouds. No row of data is involved.

    The first cloud starts from the match with its atoms made spherical, which do not collapse; or
    from a Gaussian with the pilot's mean and covariance where the sketch has too few numbers even
    for spherical atoms. Such a start cannot tell separated clusters apart.

    Its cost, goodness of fit and misfit are those of the mixture that it returns.

    Parameters
    ----------
    start : Decoder, default=BestOf()
        Matches the sketch.
    n_moves : int, default=20
        Gauss-Newton iterations over the particles' positions, of each cloud. A sketch of more
        than 4,000 numbers takes five times as many of L-BFGS, which are cheaper then.
    """

    start: Decoder = field(default_factory=BestOf)
    n_moves: int = 20

    @on_one_blas_thread
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
        check_decodable(sketch, family, n_atoms)
        match = None
        if spare_share(sketch, family, n_atoms) > 0:
            match = self.start.decode(sketch, family, n_atoms, rng)
            if is_identified(match, sketch):
                return match
        blur = blur_covariance(sketch.operator)
        n_points = n_particles(n_atoms)
        start = self._spherical(sketch, match, n_atoms, rng)
        if start is None:
            points = gaussian_cloud(sketch.operator, blur, n_points, rng)
        else:
            points = start_cloud(start, blur, n_points, WIDENING, rng)
        n_random = N_RANDOM_STARTS if n_atoms < MANY_ATOMS else int(start is None)
        best = self._likeliest(sketch, family, n_atoms, points, blur, start, n_random, rng)
        n_iter = best.n_iter if start is None else start.n_iter + best.n_iter
        numbers = 2 * sketch.operator.n_frequencies / n_parameters(family, n_atoms)
        is_sharper = numbers >= NUMBERS_TO_SHARPEN
        if is_sharper:
            blur = SHARPER * blur
        for _ in range(N_SHARPER if is_sharper else 1):
            points = start_cloud(best, blur, n_points, 1.0, rng)
            best = self._likeliest(sketch, family, n_atoms, points, blur, best, 0, rng)
            n_iter += best.n_iter
        return replace(best, n_iter=n_iter, message="fitted by EM to points that match the sketch")

    def _spherical(
        self, sketch: Sketch, match: Mixture | None, n_atoms: int, rng: np.random.Generator
    ) -> Mixture | None:
        """A mixture of spherical atoms near the match, if the sketch has numbers enough for it."""
        family = SphericalGaussian(sketch.operator)
        if spare_share(sketch, family, n_atoms) < LEAST_SPARE:
            return None
        if match is None:
            return self.start.decode(sketch, family, n_atoms, rng)
        target = check_decodable(sketch, family, n_atoms)
        variances = np.maximum(match.covariances, 0.5 * sketch.operator.scale**2)
        fit = reweighted(target, family, family.from_moments(match.locations, variances))
        fit = adjust(target, family, fit, shapes="free", max_iter=N_ADJUSTMENTS)
        return mixture_of(sketch, family, replace(fit, n_iter=fit.n_iter + match.n_iter))

    def _likeliest(
        self,
        sketch: Sketch,
        family: GaussianFamily,
        n_atoms: int,
        points: np.ndarray,
        blur: np.ndarray,
        start: Mixture | None,
        n_random: int,
        rng: np.random.Generator,
    ) -> Mixture:
        """Move points until they match the sketch, and fit a mixture to them by EM."""
        operator = sketch.operator
        points = np.clip(points, operator.lower, operator.upper)
        cloud = move(sketch, points, blur, self.n_moves)
        drawn = cloud.draw(DRAWS_A_PARTICLE * len(points), rng)
        weights, means, covariances, n_em = mixture_of_points(
            drawn, family, n_atoms, start, rng, n_random=n_random
        )
        target = check_decodable(sketch, family, n_atoms)
        fit = fit_of(target, family, weights, family.from_covariances(means, covariances))
        return mixture_of(sketch, family, replace(fit, n_iter=cloud.n_iter + n_em))


def is_identified(mixture: Mixture, sketch: Sketch) -> bool:
    """Whether a mixture explains the sketch by more than having parameters enough to.

    However small, a misfit beyond noise may hide a likelihood that is far from the best. An atom
    that collapsed to the least variance in some direction is a detail of the data, not a component.
    And few rows are explained, up to their large noise, by anything.
    """
    n_atoms = len(mixture.weights)
    if sketch.n_effective < ROWS_A_PARAMETER * n_parameters(mixture.family, n_atoms):
        return False
    covariances = mixture.family.covariance_matrices(mixture.parameters)
    scale = mixture.family.operator.scale
    narrowest = float(np.linalg.eigvalsh(covariances).min()) / scale**2
    if narrowest < COLLAPSED * LEAST_VARIANCE:
        return False
    return mixture.goodness_of_fit <= 1.0
