"""What decoders, comparisons and models need of a sketch, be it exact or released with noise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from os import PathLike
from typing import ClassVar, Protocol, Self, final

import numpy as np

from sketchlearn.features.moments import MomentKind
from sketchlearn.files.atomic import write_atomically
from sketchlearn.frequencies import FrequencyOperator


@final
@dataclass(frozen=True, eq=False)
class AddedNoise:
    """Noise in a sketch's mean that is not that of sampling rows.

    Attributes
    ----------
    variance : ndarray of shape (n_frequencies,)
        Of the mean's real part, and of its imaginary part, at most.
    has_heavy_tails : bool
        Whether it is Laplace noise, whose tails are heavier than a Gaussian's.
    """

    variance: np.ndarray
    has_heavy_tails: bool


class RowMoments(Protocol):
    """Moments of rows, in data units."""

    @property
    def mean(self) -> np.ndarray:
        """Mean (n_features,)."""

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features)."""

    @property
    def variance(self) -> np.ndarray:
        """Variance of each column, (n_features,)."""

    @property
    def standard_deviation(self) -> np.ndarray:
        """Standard deviation of each column, (n_features,)."""

    @property
    def is_whole(self) -> np.ndarray:
        """Whether each column is known to hold whole numbers, (n_features,): noise hides it."""
        return np.zeros(len(self.mean), dtype=bool)


class SketchLike(ABC):
    """Means of an operator's waves over rows, with their noise: what is decoded.

    `Sketch` has them exactly, and adds and subtracts; `sketchlearn.privacy.PrivateSketch` has them
    with the noise that protects rows.

    Attributes
    ----------
    operator : FrequencyOperator
        What the rows were projected with.
    feature_names : tuple of str or None
        Names of the features, where they are known.
    is_exact : bool
        Whether counts and moments are the rows' own, without noise.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.sketches import SketchLike
    >>> sketch = Sketcher(50, random_state=0).fit(np.eye(9)).sketch(np.eye(9))
    >>> isinstance(sketch, SketchLike), sketch.is_exact
    (True, True)
    """

    operator: FrequencyOperator
    feature_names: tuple[str, ...] | None
    is_exact: ClassVar[bool]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the features; x0, x1 and so on where they are not known."""
        return self.feature_names or tuple(f"x{j}" for j in range(self.operator.n_features))

    @property
    @abstractmethod
    def n_samples(self) -> int:
        """Rows of positive weight."""

    @property
    @abstractmethod
    def weight_sum(self) -> float:
        """Sum of the weights; the number of rows where none were given."""

    @property
    @abstractmethod
    def n_effective(self) -> float:
        """Rows of equal weight whose sketch would be as noisy; 0 if there is no row."""

    @property
    @abstractmethod
    def centered_mean(self) -> np.ndarray:
        r"""Mean (n_frequencies,) complex128 of :math:`e^{i \omega_j^\top (x - center)}`."""

    @property
    @abstractmethod
    def standard_error(self) -> float:
        """Expected distance of `mean` to that of the whole population."""

    @property
    @abstractmethod
    def moment_kind(self) -> MomentKind | None:
        """Which second moments it has: "full" or "diagonal"; None if it has none."""

    @property
    @abstractmethod
    def moments(self) -> RowMoments:
        """Mean, variance and, of the kind "full", covariance of the rows."""

    @abstractmethod
    def with_operator(self, operator: FrequencyOperator) -> Self:
        """Return the same means without moments, as of another operator of as many frequencies."""

    @abstractmethod
    def standardised(self) -> Self:
        """Return the sketch of the rows divided by the operator's `units`: the same means."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Return the sketch as the bytes of a file that holds its operator."""

    @property
    def error_deviation(self) -> float:
        """Standard deviation of the squared error that noise makes, as a fraction of its mean.

        0 of an exact sketch, to which none was added.
        """
        return 0.0

    @property
    def sample_size(self) -> float:
        """Rows of equal weight whose mean varies as much by sampling, added noise aside."""
        return self.n_effective

    @property
    def added_noise(self) -> AddedNoise | None:
        """The noise that was added to the sums; None of an exact sketch."""
        return None

    @property
    def covariance_error(self) -> np.ndarray:
        """Standard deviations (n_features, n_features) of the noise in covariances; 0 if exact."""
        return np.zeros((self.n_features, self.n_features))

    @property
    def mean_error(self) -> np.ndarray:
        """Standard deviations (n_features,) of the noise in the rows' mean; 0 if exact."""
        return np.zeros(self.n_features)

    @property
    def variance_error(self) -> np.ndarray:
        """Standard deviations (n_features,) of the noise in variances; 0 if exact."""
        return np.zeros(self.n_features)

    @property
    def fingerprint(self) -> str:
        """The operator's fingerprint."""
        return self.operator.fingerprint

    @property
    def n_features(self) -> int:
        """Dimension of the rows."""
        return self.operator.n_features

    @property
    def n_frequencies(self) -> int:
        """Complex entries of the sketch."""
        return self.operator.n_frequencies

    @property
    def mean(self) -> np.ndarray:
        r"""Mean (n_frequencies,) complex128 of :math:`e^{i \omega_j^\top x}`.

        Raises
        ------
        EmptySketchError
            If the sketch holds no rows.
        """
        shift = self.operator.project(self.operator.center[None, :])[0]
        return self.centered_mean * np.exp(1j * shift)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the sketch's bytes to a file, wholly or not at all."""
        write_atomically(path, self.to_bytes())


def describe_no_sketch(value: object) -> str:
    """Return, for a message, what came in place of a sketch, and where sketches come from."""
    return (
        f"got {type(value).__name__}: rows X become a sketch by Sketcher().fit(X).sketch(X), a "
        "table's total() or one of its groups is one, and Sketch.load reads a file"
    )
