"""The contract of a frequency operator: the linear map whose waves a sketch averages."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sketchlearn.frequencies.accumulator import Accumulator


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
        """Give X @ frequencies, shape (n, n_frequencies), float64 radians; nothing is centred."""

    @abstractmethod
    def adjoint(self, R: np.ndarray) -> np.ndarray:
        """Give R @ frequencies.T, shape (n, n_features), for real R of shape (n, n_frequencies)."""

    @abstractmethod
    def accumulator(self) -> Accumulator:
        """Give a fresh accumulator, for one thread."""

    @abstractmethod
    def components(self) -> dict[str, np.ndarray | float | bool]:
        """Everything that the operator consists of, by name: what the fingerprint covers."""
