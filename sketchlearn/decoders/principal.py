"""Wide data, decoded along the few directions in which it is widest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.surrogates.points import draw_gaussian
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.tuning import n_principal

# How far off the axes, in units of the scale, the rows' mean may be from the operator's centre.
MOVED = 0.01


@dataclass(frozen=True, eq=False)
class PrincipalPart:
    r"""A sketch as one of the rows' coordinates along a few axes, and the way back.

    With orthonormal axes V (d, q), the rows are :math:`x = c + V y + u`. The centroids of k-means
    differ along the widest axes and hardly along others, and within each cluster u is taken for
    Gaussian with the covariance U that the rows have off the axes. So the sketch's expectation is
    that of the rows y under the frequencies :math:`V^T \omega_j`, times
    :math:`\exp(-\omega_j^T U \omega_j / 2)`, which is the same for all atoms.

    Attributes
    ----------
    sketch : SketchLike
        The same sums, with the frequencies along the axes; coordinates are centred.
    family : SphericalGaussian
        Atoms in these coordinates.
    axes : ndarray of shape (n_features, q)
        V, orthonormal columns.
    region : Region
        Where the coordinates lie.
    whole : FrequencyOperator
        The sketch's own operator.
    covariance : ndarray of shape (n_features, n_features)
        That of the rows in data coordinates.
    """

    sketch: SketchLike
    family: SphericalGaussian
    axes: np.ndarray
    region: Region
    whole: FrequencyOperator
    covariance: np.ndarray

    @on_one_blas_thread
    def to_coordinates(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (n, d) along the axes, (n, q)."""
        return np.asarray((rows - self.whole.center) @ self.axes)

    @on_one_blas_thread
    def to_points(self, coordinates: np.ndarray) -> np.ndarray:
        """Return points (n, d) of coordinates (n, q), at the rows' mean off the axes."""
        return np.asarray(self.whole.center + coordinates @ self.axes.T)

    def draw_rows(self, coordinates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw rows (n, d) of coordinates (n, q), Gaussian off the axes, as atoms are."""
        kept = self.axes @ self.region.covariance @ self.axes.T
        off = draw_gaussian(self.covariance - kept, len(coordinates), rng)
        return self.to_points(coordinates) + off

    def lift(self, mixture: Mixture) -> Mixture:
        """Return a mixture in data coordinates, each atom's variance averaged over all directions.

        Its figures stay those of the mixture along the axes, whose atoms are no wider off them than
        the data is.
        """
        family = SphericalGaussian(self.whole)
        d = family.n_features
        off_axes = np.trace(self.covariance) - self.region.variance
        mean = (mixture.covariances.sum(axis=1) + max(float(off_axes), 0.0)) / d
        variances = np.repeat(mean[:, None], d, axis=1)
        parameters = family.from_moments(self.to_points(mixture.locations), variances)
        return replace(mixture, parameters=parameters, family=family)


@on_one_blas_thread
def find_principal_part(sketch: SketchLike, n_atoms: int, region: Region) -> PrincipalPart | None:
    """Return the sketch along the rows' widest axes; None where all directions are to be decoded.

    There are `n_principal` axes, and more where the rest would be wider than clusters of the
    operator's scale are; of rows that are not wide, or if half of all directions would not do,
    none. Where the rows' mean is no longer the operator's centre, the way from one to the other is
    an axis too, so that all rows lie around the centre off the axes.
    """
    operator = sketch.operator
    d = operator.n_features
    least = n_principal(d, n_atoms)
    if least == d:
        return None
    values, axes = np.linalg.eigh(region.covariance)
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    # Variance off the first q axes, for q = 0, 1, ..., d.
    rest = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    within = d * operator.scale**2
    q = max(least, int(np.argmax(rest <= within)))
    if 2 * q > d or rest[0] == 0.0:
        return None
    kept = _add_direction(axes[:, :q], region.mean - operator.center, operator.scale)
    q = kept.shape[1]
    off_axes = np.eye(d) - kept @ kept.T
    off = off_axes @ region.covariance @ off_axes
    along = region.along(kept, operator.center)
    # What clusters have of their variance along the axes: no less than off them.
    rest_off = float(np.trace(off))
    variance = np.clip((within - rest_off) / q, rest_off / (d - q), along.variance / q)
    domain = Domain(np.zeros(q), float(np.sqrt(variance)), along.covariance)
    narrow = FrequencyOperator(DenseMap.along(operator.linear_map, kept), domain, operator.features)
    part = sketch.with_operator(narrow)
    blur = operator.linear_map.quadratic_form(off)
    family = SphericalGaussian(narrow, -0.5 * blur)
    return PrincipalPart(part, family, kept, along, operator, region.covariance)


def _add_direction(axes: np.ndarray, moved: np.ndarray, scale: float) -> np.ndarray:
    """Return orthonormal axes (d, q) and, where a move (d,) leaves them, its direction off them."""
    off = moved - axes @ (axes.T @ moved)
    distance = float(np.linalg.norm(off))
    return axes if distance <= MOVED * scale else np.column_stack([axes, off / distance])
