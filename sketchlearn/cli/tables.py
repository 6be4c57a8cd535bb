"""Centroids, components and columns as tables, of what `describe` says of a file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# Where models of each class keep their places; what these are called; and what share each has.
PLACES = {
    "cluster_centers_": ("centroids", "weights_"),
    "means_": ("centroids", "weights_"),
    "components_": ("components", "explained_variance_ratio_"),
}
# What tables have a line each of; as lists of lists they would be no reading.
NESTED = ("centroids", "components", "standard_deviations", "covariances")


class FileTable(NamedTuple):
    """What a file holds of clusters or of columns.

    Parameters
    ----------
    names : list of str
        Of the table's columns.
    rows : list of list
        A cluster, a component or a column each.
    """

    names: list[str]
    rows: list[list[object]]


def list_places(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what a model's arrays tell of places, in lists, with names for people.

    They are centroids (k, d), or components, their shares (k,), and, of mixtures, deviations and
    covariances.
    """
    found = next((name for name in PLACES if name in arrays), None)
    if found is None:
        return {}
    name, shares = PLACES[found]
    places = {"weights": arrays[shares].tolist(), name: arrays[found].tolist()}
    if "covariances_" in arrays:
        covariances = arrays["covariances_"]
        places["standard_deviations"] = compute_deviations(covariances, arrays[found].shape[1])
        places["covariances"] = covariances.tolist()
    return places


def compute_deviations(covariances: np.ndarray, n_features: int) -> list[list[float]]:
    """Return standard deviations (k, d) of covariances (k,), (k, d) or (k, d, d)."""
    variances = covariances
    if variances.ndim == 3:
        variances = np.einsum("kll->kl", variances)
    elif variances.ndim == 1:
        variances = np.repeat(variances[:, None], n_features, axis=1)
    return list(np.sqrt(variances).tolist())


def tabulate_places(values: dict[str, Any]) -> FileTable:
    """Return a line a cluster or component: its share, and its place in each feature.

    Raises
    ------
    ValueError
        If a file has neither.
    """
    name = next((name for name in ("centroids", "components") if name in values), None)
    if name is None:
        raise ValueError(f"a {values['kind']} has no centroids: fit kmeans or fit gmm learns them")
    features = values.get("feature_names") or [str(i) for i in range(values["n_features"])]
    deviations = values.get("standard_deviations")
    spreads = [] if deviations is None else [f"sd {feature}" for feature in features]
    rows: list[list[object]] = [
        [i, share, *place, *([] if deviations is None else deviations[i])]
        for i, (share, place) in enumerate(zip(values["weights"], values[name], strict=True))
    ]
    first = {"centroids": "cluster", "components": "component"}[name]
    names = [first, "share", *features, *spreads]
    if classes := values.get("component_classes"):
        names.insert(1, "class")
        for row, label in zip(rows, classes, strict=True):
            row.insert(1, label)
    return FileTable(names, rows)


def tabulate_columns(values: dict[str, Any]) -> FileTable:
    """Return a line a column: its name, its mean and its standard deviation.

    Raises
    ------
    ValueError
        If a file does not tell them.
    """
    if "mean" not in values:
        raise ValueError(f"this {values['kind']} has no moments: of columns it tells nothing")
    features = values.get("feature_names") or [str(i) for i in range(values["n_features"])]
    rows = zip(features, values["mean"], values["standard_deviation"], strict=True)
    return FileTable(["column", "mean", "standard deviation"], [list(row) for row in rows])
