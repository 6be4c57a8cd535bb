"""What `docs/benchmarks/planning.py` measured: errors of decodes by size, and their seconds."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from sketchlearn.features.moments import MOST_FULL_FEATURES
from sketchlearn.sketching.tuning import n_principal

# Frequencies over numbers, clusters, and columns: from the first value of each on to the second,
# clusters are sought again and again. Along the widest directions alone it takes more clusters.
SEARCHING = ((3.0, 2.0), (6.0, 10.0), (10.0, 20.0))
SEARCHING_AMONG = (20.0, 24.0)
# How many of the last terms of the law are for decodes that are tried again and again.
N_AGAIN = 3
# Rows of a cluster from which, and at which, noise leaves a decode in doubt, and it is tried again;
# and columns up to which that is so: in more, clusters are farther apart.
FEW_ROWS, FEW_COLUMNS = (100.0, 50.0), (50.0, 20.0)


@cache
def read_table() -> dict[str, Any]:
    """Return the figures that the benchmark wrote."""
    text = resources.files("sketchlearn.planning").joinpath("table.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def look_up_errors(ratio: float, features: str, rows_a_cluster: float) -> tuple[float, float]:
    r"""Return the median error of the data sets, and that which nine in ten stay under.

    With n / k rows a cluster the error at a ratio r is
    :math:`e(r) + a(r)\,k / n`: a sketch of few rows is as noisy as they are few, and k-means on
    these rows follows their noise, which a decode does not. Both are linear in log r between the
    ratios that were measured, in the logarithm of the first, and constant beyond.

    Parameters
    ----------
    ratio : float
        Frequencies over the numbers to be found, `n_principal` for each cluster.
    features : {"waves", "signs"}
        What is averaged.
    rows_a_cluster : float
        n / k.
    """
    known = read_table()["errors"][features]
    x, ratios = np.log(ratio), np.log([one["ratio"] for one in known])
    errors = []
    for name in ("median", "nine_in_ten"):
        many = np.interp(x, ratios, np.log([max(one[name], 1e-6) for one in known]))
        few = np.interp(x, ratios, [one[f"{name}_of_few"] for one in known])
        errors.append(float(np.exp(many) + few / rows_a_cluster))
    return errors[0], errors[1]


def count_decode_seconds(
    n_features: int,
    n_clusters: int,
    n_frequencies: int,
    operator: str,
    features: str,
    rows_a_cluster: float,
) -> tuple[float, float, float]:
    """Return the seconds of a decode on the machine that the table was measured on.

    The first are those of a decode that is not tried again, the second those of Gaussians far
    apart, the third what nine of ten data sets stay under, or nine of ten of shapes that the law
    was not told. Beyond the d that were measured, seconds grow in
    proportion to it.
    """
    law, n_directions = read_table()["decode"], n_principal(n_features, n_clusters)
    d = float(np.clip(n_directions, *law["measured_d"]))
    terms = describe_decode(
        np.array([float(n_clusters)]),
        np.array([d]),
        # As many frequencies for each number to be found.
        np.array([n_frequencies * d / n_directions]),
        np.array([n_features if n_directions < n_features else d]),
        np.array([operator == "fast"]),
        np.array([features == "signs"]),
        np.array([rows_a_cluster]),
    )[0]
    more = max(n_directions / d, 1.0)
    seconds = more * float(np.exp(terms @ law["coefficients"]))
    # Clusters of data that no Gaussians explain are sought again as well, and not twice.
    once = more * float(np.exp(np.r_[terms[:-N_AGAIN], np.zeros(N_AGAIN)] @ law["coefficients"]))
    return once, seconds, max(law["within"] * seconds, law["nine_in_ten"] * once)


def describe_decode(
    k: np.ndarray,
    d: np.ndarray,
    m: np.ndarray,
    n_features: np.ndarray,
    is_fast: np.ndarray,
    is_signs: np.ndarray,
    rows_a_cluster: np.ndarray,
) -> np.ndarray:
    r"""Return the terms (n, 16) that the logarithm of a decode's seconds is linear in.

    The last three are for clusters that seem to be missing again and again, many in many columns
    from few frequencies, the fewer times as long the more numbers there are, and for few rows,
    whose noise leaves doubt: such decodes take many times as long as their like.

    Parameters
    ----------
    k, d, m : ndarray of shape (n,)
        Clusters, directions that are decoded, frequencies.
    n_features : ndarray of shape (n,)
        Columns, more than d where few directions are decoded.
    is_fast, is_signs : ndarray of bool, shape (n,)
        Whether phases come from transforms, and whether signs are averaged.
    rows_a_cluster : ndarray of shape (n,)
        Rows over clusters.
    """
    x, y = np.log(k), np.log(d)
    ratio = np.log(m / (k * d))
    is_whole = d == n_features
    of_ratio, of_clusters, of_columns = SEARCHING
    among = np.where(is_whole, _rise(k, of_clusters), _rise(k, SEARCHING_AMONG))
    missing = _rise(m / (k * d), of_ratio) * among * _rise(d, of_columns)
    has_covariances = n_features <= MOST_FULL_FEATURES
    # Along few directions a small matrix stands for any operator.
    is_transformed = is_fast & is_whole
    return np.column_stack(
        [
            *(np.ones_like(x), x, y, ratio, x * x, x * y, y * y, y * ratio),
            *(has_covariances * 1.0, is_transformed * 1.0),
            *(is_signs * 1.0, is_signs * y, is_signs * ratio),
            *(missing, missing * (x + y)),
            _rise(rows_a_cluster, FEW_ROWS) * _rise(d, FEW_COLUMNS),
        ]
    )


def _rise(values: np.ndarray, between: tuple[float, float]) -> np.ndarray:
    """Return 0 up to the first of two values, 1 from the second on, the logarithm's share between.

    The first may be the larger one; then it is 0 from there on.
    """
    none, whole = np.log(between)
    return np.clip((np.log(values) - none) / (whole - none), 0.0, 1.0)
