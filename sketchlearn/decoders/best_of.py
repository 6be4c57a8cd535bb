"""Decode again, in other ways, until nothing seems to be missing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, final

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.greedy.splitting import Splitting
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem

# While clusters certainly are missing.
MOST_DECODES_IF_BAD = 6


def default_decoders() -> tuple[Decoder, ...]:
    """Return decoders that miss different clusters: what one cannot find, another starts from."""
    return MeanShift(), Splitting(), MeanShift(starts="box")


@final
@dataclass(frozen=True)
class BestOf(Decoder):
    """Several decodes, of which the one of smallest cost is kept.

    Parameters
    ----------
    decoders : tuple of Decoder, default=(MeanShift(), Splitting(), MeanShift(starts="box"))
        Tried in order, cyclically.
    n_init : int or "auto", default="auto"
        Number of decodes. "auto" is one, up to `n_if_incomplete` while an atom seems to be missing,
        and up to six while clusters are, but for what is within the noise. Of a sketch for several
        scales (`Problem.scales`) the first decoder has one more try at each of the others, "auto"
        until the sketch is explained up to its noise and the next scale does no better; the rest
        are at the scale that did best.
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
        best = self._try_scales(problem, rng)
        most = MOST_DECODES_IF_BAD if self.n_init == "auto" else self.n_init
        for i in range(1, most):
            if self.n_init == "auto" and self._is_enough(best, i):
                break
            mixture = self._try(i, problem.at_scale(best.family.operator.scale), rng)
            best = min(best, mixture, key=lambda each: each.cost)
        return best

    def _try_scales(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode by the first decoder, at each of the problem's scales until they get worse."""
        best: Mixture | None = None
        for scale in problem.scales:
            mixture = self._try(0, problem.at_scale(scale), rng)
            if best is None or mixture.cost < best.cost:
                best = mixture
            elif self.n_init == "auto" and (
                best.quality.explains_sketch or best.quality.is_within_noise
            ):
                break
        assert best is not None
        return best

    def _try(self, i: int, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode by the decoder whose turn it is."""
        (child,) = rng.spawn(1)
        decoder = self.decoders[i % len(self.decoders)]
        begin(f"{type(decoder).__name__}, decode {i + 1}")
        return decoder.solve(problem, child)

    def _is_enough(self, best: Mixture, n_decodes: int) -> bool:
        """Return whether another decode would hardly do better, or could not be told to."""
        quality = best.quality
        if quality.misses_clusters and not quality.is_within_noise:
            return False
        return not quality.seems_incomplete or n_decodes >= self.n_if_incomplete
