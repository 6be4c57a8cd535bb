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
# clusters are sought again and again.
SEARCHING = ((3.0, 2.0), (6.0, 10.0), (10.0, 20.0))


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
    n_features: int, n_clusters: int, n_frequencies: int, operator: str, features: str
) -> float:
    """Return the seconds of a decode on the machine that the table was measured on.

    Beyond the d that were measured, seconds grow in proportion to it.
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
    )
    seconds = float(np.exp(terms[0] @ law["coefficients"]))
    return seconds * max(n_directions / d, 1.0)


def describe_decode(
    k: np.ndarray,
    d: np.ndarray,
    m: np.ndarray,
    n_features: np.ndarray,
    is_fast: np.ndarray,
    is_signs: np.ndarray,
) -> np.ndarray:
    r"""Return the terms (n, 13) that the logarithm of a decode's seconds is linear in.

    One is for many clusters in many columns from few frequencies, where some seem to be missing
    again and again: such decodes take many times as long as their like.

    Parameters
    ----------
    k, d, m : ndarray of shape (n,)
        Clusters, directions that are decoded, frequencies.
    n_features : ndarray of shape (n,)
        Columns, more than d where few directions are decoded.
    is_fast, is_signs : ndarray of bool, shape (n,)
        Whether phases come from transforms, and whether signs are averaged.
    """
    x, y = np.log(k), np.log(d)
    ratio = np.log(m / (k * d))
    missing = 1.0 * (d == n_features)
    for value, (none, whole) in zip((ratio, x, y), SEARCHING, strict=True):
        share = (value - np.log(none)) / (np.log(whole) - np.log(none))
        missing = missing * np.clip(share, 0.0, 1.0)
    has_covariances = n_features <= MOST_FULL_FEATURES
    # Along few directions a small matrix stands for any operator.
    is_transformed = is_fast & (d == n_features)
    return np.column_stack(
        [
            *(np.ones_like(x), x, y, ratio, x * y, y * y, y * ratio, missing),
            *(has_covariances * 1.0, is_transformed * 1.0),
            *(is_signs * 1.0, is_signs * y, is_signs * ratio),
        ]
    )
