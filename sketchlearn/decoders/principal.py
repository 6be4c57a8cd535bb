"""Rows decoded along some directions: the widest of wide data, and those in which they vary."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.given_atoms import GivenAtoms
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import Problem
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.frequencies.covariance import LEAST_TO_SEEK, Covariance, CovarianceMatrix
from sketchlearn.linear_maps import DenseMap, LinearMap
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike
from sketchlearn.sketching.tuning import n_principal

# By how much, as a fraction, a variance is above the least if it is more than rounding.
TOLD = 1e-6
# Variance, as a fraction of the widest axis', that is rounding.
ROUNDED = 1e-12
# Standard deviation, in units of the scale, of a direction in which rows do not vary.
FLAT = 1e-3
# How far off the axes, in units of the scale, the rows' mean may be from the operator's centre.
MOVED = 0.01
# Power of waves, over that of rows all at one point along the axes, up to which rows are as wide
# off these as is known of their columns: 0.2 to 0.33 of rows that all are, 0.47 and more where
# centres have moved apart or a few rows far away.
MOST_POWER = 0.4
# How many times as many axes as are decoded are looked at, of many times as many columns.
MOST_TIMES = 4


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
    covariance : Covariance
        That of the rows in data coordinates.
    variance_off_axes : float
        What of its trace is off the axes.
    """

    sketch: SketchLike
    family: SphericalGaussian
    axes: np.ndarray
    region: Region
    whole: FrequencyOperator
    covariance: Covariance
    variance_off_axes: float

    @property
    def has_scales(self) -> bool:
        """Whether clusters are sought at several scales; then the axes are columns."""
        return self.family.operator.domain.finest_scale is not None

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
        rows = self.covariance.draw(len(coordinates), rng)
        return self.to_points(coordinates) + rows - (rows @ self.axes) @ self.axes.T

    def measure_share(self, mixture: Mixture) -> float:
        """Return what share of the centroids' sum of squares is along the axes, by their points."""
        if (points := mixture.points) is None:
            return 1.0
        along = points.sum_squares(mixture.locations) / float(points.weights.sum())
        return along / total if (total := along + self.variance_off_axes) > 0.0 else 1.0

    def lift(self, mixture: Mixture) -> Mixture:
        """Return a mixture in data coordinates, each atom's variance averaged over all directions.

        Its figures stay those of the mixture along the axes, whose atoms are no wider off them than
        the data is, together.
        """
        family = SphericalGaussian(self.whole)
        d, along = family.n_features, mixture.covariances.sum(axis=1)
        off = np.full(len(along), self.variance_off_axes)
        if not mixture.family.is_wide_off_axes:
            off *= along / (mixture.weights @ along)
        mean = (along + off) / d
        variances = np.repeat(mean[:, None], d, axis=1)
        parameters = family.from_moments(self.to_points(mixture.locations), variances)
        return replace(mixture, parameters=parameters, family=family)


@final
@dataclass(frozen=True, eq=False)
class PrincipalStart(Decoder):
    r"""Decode along a few axes, and go on in all directions: for sketches that noise was added to.

    What one direction says of an atom is drowned by the noise of many. Along the axes V (d, q) in
    which the centroids differ few are left to seek in,

    .. math:: a_j(y, s) = \exp(i \omega_j^T V y - s \|\omega_j\|^2 / 2),

    and the atoms that are found there, wide alike in all directions, are near enough for a joint
    adjustment of all coordinates, which also moves them where the axes do not reach.

    Parameters
    ----------
    axes : ndarray of shape (n_features, q)
        V, orthonormal columns; see `find_leading_axes`.
    start : Decoder, default=MeanShift(shapes="shared")
        Decodes along them.
    """

    axes: np.ndarray
    start: Decoder = field(default_factory=lambda: MeanShift(shapes="shared"))

    def _decode(self, problem: Problem, rng: np.random.Generator) -> Mixture:
        """Decode along the axes, then adjust."""
        operator, axes = problem.family.operator, self.axes
        along = problem.region.along(axes, operator.center)
        variances = np.diag(np.maximum(np.diag(along.covariance), 0.0))
        domain = Domain(np.zeros(axes.shape[1]), operator.scale, CovarianceMatrix(variances))
        linear_map = DenseMap.along(operator.linear_map, axes)
        narrow = FrequencyOperator(linear_map, domain, operator.features)
        off_axes = np.maximum(operator.linear_map.squared_norms - linear_map.squared_norms, 0.0)
        family = SphericalGaussian(narrow, norms_off_axes=off_axes)
        found = self.start.solve(replace(problem, family=family, region=along), rng)
        locations = operator.center + found.locations @ axes.T
        variances = np.repeat(found.covariances[:, :1], len(axes), axis=1)
        mixture = GivenAtoms(locations, variances).solve(problem, rng)
        return replace(mixture, n_iter=found.n_iter + mixture.n_iter)


