"""Greedy mode seeking, then swaps: the decoder that rarely misses a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mode_seeking import (
    Starts,
    draw_earlier,
    draw_starts,
    find_modes,
    locate_missing,
    locate_several_missing,
)
from sketchlearn.decoders.greedy.pruning import (
    compute_importances,
    drop_least_important,
    remove_one,
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
    least_gain : float
        A swap that lowers the cost by a smaller fraction has found nothing new.
    most_failures : int
        So many such swaps in a row end them.
    many_atoms : int
        Of so many atoms each swap takes long.
    least_gain_of_many, coarse_gain : float
        They must gain more, before the last stage still more.
    atoms_a_step : int
        Atoms for each that a step may add, at least one.
    n_wide, numbers_to_widen : int
        Starts under a kernel that narrows, of many atoms, where the sketch has so many frequencies
        for each coordinate of each: with fewer, the residual's highest modes are no clusters, and
        are found.
    n_fixed, n_freed : int
        Optimiser iterations of the adjustment of a stage.
    n_greedy, n_expanded, n_swapped : int
        Of a greedy step, and before and after atoms are dropped in a swap.
    growth, most_rounds : int
        Where clusters are missing, atoms are added up to so many times as many as asked for; so
        often.
    share_pruned : float
        Of those too many this share is dropped at a time.
    n_pruned : int
        Optimiser iterations in between.
    fine_search : int
        Starting points of a search for small atoms, as a multiple of a greedy step's.
    least_evidence : float
        What an atom must explain to be no noise, in units of the noise in one real entry of the
        sketch: the best fitting noise explains up to 12, a cluster of 0.2 % of 50,000 rows 40.
    """

    least_gain: float = 1e-3
    most_failures: int = 5
    many_atoms: int = 32
    least_gain_of_many: float = 0.02
    coarse_gain: float = 0.1
    atoms_a_step: int = 16
    n_wide: int = 64
    numbers_to_widen: int = 4
    n_fixed: int = 100
    n_freed: int = 300
    n_greedy: int = 15
    n_expanded: int = 40
    n_swapped: int = 40
    growth: int = 3
    most_rounds: int = 5
    share_pruned: float = 0.3
    n_pruned: int = 10
    fine_search: int = 10
    least_evidence: float = 15.0


SWAPPING = SwappingSettings()


