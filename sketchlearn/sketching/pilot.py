"""The few rows that a sketcher looks at: how many, and how they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from sketchlearn.sketching.sizes import require_squares
from sketchlearn.sources.error_handling import Handler
from sketchlearn.sources.sampling import draw_rows
from sketchlearn.sources.source import Chunk, RowSource

DEFAULT_N_CLUSTERS = 10
SMALLEST_PILOT = 5000
PILOT_ROWS_A_CLUSTER = 50
# Where columns are told apart: rows for each mean and variance of a cluster, which leave a mixture
# on them a fortieth of a nat short; rows where many share values, which few rows get wrong; and the
# most that either may take.
PILOT_ROWS_A_PARAMETER = 20
PILOT_ROWS_OF_VALUES = 20_000
MOST_BYTES = 2**25
# Rows that are looked at for shared values.
LOOK = 2000
# Part of a cluster's even share of the rows that makes a value of so many rows a shared one.
SHARED = 0.25
# Rows that a pilot of one is chosen among, at most: reading all of very many would cost a pass.
CANDIDATES_A_ROW = 20
# Rows whose squares are taken at a time.
BLOCK = 4096


def pilot_size(n_clusters: int | None = None) -> int:
    """How many rows a pilot has, where there are as many: max(5000, 50 n_clusters)."""
    k = DEFAULT_N_CLUSTERS if n_clusters is None else n_clusters
    return max(SMALLEST_PILOT, PILOT_ROWS_A_CLUSTER * k)


def count_pilot_rows_for_columns(X: np.ndarray, n_clusters: int, rng: np.random.Generator) -> int:
    """How many rows a pilot has where the columns' spreads are wanted as well.

    Twenty for each mean and variance; 20,000 where many rows share a value; no more than 32 MiB,
    but as many as any pilot.
    """
    n, d = X.shape
    size = pilot_size(n_clusters)
    wanted = PILOT_ROWS_A_PARAMETER * n_clusters * (2 * d + 1)
    if n > size and wanted < PILOT_ROWS_OF_VALUES:
        some = X[np.sort(rng.choice(n, min(n, LOOK), replace=False))]
        if shares_values(some, np.ones(len(some)), n_clusters, len(some)):
            wanted = PILOT_ROWS_OF_VALUES
    return max(size, min(wanted, MOST_BYTES // (8 * d)))


def shares_values(rows: np.ndarray, weights: np.ndarray, n_clusters: int, n_rows: float) -> bool:
    """Whether in a column that varies so many rows have one value that a cluster may be of it.

    Parameters
    ----------
    rows, weights : ndarray of shape (p, n_features) and (p,)
        Weighted rows.
    n_clusters : int
        Number of clusters.
    n_rows : float
        How many rows these stand for: less than three do not make a value a shared one.
    """
    is_shared = find_largest_shares(rows, weights) >= least_share(n_clusters, n_rows)
    return bool(np.any(is_shared & (np.ptp(rows, axis=0) > 0.0)))


def find_largest_shares(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return which share of the weighted rows has the commonest value of each column, (d,)."""
    shares = weights / weights.sum()
    found = np.empty(rows.shape[1])
    for j, column in enumerate(rows.T):
        found[j] = _sum_by_value(column, shares)[1].max()
    return found


