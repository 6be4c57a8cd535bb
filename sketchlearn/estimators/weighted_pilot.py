"""A pilot's rows, weighted until they have the sketch of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from sketchlearn.decoders import GivenAtoms, Mixture
from sketchlearn.decoders.principal import PrincipalPart
from sketchlearn.points.kmeans import cluster_points, find_clusters
from sketchlearn.sketches.calibration import calibrated_weights
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching import Sketcher

# Frequencies that a pilot's weights are to match for k-means. With 2.5 times as many, which take
# four times as long, the sum of squares is less by 0.0003 of it where clusters are clear, and
# elsewhere no less than by another pilot.
FREQUENCIES_TO_WEIGH = 200
# Random starts of k-means on a pilot, beside the decoded centroids.
N_PILOT_STARTS = 12
# Iterations that match a pilot's clusters to the sketch: its rows settle the centroids.
N_STEPS = 100


@dataclass(frozen=True, eq=False)
class WeightedPilot:
    """A pilot's rows (p, d), and along the axes of wide data (p, q); weights and chances (p,)."""

    rows: np.ndarray
    along: np.ndarray
    weights: np.ndarray
    chances: np.ndarray

    @property
    def is_wide(self) -> bool:
        """Whether rows are decoded along a few axes of their own."""
        return self.along is not self.rows

    @property
    def is_all(self) -> bool:
        """Whether no row is missing."""
        return bool(np.all(self.chances == 1.0))

    @classmethod
    def from_sketcher(
        cls, sketcher: Sketcher, sketch: SketchLike, part: PrincipalPart | None, n_clusters: int
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
            weights = calibrated_weights(
                sketch, rows, weights, most_frequencies=FREQUENCIES_TO_WEIGH
            )
        return cls(rows, rows if part is None else part.to_coordinates(rows), weights, chances)

    def atoms(self, n_clusters: int, seed: int) -> tuple[GivenAtoms, ...]:
        """K-means' clusters as atoms to start from, if there are as many rows."""
        if len(self.rows) < n_clusters:
            return ()
        clusters = find_clusters(self.along, self.weights, n_clusters, seed)
        return (GivenAtoms(*clusters, max_iter=N_STEPS),)


def refine_centroids(
    mixture: Mixture,
    part: PrincipalPart | None,
    pilot: WeightedPilot | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return centroids (k, d) and shares (k,): a mixture's, or k-means' on the pilot from there."""
    centroids, shares = mixture.locations, mixture.weights
    if pilot is not None:
        centroids, shares, _ = cluster_points(
            pilot.along, pilot.weights, centroids, rng, n_random=N_PILOT_STARTS,
            inclusion_probabilities=pilot.chances,
        )  # fmt: skip
    if part is not None:
        centroids = part.to_points(centroids)
        if pilot is not None:
            # Starts were compared along the axes, which costs little; now all columns count.
            centroids, shares, _ = cluster_points(
                pilot.rows, pilot.weights, centroids, rng, n_random=0
            )
    return centroids, shares