@final
@dataclass(frozen=True)
class MeanShift(Decoder):
    r"""Greedy mode seeking on the residual, then swaps of the least important atom for a better.

    Three stages, each a joint adjustment followed by swaps: shapes fixed at the operator's scale,
    one shape that all atoms share, one shape for each atom. Freed earlier, one atom's shape would
    swallow the data; never freed, clusters of unequal width pull their neighbours' centres.

    A swap adds the atom best correlated with the residual, adjusts, drops the atom whose loss costs
    least, :math:`\alpha_j^2 / [G^{-1}]_{jj}` with G the atoms' Gram matrix, or merges the two most
    coherent if that costs less, adjusts, and is kept if the cost fell by more than 0.1 %, and by
    more than noise can explain. Of many atoms several are added and swapped at a time, and all but
    the last stage only seek what gains much. Where no more is left than noise, small clusters may
    still be hidden in it: then the search is finer, and over once the best new atom is not
    significant.

    Where clusters are certainly missing in the end (`FitQuality.misses_clusters`) and more is left
    than noise, atoms are added up to three times as many as asked for and pruned, up to five times,
    and all stages are gone through once more.

    Parameters
    ----------
    starts : {"gaussian", "box"}, default="gaussian"
        Where modes are sought from: random points of a Gaussian with the rows' mean and covariance,
        or of the box around them. The first finds close clusters in many dimensions, the second
        small clusters far from all others.
    n_starts : int, default=200
        Starting points of a greedy step; a swap takes twice as many, the search for small clusters
        ten times, half of them in the box.
    n_ascents : int, default=32
        Starts that climb, the best correlated ones; of many atoms 64 more do, best or not, from a
        kernel as wide as the data.
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
        """Go through the stages, and once more from a better start if clusters are missing."""
        decoding = Decoding(self, problem, rng)
        first = decoding.run_stage(decoding.fill(problem.start_empty()), "fixed")
        mixture = problem.make_mixture(decoding.free_shapes(first))
        is_noise = mixture.cost <= self.good_fit * problem.noise
        if is_noise or not mixture.quality.misses_clusters:
            return mixture
        better = decoding.grow_and_prune(first)
        if better.cost == first.cost:
            return mixture
        again = decoding.free_shapes(decoding.run_stage(better, "fixed"))
        return min(mixture, problem.make_mixture(again), key=lambda each: each.cost)


@dataclass(frozen=True, eq=False)
class Decoding:
    """One decode: its settings, what is decoded, and the steps."""

    settings: MeanShift
    problem: Problem
    rng: np.random.Generator

    def free_shapes(self, fit: Fit) -> Fit:
        """Run the stages after the first, as far as they are asked for."""
        later: tuple[Shapes, ...] = ("shared", "free")
        for shapes in later[: STAGES.index(self.settings.shapes)]:
            fit = self.run_stage(fit, shapes)
        return fit

    def run_stage(self, fit: Fit, shapes: Shapes) -> Fit:
        """Adjust all atoms, then swap."""
        fit = self.adjust(fit, shapes, SWAPPING.n_fixed if shapes == "fixed" else SWAPPING.n_freed)
        return self.swap(fit, shapes)

    def fill(self, fit: Fit) -> Fit:
        """Add atoms where the residual's modes are, a few at a time, adjusting all in between."""
        while (n_missing := self.problem.n_atoms - len(fit.weights)) > 0:
            fit = self.expand(fit, min(self.n_at_once, n_missing))
            fit = self.adjust(fit, "fixed", SWAPPING.n_greedy)
        return fit

    def swap(self, fit: Fit, shapes: Shapes) -> Fit:
        """Swap until enough tries in a row have found nothing, or only noise is left."""
        problem = self.problem
        least = SWAPPING.least_evidence * problem.noise / len(problem.target)
        least_gain, most_failures = SWAPPING.least_gain, SWAPPING.most_failures
        if problem.n_atoms >= SWAPPING.many_atoms:
            is_last = shapes == self.settings.shapes
            least_gain = SWAPPING.least_gain_of_many if is_last else SWAPPING.coarse_gain
            most_failures = SWAPPING.most_failures if is_last else 1
        most, n_failures = self.n_at_once, 0
        while n_failures < most_failures:
            is_fine = n_failures > 0 and fit.cost <= self.settings.good_fit * problem.noise
            tried = self.expand_finely(fit) if is_fine else self.expand(fit, most, is_swap=True)
            n_new = len(tried.weights) - problem.n_atoms
            if is_fine and compute_importances(problem.family, tried)[-1] < least:
                break
            goal = fit.cost - max(least_gain * fit.cost, least)
            tried = self.contract(tried, shapes, goal)
            if tried.cost < goal:
                fit, n_failures = tried, 0
            else:
                fit = replace(fit, n_iter=tried.n_iter)
                # Fewer at a time may succeed where several did not.
                n_failures += n_new == 1 or most_failures == 1
                most = max(1, n_new // 2)
        return fit

    def grow_and_prune(self, fit: Fit) -> Fit:
        """Add far too many atoms and prune, again and again: a way out of a wrong start.

        Among more atoms than there are clusters a wrong one loses its weight to right ones, where a
        swap would have to better everything by one atom.
        """
        problem, best = self.problem, fit
        more = replace(problem, n_atoms=SWAPPING.growth * problem.n_atoms)
        for _ in range(SWAPPING.most_rounds):
            if best.cost <= self.settings.good_fit * problem.noise:
                break
            grown = replace(self, problem=more).fill(best)
            pruned = self.adjust(self.prune(grown), "fixed", SWAPPING.n_swapped)
            best = min(replace(best, n_iter=pruned.n_iter), pruned, key=lambda each: each.cost)
        return best

    def prune(self, fit: Fit) -> Fit:
        """Drop the least important atoms, some at a time, and adjust the others."""
        while (n_excess := len(fit.weights) - self.problem.n_atoms) > 0:
            for _ in range(max(1, int(SWAPPING.share_pruned * n_excess))):
                fit = drop_least_important(self.problem, fit)
            fit = self.adjust(fit, "fixed", SWAPPING.n_pruned)
        return fit

    def adjust(self, fit: Fit, shapes: Shapes, max_iter: int) -> Fit:
        """Move all atoms and weights jointly, to the likeliest a posteriori."""
        noise = self.problem.noise / len(self.problem.target)
        prior = REFINING.shape_precision * noise if shapes == "free" else 0.0
        return adjust(self.problem, fit, shapes=shapes, max_iter=max_iter, prior=prior)

    @property
    def n_at_once(self) -> int:
        """Atoms that a step may add."""
        return -(-self.problem.n_atoms // SWAPPING.atoms_a_step)

    def expand(self, fit: Fit, most: int, *, is_swap: bool = False) -> Fit:
        """Add up to ``most`` atoms where the residual calls for them."""
        settings, family, n_atoms = self.settings, self.problem.family, self.problem.n_atoms
        n_points = (2 if is_swap else 1) * settings.n_starts
        drawn = draw_starts(self.problem.region, settings.starts, n_points, self.rng)
        located = [locate_missing(self.problem, fit)]
        if not is_swap:
            # What is said by the latest atom, far away, is less exact than what was said without.
            located += [locate_several_missing(self.problem, fit, n_latest) for n_latest in (0, 1)]
        earlier = draw_earlier(self.problem, n_points, self.rng)
        points = np.vstack([drawn, earlier, *located])
        numbers = family.operator.n_frequencies / (n_atoms * family.n_features)
        n_wide = (
            SWAPPING.n_wide
            if n_atoms >= SWAPPING.many_atoms and numbers >= SWAPPING.numbers_to_widen
            else 0
        )
        return self._add_modes(fit, points, n_wide, most)

    def expand_finely(self, fit: Fit) -> Fit:
        """Add one atom, sought everywhere."""
        half, region = SWAPPING.fine_search * self.settings.n_starts // 2, self.problem.region
        points = [draw_starts(region, starts, half, self.rng) for starts in BOTH]
        points.append(locate_missing(self.problem, fit))
        return self._add_modes(fit, np.vstack(points), 0, 1)

    def _add_modes(self, fit: Fit, points: np.ndarray, n_wide: int, most: int) -> Fit:
        """Add atoms where a search from the points finds modes, and solve for all weights."""
        family, residual = self.problem.family, self.problem.target
        shape = family.default_shape()
        if len(fit.weights):
            shape = compute_median(family.split(fit.parameters)[1])
            residual = self.problem.compute_residual(fit.weights, family.sketch(fit.parameters))
        n_ascents = self.settings.n_ascents
        locations = find_modes(
            self.problem, shape, residual, points, n_ascents, n_wide=n_wide, most=most
        )
        atoms = np.hstack([locations, np.broadcast_to(shape, (len(locations), len(shape)))])
        parameters = np.vstack([fit.parameters, atoms])
        return solve_weights(self.problem, parameters, n_iter=fit.n_iter)

    def contract(self, fit: Fit, shapes: Shapes, goal: float) -> Fit:
        """Come down to as many atoms as are asked for, if that might reach the goal."""
        fit = self.adjust(fit, shapes, SWAPPING.n_expanded)
        if fit.cost >= goal:
            return fit
        while len(fit.weights) > self.problem.n_atoms + 1:
            fit = drop_least_important(self.problem, fit)
        # A merged atom may be wider, unless that was ruled out for good.
        keeps_shapes = self.settings.shapes == "fixed"
        fit = remove_one(self.problem, fit, shapes, keeps_shapes=keeps_shapes)
        return self.adjust(fit, shapes, SWAPPING.n_swapped)
