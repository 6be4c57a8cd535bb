"""The sketch: an immutable, exact, mergeable summary of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, ClassVar, Self, final

import numpy as np

from sketchlearn._validation import check_count, check_each
from sketchlearn.exceptions import EmptySketchError, SketchFormatError, SketchMismatchError
from sketchlearn.features.moments import (
    MomentChoice,
    MomentKind,
    Moments,
    MomentSums,
    resolve_moments,
)
from sketchlearn.files.atomic import write_atomically
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches.fixed_point import WEIGHT_UNIT
from sketchlearn.sketches.format import SKETCH_FILE, StoredSketch, encode_sketch, find_operator
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketches.sums import Sums


@final
@dataclass(frozen=True, eq=False, repr=False)
class Sketch(SketchLike):
    r"""Sums of the waves of an operator over rows, as integers; an immutable value.

    .. math:: z_j = \frac{1}{\sum_i w_i} \sum_i w_i \, e^{i \omega_j^\top x_i}

    Every row's cosine and sine of its centred phase are rounded once, to a multiple of
    :math:`2^{-21}`, and added as integers; feature maps other than `Waves` have integers of their
    own. Sketches with equal fingerprints therefore form an exact commutative group: any order,
    partition or number of threads gives the same bytes, and ``(a + b) - b == a``. No row is kept.
    What the sums and the operator tell of the rows all the same is said in the guide "What a file
    tells".

    Sketches come from `Sketcher.sketch`, `Sketch.load` and arithmetic; ``sum(sketches)`` works.

    Parameters
    ----------
    operator : FrequencyOperator
        What the rows were projected with.
    sums : Sums
        Sums (2, n_frequencies) of the operator's features, for waves cosines and sines of centred
        phases in multiples of 2^-21, and counts of the rows; perhaps with the rows' moments.
    feature_names : tuple of str, optional
        Names of the features, where the sketcher knew them. They go into its file; sketches are
        equal whatever their names.

    Raises
    ------
    ValueError
        If shapes or counts cannot be those of a sketch.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketch, Sketcher
    >>> X = np.random.default_rng(0).normal(size=(1000, 2))
    >>> sketch = Sketcher(50, random_state=0).fit(X).sketch(X)
    >>> sketch.n_samples, sketch.mean.shape
    (1000, (50,))
    >>> Sketch.from_bytes(sketch.to_bytes()) == sketch
    True
    """

    operator: FrequencyOperator
    sums: Sums
    feature_names: tuple[str, ...] | None = field(default=None, kw_only=True)
    is_exact: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if (came := self.feature_sum.shape) != (2, self.operator.n_frequencies):
            raise ValueError(
                f"feature_sum must be of shape (2, {self.operator.n_frequencies}), got {came}"
            )
        moments, d = self.sums.moments, self.operator.n_features
        if moments is not None and moments.n_features != d:
            raise ValueError(f"moments must be of {d} features, got {moments.n_features}")
        if not self.sums.is_possible(self.operator.features):
            raise ValueError(
                "no rows have these sums with n_samples={}, weight_units={}, "
                "squared_weight_units={}".format(*self.sums.counts)
            )
        require_feature_names(self.feature_names, d)

    @classmethod
    def empty(cls, operator: FrequencyOperator, moments: MomentChoice = "auto") -> Self:
        """Return the sketch of no rows: the neutral element among those with such moments."""
        d = operator.n_features
        kind = resolve_moments(moments, d)
        none = None if kind is None else MomentSums.empty(d, kind)
        return cls(operator, Sums.empty((2, operator.n_frequencies), none))

    @property
    def feature_sum(self) -> np.ndarray:
        """Sums (2, n_frequencies) int64 of cosines and of sines of centred phases."""
        return self.sums.feature_sum

    @property
    def n_samples(self) -> int:
        """Rows of positive weight."""
        return self.sums.n_samples

    @property
    def weight_units(self) -> int:
        """Sum of the weights in units of 2^-20."""
        return self.sums.weight_units

    @property
    def squared_weight_units(self) -> int:
        """Sum of the squared weights in units of 2^-40."""
        return self.sums.squared_weight_units

    @property
    def weight_sum(self) -> float:
        """Sum of the weights; the number of rows where none were given."""
        return self.sums.weight_sum

    @property
    def n_effective(self) -> float:
        """Rows of equal weight that would be as noisy: (sum w)^2 / sum w^2; 0 if empty."""
        if self.n_samples == 0:
            return 0.0
        return self.weight_units**2 / self.squared_weight_units

    @property
    def centered_mean(self) -> np.ndarray:
        r"""Mean (n_frequencies,) complex128 of :math:`e^{i \omega_j^\top (x - center)}`.

        Raises
        ------
        EmptySketchError
            If the sketch holds no rows.
        """
        self._require_rows("mean")
        # In lowest terms, so that a common factor of all weights changes no last bit.
        common = math.gcd(int(np.gcd.reduce(self.feature_sum, axis=None)), self.weight_units)
        weight_sum = self.weight_units // common * WEIGHT_UNIT
        return self.operator.features.mean(self.feature_sum // common, weight_sum)

    @property
    def standard_error(self) -> float:
        r"""Expected distance of `mean` to that of the whole population.

        .. math:: \sqrt{\mathrm{E} \lVert \hat z - z \rVert^2} = \sqrt{(m - \lVert z \rVert^2) / n}

        with n the effective number of rows.

        Raises
        ------
        EmptySketchError
            If the sketch holds no rows.
        """
        self._require_rows("standard_error")
        noise = self.operator.features.noise(self.centered_mean)
        return float(np.sqrt(noise / self.n_effective))

    @property
    def moments(self) -> Moments:
        """Mean, variance and, of moments of the kind "full", covariance of the rows, exactly.

        Exactly but for rounding each row to `FrequencyOperator.moment_grid`, whose steps are at
        most 2^-21 of a column's spread.

        Raises
        ------
        EmptySketchError
            If the sketch holds no rows.
        ValueError
            If the sketch was taken without moments.
        """
        if self.sums.moments is None:
            raise ValueError(
                "the sketch has no moments: sketch the rows with Sketcher(moments='auto')"
            )
        self._require_rows("moments")
        return Moments(self.operator.moment_grid, self.sums.moments, self.weight_units)

    @property
    def moment_kind(self) -> MomentKind | None:
        """Which second moments there are: "full" or "diagonal"; None if the sketch has none."""
        return None if self.sums.moments is None else self.sums.moments.kind

    def with_operator(self, operator: FrequencyOperator) -> Sketch:
        """Return the sums, without moments or names, as of another operator of as many waves."""
        return Sketch(operator, self.sums.without_moments())

    def without_moments(self) -> Sketch:
        """Return the sketch without moments, which adds to others that have none."""
        return replace(self, sums=self.sums.without_moments())

    def standardised(self) -> Sketch:
        """Return the sketch of the rows divided by the operator's `units`: the same sums.

        Moments are left out where the frequencies, being made by hand, have units of their own
        once more, so that the grid would be another.
        """
        units, operator = self.operator.units, self.operator.standardised()
        if operator is self.operator:
            return self
        steps = self.operator.moment_grid.steps / units
        is_alike = np.array_equal(operator.moment_grid.steps, steps)
        sums = self.sums if is_alike else self.sums.without_moments()
        return replace(self, operator=operator, sums=sums)

    def reweighted(self, factor: int) -> Sketch:
        """Return the sketch of the same rows, each `factor` times as heavy; exactly.

        Where weights are integers it is, bit for bit, what sketching the rows with weights that
        much larger gives. Only integers are exact, so it is the newer rows that become heavier
        where older ones should fade: see the guide on data that does not fit into memory.

        Parameters
        ----------
        factor : int
            At least 1.

        Raises
        ------
        TypeError
            If it is no integer.
        ValueError
            If it is less than 1, or the total weight would reach 2^40.
        """
        return replace(self, sums=self.sums.scaled(check_count(factor, "factor")))

    def save(self, path: str | PathLike[str], *, operator: bool = True) -> None:
        """Write the sketch's bytes to a file, wholly or not at all.

        A temporary file beside it is written, flushed to the disk and renamed; an older file of
        that name stays as it was until then, and its permissions remain. One that is read-only is
        not replaced.

        Parameters
        ----------
        path : path-like
            The file.
        operator : bool, default=True
            Whether the operator is written too. Without it, a file has 16 bytes a frequency (of
            signs a few, as many as counts of the rows need), the moments, and a header that names
            the operator by its fingerprint; it is read with the operator, which
            `FrequencyOperator.save` writes once for many sketches.

        Raises
        ------
        TypeError
            If `operator` is neither true nor false.
        OSError
            If the file cannot be written; nothing is left behind.
        """
        write_atomically(path, self.to_bytes(operator=operator))

    @classmethod
    def load(
        cls,
        path: str | PathLike[str],
        *,
        operator: FrequencyOperator | str | PathLike[str] | None = None,
    ) -> Self:
        """Read a sketch that `save` wrote.

        Parameters
        ----------
        path : path-like
            The file.
        operator : FrequencyOperator or path-like, optional
            The operator that the sketch was taken with, or its file; needed where the sketch's
            file is without it.

        Raises
        ------
        SketchFormatError
            If the file is foreign, truncated, altered, of a newer format, or without its operator
            where none is given.
        SketchMismatchError
            If the sketch was taken with another operator than the one that is given.
        OSError
            If a file cannot be read.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np
        >>> from sketchlearn import Sketch, Sketcher
        >>> X = np.random.default_rng(0).normal(size=(1000, 2))
        >>> sketcher = Sketcher(50, random_state=0).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sketcher.operator_.save(os.path.join(folder, "operator"))
        ...     sketcher.sketch(X).save(os.path.join(folder, "monday"), operator=False)
        ...     monday = Sketch.load(
        ...         os.path.join(folder, "monday"), operator=os.path.join(folder, "operator")
        ...     )
        >>> monday == sketcher.sketch(X)
        True
        """
        return cls.restore(SKETCH_FILE.load(path), find_operator(operator))

    def to_bytes(self, *, operator: bool = True) -> bytes:
        """Return the sketch as the bytes of a safetensors file, its operator among them or not.

        Equal sketches with equal names give equal bytes where one version of the library writes
        both: the version is in the header.
        """
        if not isinstance(operator, bool | np.bool_):
            raise TypeError(f"operator must be True or False, got {type(operator).__name__}")
        stored = StoredSketch(
            self.operator if operator else None,
            self.sums,
            self.feature_names,
            self.fingerprint,
            None if self.sums.moments is None else self.operator.moment_grid.exponents,
            self.operator.features.is_binary,
        )
        return encode_sketch(stored)

    @classmethod
    def from_bytes(
        cls, data: bytes, *, operator: FrequencyOperator | str | PathLike[str] | None = None
    ) -> Self:
        """Return the sketch that `to_bytes` turned into these bytes.

        Parameters
        ----------
        data : bytes
            The bytes.
        operator : FrequencyOperator or path-like, optional
            As of `load`.

        Raises
        ------
        SketchFormatError, SketchMismatchError
            As of `load`.
        """
        return cls.restore(SKETCH_FILE.decode(data), find_operator(operator))

    @classmethod
    def restore(cls, stored: StoredSketch, operator: FrequencyOperator | None = None) -> Self:
        """Return the sketch of what a file held, with an operator if it has none; errors as `load`.

        An operator that is given takes the place of the file's, which must be the same.
        """
        operator = operator or stored.operator
        if operator is None:
            raise SketchFormatError(
                f"the sketch was written without its operator, {stored.fingerprint}: load it with "
                "operator=, a FrequencyOperator or the file that FrequencyOperator.save wrote"
            )
        if operator.fingerprint != stored.fingerprint:
            raise SketchMismatchError(
                f"the sketch was taken with the operator {stored.fingerprint}, and "
                f"{operator.fingerprint} was given: give the one that it was taken with"
            )
        try:
            sketch = cls(operator, stored.sums, feature_names=stored.feature_names)
        except ValueError as error:
            raise SketchFormatError(f"the file does not describe a sketch: {error}") from error
        exponents = stored.moment_exponents
        if exponents is not None and not np.array_equal(exponents, operator.moment_grid.exponents):
            raise SketchFormatError("the moments are on another grid than the operator's")
        return sketch

    @classmethod
    def sum(cls, sketches: Iterable[Sketch]) -> Sketch:
        """Add sketches of one operator, as Python's `sum` does; the result's type is a sketch's.

        Parameters
        ----------
        sketches : iterable of Sketch
            At least one.

        Returns
        -------
        Sketch
            The sketch of all their rows: exactly, in any order.

        Raises
        ------
        TypeError, ValueError
            If something else is among them, or there is none; or a mapping is given.
        SketchMismatchError
            If their operators, moments or names differ.

        Examples
        --------
        >>> import numpy as np
        >>> from sketchlearn import Sketch, Sketcher
        >>> X = np.random.default_rng(0).normal(size=(300, 2))
        >>> sketcher = Sketcher(50, random_state=0).fit(X)
        >>> Sketch.sum(map(sketcher.sketch, np.array_split(X, 3))) == sketcher.sketch(X)
        True
        """
        total = sum(check_each(sketches, Sketch, "sketches to add"))
        if not isinstance(total, Sketch):
            raise ValueError("expected at least one sketch to add, got none")
        return total

    def __add__(self, other: Any) -> Sketch:
        if not isinstance(other, Sketch):
            return NotImplemented
        self._require_same_kind(other)
        names = self._common_names(other)
        return Sketch(self.operator, self.sums + other.sums, feature_names=names)

    def __radd__(self, other: Any) -> Sketch:
        # `sum` starts from the integer 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: Any) -> Sketch:
        if not isinstance(other, Sketch):
            return NotImplemented
        self._require_same_kind(other)
        names = self._common_names(other)
        sums = self.sums - other.sums
        if not sums.is_possible(self.operator.features):
            raise ValueError(
                f"cannot take a sketch of {other.n_samples} rows (weight {other.weight_sum:.6g}) "
                f"from one of {self.n_samples} rows (weight {self.weight_sum:.6g}) that does not "
                "contain them"
            )
        return Sketch(self.operator, sums, feature_names=names)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return self.fingerprint == other.fingerprint and self.sums == other.sums

    def __hash__(self) -> int:
        return hash((self.fingerprint, self.sums))

    def __reduce__(self) -> tuple[Any, ...]:
        return Sketch.from_bytes, (self.to_bytes(),)

    def __copy__(self) -> Sketch:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Sketch:
        return self

    def __repr__(self) -> str:
        return (
            f"Sketch(n_samples={self.n_samples}, n_features={self.operator.n_features}, "
            f"n_frequencies={self.operator.n_frequencies}, sums of "
            f"{self.feature_sum.nbytes} bytes, operator {self.fingerprint[:12]})"
        )

    def _common_names(self, other: Sketch) -> tuple[str, ...] | None:
        """Return the names of the features of two sketches, or refuse those that differ."""
        ours, theirs = self.feature_names, other.feature_names
        if ours is None or theirs is None:
            return ours or theirs
        if ours != theirs:
            raise SketchMismatchError(
                f"the sketches are of different features: {', '.join(ours)} and {', '.join(theirs)}"
            )
        return ours

    def _require_rows(self, name: str) -> None:
        """Refuse to divide by no rows."""
        if self.n_samples == 0:
            raise EmptySketchError(f"a sketch without rows has no {name}")

    def _require_same_kind(self, other: Sketch) -> None:
        """Refuse a sketch of another operator or other moments, naming what differs."""
        if self.fingerprint == other.fingerprint:
            kinds = [sketch.moment_kind for sketch in (self, other)]
            if kinds[0] != kinds[1]:
                raise SketchMismatchError(
                    f"one sketch has moments={kinds[0]!r}, the other {kinds[1]!r}: sketch the rows "
                    "again with Sketcher.from_sketch of the other, or add without_moments() of both"
                )
            return
        ours, theirs = self.operator.components(), other.operator.components()
        names = [
            name
            for name in {**ours, **theirs}
            if not np.array_equal(np.asarray(ours.get(name)), np.asarray(theirs.get(name)))
        ]
        raise SketchMismatchError(
            f"the sketches were taken with different operators: {', '.join(names)} differ "
            f"({self.operator!r} and {other.operator!r}); sketch both with the same fitted "
            "Sketcher"
        )


def require_feature_names(names: tuple[str, ...] | None, n_features: int) -> None:
    """Refuse, by a ValueError, names that are too few or too many, or alike."""
    if names is not None and len(names) != n_features:
        raise ValueError(f"feature_names must be {n_features} names, got {len(names)}")
    if names is not None and len({*names}) < n_features:
        raise ValueError(f"feature_names must differ from each other, got {names}")
