"""Ways to cluster that `decoders.py` compares: from a sketch, by pycle, and by k-means on rows.

Seconds are the processor's, on one thread, so that a busy machine does not count against anybody.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin_min

from docs.benchmarks._log import Record
from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.decoders import CLOMPR, Decoder, MeanShift, Splitting

Rows = NDArray[np.float64]

SKETCH_BYTES_A_FREQUENCY = 16
N_SUBSAMPLE = 20_000
N_INIT = 10
# Rows of the first try, when as many are sought as k-means manages in a given time.
FIRST_ROWS = 250
# Scales that other people's decoders are given, as multiples of the true one.
SCALE_FACTORS = (1, 2, 4)


@dataclass(frozen=True)
class Problem:
    """Rows to cluster, how large the sketch may be, and what only some methods are told."""

    X: Rows
    n_clusters: int
    n_frequencies: int
    seed: int
    true_scale: float = 1.0
    seconds_allowed: float = 0.0

    @cached_property
    def sketched(self) -> tuple[Sketch, float]:
        """A sketch that went through its file, and the seconds until it was written."""
        start = time.process_time()
        sketcher = Sketcher(
            self.n_frequencies,
            n_clusters=self.n_clusters,
            keep_pilot=False,
            random_state=self.seed,
        ).fit(self.X)
        sketch = sketcher.sketch(self.X)
        seconds = time.process_time() - start
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.sketch")
            sketch.save(path)
            return Sketch.load(path), seconds

    def few_rows(self, n_rows: int) -> Rows:
        """So many random rows, or all."""
        rng = np.random.default_rng(self.seed)
        return self.X[rng.choice(len(self.X), size=min(n_rows, len(self.X)), replace=False)]


@dataclass(frozen=True)
class Outcome:
    """Centroids, the seconds that they took after sketching or sampling, and other figures."""

    centers: Rows
    seconds: float
    figures: Record = field(default_factory=dict)


Method = Callable[[Problem], "Outcome | None"]


def inertia(X: Rows, centers: Rows) -> float:
    """Sum the squared distances to the nearest centroid; infinite where there is none."""
    if np.isnan(centers).any():
        return float("inf")
    return float(pairwise_distances_argmin_min(X, centers, metric="sqeuclidean")[1].sum())


def alone(problem: Problem, decoder: Decoder | None = None) -> Outcome:
    """Decode the sketch's file; no row of the data is left."""
    sketch, sketch_seconds = problem.sketched
    model = CompressiveKMeans(
        problem.n_clusters,
        decoder=decoder,
        n_init="auto" if decoder is None else 1,
        random_state=problem.seed,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        start = time.process_time()
        model.fit_sketch(sketch)
        seconds = time.process_time() - start
    mixture = model.mixture_
    figures = {
        "sketch_seconds": sketch_seconds,
        "goodness_of_fit": mixture.goodness_of_fit,
        "misfit": mixture.misfit,
        "spread_ratio": mixture.spread_ratio,
        "is_warned": bool(caught),
    }
    return Outcome(model.cluster_centers_, seconds, figures)


def with_pilot(problem: Problem) -> Outcome:
    """Fit as it comes: sketch, decode, and settle on the pilot's rows."""
    model = CompressiveKMeans(
        problem.n_clusters,
        n_frequencies=problem.n_frequencies,
        compute_labels=False,
        random_state=problem.seed,
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(problem.X)
    return Outcome(model.cluster_centers_, time.process_time() - start)


def decoded_by(decoder: Decoder) -> Method:
    """Decode the sketch's file once, by one decoder."""
    return lambda problem: alone(problem, decoder)


def pycle(problem: Problem) -> Outcome:
    """CL-OMPR of pycle 1.2 with its own sketch, the rows' exact box, and the best of its scales."""
    return _best_scale(problem, _pycle_at)


def _best_scale(problem: Problem, run: Callable[[Problem, float], Outcome]) -> Outcome:
    """The best of some runs by all rows, which nobody could know without them; median seconds.

    At the true scale pycle finds few of many distant clusters.
    """
    outcomes = [run(problem, factor * problem.true_scale) for factor in SCALE_FACTORS]
    sums = [inertia(problem.X, outcome.centers) for outcome in outcomes]
    best = int(np.argmin(sums))
    seconds = float(np.median([outcome.seconds for outcome in outcomes]))
    figures = {"scale_factor": SCALE_FACTORS[best], "sse_at_scales": sums}
    return Outcome(outcomes[best].centers, seconds, figures)


def _pycle_at(problem: Problem, scale: float) -> Outcome:
    """One run of pycle at a scale."""
    try:
        from pycle.compressive_learning import CLOMP_CKM
        from pycle.sketching import SimpleFeatureMap, computeSketch, drawFrequencies
    except ImportError as error:
        raise SystemExit("pycle is not installed: pip install -e '.[bench]'") from error
    X, d = problem.X, problem.X.shape[1]
    # pycle draws from numpy's global generator and offers no other.
    np.random.seed(problem.seed)  # noqa: NPY002
    frequencies = drawFrequencies("AdaptedRadius", d, problem.n_frequencies, scale**2 * np.eye(d))
    feature_map = SimpleFeatureMap("complexExponential", frequencies)
    sketch = computeSketch(X, feature_map)
    box = np.array([X.min(axis=0), X.max(axis=0)])
    solver = CLOMP_CKM(feature_map, problem.n_clusters, box, sketch)
    start = time.process_time()
    solver.fit_once()
    return Outcome(solver.get_centroids(), time.process_time() - start)


def kmeans(problem: Problem, n_rows: int) -> Outcome | None:
    """k-means, ten starts, on some random rows; none if they are fewer than the clusters."""
    rows = problem.few_rows(n_rows)
    if len(rows) < problem.n_clusters:
        return None
    start = time.process_time()
    with warnings.catch_warnings():
        # Rows of which many are equal may hold fewer distinct ones than there are clusters.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = KMeans(problem.n_clusters, n_init=N_INIT, random_state=problem.seed).fit(rows)
    seconds = time.process_time() - start
    return Outcome(model.cluster_centers_, seconds, {"n_rows": len(rows)})


def same_bytes(problem: Problem) -> Outcome | None:
    """k-means on as many float64 rows as the sketch's sums have bytes."""
    n_bytes = SKETCH_BYTES_A_FREQUENCY * problem.n_frequencies
    return kmeans(problem, n_bytes // (8 * problem.X.shape[1]))


def same_file(problem: Problem) -> Outcome | None:
    """k-means on as many float64 rows as the sketch's file has bytes, the operator's included."""
    n_bytes = len(problem.sketched[0].to_bytes())
    return kmeans(problem, n_bytes // (8 * problem.X.shape[1]))


def bare_file(problem: Problem) -> Outcome | None:
    """k-means on as many float64 rows as the sketch's file has bytes, kept without the operator."""
    n_bytes = len(problem.sketched[0].to_bytes(operator=False))
    return kmeans(problem, n_bytes // (8 * problem.X.shape[1]))


def betula(problem: Problem) -> Outcome:
    """One pass of betula-cluster over all rows in their order: a tree of at most 2,000 leaves."""
    try:
        from betula_cluster import Betula
    except ImportError as error:
        raise SystemExit("betula-cluster is not installed: pip install -e '.[bench]'") from error
    model = Betula(problem.n_clusters, feature="spherical", method="kmeans", seed=problem.seed)
    start = time.process_time()
    model.fit(problem.X)
    seconds = time.process_time() - start
    return Outcome(np.asarray(model.cluster_centers_), seconds, {"n_leaves": model.n_leaves_})


def same_time(problem: Problem) -> Outcome | None:
    """k-means on as many rows, doubling, as it clusters in the time of sketching and decoding."""
    best, n_rows = None, max(FIRST_ROWS, problem.n_clusters)
    while True:
        tried = kmeans(problem, n_rows)
        if tried is None or (best is not None and tried.seconds > problem.seconds_allowed):
            return best
        best = tried
        if n_rows >= len(problem.X) or 2 * tried.seconds > problem.seconds_allowed:
            return best
        n_rows *= 2


def many_rows(problem: Problem) -> Outcome | None:
    """k-means on 20,000 rows."""
    return kmeans(problem, N_SUBSAMPLE)


def kmeans_again(problem: Problem) -> Outcome | None:
    """k-means on all rows from other starts: how far the reference itself can be trusted."""
    model = KMeans(problem.n_clusters, n_init=N_INIT, random_state=problem.seed + 1)
    start = time.process_time()
    model.fit(problem.X)
    return Outcome(model.cluster_centers_, time.process_time() - start)


OWN: dict[str, Method] = {
    "sketch alone": alone,
    "with pilot": with_pilot,
    "CLOMPR": decoded_by(CLOMPR()),
    "MeanShift": decoded_by(MeanShift()),
    "Splitting": decoded_by(Splitting()),
}
OTHERS: dict[str, Method] = {
    "pycle": pycle,
    "same bytes": same_bytes,
    "same file": same_file,
    "bare file": bare_file,
    "same time": same_time,
}
# Those for which the sketch's size is nothing.
UNSKETCHED: dict[str, Method] = {
    "20,000 rows": many_rows,
    "BETULA": betula,
    "k-means again": kmeans_again,
}
METHODS = OWN | OTHERS | UNSKETCHED
