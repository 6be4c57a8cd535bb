"""Ways to k-means centroids through a sketch that `pareto.py` compares with others."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from docs.benchmarks._pareto_problem import FLOAT_BITS, N_SITES, Method, Outcome, Problem
from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.privacy import Budget, PrivateSketch, release
from sketchlearn.sketching.tuning import n_principal

ALONE, WITH_PILOT, PRIVATE = "sketch alone", "sketch with pilot", "private sketch"
EPSILONS = (0.1, 1.0, 10.0)
# Multiplications with an addition of a wave from its phase, as the kernels have it.
WAVE_OPERATIONS = 10
MOMENTS_SHARE = 0.2
# Columns up to which private sketches are taken: noise grows with their covariances.
FEW_COLUMNS = 100


def count_frequencies(problem: Problem, ratio: float) -> int:
    """Return m of a ratio to the numbers to be found, k d, or k (k + 20) of wide rows."""
    k = problem.n_clusters
    return max(100, round(ratio * k * n_principal(problem.d, k)))


def sketching_operations(problem: Problem, sketch: Sketch) -> float:
    """Operations of the pass: phases, waves and moments."""
    n, d, m = float(problem.n), problem.d, sketch.n_frequencies
    phases = m * d
    if sketch.operator.linear_map.kind == "fast":
        p = 2 ** math.ceil(math.log2(d))
        # Three transforms a block of p frequencies, additions alone.
        phases = -(-m // p) * 3 * p * math.log2(p)
    moments = d * (d + 1) / 2 if sketch.moment_kind == "full" else d
    return n * (phases + m * WAVE_OPERATIONS + moments)


def decoding_operations(problem: Problem, n_iterations: int, m: int) -> float:
    """Operations of the iterations that led to the mixture: phases of atoms, and gradients."""
    k = problem.n_clusters
    return float(n_iterations) * 3.0 * m * k * n_principal(problem.d, k)


def decode(problem: Problem, sketch: Sketch | PrivateSketch) -> CompressiveKMeans:
    """Decode a sketch with all defaults."""
    return CompressiveKMeans(problem.n_clusters, random_state=problem.seed).fit_sketch(sketch)


def alone(problem: Problem, ratio: float, operator: str, features: str = "waves") -> Outcome:
    """Sketch the file, and decode the sketch; no row is kept."""
    m, k = count_frequencies(problem, ratio), problem.n_clusters
    sketcher = Sketcher(m, n_clusters=k, operator=operator, features=features, keep_pilot=False,
                        random_state=problem.seed).fit(problem.path)  # fmt: skip
    sketch = sketcher.sketch(problem.path)
    model = decode(problem, sketch)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, m)
    bits = 8 * len(sketch.to_bytes(operator=False))
    return Outcome(model.cluster_centers_, len(sketch.to_bytes()), bits, 1, operations)


def with_pilot(problem: Problem, ratio: float | None, **choices: Any) -> Outcome:
    """Fit the file as it comes, or with a sketch of a certain size and kind."""
    k, seed = problem.n_clusters, problem.seed
    # By itself, `fit` sketches only what it needs beside the pilot.
    sketcher = None
    if ratio is not None:
        m = count_frequencies(problem, ratio)
        sketcher = Sketcher(m, n_clusters=k, random_state=seed, **choices)
    model = CompressiveKMeans(k, sketcher=sketcher, compute_labels=False, random_state=seed)
    model.fit(problem.path)
    sketch, pilot = model.sketch_, np.asarray(model.sketcher_.pilot_)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, sketch.n_frequencies)
    bits = 8 * len(sketch.to_bytes(operator=False)) + FLOAT_BITS * pilot.size / N_SITES
    kept = len(sketch.to_bytes()) + pilot.nbytes
    return Outcome(model.cluster_centers_, kept, bits, 1, operations)


def release_sketch(
    problem: Problem, epsilon: float, ratio: float
) -> tuple[Sketch, PrivateSketch, int]:
    """Sketch within the rows' box, which is taken for public; return the release and its bits.

    The box is read from the rows, not privately, and in a pass that does not count: somebody who
    knows the columns would write it down.
    """
    lower, upper = np.full(problem.d, np.inf), np.full(problem.d, -np.inf)
    for block in problem.blocks():
        lower = np.minimum(lower, block.min(axis=0))
        upper = np.maximum(upper, block.max(axis=0))
    # A column without any width has no box.
    upper = np.maximum(upper, lower + 1e-3 * float((upper - lower).max()))
    m, delta = max(500, count_frequencies(problem, ratio)), problem.n**-1.1
    sketch = Sketcher.from_domain(
        lower, upper, n_clusters=problem.n_clusters, n_frequencies=m, clip=True, operator="auto",
        random_state=problem.seed,
    ).sketch(problem.path)  # fmt: skip
    released = release(sketch, epsilon=epsilon, delta=delta, moments_share=MOMENTS_SHARE,
                       budget=Budget(epsilon, delta))  # fmt: skip
    operator = len(sketch.to_bytes()) - len(sketch.to_bytes(operator=False))
    return sketch, released, 8 * (len(released.to_bytes()) - operator)


def private(problem: Problem, epsilon: float) -> Outcome:
    """Sketch within the rows' box, release, and decode."""
    sketch, released, bits = release_sketch(problem, epsilon, ratio=5.0)
    model = decode(problem, released)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, sketch.n_frequencies)
    return Outcome(model.cluster_centers_, len(released.to_bytes()), bits, 1, operations)


SKETCHES: dict[str, Method] = {
    "dense, 2 kd": Method(ALONE, partial(alone, ratio=2, operator="dense")),
    "dense, 5 kd": Method(ALONE, partial(alone, ratio=5, operator="dense")),
    "dense, 10 kd": Method(ALONE, partial(alone, ratio=10, operator="dense")),
    "fast, 5 kd": Method(ALONE, partial(alone, ratio=5, operator="fast")),
    "signs, 6 kd": Method(
        ALONE, partial(alone, ratio=6.25, operator="auto", features="signs")
    ),
    "fit, defaults": Method(WITH_PILOT, partial(with_pilot, ratio=None)),
    "fit, 10 kd": Method(WITH_PILOT, partial(with_pilot, ratio=10)),
    "fit, fast, 5 kd": Method(WITH_PILOT, partial(with_pilot, ratio=5, operator="fast")),
    "fit, signs, 6 kd": Method(WITH_PILOT, partial(with_pilot, ratio=6.25, features="signs")),
    **{
        f"epsilon {epsilon:g}": Method(
            PRIVATE, partial(private, epsilon=epsilon), most_columns=FEW_COLUMNS
        )
        for epsilon in EPSILONS
    },
}  # fmt: skip
