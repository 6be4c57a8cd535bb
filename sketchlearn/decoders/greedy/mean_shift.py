"""Greedy mode seeking, then swaps: the decoder that rarely misses a cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture, check_decodable, mixture_of
from sketchlearn.decoders.greedy.mode_seeking import Starts, modes, starting_points
from sketchlearn.decoders.greedy.pruning import importances, reduced, without_least
from sketchlearn.decoders.refinement import Fit, Shapes, adjust, residual_of, reweighted
from sketchlearn.sketches.sketch import Sketch

# A swap that lowers the cost by less has found nothing new; so many such swaps in a row end them.
LEAST_GAIN, MOST_FAILURES = 1e-3, 5
# Of so many atoms each swap takes long: they must gain more, before the last stage still more.
MANY_ATOMS, LEAST_GAIN_OF_MANY, COARSE_GAIN = 32, 0.02, 0.1
# A step may add this part of all atoms, at least one.
PART_AT_ONCE = 16
# Starts under a kernel that narrows, of many atoms, where the sketch has so many frequencies for
# each coordinate of each: with fewer, the residual's highest modes are no clusters, and are found.
N_WIDE, NUMBERS_TO_WIDEN = 64, 4
# Optimiser iterations of a greedy step, and before and after atoms are dropped in a swap.
N_GREEDY, N_EXPANDED, N_SWAPPED = 15, 40, 40
# Where clusters are missing, atoms are added up to so many times as many as asked for; of those too
# many this part is dropped at a time, with so many optimiser iterations in between; so often.
GROWTH, PART_PRUNED, N_PRUNED, MOST_ROUNDS = 3, 0.3, 10, 5
# Starting points of a search for small atoms, in parts of a greedy step's.
FINE_SEARCH = 10
# Inverse variance of a shape parameter, a logarithm of a variance, around the atoms' median: what
# the sketch does not determine would collapse onto noise.
SHAPE_PRECISION = 4.0
# What an atom must explain to be no noise, in units of the noise in one real entry of the sketch:
# the best fitting noise explains up to 12, a cluster of 0.2 % of 50,000 rows 40.
SIGNIFICANT = 15.0
BOTH: tuple[Starts, ...] = ("gaussian", "box")
STAGES: tuple[Shapes, ...] = ("fixed", "shared", "free")


@final
@dataclass(frozen=True)
class MeanShift(Decoder):
    r"""Greedy mode seeking on the residual, then swaps of the least useful atom for a better one.

    Three stages, each a joint adjustment followed by swaps: shapes fixed at the operator's scale,
    one shape that all atoms share, one shape for each atom. Freed earlier, one atom's shape would
    swallow the data; never freed, clusters of unequal width pull their neighbours' centres.

    A swap adds the atom best correlated with the residual, adjusts, drops the atom whose loss costs
    least, :math:`\alpha_j^2 / [G^{-1}]_{jj}` with G the atoms' Gram matrix, or merges the two most
    alike if that costs less, adjusts, and is kept if the cost fell by more than 0.1 %, and by more
    than noise can explain. Of many atoms several are added and swapped at a time, and all but the
    last stage only seek what gains much. Where no more is left than noise, small clusters may still
    be hidden in it: then the search is finer, and over once the best new atom is not significant.

    Where clusters are certainly missing in the end (`Mixture.misses_clusters`), atoms are added up
    to three times as many as asked for and pruned, up to five times, and all stages are gone
    through once more.

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
        Starts that climb, the best correlated ones; of many atoms 64 more do, best or not, from a
        kernel as wide as the data.
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

    @on_one_blas_thread
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        target = check_decodable(sketch, family, n_atoms)
        decoding = Decoding(self, target, family, n_atoms, sketch.standard_error**2, rng)
        start = decoding.start()
        mixture = mixture_of(sketch, family, decoding.freed(start))
        if not mixture.misses_clusters:
            return mixture
        regrown = decoding.regrown(start)
        if regrown.cost == start.cost:
            return mixture
        again = mixture_of(sketch, family, decoding.freed(decoding.settled(regrown, "fixed")))
        return min(mixture, again, key=lambda each: each.cost)


