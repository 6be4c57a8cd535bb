"""Decode again, in other ways, until nothing seems to be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from sketchlearn._progress import begin
from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.greedy.splitting import Splitting
from sketchlearn.sketches.sketch import Sketch

# While an atom seems to be missing; while clusters certainly are.
MOST_DECODES, MOST_DECODES_IF_BAD = 3, 6


def different_ways() -> tuple[Decoder, ...]:
    """Decoders that miss different clusters: what one cannot find, another starts from."""
    return MeanShift(), Splitting(), MeanShift(starts="box")


@final
@dataclass(frozen=True)
class BestOf(Decoder):
    """Several decodes, of which the one of smallest cost is kept.

    Parameters
    ----------
    decoders : tuple of Decoder, default=(MeanShift(), Splitting(), MeanShift(starts="box"))
        Take turns.
    n_init : int or "auto", default="auto"
        Number of decodes. "auto" is one, and up to two more while an atom seems to be missing, five
        while clusters are.
    """

    decoders: tuple[Decoder, ...] = field(default_factory=different_ways)
    n_init: int | Literal["auto"] = "auto"

    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        best: Mixture | None = None
        n_decodes = MOST_DECODES_IF_BAD if self.n_init == "auto" else self.n_init
        for i in range(n_decodes):
            (child,) = rng.spawn(1)
            decoder = self.decoders[i % len(self.decoders)]
            begin(f"{type(decoder).__name__}, decode {i + 1}")
            mixture = decoder.decode(sketch, family, n_atoms, child)
            if best is None or mixture.cost < best.cost:
                best = mixture
            if self.n_init == "auto" and _is_enough(best, i + 1):
                break
        assert best is not None
        return best


def _is_enough(best: Mixture, n_decodes: int) -> bool:
    """Whether so many decodes will do."""
    if best.misses_clusters:
        return False
    return not best.seems_incomplete or n_decodes >= MOST_DECODES
