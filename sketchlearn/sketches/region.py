"""Where the rows of a sketch lie, as far as the sketch itself knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, final

import numpy as np

from sketchlearn._validation import check_numbers
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.frequencies.covariance import Covariance, CovarianceMatrix
from sketchlearn.sketches.sketch_like import SketchLike

# How far a box reaches from the mean, in standard deviations: by Chebyshev's inequality one row in
# a thousand may lie there, and be all that makes a column so wide.
FARTHEST = 32.0
# Room around a column that hardly varies, in units of the scale.
ROOM = 0.1
# Half of the points that are to be everywhere lie within so many standard deviations; of the
# others each may lie within a multiple of its own, up to the farthest.
NEAR = 3.0
# Relative error of a corner.
ROUNDING = 1e-9

# From how many times the operator's spread on rows have moved far away, some of them or all.
MUCH_WIDER = 4.0

# Ratio of columns' widths from which the narrower are put down to other units.
UNLIKE = 100.0


@final
@dataclass(frozen=True, eq=False, repr=False)
class Region:
    r"""Mean and covariance of a sketch's rows, and a box around them: where decoders look.

    They are the sketch's own where it has moments, whatever the rows did since its operator was
    chosen. One row in a thousand, far from the others, makes the standard deviation :math:`\sigma`
    of a column at most 1/32 of its distance, so that the box reaches :math:`32\,\sigma`.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        In data coordinates.
    stored_covariance : Covariance
        Squared data units; of factors, where no more is known of wide rows.
    lower, upper : ndarray of shape (n_features,)
        Corners of the box, data coordinates: no atom is outside.
    is_exact : bool
        Whether mean and variances are the rows' own. Otherwise they were released with noise, or
        are the operator's: a pilot's, or those of rows spread evenly over a declared box.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.sketches import Region
    >>> sketcher = Sketcher(50, random_state=0).fit(np.random.default_rng(0).normal(size=(1000, 2)))
    >>> moved = sketcher.sketch([[99.0, 1.0], [101.0, 3.0]])
    >>> Region.of(moved).mean.round(3)
    array([100.,   2.])
    """

    mean: np.ndarray
    stored_covariance: Covariance
    lower: np.ndarray
    upper: np.ndarray
    is_exact: bool

    @classmethod
    def of(cls, sketch: SketchLike, bounds: Sequence[Any] | None = None) -> Self:
        """Return the region of a sketch's rows.

        Parameters
        ----------
        sketch : Sketch or PrivateSketch
            At least one row.
        bounds : (lower, upper), optional
            Corners that the rows are known to lie between, each of shape (n_features,) or one
            number for all; see `check_bounds`.

        Raises
        ------
        ValueError
            If the bounds are none, or rows lie outside.
        """
        d = sketch.n_features
        region = None if sketch.moment_kind is None else cls._of_moments(sketch)
        # Released moments that noise has left no variance do not tell where rows are.
        if region is None or not (region.is_exact or region.variance > 0.0):
            region = cls.of_operator(sketch.operator)
        if sketch.operator.domain.clips:
            region = region.cut(*check_bounds(sketch.operator.domain.box, d))
        if bounds is None:
            return region
        least, greatest = check_bounds(bounds, d)
        if region.is_exact:
            _require_inside(region, least, greatest, sketch.feature_names)
        return region.cut(least, greatest)

    @classmethod
    def of_operator(cls, operator: FrequencyOperator) -> Self:
        """Return the region that an operator was chosen for: its pilot's, or a declared box."""
        region = cls._around(operator, operator.center, operator.domain.covariance, is_exact=False)
        if (box := operator.domain.box) is None:
            return region
        return replace(
            region, lower=np.maximum(region.lower, box[0]), upper=np.minimum(region.upper, box[1])
        )

    @classmethod
    def _of_moments(cls, sketch: SketchLike) -> Self:
        """Return the region that a sketch's moments tell."""
        operator, moments = sketch.operator, sketch.moments
        mean, is_exact = moments.mean, sketch.is_exact
        if sketch.moment_kind == "full":
            covariance: Covariance = CovarianceMatrix(moments.covariance)
            return cls._around(operator, mean, covariance, is_exact=is_exact)
        # How columns go together is known of the operator's rows only.
        covariance = operator.domain.covariance.with_deviations(moments.standard_deviation)
        return cls._around(operator, mean, covariance, is_exact=is_exact)

    @classmethod
    def _around(
        cls,
        operator: FrequencyOperator,
        mean: np.ndarray,
        covariance: Covariance,
        *,
        is_exact: bool,
    ) -> Self:
        """Return the region of these moments."""
        reach = FARTHEST * np.sqrt(covariance.variances) + ROOM * operator.scale * operator.units
        return cls(mean, covariance, mean - reach, mean + reach, is_exact)

    def __repr__(self) -> str:
        return f"Region({len(self.mean)} columns, is_exact={self.is_exact})"

    @cached_property
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features), squared data units."""
        return self.stored_covariance.matrix()

    @property
    def variances(self) -> np.ndarray:
        """Variance of each column, (n_features,): the covariance's diagonal."""
        return self.stored_covariance.variances

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviation of each column, (n_features,)."""
        return np.sqrt(np.maximum(self.variances, 0.0))

    @property
    def variance(self) -> float:
        """Trace of the covariance."""
        return float(self.variances.sum())

    def is_much_wider(self, operator: FrequencyOperator) -> bool:
        """Whether the rows are known to be far more spread than those that an operator was for."""
        before = float(operator.domain.variances.sum())
        return self.is_exact and self.variance > MUCH_WIDER**2 * before

    def draw_gaussian(self, n_points: int, rng: np.random.Generator) -> np.ndarray:
        """Draw points (n_points, d) as Gaussian rows of these moments would lie, in the box."""
        normal = rng.standard_normal((n_points, len(self.mean)))
        return np.clip(self.mean + normal @ self._root, self.lower, self.upper)

    @cached_property
    def _root(self) -> np.ndarray:
        """A matrix R (d, d) with ``R^T R`` the covariance."""
        # Rounding makes eigenvalues of large columns' covariances negative, by little.
        values, axes = np.linalg.eigh(self.covariance)
        return np.asarray((axes * np.sqrt(np.maximum(values, 0.0))).T)

    def draw_everywhere(self, n_points: int, rng: np.random.Generator) -> np.ndarray:
        r"""Draw points (n_points, d) that reach everywhere in the box.

        Half of them are uniform within three standard deviations, where most rows are; each of the
        others within :math:`r\,\sigma`, with log r uniform up to where the box ends.
        """
        d = len(self.mean)
        reach = np.full(n_points, NEAR)
        n_near = n_points // 2
        reach[n_near:] = NEAR * (FARTHEST / NEAR) ** rng.random(n_points - n_near)
        steps = reach[:, None] * rng.uniform(-1.0, 1.0, size=(n_points, d))
        return np.clip(self.mean + steps * self.deviations, self.lower, self.upper)

    def clip_to_bounds(self, points: np.ndarray) -> np.ndarray:
        """Return points (..., n_features) between corners that were declared nearer than the box's.

        The box's own are no bounds: fewer rows than one in a thousand may lie beyond.
        """
        reach = FARTHEST * (1.0 - ROUNDING) * self.deviations
        lower = np.where(self.lower > self.mean - reach, self.lower, -np.inf)
        upper = np.where(self.upper < self.mean + reach, self.upper, np.inf)
        return np.clip(points, lower, upper)

    def cut(self, lower: np.ndarray, upper: np.ndarray) -> Region:
        """Return the region of rows that lie between corners (n_features,)."""
        corners = [np.clip(one, lower, upper) for one in (self.lower, self.upper)]
        mean = np.clip(self.mean, *corners)
        return replace(self, mean=mean, lower=corners[0], upper=corners[1])

    def in_units(self, units: np.ndarray) -> Region:
        """Return the region of rows divided by units (n_features,)."""
        if np.all(units == 1.0):
            return self
        return replace(
            self,
            mean=self.mean / units,
            stored_covariance=self.stored_covariance.in_units(units),
            lower=self.lower / units,
            upper=self.upper / units,
        )

    def along(self, axes: np.ndarray, center: np.ndarray) -> Region:
        """Return the region of the coordinates ``(x - center) @ axes`` for orthonormal (d, q)."""
        middle = (self.mean - center) @ axes
        covariance = axes.T @ (self.stored_covariance @ axes)
        corner = np.maximum(self.upper - self.mean, self.mean - self.lower)
        deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        reach = np.minimum(np.abs(axes).T @ corner, FARTHEST * deviations)
        return replace(
            self,
            mean=middle,
            stored_covariance=CovarianceMatrix(covariance),
            lower=middle - reach,
            upper=middle + reach,
        )


def check_bounds(bounds: Any, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return corners (n_features,) of a box, each of one number or one for each column.

    Parameters
    ----------
    bounds : (lower, upper)
        Numbers or arrays; infinite where there is no bound.
    n_features : int
        Dimension d.

    Raises
    ------
    TypeError, ValueError
        If they are no pair of numbers, or of d each, or lower is not below upper.
    """
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"bounds must be a pair (lower, upper), got {bounds!r}")
    corners = []
    for name, corner in zip(("lower", "upper"), bounds, strict=True):
        numbers = check_numbers(corner, f"the {name} of bounds")
        if numbers.shape not in ((), (n_features,)):
            raise ValueError(
                f"the {name} of bounds must be one number or {n_features}, one for each feature, "
                f"got shape {numbers.shape}"
            )
        corners.append(np.broadcast_to(numbers, n_features))
    lower, upper = corners
    if not np.all(lower < upper):
        j = int(np.argmin(lower < upper))
        raise ValueError(
            f"bounds must have lower below upper, got {lower[j]:g} and {upper[j]:g} for feature {j}"
        )
    return lower, upper


