"""The plane that rows are drawn in: two columns, or two directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, final

import numpy as np

from sketchlearn.sketches.sketch_like import SketchLike

Columns = Sequence[Any] | Literal["auto", "principal"]
ORDINALS = ("1st", "2nd")


@final
@dataclass(frozen=True, eq=False)
class Plane:
    """Two directions in the space of the rows.

    Parameters
    ----------
    origin : ndarray of shape (d,)
        Point of the plane that has the coordinates 0, 0.
    axes : ndarray of shape (d, 2)
        Orthonormal directions.
    names : tuple of two str
        What axes of a picture are called.
    """

    origin: np.ndarray
    axes: np.ndarray
    names: tuple[str, str]

    @classmethod
    def choose(cls, sketch: SketchLike, columns: Columns, centers: np.ndarray, shares: Any) -> Self:
        """Return the plane that a user asks for.

        Parameters
        ----------
        sketch : SketchLike
            Of the rows; it knows their names, and perhaps their covariance.
        columns : pair of str or int, "auto" or "principal"
            Two columns; or the two directions along which the rows vary most. "auto" takes the
            columns where there are two.
        centers : ndarray of shape (k, d)
            Where clusters are: where the rows' covariance is unknown, the directions are those
            along which these vary most.
        shares : ndarray of shape (k,)
            Weights of the clusters.

        Raises
        ------
        TypeError, ValueError
            If the choice is none of these, there is no such column, or only one.
        """
        d = sketch.n_features
        if d < 2:
            raise ValueError("a picture of clusters needs two columns, and these rows have one")
        if isinstance(columns, str):
            if columns not in ("auto", "principal"):
                raise ValueError(
                    f"columns must be two columns, 'auto' or 'principal', got {columns!r}"
                )
            if columns == "principal" or d > 2:
                return cls._find_principal(sketch, centers, shares)
            columns = (0, 1)
        first, second = find_columns(columns, d, sketch.feature_names)
        names = sketch.column_names
        return cls(np.zeros(d), np.eye(d)[:, [first, second]], (names[first], names[second]))

    @classmethod
    def _find_principal(cls, sketch: SketchLike, centers: np.ndarray, shares: Any) -> Self:
        """Return the plane of most variance: of the rows if it is known, or else of the centres."""
        if sketch.moment_kind == "full":
            origin, covariance = sketch.moments.mean, sketch.moments.covariance
            what = "direction of the rows"
        elif len(centers) > 1:
            origin = np.average(centers, axis=0, weights=shares)
            covariance = np.atleast_2d(np.cov(centers.T, aweights=shares, ddof=0))
            what = "direction of the centroids"
        else:
            raise ValueError(
                f"these rows have {sketch.n_features} columns and their sketch has no covariances "
                "to find directions by: choose two with columns=(0, 1), or sketch with "
                "moments='full'"
            )
        values, vectors = np.linalg.eigh(covariance)
        axes = vectors[:, [-1, -2]]
        # The sign of an eigenvector is the machine's: its largest entry is made positive.
        axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
        parts = np.maximum(values[[-1, -2]], 0.0) / max(
            float(np.sum(np.maximum(values, 0))), 1e-300
        )
        names = [f"{nth} {what}, {part:.0%}" for nth, part in zip(ORDINALS, parts, strict=True)]
        return cls(np.asarray(origin), axes, (names[0], names[1]))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the coordinates (n, 2) of points (n, d)."""
        return np.asarray((points - self.origin) @ self.axes)

    def project_covariances(self, matrices: np.ndarray) -> np.ndarray:
        """Return the covariances (k, 2, 2) that matrices (k, d, d) have in the plane."""
        return np.asarray(self.axes.T @ matrices @ self.axes)


def find_columns(columns: Any, n_features: int, names: Sequence[str] | None) -> tuple[int, int]:
    """Return the indices of two columns, given by index or by name."""
    if not isinstance(columns, Sequence) or len(columns) != 2:
        raise ValueError(
            f"columns must be two columns, 'auto' or 'principal', got {columns!r}; a picture has "
            "two axes"
        )
    found = []
    for column in columns:
        if isinstance(column, str):
            if names is None or column not in names:
                known = "have no names" if names is None else f"are {', '.join(names)}"
                raise ValueError(f"there is no column {column!r}; the columns {known}")
            found.append(list(names).index(column))
        elif isinstance(column, int | np.integer) and -n_features <= column < n_features:
            found.append(int(column) % n_features)
        else:
            raise ValueError(f"there is no column {column!r} among {n_features}, numbered from 0")
    if found[0] == found[1]:
        raise ValueError(f"columns must be two different columns, got {columns!r}")
    return found[0], found[1]
