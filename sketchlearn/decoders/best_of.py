"""Decode again, in other ways, until nothing seems to be missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, final

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.greedy.splitting import Splitting
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.noise_left import judge_noise
from sketchlearn.decoders.problem import Problem


def default_decoders() -> tuple[Decoder, ...]:
    """Return decoders that miss different clusters: what one cannot find, another starts from."""
    return MeanShift(), Splitting(), MeanShift(starts="box")


@final
@dataclass(frozen=True)
class BestOf(Decoder):
    """Several decodes, of which the one of smallest cost is kept.

    What leaves less than all of the noise, and more than a right mixture would
    (`FitQuality.hides_structure`), may have merged rare clusters and split others: then modes are
    sought in the whole box, of clusters that are one, two and four times as wide as the scale: rare
    clusters that are wide are found at one of them or another.

    Parameters
    ----------
    decoders : tuple of Decoder, default=(MeanShift(), Splitting(), MeanShift(starts="box"))
        Tried in order, cyclically.
    n_init : int or "auto", default="auto"
        Number of decodes. "auto" is one, up to `n_if_incomplete` while an atom seems to be missing,
        and one more than that where noise hides some, or was added to the sketch and may. Of a
        sketch for several scales (`Problem.scales`) the first decoder has one more try at each
        of the others, "auto" until the sketch is explained up to noise and the next scale does no
        better; the rest are at the scale that did best.
    n_if_incomplete : int, default=3
        See there.
    must_explain : bool, default=False
        Whether "auto" goes on after the first decode unless that leaves no more than noise: for
        atoms from elsewhere, where the second searches.
    """

    decoders: tuple[Decoder, ...] = field(default_factory=default_decoders)
    n_init: int | Literal["auto"] = "auto"
    n_if_incomplete: int = 3
    must_explain: bool = False

    def in_units(self, units: tuple[float, ...]) -> BestOf:
        """Return one of such decoders."""
        return replace(self, decoders=tuple(one.in_units(units) for one in self.decoders))

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode until nothing seems to be missing, or often enough."""
        best, is_enough = self._try_scales(problem, rng)
        i = 0
        while not (is_enough or self._is_enough(best, i := i + 1)):
            scaled, (child,) = problem.at_scale(best.family.operator.scale), rng.spawn(1)
            if best.quality.hides_structure:
                mixture = search_wider(scaled, 2.0 ** ((i - 1) % self.n_if_incomplete), child)
            else:
                decoder = self.decoders[i % len(self.decoders)]
                begin(f"{type(decoder).__name__}, decode {i + len(problem.scales)}")
                mixture = decoder.solve(scaled, child)
            best = self._choose(problem, best, mixture, child)
        return best

    def _try_scales(self, problem: Problem, rng: np.random.Generator) -> tuple[Mixture, bool]:
        """Decode by the first decoder, at each of the problem's scales until they get worse.

        Returns whether this explains the sketch as well.
        """
        best: Mixture | None = None
        decoder = self.decoders[0]
        for i, scale in enumerate(problem.scales):
            (child,) = rng.spawn(1)
            begin(f"{type(decoder).__name__}, decode {i + 1}")
            mixture = decoder.solve(problem.at_scale(scale), child)
            before, best = best, self._choose(problem, best, mixture, child)
            if self.n_init == "auto" and best is before and i + 1 < len(problem.scales):
                if best.quality.explains_sketch and best.quality.known_share == 0.0:
                    return best, True
                if best.quality.is_within_noise:
                    break
        assert best is not None
        return best, False

    def _choose(
        self, problem: Problem, best: Mixture | None, mixture: Mixture, rng: np.random.Generator
    ) -> Mixture:
        """Return the cheaper mixture; a new one with what is to be known of the noise."""
        if best is not None and best.cost <= mixture.cost:
            return best
        return judge_noise(problem, mixture, rng) if self.n_init == "auto" else mixture

    def _is_enough(self, best: Mixture, n_decodes: int) -> bool:
        """Return whether another decode would hardly do better, or could not be told to."""
        if self.n_init != "auto":
            return n_decodes >= self.n_init
        quality = best.quality
        if self.must_explain and n_decodes == 1 and not quality.is_within_noise:
            return False
        # Noise that was added may pass for what is missing, and a rare cluster for noise.
        if quality.hides_structure or quality.known_share > 0.0:
            return n_decodes > self.n_if_incomplete
        seems_incomplete = quality.seems_incomplete or quality.misses_clusters
        return not seems_incomplete or n_decodes >= self.n_if_incomplete


def search_wider(problem: Problem, factor: float, rng: np.random.Generator) -> Mixture:
    """Return a decode of clusters that were sought in the whole box, ``factor`` scales wide."""
    begin(f"MeanShift, clusters {factor:g} times as wide")
    wider = problem.at_scale(factor * problem.family.operator.scale)
    found = MeanShift(starts="box").solve(wider, rng)
    return GivenAtoms(found.locations, found.covariances).solve(problem, rng)
