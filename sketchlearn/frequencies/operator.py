"""The operator that rows are sketched with: a linear map, where the rows lie, and a feature map."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from os import PathLike
from typing import Any, Self, final

import numpy as np

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.features.accumulator import Accumulator, single_phase_limit
from sketchlearn.features.backends import accumulator_of, check_backend
from sketchlearn.features.feature_map import FeatureMap
from sketchlearn.features.fourier import Waves
from sketchlearn.features.moments import MomentGrid
from sketchlearn.files.atomic import write_atomically
from sketchlearn.frequencies.domain import Domain
from sketchlearn.frequencies.format import OPERATOR_FILE, read_parts, require_same_arrays
from sketchlearn.frequencies.radius import RadiusLaw
from sketchlearn.linear_maps import LinearMap
from sketchlearn.linear_maps.linear_map import TWO_PI

# Pilot rows farthest from the centre whose phases decide on the precision.
N_FARTHEST = 256
# Phases of pilot rows that are in memory together: 16 MiB, or those of one row.
PHASES_AT_ONCE = 2**21
# A weight of one in its units, and the largest feature that total weights below 2^40 may multiply.
ONE_WEIGHT, LARGEST_FEATURE = 2**20, 2**22
STATE_TYPES = tuple(map(np.dtype, (np.float64, np.float32, np.int64, np.int32, np.uint8)))

Component = np.ndarray | float | bool | str


@final
@dataclass(frozen=True, eq=False, repr=False)
class FrequencyOperator:
    r"""What a sketch's numbers mean: immutable, picklable, identified by its fingerprint.

    A row x has the phases :math:`\Omega^T (x - c)`, :math:`\Omega` the linear map and c the
    domain's centre; the feature map makes integers of them, which sketches add. Two operators are
    the same if and only if their fingerprints are equal: sketches taken with the same operator can
    be added. All arrays are read-only.

    Parameters
    ----------
    linear_map : LinearMap
        The frequencies.
    domain : Domain
        Centre, scale and covariance of the rows.
    features : FeatureMap
        What a phase becomes; `Waves`, its cosine and sine, by default.
    double_phases : bool, default=False
        Whether the phases of all rows are computed in float64, up to twice as slow. Those of rows
        far from the centre are in any case, so that this is a matter of speed where such rows are
        rare.
    backend : str, default="numba"
        What adds rows up. No part of the operator's identity, nor of files.

    Raises
    ------
    TypeError
        If a map's state holds what files do not.
    ValueError
        If the parts do not fit together, or features are too large to be added up.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.frequencies import Domain, FrequencyOperator
    >>> from sketchlearn.linear_maps import DenseMap
    >>> domain = Domain(center=[0.0, 0.0], scale=1.0, covariance=np.eye(2))
    >>> operator = FrequencyOperator(DenseMap([[0.1, 0.0], [0.0, 0.1]]), domain)
    >>> Sketcher.from_operator(operator).sketch([[0.0, 1.0]]).mean.round(3)
    array([1.   +0.j   , 0.809+0.588j])
    """

    linear_map: LinearMap
    domain: Domain
    features: FeatureMap = field(default_factory=Waves)
    double_phases: bool = field(default=False, kw_only=True)
    backend: str = field(default="numba", kw_only=True)

    def __post_init__(self) -> None:
        d = self.linear_map.n_features
        if self.domain.n_features != d:
            raise ValueError(
                f"center must have shape ({d},), as the frequencies, got {self.center.shape}"
            )
        for part in (self.linear_map, self.features):
            _check_state(part.kind, part.state())
        self.features.check_count(self.n_frequencies)
        largest = self.features.largest_sum(1, ONE_WEIGHT)
        if largest > LARGEST_FEATURE:
            raise ValueError(
                f"integers of {self.features.kind!r} must not exceed 2^22, lest their weighted "
                f"sums overflow, got {largest}: choose a larger unit"
            )
        check_backend(self.backend)
        object.__setattr__(self, "double_phases", bool(self.double_phases))

    @classmethod
    def draw(
        cls,
        n_frequencies: int,
        domain: Domain,
        *,
        bandwidth: float | np.ndarray,
        radius_law: RadiusLaw,
        pilot: np.ndarray,
        seed: int,
        units: np.ndarray | float = 1.0,
        linear_map: str = "dense",
        features: str = "waves",
        backend: str = "numba",
    ) -> Self:
        r"""Draw an operator: :math:`\omega = (R / \text{bandwidth})\, \varphi / \text{units}`.

        R follows `radius_law`; the directions :math:`\varphi` are the linear map's matter.

        Parameters
        ----------
        n_frequencies : int
            m, at least 1.
        domain : Domain
            Where the rows lie.
        bandwidth : float or ndarray of shape (n_frequencies,)
            What divides the radii, in data units: one number, or one for each of them.
        radius_law : RadiusLaw
            The law of R.
        pilot : ndarray of shape (p, n_features)
            Rows whose largest phase decides whether phases need float64.
        seed : int
            Everything random follows from it.
        units : ndarray of shape (n_features,), optional
            Powers of two, the least of them one, that columns are divided by: what scale and
            bandwidth are measured in.
        linear_map, features : str
            Kinds of the maps to draw.
        backend : str
            As in the constructor.
        """
        rngs = np.random.default_rng(seed).spawn(3)
        radii = radius_law.sample(n_frequencies, rngs[0]) / (TWO_PI * bandwidth)
        drawn = LinearMap.of_kind(linear_map).draw(radii, domain.n_features, rngs[1])
        if np.any(units != 1.0):
            drawn = drawn.stretched(1.0 / np.asarray(units))
        is_double = largest_phase(drawn, pilot - domain.center) > single_phase_limit(
            domain.n_features
        )
        made = FeatureMap.of_kind(features).draw(n_frequencies, rngs[2])
        return cls(drawn, domain, made, double_phases=is_double, backend=backend)

    @cached_property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self.linear_map.n_features

    @cached_property
    def n_frequencies(self) -> int:
        """Number m of frequencies, that is of complex entries of a sketch."""
        return self.linear_map.n_frequencies

    @property
    def frequencies(self) -> np.ndarray:
        """Omega, (n_features, n_frequencies) float64 radians per unit: for a look at it."""
        return self.linear_map.frequencies

    @property
    def center(self) -> np.ndarray:
        """Point (n_features,) float64 that rows are taken from before they are projected."""
        return self.domain.center

    @property
    def scale(self) -> float:
        """Standard deviation of a cluster that the frequencies were drawn for, data units."""
        return self.domain.scale

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features) float64 of the rows, as far as known beforehand."""
        return self.domain.covariance.matrix()

    @cached_property
    def fingerprint(self) -> str:
        """BLAKE2b digest of everything that the operator consists of, 32 hexadecimal digits."""
        header = b"dense frequencies 1" if self.is_plain else b"frequencies 1"
        return _digest_components(header, self.components())

    @cached_property
    def units(self) -> np.ndarray:
        """Powers of two (n_features,): rows divided by them have isotropic frequencies.

        All ones unless the columns were scaled apart (`Sketcher` with ``scale="columns"``). The
        least is one. They are read off the frequencies: the root mean squares of Omega's rows are
        inverse to them, but for the accidents of the draw, which are far below a factor of two.
        """
        reach = self.linear_map.root_mean_squares
        ratios = reach.max() / np.where(reach > 0, reach, reach.max())
        units = np.exp2(np.rint(np.log2(ratios)))
        units.flags.writeable = False
        return units

    @cached_property
    def moment_grid(self) -> MomentGrid:
        """What rows are rounded to before their moments are summed; it follows from the rest."""
        return MomentGrid.choose(self.center, self.scale, self.units, self.domain.variances)

    @property
    def is_plain(self) -> bool:
        """Whether it is a matrix whose waves are averaged, as all operators of old were."""
        return self.linear_map.kind == "dense" and self.features.kind == "waves"

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ frequencies, shape (n, n_frequencies), float64 radians; nothing is centred."""
        return self.linear_map.project(X)

    def standardised(self) -> FrequencyOperator:
        """The same waves, in coordinates divided by `units`: an isotropic operator.

        Units are powers of two, so that nothing is rounded.
        """
        units = self.units
        if np.all(units == 1.0):
            return self
        stretched = self.linear_map.stretched(units)
        return replace(self, linear_map=stretched, domain=self.domain.in_units(units))

    def accumulator(self) -> Accumulator:
        """Return a fresh accumulator, for one thread."""
        return accumulator_of(
            self.linear_map, self.features, self.center, self.double_phases, self.backend
        )

    def components(self) -> dict[str, Component]:
        """Everything that the operator consists of, by name: what the fingerprint covers."""
        parts: dict[str, Component] = dict(self.linear_map.state())
        if not self.is_plain:
            states = {"map": self.linear_map.state(), "features": self.features.state()}
            parts = {"linear_map": self.linear_map.kind, "features": self.features.kind}
            parts |= {
                f"{part}.{name}": array
                for part, state in states.items()
                for name, array in state.items()
            }
        return parts | {
            **self.domain.components(),
            "double_phases": self.double_phases,
        }

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Return the arrays and the texts that files hold of the operator, by name."""
        components = self.components()
        arrays = {name: one for name, one in components.items() if isinstance(one, np.ndarray)}
        numbers = {name: one.hex() for name, one in components.items() if isinstance(one, float)}
        kinds = {} if self.is_plain else {"features": self.features.kind}
        texts = {"operator": self.linear_map.kind, **kinds, **numbers}
        flags = {"double_phases": self.double_phases}
        flags |= {"clips": True} if self.domain.clips else {}
        texts |= {name: str(int(flag)) for name, flag in flags.items()}
        return arrays, {**texts, "fingerprint": self.fingerprint}

    @classmethod
    def from_state(cls, arrays: dict[str, np.ndarray], texts: dict[str, str]) -> Self:
        """Return the operator that `state` describes; a ValueError where that is none."""
        operator = cls(**read_parts(arrays, texts))
        if operator.fingerprint != texts.get("fingerprint"):
            raise SketchFormatError(
                f"the operator's fingerprint is {operator.fingerprint} where the file says "
                f"{texts.get('fingerprint', '')[:40]}"
            )
        # A map may take what it does not keep.
        require_same_arrays(arrays, operator.state()[0])
        return operator

    def save(self, path: str | PathLike[str]) -> None:
        """Write the operator to a file of its own, wholly or not at all.

        Sketches can then be written without it (`Sketch.save` with ``operator=False``), and read
        with it. The backend is not part of the file.

        Raises
        ------
        OSError
            If the file cannot be written; what was there stays as it was.
        """
        write_atomically(path, self.to_bytes())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> FrequencyOperator:
        """Read an operator that `save` wrote.

        Raises
        ------
        SketchFormatError
            If the file is foreign, truncated, altered, or of a newer format.
        OSError
            If it cannot be read.
        """
        return OPERATOR_FILE.load(path)

    def to_bytes(self) -> bytes:
        """Return the operator as the bytes of a safetensors file."""
        return OPERATOR_FILE.encode(*self.state())

    @classmethod
    def from_bytes(cls, data: bytes) -> FrequencyOperator:
        """Return the operator that `to_bytes` turned into these bytes; errors as `load`."""
        return OPERATOR_FILE.decode(data)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_operator, ({one.name: getattr(self, one.name) for one in fields(self)},)

    def __repr__(self) -> str:
        kinds = "" if self.is_plain else f"{self.linear_map.kind}, {self.features.kind}, "
        return (
            f"FrequencyOperator({kinds}n_features={self.n_features}, "
            f"n_frequencies={self.n_frequencies}, scale={self.scale:.6g}, "
            f"fingerprint={self.fingerprint[:12]})"
        )


