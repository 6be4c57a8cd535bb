"""How far a number of clusters can be trusted: stability under noise, and silhouettes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from sketchlearn._progress import tell
from sketchlearn._threads import OneThread
from sketchlearn.model_selection.components import ComponentPath
from sketchlearn.model_selection.merging import QUICK, merge_down
from sketchlearn.model_selection.refinement import Shapes
from sketchlearn.points.em import Moments

# Synthetic rows whose partitions are compared, and of which a silhouette is computed: its time
# grows with the square. And rows, for each component, that a new search starts from.
N_ROWS, ROWS_A_COMPONENT = 1000, 20


def measure_silhouettes(
    path: ComponentPath, numbers: Sequence[int], rows: np.ndarray
) -> dict[int, float]:
    """Return the mean silhouette of rows, partitioned by each mixture; nan of a single cluster.

    Source: Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", Journal of Computational and Applied Mathematics 20, 1987.
    """
    partitions = {k: assign_rows(path.fits[k].mixture, rows) for k in numbers}
    # One product for all partitions: to add distances up for each of them takes ten times as long.
    members = [labels[:, None] == np.unique(labels) for labels in partitions.values()]
    sums = cdist(rows, rows) @ np.hstack(members).astype(float)
    ends = np.cumsum([each.shape[1] for each in members])[:-1]
    return {
        k: _average_silhouettes(each, own)
        for k, each, own in zip(partitions, np.split(sums, ends, axis=1), members, strict=True)
    }


def _average_silhouettes(sums: np.ndarray, is_member: np.ndarray) -> float:
    """Return the mean silhouette, from each row's summed distances to each cluster (n, k)."""
    n, k = sums.shape
    if not 1 < k < n:
        return np.nan
    counts = is_member.sum(axis=0)
    size = (is_member * counts).sum(axis=1)
    inside = sums[is_member] / np.maximum(size - 1, 1)
    outside = np.min(np.where(is_member, np.inf, sums / counts), axis=1)
    widths = (outside - inside) / np.maximum(np.maximum(outside, inside), np.finfo(float).tiny)
    return float(np.mean(np.where(size == 1, 0.0, widths)))


def measure_stabilities(
    path: ComponentPath,
    numbers: Sequence[int],
    rows: np.ndarray,
    n_draws: int,
    rng: np.random.Generator,
) -> dict[int, float]:
    """Return how alike the clusters are that another draw of the sketch's noise gives.

    For each draw, noise of the law that the sketch's has is added to its numbers, and components
    are sought anew: from k-means on new synthetic rows, moved and merged as those of the path were.
    It is the adjusted Rand index of how both assign the rows, the mean over draws: 1 for the same
    partition, 0 for what chance gives, and nan of a single cluster.

    Source: Ben-Hur, Elisseeff and Guyon, "A stability based method for discovering structure in
    clustered data", Pacific Symposium on Biocomputing, 2002, with draws of noise for subsamples;
    Hubert and Arabie, "Comparing partitions", Journal of Classification 2, 1985 (the index).
    """
    labels = {k: assign_rows(path.fits[k].mixture, rows) for k in numbers}
    found: dict[int, list[float]] = {k: [] for k in numbers}
    for i in range(n_draws):

        def tell_number(k: int, draw: int = i + 1) -> None:
            tell(task=f"draw {draw} of {n_draws} of the noise, k = {k}", n_atoms=k)

        start = _search_again(path, max(numbers), rng)
        noisy = path.whitened.add_noise(rng)
        fits = merge_down(noisy, start, path.shapes, min(numbers), QUICK, tell_number)
        for k, own in labels.items():
            other = assign_rows(fits[k].mixture, rows)
            is_single = len(np.unique(own)) == 1
            found[k].append(np.nan if is_single else float(adjusted_rand_score(own, other)))
    return {k: float(np.mean(each)) if each else np.nan for k, each in found.items()}


def draw_rows(mixture: Moments, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw rows (n, d) of a mixture, in random order."""
    shares = mixture.weights / mixture.weights.sum()
    labels = rng.choice(len(shares), size=n, p=shares)
    factors = np.linalg.cholesky(mixture.covariances)
    normal = rng.standard_normal((n, mixture.means.shape[1]))
    return np.asarray(mixture.means[labels] + np.einsum("nde,ne->nd", factors[labels], normal))


def assign_rows(mixture: Moments, rows: np.ndarray) -> np.ndarray:
    """Return the likeliest component of each row, (n,)."""
    factors = np.linalg.inv(np.linalg.cholesky(mixture.covariances))
    k, d = mixture.means.shape
    white = (factors.reshape(k * d, d) @ rows.T).reshape(k, d, -1)
    white -= factors @ mixture.means[:, :, None]
    heights = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    with np.errstate(divide="ignore"):
        heights += np.log(mixture.weights)
    logs = heights[:, None] - 0.5 * np.einsum("kdn,kdn->kn", white, white)
    return np.asarray(logs.argmax(axis=0))


def _search_again(path: ComponentPath, most: int, rng: np.random.Generator) -> Moments:
    """Return a mixture to start from: k-means' clusters of new rows, all of one shape."""
    rows = draw_rows(path.fits[path.best].mixture, max(N_ROWS, ROWS_A_COMPONENT * most), rng)
    with OneThread():
        model = KMeans(most, n_init=1, random_state=int(rng.integers(2**31))).fit(rows)
    shares = np.bincount(model.labels_, minlength=most) / len(rows)
    within = rows - model.cluster_centers_[model.labels_]
    shape = _project_covariance(within.T @ within / len(rows), path.shapes)
    return Moments(shares, model.cluster_centers_, np.repeat(shape[None], most, axis=0))


def _project_covariance(covariance: np.ndarray, shapes: Shapes) -> np.ndarray:
    """Return the nearest matrix of the shapes that there may be, no narrower than the least."""
    tangents = shapes.tangents
    parts = np.einsum("sde,de->s", tangents, covariance) / np.einsum(
        "sde,sde->s", tangents, tangents
    )
    return np.asarray(
        np.einsum("s,sde->de", parts, tangents) + shapes.least_variance * np.eye(len(covariance))
    )
