"""The README's picture: rows, their sketch, and the centroids decoded from the sketch alone.

Run from the root of a checkout::

    python -m docs.examples.plot_data_sketch_model

draws it into build/; with ``--figure docs/images/data_sketch_model.png`` it becomes the README's.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sketchlearn import CompressiveKMeans, Sketch, Sketcher

N_CLUSTERS = 7
SKETCHED, PLAIN, INK = "#c2410c", "#475569", "#0f172a"


def rows_in_clusters(n_samples: int) -> NDArray[np.float64]:
    """Draw clusters of unequal sizes and spreads in the plane."""
    rng = np.random.default_rng(4)
    angles = 2 * np.pi * np.arange(N_CLUSTERS - 1) / (N_CLUSTERS - 1)
    centers = np.vstack([np.zeros(2), 6 * np.column_stack([np.cos(angles), np.sin(angles)])])
    spreads = rng.uniform(0.5, 1.1, size=N_CLUSTERS)
    labels = rng.choice(N_CLUSTERS, size=n_samples, p=rng.dirichlet(np.full(N_CLUSTERS, 8.0)))
    return centers[labels] + spreads[labels, None] * rng.standard_normal((n_samples, 2))


def draw_rows(ax: Axes, X: NDArray[np.float64]) -> None:
    """Draw the rows as a density."""
    ax.hexbin(X[:, 0], X[:, 1], gridsize=70, cmap="Greys", bins="log", linewidths=0, mincnt=1)
    ax.set_title(f"{len(X):,} rows, {X.nbytes / 1e6:.0f} MB", color=PLAIN)


def draw_sketch(ax: Axes, sketch: Sketch) -> None:
    """Draw each complex number at its frequency: modulus as size, argument as colour."""
    x, y = sketch.operator.frequencies
    z = sketch.centered_mean
    for sign in (1, -1):  # at minus the frequency stands the conjugate
        ax.scatter(
            sign * x, sign * y, s=4 + 130 * np.abs(z), c=sign * np.angle(z), cmap="twilight",
            vmin=-np.pi, vmax=np.pi, alpha=0.85, linewidths=0,
        )  # fmt: skip
    m = sketch.operator.n_frequencies
    size = sketch.feature_sum.nbytes / 1e3
    ax.set_title(f"their sketch: {m} complex numbers, {size:.1f} kB", color=INK)


def draw_model(ax: Axes, X: NDArray[np.float64], model: CompressiveKMeans) -> None:
    """Draw the centroids, as large as their weight, over a few of the rows."""
    x, y = model.cluster_centers_.T
    ax.scatter(X[:3000, 0], X[:3000, 1], s=2, color="#cbd5e1", linewidths=0)
    ax.scatter(x, y, s=900 * model.weights_, color=SKETCHED, edgecolor="white", lw=1.2)
    ax.set_title("centroids and weights from the sketch", color=SKETCHED)


def draw(n_samples: int = 200_000) -> Figure:
    """Draw the three panels and the two steps between them."""
    X = rows_in_clusters(n_samples)
    sketch = Sketcher(150, n_clusters=N_CLUSTERS, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(N_CLUSTERS, random_state=0).fit_sketch(sketch)
    figure = Figure(figsize=(12, 4.1), facecolor="white")
    axes = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.01, right=0.99, top=0.9, bottom=0.02, wspace=0.22)
    draw_rows(axes[0], X)
    draw_sketch(axes[1], sketch)
    draw_model(axes[2], X, model)
    axes[2].set(xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
    reach = 1.05 * np.abs(sketch.operator.frequencies).max()
    axes[1].set(xlim=(-reach, reach), ylim=(-reach, reach))
    for ax in axes:
        ax.set(xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_color("#cbd5e1")
    for ax, step in zip(axes, ("one pass", "decode"), strict=False):
        ax.annotate(
            "", xy=(1.19, 0.5), xytext=(1.02, 0.5), xycoords="axes fraction",
            arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.5},
        )  # fmt: skip
        ax.text(1.105, 0.54, step, transform=ax.transAxes, ha="center", color=INK, fontsize=11)
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the picture into a file."""
    parser = argparse.ArgumentParser(description="Draw rows, their sketch, and centroids.")
    parser.add_argument("--figure", type=Path, default=Path("build/data_sketch_model.png"))
    path = parser.parse_args(argv).figure
    path.parent.mkdir(parents=True, exist_ok=True)
    draw().savefig(path, dpi=110)
    print(f"Figure: {path}")


if __name__ == "__main__":
    main()
