"""Three hospitals release a private sketch each; an analyst merges them and learns from the sum.

No row leaves a hospital, and no exact sum: each adds noise to its sketch before anybody sees it, so
that whoever reads the release learns hardly more of a patient than without that patient's row. The
analyst adds the three releases, clusters, fits a mixture and draws rows, all from the same sum and
at no further cost in privacy. Run from the root of a checkout, with the extra ``privacy``; prints a
table and draws a figure::

    python -m docs.examples.plot_private_clusters [--figure FILE] [--epsilon 1]

The noise has no seed: figures vary in their last digits from run to run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher, synthesize
from sketchlearn.privacy import PrivateSketch, release

Rows = NDArray[np.float64]

N_CLUSTERS = 4
# Age in years and systolic pressure in mmHg: bounds that everybody knows beforehand.
LOWER, UPPER = [0.0, 60.0], [100.0, 240.0]
CENTERS = np.array([[25.0, 112.0], [44.0, 148.0], [63.0, 124.0], [79.0, 168.0]])
DEVIATIONS = np.array([[5.0, 7.0], [6.0, 8.0], [5.0, 7.0], [5.0, 10.0]])
# How many patients of each kind the three hospitals have.
PATIENTS = {
    "university": [9000, 2000, 500, 0],
    "city": [4000, 6000, 5000, 3000],
    "geriatric": [0, 500, 5000, 7000],
}
DATA, PRIVATE, SYNTHETIC = "#475569", "#c2410c", "#0f766e"
DELTA = 1e-6


def make_patients(numbers: Sequence[int], seed: int) -> Rows:
    """Draw a hospital's patients, so many of each kind."""
    rng = np.random.default_rng(seed)
    kinds = np.repeat(np.arange(len(numbers)), numbers)
    return CENTERS[kinds] + DEVIATIONS[kinds] * rng.standard_normal((len(kinds), 2))


def release_hospital(X: Rows, epsilon: float) -> PrivateSketch:
    """Sketch a hospital's patients and add noise: what leaves the hospital."""
    # The same arguments give the same operator everywhere; nobody's rows decide on it.
    sketcher = Sketcher.from_domain(
        LOWER, UPPER, n_clusters=N_CLUSTERS, n_frequencies=500, clip=True, random_state=0
    )
    return release(sketcher.sketch(X), epsilon=epsilon, delta=DELTA)


def compare(private: PrivateSketch, X: Rows) -> tuple[CompressiveKMeans, Rows, str]:
    """Learn three things of one release, and lay out how they do beside those who see all rows."""
    clusters = CompressiveKMeans(N_CLUSTERS, random_state=0).fit_sketch(private)
    mixture = CompressiveGaussianMixture(N_CLUSTERS, random_state=0).fit_sketch(private)
    drawn = synthesize(private, 3000, random_state=0)
    best = KMeans(N_CLUSTERS, n_init=10, random_state=0).fit(X)
    em = GaussianMixture(N_CLUSTERS, covariance_type="diag", n_init=3, random_state=0).fit(X)
    on_drawn = KMeans(N_CLUSTERS, n_init=10, random_state=0).fit(drawn)
    lines = [
        ("measured on all patients", "from the release", "from all rows"),
        ("k-means, squared distance a row", -clusters.score(X) / len(X), best.inertia_ / len(X)),
        ("the same, of synthetic rows", -on_drawn.score(X) / len(X), best.inertia_ / len(X)),
        ("mixture, log-likelihood a row", mixture.score(X), em.score(X)),
        ("mean age", drawn[:, 0].mean(), X[:, 0].mean()),
    ]
    table = [
        f"{name:<34}{left:>18}{right:>16}"
        if isinstance(left, str)
        else f"{name:<34}{left:>18.3f}{right:>16.3f}"
        for name, left, right in lines
    ]
    return clusters, drawn, "\n".join(table)


def draw(hospitals: dict[str, Rows], clusters: CompressiveKMeans, drawn: Rows) -> Figure:
    """Draw each hospital's patients, and what the analyst has."""
    figure = Figure(figsize=(11.5, 3.4), facecolor="white")
    axes = figure.subplots(1, 4, sharex=True, sharey=True)
    for ax, (name, X) in zip(axes, hospitals.items(), strict=False):
        some = X[np.random.default_rng(0).permutation(len(X))[:1500]]
        ax.scatter(*some.T, s=3, color=DATA, alpha=0.4, linewidths=0)
        ax.set_title(f"{name}, {len(X):,} rows", fontsize=10, color=DATA)
    axes[3].scatter(*drawn[:1500].T, s=3, color=SYNTHETIC, alpha=0.4, linewidths=0)
    axes[3].scatter(
        *clusters.cluster_centers_.T, s=70, marker="X", color=PRIVATE, edgecolor="white"
    )
    axes[3].set_title("the analyst: centroids, synthetic rows", fontsize=10, color=PRIVATE)
    axes[0].set_ylabel("systolic pressure, mmHg", color=DATA)
    for ax in axes:
        ax.set_xlabel("age, years", color=DATA)
        ax.set(xlim=(0, 100), ylim=(80, 210))
        ax.spines[:].set_color("#cbd5e1")
        ax.tick_params(color="#cbd5e1", labelcolor=DATA, labelsize=8)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Release, merge, learn, compare, and draw."""
    parser = argparse.ArgumentParser(description="Learn from three hospitals' private sketches.")
    parser.add_argument("--figure", type=Path, default=Path("build/private_clusters.png"))
    parser.add_argument("--epsilon", type=float, default=1.0)
    options = parser.parse_args(argv)
    hospitals = {
        name: make_patients(numbers, seed) for seed, (name, numbers) in enumerate(PATIENTS.items())
    }
    releases = [release_hospital(X, options.epsilon) for X in hospitals.values()]
    private = sum(releases[1:], releases[0])
    clusters, drawn, table = compare(private, np.vstack([*hospitals.values()]))
    print(f"{private!r}\n\n{table}")
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(hospitals, clusters, drawn).savefig(options.figure, dpi=100)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()