@OPERATOR_FILE.reads(1)
def _read_1(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> FrequencyOperator:
    """Return the operator of a file of version 1."""
    operator = FrequencyOperator.from_state(arrays, metadata)
    expected, texts = operator.state()
    said = {name: metadata[name] for name in metadata if name not in OPERATOR_FILE.own_names}
    if said != texts or {*arrays} != {*expected}:
        raise SketchFormatError("the operator's metadata is not in canonical form")
    return operator


def _rebuild_operator(parts: dict[str, Any]) -> FrequencyOperator:
    return FrequencyOperator(**parts)


def _check_state(kind: str, state: dict[str, np.ndarray]) -> None:
    """Refuse what no file could hold, before rows are read."""
    for name, array in state.items():
        if not (isinstance(array, np.ndarray) and array.ndim) or (
            array.dtype.newbyteorder("=") not in STATE_TYPES
        ):
            what = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
            raise TypeError(
                f"{name!r} in the state of {kind!r} must be an array of float64, float32, int64, "
                f"int32 or uint8, with an axis at least, got {what}"
            )


def largest_phase(linear_map: LinearMap, centered: np.ndarray) -> float:
    """Largest |phase| in radians among the rows farthest from the centre."""
    if len(centered) > N_FARTHEST:
        norms = np.abs(centered).max(axis=1)
        centered = centered[np.argpartition(norms, -N_FARTHEST)[-N_FARTHEST:]]
    n_rows = max(1, PHASES_AT_ONCE // linear_map.n_frequencies)
    largest = 0.0
    for start in range(0, len(centered), n_rows):
        phases = linear_map.project(centered[start : start + n_rows])
        largest = np.maximum(largest, max(phases.max(), -phases.min()))
    return float(largest)


def _digest_components(header: bytes, components: dict[str, Any]) -> str:
    """BLAKE2b of named arrays, numbers and words, byte order and layout fixed."""
    digest = hashlib.blake2b(header, digest_size=16)
    for name, value in components.items():
        array = np.asarray(value)
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
        digest.update(f"{name} {little.dtype.str} {little.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
