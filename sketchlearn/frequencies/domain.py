"""Where rows lie: what an operator knows of them beside its frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from sketchlearn.linear_maps.linear_map import read_only

# The largest coordinate, whose square is still far from overflow; its inverse is the least scale.
LARGEST = 1e150
# By how much, as a fraction, a covariance may miss symmetry or a correlation of one.
ROUNDING = 1e-6


@final
@dataclass(frozen=True, eq=False)
class Domain:
    """Centre, scale, search box and covariance of the rows; an immutable value.

    Parameters
    ----------
    center : array-like of shape (n_features,)
        Taken from every row, in float64, before it is projected.
    scale : float
        Standard deviation of a cluster, in data units (or, column by column, in `units` of them).
    lower, upper : array-like of shape (n_features,)
        Corners of the box that decoders search, in data coordinates.
    covariance : array-like of shape (n_features, n_features)
        Covariance of the pilot, squared data units: where and how widely decoders start.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, scale is not positive, or the box is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.frequencies import Domain
    >>> zeros, ones = np.zeros(2), np.ones(2)
    >>> domain = Domain(center=zeros, scale=1.0, lower=-ones, upper=ones, covariance=np.eye(2))
    >>> domain.lower
    array([-1., -1.])
    """

    center: np.ndarray
    scale: float
    lower: np.ndarray
    upper: np.ndarray
    covariance: np.ndarray

    def __post_init__(self) -> None:
        for name in ("center", "lower", "upper", "covariance"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))
        object.__setattr__(self, "scale", float(self.scale))
        self._check_domain()

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.center, self.scale, self.lower, self.upper, self.covariance)
        return Domain, parts

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self.lower.size

    def in_units(self, units: np.ndarray) -> Domain:
        """Return the domain of rows divided by units (n_features,), the scale as it is."""
        return Domain(
            self.center / units,
            self.scale,
            self.lower / units,
            self.upper / units,
            self.covariance / np.outer(units, units),
        )

    def _check_domain(self) -> None:
        """Refuse what cannot be a domain."""
        d = self.n_features
        shapes = {"center": (d,), "lower": (d,), "upper": (d,), "covariance": (d, d)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        for name in shapes:
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be positive and finite, got {self.scale!r}")
        if np.any(self.lower > self.upper):
            raise ValueError("lower must not exceed upper in any feature")
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Refuse numbers whose squares or differences no float64 holds, and no covariance."""
        for name in ("center", "lower", "upper"):
            if np.abs(getattr(self, name)).max() > LARGEST:
                raise ValueError(
                    f"{name} must be within {LARGEST:.0e} of zero; rescale the data to order one"
                )
        if not 1.0 / LARGEST < self.scale < LARGEST:
            raise ValueError(f"scale must be between {1 / LARGEST:.0e} and {LARGEST:.0e}")
        variances = np.diag(self.covariance)
        if variances.min() < 0.0 or variances.max() > LARGEST**2:
            raise ValueError(f"covariance must have variances between 0 and {LARGEST**2:.0e}")
        deviations = np.sqrt(variances)
        # Up to the rounding of sums, a covariance is symmetric and a correlation at most one.
        slack = ROUNDING * np.outer(deviations, deviations) + np.finfo(np.float64).tiny
        if np.any(np.abs(self.covariance - self.covariance.T) > slack):
            raise ValueError("covariance must be symmetric")
        if np.any(np.abs(self.covariance) > np.outer(deviations, deviations) + slack):
            raise ValueError("covariance must have correlations of at most 1")
