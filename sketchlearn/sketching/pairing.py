r"""Operators whose frequencies come in pairs (w, 2 w), for tests with an exact variance.

The wave of 2 w is the square of that of w, so that its mean is all that the covariance of cosine
and sine at w needs beside their own means:

.. math:: \mathrm{Var} \cos = \tfrac12 (1 + \Re \psi_2) - (\Re \psi)^2
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sketchlearn.features.accumulator import single_phase_limit
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.frequencies.operator import largest_phase
from sketchlearn.linear_maps import DenseMap
from sketchlearn.linear_maps.linear_map import TWO_PI

# What a pair's lower frequency is of the drawn one, so that both are as far from it.
LOWER = np.float32(0.70710677)
# Of a column's own pair: the lower frequency times the column's spread. For Gaussian columns it
# tells a shift and a change of width as well as mean and variance do, to 5 % of the rows; and it
# is bounded, whatever the column.
ALONG = 0.7
# Least number of frequencies a column for pairs along the columns: they take half of them then.
LEAST_PER_COLUMN = 4


def count_columns_with_pairs(n_frequencies: int, n_features: int) -> int:
    """Return how many columns have a pair of their own: all, or none where there are too many."""
    return n_features if n_frequencies >= LEAST_PER_COLUMN * n_features else 0


def count_drawn(n_frequencies: int, n_features: int) -> int:
    """Return how many frequencies are drawn for so many in all: one a pair, and an odd one."""
    n_columns = count_columns_with_pairs(n_frequencies, n_features)
    return n_frequencies // 2 - n_columns + n_frequencies % 2


def pair_frequencies(drawn: DenseMap, spreads: np.ndarray, n_frequencies: int) -> DenseMap:
    r"""Return pairs :math:`(\omega / \sqrt 2, \sqrt 2 \omega)` of drawn frequencies, and columns'.

    Parameters
    ----------
    drawn : DenseMap
        Of `count_drawn` frequencies. Where an odd number was asked for, the last stays single.
    spreads : ndarray of shape (n_features,)
        Standard deviations of the columns, for their own pairs: (0.7, 1.4) over these.
    n_frequencies : int
        How many there are to be.
    """
    d = drawn.n_features
    single = drawn.turns[:, drawn.n_frequencies - n_frequencies % 2 :]
    lower = LOWER * drawn.turns[:, : drawn.n_frequencies - n_frequencies % 2]
    if count_columns_with_pairs(n_frequencies, d):
        along = np.diag(ALONG / TWO_PI / spreads).astype(np.float32)
        lower = np.hstack([along, lower])
    return DenseMap(np.hstack([lower, np.float32(2.0) * lower, single]))


def pair_operator(
    operator: FrequencyOperator, spreads: np.ndarray, n_frequencies: int, pilot: np.ndarray
) -> FrequencyOperator:
    """Return an operator of paired frequencies, see `pair_frequencies`.

    Parameters
    ----------
    operator : FrequencyOperator
        With a plain matrix of `count_drawn` frequencies.
    spreads : ndarray of shape (n_features,)
        Standard deviations of the columns; what is narrower than a cluster counts as that wide, as
        the other frequencies do not see it either.
    n_frequencies : int
        How many there are to be.
    pilot : ndarray of shape (p, n_features)
        Rows whose largest phase decides whether phases need float64.
    """
    least = operator.scale * operator.units
    turns = np.asarray(operator.linear_map.state()["turns"])
    paired = pair_frequencies(DenseMap(turns), np.maximum(spreads, least), n_frequencies)
    limit = single_phase_limit(paired.n_features)
    is_double = largest_phase(paired, pilot - operator.center) > limit
    return replace(operator, linear_map=paired, double_phases=is_double)


def check_paired(paired: object, operator: object, features: object) -> bool:
    """Return whether frequencies are to be paired.

    Raises
    ------
    TypeError
        If that is neither true nor false.
    ValueError
        If pairs are asked of other maps than plain waves have.
    """
    if not isinstance(paired, bool | np.bool_):
        raise TypeError(f"paired must be True or False, got {paired!r}")
    if paired and (operator not in ("auto", "dense") or features != "waves"):
        raise ValueError(
            "paired=True needs operator='dense' and features='waves', got "
            f"{operator!r} and {features!r}"
        )
    return bool(paired)
