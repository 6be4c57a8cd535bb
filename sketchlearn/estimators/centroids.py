"""How `CompressiveKMeans` decodes: which decoder, and what becomes of centroids on a pilot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from sketchlearn.decoders import (
    BestOf,
    Decoder,
    GivenAtoms,
    Mixture,
    SurrogateKMeans,
)
from sketchlearn.decoders.best_of import default_decoders
from sketchlearn.decoders.principal import PrincipalPart
from sketchlearn.points import cluster_points, find_clusters
from sketchlearn.sketches.calibration import calibrated_weights
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher


@dataclass(frozen=True, eq=False)
class WeightedPilot:
    """A pilot's rows (p, d), and along the axes of wide data (p, q); weights and chances (p,)."""

    rows: np.ndarray
    along: np.ndarray
    weights: np.ndarray
    chances: np.ndarray

    @classmethod
    def of(
        cls, sketcher: Sketcher, sketch: Sketch, part: PrincipalPart | None, n_clusters: int
    ) -> Self | None:
        """Weight a sketcher's pilot to have the sketch; None if there is none, or too few rows."""
        if sketcher.pilot_ is None:
            return None
        rows, chances = sketcher.pilot_, np.asarray(sketcher.pilot_inclusion_probability_)
        weights = np.asarray(sketcher.pilot_weight_)
        is_all = bool(np.all(chances == 1.0))
        if len(rows) < n_clusters and not is_all:
            return None  # It has each row once, and rare ones escaped it.
        if is_all and np.isclose(weights.sum(), sketch.weight_sum, rtol=1e-9):
            weights = weights / weights.sum() * len(weights)  # They have the sketch already.
        else:
            weights = calibrated_weights(sketch, rows, weights)
        return cls(rows, rows if part is None else part.to_coordinates(rows), weights, chances)

    def atoms(self, n_clusters: int, seed: int) -> tuple[GivenAtoms, ...]:
        """K-means' clusters as atoms to start from, if there are as many rows."""
        if len(self.rows) < n_clusters:
            return ()
        return (GivenAtoms(*find_clusters(self.along, self.weights, n_clusters, seed)),)


def decoder_for(
    pilot: WeightedPilot | None,
    n_clusters: int,
    decoder: Decoder | None,
    n_init: int | Literal["auto"],
    seed: int,
) -> Decoder:
    """What an estimator's ``decoder`` and ``n_init`` ask for.

    K-means on a pilot gives atoms as well. Of wide data, where a search takes long, they come
    first; else they come second, since what k-means finds in the pilot it will find again, and a
    search something else.
    """
    if decoder is not None:
        return BestOf((decoder,), n_init)
    if pilot is None:
        return SurrogateKMeans(BestOf(n_init=n_init))
    first, *others = default_decoders()
    given = pilot.atoms(n_clusters, seed)
    is_wide = pilot.along is not pilot.rows
    return BestOf((*given, first, *others) if is_wide else (first, *given, *others), n_init)


def settled(
    mixture: Mixture,
    part: PrincipalPart | None,
    pilot: WeightedPilot | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (k, d) and shares (k,): a mixture's, or k-means' on the pilot that starts there."""
    centroids, shares = mixture.locations, mixture.weights
    if pilot is not None:
        centroids, shares, _ = cluster_points(
            pilot.along, pilot.weights, centroids, rng, inclusion_probabilities=pilot.chances
        )
    if part is not None:
        centroids = part.to_points(centroids)
        if pilot is not None:
            # Starts were compared along the axes, which costs little; now all columns count.
            centroids, shares, _ = cluster_points(
                pilot.rows, pilot.weights, centroids, rng, n_random=0
            )
    return centroids, shares
