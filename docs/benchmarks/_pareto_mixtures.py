"""Ways to a mixture of Gaussians that `pareto.py` compares: by the three routes, and all rows."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from docs.benchmarks._pareto_methods import (
    FULL,
    GOODPOINTS,
    MILLION,
    N_INIT,
    REDUCING,
    SAMPLING,
    compress,
    draw_coreset,
    project,
)
from docs.benchmarks._pareto_problem import (
    FLOAT_BITS,
    FLOAT_BYTES,
    N_SITES,
    Method,
    Outcome,
    Problem,
)
from docs.benchmarks._pareto_sketches import (
    ALONE,
    EPSILONS,
    FEW_COLUMNS,
    PRIVATE,
    WITH_PILOT,
    count_frequencies,
    decoding_operations,
    release_sketch,
    sketching_operations,
)
from sketchlearn import CompressiveGaussianMixture, Sketcher
from sketchlearn.atoms import CovarianceType

# Copies of rows of a coreset, since EM of scikit-learn knows no weights.
COPIES = 4


def covariance_type(d: int) -> CovarianceType:
    """Return that of all mixtures of so many columns."""
    return "diag" if d <= FEW_COLUMNS else "spherical"


def run_em(problem: Problem, rows: NDArray, n_init: int) -> tuple[GaussianMixture, int, float]:
    """Return the likeliest of some runs of EM, iterations of all of them, and operations."""
    best, n_iterations, operations = None, 0, 0.0
    for start in range(n_init):
        model = GaussianMixture(
            problem.n_clusters,
            covariance_type=covariance_type(problem.d),
            random_state=1000 * start + problem.seed,
        ).fit(rows)
        n_iterations += model.n_iter_
        # Two products for densities, two for moments; a k-means of some twenty iterations first.
        operations += float(rows.size) * problem.n_clusters * (4 * model.n_iter_ + 20)
        if best is None or model.lower_bound_ > best.lower_bound_:
            best = model
    assert best is not None
    return best, n_iterations, operations


def all_rows(problem: Problem, n_init: int) -> Outcome:
    """EM of scikit-learn on all rows."""
    rows = problem.read()
    best, n_iterations, operations = run_em(problem, rows, n_init)
    sums = n_iterations * problem.n_clusters * (2 * problem.d + 1)
    bits = FLOAT_BITS * min(rows.size / N_SITES, sums)
    return Outcome(best, FLOAT_BYTES * rows.size, bits, n_iterations + n_init, operations)


def sample(problem: Problem, n_rows: int) -> Outcome:
    """EM on rows drawn uniformly."""
    rows = problem.draw(n_rows)
    best, _, operations = run_em(problem, rows, N_INIT)
    bits = FLOAT_BITS * rows.size / N_SITES
    return Outcome(best, FLOAT_BYTES * rows.size, bits, len(rows) / problem.n, operations)


def coreset(problem: Problem, n_rows: int) -> Outcome:
    """EM on a lightweight coreset, whose rows are repeated as their weights say."""
    rows, weights = draw_coreset(problem, n_rows)
    ticks = (problem.rng.random() + np.arange(COPIES * len(rows))) / (COPIES * len(rows))
    places = np.searchsorted(np.cumsum(weights / weights.sum()), ticks, "right")
    repeated = rows[np.minimum(places, len(rows) - 1)]
    best, _, operations = run_em(problem, repeated, N_INIT)
    size, d = len(rows), problem.d
    bits = FLOAT_BITS * (size * (d + 1) / N_SITES + d + 2)
    operations += 2.0 * problem.n * d
    return Outcome(best, FLOAT_BYTES * size * (d + 1), bits, 2, operations)


def compressed(problem: Problem) -> Outcome:
    """EM on the rows that Compress++ keeps."""
    kept, at_site, thinning = compress(problem)
    best, _, operations = run_em(problem, kept, N_INIT)
    bits = FLOAT_BITS * at_site
    return Outcome(best, FLOAT_BYTES * kept.size, bits, 1, operations + thinning)


def projected(problem: Problem, share: float) -> Outcome:
    """EM of random projections, then moments of the rows that it has labelled."""
    k, d = problem.n_clusters, problem.d
    few, n_directions, operations = project(problem, share)
    best, _, more = run_em(problem, few, N_INIT)
    mixture = measure_parts(problem, best.predict(few))
    kept = FLOAT_BYTES * (few.size + n_directions * d)
    bits = FLOAT_BITS * (few.size / N_SITES + k * (2 * d + 1))
    return Outcome(mixture, kept, bits, 2, operations + more + 2.0 * problem.n * d)


def betula(problem: Problem) -> Outcome:
    """Mixture of betula-cluster, then moments of the rows that it labels: it tells no variances."""
    from betula_cluster import Betula

    model = Betula(problem.n_clusters, feature="diagonal", method="gmm", seed=problem.seed)
    for block in problem.blocks():
        model.partial_fit(block)
    model.partial_fit()
    labels = np.concatenate([np.asarray(model.predict(block)) for block in problem.blocks()])
    size = model.n_leaves_ * (2 * problem.d + 1)
    down = 32.0 * problem.d * problem.n * math.log(model.n_leaves_, 32)
    mixture = measure_parts(problem, labels)
    return Outcome(mixture, 2 * FLOAT_BYTES * size, FLOAT_BITS * size, 2, down)


def measure_parts(problem: Problem, labels: NDArray) -> GaussianMixture:
    """Return the mixture of shares, means and variances of labelled rows, by one more pass."""
    k, d = problem.n_clusters, problem.d
    sums, squares, sizes, first = np.zeros((k, d)), np.zeros((k, d)), np.zeros(k), 0
    for block in problem.blocks():
        own = labels[first : first + len(block)]
        first += len(block)
        is_member = (own == np.arange(k)[:, None]).astype(np.float64)
        sums += is_member @ block
        squares += is_member @ np.square(block, dtype=np.float64)
        sizes += is_member.sum(axis=1)
    counts = np.maximum(sizes, 1.0)[:, None]
    means = sums / counts
    variances = np.maximum(squares / counts - means**2, 1e-6 * (squares.sum() / problem.n / d))
    return make_mixture(np.maximum(sizes, 1.0) / np.maximum(sizes, 1.0).sum(), means, variances)


def make_mixture(weights: NDArray, means: NDArray, variances: NDArray) -> GaussianMixture:
    """Return what scores rows under a mixture with variances (k, d)."""
    kind = covariance_type(means.shape[1])
    model: Any = GaussianMixture(len(weights), covariance_type=kind)
    model.weights_, model.means_ = weights, means
    model.covariances_ = variances if kind == "diag" else variances.mean(axis=1)
    model.precisions_cholesky_ = 1.0 / np.sqrt(model.covariances_)
    return model


def make_model(problem: Problem, sketcher: Sketcher | None = None) -> CompressiveGaussianMixture:
    """Return the estimator, with all defaults but the sketcher."""
    return CompressiveGaussianMixture(
        problem.n_clusters,
        covariance_type=covariance_type(problem.d),
        sketcher=sketcher,
        random_state=problem.seed,
    )


def make_sketcher(problem: Problem, ratio: float, **choices: Any) -> Sketcher:
    """Return a sketcher of so many frequencies for each coordinate of a mean."""
    return Sketcher(
        count_frequencies(problem, ratio), n_clusters=problem.n_clusters,
        scale="columns" if problem.d <= FEW_COLUMNS else "auto",
        random_state=problem.seed, **choices,
    )  # fmt: skip


def alone(problem: Problem, ratio: float, operator: str, features: str = "waves") -> Outcome:
    """Sketch the file, and decode the sketch; no row is kept."""
    sketcher = make_sketcher(
        problem, ratio, operator=operator, features=features, keep_pilot=False
    ).fit(problem.path)
    sketch = sketcher.sketch(problem.path)
    model = make_model(problem).fit_sketch(sketch)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, sketch.n_frequencies)
    bits = 8 * len(sketch.to_bytes(operator=False))
    return Outcome(model.to_sklearn(), len(sketch.to_bytes()), bits, 1, operations)


def with_pilot(problem: Problem, ratio: float | None) -> Outcome:
    """Fit the file as it comes, or with a sketch of a certain size."""
    sketcher = None if ratio is None else make_sketcher(problem, ratio)
    model = make_model(problem, sketcher).fit(problem.path)
    sketch, pilot = model.sketch_, np.asarray(model.sketcher_.pilot_)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, sketch.n_frequencies)
    bits = 8 * len(sketch.to_bytes(operator=False)) + FLOAT_BITS * pilot.size / N_SITES
    kept = len(sketch.to_bytes()) + pilot.nbytes
    return Outcome(model.to_sklearn(), kept, bits, 1, operations)


def private(problem: Problem, epsilon: float) -> Outcome:
    """Sketch within the rows' box, release, and decode."""
    sketch, released, bits = release_sketch(problem, epsilon, ratio=10.0)
    model = make_model(problem).fit_sketch(released)
    operations = sketching_operations(problem, sketch)
    operations += decoding_operations(problem, model.n_iter_, sketch.n_frequencies)
    return Outcome(model.to_sklearn(), len(released.to_bytes()), bits, 1, operations)


