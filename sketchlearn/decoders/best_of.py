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

# While clusters certainly are missing.
MOST_DECODES_IF_BAD = 6
# Scales of the decodes that look for what the noise hides, as multiples: rare clusters that are
# wide are found at one of them or another.
WIDER = (1.0, 2.0, 4.0)


def default_decoders() -> tuple[Decoder, ...]:
    """Return decoders that miss different clusters: what one cannot find, another starts from."""
    return MeanShift(), Splitting(), MeanShift(starts="box")


@final
@dataclass(frozen=True)
class BestOf(Decoder):
    """Several decodes, of which the one of smallest cost is kept.

    What leaves less than all of the noise, and more than a right mixture would
    (`FitQuality.hides_structure`), may have merged rare clusters and split others: then modes are
    sought in the whole box, of clusters that are one, two and four times as wide as the scale.

    Parameters
    ----------
    decoders : tuple of Decoder, default=(MeanShift(), Splitting(), MeanShift(starts="box"))
        Tried in order, cyclically.
    n_init : int or "auto", default="auto"
        Number of decodes. "auto" is one, up to `n_if_incomplete` while an atom seems to be missing,
        and up to six while clusters are; three more where the noise hides some. Of a sketch for
        several scales (`Problem.scales`) the first decoder has one more try at each of the others,
        "auto" until the sketch is explained and the next scale does no better; the rest are at the
        scale that did best.
    n_if_incomplete : int, default=3
        See there.
    """

    decoders: tuple[Decoder, ...] = field(default_factory=default_decoders)
    n_init: int | Literal["auto"] = "auto"
    n_if_incomplete: int = 3

    def in_units(self, units: tuple[float, ...]) -> BestOf:
        """Return one of such decoders."""
        return replace(self, decoders=tuple(one.in_units(units) for one in self.decoders))

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode until nothing seems to be missing, or often enough."""
        best: Mixture | None = None
        scales = problem.scales
        n_decodes = MOST_DECODES_IF_BAD if self.n_init == "auto" else self.n_init
        for i in range(1 - len(scales), n_decodes):
            (child,) = rng.spawn(1)
            decoder = self.decoders[max(i, 0) % len(self.decoders)]
            # At each scale in turn; then at that which has done best.
            scale = scales[i - 1] if best is None or i <= 0 else best.family.operator.scale
            scaled = problem.at_scale(scale)
            if i > 0 and best is not None and best.quality.hides_structure:
                mixture = search_wider(scaled, WIDER[(i - 1) % len(WIDER)], child)
            else:
                begin(f"{type(decoder).__name__}, decode {i + len(scales)}")
                mixture = decoder.solve(scaled, child)
            if best is None or mixture.cost < best.cost:
                if self.n_init == "auto":
                    mixture = judge_noise(problem, mixture, child)
                best = mixture
            if i < 0:
                is_enough = best.quality.explains_sketch and best is not mixture
            else:
                is_enough = self._is_enough(best, i + 1)
            if self.n_init == "auto" and is_enough:
                break
        assert best is not None
        return best

    def _is_enough(self, best: Mixture, n_decodes: int) -> bool:
        if best.quality.misses_clusters:
            return False
        if best.quality.hides_structure:
            return n_decodes > len(WIDER)
        return not best.quality.seems_incomplete or n_decodes >= self.n_if_incomplete


def search_wider(problem: Problem, factor: float, rng: np.random.Generator) -> Mixture:
    """Return a decode of clusters that were sought in the whole box, ``factor`` scales wide."""
    begin(f"MeanShift, clusters {factor:g} times as wide")
    wider = problem.at_scale(factor * problem.family.operator.scale)
    found = MeanShift(starts="box").solve(wider, rng)
    return GivenAtoms(found.locations, found.covariances).solve(problem, rng)
