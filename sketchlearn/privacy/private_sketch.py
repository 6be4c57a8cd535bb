"""The private sketch: released integers, and how they were released. No exact sum is in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from os import PathLike
from typing import Any, ClassVar, NoReturn, Self, final

import numpy as np

from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.features.moments import MomentKind, square_places
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy.accounting import PrivacyLoss
from sketchlearn.privacy.format import PRIVATE_FILE, StoredRelease, list_contents
from sketchlearn.privacy.mechanism import Mechanism
from sketchlearn.privacy.queries import (
    COUNT,
    FIRST,
    SECOND,
    UNIT,
    WAVES,
    add_integers,
    box_units,
    count_parts,
    product_weights,
)
from sketchlearn.sketches.sketch import require_feature_names
from sketchlearn.sketches.sketch_like import AddedNoise, RowMoments, SketchLike


@final
@dataclass(frozen=True, eq=False)
class PrivateMoments(RowMoments):
    """Moments of rows as they were released, brought to what moments can be.

    The mean is within the box; the covariance is cleared of what noise explains, see `shrink`.

    Parameters
    ----------
    operator : FrequencyOperator
        What the sketch was taken with.
    kind : {"full", "diagonal"}
        Which second moments there are.
    first, second : ndarray of float64
        Of rows from the centre in units of the box, divided by the number of rows.
    error : float
        Standard deviation of the noise in the second moment of two columns, in these units.
    """

    operator: FrequencyOperator
    kind: MomentKind
    first: np.ndarray
    second: np.ndarray
    error: float

    @property
    def mean(self) -> np.ndarray:
        """Mean (n_features,), data units."""
        return self.operator.domain.clip((self.operator.center + self._offset)[None])[0]

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features), squared data units.

        Raises
        ------
        ValueError
            If only the squares of columns were released.
        """
        if self.kind != "full":
            raise ValueError(
                "moments of the kind 'diagonal' have a variance for each column and no covariance; "
                "sketch with moments='full'"
            )
        d = self.operator.n_features
        j, k = np.triu_indices(d)
        scaled = np.empty((d, d))
        scaled[j, k] = scaled[k, j] = self.second - self.first[j] * self.first[k]
        values, axes = np.linalg.eigh(scaled)
        values = shrink(values, 2.0 * np.sqrt(d) * self.error)
        units = box_units(self.operator)
        return np.asarray((axes * values) @ axes.T * np.outer(units, units))

    @property
    def variance(self) -> np.ndarray:
        """Variance of each column, (n_features,), squared data units."""
        if self.kind == "full":
            return np.diagonal(self.covariance)
        places = square_places(self.operator.n_features, self.kind)
        scaled = np.maximum(self.second[places] - self.first**2, 0.0)
        return np.asarray(scaled * box_units(self.operator) ** 2)

    @property
    def standard_deviation(self) -> np.ndarray:
        """Standard deviation of each column, (n_features,), data units."""
        return np.sqrt(np.maximum(self.variance, 0.0))

    @property
    def _offset(self) -> np.ndarray:
        return self.first * box_units(self.operator)


