"""Signs of dithered waves: one bit of a cosine and one of a sine."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np

from sketchlearn._kernels.square_waves import expect_signs
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.linear_maps.linear_map import read_only

# A weight of one in units of sums, and steps of a dither in a turn.
ONE, DITHERS = 2**20, 256


@final
class Signs(FeatureMap, kind="signs"):
    r"""Signs of cosine and sine of each phase, after a random shift of each frequency, its dither.

    With the dither :math:`\xi_j`, fixed and uniform on the circle, a row adds

    .. math:: q_j = \operatorname{sign} \cos(t_j + \xi_j)
              + i \operatorname{sign} \sin(t_j + \xi_j)
              = \frac{4}{\pi} \Bigl( e^{i (t_j + \xi_j)} - \tfrac13 e^{-3 i (t_j + \xi_j)}
              + \tfrac15 e^{5 i (t_j + \xi_j)} - \dots \Bigr),

    so that :math:`\tfrac{\pi}{4} e^{-i \xi_j}` times the mean estimates that of
    :math:`e^{i t_j}`. The other waves, the *overtones*, are the rows' characteristic function at
    multiples of the frequency, which is small, with random signs, which the dither sees to;
    decoders compute them of a mixture and take them off (Schellekens and
    Jacques, "Quantized compressive k-means", IEEE Signal Processing Letters 25(8), 2018; Boufounos
    and Rane, "Efficient coding of signal distances using universal quantized embeddings", 2013).

    One row's estimate has mean square :math:`2 (\pi / 4)^2 = 1.23`, so that a quarter more
    frequencies make up for the noise. Sums are counters: a file has as few bytes for each as the
    number of rows needs, where all weights are integers.

    Parameters
    ----------
    dither : array-like of shape (n_frequencies,) uint8
        The shifts, in 256ths of a turn.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> sketch = Sketcher(125, features="signs", random_state=0).fit(X).sketch(X)
    >>> np.unique(Sketcher.from_sketch(sketch).sketch(X[:1]).feature_sum / 2**20)
    array([-1.,  1.])
    """

    unit: ClassVar[float] = 1.0 / ONE
    power: ClassVar[float] = np.pi**2 / 8.0
    is_binary: ClassVar[bool] = True
    has_overtones: ClassVar[bool] = True

    def __init__(self, dither: Any) -> None:
        self.dither = read_only(dither, np.uint8)
        if self.dither.ndim != 1:
            raise ValueError(f"dither must be a vector, got shape {self.dither.shape}")

    @classmethod
    def draw(cls, n_frequencies: int, rng: np.random.Generator) -> Self:
        """Draw dithers."""
        return cls(rng.integers(0, DITHERS, size=n_frequencies, dtype=np.uint8))

    def state(self) -> dict[str, np.ndarray]:
        """Return the dithers."""
        return {"dither": self.dither}

    @cached_property
    def offsets(self) -> np.ndarray:
        """Four times the dithers in turns, less a half, (n_frequencies,) float32: exact."""
        return np.asarray(self.dither * np.float32(4.0 / DITHERS) - np.float32(0.5))

    def integer_features(self, turns: np.ndarray) -> np.ndarray:
        """Return signs in units of 2^-20."""
        single = (turns - np.rint(turns)).astype(np.float32)
        # The quarter of the turn in which a dithered phase lies.
        quarters = np.rint((4.0 * single.astype(np.float64) + self.offsets).astype(np.float32))
        quarters = quarters.astype(np.int64)
        return ONE * (1 - np.stack([(quarters + 1) & 2, quarters & 2], axis=1))

    def largest_sum(self, n: int, weight_units: int) -> int:
        """Return the sum of weights: signs are not rounded."""
        return weight_units

    def expect(
        self, turns: np.ndarray, log_envelopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the mean estimate of Gaussian phases, and how it changes, see `FeatureMap`.

        Where phases vary much it is a sum of few waves, damped by their multiples' squares; where
        they vary little, signs that are blurred at their edges.
        """
        out = np.empty((3, *turns.shape), dtype=np.complex128)
        expect_signs(
            turns.astype(np.float64), np.float64(log_envelopes), self.dither / DITHERS, out
        )
        return out[0], out[1], out[2]

    def estimate(self, features: np.ndarray) -> np.ndarray:
        r"""Return estimates of :math:`e^{it}`, the gain divided out and the dither turned back."""
        turn = np.exp((-2j * np.pi / DITHERS) * self.dither)
        return np.asarray(np.pi / 4.0 * turn * super().estimate(features))
