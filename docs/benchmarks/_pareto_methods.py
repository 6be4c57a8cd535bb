"""Ways to k-means centroids that `pareto.py` compares: of the three routes, and from all rows."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import Birch, KMeans, MiniBatchKMeans
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import pairwise_distances_argmin_min

from docs.benchmarks import _pareto_spark
from docs.benchmarks._pareto_problem import (
    FLOAT_BITS,
    FLOAT_BYTES,
    N_SITES,
    Method,
    Outcome,
    Problem,
)
from docs.benchmarks._pareto_sets import Block
from docs.benchmarks._pareto_sketches import SKETCHES

N_INIT = 3
# Entries of a table from which full k-means starts three times instead of ten.
MANY_ENTRIES = 5_000_000
LANDMARKS = 100
# Rows up to which slow methods are run.
MILLION = 1_000_000
# Iterations that faiss does, as it does by default.
FAISS_ITERATIONS = 25
# Rows that Birch's radius, and the width of a kernel, are chosen on.
FEW_ROWS = 1000


def cluster(
    rows: Block, k: int, n_init: int, seed: int, weights: NDArray | None = None
) -> tuple[KMeans, int, float]:
    """Return the best of some runs of k-means, iterations of all of them, and operations."""
    best, n_iterations, operations = None, 0, 0.0
    n_entries = float(rows.size)
    for start in range(n_init):
        model = KMeans(k, n_init=1, random_state=1000 * start + seed)
        model.fit(rows, sample_weight=weights)
        n_iterations += model.n_iter_
        # k-means++ tries 2 + log k rows for each centroid.
        operations += n_entries * k * (model.n_iter_ + 2 + math.log(k))
        if best is None or model.inertia_ < best.inertia_:
            best = model
    assert best is not None
    return best, n_iterations, operations


def bits_of_lloyd(problem: Problem, n_iterations: float) -> float:
    """Bits of a site: its rows, or sums and sizes of clusters in every iteration, if fewer."""
    rows = problem.n * problem.d / N_SITES
    sums = n_iterations * problem.n_clusters * (problem.d + 1)
    return FLOAT_BITS * min(rows, sums)


def count_starts(problem: Problem) -> int:
    """Runs of the reference."""
    return 10 if problem.n * problem.d <= MANY_ENTRIES else N_INIT


def all_rows(problem: Problem, n_init: int | None = None) -> Outcome:
    """k-means of scikit-learn; by default as often as the reference is run."""
    n_init = count_starts(problem) if n_init is None else n_init
    model, n_iterations, operations = cluster(
        problem.read(), problem.n_clusters, n_init, problem.seed
    )
    return Outcome(
        model.cluster_centers_,
        FLOAT_BYTES * problem.n * problem.d,
        bits_of_lloyd(problem, n_iterations),
        n_iterations + n_init,
        operations,
    )


def mini_batches(problem: Problem) -> Outcome:
    """MiniBatchKMeans of scikit-learn, with its defaults."""
    model = MiniBatchKMeans(problem.n_clusters, random_state=problem.seed).fit(problem.read())
    n_seen = model.n_steps_ * model.batch_size
    return Outcome(
        model.cluster_centers_,
        FLOAT_BYTES * problem.n * problem.d,
        bits_of_lloyd(problem, model.n_steps_),
        n_seen / problem.n,
        float(n_seen) * problem.d * problem.n_clusters,
    )


def betula(problem: Problem) -> Outcome:
    """betula-cluster, block by block: a tree of at most 2,000 leaves."""
    from betula_cluster import Betula

    k = problem.n_clusters
    model = Betula(k, feature="spherical", method="kmeans", seed=problem.seed)
    for block in problem.blocks():
        model.partial_fit(block)
    model.partial_fit()
    size = model.n_leaves_ * (problem.d + 2)
    # A row goes down two or three levels of a tree whose nodes have 32 children.
    operations = 32.0 * problem.d * problem.n * math.log(model.n_leaves_, 32)
    return Outcome(
        np.asarray(model.cluster_centers_), 2 * FLOAT_BYTES * size, FLOAT_BITS * size, 1, operations
    )


def birch(problem: Problem) -> Outcome:
    """Birch of scikit-learn, its radius half of what rows are from centroids of a few rows."""
    k, d = problem.n_clusters, problem.d
    few = problem.draw(FEW_ROWS)
    radius = 0.5 * math.sqrt(KMeans(k, random_state=problem.seed).fit(few).inertia_ / len(few))
    model = Birch(threshold=radius, n_clusters=None)
    for block in problem.blocks():
        model.partial_fit(block)
    leaves = np.asarray(model.subcluster_centers_, dtype=np.float32)
    # Birch keeps the sizes of its clusters to itself: a second pass counts them.
    sizes = np.zeros(len(leaves))
    for block in problem.blocks():
        nearest = pairwise_distances_argmin_min(block, leaves)[0]
        sizes += np.bincount(nearest, minlength=len(leaves))
    best, _, operations = cluster(leaves, k, N_INIT, problem.seed, sizes)
    size = len(leaves) * (d + 2)
    operations += float(problem.n) * d * (len(leaves) + 50 * math.log(len(leaves) + 1, 50))
    return Outcome(
        best.cluster_centers_, 2 * FLOAT_BYTES * size, FLOAT_BITS * size, 2, operations
    )  # fmt: skip


def faiss(problem: Problem, every_row: bool) -> Outcome:
    """faiss, which by default draws 256 rows a cluster."""
    import faiss as library

    library.omp_set_num_threads(1)
    n, k, d = problem.n, problem.n_clusters, problem.d
    n_rows = n if every_row else min(n, 256 * k)
    rows = problem.read() if every_row else problem.draw(n_rows)
    model = library.Kmeans(
        d, k, niter=FAISS_ITERATIONS, nredo=N_INIT, seed=problem.seed, max_points_per_centroid=n
    )
    model.train(rows)
    n_iterations = N_INIT * FAISS_ITERATIONS
    size = n_rows * d
    return Outcome(
        model.centroids,
        FLOAT_BYTES * size,
        bits_of_lloyd(problem, n_iterations) if every_row else FLOAT_BITS * size / N_SITES,
        n_iterations if every_row else n_rows / n,
        float(size) * k * n_iterations,
    )


def sample(problem: Problem, n_rows: int) -> Outcome:
    """k-means on rows drawn uniformly."""
    rows = problem.draw(n_rows)
    model, _, operations = cluster(rows, problem.n_clusters, N_INIT, problem.seed)
    return Outcome(
        model.cluster_centers_,
        FLOAT_BYTES * rows.size,
        FLOAT_BITS * rows.size / N_SITES,
        len(rows) / problem.n,
        operations,
    )


def draw_coreset(problem: Problem, n_rows: int) -> tuple[Block, NDArray]:
    """Return rows and weights of a lightweight coreset (Bachem, Lucic and Krause, KDD 2018).

    Two passes; row x is drawn with probability 1 / 2n + |x - mean|^2 / (2 sum), and weighs its
    inverse.
    """
    n = problem.n
    total = np.zeros(problem.d)
    for block in problem.blocks():
        total += block.sum(axis=0, dtype=np.float64)
    mean = (total / n).astype(np.float32)
    squares = [np.square(block - mean).sum(axis=1, dtype=np.float64) for block in problem.blocks()]
    far = np.concatenate(squares)
    shares = 0.5 / n + 0.5 * far / far.sum()
    size = min(n_rows, n)
    chosen = np.sort(problem.rng.choice(n, size=size, p=shares / shares.sum()))
    return problem.take(chosen), 1.0 / (size * shares[chosen])


def coreset(problem: Problem, n_rows: int) -> Outcome:
    """k-means on a lightweight coreset."""
    rows, weights = draw_coreset(problem, n_rows)
    model, _, operations = cluster(rows, problem.n_clusters, N_INIT, problem.seed, weights)
    size, d = len(rows), problem.d
    bits = FLOAT_BITS * (size * (d + 1) / N_SITES + d + 2)
    operations += 2.0 * problem.n * d
    return Outcome(model.cluster_centers_, FLOAT_BYTES * size * (d + 1), bits, 2, operations)


def find_median_square(problem: Problem) -> tuple[Block, float]:
    """Return a few rows, and the median squared distance of two of them."""
    few = problem.draw(FEW_ROWS)
    half = len(few) // 2
    apart = np.square(few[:half][problem.rng.permutation(half)] - few[half : 2 * half])
    return few, float(np.median(apart.sum(axis=1)))


def compress(problem: Problem) -> tuple[Block, float, float]:
    """Return the rows that Compress++ of goodpoints keeps, numbers that a site sends, operations.

    The root of their number, by a Gaussian kernel as wide as the median distance of a few rows.
    """
    from goodpoints.compress import compresspp_kt

    rows = problem.read().astype(np.float64)
    width = np.array([find_median_square(problem)[1]])
    kept = rows[compresspp_kt(rows, b"gaussian", width, g=4, seed=problem.seed)]
    # A kernel is evaluated n log^2 n times or so; each site would thin its own rows.
    operations = problem.n * problem.d * math.log2(problem.n) ** 2
    return kept.astype(np.float32), math.sqrt(problem.n / N_SITES) * problem.d, operations


def compressed(problem: Problem) -> Outcome:
    """k-means on the rows that Compress++ keeps."""
    kept, at_site, thinning = compress(problem)
    model, _, operations = cluster(kept, problem.n_clusters, N_INIT, problem.seed)
    bits = FLOAT_BITS * at_site
    return Outcome(
        model.cluster_centers_, FLOAT_BYTES * kept.size, bits, 1, operations + thinning
    )  # fmt: skip


def mean_rows(problem: Problem, labels: NDArray) -> NDArray:
    """Return the mean of each cluster's rows, by one more pass."""
    k = problem.n_clusters
    sums, sizes, first = np.zeros((k, problem.d)), np.zeros(k), 0
    for block in problem.blocks():
        own = labels[first : first + len(block)]
        first += len(block)
        is_member = (own == np.arange(k)[:, None]).astype(np.float32)
        sums += is_member @ block
        sizes += np.bincount(own, minlength=k)
    return sums / np.maximum(sizes, 1.0)[:, None]


