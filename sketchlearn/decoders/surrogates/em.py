"""Gaussian mixtures of data that is none: EM on surrogate points moved to match the sketch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from scipy.linalg import eigh

from sketchlearn.atoms import FullGaussian, GaussianFamily, SphericalGaussian
from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import BY_CHANCE, LEAST_BLUR, THRESHOLDS
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights
from sketchlearn.decoders.sampling_loss import estimate_sampling_loss
from sketchlearn.decoders.settings import Settings
from sketchlearn.decoders.surrogates.points import (
    POINTS,
    choose_bandwidth,
    compute_blur,
    count_points,
    draw_mixture_points,
    draw_region_points,
    match_points,
)
from sketchlearn.points.em import fit_mixture

# Logarithm of a variance over the least that there is, up to which it is that one, and of one that
# is as good as none.
AT_LEAST, NARROWER = 0.01, -7.0


@final
@dataclass(frozen=True)
class EMSettings(Settings):
    """Where points for EM start.

    Attributes
    ----------
    least_spare : float
        Share of the sketch's numbers that a spherical mixture must leave to spare to be a start.
    """

    least_spare: float = 0.6


EM = EMSettings()


@final
@dataclass(frozen=True)
class SurrogateEM(Decoder):
    r"""Match the sketch by a mixture; where none does, fit one by EM to points that match it.

    A mixture that matches the sketch is the data's, if the data is such a mixture. If it is not,
    the nearest in sketch distance is far from the likeliest: variances collapse onto detail. Then
    surrogate points are moved until their sketch is the data's, as `SurrogateKMeans` does, and EM
    finds their likeliest mixture. Noise that was added for privacy is nothing to match: where a
    mixture leaves only that, it is returned as it is; so is one with atoms as narrow as they can
    be, where it leaves but noise and the rows are known to share no values. Second points, started
    from that mixture, lack less of what the sketch does not say, and have sharper kernels if it has
    more numbers than the mixture; EM goes on with them, and with sharper ones yet as long as the
    points leave more of the sketch than noise or components are as narrow as kernels, and the
    sketch tells more. It starts from the mixture before and anew, and the likelier one is taken. No
    row of data is involved.

    The first points start from the match with its atoms made spherical, which do not collapse; or
    from a Gaussian with the rows' mean and covariance where the sketch has too few numbers even
    for spherical atoms. Such a start cannot tell separated clusters apart.

    Its figures are those of the mixture that it returns, but for `FitQuality.detail`: that is of
    the second points, for what is sharper is not known to be all there is, unless the rows that the
    operator was chosen on are known to have shared no values.

    Parameters
    ----------
    start : Decoder, default=BestOf()
        Matches the sketch.
    n_moves : int, default=20
        Gauss-Newton iterations over the points' positions, of each round. A sketch of more than
        4,000 numbers takes 100 of L-BFGS, which are cheaper then.
    n_starts : int, default=10
        Random starts of EM on the points, a sample of which tells the best.
    """

    start: Decoder = field(default_factory=BestOf)
    n_moves: int = 20
    n_starts: int = 10

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Recover Gaussians, and say what noise makes of them."""
        mixture = self._recover(problem, rng)
        loss = estimate_sampling_loss(problem, mixture, rng)
        return replace(mixture, quality=replace(mixture.quality, sampling_loss=loss))

    def _recover(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Recover Gaussians; TypeError if the family is not Gaussian."""
        family = problem.family
        if not isinstance(family, GaussianFamily):
            raise TypeError(f"SurrogateEM needs a Gaussian family, got {type(family).__name__}")
        match = None
        if problem.spare_share > 0:
            match = self.start.solve(problem, rng)
            if match.is_identified or _leaves_added_noise(match) or _shows_narrow_atoms(match):
                return _tell_narrowest(problem, match)
            problem = problem.at_scale(match.family.operator.scale)
        start = self._make_spherical(problem, match, rng)
        if match is None:
            problem = problem.at_scale(start.family.operator.scale if start else problem.scales[0])
        family = family.at_scale(problem.family.operator.scale)
        best = self._follow_points(problem, family, start, rng, self.n_starts)
        if best.quality.moment_mismatch > THRESHOLDS.large_moment_mismatch:
            # Points that match badly may be likeliest under what is nowhere near the data.
            other = self._follow_points(problem, family, start, rng, 1)
            best = min((best, other), key=lambda each: each.quality.moment_mismatch)
        return best

    def _follow_points(
        self,
        problem: Problem,
        family: GaussianFamily,
        start: Mixture | None,
        rng: np.random.Generator,
        n_starts: int,
    ) -> Mixture:
        """Return the mixture that rounds of points lead to, each drawn from the mixture before."""

        def fit(points: np.ndarray, start: Mixture | None) -> tuple[Mixture, float]:
            return self._fit_points(problem, family, points, bandwidth, start, rng, n_starts)

        bandwidth = choose_bandwidth(problem)
        n_points = count_points(problem.n_atoms)
        if start is None:
            points = draw_region_points(problem.region, bandwidth, n_points, rng)
        else:
            points = draw_mixture_points(start, bandwidth, n_points, rng)
        best, cost = fit(points, start)
        n_iter = best.n_iter if start is None else start.n_iter + best.n_iter
        if problem.spare_share > 0:
            bandwidth = POINTS.kernel_variance * bandwidth
        best, cost = fit(draw_mixture_points(best, bandwidth, n_points, rng), best)
        detail, shared = best.quality.detail, family.operator.domain.shared
        while problem.spare_share > 0:
            # Kernels that are too wide match nothing narrower, and let no atom be so.
            is_narrow = (best.quality.detail or 0.0) <= THRESHOLDS.detail
            is_matched = cost <= problem.noise and not is_narrow
            if is_matched or compute_blur(problem, bandwidth) <= problem.noise:
                break
            n_iter += best.n_iter
            bandwidth = POINTS.kernel_variance * bandwidth
            best, cost = fit(draw_mixture_points(best, bandwidth, n_points, rng), best)
        if shared is not None and not len(shared):
            detail = best.quality.detail
        return replace(
            best,
            n_iter=n_iter + best.n_iter,
            message="fitted by EM to points that match the sketch",
            quality=replace(best.quality, detail=detail),
        )

    def _make_spherical(
        self, problem: Problem, match: Mixture | None, rng: np.random.Generator
    ) -> Mixture | None:
        """Return a mixture of spherical atoms near the match, if there are numbers enough."""
        family = SphericalGaussian(problem.family.operator)
        problem = replace(problem, family=family)
        if problem.spare_share < EM.least_spare:
            return None
        if match is None:
            return self.start.solve(problem, rng)
        variances = np.maximum(match.covariances, family.operator.scale**2)
        parameters = family.from_moments(match.locations, variances)
        fit = solve_weights(problem, parameters, n_iter=match.n_iter)
        fit = adjust(problem, fit, shapes="free", max_iter=REFINING.n_many)
        return problem.make_mixture(fit)

    def _fit_points(
        self,
        problem: Problem,
        family: GaussianFamily,
        points: np.ndarray,
        bandwidth: np.ndarray,
        start: Mixture | None,
        rng: np.random.Generator,
        n_starts: int,
    ) -> tuple[Mixture, float]:
        """Move points until they match the sketch; return EM's mixture of them, and their cost."""
        points = np.clip(points, problem.region.lower, problem.region.upper)
        surrogate = match_points(problem, points, bandwidth, self.n_moves)
        rows = surrogate.draw(POINTS.draws_a_point * len(points), rng)
        led = None if start is None else start.moments
        moments, n_em = fit_mixture(rows, family, problem.n_atoms, led, rng, n_random=n_starts)
        parameters = family.from_covariances(moments.means, moments.covariances)
        fit = problem.evaluate(moments.weights, parameters)
        mixture = problem.make_mixture(replace(fit, n_iter=surrogate.n_iter + n_em))
        # Of what EM found, which atoms cannot show where it is narrower than they can be.
        least = limit_variances(problem, LEAST_VARIANCE * family.operator.scale**2)
        detail = min(measure_detail(moments.covariances, each) for each in (bandwidth, least))
        return replace(mixture, quality=replace(mixture.quality, detail=detail)), surrogate.cost


def measure_detail(covariances: np.ndarray, bandwidth: np.ndarray) -> float:
    """Return the least variance, in any direction, of covariances (k, d, d) over a kernel's."""
    widest = float(np.diag(bandwidth).max())
    if widest == 0.0:
        return float("inf")  # All rows are one.
    floor = LEAST_BLUR * widest * np.eye(len(bandwidth))
    least = [
        eigh(covariance + floor, bandwidth + floor, eigvals_only=True)[0]
        for covariance in covariances
    ]
    return float(min(least))


def limit_variances(problem: Problem, least: float) -> np.ndarray:
    """Return a covariance (d, d) that is ``least`` in any direction, or the rows' where smaller."""
    variances, axes = np.linalg.eigh(problem.region.covariance)
    return np.asarray((axes * np.clip(variances, 0.0, least)) @ axes.T)


def _tell_narrowest(problem: Problem, match: Mixture) -> Mixture:
    """Return a match that says so if components as narrow as atoms can be should be narrower.

    Where half of the clusters were 20 and 40 times narrower than the others, 0.3 to 1.6 nats a row
    were lost, and nothing else told. What an atom of no width explains better is at most half as
    wide as it could be; else a tenth of a nat may be lost along a column.
    """
    family = match.family
    if isinstance(family, FullGaussian):
        return match
    problem = problem.at_scale(family.operator.scale)
    locations, shapes = family.split(match.parameters)
    # Columns that hardly vary have no narrow components.
    varies = problem.region.variances > LEAST_VARIANCE * family.operator.scale**2
    is_least = shapes <= family.shape_bounds()[0] + AT_LEAST
    is_least &= varies if shapes.shape[1] > 1 else varies.any()
    if not is_least.any():
        return match
    narrower = np.hstack([locations, np.where(is_least, shapes + NARROWER, shapes)])
    wide, narrow = (
        problem.evaluate(match.weights, each).cost for each in (match.parameters, narrower)
    )
    # By chance as much is gained as so many numbers have of noise.
    n = np.count_nonzero(is_least)
    by_chance = (n + BY_CHANCE * (2.0 * n) ** 0.5) * problem.noise / len(problem.target)
    if wide - narrow <= by_chance:
        return match
    return replace(match, quality=replace(match.quality, detail=1.0))


def _leaves_added_noise(match: Mixture) -> bool:
    """Whether a mixture leaves noise alone, most of which was added: points would match it too."""
    quality = match.quality
    return quality.known_share > 0.5 and quality.is_noise


def _shows_narrow_atoms(match: Mixture) -> bool:
    """Whether atoms as narrow as they can be are components, and no detail of other rows.

    So it is where they leave but noise, of the rows' moments as well, and the rows share no values.
    Points, whose kernels are no narrower, would only blur them. Full covariances are narrow where
    columns depend on one another, and points show that as well.
    """
    shared, quality = match.family.operator.domain.shared, match.quality
    if isinstance(match.family, FullGaussian):
        return False
    knows = quality.region.is_exact and quality.has_enough_rows
    knows &= shared is not None and not len(shared)
    knows &= quality.goodness_of_fit <= 1.0
    return knows and quality.moment_mismatch <= THRESHOLDS.explained_mismatch
