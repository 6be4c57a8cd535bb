"""The contract of a mixture component: a location and a shape with a closed-form sketch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from sketchlearn._kernels import atoms as kernels
from sketchlearn._registry import Registered
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.linear_maps.linear_map import in_blocks

LOG2_E = float(np.log2(np.e))
# The largest scale, whose square float32 holds; its inverse is the least.
LARGEST_SCALE = 1e18
# Binary logarithm of the envelope of frequencies that are none.
PADDING = -200.0


@dataclass(frozen=True, eq=False)
class FrequencyBlocks:
    """A family's frequencies in blocks, as compiled loops read them, see `_kernels.descent`.

    Attributes
    ----------
    rows : ndarray of shape (n_blocks, d + n_shape, size)
        The frequencies, turns per data unit, then the rows of the log-envelope, of base 2, see
        `AtomFamily.log_envelope_rows`; float32.
    common : ndarray of shape (n_blocks, size)
        The log-envelope that all atoms have in common, of base 2, float32.
    """

    rows: np.ndarray
    common: np.ndarray


class AtomFamily(Registered, ABC):
    r"""Distributions ``P_theta`` around a location, of positive characteristic function.

    The sketch of an atom of location :math:`\mu` and shape :math:`\eta` is

    .. math:: a_j(\theta) = \exp(i \omega_j^T (\mu - c) + \psi_j(\eta)),

    with c the operator's centre and :math:`\psi_j \le 0` the *log-envelope*, real. A family is its
    log-envelope and the envelope's derivative; everything else follows here. Parameters are rows
    ``[mu, eta]`` of length ``n_features + n_shape``, the locations in data coordinates. Sketches
    are stacked real: cosines, then sines, (k, 2 m) float32.

    Parameters
    ----------
    operator : FrequencyOperator
        The frequencies that the sketch was taken with, their centre and scale.

    Raises
    ------
    ValueError
        If the scale is so large or small that its square is beyond single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import SphericalGaussian
    >>> X = np.random.default_rng(0).normal(size=(5000, 2))
    >>> sketch = Sketcher(50, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> family = SphericalGaussian(sketch.operator)
    >>> atom = family.sketch(np.zeros((1, 3)))[0]  # At the origin, of variance scale**2.
    >>> target = np.concatenate([sketch.centered_mean.real, sketch.centered_mean.imag])
    >>> bool(np.mean((atom - target) ** 2) < 0.001)
    True
    """

    def __init__(self, operator: FrequencyOperator) -> None:
        if not 1.0 / LARGEST_SCALE <= operator.scale <= LARGEST_SCALE:
            raise ValueError(
                "scale, a standard deviation of clusters in the units of the rows, must be between "
                f"{1 / LARGEST_SCALE:.0e} and {LARGEST_SCALE:.0e} to be decoded, got "
                f"{operator.scale:.6g}; rescale the data to order one: multiply all columns by "
                f"1e{-math.floor(math.log10(operator.scale)):+d}"
            )
        self.operator = operator
        self._map = operator.linear_map
        self._squared_norms = self._map.squared_norms.astype(np.float32)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.operator!r})"

    @cached_property
    def n_features(self) -> int:
        """Dimension of a location."""
        return self.operator.n_features

    @property
    @abstractmethod
    def n_shape(self) -> int:
        """Number of shape parameters of an atom, after its location."""

    def n_parameters(self, n_atoms: int) -> int:
        """Return the free numbers of a mixture: weights that sum to 1, locations and shapes."""
        return n_atoms * (1 + self.n_features + self.n_shape) - 1

    @property
    def common_log_envelope(self) -> np.ndarray | float:
        """Partition (m,) of the log-envelope that belongs to all atoms, whatever their shape."""
        return 0.0

    @property
    def is_wide_off_axes(self) -> bool:
        """Whether some of it is of directions that the operator does not have."""
        return False

    @property
    def widths(self) -> np.ndarray | float:
        """Relative widths (n_features,) that all atoms have along the columns; one if alike."""
        return 1.0

    @abstractmethod
    def default_shape(self) -> np.ndarray:
        """Shape (n_shape,) of a cluster of the operator's scale."""

    @abstractmethod
    def shape_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest allowed shape, each (n_shape,)."""

    def least_shape(self, least_variance: float) -> np.ndarray:
        """Least shape (n_shape,) where variances are at least so many squared scales.

        That of `shape_bounds` where shapes cannot tell smaller ones.
        """
        return self.shape_bounds()[0]

    @abstractmethod
    def log_envelope(self, shapes: np.ndarray) -> np.ndarray:
        """``psi`` of the shapes (k, n_shape): (k, m), or (1, m) where k is 1 or all are equal."""

    @abstractmethod
    def log_envelope_pullback(self, shapes: np.ndarray, cotangent: np.ndarray) -> np.ndarray:
        """``sum_j cotangent_kj d psi_kj / d eta_k``, (k, n_shape)."""

    @abstractmethod
    def log_envelope_curvature(self, shapes: np.ndarray, power: np.ndarray) -> np.ndarray:
        """``sum_j power_kj (d psi_kj / d eta_k)^2``, (k, n_shape); the power may be (1, m)."""

    def log_envelope_rows(self) -> np.ndarray | None:
        """Rows P (n_shape, m), float32, if ``psi = exp(eta) @ P + common_log_envelope``.

        Then compiled loops can evaluate a mixture. None if the log-envelope is another function of
        the shape.
        """
        return None

    @abstractmethod
    def covariances(self, parameters: np.ndarray) -> np.ndarray:
        """Diagonal of each atom's covariance, (k, n_features), in squared data units."""

    @abstractmethod
    def shapes_of(self, variances: np.ndarray) -> np.ndarray:
        """Shapes (k, n_shape) nearest to variances (k, n_features), within the bounds."""

    def from_moments(self, locations: np.ndarray, variances: np.ndarray) -> np.ndarray:
        """Parameters (k, d + n_shape) of atoms of given means and variances, (k, d) each."""
        return np.hstack([locations, self.shapes_of(variances)])

    def from_covariances(self, locations: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Parameters of the atoms nearest to means (k, d) and covariances (k, d, d)."""
        return self.from_moments(locations, np.einsum("kll->kl", covariances))

    def covariance_matrices(self, parameters: np.ndarray) -> np.ndarray:
        """Covariances (k, d, d); families of correlated features override this."""
        return self.covariances(parameters)[:, :, None] * np.eye(self.n_features)

    def at(self, locations: np.ndarray) -> np.ndarray:
        """Parameters (k, d + n_shape) of atoms of the default shape at ``locations`` (k, d)."""
        shapes = np.broadcast_to(self.default_shape(), (len(locations), self.n_shape))
        return np.hstack([locations, shapes])

    def at_scale(self, scale: float) -> Self:
        """Return the family of the same waves for clusters of another scale, data units."""
        domain = replace(self.operator.domain, scale=scale, finest_scale=None)
        return self._on(replace(self.operator, domain=domain))

    def with_widths(self, widths: np.ndarray | float) -> Self:
        """Return the family of atoms whose widths along columns are in proportion to some (d,).

        That is itself where shapes say how wide atoms are along each column, or that they are not.
        """
        return self

    def _on(self, operator: FrequencyOperator) -> Self:
        """Return the same family on another operator of as many frequencies."""
        return type(self)(operator)

    def split(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Locations (k, d) and shapes (k, n_shape) of ``parameters``."""
        return parameters[:, : self.n_features], parameters[:, self.n_features :]

    def sketch(self, parameters: np.ndarray) -> np.ndarray:
        """Centred sketches of the atoms, stacked real, (k, 2 m) float32."""
        locations, shapes = self.split(parameters)
        return self.waves(locations, np.exp(self.log_envelope(shapes)))

    def waves(self, locations: np.ndarray, envelope: np.ndarray) -> np.ndarray:
        """``envelope * exp(i omega^T (mu - c))`` stacked real, for a given float32 envelope."""
        out = np.empty((len(locations), 2 * self.operator.n_frequencies), dtype=np.float32)
        kernels.modulated_waves(self.turns(locations), envelope, out)
        return out

    def turns(self, locations: np.ndarray) -> np.ndarray:
        """Phases (k, m) float32 of locations (k, n_features), in turns."""
        return self._map.project_turns((locations - self.operator.center).astype(np.float32))

    def differentiate(
        self, weights: np.ndarray, parameters: np.ndarray, target: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        r"""Return a mixture's distance from a target, squared, and its gradients.

        That is :math:`\|z - \sum_k \alpha_k a(\theta_k)\|^2`; what a minimiser asks for, with the
        waves computed once.

        Parameters
        ----------
        weights : ndarray of shape (k,)
            :math:`\alpha`.
        parameters : ndarray of shape (k, d + n_shape)
            :math:`\theta`, a row for each atom.
        target : ndarray of shape (2 m,)
            z, stacked real, float64.

        Returns
        -------
        cost : float
        in_weights : ndarray of shape (k,)
        in_parameters : ndarray of shape (k, d + n_shape)
        """
        locations, shapes = self.split(parameters)
        envelope = np.exp(self.log_envelope(shapes))
        turns = self.turns(locations)
        residual, correlations = target.copy(), np.empty(len(weights))
        in_phase, quadrature = np.empty_like(turns), np.empty_like(turns)
        kernels.mix_and_correlate(
            turns, envelope, weights, residual, correlations, in_phase, quadrature
        )
        in_parameters = np.empty(parameters.shape)
        in_parameters[:, : self.n_features] = self._map.adjoint(quadrature)
        in_parameters[:, : self.n_features] *= 2.0 * weights[:, None]
        if self.n_shape:
            pullback = self.log_envelope_pullback(shapes, in_phase)
            in_parameters[:, self.n_features :] = -2.0 * weights[:, None] * pullback
        return float(residual @ residual), -2.0 * correlations, in_parameters

    @cached_property
    def in_blocks(self) -> FrequencyBlocks | None:
        """What compiled loops need of the family, if they can evaluate its mixtures."""
        turns, rows = self._map.in_blocks, self.log_envelope_rows()
        if turns is None or rows is None:
            return None
        common = np.broadcast_to(self.common_log_envelope, (1, self.operator.n_frequencies))
        powers = in_blocks((LOG2_E * rows).astype(np.float32))
        return FrequencyBlocks(
            np.concatenate([turns, powers], axis=1),
            in_blocks((LOG2_E * common).astype(np.float32), PADDING)[:, 0],
        )

    def curvature(self, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gauss-Newton curvature of weights, ``||a_k||^2`` (k,), and ``||d a_k / d theta_k||^2``.

        The latter is (k, d + n_shape); that of a location is averaged over the features: directions
        have no preference.
        """
        _, shapes = self.split(parameters)
        power = np.exp(2.0 * self.log_envelope(shapes))
        along = power @ self._squared_norms / self.n_features
        in_parameters = np.empty(parameters.shape)
        in_parameters[:, : self.n_features] = along[:, None]
        in_parameters[:, self.n_features :] = self.log_envelope_curvature(shapes, power)
        return power.sum(axis=1) * np.ones(len(parameters)), in_parameters
