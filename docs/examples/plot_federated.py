"""One-round federated k-means: a hundred clients, from alike to each with clusters of its own.

Every client draws the same operator from a declared box, sketches its own rows and sends the sums,
once. The server adds them: it has, to the last bit, the sketch of all rows pooled, however these
are spread over the clients. The rival of as many rounds sends every client's centroids, weighted,
and clusters those. Run from the root of a checkout; prints a table and draws a figure::

    python -m docs.examples.plot_federated [--figure FILE]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from sketchlearn import CompressiveKMeans, Sketcher

Rows = NDArray[np.float64]

N_CLUSTERS, N_FEATURES = 8, 5
BOX = ([-12.0] * N_FEATURES, [12.0] * N_FEATURES)
# Concentrations of the Dirichlet law of a client's shares: the smaller, the fewer clusters it has.
CONCENTRATIONS = (100.0, 1.0, 0.1, 0.01)
SKETCHES, CENTROIDS = "#c2410c", "#475569"


def draw_clients(n_clients: int, n_rows: int, concentration: float, seed: int) -> list[Rows]:
    """Draw each client's rows, of its own shares of common clusters."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-7.0, 7.0, size=(N_CLUSTERS, N_FEATURES))
    clients = []
    for _ in range(n_clients):
        shares = rng.dirichlet(np.full(N_CLUSTERS, concentration))
        labels = rng.choice(N_CLUSTERS, size=n_rows, p=shares)
        clients.append(centers[labels] + rng.standard_normal((n_rows, N_FEATURES)))
    return clients


def make_sketcher() -> Sketcher:
    """Return the sketcher that every client makes by itself, the same bit for bit."""
    return Sketcher.from_domain(*BOX, n_clusters=N_CLUSTERS, random_state=0)


def merge_sketches(clients: list[Rows]) -> tuple[CompressiveKMeans, int, bool]:
    """Return the server's model, bytes sent a client, and whether pooling gives the same bytes."""
    sent = [make_sketcher().sketch(rows) for rows in clients]
    n_bytes = max(len(sketch.to_bytes(operator=False)) for sketch in sent)
    total = sum(sent[1:], start=sent[0])
    pooled = make_sketcher().sketch(np.concatenate(clients))
    model = CompressiveKMeans(N_CLUSTERS, random_state=0).fit_sketch(total)
    return model, n_bytes, total.to_bytes() == pooled.to_bytes()


def merge_centroids(clients: list[Rows]) -> Rows:
    """Return the centroids of all clients' centroids, weighted by their rows."""
    places, weights = [], []
    for rows in clients:
        local = KMeans(N_CLUSTERS, n_init=1, random_state=0).fit(rows)
        places.append(local.cluster_centers_)
        weights.append(np.bincount(local.labels_, minlength=N_CLUSTERS))
    both = np.concatenate(places), np.concatenate(weights)
    merged = KMeans(N_CLUSTERS, n_init=10, random_state=0).fit(both[0], sample_weight=both[1])
    return np.asarray(merged.cluster_centers_)


def compute_sse(rows: Rows, centroids: Rows) -> float:
    """Return the sum of squared distances of rows to their nearest centroid."""
    distances = ((rows**2).sum(axis=1)[:, None] - 2.0 * rows @ centroids.T) + (centroids**2).sum(
        axis=1
    )
    return float(distances.min(axis=1).sum())


def compare(n_clients: int, n_rows: int, seeds: Sequence[int]) -> dict[float, list[Rows]]:
    """Print and return, by concentration, the ratios of either way, seed by seed."""
    titles = "concentration", "same bytes", "bytes sent", "sketches", "centroids"
    print("".join(f"{t:>{w}}" for t, w in zip(titles, (13, 12, 12, 18, 18), strict=True)))
    found: dict[float, list[Rows]] = {}
    for concentration in CONCENTRATIONS:
        ratios, n_bytes, is_same = [], 0, True
        for seed in seeds:
            clients = draw_clients(n_clients, n_rows, concentration, seed)
            rows = np.concatenate(clients)
            best = KMeans(N_CLUSTERS, n_init=10, random_state=0).fit(rows).inertia_
            model, n_bytes, is_pooled = merge_sketches(clients)
            is_same &= is_pooled
            centroids = merge_centroids(clients)
            ways = (model.cluster_centers_, centroids)
            ratios.append([compute_sse(rows, way) / best for way in ways])
        found[concentration] = list(np.array(ratios).T)
        cells = "".join(f"{np.median(r):>10.3f} /{r.max():6.3f}" for r in found[concentration])
        print(f"{concentration:>13}{is_same!s:>12}{n_bytes:>12,}{cells}")
    return found


def draw(found: dict[float, list[Rows]]) -> Figure:
    """Draw the ratios against how different the clients are."""
    figure = Figure(figsize=(6.4, 3.8), facecolor="white")
    ax = figure.subplots()
    places = np.arange(len(found))
    for which, (color, label) in enumerate(
        ((SKETCHES, "sketches, added"), (CENTROIDS, "centroids, clustered"))
    ):
        ratios = np.array([each[which] for each in found.values()])
        ax.plot(places, np.median(ratios, axis=1), color=color, marker="o", label=label)
        ax.fill_between(places, ratios.min(axis=1), ratios.max(axis=1), color=color, alpha=0.15)
    ax.set_xticks(places, [f"{concentration:g}" for concentration in found])
    ax.set_xlabel("concentration of clients' shares: alike to the left")
    ax.set_ylabel("SSE over that of pooled k-means")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Sketch at every client, add up, decode, and compare."""
    parser = argparse.ArgumentParser(description="One-round federated k-means by sketches.")
    parser.add_argument("--figure", type=Path, default=Path("build/federated.png"))
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rows", type=int, default=500, help="of each client")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args(argv)
    found = compare(options.clients, options.rows, range(options.seeds))
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(found).savefig(options.figure, dpi=110)
    print(f"\nFigure: {options.figure}")


if __name__ == "__main__":
    main()
