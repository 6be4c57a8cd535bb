"""Ways to fit a mixture that `mixtures.py` compares: from a sketch, and by EM on rows.

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
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from docs.benchmarks._log import Record
from docs.benchmarks._methods import SKETCH_BYTES_A_FREQUENCY
from docs.benchmarks._mixture_cases import Case
from sketchlearn import CompressiveGaussianMixture, Sketch, Sketcher

Rows = NDArray[np.float64]

# Rows of the first try, when as many are sought as EM manages in a given time.
FIRST_ROWS = 250


@dataclass(frozen=True)
class Problem:
    """Rows to fit a case's mixture to, and the seconds that one rival may take."""

    case: Case
    X: Rows
    seed: int
    seconds_allowed: float = 0.0

    @cached_property
    def sketched(self) -> tuple[Sketch, float]:
        """A sketch that went through its file, and the seconds until it was there."""
        start = time.process_time()
        sketcher = Sketcher(
            self.case.n_frequencies,
            n_clusters=self.case.n_components,
            scale="auto" if self.case.covariance_type == "spherical" else "columns",
            keep_pilot=False,
            random_state=self.seed,
        ).fit(self.X)
        sketch = sketcher.sketch(self.X)
        seconds = time.process_time() - start
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rows.sketch")
            sketch.save(path)
            return Sketch.load(path), seconds


@dataclass(frozen=True)
class Outcome:
    """A mixture ready to score rows, the seconds after sketching or sampling, other figures."""

    mixture: GaussianMixture
    seconds: float
    figures: Record = field(default_factory=dict)


Method = Callable[[Problem], "Outcome | None"]


def sketch_alone(problem: Problem) -> Outcome:
    """Decode the sketch's file; no row of the data is left."""
    sketch, sketch_seconds = problem.sketched
    model = CompressiveGaussianMixture(
        problem.case.n_components,
        covariance_type=problem.case.covariance_type,
        random_state=problem.seed,
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit_sketch(sketch)
    seconds = time.process_time() - start
    figures = {"sketch_seconds": sketch_seconds, "n_bytes": len(sketch.to_bytes())}
    return Outcome(model.to_sklearn(), seconds, figures)


def em(problem: Problem, n_rows: int, n_init: int = 1, more_seed: int = 0) -> Outcome | None:
    """EM on so many random rows, or all; none if they are fewer than twice the components."""
    case, X = problem.case, problem.X
    if n_rows < 2 * case.n_components:
        return None
    rng = np.random.default_rng(problem.seed)
    rows = X if n_rows >= len(X) else X[rng.choice(len(X), size=n_rows, replace=False)]
    model = GaussianMixture(
        case.n_components,
        covariance_type=case.covariance_type,
        n_init=n_init,
        random_state=problem.seed + more_seed,
    )
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows)
    return Outcome(model, time.process_time() - start, {"n_rows": len(rows)})


def all_rows(problem: Problem) -> Outcome | None:
    """EM on all rows, several times, and the best: the reference."""
    return em(problem, len(problem.X), problem.case.n_init)


def all_rows_once(problem: Problem) -> Outcome | None:
    """EM on all rows, once, from another start: how far the reference itself can be trusted."""
    return em(problem, len(problem.X), more_seed=1)


def same_bytes(problem: Problem) -> Outcome | None:
    """EM, three times, on as many float64 rows as have the sketch's bytes."""
    n_bytes = SKETCH_BYTES_A_FREQUENCY * problem.case.n_frequencies
    return em(problem, n_bytes // (8 * problem.case.n_features), n_init=3)


def same_time(problem: Problem) -> Outcome | None:
    """EM, once, on as many rows, doubling, as it fits in the time of sketching and decoding."""
    best, n_rows = None, max(FIRST_ROWS, 2 * problem.case.n_components)
    while True:
        tried = em(problem, n_rows)
        if tried is None or (best is not None and tried.seconds > problem.seconds_allowed):
            return best
        best = tried
        if n_rows >= len(problem.X) or 2 * tried.seconds > problem.seconds_allowed:
            return best
        n_rows *= 2


METHODS: dict[str, Method] = {
    "EM": all_rows,
    "sketch alone": sketch_alone,
    "same bytes": same_bytes,
    "same time": same_time,
    "EM once": all_rows_once,
}
