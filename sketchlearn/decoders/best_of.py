"""Decode again, in other ways, until nothing seems to be missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from sketchlearn.atoms import AtomFamily
from sketchlearn.decoders.decoder import Decoder, Mixture
from sketchlearn.decoders.mean_shift import MeanShift
from sketchlearn.decoders.splitting import Splitting
from sketchlearn.sketching import Sketch

MOST_DECODES = 3


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
        Number of decodes. "auto" is one, and up to two more while an atom seems to be missing.
    """

    decoders: tuple[Decoder, ...] = field(default_factory=different_ways)
    n_init: int | Literal["auto"] = "auto"

    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` atoms; see `Decoder.decode`."""
        best: Mixture | None = None
        n_decodes = MOST_DECODES if self.n_init == "auto" else self.n_init
        for i, child in enumerate(rng.spawn(n_decodes)):
            decoder = self.decoders[i % len(self.decoders)]
            mixture = decoder.decode(sketch, family, n_atoms, child)
            if best is None or mixture.cost < best.cost:
                best = mixture
            if self.n_init == "auto" and not best.seems_incomplete:
                break
        assert best is not None
        return best
