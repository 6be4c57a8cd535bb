"""A centroid for far rows that a sample lacks, in place of one of two close ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sketchlearn.points.kmeans import find_nearest

# Rounds of moves, and the share of the sum of squares by which one that is worth another lowers it.
# Of 96 fits of 150,000 rows with a few far away or heavy tails 16 were a tenth and more above
# k-means on all rows before, and 3 after, which took a tenth of a second.
MOST_ROUNDS, LEAST_GAIN = 20, 0.01


@dataclass(frozen=True, eq=False)
class Assignment:
    """Centroids (k, d); rows' labels (n,) and squared distances (n,) to the nearest.

    Where a centroid was moved they come heaviest first, with their shares (k,) of the weights.
    """

    centroids: np.ndarray
    labels: np.ndarray
    squares: np.ndarray
    shares: np.ndarray | None = None


def settle_far_rows(rows: np.ndarray, weights: np.ndarray, centroids: np.ndarray) -> Assignment:
    """Assign rows to centroids, moving some to rows far from all while the sum of squares falls.

    Each move takes as long as the assignment; mostly there is none.
    """
    best = Assignment(centroids, *find_nearest(rows, centroids))
    for _ in range(len(centroids)):
        moved = move_to_far_rows(rows, weights, best.centroids, best.labels, best.squares)
        if moved is None:
            break
        labels, squares = find_nearest(rows, moved)
        if weights @ squares >= weights @ best.squares:
            break
        best = order_by_share(weights, moved, labels, squares)
    return best


def refine_on_rows(
    rows: np.ndarray, weights: np.ndarray, found: Assignment
) -> tuple[Assignment, bool]:
    """Move centroids to the means of their rows, and to far ones, as long as that pays.

    A sample's centroids are off where k-means' sum hangs on rows that it holds few of. Each round
    takes about as long as two assignments. Also return whether the last one hardly paid.
    """
    for _ in range(MOST_ROUNDS):
        k, before = len(found.centroids), float(weights @ found.squares)
        totals = np.bincount(found.labels, weights=weights, minlength=k)
        sums = [np.bincount(found.labels, weights * x, minlength=k) for x in rows.T]
        means = np.divide(
            np.column_stack(sums), totals[:, None],
            out=found.centroids.copy(), where=totals[:, None] > 0.0,
        )  # fmt: skip
        moved = settle_far_rows(rows, weights, means)
        if moved.shares is None:
            moved = order_by_share(weights, moved.centroids, moved.labels, moved.squares)
        after = float(weights @ moved.squares)
        if after < before:
            found = moved
        if after >= (1.0 - LEAST_GAIN) * before:
            return found, True
    return found, False


def order_by_share(
    weights: np.ndarray, centroids: np.ndarray, labels: np.ndarray, squares: np.ndarray
) -> Assignment:
    """Return an assignment with the heaviest centroids first."""
    shares = np.bincount(labels, weights=weights, minlength=len(centroids)) / weights.sum()
    order = np.argsort(-shares, kind="stable")
    labels = np.argsort(order).astype(labels.dtype)[labels]
    return Assignment(centroids[order], labels, squares, shares[order])


def move_to_far_rows(
    rows: np.ndarray,
    weights: np.ndarray,
    centroids: np.ndarray,
    labels: np.ndarray,
    squares: np.ndarray,
) -> np.ndarray | None:
    r"""Return centroids (k, d) of which one has gone to the farthest rows, if that should pay.

    A sample lacks a cluster of a few rows in a hundred thousand, however far it is, and k-means'
    sum of squares may hang on it. The rows that are nearer to the farthest one than to their
    centroid have the mean g, and a centroid there saves :math:`\sum_i w_i \max(r_i^2 -
    \|x_i - g\|^2, 0)`, with r_i their distances so far. To make room, the two clusters are merged
    that cost least, :math:`W_a W_b \|\mu_a - \mu_b\|^2 / (W_a + W_b)` for weights W and centroids
    :math:`\mu`.

    Source: the cost of a merger is that of Ward, "Hierarchical grouping to optimize an objective
    function", Journal of the American Statistical Association 58(301), 1963.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        All of them.
    weights : ndarray of shape (n,)
        Theirs.
    centroids : ndarray of shape (k, d)
        So far.
    labels, squares : ndarray of shape (n,)
        The nearest centroid of each row, and the squared distance to it.

    Returns
    -------
    ndarray or None
        None where all are best left where they are.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.points.far_rows import move_to_far_rows
    >>> rows = np.array([[0.0], [1.0], [2.0], [100.0]])
    >>> labels, squares = np.array([0, 1, 1, 1]), np.array([0.0, 0.0, 1.0, 9801.0])
    >>> move_to_far_rows(rows, np.ones(4), rows[:2], labels, squares)
    array([[  0.75],
           [100.  ]])
    """
    k = len(centroids)
    counted = np.where(weights > 0.0, squares, 0.0)
    farthest = int(np.argmax(counted))
    if k < 2 or counted[farthest] == 0.0:
        return None
    # No row is nearer to the farthest one that is less than half as far from its own centroid.
    some = np.flatnonzero(counted >= 0.25 * counted[farthest])
    near, shares, before = rows[some], weights[some], squares[some]
    is_nearer = np.sum((near - rows[farthest]) ** 2, axis=1) < before
    place = np.average(near[is_nearer], axis=0, weights=shares[is_nearer])
    saved = shares @ np.maximum(before - np.sum((near - place) ** 2, axis=1), 0.0)
    totals = np.bincount(labels, weights=weights, minlength=k)
    apart = np.sum((centroids[:, None] - centroids) ** 2, axis=2)
    sums = np.maximum(totals[:, None] + totals, np.finfo(float).tiny)
    # In this order, as the product of two sums of weights may be too large.
    costs = totals[:, None] * (totals / sums) * apart
    costs[np.diag_indices(k)] = np.inf
    a, b = np.unravel_index(np.argmin(costs), costs.shape)
    if saved <= costs[a, b]:
        return None
    moved = centroids.copy()
    if totals[a] + totals[b] > 0.0:
        moved[a] = np.average(centroids[[a, b]], axis=0, weights=totals[[a, b]])
    moved[b] = place
    return moved
