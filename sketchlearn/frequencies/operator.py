"""The contract of a frequency operator: the linear map whose waves a sketch averages."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sketchlearn.features.accumulator import Accumulator


class FrequencyOperator(ABC):
    """An immutable, picklable linear map x -> Omega^T x, and where to centre and search.

    Two operators are the same if and only if their fingerprints are equal: sketches taken with the
    same operator can be added. All arrays are read-only.
    """

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Dimension d of a row."""

    @property
    @abstractmethod
    def n_frequencies(self) -> int:
        """Number m of frequencies, that is of complex entries of a sketch."""

    @property
    @abstractmethod
    def frequencies(self) -> np.ndarray:
        """Omega, shape (n_features, n_frequencies), float64, radians per unit of the data."""

    @property
    @abstractmethod
    def center(self) -> np.ndarray:
        """Point (n_features,) float64 that rows are taken from before they are projected."""

    @property
    @abstractmethod
    def scale(self) -> float:
        """Standard deviation of a cluster that the frequencies were drawn for, data units."""

    @property
    @abstractmethod
    def lower(self) -> np.ndarray:
        """Lower corner (n_features,) float64 of the box that decoders search, data coordinates."""

    @property
    @abstractmethod
    def upper(self) -> np.ndarray:
        """Upper corner (n_features,) float64 of the box that decoders search, data coordinates."""

    @property
    @abstractmethod
    def covariance(self) -> np.ndarray:
        """Covariance (n_features, n_features) float64 of the pilot, where decoders start."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """BLAKE2b digest, in hexadecimal, of everything that the operator consists of."""

    @abstractmethod
    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ frequencies, shape (n, n_frequencies), float64 radians; nothing is centred."""

    @property
    def units(self) -> np.ndarray:
        """Powers of two (n_features,): rows divided by them have isotropic frequencies.

        All ones unless the columns were scaled apart (`Sketcher` with ``scale="columns"``). The
        least is one. They are read off the frequencies: the root mean squares of Omega's rows are
        inverse to them, but for the accidents of the draw, which are far below a factor of two.
        """
        reach = np.sqrt(np.mean(self.frequencies**2, axis=1))
        ratios = reach.max() / np.where(reach > 0, reach, reach.max())
        return np.asarray(np.exp2(np.rint(np.log2(ratios))))

    @abstractmethod
    def standardised(self) -> FrequencyOperator:
        """The same waves, in coordinates divided by `units`: an isotropic operator."""

    @abstractmethod
    def accumulator(self) -> Accumulator:
        """Return a fresh accumulator, for one thread."""

    @abstractmethod
    def components(self) -> dict[str, np.ndarray | float | bool]:
        """Everything that the operator consists of, by name: what the fingerprint covers."""