def project(problem: Problem, share: float) -> tuple[Block, int, float]:
    """Return random projections (Johnson and Lindenstrauss) of all rows, and operations."""
    d = problem.d
    q = max(2, round(share * d))
    directions = problem.rng.standard_normal((d, q)).astype(np.float32) / np.float32(math.sqrt(q))
    few = np.concatenate([block @ directions for block in problem.blocks()])
    return few, q, float(problem.n) * d * q


def projected(problem: Problem, share: float) -> Outcome:
    """k-means of random projections, then means of the rows."""
    few, n_directions, operations = project(problem, share)
    model, _, more = cluster(few, problem.n_clusters, N_INIT, problem.seed)
    return Outcome(
        mean_rows(problem, model.labels_),
        FLOAT_BYTES * (few.size + n_directions * problem.d),
        FLOAT_BITS * (few.size / N_SITES + problem.n_clusters * (problem.d + 1)),
        2,
        operations + more + float(problem.n) * problem.d,
    )


def nystroem(problem: Problem) -> Outcome:
    """k-means of Nystroem features of a Gaussian kernel, then means of the rows."""
    n, d = problem.n, problem.d
    few, width = find_median_square(problem)
    features = Nystroem(gamma=1.0 / width, n_components=LANDMARKS, random_state=problem.seed)
    features.fit(few)
    rows = np.concatenate(
        [features.transform(block).astype(np.float32) for block in problem.blocks()]
    )
    model, _, operations = cluster(rows, problem.n_clusters, N_INIT, problem.seed)
    size = n * min(d, LANDMARKS) / N_SITES + problem.n_clusters * (d + 1)
    operations += float(n) * LANDMARKS * (d + LANDMARKS)
    return Outcome(
        mean_rows(problem, model.labels_),
        FLOAT_BYTES * (rows.size + LANDMARKS * (d + LANDMARKS)),
        FLOAT_BITS * size,
        2,
        operations,
    )