@on_one_blas_thread
def find_leading_axes(sketch: SketchLike, n_atoms: int, region: Region) -> np.ndarray | None:
    """Return the axes (d, q) along which a noisy sketch's clusters are first sought.

    k centroids span k - 1 directions, which are about the widest; the way from the operator's
    centre to the rows' mean is another. None of an exact sketch, or where these are not much fewer
    than all, or noise hides all of them.
    """
    d = sketch.n_features
    if sketch.is_exact or sketch.moment_kind != "full" or d < n_atoms:
        return None
    values, axes = np.linalg.eigh(region.covariance)
    # Noise makes the others equal, see `PrivateMoments`.
    n_told = int(np.sum(values > (1.0 + TOLD) * max(values[0], 0.0) + TOLD * values[-1]))
    if n_told == 0:
        return None
    widest = axes[:, ::-1][:, : min(n_told, max(n_atoms - 1, 1))]
    return _add_direction(widest, region.mean - sketch.operator.center, sketch.operator.scale)


@on_one_blas_thread
def find_principal_part(sketch: SketchLike, n_atoms: int, region: Region) -> PrincipalPart | None:
    """Return the sketch along some axes of the rows; None where all directions are to be decoded.

    These are the widest of wide rows, `n_principal` of them and more where the rest would be wider
    than clusters of the operator's scale are, if half of all directions will do; all directions
    where these are not known, as of a declared box. Of other rows they
    are all but those in which the rows do not vary, as where a column is constant or shares sum to
    one: atoms have the same width in all directions, and would be wrong there. Of a sketch of
    several scales whose columns have units they are columns. Where the rows' mean is no longer
    the operator's centre, the way from one to the other is an axis too, so that all rows lie around
    the centre off the axes.

    Where rows are wider than those that the operator was for, and only column by column it is known
    how much, a few far rows may be all that makes them so: the axes are the operator's, if it has
    few, and what is off them is too unless waves are as weak as those of wider rows.
    """
    operator = sketch.operator
    d = operator.n_features
    least = n_principal(d, n_atoms)
    within = d * operator.scale**2
    covariance, axes = region.stored_covariance, None
    if least < d:
        axes = _find_widest_axes(covariance, operator, least)
        if sketch.moment_kind == "diagonal" and (axes is None or axes.shape[1] > least):
            before = operator.domain.covariance
            earlier = _find_widest_axes(before, operator, least)
            if earlier is not None and earlier.shape[1] == least:
                axes = earlier
                covariance = covariance if _is_as_wide(sketch, covariance, axes) else before
        if axes is None and (_tells_directions(covariance) or _has_many_columns(d, least)):
            # Centroids still differ along these, and what is off them is no wider; decoded along
            # all directions they are lost in these.
            axes = np.ascontiguousarray(covariance.find_widest(least)[1])
    finest = operator.domain.finest_scale
    if axes is None and region.is_exact:
        has_units = finest is not None and np.any(operator.units != 1.0)
        known = np.diag(region.variances) if has_units else region.covariance
        axes = _find_varying_axes(known, FLAT * (finest or operator.scale))
    else:
        finest = None
    if axes is None:
        return None
    kept = _add_direction(axes, region.mean - operator.center, operator.scale)
    q = kept.shape[1]
    if q == d:
        return None
    along = region.along(kept, operator.center)
    of_axes = kept.T @ (covariance @ kept)
    # What clusters have of their variance along the axes: no less than off them.
    rest_off = max(float(covariance.variances.sum() - np.trace(of_axes)), 0.0)
    variance = np.clip((within - rest_off) / q, rest_off / (d - q), np.trace(of_axes) / q)
    variance = max(variance, (FLAT * operator.scale) ** 2)
    scale = float(np.sqrt(variance)) if finest is None else operator.scale
    domain = Domain(np.zeros(q), scale, _drop_rounding(of_axes), finest_scale=finest)
    narrow = FrequencyOperator(DenseMap.along(operator.linear_map, kept), domain, operator.features)
    part = sketch.with_operator(narrow)
    family = SphericalGaussian(narrow, -0.5 * _compute_blur(operator.linear_map, covariance, kept))
    return PrincipalPart(part, family, kept, along, operator, covariance, rest_off)


