"""The figure of `plot_mnist_clusters.py`."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import contingency_matrix

from datasets.mnist import Digits

N_CLUSTERS = 10
SKETCHED, LEFT, PLAIN, INK = "#c2410c", "#0f766e", "#475569", "#0f172a"


class Line(NamedTuple):
    """A labelling to draw: its title and colour, the rows that it labels, and their clusters."""

    title: str
    colour: str
    rows: NDArray[np.intp]
    labels: NDArray[np.integer]


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


def draw(data: Digits, lines: Sequence[Line], ratios: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw mean images, a line each, and what smaller sketches cost.

    Parameters
    ----------
    data : Digits
        Images and labels of all rows.
    lines : sequence of Line
        The first names the clusters; the others are matched to it.
    ratios : mapping of str to ndarray of shape (n_seeds,)
        Sum of squares over k-means' of each draw of the frequencies, by the size of the sketch.
    """
    figure = Figure(figsize=(10, 7.8), facecolor="white", layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.5, 1.2), squeeze=False)[:, 0]
    draw_images(top, lines, data)
    draw_costs(bottom, ratios)
    return figure


def draw_images(figure: SubFigure, lines: Sequence[Line], data: Digits) -> None:
    """Draw a row of mean images for each labelling, and the share of its commonest digit."""
    figure.suptitle(
        f"{data.source}\nMean image of each cluster, and the share of its commonest digit",
        fontsize=11,
        color=INK,
        x=0.01,
        ha="left",
    )
    names = by_digit(lines[0].labels, data.labels[lines[0].rows])
    axes = figure.subplots(len(lines), N_CLUSTERS)
    for line, places in zip(lines, axes, strict=True):
        labels = match(line.labels, names[line.rows])
        counts = np.zeros((10, N_CLUSTERS))
        np.add.at(counts, (data.labels[line.rows], labels), 1)
        means = mean_images(data.images[line.rows], labels)
        for ax, image, count in zip(places, means, counts.T, strict=True):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(color=line.colour, linewidth=1.2, visible=count.any())
            if count.any():
                ax.imshow(image, cmap="gray_r", vmin=0, vmax=0.9)
                share = f"{count.argmax()}: {count.max() / count.sum():.0%}"
                ax.set_xlabel(share, fontsize=8.5, color=INK, labelpad=2)
        places[0].set_ylabel(
            line.title,
            rotation=0,
            ha="right",
            va="center",
            fontsize=9.5,
            color=line.colour,
            labelpad=8,
        )


def draw_costs(figure: SubFigure, ratios: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw every seed's sum of squares over k-means' against the sketch's size."""
    ax = figure.subplots()
    places = np.arange(len(ratios))
    ax.axhline(1.0, color=PLAIN, linestyle=(0, (5, 3)), linewidth=1.4)
    ax.annotate(
        "k-means on all rows", (1, 1.0), xycoords=("axes fraction", "data"), ha="right",
        xytext=(-6, 5), textcoords="offset points", color=PLAIN, fontsize=9.5,
    )  # fmt: skip
    ax.plot(places, [np.median(r) for r in ratios.values()], color=SKETCHED, linewidth=2, zorder=3)
    for place, ratio in zip(places, ratios.values(), strict=True):
        ax.scatter(np.full(len(ratio), place), ratio, s=34, color=SKETCHED, alpha=0.45, lw=0)
    ax.set_xticks(places, list(ratios), fontsize=9.5)
    ax.set_xlim(-0.5, len(ratios) - 0.5)
    ax.set_ylabel("sum of squares over k-means'", fontsize=9.5, color=INK)
    ax.set_title(
        "What a smaller sketch costs: each draw of frequencies, and the median",
        fontsize=11, color=INK, loc="left",
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e2e8f0", linewidth=0.8)
    ax.set_axisbelow(True)
