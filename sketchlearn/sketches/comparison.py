"""How far two sketches are apart, and how far chance alone would put them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from sketchlearn.sketches.sketch_like import SketchLike

# Squared ratio above which the bound of `Comparison.p_value_bound` holds.
LEAST_BOUNDED = 1.5364


@final
@dataclass(frozen=True, repr=False)
class Comparison:
    r"""Distance between the means of two sketches.

    Attributes
    ----------
    distance : float
        Euclidean distance :math:`\|z_a - z_b\|`. Over the square root of m it estimates, for
        frequencies drawn from a kernel's spectrum, the maximum mean discrepancy of that kernel.
    standard_error : float
        What it would be, as a root mean square, if both were drawn from one population.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, compare
    >>> X = np.random.default_rng(0).normal(size=(2000, 2))
    >>> sketcher = Sketcher(50, random_state=0).fit(X)
    >>> comparison = compare(sketcher.sketch(X[:1000]), sketcher.sketch(X[1000:] + 1.0))
    >>> comparison.distance > 3.0 * comparison.standard_error
    True
    """

    distance: float
    standard_error: float

    def __repr__(self) -> str:
        return (
            f"Comparison(distance={self.distance:.6g}, standard_error={self.standard_error:.6g}, "
            f"ratio={self.ratio:.4g}, p_value_bound={self.p_value_bound:.3g})"
        )

    @property
    def ratio(self) -> float:
        """Distance over standard error: about 1 for samples of one population."""
        if self.standard_error == 0.0:
            return 0.0 if self.distance == 0.0 else math.inf
        return self.distance / self.standard_error

    @property
    def p_value_bound(self) -> float:
        """At most this likely is a distance as large or larger, from one population.

        The squared ratio is then, for many rows, a weighted sum of squared normal variables of mean
        one. Whatever the weights, its tail beyond 1.5364 is at most that of a single one (Szekely
        and Bakirov, "Extremal probabilities for Gaussian quadratic forms", 2003, theorem 1);
        below it nothing is claimed, and this is 1.
        """
        square = self.ratio**2
        return math.erfc(math.sqrt(square / 2)) if square > LEAST_BOUNDED else 1.0


def compare(a: SketchLike, b: SketchLike) -> Comparison:
    r"""Compare the populations that two sketches of different rows were drawn from.

    The standard error is :math:`\sqrt{(m - \|z\|^2)(1/n_a + 1/n_b)}`, with z the mean of both
    together and n the effective numbers of rows; of a private sketch, the noise that it was
    released with is added.

    Parameters
    ----------
    a, b : Sketch or PrivateSketch
        Of the same operator; no row may be in both.

    Returns
    -------
    Comparison
        Distance, standard error, their ratio, and a bound on its p-value.

    Raises
    ------
    TypeError
        If one is no `Sketch`.
    SketchMismatchError
        If they were taken with different operators.
    EmptySketchError
        If one holds no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, compare
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 2))
    >>> sketcher = Sketcher(n_frequencies=50, random_state=0).fit(X)
    >>> compare(sketcher.sketch(X[:1000]), sketcher.sketch(X[1000:])).ratio < 2
    True
    >>> compare(sketcher.sketch(X), sketcher.sketch(X + 0.5)).ratio > 5
    True
    """
    for one in (a, b):
        if not isinstance(one, SketchLike):
            raise TypeError(f"compare expected two sketches, got {type(one).__name__}")
    error = a.error_of_difference(b)
    return Comparison(float(np.linalg.norm(a.centered_mean - b.centered_mean)), error)
