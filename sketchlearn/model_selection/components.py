"""Mixtures of every number of components, from one decode of the largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from scipy.stats import chi2

from sketchlearn._progress import note, tell
from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import GAUSSIAN_FAMILIES, CovarianceType
from sketchlearn.atoms.gaussian import GREATEST_VARIANCE, LEAST_VARIANCE, GaussianFamily
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.principal import PrincipalPart, find_principal_part
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.quality import THRESHOLDS
from sketchlearn.decoders.refinement import REFINING, adjust, solve_weights
from sketchlearn.model_selection.merging import QUICK, THOROUGH, Fit, merge_down
from sketchlearn.model_selection.moments import compute_moments_chance
from sketchlearn.model_selection.noise import ChosenWaves, WhitenedSketch
from sketchlearn.model_selection.pairs import may_hide_pairs
from sketchlearn.model_selection.refinement import Shapes
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike

# Parameters of all components up to which covariances are full unless asked otherwise.
MOST_PARAMETERS = 1400
# Frequencies that are compared, at the least and at the most: between, so many that their numbers
# are as many as parameters, and they themselves as weights and coordinates of means. The rest of a
# large sketch tells little more, and time grows with the cube.
FEWEST_WAVES, MOST_WAVES = 200, 500
# Optimiser iterations of the first mixture once its components may have any shape.
N_ADJUSTED = 20
# Rounds that follow with the noise of the mixture chosen so far; how many components more than
# chosen they start with, and how many fewer they end with.
N_ROUNDS, ABOVE, BELOW = 2, 1, 1
# How many components more than chosen are looked at where those have not the rows' moments.
MOST_MORE = 3
# Probability of a larger deviance, under which a mixture is not right.
LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class Setting:
    """Where components are sought, and of which shapes.

    Attributes
    ----------
    sketch : SketchLike
        Columns in their units or, where there are many, coordinates along principal axes.
    region : Region
        Where its rows lie.
    family : GaussianFamily
        Of the mixtures.
    shapes : Shapes
        Their covariances.
    part : PrincipalPart or None
        The principal axes.
    """

    sketch: SketchLike
    region: Region
    family: GaussianFamily
    shapes: Shapes
    part: PrincipalPart | None

    @classmethod
    def of(cls, sketch: SketchLike, most: int, kind: CovarianceType | None, region: Region) -> Self:
        """Return that of up to ``most`` components; their type is chosen where it is None."""
        d = sketch.n_features
        if kind is None:
            kind, n_parameters = "full", most * (1 + d + d * (d + 1) // 2)
            if n_parameters > min(MOST_PARAMETERS, sketch.n_frequencies):
                kind = "spherical"
        part = None
        if kind == "spherical":
            part = find_principal_part(sketch, most, region)
        else:
            region = region.in_units(sketch.operator.units)
            sketch = sketch.standardised()
        if part is not None:
            sketch, region = part.sketch, part.region
        operator = sketch.operator
        family = GAUSSIAN_FAMILIES[kind](operator) if part is None else part.family
        finest = operator.domain.finest_scale or operator.scale
        shapes = Shapes.of(kind, operator.n_features, LEAST_VARIANCE * finest**2)
        return cls(sketch, region, family, shapes, part)

    @on_one_blas_thread
    def find_path(
        self, numbers: Sequence[int], decoder: Decoder, rng: np.random.Generator
    ) -> ComponentPath:
        """Decode the largest number of components, and merge them one by one."""
        most, fewest = max(numbers), max(1, min(numbers) - 1)
        tell(task=f"up to {most} clusters")
        mixture = self._decode(most, decoder, rng)
        chosen = self._choose_waves(most, rng)
        waves = self._take_waves(chosen)

        def tell_number(k: int) -> None:
            note(n_wanted=k)
            tell(task=f"k = {k}, from {most} down", n_atoms=k)

        whitened = WhitenedSketch.of(self.sketch, waves, chosen, mixture)
        fits = merge_down(whitened, mixture, self.shapes, fewest, QUICK, tell_number)
        path = ComponentPath(whitened, fits, self.shapes)
        for _ in range(N_ROUNDS):
            k = path.best
            whitened = WhitenedSketch.of(self.sketch, waves, chosen, fits[k].mixture)
            start, end = fits[min(k + ABOVE, most)].mixture, max(fewest, k - BELOW)
            fits |= merge_down(whitened, start, self.shapes, end, THOROUGH, tell_number)
            path = ComponentPath(whitened, fits, self.shapes)
            if path.best == k and path.is_noise(k):
                break
        return replace(path, with_moments=self._find_with_moments(path, chosen))

    def _find_with_moments(self, path: ComponentPath, chosen: np.ndarray) -> int | None:
        """Return the fewest components, from the best number on, that have the rows' moments.

        None if there are none such; the best number itself where the moments are not exact.
        """
        if not self.region.is_exact or self.sketch.moment_kind != "full":
            return path.best
        for k in range(path.best, min(path.best + MOST_MORE, max(path.fits)) + 1):
            mixture = path.fits[k].mixture
            whitened = WhitenedSketch.of(self.sketch, path.whitened.waves, chosen, mixture)
            chance = compute_moments_chance(whitened, mixture, self.shapes, self.region)
            if chance >= LEAST_PROBABILITY:
                return k
        return None

    def make_mixture(self, moments: Moments) -> Mixture:
        """Return the mixture of given components, in data coordinates."""
        widest = float(np.linalg.eigvalsh(moments.covariances).max())
        scale = max(self.family.operator.scale, np.sqrt(widest / GREATEST_VARIANCE))
        problem = Problem.of(self.sketch, self.family, len(moments.weights), region=self.region)
        problem = problem.at_scale(float(scale))
        means = np.clip(moments.means, self.region.lower, self.region.upper)
        parameters = problem.family.from_covariances(means, moments.covariances)
        mixture = problem.make_mixture(problem.evaluate(moments.weights, parameters))
        return mixture if self.part is None else self.part.lift(mixture)

    def _decode(self, most: int, decoder: Decoder, rng: np.random.Generator) -> Moments:
        """Return the first mixture: round components, then of the shapes that there may be."""
        round_family = GAUSSIAN_FAMILIES["spherical"](self.sketch.operator)
        if self.family.covariance_type == "spherical":
            round_family = self.family
        mixture = decoder.decode(self.sketch, round_family, most, rng, region=self.region)
        if self.family.covariance_type != "spherical":
            problem = Problem.of(self.sketch, self.family, most, region=self.region)
            problem = problem.at_scale(mixture.family.operator.scale)
            moments = mixture.moments
            start = problem.family.from_covariances(moments.means, moments.covariances)
            prior = REFINING.shape_precision * problem.noise / len(problem.target)
            fit = solve_weights(problem, start)
            fit = adjust(problem, fit, shapes="free", max_iter=N_ADJUSTED, prior=prior)
            mixture = problem.make_mixture(fit)
        return mixture.moments._replace(weights=mixture.weights * mixture.total_weight)

    def _choose_waves(self, most: int, rng: np.random.Generator) -> np.ndarray:
        """Return which frequencies are compared, in order."""
        m, one = self.sketch.n_frequencies, self.shapes.n_parameters
        wanted = most * max(one // 2, 1 + self.sketch.n_features)
        n = int(np.clip(wanted, FEWEST_WAVES, MOST_WAVES))
        return np.arange(m) if m <= n else np.sort(rng.choice(m, size=n, replace=False))

    def _take_waves(self, chosen: np.ndarray) -> ChosenWaves:
        """Return some of the sketch's waves."""
        operator = self.sketch.operator
        unit_waves = np.eye(len(chosen))
        frequencies = operator.linear_map.take(chosen).adjoint(unit_waves).T
        if self.part is None:
            return ChosenWaves(frequencies, operator.center)
        whole, axes = self.part.whole, self.part.axes
        of_rows = whole.linear_map.take(chosen).adjoint(unit_waves).T
        off_axes = of_rows - axes @ (axes.T @ of_rows)
        blur = off_axes.T @ (self.part.covariance @ off_axes)
        return ChosenWaves(frequencies, operator.center, blur)