def _require_inside(
    region: Region, lower: np.ndarray, upper: np.ndarray, names: tuple[str, ...] | None
) -> None:
    r"""Refuse bounds that rows of these moments cannot all lie between.

    Rows between a and b have a variance of at most :math:`(b - \mu)(\mu - a)` (Bhatia and Davis,
    "A better bound on the variance", American Mathematical Monthly 107(4), 2000, theorem 1).
    """
    mean, deviations = region.mean, region.deviations
    with np.errstate(invalid="ignore", over="ignore"):
        most = np.where(np.isfinite(upper - lower), (upper - mean) * (mean - lower), np.inf)
    tolerance = 1e-9 * (np.abs(mean) + deviations)
    is_outside = (mean < lower - tolerance) | (mean > upper + tolerance)
    is_outside |= deviations**2 > np.maximum(most, 0.0) * (1 + 1e-6) + tolerance**2
    if is_outside.any():
        j = int(np.argmax(is_outside))
        what = f"feature {j}" if names is None else repr(names[j])
        raise ValueError(
            f"bounds exclude rows: {what} has mean {mean[j]:.6g} and standard deviation "
            f"{deviations[j]:.3g}, which no rows between {lower[j]:g} and {upper[j]:g} have"
        )


def compare_widths(deviations: np.ndarray) -> float:
    """Return how many times as wide as the narrowest column that varies the widest one is."""
    varying = deviations[deviations > 0.0]
    return float(varying.max() / varying.min()) if len(varying) else 1.0
