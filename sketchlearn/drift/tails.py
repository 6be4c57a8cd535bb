r"""Tails of differences of means, which hold for few rows, rare values and unequal sizes too.

Given all rows of two samples, :math:`n_a` and :math:`n_b` of them, which row is in which sample is
chance if both are of one population. A difference of means then is a sum
:math:`\sum_i c_i (B_i - q)` with :math:`c_i` known to have mean zero, and labels :math:`B_i` that
are one with probability :math:`q = n_a / (n_a + n_b)`. With t the difference over its standard
deviation, its tail :math:`e^{-x / 2}` has an exponent of at least

.. math:: x_1 = t^2 \, \frac{2 q (1 - q) \ln\frac{1 - q}{q}}{1 - 2 q}, \qquad
    x_2 = \frac{2}{b^2} \bigl((1 + b t) \ln(1 + b t) - b t\bigr)

where b is the largest step that a row can make, in standard deviations: of Kearns and Saul
("Large deviation methods for approximate probabilistic inference", 1998, theorem 2), whatever the
rows are, :math:`x_1 = t^2` for samples of one size; and of Bennett ("Probability inequalities for
the sum of independent random variables", 1962), :math:`x_2 \to t^2` for many rows. The larger takes
the place of :math:`t^2` in the tail of a normal variable. It is never more than that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erfc, xlogy

# Least p-value: float64 has none much smaller but zero, which none is.
LEAST = np.finfo(np.float64).tiny
# Squared ratio above which the bound of `tail_of_any_sum` holds.
LEAST_BOUNDED = 1.5364
# Share of a half, of rows in one sample, from which samples count as of one size.
NEARLY_HALF = 1e-6
# Points and weights for means over the larger of two exponential variables, of density
# 2 exp(-u) (1 - exp(-u)).
POINTS, WEIGHTS = np.polynomial.laguerre.laggauss(48)
WEIGHTS = 2.0 * WEIGHTS * -np.expm1(-POINTS)


def exponent_of_any_rows(squares: np.ndarray, n_a: float, n_b: float) -> np.ndarray:
    r"""Return :math:`x_1` of squared differences :math:`t^2` (n,), in standard deviations."""
    q = min(n_a, n_b) / (n_a + n_b)
    if q > 0.5 - NEARLY_HALF:
        return squares
    return np.asarray(squares * (2.0 * q * (1.0 - q) * np.log((1.0 - q) / q) / (1.0 - 2.0 * q)))


def exponent_of_bounded_rows(squares: np.ndarray, steps: np.ndarray) -> np.ndarray:
    r"""Return :math:`x_2` of squared differences (n,) and largest steps (n,)."""
    u = steps * np.sqrt(squares)
    # Where steps are small the two terms cancel: t^2 (1 - u / 3 + ...).
    exact = 2.0 * (xlogy(1.0 + u, 1.0 + u) - u) / np.maximum(steps, 1e-150) ** 2
    return np.where(u < 1e-4, squares * (1.0 - u / 3.0), exact)


def shrink_squares(squares: np.ndarray, steps: np.ndarray, n_a: float, n_b: float) -> np.ndarray:
    """Return the larger of both exponents, what normal tails are to be taken of instead."""
    larger = np.maximum(
        exponent_of_any_rows(squares, n_a, n_b), exponent_of_bounded_rows(squares, steps)
    )
    return np.minimum(larger, squares)


def tail_of_pair(squares: np.ndarray) -> np.ndarray:
    r"""Return :math:`P(\chi^2_2 > x) = e^{-x/2}`."""
    return np.maximum(np.exp(-0.5 * squares), LEAST)


def tail_of_one(squares: np.ndarray) -> np.ndarray:
    r"""Return :math:`P(\chi^2_1 > x)`."""
    return np.maximum(erfc(np.sqrt(0.5 * squares)), LEAST)


def tail_of_any_sum(squares: np.ndarray) -> np.ndarray:
    r"""Return the largest tail of a weighted sum of squared normal variables of mean one.

    For x above 1.5364 it is :math:`P(\chi^2_1 > x)`, whatever the weights (Szekely and Bakirov,
    "Extremal probabilities for Gaussian quadratic forms", 2003, theorem 1); below that it is more
    than a fifth, and nothing is claimed.
    """
    return np.where(squares > LEAST_BOUNDED, tail_of_one(squares), 1.0)


def tail_with_laplace(
    tail: Callable[[np.ndarray], np.ndarray], squares: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    r"""Return a tail (n,) of variables a share of whose variance is of Laplace noise, at most.

    A Laplace variable is a normal one whose variance is exponential, so that, with E the larger of
    two exponential variables of mean one, squares are divided by :math:`\max(1, 1 - s + s E)`. The
    tail of a sum of such noises is less heavy.
    """
    scales = np.maximum(1.0, 1.0 + shares[:, None] * (POINTS - 1.0))
    return np.asarray(tail(squares[:, None] / scales) @ WEIGHTS)