def _sum_by_value(column: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a column's values in order, and the weight of each."""
    order = np.argsort(column, kind="stable")
    values = column[order]
    first = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return values[first], np.add.reduceat(weights[order], first)


def find_shared_values(rows: np.ndarray, weights: np.ndarray, n_clusters: int) -> np.ndarray:
    """Return the values that so many weighted rows share that a cluster may be of one, (q, 4).

    As `Domain` has them: column, value, and the shares of the rows below it and up to it. A
    constant column has none.
    """
    least = least_share(n_clusters, weights.sum() / weights.min(initial=np.inf, where=weights > 0))
    found = []
    for j, column in enumerate(rows.T):
        values, totals = _sum_by_value(column, weights)
        reached = np.r_[0.0, np.cumsum(totals)]
        reached /= reached[-1]
        is_shared = (np.diff(reached) >= least) & (len(values) > 1)
        each = (np.full(len(values), float(j)), values, reached[:-1], reached[1:])
        found.append(np.column_stack(each)[is_shared])
    return np.concatenate(found)


def least_share(n_clusters: int, n_rows: float) -> float:
    """Share of the rows, three at least, that a value must have for a cluster to be of it."""
    return max(SHARED / n_clusters, 3.0 / n_rows)


def draw_pilot(
    X: np.ndarray,
    weights: np.ndarray | None,
    size: int,
    rng: np.random.Generator,
    names: Any = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Draw a pilot, among the rows of positive weight: all of them, or ``size``.

    Half the inclusion probability of a row is its weight's, half its squared distance's from the
    mean, as in a lightweight coreset:

    .. math:: q_i \propto \tfrac12 \frac{w_i}{\sum w}
        + \tfrac12 \frac{w_i \|x_i - \mu\|^2}{\sum_l w_l \|x_l - \mu\|^2}

    and its weight is divided by it. So rare rows far from all others, which k-means' sum
    hangs on, are not left to luck. Of many rows, twenty times as many as are drawn are candidates.
    Equal rows are merged and all are put in a fixed order, so that what is learned from them
    depends neither on the order of the data nor on whether a row has weight two or comes twice.

    Returns
    -------
    rows : ndarray of shape (p, n_features)
        Distinct rows, float64.
    weights : ndarray of shape (p,)
        What each stands for, scaled to the mean weight of all rows.
    probabilities : ndarray of shape (p,)
        The inclusion probability of each, in (0, 1].

    Raises
    ------
    ValueError
        If a row is so large that its square overflows; it names the column, by `names` if given.

    References
    ----------
    Bachem, Lucic and Krause, "Scalable k-means clustering via lightweight coresets", KDD 2018,
    section 3; drawn without replacement here.
    """
    eligible = np.arange(len(X)) if weights is None else np.flatnonzero(weights > 0)
    share = 1.0
    if len(eligible) > (most := CANDIDATES_A_ROW * size):
        share = most / len(eligible)
        eligible = eligible[np.sort(rng.choice(len(eligible), most, replace=False))]
    row_weights = np.ones(len(eligible)) if weights is None else weights[eligible]
    probabilities = np.ones(len(eligible))
    if len(eligible) > size:
        probabilities = _inclusion_probabilities(X, eligible, row_weights, size, names)
        drawn = _draw_systematically(probabilities, rng)
        mean = row_weights.mean()
        eligible = eligible[drawn]
        probabilities = share * probabilities[drawn]
        row_weights = row_weights[drawn] / probabilities
        row_weights *= mean / row_weights.mean()
    # Adding zero turns -0.0 into 0.0, which has other bytes.
    rows = np.array(X[eligible], dtype=np.float64, order="C") + 0.0
    require_squares(rows, names)
    return _merge_equal_rows(rows, row_weights, probabilities)


def _merge_equal_rows(
    rows: np.ndarray, weights: np.ndarray, probabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distinct rows in a fixed order, their summed weights and average probabilities."""
    # Bytes sort otherwise when the data's units change; this sum, equal for equal rows, does not.
    keys = (rows * np.cos(np.arange(rows.shape[1]))).sum(axis=1)
    order = np.argsort(keys, kind="stable")
    if np.all(np.diff(keys[order]) > 0.0):
        return rows[order], weights[order], probabilities[order]
    whole_rows = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
    _, first, inverse = np.unique(whole_rows, return_index=True, return_inverse=True)
    totals = np.bincount(inverse, weights=weights)
    averages = np.bincount(inverse, weights=weights * probabilities) / totals
    order = np.argsort(keys[first], kind="stable")
    return rows[first[order]], totals[order], averages[order]


def _inclusion_probabilities(
    X: np.ndarray, candidates: np.ndarray, weights: np.ndarray, size: int, names: Any
) -> np.ndarray:
    """Return inclusion probabilities of the candidates, at most 1, that sum to ``size``."""
    squares = _squared_distances(X, candidates, weights, names)
    importance = weights / weights.sum()
    # No BLAS in what decides which rows are drawn: it rounds sums by its number of threads.
    if (total := float(np.sum(weights * squares))) > 0:
        importance = 0.5 * importance + 0.5 * weights * (squares / total)
    probabilities = size * importance
    while (probabilities > 1.0).any():
        is_sure = probabilities >= 1.0
        rest = np.where(is_sure, 0.0, importance)
        probabilities = np.where(is_sure, 1.0, (size - is_sure.sum()) * (rest / rest.sum()))
    return probabilities


def _draw_systematically(probabilities: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw indices without replacement, each with its probability, in a fixed number."""
    order = rng.permutation(len(probabilities))
    reached = np.cumsum(probabilities[order])
    ticks = rng.random() + np.arange(np.rint(reached[-1]))
    return np.sort(order[np.minimum(np.searchsorted(reached, ticks, "right"), len(order) - 1)])


def _squared_distances(
    X: np.ndarray, rows: np.ndarray, weights: np.ndarray, names: Any
) -> np.ndarray:
    """Squared distances from the weighted mean of these rows, block by block in float64."""
    blocks = [slice(i, i + BLOCK) for i in range(0, len(rows), BLOCK)]
    total = np.zeros(X.shape[1])
    for block in blocks:
        few = np.asarray(X[rows[block]], dtype=np.float64)
        require_squares(few, names)
        total += np.einsum("i,ij->j", weights[block], few)
    mean = total / weights.sum()
    squares = np.empty(len(rows))
    for block in blocks:
        from_mean = np.asarray(X[rows[block]], dtype=np.float64) - mean
        squares[block] = np.einsum("ij,ij->i", from_mean, from_mean)
    return squares


def draw_candidates(
    source: RowSource, n_clusters: int | None, seed: int, on_error: Handler
) -> tuple[Chunk, float]:
    """Draw the rows of a source that a pilot is chosen among, and the share of all they are."""
    size = pilot_size(n_clusters)
    # Not one of the two children that the pilot and the frequencies of that seed come from.
    rng = np.random.default_rng(seed).spawn(3)[2]
    return draw_rows(source, CANDIDATES_A_ROW * size, size, rng, on_error)
