"""A stand-in data set: four estimators fitted on rows synthesized from a sketch, and on the data.

The sketch is all that is kept of the data. From it `synthesize` draws rows, and scikit-learn's
k-means, Gaussian mixture, PCA and DBSCAN are fitted on these as on any rows. Run from the root of
a checkout; prints a table and draws a figure::

    python -m docs.examples.plot_synthesize [--figure FILE]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

from sketchlearn import Sketch, Sketcher, synthesize

Rows = NDArray[np.float64]

N_CLUSTERS = 5
N_SYNTHETIC = 4000
EPS, MIN_SAMPLES = 0.6, 15
DATA, SYNTHETIC = "#475569", "#c2410c"


def clustered_rows(n_samples: int, seed: int = 0) -> Rows:
    """Draw five clusters of unequal sizes, three of them stretched, in the plane."""
    rng = np.random.default_rng(seed)
    centers = np.array([[-6.0, 0.0], [-0.5, 5.5], [0.5, -4.5], [7.0, 3.5], [7.0, -3.0]])
    shapes = np.array(
        [
            [[0.6, 0.0], [0.0, 1.8]],
            [[1.6, 0.7], [0.0, 0.5]],
            [[0.9, 0.0], [0.0, 0.9]],
            [[0.7, -0.4], [0.0, 0.8]],
            [[1.0, 0.6], [0.0, 0.7]],
        ]
    )
    labels = rng.choice(N_CLUSTERS, size=n_samples, p=[0.3, 0.25, 0.2, 0.15, 0.1])
    noise = rng.standard_normal((n_samples, 2))
    return centers[labels] + np.einsum("nij,nj->ni", shapes[labels], noise)


def sketched(X: Rows) -> Sketch:
    """Sketch the rows; no row is kept."""
    sketcher = Sketcher(500, n_clusters=N_CLUSTERS, keep_pilot=False, random_state=0)
    return sketcher.fit(X).sketch(X)


def compare_kmeans(rows: Rows, X: Rows) -> tuple[str, str]:
    """Sum of squared distances of the data to the centroids, a row."""
    models = [KMeans(N_CLUSTERS, n_init=10, random_state=0).fit(fitted) for fitted in (X, rows)]
    on_data, on_rows = (f"{-model.score(X) / len(X):.3f}" for model in models)
    return on_data, on_rows


def compare_mixture(rows: Rows, X: Rows) -> tuple[str, str]:
    """Mean log-likelihood of the data under the mixture."""
    models = [
        GaussianMixture(N_CLUSTERS, n_init=3, random_state=0).fit(fitted) for fitted in (X, rows)
    ]
    on_data, on_rows = (f"{model.score(X):.3f}" for model in models)
    return on_data, on_rows


def compare_pca(rows: Rows, X: Rows) -> tuple[str, str]:
    """Direction of the first component, and its share of the variance."""
    cells = []
    for fitted in (X, rows):
        model = PCA().fit(fitted)
        x, y = model.components_[0]
        cells.append(
            f"{np.degrees(np.arctan(y / x)):.1f}°, {model.explained_variance_ratio_[0]:.1%}"
        )
    return cells[0], cells[1]


def compare_dbscan(rows: Rows, X: Rows) -> tuple[str, str]:
    """Clusters found, and how the labels that they give the data agree."""
    few = X[np.random.default_rng(0).choice(len(X), size=len(rows), replace=False)]
    labels = [density_labels(fitted, few) for fitted in (few, rows)]
    agreement = adjusted_rand_score(*labels)
    counts = [len(set(of_some.tolist()) - {-1}) for of_some in labels]
    return f"{counts[0]} clusters", f"{counts[1]} clusters, ARI {agreement:.3f}"


def density_labels(fitted: Rows, few: Rows) -> NDArray[np.int64]:
    """DBSCAN's clusters of some rows, handed on to the nearest of others; -1 is noise."""
    model = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES).fit(fitted)
    nearest = NearestNeighbors(n_neighbors=1).fit(fitted)
    return np.asarray(model.labels_[nearest.kneighbors(few, return_distance=False)[:, 0]])


COMPARISONS = {
    "k-means, squared distance a row": compare_kmeans,
    "Gaussian mixture, log-likelihood a row": compare_mixture,
    "PCA, first direction and share": compare_pca,
    "DBSCAN": compare_dbscan,
}


def report(rows: Rows, X: Rows) -> str:
    """Lay out what each estimator makes of the data, fitted on it and on the synthetic rows."""
    lines = [f"{'measured on the data':<40}{'fitted on the data':>20}{'on synthetic rows':>26}"]
    for name, compare in COMPARISONS.items():
        on_data, on_rows = compare(rows, X)
        lines.append(f"{name:<40}{on_data:>20}{on_rows:>26}")
    return "\n".join(lines)


def draw_rows(ax: Axes, shown: Rows, mixture: GaussianMixture, color: str, title: str) -> None:
    """Draw rows and two deviations of the mixture that was fitted on them."""
    ax.scatter(shown[:, 0], shown[:, 1], s=3, color=color, alpha=0.35, linewidths=0)
    circle = 2 * np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 100)), np.sin(t)])
    for mean, covariance in zip(mixture.means_, mixture.covariances_, strict=True):
        x, y = mean[:, None] + np.linalg.cholesky(covariance) @ circle
        ax.plot(x, y, color="#0f172a", lw=1.3)
    ax.set_title(title, color=color, fontsize=11)
    ax.set(xticks=[], yticks=[], aspect="equal")
    ax.spines[:].set_color("#cbd5e1")


def draw(rows: Rows, X: Rows, sketch: Sketch) -> Figure:
    """Draw the data and the stand-in side by side, with the mixtures fitted on them."""
    figure = Figure(figsize=(9.5, 4.4), facecolor="white")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    size = sketch.feature_sum.nbytes / 1e3
    titles = (
        f"{len(X):,} rows of data",
        f"{len(rows):,} rows from their sketch of {size:.0f} kB",
    )
    for ax, shown, color, title in zip(
        (left, right), (X, rows), (DATA, SYNTHETIC), titles, strict=True
    ):
        mixture = GaussianMixture(N_CLUSTERS, n_init=3, random_state=0).fit(shown)
        draw_rows(ax, shown[: len(rows)], mixture, color, title)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Sketch, synthesize, compare, and draw."""
    parser = argparse.ArgumentParser(description="Fit estimators on rows made from a sketch.")
    parser.add_argument("--figure", type=Path, default=Path("build/synthesize.png"))
    parser.add_argument("--n-samples", type=int, default=30_000)
    options = parser.parse_args(argv)
    X = clustered_rows(options.n_samples)
    sketch = sketched(X)
    rows = synthesize(sketch, N_SYNTHETIC, random_state=0)
    print(report(rows, X))
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(rows, X, sketch).savefig(options.figure, dpi=110)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()