def _find_widest_axes(
    covariance: Covariance, operator: FrequencyOperator, least: int
) -> np.ndarray | None:
    """Return the widest axes (d, q) off which rows are no wider than clusters of the scale.

    They are ``least`` or more; None where half of all directions would not do, or, of many times as
    many columns, a few times ``least``. Where no column varies any are as good as others.
    """
    d, units = operator.n_features, operator.units
    total = float(np.sum(covariance.variances / units**2))
    if total <= 0.0:
        return np.eye(d, least)
    most = MOST_TIMES * least if _has_many_columns(d, least) else d // 2
    n = least
    while 2 * n <= d:
        n = n if LEAST_TO_SEEK * n <= d else d // 2
        values, axes = covariance.find_widest(n)
        # Variance off the first q axes, for q = 0, 1, ..., n, in the operator's units.
        along = values * np.sum((axes / units[:, None]) ** 2, axis=0)
        is_little = total - np.append(0.0, np.cumsum(along)) <= d * operator.scale**2
        if is_little.any():
            return np.ascontiguousarray(axes[:, : max(least, int(np.argmax(is_little)))])
        if n == most:
            return None
        n = min(2 * n, most)
    return None


def _is_as_wide(sketch: SketchLike, covariance: Covariance, axes: np.ndarray) -> bool:
    r"""Whether all rows are as wide off some axes (d, q) as a covariance has it, by their waves.

    Then these are damped by :math:`\exp(-\omega_j^T U \omega_j / 2)`, whatever is along the axes.
    """
    envelope = np.exp(-_compute_blur(sketch.operator.linear_map, covariance, axes))
    power = np.sum(np.abs(sketch.centered_mean) ** 2) - sketch.standard_error**2
    return bool(power <= MOST_POWER * envelope.sum())


def _tells_directions(covariance: Covariance) -> bool:
    """Whether a covariance is of more than columns, as a declared box's is."""
    signs = np.where(np.arange(len(covariance.variances)) % 2, -1.0, 1.0)
    apart = np.abs(covariance @ signs - covariance.variances * signs)
    return bool(np.any(apart > TOLD * covariance.variances.max()))


def _has_many_columns(n_features: int, least: int) -> bool:
    """Whether a few times as many axes as are decoded are found by products with a covariance."""
    return LEAST_TO_SEEK * MOST_TIMES * least <= n_features


def _find_varying_axes(covariance: np.ndarray, least: float) -> np.ndarray | None:
    """Return axes (d, q) of the deviations above ``least``; None if they are all, or none is."""
    values, axes = np.linalg.eigh(covariance)
    varies = values > least**2
    return axes[:, varies] if 0 < varies.sum() < len(values) else None


def _drop_rounding(covariance: np.ndarray) -> CovarianceMatrix:
    """Return a covariance (q, q) without the rounding of axes in which rows do not vary."""
    symmetric = 0.5 * (covariance + covariance.T)
    variances = np.diag(symmetric)
    varies = variances > ROUNDED * variances.max()
    return CovarianceMatrix(symmetric * np.outer(varies, varies))


def _compute_blur(linear_map: LinearMap, covariance: Covariance, axes: np.ndarray) -> np.ndarray:
    r"""Return :math:`\omega_j^T U \omega_j`, (m,), for the covariance U off axes V (d, q).

    With C the whole covariance it is :math:`c_j - 2 \sum_l u_{lj} t_{lj} + \sum_{kl} u_{kj}
    (V^T C V)_{kl} u_{lj}` for :math:`c_j = \omega_j^T C \omega_j, u_j = V^T \omega_j` and
    :math:`t_j = (C V)^T \omega_j`: no second matrix of d^2 numbers.
    """
    turned = covariance @ axes
    along, across = linear_map.project(axes.T), linear_map.project(turned.T)
    kept = (axes.T @ turned) @ along
    blur = np.sum(along * (kept - 2.0 * across), axis=0) + covariance.quadratic_form(linear_map)
    return np.maximum(blur, 0.0)


def _add_direction(axes: np.ndarray, moved: np.ndarray, scale: float) -> np.ndarray:
    """Return orthonormal axes (d, q) and, where a move (d,) leaves them, its direction off them."""
    off = moved - axes @ (axes.T @ moved)
    distance = float(np.linalg.norm(off))
    return axes if distance <= MOVED * scale else np.column_stack([axes, off / distance])
