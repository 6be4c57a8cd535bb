"""Waves: cosine and sine of the phases, what sketches are made of unless told otherwise."""

from __future__ import annotations

from typing import final

import numpy as np

from sketchlearn._kernels._policy import COSINE, SINE
from sketchlearn._kernels.atoms import modulated_waves
from sketchlearn.features.feature_map import FeatureMap

# Added to a float32 of less than 2^22, it rounds it to an integer.
MAGIC = np.float32(1.5 * 2.0**23)
# Of what a row adds at a frequency, in units: how far beyond the circle's radius of 2^21 it may
# lie, and its sum of magnitudes beyond sqrt(2) radii. Of all float32 in a turn it is 1.24 and 1.20.
BEYOND_CIRCLE = 2.0


@final
class Waves(FeatureMap, kind="waves"):
    r"""Cosine and sine of each phase, rounded once to multiples of :math:`2^{-21}`.

    Rows add C = sin^2(t/2) and S = sin(t/2) cos(t/2) in units of 2^-22, as cos t = 1 - 2 C and
    sin t = 2 S.

    Examples
    --------
    A quarter of a turn, where C and S are one half:

    >>> import numpy as np
    >>> from sketchlearn.features import Waves
    >>> Waves().integer_features(np.array([[0.25]])).ravel() / 2**22
    array([0.5, 0.5])
    """

    unit = 2.0**-21

    def integer_features(self, turns: np.ndarray) -> np.ndarray:
        """Return C and S in units of 2^-22, as the kernels do of the same phases."""
        r = (turns - np.rint(turns)).astype(np.float32)
        u = r * r
        h, g = r * _evaluate_polynomial(SINE, u), _evaluate_polynomial(COSINE, u)
        features = np.stack([_fused_multiply_add(h, x, MAGIC) - MAGIC for x in (h, g)], axis=1)
        return features.astype(np.int64)

    def feature_sum(self, added: np.ndarray, weight_units: int) -> np.ndarray:
        """Return sums of cosines and of sines, units of 2^-21."""
        return np.stack([2 * weight_units - added[0], added[1]])

    def largest_sum(self, n: int, weight_units: int) -> int:
        """Return the sum of ones, but for the roundings of the features and the weights."""
        return 2 * weight_units + 8 * n + weight_units // 2**19

    def row_norms(self) -> tuple[float, float]:
        """Return the largest sum of magnitudes, and norm, of the rounded cosine and sine."""
        radius = 1.0 / self.unit
        return np.sqrt(2.0) * radius + BEYOND_CIRCLE, radius + BEYOND_CIRCLE

    def waves(self, phases: np.ndarray) -> np.ndarray:
        """Return exp(i phases), complex128."""
        out = np.empty(phases.shape, np.complex128)
        np.cos(phases, out=out.real)
        np.sin(phases, out=out.imag)
        return out

    def stacked_waves(self, turns: np.ndarray) -> np.ndarray:
        """Return cosines, then sines, (n, 2 m) float32."""
        # Whole turns go first: float32 keeps what is left of a large phase.
        turns = (turns - np.rint(turns)).astype(np.float32)
        out = np.empty((len(turns), 2 * turns.shape[1]), np.float32)
        modulated_waves(turns, np.ones((1, turns.shape[1]), np.float32), out)
        return out


def _evaluate_polynomial(coefficients: tuple[float, ...], u: np.ndarray) -> np.ndarray:
    """A polynomial, scaled by 2^11, one rounding a step."""
    terms = [np.float32(c * 2.0**11) for c in coefficients]
    value = np.full_like(u, terms[-1])
    for term in terms[-2::-1]:
        value = _fused_multiply_add(value, u, term)
    return value


def _fused_multiply_add(a: np.ndarray, b: np.ndarray, c: np.float32) -> np.ndarray:
    """Product of a and b, plus c, in float32, rounded once.

    Products of two float32 are exact in float64. Their sum with c is rounded there to an odd last
    bit if it is not exact, so that rounding it again to float32 is as if it were the first time.
    """
    product, term = a.astype(np.float64) * b, np.float64(c)
    total = product + term
    part = total - product
    error = (product - (total - part)) + (term - part)
    is_even = total.view(np.int64) % 2 == 0
    odd = np.nextafter(total, np.copysign(np.inf, error))
    return np.where((error != 0.0) & is_even, odd, total).astype(np.float32)