@dataclass(frozen=True, eq=False)
class Decoding:
    """One decode: its settings, what is decoded, and the steps."""

    settings: MeanShift
    target: np.ndarray
    family: AtomFamily
    n_atoms: int
    noise: float
    rng: np.random.Generator

    def start(self) -> Fit:
        """The first stage: atoms of fixed shape, one after the other."""
        nothing = np.empty((0, len(self.family.bounds()[0])))
        fit = Fit(np.empty(0), nothing, float(self.target @ self.target))
        return self.settled(self.filled(fit), "fixed")

    def freed(self, fit: Fit) -> Fit:
        """The stages after the first, as far as they are asked for."""
        later: tuple[Shapes, ...] = ("shared", "free")
        for shapes in later[: STAGES.index(self.settings.shapes)]:
            fit = self.settled(fit, shapes)
        return fit

    def settled(self, fit: Fit, shapes: Shapes) -> Fit:
        """One stage: all atoms adjusted, then swaps."""
        fit = self.adjusted(fit, shapes, 100 if shapes == "fixed" else 300)
        return self.swaps(fit, shapes)

    def filled(self, fit: Fit) -> Fit:
        """Atoms added where the residual's modes are, a few at a time, all adjusted in between."""
        while (n_missing := self.n_atoms - len(fit.weights)) > 0:
            fit = self.expanded(fit, min(self.n_at_once, n_missing))
            fit = self.adjusted(fit, "fixed", N_GREEDY)
        return fit

    def swaps(self, fit: Fit, shapes: Shapes) -> Fit:
        """Swap until enough tries in a row have found nothing, or only noise is left."""
        least = SIGNIFICANT * self.noise / len(self.target)
        least_gain, most_failures = LEAST_GAIN, MOST_FAILURES
        if self.n_atoms >= MANY_ATOMS:
            is_last = shapes == self.settings.shapes
            least_gain = LEAST_GAIN_OF_MANY if is_last else COARSE_GAIN
            most_failures = MOST_FAILURES if is_last else 1
        most, n_failures = self.n_at_once, 0
        while n_failures < most_failures:
            is_fine = n_failures > 0 and fit.cost <= self.settings.good_fit * self.noise
            tried = self.finely_expanded(fit) if is_fine else self.expanded(fit, most, is_swap=True)
            n_new = len(tried.weights) - self.n_atoms
            if is_fine and importances(self.family, tried)[-1] < least:
                break
            goal = fit.cost - max(least_gain * fit.cost, least)
            tried = self.contracted(tried, shapes, goal)
            if tried.cost < goal:
                fit, n_failures = tried, 0
            else:
                fit = replace(fit, n_iter=tried.n_iter)
                # Fewer at a time may succeed where several did not.
                n_failures += n_new == 1 or most_failures == 1
                most = max(1, n_new // 2)
        return fit

    def regrown(self, fit: Fit) -> Fit:
        """Far too many atoms, pruned; again and again, and the best: a way out of a wrong start.

        Among more atoms than there are clusters a wrong one loses its weight to right ones, where a
        swap would have to better everything by one atom.
        """
        best = fit
        for _ in range(MOST_ROUNDS):
            if best.cost <= self.settings.good_fit * self.noise:
                break
            grown = replace(self, n_atoms=GROWTH * self.n_atoms).filled(best)
            pruned = self.adjusted(self.pruned(grown), "fixed", N_SWAPPED)
            best = min(replace(best, n_iter=pruned.n_iter), pruned, key=lambda each: each.cost)
        return best

    def pruned(self, fit: Fit) -> Fit:
        """The least atoms dropped, some at a time, and the others adjusted."""
        while (n_excess := len(fit.weights) - self.n_atoms) > 0:
            for _ in range(max(1, int(PART_PRUNED * n_excess))):
                fit = without_least(self.target, self.family, fit)
            fit = self.adjusted(fit, "fixed", N_PRUNED)
        return fit

    def adjusted(self, fit: Fit, shapes: Shapes, max_iter: int) -> Fit:
        """All atoms and weights moved jointly, to the likeliest a posteriori."""
        prior = SHAPE_PRECISION * self.noise / len(self.target) if shapes == "free" else 0.0
        return adjust(self.target, self.family, fit, shapes=shapes, max_iter=max_iter, prior=prior)

    @property
    def n_at_once(self) -> int:
        """Atoms that a step may add."""
        return -(-self.n_atoms // PART_AT_ONCE)

    def expanded(self, fit: Fit, most: int, *, is_swap: bool = False) -> Fit:
        """The fit with up to ``most`` more atoms where the residual calls for them."""
        settings, operator = self.settings, self.family.operator
        n_points = (2 if is_swap else 1) * settings.n_starts
        points = starting_points(self.family, settings.starts, n_points, self.rng)
        numbers = operator.n_frequencies / (self.n_atoms * self.family.n_features)
        n_wide = N_WIDE if self.n_atoms >= MANY_ATOMS and numbers >= NUMBERS_TO_WIDEN else 0
        return self._with_modes(fit, points, n_wide, most)

    def finely_expanded(self, fit: Fit) -> Fit:
        """The fit with one more atom, sought everywhere."""
        half = FINE_SEARCH * self.settings.n_starts // 2
        points = [starting_points(self.family, starts, half, self.rng) for starts in BOTH]
        return self._with_modes(fit, np.vstack(points), 0, 1)

    def _with_modes(self, fit: Fit, points: np.ndarray, n_wide: int, most: int) -> Fit:
        """The fit with atoms where a search from the points found modes, weights solved for."""
        family, target = self.family, self.target
        shape, residual = family.default_shape(), target
        if len(fit.weights):
            shape = np.median(family.split(fit.parameters)[1], axis=0)
            residual = residual_of(target, fit.weights, family.sketch(fit.parameters))
        n_ascents = self.settings.n_ascents
        locations = modes(family, shape, residual, points, n_ascents, n_wide=n_wide, most=most)
        atoms = np.hstack([locations, np.broadcast_to(shape, (len(locations), len(shape)))])
        fuller = reweighted(target, family, np.vstack([fit.parameters, atoms]))
        return replace(fuller, n_iter=fit.n_iter)

    def contracted(self, fit: Fit, shapes: Shapes, goal: float) -> Fit:
        """The fit brought down to as many atoms as asked for, if it might reach the goal."""
        fit = self.adjusted(fit, shapes, N_EXPANDED)
        if fit.cost >= goal:
            return fit
        while len(fit.weights) > self.n_atoms + 1:
            fit = without_least(self.target, self.family, fit)
        fit = reduced(self.target, self.family, fit, shapes)
        return self.adjusted(fit, shapes, N_SWAPPED)
