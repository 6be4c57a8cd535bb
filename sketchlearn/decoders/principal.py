"""Wide data, decoded along the few directions in which the pilot is widest."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.surrogates.points import draw_gaussian
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching.tuning import n_principal

# How far the box reaches along an axis, in standard deviations, where its corners are farther: one
# row in a thousand may lie there by itself.
FARTHEST = 32.0


@dataclass(frozen=True, eq=False)
class PrincipalPart:
    r"""A sketch as one of the rows' coordinates along a few axes, and the way back.

    With orthonormal axes V (d, q), the rows are :math:`x = c + V y + u`. The centroids of k-means
    differ along the widest axes and hardly along others, and within each cluster u is taken for
    Gaussian with the covariance U that the pilot has off the axes. So the sketch's expectation is
    that of the rows y under the frequencies :math:`V^T \omega_j`, times
    :math:`\exp(-\omega_j^T U \omega_j / 2)`, which is the same for all atoms.

    Attributes
    ----------
    sketch : Sketch
        The same sums, with the frequencies along the axes; coordinates are centred.
    family : SphericalGaussian
        Atoms in these coordinates.
    axes : ndarray of shape (n_features, q)
        V, orthonormal columns.
    whole : FrequencyOperator
        The sketch's own operator.
    """

    sketch: Sketch
    family: SphericalGaussian
    axes: np.ndarray
    whole: FrequencyOperator

    @on_one_blas_thread
    def to_coordinates(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (n, d) along the axes, (n, q)."""
        return np.asarray((rows - self.whole.center) @ self.axes)

    @on_one_blas_thread
    def to_points(self, coordinates: np.ndarray) -> np.ndarray:
        """Return points (n, d) of coordinates (n, q), at the pilot's mean off the axes."""
        return np.asarray(self.whole.center + coordinates @ self.axes.T)

    def draw_rows(self, coordinates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw rows (n, d) of coordinates (n, q), Gaussian off the axes, as atoms are."""
        kept = self.axes @ self.sketch.operator.covariance @ self.axes.T
        off = draw_gaussian(self.whole.covariance - kept, len(coordinates), rng)
        return self.to_points(coordinates) + off

    def lift(self, mixture: Mixture) -> Mixture:
        """Return a mixture in data coordinates, each atom's variance averaged over all directions.

        Its figures stay those of the mixture along the axes, whose atoms are no wider off them than
        the data is.
        """
        family = SphericalGaussian(self.whole)
        d = family.n_features
        off_axes = np.trace(self.whole.covariance) - np.trace(self.sketch.operator.covariance)
        mean = (mixture.covariances.sum(axis=1) + max(float(off_axes), 0.0)) / d
        variances = np.repeat(mean[:, None], d, axis=1)
        parameters = family.from_moments(self.to_points(mixture.locations), variances)
        return replace(mixture, parameters=parameters, family=family)


@on_one_blas_thread
def find_principal_part(sketch: Sketch, n_atoms: int) -> PrincipalPart | None:
    """Return the sketch along the pilot's widest axes; None where all directions are to be decoded.

    There are `n_principal` axes, and more where the rest would be wider than clusters of the
    operator's scale are; of rows that are not wide, or if half of all directions would not do,
    none.
    """
    operator = sketch.operator
    d = operator.n_features
    least = n_principal(d, n_atoms)
    if least == d:
        return None
    values, axes = np.linalg.eigh(operator.covariance)
    values, axes = np.maximum(values[::-1], 0.0), axes[:, ::-1]
    # Variance off the first q axes, for q = 0, 1, ..., d.
    rest = np.append(np.cumsum(values[::-1])[::-1], 0.0)
    within = d * operator.scale**2
    q = max(least, int(np.argmax(rest <= within)))
    if 2 * q > d or rest[0] == 0.0:
        return None
    kept, off = axes[:, :q], values[q:]
    # What clusters have of their variance along the axes: no less than off them.
    variance = np.clip((within - rest[q]) / q, off.mean(), values[:q].mean())
    across = operator.project(axes[:, q:].T)
    blur = np.sum(np.square(np.sqrt(off)[:, None] * across), axis=0)
    corner = np.maximum(operator.upper - operator.center, operator.center - operator.lower)
    reach = np.minimum(np.abs(kept).T @ corner, FARTHEST * np.sqrt(values[:q]))
    domain = Domain(np.zeros(q), float(np.sqrt(variance)), np.diag(values[:q]), -reach, reach)
    along = DenseMap.along(operator.linear_map, kept)
    narrow = FrequencyOperator(along, domain, operator.features)
    part = Sketch(narrow, sketch.sums.without_moments())
    return PrincipalPart(part, SphericalGaussian(narrow, -0.5 * blur), kept, operator)
