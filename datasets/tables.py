"""The real tables that scikit-learn carries, so that no network is needed.

`TABLES` lists them with the number of clusters to look for: the classes, where there are some.
Columns in different units are standardised, as anybody would before k-means. Linnerud's table is
left out: a sketch of it is larger than its 20 rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_sample_image,
    load_wine,
)
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

Rows = NDArray[np.float64]


class Table(NamedTuple):
    """A loader of an array (n, d) of float64, and the number of clusters to look for in it."""

    n_clusters: int
    load: Callable[[], Rows]


def iris() -> Rows:
    """Iris flowers: 150 x 4, in centimetres."""
    return np.asarray(load_iris().data)


def wine() -> Rows:
    """Wines: 178 x 13 chemical measurements, standardised."""
    return np.asarray(StandardScaler().fit_transform(load_wine().data))


def breast_cancer() -> Rows:
    """Breast cancer, Wisconsin: 569 x 30 measurements of cell nuclei, standardised."""
    return np.asarray(StandardScaler().fit_transform(load_breast_cancer().data))


def diabetes() -> Rows:
    """Diabetes patients: 442 x 10 features, standardised."""
    return np.asarray(StandardScaler().fit_transform(load_diabetes().data))


def digits() -> Rows:
    """Handwritten digits: 1,797 x 64 pixels in 0 to 16."""
    return np.asarray(load_digits().data)


def digits_pca10() -> Rows:
    """The digits' first 10 principal components."""
    return np.asarray(PCA(10, random_state=0).fit_transform(digits()))


def photograph() -> Rows:
    """Colours of a photograph, every fifth pixel: 54,656 x 3, red, green and blue in 0 to 1."""
    return load_sample_image("china.jpg").reshape(-1, 3)[::5] / 255.0


TABLES: dict[str, Table] = {
    "iris": Table(3, iris),
    "wine": Table(3, wine),
    "breast cancer": Table(2, breast_cancer),
    "diabetes": Table(5, diabetes),
    "digits": Table(10, digits),
    "digits PCA-10": Table(10, digits_pca10),
    "photograph": Table(16, photograph),
}