GOODPOINTS = "goodpoints.compress"
REDUCING, SAMPLING, FULL = "dimension reduction", "subsampling", "full data"

METHODS: dict[str, Method] = {
    "KMeans, the reference": Method(FULL, all_rows),
    "KMeans, one start": Method(FULL, partial(all_rows, n_init=1)),
    "MiniBatchKMeans": Method(FULL, mini_batches, most_rows=MILLION),
    "betula-cluster": Method(FULL, betula, package="betula_cluster"),
    "Birch": Method(FULL, birch, MILLION, 100, most_seeds=1),
    "faiss": Method(FULL, partial(faiss, every_row=True), MILLION, package="faiss"),
    "Spark MLlib": Method(
        FULL, _pareto_spark.cluster, most_columns=100, most_seeds=1, package="pyspark",
        prepare=_pareto_spark.prepare,
    ),
    "JL, half the columns": Method(REDUCING, partial(projected, share=0.5)),
    "JL, an eighth": Method(REDUCING, partial(projected, share=0.125)),
    **{
        f"{n:,} rows": Method(SAMPLING, partial(sample, n_rows=n)) for n in (500, 4000, 20_000)
    },
    **{
        f"coreset of {n:,}": Method(SAMPLING, partial(coreset, n_rows=n))
        for n in (500, 4000, 20_000)
    },
    "faiss, 256 k rows": Method(SAMPLING, partial(faiss, every_row=False), package="faiss"),
    "Compress++": Method(SAMPLING, compressed, MILLION, 100, most_seeds=1, package=GOODPOINTS),
    "Nystroem": Method(SAMPLING, nystroem, most_rows=MILLION),
    **SKETCHES,
}  # fmt: skip