@final
@dataclass(frozen=True, eq=False, repr=False)
class PrivateSketch(SketchLike):
    r"""A sketch that was released: its integers with noise, and how the noise was made.

    Whatever is computed of it protects the rows as it does. It decodes like a `Sketch`, the noise
    added to that of sampling; but nothing can be taken out of it, and only private sketches of
    other people's rows can be added, by the same operator. They come from `release`.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows were projected with: public, as are the box and all else in it.
    parts : mapping of str to ndarray of int64
        By name: "count" (1,), "first" and "second" moments, "waves" (2 m,).
    mechanisms : tuple of Mechanism
        How each of the releases was made that it is the sum of.
    moment_kind : {"full", "diagonal"} or None
        Which second moments there are.
    feature_names : tuple of str, optional
        Names of the features.

    Raises
    ------
    ValueError
        If parts or names do not fit the operator.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import CompressiveKMeans, Sketcher
    >>> from sketchlearn.privacy import release
    >>> X = np.random.default_rng(0).normal([[-4.0], [4.0]], 1.0, size=(2, 9000)).reshape(-1, 1)
    >>> sketcher = Sketcher.from_domain([-10.0], [10.0], n_clusters=2, clip=True, random_state=0)
    >>> private = release(sketcher.sketch(X), epsilon=1.0, delta=1e-6)
    >>> model = CompressiveKMeans(n_clusters=2, random_state=0).fit_sketch(private)
    >>> np.sort(model.cluster_centers_.ravel()).round()
    array([-4.,  4.])
    """

    operator: FrequencyOperator
    parts: Mapping[str, np.ndarray]
    mechanisms: tuple[Mechanism, ...]
    moment_kind: MomentKind | None = None
    feature_names: tuple[str, ...] | None = field(default=None, kw_only=True)
    is_exact: ClassVar[bool] = False

    def __post_init__(self) -> None:
        expected = count_parts(self.operator, self.moment_kind)
        shapes = {name: (n,) for name, n in expected.items()}
        found = {name: part.shape for name, part in self.parts.items()}
        if shapes != found or any(part.dtype != np.int64 for part in self.parts.values()):
            raise ValueError(f"the parts must be int64 of shapes {shapes}, got {found}")
        if not self.mechanisms:
            raise ValueError("a private sketch needs the mechanism that it was released by")
        require_feature_names(self.feature_names, self.operator.n_features)
        parts = {name: part.copy() for name, part in self.parts.items()}
        for part in parts.values():
            part.flags.writeable = False
        object.__setattr__(self, "parts", parts)

    @property
    def n_samples(self) -> int:
        """Number of rows as it was released, with noise; at least 1."""
        return max(int(self.parts[COUNT][0]), 1)

    @property
    def weight_sum(self) -> float:
        """Number of rows as it was released."""
        return float(self.n_samples)

    @property
    def loss(self) -> PrivacyLoss:
        """What it cost one person, whose rows are in one of the releases that it is the sum of."""
        return reduce(PrivacyLoss.beside, (each.loss for each in self.mechanisms))

    @property
    def delta(self) -> float:
        """The largest delta that one of the releases was asked for."""
        return max(each.delta for each in self.mechanisms)

    @property
    def epsilon(self) -> float:
        """Epsilon at that delta."""
        return self.loss.epsilon(self.delta)

    @property
    def centered_mean(self) -> np.ndarray:
        r"""Mean (n_frequencies,) complex128 of :math:`e^{i \omega_j^\top (x - center)}`, noisy."""
        sums = self.parts[WAVES].reshape(2, -1)
        return self.operator.features.mean(sums, self.weight_sum)

    @property
    def mechanism_error(self) -> float:
        r"""Expected distance of `mean` to that of the rows, by the noise alone.

        .. math:: \frac1n \sqrt{2 m \sigma_w^2 + \|z\|^2 \sigma_n^2}

        with the variances of a wave's sums and of the count.
        """
        gain, power = float(self._gain.sum()), float(np.sum(np.abs(self.centered_mean) ** 2))
        square = gain * self._variance(WAVES) + power * self._variance(COUNT)
        return math.sqrt(square) / self.weight_sum

    @property
    def sample_size(self) -> float:
        """Number of rows as it was released."""
        return self.weight_sum

    @property
    def added_noise(self) -> AddedNoise:
        """The releases' noise in the mean: of the waves' sums, and of the count."""
        power = np.abs(self.centered_mean) ** 2
        variance = 0.5 * self._gain * self._variance(WAVES) + power * self._variance(COUNT)
        is_heavy = any(each.noise == "discrete laplace" for each in self.mechanisms)
        return AddedNoise(variance / self.weight_sum**2, is_heavy)

    @property
    def standard_error(self) -> float:
        """Expected distance of `mean` to that of the whole population: of sampling and of noise."""
        return math.sqrt(self._row_noise / self.weight_sum + self.mechanism_error**2)

    @property
    def error_deviation(self) -> float:
        """Standard deviation of the squared error, as a fraction of its mean: the noise's part."""
        return (self.mechanism_error / self.standard_error) ** 2 / math.sqrt(self.n_frequencies)

    @property
    def n_effective(self) -> float:
        """Rows whose exact sketch would be as noisy."""
        return self._row_noise / max(self.standard_error**2, np.finfo(float).tiny)

    @property
    def moments(self) -> PrivateMoments:
        """Mean, variance and, of the kind "full", covariance of the rows, as released.

        Raises
        ------
        ValueError
            If there are none.
        """
        if self.moment_kind is None:
            raise ValueError("the sketch was released without moments")
        weights = product_weights(self.operator, self.moment_kind)
        first, second = (self.parts[name] / (UNIT * self.n_samples) for name in (FIRST, SECOND))
        deviation = math.sqrt(self._variance(SECOND)) / (UNIT * self.n_samples)
        return PrivateMoments(
            self.operator, self.moment_kind, first, second / weights, deviation / weights.max()
        )

    @property
    def covariance_error(self) -> np.ndarray:
        r"""Standard deviations (n_features, n_features) of the noise in a covariance.

        To first order, before it is cleared of noise, in units of the box, with first and second
        moments f and S, which are multiplied by weights w:

        .. math:: n^2 \operatorname{Var} C_{jk} = \sigma_2^2 / w_{jk}^2
            + \sigma_1^2 (f_j^2 + f_k^2 + 2 \delta_{jk} f_j f_k)
            + \sigma_n^2 (S_{jk} - 2 f_j f_k)^2

        Raises
        ------
        ValueError
            If there are no second moments of all pairs of columns.
        """
        moments, units = self.moments, box_units(self.operator)
        first = moments.first
        second = moments.covariance / np.outer(units, units) + np.outer(first, first)
        spread = first[:, None] ** 2 + first**2 + 2.0 * np.diag(first**2)
        j, k = np.triu_indices(self.n_features)
        weights = np.ones_like(second)
        weights[j, k] = weights[k, j] = product_weights(self.operator, moments.kind)
        errors = self._moment_error(second, np.outer(first, first), spread, weights)
        return errors * np.outer(units, units)

    @property
    def mean_error(self) -> np.ndarray:
        """Standard deviations (n_features,) of the noise in ``moments.mean``, to first order."""
        first, units = self.moments.first, box_units(self.operator)
        squares = self._variance(FIRST) / UNIT**2 + self._variance(COUNT) * first**2
        return np.asarray(np.sqrt(squares) / self.n_samples * units)

    @property
    def variance_error(self) -> np.ndarray:
        """Standard deviations (n_features,) of the noise in ``moments.variance``, likewise."""
        first, units = self.moments.first, box_units(self.operator)
        second = self.moments.variance / units**2 + first**2
        errors = self._moment_error(second, first**2, 4.0 * first**2, np.ones_like(first))
        return errors * units**2

    def _moment_error(
        self, second: np.ndarray, means: np.ndarray, spread: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Standard deviations of central moments, from second moments and products of means."""
        squares = self._variance(SECOND) / (UNIT * weights) ** 2
        squares = squares + self._variance(FIRST) / UNIT**2 * spread
        squares = squares + self._variance(COUNT) * (second - 2.0 * means) ** 2
        return np.asarray(np.sqrt(squares) / self.n_samples)

    def with_operator(self, operator: FrequencyOperator) -> PrivateSketch:
        """Return the same waves without moments, as of another operator of as many frequencies."""
        parts = {name: self.parts[name] for name in (COUNT, WAVES)}
        return PrivateSketch(operator, parts, self.mechanisms)

    def standardised(self) -> PrivateSketch:
        """Return the sketch of the rows divided by the operator's `units`, without moments."""
        operator = self.operator.standardised()
        return self if operator is self.operator else self.with_operator(operator)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> PrivateSketch:
        """Read a private sketch that `save` wrote.

        Raises
        ------
        SketchFormatError
            If the file is foreign, truncated, altered, or of a newer format.
        OSError
            If it cannot be read.
        """
        return cls.restore(PRIVATE_FILE.load(path))

    def to_bytes(self) -> bytes:
        """Return the private sketch as the bytes of a safetensors file, its operator among them.

        Raises
        ------
        ValueError
            If moments that were released are not in it, as after `standardised`.
        """
        if any({*each.scales} - {*self.parts} for each in self.mechanisms):
            raise ValueError(
                "this sketch is without the moments that were released with it, and what it cost "
                "could not be checked: write the sketch that release returned"
            )
        return PRIVATE_FILE.encode(*list_contents(self._stored))

    @classmethod
    def from_bytes(cls, data: bytes) -> PrivateSketch:
        """Return the private sketch that `to_bytes` turned into these bytes; errors as `load`."""
        return cls.restore(PRIVATE_FILE.decode(data))

    @classmethod
    def restore(cls, stored: StoredRelease) -> Self:
        """Return the private sketch of what a file held; a SketchFormatError where it is none."""
        operator, parts, mechanisms, kind, names = stored
        try:
            return cls(operator, parts, mechanisms, kind, feature_names=names)
        except ValueError as error:
            raise SketchFormatError(f"the file holds no private sketch: {error}") from error

    def __add__(self, other: Any) -> PrivateSketch:
        """Return the private sketch of both releases' rows, which must be other people's.

        Raises
        ------
        TypeError
            If the other is no private sketch.
        SketchMismatchError
            If it has another operator, other moments, names or neighbours.
        ValueError
            If a release is in both.
        """
        if not isinstance(other, PrivateSketch):
            raise TypeError(
                f"a private sketch and a {type(other).__name__} cannot be added: exact sums are "
                "to be released first, and sketches added before that"
            )
        self._require_alike(other)
        parts = {name: add_integers(self.parts[name], other.parts[name]) for name in self.parts}
        names = self.feature_names or other.feature_names
        mechanisms = self.mechanisms + other.mechanisms
        return PrivateSketch(
            self.operator, parts, mechanisms, self.moment_kind, feature_names=names
        )

    def __radd__(self, other: Any) -> PrivateSketch:
        # `sum` starts from the integer 0.
        return self if isinstance(other, int) and other == 0 else self + other

    def __sub__(self, other: Any) -> NoReturn:
        what = "no rows can be taken out of a private sketch, nor by one"
        raise TypeError(f"{what}: subtract exact sketches, and release what is left")

    __rsub__ = __sub__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateSketch):
            return NotImplemented
        named = ("fingerprint", "mechanisms", "moment_kind", "feature_names")
        return all(getattr(self, name) == getattr(other, name) for name in named) and all(
            np.array_equal(part, other.parts[name]) for name, part in self.parts.items()
        )

    def __hash__(self) -> int:
        return hash((self.fingerprint, tuple(each.token for each in self.mechanisms)))

    def __reduce__(self) -> tuple[Any, ...]:
        return PrivateSketch.from_bytes, (self.to_bytes(),)

    def __copy__(self) -> PrivateSketch:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> PrivateSketch:
        return self

    def __repr__(self) -> str:
        first = self.mechanisms[0]
        return (
            f"PrivateSketch(epsilon={self.epsilon:.4g}, delta={self.delta:.3g}, {first.noise}, "
            f"neighbors={first.neighbors!r}, about {self.n_samples} rows in "
            f"{len(self.mechanisms)} releases, n_features={self.n_features}, "
            f"n_frequencies={self.n_frequencies}, operator {self.fingerprint[:12]})"
        )

    @property
    def _stored(self) -> StoredRelease:
        return StoredRelease(
            self.operator, self.parts, self.mechanisms, self.moment_kind, self.feature_names
        )

    @property
    def _gain(self) -> np.ndarray:
        """Squared moduli (m,) of the estimates that one unit makes in either sum of a wave."""
        units = np.zeros((2, 2, self.n_frequencies))
        units[[0, 1], [0, 1]] = self.operator.features.unit
        return np.asarray(np.sum(np.abs(self.operator.features.estimate(units)) ** 2, axis=0))

    @property
    def _row_noise(self) -> float:
        """Squared distance of a row's waves to the population's mean: no less than of rounding."""
        mean, features = self.centered_mean, self.operator.features
        # The noise is in the mean's norm as well.
        power = float(np.sum(np.abs(mean) ** 2))
        kept = max(power - self.mechanism_error**2, 0.0) / power if power > 0 else 0.0
        rounding = len(mean) * features.unit**2 / 6.0
        return max(features.noise(mean * math.sqrt(kept)), rounding)

    def _variance(self, part: str) -> float:
        """Variance of one integer of a part, over all releases."""
        return math.fsum(each.variance(part) for each in self.mechanisms)

    def _require_alike(self, other: PrivateSketch) -> None:
        """Refuse what does not add up."""
        what = {
            "operators": (self.fingerprint, other.fingerprint),
            "moments": (self.moment_kind, other.moment_kind),
            "neighbors": (self.mechanisms[0].neighbors, other.mechanisms[0].neighbors),
            "rows_per_person": (
                self.mechanisms[0].rows_per_person,
                other.mechanisms[0].rows_per_person,
            ),
        }
        if self.feature_names and other.feature_names:
            what["features"] = str(self.feature_names), str(other.feature_names)
        for name, (ours, theirs) in what.items():
            if ours != theirs:
                raise SketchMismatchError(
                    f"the private sketches have different {name}: {ours} and {theirs}"
                )
        if {each.token for each in self.mechanisms} & {each.token for each in other.mechanisms}:
            raise ValueError("a release is in both private sketches: its rows would count twice")


def shrink(values: np.ndarray, edge: float) -> np.ndarray:
    r"""Return eigenvalues of a covariance from those that it has with noise.

    The eigenvalues of a symmetric matrix of independent noise of deviation :math:`\tau` lie within
    an edge of :math:`2 \tau \sqrt d`. Those within as much of their common mean are told apart by
    noise alone, and become that mean, :math:`\rho`. Others are off by what noise moves them
    outwards,

    .. math:: \lambda = \rho + \ell + \tau^2 d / \ell.

    Benaych-Georges and Nadakuditi, "The eigenvalues and eigenvectors of finite, low rank
    perturbations of large random matrices", 2011, section 3.1.

    Parameters
    ----------
    values : ndarray of shape (d,)
        Ascending.
    edge : float
        Not negative.
    """
    middle = float(np.median(values))
    for _ in values:
        near = values[np.abs(values - middle) <= edge]
        middle = float(near.mean()) if len(near) else middle
    is_noise = np.abs(values - middle) <= edge
    off = np.where(is_noise, edge, values - middle)
    moved = middle + 0.5 * (off + np.sign(off) * np.sqrt((off - edge) * (off + edge)))
    return np.maximum(np.where(is_noise, middle, moved), 0.0)
