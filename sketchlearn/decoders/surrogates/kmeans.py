"""A stand-in data set whose sketch is the data's, and k-means on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of, spread_ratio
from sketchlearn.decoders.point_clustering import cluster_points
from sketchlearn.decoders.refinement import fit_of
from sketchlearn.decoders.surrogates.points import (
    BLUR,
    Cloud,
    blur_covariance,
    gaussian,
    move,
    start_cloud,
)
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.sketch import Sketch

# Fewest particles, and particles for each atom.
LEAST_PARTICLES, PARTICLES_AN_ATOM = 3000, 100
# How much wider than the atoms the particles start where the mixture's model is wrong: tails are
# what it lacks, and points that start far from all data stay there.
WIDENING = 1.3
# Points drawn for each particle, so that its blur is seen.
DRAWS_A_PARTICLE = 3
# How often the blur may be quartered.
MOST_SHARPENINGS = 2
# Random starts of k-means on the cloud.
N_RANDOM_STARTS = 4
# Spread of a cloud, over the pilot's, under which rows are missing that no frequency responds to.
LOW_SPREAD = 0.9
# Points that stand for such rows, and random starts of k-means then: it hangs on few points.
N_STRAYS, N_RANDOM_STARTS_IF_STRAY = 5000, 10
# How far into the search box they reach from its middle: a box leaves room around the data, and
# points out there would carry too much of the sum (far outliers: 1.14 to 1.18 at 5 k d).
STRAY_REACH = 5 / 6


@final
@dataclass(frozen=True)
class Particles(Decoder):
    r"""Decode a mixture; where it does not explain the sketch, move points until they do.

    Real clusters are no isotropic Gaussians, and a mixture's locations are then not k-means'
    centroids. This decoder draws a cloud of particles from the decoded mixture, moves them all
    until *their* sketch equals the data's, and clusters the cloud by ordinary k-means. Where the
    mixture explains the sketch up to noise, its own cloud is clustered unmoved. No row of data is
    involved.

    Where even the cloud lacks spread that the pilot had, rows far from all others are missing, too
    few and scattered for a sketch to see. k-means' sum hangs on them, so points in the search box
    stand for them, as many as have the variance that is missing.

    What it returns has the cloud's clusters as its atoms. Its cost, goodness of fit and misfit are
    theirs; those of the mixture that the cloud started from are in ``matched``. Its spread ratio is
    the cloud's, without the points that stand for missing spread.

    Parameters
    ----------
    start : Decoder, default=BestOf()
        Gives the mixture.
    n_moves : int, default=20
        Gauss-Newton iterations over the particles' positions. A sketch of more than 4,000
        numbers takes five times as many of L-BFGS, which are cheaper then.
    """

    start: Decoder = field(default_factory=BestOf)
    n_moves: int = 20

    @on_one_blas_thread
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms at the centroids of the cloud; see `Decoder.decode`."""
        mixture = self.start.decode(sketch, family, n_atoms, rng)
        cloud = self.cloud(sketch, mixture, rng)
        points = cloud.draw(DRAWS_A_PARTICLE * n_particles(n_atoms), rng)
        # A mixture that is right is where k-means should start; a wrong one may mislead it.
        n_random = 1 if mixture.explains_sketch else N_RANDOM_STARTS
        spread = spread_ratio(points.var(axis=0), family)
        weights = np.ones(len(points))
        if spread < LOW_SPREAD:
            points, weights = with_strays(sketch.operator, points, N_STRAYS, rng)
            n_random = N_RANDOM_STARTS_IF_STRAY
        centroids, shares, labels = cluster_points(
            points, weights, mixture.locations, rng, n_random=n_random
        )
        parts = [points[labels == i] for i in range(n_atoms)]
        variances = np.stack(
            [part.var(axis=0) if len(part) else np.zeros(points.shape[1]) for part in parts]
        )
        target = check_decodable(sketch, family, n_atoms)
        fit = fit_of(target, family, shares, family.from_moments(centroids, variances))
        fit = replace(fit, n_iter=mixture.n_iter + cloud.n_iter, converged=mixture.converged)
        return replace(
            mixture_of(sketch, family, fit),
            spread_ratio=spread,
            message=f"{mixture.message}, then k-means on points that match the sketch",
            matched=mixture,
        )

    def cloud(self, sketch: Sketch, mixture: Mixture, rng: np.random.Generator) -> Cloud:
        """Particles whose sketch is the data's, started from a decoded mixture."""
        blur = blur_covariance(sketch.operator)
        n_points = n_particles(len(mixture.weights))
        if mixture.explains_sketch:
            # No wider than the narrowest atom, or the cloud would not be the mixture.
            widest = BLUR * sketch.operator.scale**2
            blur *= min(1.0, float(mixture.covariances.min()) / widest)
            points = start_cloud(mixture, blur, DRAWS_A_PARTICLE * n_points, 1.0, rng)
            return Cloud(points, blur, mixture.cost, 0)
        start = start_cloud(mixture, blur, n_points, WIDENING, rng)
        common = mixture.family.common_log_envelope
        cloud = move(sketch, start, blur, self.n_moves, common)
        # Where the cloud cannot come down to the noise, the data has detail finer than the blur.
        for _ in range(MOST_SHARPENINGS):
            if cloud.cost <= sketch.standard_error**2:
                break
            blur = cloud.blur / 4.0
            points = cloud.points + gaussian(cloud.blur - blur, n_points, rng)
            cloud = move(sketch, points, blur, self.n_moves, common)
        return cloud


def with_strays(
    operator: FrequencyOperator, points: np.ndarray, n_strays: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points, uniform ones in the search box added, and weights that give the pilot's spread.

    Rows far from all others, few and scattered, leave no trace in a sketch. What is known of them
    is their share of the pilot's variance, and the box that they made so large.
    """
    middle = (operator.lower + operator.upper) / 2
    half = STRAY_REACH * (operator.upper - operator.lower) / 2
    strays = rng.uniform(middle - half, middle + half, size=(n_strays, len(middle)))
    mean = points.mean(axis=0)
    missing = np.trace(operator.covariance) - points.var(axis=0).sum()
    share = missing / max(np.sum(half**2 / 3 + (middle - mean) ** 2), missing)
    weights = np.repeat([(1 - share) / len(points), share / n_strays], [len(points), n_strays])
    return np.vstack([points, strays]), weights * len(points)


def n_particles(n_atoms: int) -> int:
    """How many particles a mixture of so many atoms is worth."""
    return max(LEAST_PARTICLES, PARTICLES_AN_ATOM * n_atoms)
