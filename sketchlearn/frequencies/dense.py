"""Frequencies kept as a plain matrix."""

from __future__ import annotations

import hashlib
from typing import Any, Self, final

import numpy as np

from sketchlearn.features.accumulator import Accumulator, DenseAccumulator, single_phase_limit
from sketchlearn.frequencies.operator import FrequencyOperator
from sketchlearn.frequencies.radius import RadiusLaw

TWO_PI = 2.0 * np.pi

# The largest coordinate, whose square is still far from overflow; its inverse is the least scale.
LARGEST = 1e150
# By how much, as a fraction, a covariance may miss symmetry or a correlation of one.
ROUNDING = 1e-6
# Pilot rows farthest from the centre whose phases decide on the precision.
N_FARTHEST = 256


@final
class DenseFrequencies(FrequencyOperator):
    r"""An operator that stores its frequencies, in turns, as a float32 matrix.

    That float32 matrix *is* the operator: ``frequencies`` is it times :math:`2\pi` in float64, so
    no error comes from storing it.

    Parameters
    ----------
    turns : array-like of shape (n_features, n_frequencies)
        Frequencies over :math:`2\pi`, per unit of the data; rounded to float32.
    center : array-like of shape (n_features,)
        Taken from every row, in float64, before it is projected.
    scale : float
        Standard deviation of a cluster, in data units (or, column by column, in `units` of them).
    lower, upper : array-like of shape (n_features,)
        Corners of the box that decoders search, in data coordinates.
    covariance : array-like of shape (n_features, n_features)
        Covariance of the pilot, squared data units: where and how widely decoders start.
    double_phases : bool, default=False
        Whether the phases of all rows are computed in float64, up to twice as slow. Those of rows
        far from the centre are in any case, so that this is a matter of speed where such rows are
        rare.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, scale is not positive, or the box is empty.
    """

    def __init__(
        self,
        turns: Any,
        center: Any,
        scale: float,
        lower: Any,
        upper: Any,
        covariance: Any,
        *,
        double_phases: bool = False,
    ) -> None:
        self._turns = _frozen(turns, np.float32)
        if self._turns.ndim != 2 or 0 in self._turns.shape:
            raise ValueError(
                f"turns must have shape (n_features, n_frequencies), got {self._turns.shape}"
            )
        self._center = _frozen(center, np.float64)
        self._lower = _frozen(lower, np.float64)
        self._upper = _frozen(upper, np.float64)
        self._covariance = _frozen(covariance, np.float64)
        self._scale = float(scale)
        self._double_phases = bool(double_phases)
        self._check()
        self._frequencies = _frozen(self._turns.astype(np.float64) * TWO_PI, np.float64)
        self._fingerprint = _digest(self.components())

    @classmethod
    def draw(
        cls,
        n_frequencies: int,
        *,
        scale: float,
        bandwidth: float,
        radius_law: RadiusLaw,
        center: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        covariance: np.ndarray,
        pilot: np.ndarray,
        seed: int,
        units: np.ndarray | float = 1.0,
    ) -> Self:
        r"""Draw an operator: :math:`\omega = (R / \text{bandwidth})\, \varphi / \text{units}`.

        R follows `radius_law` and the directions :math:`\varphi` are uniform on the sphere,
        orthogonal within each successive group of d of them, which lowers the variance of what is
        estimated from the sketch (Yu, Suresh, Choromanski, Holtmann-Rice and Kumar, 2016,
        "Orthogonal random features", section 3).

        Parameters
        ----------
        n_frequencies : int
            m, at least 1.
        scale, center, lower, upper, covariance
            As in the constructor.
        bandwidth : float
            What divides the radii, in data units.
        radius_law : RadiusLaw
            The law of R.
        pilot : ndarray of shape (p, n_features)
            Rows whose largest phase decides whether phases need float64.
        seed : int
            Everything random follows from it.
        units : ndarray of shape (n_features,), optional
            Powers of two, the least of them one, that columns are divided by: what scale and
            bandwidth are measured in.
        """
        radius_rng, direction_rng = np.random.default_rng(seed).spawn(2)
        radii = radius_law.sample(n_frequencies, radius_rng)
        directions = orthogonal_directions(len(center), n_frequencies, direction_rng)
        with np.errstate(over="ignore"):
            turns = (directions * (radii / (TWO_PI * bandwidth))).astype(np.float32)
        turns /= np.broadcast_to(units, len(center)).astype(np.float32)[:, None]
        is_double = largest_phase(turns, pilot - center) > single_phase_limit(len(center))
        return cls(turns, center, scale, lower, upper, covariance, double_phases=is_double)

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self._turns.shape[0]

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return self._turns.shape[1]

    @property
    def turns(self) -> np.ndarray:
        """Frequencies over 2 pi, shape (n_features, n_frequencies), float32."""
        return self._turns

    @property
    def frequencies(self) -> np.ndarray:
        """Omega, shape (n_features, n_frequencies), float64, radians per unit of the data."""
        return self._frequencies

    @property
    def center(self) -> np.ndarray:
        """Point (n_features,) taken from every row."""
        return self._center

    @property
    def scale(self) -> float:
        """Standard deviation of a cluster, data units."""
        return self._scale

    @property
    def lower(self) -> np.ndarray:
        """Lower corner (n_features,) of the box that decoders search."""
        return self._lower

    @property
    def upper(self) -> np.ndarray:
        """Upper corner (n_features,) of the box that decoders search."""
        return self._upper

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features) of the pilot."""
        return self._covariance

    @property
    def double_phases(self) -> bool:
        """Whether phases are computed in float64."""
        return self._double_phases

    @property
    def fingerprint(self) -> str:
        """BLAKE2b digest of all arrays and flags, 32 hexadecimal digits."""
        return self._fingerprint

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ frequencies, see `FrequencyOperator.project`."""
        return np.asarray(X, dtype=np.float64) @ self._frequencies

    def standardised(self) -> DenseFrequencies:
        """Return the operator in its own units; powers of two, so that nothing is rounded."""
        units = self.units
        if np.all(units == 1.0):
            return self
        return DenseFrequencies(
            self._turns * units.astype(np.float32)[:, None],
            self._center / units,
            self._scale,
            self._lower / units,
            self._upper / units,
            self._covariance / np.outer(units, units),
            double_phases=self._double_phases,
        )

    def accumulator(self) -> Accumulator:
        """Return a fresh accumulator, for one thread."""
        dtype = np.float64 if self._double_phases else np.float32
        return DenseAccumulator(self._turns.astype(dtype), self._center)

    def components(self) -> dict[str, np.ndarray | float | bool]:
        """Everything that the operator consists of, by name."""
        return {
            "turns": self._turns,
            "center": self._center,
            "scale": self._scale,
            "lower": self._lower,
            "upper": self._upper,
            "covariance": self._covariance,
            "double_phases": self._double_phases,
        }

    def __repr__(self) -> str:
        return (
            f"DenseFrequencies(n_features={self.n_features}, n_frequencies={self.n_frequencies}, "
            f"scale={self.scale:.6g}, fingerprint={self.fingerprint[:12]})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.components(),)

    def _check(self) -> None:
        """Refuse what cannot be an operator."""
        d = self.n_features
        shapes = {"center": (d,), "lower": (d,), "upper": (d,), "covariance": (d, d)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
        largest = np.abs(self._turns).max()
        if not (np.finfo(np.float32).tiny <= largest < np.inf):
            raise ValueError(
                f"turns must be of a size that float32 has, got up to {largest}; rescale the data "
                f"(scale {self._scale:.3g}) to order one"
            )
        for name in shapes:
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{name} must be finite")
        if not (np.isfinite(self._scale) and self._scale > 0):
            raise ValueError(f"scale must be positive and finite, got {self._scale!r}")
        if np.any(self._lower > self._upper):
            raise ValueError("lower must not exceed upper in any feature")
        self._check_sizes()

    def _check_sizes(self) -> None:
        """Refuse numbers whose squares or differences no float64 holds, and no covariance."""
        for name in ("center", "lower", "upper"):
            if np.abs(getattr(self, name)).max() > LARGEST:
                raise ValueError(f"{name} must be within {LARGEST:.0e} of zero")
        if not 1.0 / LARGEST < self._scale < LARGEST:
            raise ValueError(f"scale must be between {1 / LARGEST:.0e} and {LARGEST:.0e}")
        variances = np.diag(self._covariance)
        if variances.min() < 0.0 or variances.max() > LARGEST**2:
            raise ValueError(f"covariance must have variances between 0 and {LARGEST**2:.0e}")
        deviations = np.sqrt(variances)
        # Up to the rounding of sums, a covariance is symmetric and a correlation at most one.
        slack = ROUNDING * np.outer(deviations, deviations) + np.finfo(np.float64).tiny
        if np.any(np.abs(self._covariance - self._covariance.T) > slack):
            raise ValueError("covariance must be symmetric")
        if np.any(np.abs(self._covariance) > np.outer(deviations, deviations) + slack):
            raise ValueError("covariance must have correlations of at most 1")


def orthogonal_directions(d: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit columns (d, m), each uniform on the sphere, orthogonal within each d in a row."""
    blocks = []
    # Fewer columns than features take one thin factor; d x d ones would take most of the time.
    width = min(d, m)
    for _ in range(-(-m // d)):
        q, r = np.linalg.qr(rng.standard_normal((d, width)))
        # The signs make Q uniform over the orthogonal group, whatever LAPACK's convention.
        blocks.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    return np.concatenate(blocks, axis=1)[:, :m]


def largest_phase(turns: np.ndarray, centered: np.ndarray) -> float:
    """Largest |phase| in radians among the rows farthest from the centre."""
    if len(centered) > N_FARTHEST:
        norms = np.abs(centered).max(axis=1)
        centered = centered[np.argpartition(norms, -N_FARTHEST)[-N_FARTHEST:]]
    phases = centered @ turns.astype(np.float64)
    return float(TWO_PI * np.abs(phases).max(initial=0.0))


def _rebuilt(components: dict[str, Any]) -> DenseFrequencies:
    """Return an operator from what pickle kept."""
    return DenseFrequencies(**components)


def _frozen(array: Any, dtype: type) -> np.ndarray:
    """Return a read-only contiguous copy."""
    with np.errstate(over="ignore"):
        copy: np.ndarray = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def _digest(components: dict[str, Any]) -> str:
    """BLAKE2b of named arrays and numbers, byte order and layout fixed."""
    digest = hashlib.blake2b(b"dense frequencies 1", digest_size=16)
    for name, value in components.items():
        array = np.asarray(value)
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
        digest.update(f"{name} {little.dtype.str} {little.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