METHODS: dict[str, Method] = {
    "EM, the reference": Method(FULL, partial(all_rows, n_init=N_INIT)),
    "EM, one start": Method(FULL, partial(all_rows, n_init=1)),
    "betula-cluster": Method(FULL, betula, most_columns=FEW_COLUMNS, package="betula_cluster"),
    "JL, half the columns": Method(REDUCING, partial(projected, share=0.5)),
    "JL, an eighth": Method(REDUCING, partial(projected, share=0.125)),
    **{
        f"{n:,} rows": Method(SAMPLING, partial(sample, n_rows=n)) for n in (500, 4000, 20_000)
    },
    **{
        f"coreset of {n:,}": Method(SAMPLING, partial(coreset, n_rows=n)) for n in (500, 4000)
    },
    "Compress++": Method(
        SAMPLING, compressed, MILLION, FEW_COLUMNS, most_seeds=1, package=GOODPOINTS
    ),
    "dense, 5 kd": Method(ALONE, partial(alone, ratio=5, operator="dense")),
    "dense, 10 kd": Method(ALONE, partial(alone, ratio=10, operator="dense")),
    "fast, 10 kd": Method(ALONE, partial(alone, ratio=10, operator="fast")),
    "signs, 12 kd": Method(
        ALONE, partial(alone, ratio=12.5, operator="auto", features="signs")
    ),
    "fit, defaults": Method(WITH_PILOT, partial(with_pilot, ratio=None)),
    "fit, 10 kd": Method(WITH_PILOT, partial(with_pilot, ratio=10)),
    **{
        f"epsilon {epsilon:g}": Method(
            PRIVATE, partial(private, epsilon=epsilon), most_columns=FEW_COLUMNS
        )
        for epsilon in EPSILONS
    },
}  # fmt: skip
