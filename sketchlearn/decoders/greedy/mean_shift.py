"""Greedy mode seeking, then swaps: the decoder that rarely misses a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mode_seeking import (
    Starts,
    choose_widening,
    draw_earlier,
    draw_starts,
    find_modes,
    locate_missing,
    locate_several_missing,
)
from sketchlearn.decoders.greedy.pruning import (
    compute_importances,
    remove_atoms,
)
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.refinement import (
    REFINING,
    Shapes,
    adjust,
    compute_median,
    solve_weights,
)
from sketchlearn.decoders.settings import Settings

BOTH: tuple[Starts, ...] = ("gaussian", "box")
STAGES: tuple[Shapes, ...] = ("fixed", "shared", "free")


@final
@dataclass(frozen=True)
class SwappingSettings(Settings):
    """How atoms are added, swapped and pruned.

    Attributes
    ----------
    most_failures : int
        So many swaps in a row that found no more than noise explains end them.
    atoms_a_step : int
        Atoms for each that a step may add, at least one.
    least_evidence : float
        What an atom must explain to be no noise, in units of the noise in one real entry of the
        sketch: the best fitting noise explains up to 12, a cluster of 0.2 % of 50,000 rows 40.
    """

    most_failures: int = 5
    atoms_a_step: int = 16
    least_evidence: float = 15.0


SWAPPING = SwappingSettings()

# Standard deviation of shapes, logarithms of variances, that atoms have at least.
LEAST_SPREAD = 0.1


@final
@dataclass(frozen=True)
class MeanShift(Decoder):
    r"""Greedy mode seeking on the residual, then swaps of the least important atom for a better.

    Three stages, each a joint adjustment followed by swaps: shapes fixed at the operator's scale,
    one shape that all atoms share, one shape for each atom. Freed earlier, one atom's shape would
    swallow the data; never freed, clusters of unequal width pull their neighbours' centres.

    A swap adds the atom best correlated with the residual, sought with ever narrower kernels where
    the swap before it failed (`find_modes`), adjusts, drops the atom whose loss costs
    least, :math:`\alpha_j^2 / [G^{-1}]_{jj}` with G the atoms' Gram matrix, or merges the two most
    coherent if that costs less, adjusts, and is kept if the cost fell by more than noise can
    explain. Of many atoms several are added and swapped at a time. What takes away the atoms that
    it added, or merges them with others, has adjusted atoms and swapped none: it is kept, and
    counts as a failure. Where no
    more is left than noise, small clusters may still be hidden in it: then they are sought
    everywhere, until the best new atom is not significant.

    Parameters
    ----------
    starts : {"gaussian", "box"}, default="gaussian"
        Where modes are sought from: random points of a Gaussian with the rows' mean and covariance,
        or of the box around them. The first finds close clusters in many dimensions, the second
        small clusters far from all others.
    n_starts : int, default=200
        Starting points of a greedy step; a swap takes twice as many, the search for small clusters
        half of them in the box.
    n_ascents : int, default=32
        Starts that climb, the best correlated ones.
    shapes : {"fixed", "shared", "free"}, default="free"
        The last stage. With "fixed" no atom is ever wider or narrower than the scale.
    good_fit : float, default=1.1
        Cost over the noise, under which only small clusters are still sought.

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

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Add atoms, and go through the stages."""
        decoding = Decoding(self, problem, rng)
        fit = decoding.fill(problem.start_empty())
        for shapes in STAGES[: 1 + STAGES.index(self.shapes)]:
            fit = decoding.swap(decoding.adjust(fit, shapes, REFINING.n_many), shapes)
        return problem.make_mixture(decoding.settle(fit, self.shapes))

    def go_on(self, problem: Problem, mixture: Mixture, rng: np.random.Generator) -> Mixture:
        """Free the shapes of a mixture's atoms, of this or another family, and go on from there.

        Parameters
        ----------
        problem : Problem
            What to match, and the family of the atoms to be.
        mixture : Mixture
            Where they start: locations, and variances along the columns.
        rng : numpy.random.Generator
            Draws where modes are sought from.

        Returns
        -------
        Mixture
            After the last of the stages.
        """
        decoding = Decoding(self, problem, rng)
        atoms = problem.family.from_moments(mixture.locations, mixture.covariances)
        fit = decoding.adjust(solve_weights(problem, atoms), self.shapes, REFINING.n_many)
        fit = decoding.settle(decoding.swap(fit, self.shapes), self.shapes)
        return problem.make_mixture(replace(fit, n_iter=mixture.n_iter + fit.n_iter))


@dataclass(frozen=True, eq=False)
class Decoding:
    """One decode: its settings, what is decoded, and the steps."""

    settings: MeanShift
    problem: Problem
    rng: np.random.Generator

    def fill(self, fit: Fit) -> Fit:
        """Add atoms where the residual's modes are, a few at a time, adjusting all in between."""
        while (n_missing := self.problem.n_atoms - len(fit.weights)) > 0:
            fit = self.expand(fit, min(self.n_at_once, n_missing))
            fit = self.adjust(fit, "fixed", REFINING.n_few)
        return fit

    def swap(self, fit: Fit, shapes: Shapes) -> Fit:
        """Swap until enough tries in a row have found nothing, or only noise is left."""
        problem, least = self.problem, self.least_gain
        most, n_failures = self.n_at_once, 0
        while n_failures < SWAPPING.most_failures:
            is_fine = n_failures > 0 and fit.cost <= self.settings.good_fit * problem.noise
            tried = self.expand_finely(fit) if is_fine else self.expand(fit, most, n_failures)
            n_new = len(tried.weights) - problem.n_atoms
            if is_fine and compute_importances(problem, tried)[-1] < least:
                break
            goal = fit.cost - least
            # What a coarse search brings has come from farther away.
            is_coarse = choose_widening(problem, n_failures) > 1.0
            n_iter = REFINING.n_many if is_coarse else REFINING.n_few
            tried, is_swap = self.contract(tried, shapes, goal, n_iter)
            is_better = tried.cost < goal
            fit = tried if is_better else replace(fit, n_iter=tried.n_iter)
            if is_better and is_swap:
                n_failures = 0
            else:
                # Fewer at a time may succeed where several did not.
                n_failures += n_new == 1
                most = max(1, n_new // 2)
        return fit

    def adjust(self, fit: Fit, shapes: Shapes, max_iter: int, prior: float | None = None) -> Fit:
        """Move all atoms and weights jointly, to the likeliest a posteriori."""
        if prior is None:
            prior = REFINING.shape_precision * self.problem.noise / len(self.problem.target)
        prior = prior if shapes == "free" else 0.0
        return adjust(self.problem, fit, shapes=shapes, max_iter=max_iter, prior=prior)

    def settle(self, fit: Fit, shapes: Shapes) -> Fit:
        """Adjust for as long as that gains more than noise explains.

        Shapes of several numbers are held together by as much as the atoms say of them: of how
        alike they are, and of the noise.
        """
        problem, prior = self.problem, None
        if problem.family.n_shape > 1 and problem.spare_share > 0.0:
            noise = problem.estimate_noise(fit.cost)
            if noise < 0.5 * problem.noise / len(problem.target):
                shapes_apart = problem.family.split(fit.parameters)[1]
                variance = float(np.mean((shapes_apart - compute_median(shapes_apart)) ** 2))
                prior = noise / max(variance, LEAST_SPREAD**2)
        is_still = fit.converged and prior is None
        while not is_still:
            settled = self.adjust(fit, shapes, REFINING.n_many, prior)
            is_still = settled.converged or settled.cost >= fit.cost - self.least_gain
            fit = settled
        return fit

    @property
    def least_gain(self) -> float:
        """By how much the cost must fall if it is not to be put down to noise."""
        return SWAPPING.least_evidence * self.problem.noise / len(self.problem.target)

    @property
    def n_at_once(self) -> int:
        """Atoms that a step may add."""
        return -(-self.problem.n_atoms // SWAPPING.atoms_a_step)

    def expand(self, fit: Fit, most: int, n_failures: int | None = None) -> Fit:
        """Add up to ``most`` atoms where the residual calls for them.

        A swap says how many before it failed: then modes are sought coarsely at first.
        """
        settings, is_swap = self.settings, n_failures is not None
        n_points = (2 if is_swap else 1) * settings.n_starts
        drawn = draw_starts(self.problem.region, settings.starts, n_points, self.rng)
        located = [locate_missing(self.problem, fit)]
        if not is_swap:
            # What is said by the latest atom, far away, is less exact than what was said without.
            located += [locate_several_missing(self.problem, fit, n_latest) for n_latest in (0, 1)]
        earlier = draw_earlier(self.problem, n_points, self.rng)
        points = np.vstack([drawn, earlier, *located])
        return self._add_modes(fit, points, most, choose_widening(self.problem, n_failures or 0))

    def expand_finely(self, fit: Fit) -> Fit:
        """Add one atom, sought everywhere."""
        n_starts, region = self.settings.n_starts, self.problem.region
        points = [draw_starts(region, starts, n_starts, self.rng) for starts in BOTH]
        points.append(locate_missing(self.problem, fit))
        return self._add_modes(fit, np.vstack(points), 1)

    def _add_modes(self, fit: Fit, points: np.ndarray, most: int, widening: float = 1.0) -> Fit:
        """Add atoms where a search from the points finds modes, and solve for all weights."""
        family, residual = self.problem.family, self.problem.target
        shape = family.default_shape()
        if len(fit.weights):
            shape = compute_median(family.split(fit.parameters)[1])
            residual = self.problem.compute_residual(fit.weights, family.sketch(fit.parameters))
        n_ascents = self.settings.n_ascents
        locations = find_modes(
            self.problem, shape, residual, points, n_ascents, most=most, widening=widening
        )
        atoms = np.hstack([locations, np.broadcast_to(shape, (len(locations), len(shape)))])
        parameters = np.vstack([fit.parameters, atoms])
        return solve_weights(self.problem, parameters, n_iter=fit.n_iter)

    def contract(self, fit: Fit, shapes: Shapes, goal: float, n_iter: int) -> tuple[Fit, bool]:
        """Come down to as many atoms as are asked for, if that might reach the goal.

        Returns whether an atom that was added, one of the last, took the place of another too.
        """
        n_atoms, fit = self.problem.n_atoms, self.adjust(fit, shapes, n_iter)
        if fit.cost >= goal:
            return fit, False
        # A merged atom may be wider, unless that was ruled out for good.
        keeps_shapes, n = self.settings.shapes == "fixed", len(fit.weights) - n_atoms
        fit, left = remove_atoms(self.problem, fit, shapes, n=n, keeps_shapes=keeps_shapes)
        return self.adjust(fit, shapes, n_iter), bool(np.any(left >= n_atoms))