@dataclass(frozen=True, eq=False)
class ComponentPath:
    """Mixtures of numbers of components, and what each leaves of a whitened sketch.

    Attributes
    ----------
    whitened : WhitenedSketch
        The sketch.
    fits : dict of int to Fit
        The mixture of each number.
    shapes : Shapes
        Their covariances.
    with_moments : int or None
        The fewest components, from the best number on, that have the rows' moments too.
    """

    whitened: WhitenedSketch
    fits: dict[int, Fit]
    shapes: Shapes
    with_moments: int | None = None

    @cached_property
    def criteria(self) -> dict[int, float]:
        """Deviance and penalty of each number, the fewest first."""
        a_component = self.shapes.n_parameters * np.log(self.whitened.n_rows)
        return {k: self._compute_deviance(k) + k * a_component for k in sorted(self.fits)}

    @property
    def best(self) -> int:
        """The number of the least criterion."""
        return min(self.criteria, key=self.criteria.__getitem__)

    def has_enough_rows(self, k: int) -> bool:
        """Whether each of k components has rows enough to be told from their accidents."""
        fewest = float(self.fits[k].mixture.weights.min()) * self.whitened.n_rows
        return fewest >= THRESHOLDS.rows_per_parameter * self.shapes.n_parameters

    def is_noise(self, k: int) -> bool:
        """Whether what k components leave is no more than what noise may be."""
        spare = self.whitened.n_numbers - (k * self.shapes.n_parameters - 1)
        if spare < 1:
            return False
        return bool(chi2.sf(self._compute_deviance(k), spare) >= LEAST_PROBABILITY)

    def may_hide_pairs(self, k: int) -> bool:
        """Whether one of k components may be two clusters, which the sketch would not show."""
        return may_hide_pairs(self.whitened, self.fits[k].mixture, self.shapes)

    def _compute_deviance(self, k: int) -> float:
        residual = self.whitened.compute_residual(self.fits[k].mixture)
        return float(residual @ residual)
