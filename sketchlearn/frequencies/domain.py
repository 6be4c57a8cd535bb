"""Where rows lie: what an operator knows of them beside its frequencies."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, final

import numpy as np

from sketchlearn.frequencies.covariance import ROUNDING, Covariance, CovarianceMatrix
from sketchlearn.linear_maps.linear_map import read_only

# The largest coordinate, whose square is still far from overflow; its inverse is the least scale.
LARGEST = 1e150
CORNERS = ("lower", "upper")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Domain:
    r"""Centre, scale and covariance of the rows, and the box that they were said to lie in.

    An immutable value.

    Parameters
    ----------
    center : array-like of shape (n_features,)
        Taken from every row, in float64, before it is projected.
    scale : float
        Standard deviation of a cluster, in data units (or, column by column, in `units` of them).
    covariance : array-like of shape (n_features, n_features), or Covariance
        Covariance of the rows as far as known, in squared data units: a pilot's, or that of rows
        spread evenly over the box. As factors it takes few bytes, in memory and in files.
    lower, upper : array-like of shape (n_features,), optional
        Corners of a box in data coordinates that somebody declared; a pilot declares none, whose
        extremes nobody else should learn. Both or neither.
    finest_scale : float, optional
        Least standard deviation of a cluster that frequencies were drawn for, where they were drawn
        for more than one: from `scale`, the greatest, down to it.
    clips : bool, default=False
        Whether coordinates outside the box are moved to its nearest side before anything is made
        of a row, so that no row, whatever it holds, adds more than one in the box does.
    radius : float, optional
        Of a domain that clips: how far from the middle of the box rows may be, as the root of the
        sum of squares of their coordinates, each in units of half the box's width. Those farther
        away are moved towards the middle. No row in the box is farther than :math:`\sqrt d`.
    shared : array-like of shape (q, 4), optional
        Values that many rows were seen to share, if somebody looked: of each its column, itself,
        and which shares of the rows have less, and no more. No wave tells it from what is close.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, a scale is not positive, the finest is
        greater than the other, or the box is empty, lacks a corner, or is missing where rows are
        to be clipped to it.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.frequencies import Domain
    >>> Domain(center=np.zeros(2), scale=1.0, covariance=np.eye(2)).n_features
    2
    """

    center: np.ndarray
    scale: float
    covariance: Covariance
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    finest_scale: float | None = None
    clips: bool = False
    radius: float | None = None
    shared: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.lower is None) != (self.upper is None):
            raise ValueError("expected both corners of the box, lower and upper, or neither")
        for name in self._arrays():
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))
        given: Any = self.covariance
        if not isinstance(given, Covariance):
            object.__setattr__(self, "covariance", CovarianceMatrix(given))
        object.__setattr__(self, "scale", float(self.scale))
        if self.finest_scale is not None:
            object.__setattr__(self, "finest_scale", float(self.finest_scale))
        object.__setattr__(self, "clips", bool(self.clips))
        if self.clips and self.lower is None:
            raise ValueError("a domain clips rows to a box: give lower and upper")
        if self.radius is not None:
            object.__setattr__(self, "radius", float(self.radius))
        if self.shared is not None:
            object.__setattr__(self, "shared", read_only(self.shared, np.float64))
        self._check_domain()

    def __repr__(self) -> str:
        finest = "" if self.finest_scale is None else f", finest_scale={self.finest_scale:.6g}"
        box = "" if self.lower is None else f", in a box{' that clips' if self.clips else ''}"
        return f"Domain(n_features={self.n_features}, scale={self.scale:.6g}{finest}{box})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Domain, tuple(getattr(self, one.name) for one in fields(self))

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return len(self.covariance.variances)

    @property
    def variances(self) -> np.ndarray:
        """Variance of each column, (n_features,): the covariance's diagonal."""
        return self.covariance.variances

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Corners (n_features,) of the declared box, lower and upper; None if there is none."""
        return None if self.lower is None or self.upper is None else (self.lower, self.upper)

    @property
    def is_of_box(self) -> bool:
        """Whether centre and covariance say no more than the declared box: no row was seen."""
        if self.box is None:
            return False
        center, covariance = describe_box(*self.box, self.radius)
        is_middle = np.array_equal(self.center, center)
        return is_middle and np.array_equal(self.covariance.matrix(), covariance)

    def clip(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (n, n_features), those outside the box moved to it if the domain clips."""
        if not self.clips:
            return rows
        clipped = np.clip(rows.astype(np.float64, copy=False), self.lower, self.upper)
        if self.radius is None or not len(rows):
            return clipped
        assert self.lower is not None
        assert self.upper is not None
        half = 0.5 * self.upper - 0.5 * self.lower
        # Column by column, so that every machine rounds alike.
        squares = np.zeros(len(clipped))
        for column, middle, unit in zip(clipped.T, self.center, half, strict=True):
            offset = (column - middle) / unit
            squares += offset * offset
        distances = np.sqrt(squares)
        is_far = distances > self.radius
        factors = (self.radius / distances[is_far])[:, None]
        clipped[is_far] = self.center + (clipped[is_far] - self.center) * factors
        # What was moved may have been rounded beyond a side.
        return np.clip(clipped, self.lower, self.upper)

    @property
    def scales(self) -> tuple[float, ...]:
        """Scales that a decoder may look for clusters at: octaves from `scale` to the finest."""
        octaves = 0.0 if self.finest_scale is None else np.log2(self.scale / self.finest_scale)
        return tuple(self.scale / 2**u for u in range(1 + int(octaves + ROUNDING)))

    def components(self) -> dict[str, np.ndarray | float | bool]:
        """What it consists of, by name, in the order of the operator's fingerprint."""
        box = dict(zip(CORNERS, self.box or (), strict=False))
        finest = {} if self.finest_scale is None else {"finest_scale": self.finest_scale}
        return {
            "center": self.center,
            "scale": self.scale,
            **finest,
            **box,
            **self.covariance.components(),
            **({"clips": True} if self.clips else {}),
            **({} if self.radius is None else {"radius": self.radius}),
            **({} if self.shared is None else {"shared": self.shared}),
        }

    def in_units(self, units: np.ndarray) -> Domain:
        """Return the domain of rows divided by units (n_features,), the scale as it is."""
        corners = zip(CORNERS, self.box or (), strict=False)
        shared = None if self.shared is None else self.shared.copy()
        if shared is not None:
            shared[:, 1] /= units[shared[:, 0].astype(int)]
        return replace(
            self,
            center=self.center / units,
            covariance=self.covariance.in_units(units),
            shared=shared,
            **{name: corner / units for name, corner in corners},
        )

    def _arrays(self) -> tuple[str, ...]:
        """Return the names of the arrays that there are."""
        return ("center", *(() if self.lower is None else CORNERS))

    def _check_domain(self) -> None:
        """Refuse what cannot be a domain."""
        d = self.n_features
        for name in self._arrays():
            if (shape := getattr(self, name).shape) != (d,):
                raise ValueError(f"{name} must have shape {(d,)}, got {shape}")
        for name in self._arrays():
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite")
        if not np.isfinite(self.variances).all():
            raise ValueError("covariance must be finite")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, got {self.scale!r}")
        if self.finest_scale is not None and not 0.0 < self.finest_scale <= self.scale:
            raise ValueError(
                f"finest_scale must be positive and at most scale, {self.scale!r}, "
                f"got {self.finest_scale!r}"
            )
        if self.box is not None and np.any(self.box[0] > self.box[1]):
            raise ValueError("lower must not exceed upper in any feature")
        if self.radius is not None and not (self.clips and 0.0 < self.radius <= LARGEST):
            raise ValueError(
                "radius must be positive, and the domain clip rows to a box; got "
                f"{self.radius!r} and clips={self.clips}"
            )
        if self.radius is not None and self.box is not None and np.any(self.box[0] >= self.box[1]):
            raise ValueError("a radius is in halves of the box's widths, which must not be zero")
        if self.shared is not None:
            self._check_shared(self.shared)
        self._check_sizes()

    def _check_shared(self, shared: np.ndarray) -> None:
        """Refuse what cannot be values that rows of the domain share."""
        if shared.ndim != 2 or shared.shape[1] != 4:
            raise ValueError(f"shared must have shape (q, 4), got {shared.shape}")
        columns, values, below, up_to = shared.T
        is_column = (columns == np.rint(columns)) & (columns >= 0) & (columns < self.n_features)
        is_share = (below >= 0.0) & (below < up_to) & (up_to <= 1.0)
        if not np.all(is_column & is_share & (np.abs(values) <= LARGEST)):
            raise ValueError("shared must hold columns, values and growing shares of the rows")

    def _check_sizes(self) -> None:
        """Refuse numbers whose squares or differences no float64 holds, and no covariance."""
        for name in self._arrays():
            if np.abs(getattr(self, name)).max() > LARGEST:
                raise ValueError(
                    f"{name} must be within {LARGEST:.0e} of zero; rescale the data to order one"
                )
        if not 1.0 / LARGEST < self.scale < LARGEST:
            raise ValueError(f"scale must be between {1 / LARGEST:.0e} and {LARGEST:.0e}")
        variances = self.variances
        if variances.min() < 0.0 or variances.max() > LARGEST**2:
            raise ValueError(f"covariance must have variances between 0 and {LARGEST**2:.0e}")
        self.covariance.check()


def describe_box(
    lower: np.ndarray, upper: np.ndarray, radius: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of a box (d,), and the covariance (d, d) of rows spread evenly over it.

    Or, where that is less, of rows spread evenly over the ellipsoid of a radius, see `Domain`.
    """
    widths = upper - lower
    share = 1.0 / 12.0
    if radius is not None:
        share = min(share, 0.25 * radius * radius / (len(widths) + 2))
    variances = widths * widths / 12.0 if share == 1.0 / 12.0 else widths * widths * share
    return 0.5 * lower + 0.5 * upper, np.diag(variances)
