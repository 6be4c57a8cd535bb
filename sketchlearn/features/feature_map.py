"""The contract of a feature map: what a phase becomes, and what sums of that tell."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np

from sketchlearn._registry import Registered, Stateful

TWO_PI = 2.0 * np.pi


class FeatureMap(Registered, Stateful, choice="features"):
    r"""An immutable, picklable map from phases to integers, which sketches add up.

    A row's phase t of a frequency becomes two integers. From their mean over rows comes an
    *estimate* of the mean of :math:`e^{it}`, the rows' characteristic function at the frequency:
    whatever the features are, decoders compare that with an atom's. Where a feature answers to
    :math:`e^{it}` with a gain other than 1, the estimate has it divided out. A new feature map
    derives from this class and names its kind,

    >>> class MyFeatures(FeatureMap, kind="my-features"): ...  # doctest: +SKIP

    under which `Sketcher` and files of sketches find it. It defines `unit`, `integer_features` and
    `largest_sum`; `estimate` and `power` if the integers are not cosines and sines; `state`, and
    `draw`, if it has parameters; and perhaps `has_overtones` with `expect`, `row_norms` and
    `is_binary`.

    Attributes
    ----------
    kind : str
        Name of the kind, of small letters, digits and hyphens.
    unit : float
        What sums are multiples of. Weighted features are rounded to it, so that it should be small
        beside them; and none may exceed 2^22 units, lest sums overflow.
    power : float
        Mean square of one row's estimate at one frequency.
    is_binary : bool
        Whether what a row adds at a frequency are two numbers, each its weight or the negative of
        it; sums are then kept in files as counts.
    has_overtones : bool
        Whether estimates have more in them than :math:`e^{it}`, on average over rows; then `expect`
        says what.
    """

    kind: ClassVar[str]
    unit: ClassVar[float]
    power: ClassVar[float] = 1.0
    is_binary: ClassVar[bool] = False
    has_overtones: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @classmethod
    def draw(cls, n_frequencies: int, rng: np.random.Generator) -> Self:
        """Draw the parameters, if there are any, for so many frequencies."""
        return cls()

    def state(self) -> dict[str, np.ndarray]:
        """Return all parameters, (m, ...)."""
        return {}

    def check_count(self, n_frequencies: int) -> None:
        """Refuse a number of frequencies other than that of the parameters.

        Raises
        ------
        ValueError
            If it is another.
        """
        for name, array in self.state().items():
            if len(array) != n_frequencies:
                raise ValueError(
                    f"{name} of the features must be {n_frequencies}, one a frequency, got "
                    f"{len(array)}"
                )

    def take(self, index: slice | np.ndarray) -> FeatureMap:
        """Return the map for some of the frequencies."""
        return self.from_state({name: array[index] for name, array in self.state().items()})

    @abstractmethod
    def integer_features(self, turns: np.ndarray) -> np.ndarray:
        """Return what rows add to sums, (n, 2, m) int64, of phases in turns (n, m) float64.

        Each row's depends on its phases alone, bit for bit, and not on the machine if it can be
        helped: additions, products and roundings are the same everywhere, cosines are not.
        """

    def feature_sum(self, added: np.ndarray, weight_units: int) -> np.ndarray:
        """Return a sketch's sums (2, m) int64 of what all its rows have added.

        Parameters
        ----------
        added : ndarray of shape (2, m) int64
            Sums of `integer_features`, each times its row's weight.
        weight_units : int
            Sum of the weights, in units of 2^-20.
        """
        return added

    @abstractmethod
    def largest_sum(self, n: int, weight_units: int) -> int:
        """Return the largest magnitude of a sum of n rows, to the last unit.

        A weighted feature is rounded once more, to a unit, and a weight to 2^-20.
        """

    def row_norms(self) -> tuple[float, float]:
        r"""Return the largest sum of magnitudes, and norm, of what a row adds at one frequency.

        Both are of the two integers, or of the two that `feature_sum` makes of them, for a row of
        weight one; what private sketches have their noise by.
        """
        largest = float(self.largest_sum(1, 2**20))
        return 2.0 * largest, np.sqrt(2.0) * largest

    def estimate(self, features: np.ndarray) -> np.ndarray:
        r"""Return estimates (..., m) complex of :math:`e^{it}` of mean features (..., 2, m)."""
        return np.asarray(features[..., 0, :] + 1j * features[..., 1, :])

    def expect(
        self, turns: np.ndarray, log_envelopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        r"""Return the mean estimate of Gaussian phases, and how it changes.

        Parameters
        ----------
        turns : ndarray of shape (k, m)
            Means of the phases, in turns.
        log_envelopes : ndarray of shape (k, m) or (1, m)
            Minus half their variances, in radians: the mean of :math:`e^{it}` is
            :math:`e^{2 \pi i \tau + L}` for turns :math:`\tau` and log-envelope L.

        Returns
        -------
        mean, in_phase, in_log_envelope : ndarray of shape (k, m) complex128
            The mean, and its derivatives in the phase in radians and in the log-envelope.
        """
        waves = np.exp(2j * np.pi * turns.astype(np.float64) + log_envelopes)
        return waves, 1j * waves, waves

    def mean(self, sums: np.ndarray, weight_sum: float) -> np.ndarray:
        """Return the estimate (m,) complex of a sketch's sums (2, m) and sum of weights."""
        return self.estimate(sums * (self.unit / weight_sum))

    def noise(self, mean: np.ndarray) -> float:
        r"""Return the squared distance of one row's estimate to the population's, on average.

        It is :math:`m p - \|z\|^2` with p the `power` and z the mean (m,); that of a mean over n
        rows is the n-th part.
        """
        return max(self.power * len(mean) - float(np.sum(np.abs(mean) ** 2)), 0.0)

    def waves(self, phases: np.ndarray) -> np.ndarray:
        """Return each row's estimate, (n, m) complex128, of phases (n, m) in radians."""
        one = 2**20
        features = [self.feature_sum(row, one) for row in self.integer_features(phases / TWO_PI)]
        return self.estimate(np.reshape(features, (len(phases), 2, -1)) * self.unit)

    def stacked_waves(self, turns: np.ndarray) -> np.ndarray:
        """Return real parts, then imaginary ones, (n, 2 m) float32, of phases (n, m) in turns."""
        waves = self.waves(turns * TWO_PI)
        return np.hstack([waves.real, waves.imag]).astype(np.float32)
