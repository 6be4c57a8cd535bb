"""Sketchers for moments alone: one wave that never turns, and a grid as fine as float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.frequencies.covariance import CovarianceMatrix
from sketchlearn.linear_maps import DenseMap
from sketchlearn.sketching.sizes import (
    measure_widths,
    require_even_widths,
    require_no_huge_row,
    require_width,
)
from sketchlearn.sketching.sketcher import Sketcher
from sketchlearn.sources.frames import require_finite_rows

# Steps of the grid are 2^-44 of the width of a column, and at least 2^-70 of its largest number:
# more than the 53 bits that float64 has, and within the grid's reach of 2^80 steps.
STEP_BITS, NUMBER_BITS = 44, 70
# A `MomentGrid` has steps of 2^-21 of the spread that it is told.
GRID_BITS = 21
# Turns of the one wave over a column's width are 2^-30: its cosine is 1, its sine 0.
WAVE_BITS = 30
# Largest exponents, in magnitude, of turns in float32 and of widths, whose squares float64 holds.
TURN_EXPONENT, WIDTH_EXPONENT = 120, 470
# Narrowest and widest rows: fourth powers do not vanish, and the one wave has turns in float32.
LEAST_WIDTH, LARGEST_WIDTH = 1e-70, 1e50
# Narrowest columns beside wide ones: all turns are in float32.
LEAST_SHARE = 1e-70


def make_moment_sketcher(rows: Any, n_jobs: int | None = None) -> Sketcher:
    r"""Return a fitted sketcher that takes all second moments of rows, and no waves to speak of.

    What follows from means and covariances, as principal components do, needs no waves. So there is
    a single frequency, so low that its wave is the same for all rows, and the grid that rows are
    rounded to is much finer than that of other sketchers: steps are :math:`2^{-44}` of a column's
    width, from the least to the largest of these rows, to a power of two. With steps h and standard
    deviations :math:`\sigma`, a variance is right to :math:`0.6 h / (\sigma \sqrt n)` of itself or
    so: some :math:`10^{-13} / \sqrt n`, where sketches with waves have :math:`10^{-7} / \sqrt n`.

    Nothing of the rows but the powers of two next to the columns' widths goes into the operator:
    rows are not centred. Its sketches add and subtract like all others, and have about
    :math:`4 (d^2 + 3 d)` bytes for each word of 64 bits that the largest sum takes.

    Parameters
    ----------
    rows : array-like of shape (n, n_features)
        Some rows, finite, at least one, perhaps with names of columns: as many as tell how wide
        each column is, but for a factor of a thousand either way.
    n_jobs : int, optional
        Threads of `Sketcher.sketch`.

    Returns
    -------
    Sketcher
        With ``moments="full"``.

    Raises
    ------
    ValueError
        If there is no row, a number is not finite, rows are so narrow or wide that their squares
        vanish or overflow, or a column is 1e70 times narrower than another.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.sketching import make_moment_sketcher
    >>> X = np.random.default_rng(0).normal(1e6, 1.0, size=(1000, 3))
    >>> sketcher = make_moment_sketcher(X[:100])
    >>> here, there = sketcher.sketch(X[:400]), sketcher.sketch(X[400:])
    >>> np.allclose((here + there).moments.variance, X.var(axis=0), rtol=1e-9)
    True
    """
    # It reads the names of columns, where there are any.
    validate_data(named := Sketcher(), rows, skip_check_array=True)
    rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"expected finite rows (n, n_features), at least one, got {rows.shape}")
    return fit_moments(rows, getattr(named, "feature_names_in_", None), n_jobs)


def fit_moments(rows: np.ndarray, names: Any = None, n_jobs: int | None = None) -> Sketcher:
    """Return what `make_moment_sketcher` does, of rows in memory and names of columns, if any."""
    rows = np.asarray(rows, dtype=np.float64)
    require_finite_rows(rows, names)
    require_no_huge_row(rows, names=names)
    require_width(rows, LEAST_WIDTH, LARGEST_WIDTH, names)
    require_even_widths(rows, LEAST_SHARE * measure_widths(rows).max(), names)
    exponents = _width_exponents(rows)
    first = int(exponents.min())
    turns = -WAVE_BITS - exponents
    # All by as much, as units of columns are read off them.
    turns += max(0, -TURN_EXPONENT - int(turns.min()))
    turns -= max(0, int(turns.max()) - TURN_EXPONENT)
    scale = float(np.exp2(first + GRID_BITS - STEP_BITS))
    covariance = CovarianceMatrix(np.diag(np.exp2(2.0 * exponents)))
    domain = Domain(np.zeros(rows.shape[1]), scale, covariance)
    linear_map = DenseMap(np.exp2(turns[:, None].astype(np.float64)))
    sketcher = Sketcher.from_operator(FrequencyOperator(linear_map, domain), n_jobs)
    if names is not None:
        sketcher.feature_names_in_ = names
    return sketcher.set_params(moments="full")


def _width_exponents(rows: np.ndarray) -> np.ndarray:
    """Return exponents (n_features,) of powers of two that are about as large as the widths."""
    largest = np.abs(rows).max(axis=0)
    # Halves, lest a difference overflows.
    range_ = 0.5 * rows.max(axis=0) - 0.5 * rows.min(axis=0)
    least = np.ldexp(largest, STEP_BITS - NUMBER_BITS)
    width = np.maximum(np.where(range_ > 0, range_, largest), least)
    width[width == 0] = 1.0
    return np.clip(np.frexp(width)[1] - 1, -WIDTH_EXPONENT, WIDTH_EXPONENT)
