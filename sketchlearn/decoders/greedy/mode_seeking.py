"""Finding where the next atoms should be: mode seeking on the residual from many starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from sketchlearn._kernels import atoms as kernels
from sketchlearn._kernels import descent as compiled
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.settings import Settings
from sketchlearn.linear_maps import LinearMap
from sketchlearn.linear_maps.linear_map import in_blocks
from sketchlearn.sketches.region import Region

Starts = Literal["gaussian", "box"]

# Phases that are computed at a time, where starts are compared: they stay in a cache. Points on a
# grid, at most: memory.
PHASES_AT_ONCE, MOST_ON_GRID = 2**16, 2**16
# Widths of the kernel that a point moves by less in its last step.
ARRIVED = 1e-2
# A start where the correlation is weak may not move by more than one kernel width anyway.
WEAKEST = 1e-3
# Negative log-envelope from which a frequency adds nothing to a widened kernel.
NEGLIGIBLE = 7.0


@final
@dataclass(frozen=True)
class SeekingSettings(Settings):
    """How modes, and clusters that the moments say are missing, are sought.

    Attributes
    ----------
    n_steps, n_narrowing, n_narrow : int
        Steps of a climb; while the kernel narrows, and after.
    widest : float
        Greatest width of the kernel at the start, as a multiple of its width at the end.
    n_axes, n_steps_along : int
        Axes along which a missing cluster is sought, and points on each.
    farthest_step : float
        How far they spread, in scales.
    far_apart, longest_step : float
        Several missing clusters are sought on a grid where they are so many scales apart, its steps
        no more scales.
    least_spread : float
        An axis of theirs has this share of the missing spread.
    most_dimensions : int
        Grids have no more dimensions.
    reach_of_lines, reach_of_planes : float
        By how many deviations grids of one and of two dimensions reach out.
    same_mode : float
        Coherence of atoms, the cosine of their angle, from which they are one mode.
    least_correlation : float
        Correlation of a mode that is taken along with the best one, as a fraction of the best's.
    """

    n_steps: int = 20
    n_narrowing: int = 40
    n_narrow: int = 5
    widest: float = 4.0
    n_axes: int = 3
    n_steps_along: int = 13
    farthest_step: float = 12.0
    far_apart: float = 25.0
    longest_step: float = 2.0
    least_spread: float = 0.01
    most_dimensions: int = 2
    reach_of_lines: float = 4.0
    reach_of_planes: float = 2.5
    same_mode: float = 0.3
    least_correlation: float = 0.7


SEEKING = SeekingSettings()


def draw_starts(
    region: Region, starts: Starts, n_points: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw points (n_points, d) of a region: everywhere in its box, or as its moments say."""
    draw = region.draw_everywhere if starts == "box" else region.draw_gaussian
    return draw(n_points, rng)


def draw_earlier(problem: Problem, n_points: int, rng: np.random.Generator) -> np.ndarray:
    """Draw points where the operator's rows were, none unless the rows are far more spread now.

    Among points that are spread as the rows are, few would be near the clusters that stayed.
    """
    region, operator = problem.region, problem.family.operator
    if not region.is_much_wider(operator):
        return np.empty((0, problem.family.n_features))
    points = Region.of_operator(operator).draw_gaussian(n_points, rng)
    return np.clip(points, region.lower, region.upper)


def locate_missing(problem: Problem, fit: Fit) -> np.ndarray:
    r"""Return points (n, d) where the rows' moments say that a cluster is missing.

    Atoms that lack a cluster of weight p at :math:`\mu` lack :math:`p (\mu - m)` of the rows' first
    moment about their mean m, and about :math:`p (\mu - m)(\mu - m)^T` of the second. So
    :math:`\mu - m` is along the widest axis v of what is missing, :math:`\lambda / \langle v,
    \delta \rangle` off, with :math:`\lambda` the variance along it and :math:`\delta` the missing
    first moment. Of two on opposite sides the first moments cancel; then the missing weight tells
    how far they are, :math:`\sqrt{\lambda / p}`. However far that is, it is known to a few scales,
    over which the points spread. There are none where the sketch has no moments, or the fit no
    atoms.
    """
    family, region = problem.family, problem.region
    if not (region.is_exact and len(fit.weights)):
        return np.empty((0, family.n_features))
    locations = family.split(fit.parameters)[0] - region.mean
    first = -fit.weights @ locations
    second = region.covariance - (locations.T * fit.weights) @ locations
    matrices = family.covariance_matrices(fit.parameters)
    second -= (fit.weights @ matrices.reshape(len(matrices), -1)).reshape(second.shape)
    values, axes = np.linalg.eigh(second)
    values, axes = values[-SEEKING.n_axes :], axes[:, -SEEKING.n_axes :]
    values, along = np.maximum(values, 0.0), first @ axes
    weight = max(1.0 - float(fit.weights.sum()), problem.weight_error)
    # One cluster by the missing mean; or some on both sides, by the missing weight.
    far, both = values / np.where(along == 0.0, np.inf, along), np.sqrt(values / weight)
    distances = np.stack([far, both, -both])
    steps = family.operator.scale * np.linspace(
        -SEEKING.farthest_step, SEEKING.farthest_step, SEEKING.n_steps_along
    )
    offsets = (distances[:, :, None] + steps)[..., None] * axes.T[:, None]
    points = region.mean + offsets.reshape(-1, family.n_features)
    return np.minimum(np.maximum(points, region.lower), region.upper)


def locate_several_missing(problem: Problem, fit: Fit, n_latest: int = 0) -> np.ndarray:
    r"""Return points (n, d), on a grid, where the moments say that several clusters are missing.

    The latest atoms may be left out of account: weights a little wrong of what is far away make
    moments much wrong.

    About the centre o of the atoms that there are, clusters of weights :math:`p_i` that are missing
    lack :math:`\delta = \sum p_i (\mu_i - o)` and, far away,
    :math:`S = \sum p_i (\mu_i - o)(\mu_i - o)^T = B B^T`. If they are as many as B has columns,
    :math:`\sqrt{p_i} (\mu_i - o) = B q_i` for orthonormal :math:`q_i` of which
    :math:`\sum \sqrt{p_i} q_i = \gamma = B^+ \delta`, so that
    :math:`\mu_i = o + B q_i / \langle q_i, \gamma \rangle` is on the plane through
    :math:`o + B \gamma / |\gamma|^2` along :math:`B n`, :math:`n \perp \gamma`: a line for two
    clusters. Of more clusters it is anywhere in the span of B. There are no points where the
    rows are hardly more spread than the operator's, or too far apart for a grid.
    """
    family, region = problem.family, problem.region
    n_found, nowhere = len(fit.weights) - n_latest, np.empty((0, family.n_features))
    n_missing = problem.n_atoms - n_found
    weights, parameters = fit.weights[: max(n_found, 0)], fit.parameters[: max(n_found, 0)]
    total = float(weights.sum())
    if n_missing < 2 or total <= 0.0 or not region.is_much_wider(family.operator):
        return nowhere
    locations = family.split(parameters)[0]
    center = weights @ locations / total
    locations, mean = locations - center, region.mean - center
    first = mean - weights @ locations
    second = region.covariance + np.outer(mean, mean) - (locations.T * weights) @ locations
    second -= np.tensordot(weights, family.covariance_matrices(parameters), axes=1)
    values, axes = np.linalg.eigh(second)
    is_wide = values > max(SEEKING.least_spread * values.sum(), 0.0)
    roots = axes[:, is_wide] * np.sqrt(values[is_wide])
    gamma = np.linalg.lstsq(roots, first, rcond=None)[0]
    missing = float(gamma @ gamma)
    if roots.shape[1] < 2 or missing == 0.0:
        return nowhere
    base = center + roots @ gamma / missing
    # Directions along which the points are: those across gamma come last.
    across = np.linalg.svd(gamma[None])[2][1 if n_missing <= len(gamma) else 0 :]
    sides, widths, _ = np.linalg.svd(roots @ across.T / np.sqrt(missing), full_matrices=False)
    n, scale = len(widths), family.operator.scale
    if n > SEEKING.most_dimensions or widths[0] < SEEKING.far_apart * scale:
        return nowhere
    halves = (SEEKING.reach_of_lines if n == 1 else SEEKING.reach_of_planes) * widths
    step = max(scale, float(np.prod(2.0 * halves / MOST_ON_GRID ** (1.0 / n))) ** (1.0 / n))
    if step > SEEKING.longest_step * scale:
        return nowhere
    lines = [np.arange(-half, half + step, step) for half in halves]
    grid = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, n)
    return np.clip(base + grid @ sides.T, region.lower, region.upper)


def find_modes(
    problem: Problem,
    shape: np.ndarray,
    residual: np.ndarray,
    starts: np.ndarray,
    n_ascents: int,
    *,
    n_wide: int = 0,
    most: int = 1,
) -> np.ndarray:
    r"""Return up to ``most`` locations (n, d) where :math:`b(c) = \langle a(c), r \rangle` peaks.

    All starts are compared with one matrix product, and the best ``n_ascents`` of them climb
    together by mean shift, :math:`c \leftarrow c + \nabla b / (\tau^2 b)`, with
    :math:`\tau^2 = \sum_j e_j \|\omega_j\|^2 / (d \sum_j e_j)` for the envelope e: the kernel's
    inverse squared width. Atoms of one shape have one norm, so b is the normalised correlation.

    A few widths away from all clusters a narrow kernel sees only interference. So the first
    ``n_wide`` starts climb under a kernel that is as wide as the data, and narrows (annealing).

    The best mode comes first; the others are no less than 70 % of it, and apart from each other.

    Sources: Belhadji and Gribonval, "Sketch and shift", 2024 (arXiv 2312.09940), section 3; Shen,
    Brooks and van den Hengel, "Fast global kernel density mode seeking: applications to
    localization and tracking", 2007 (annealing).
    """
    search = _Search(problem, shape, residual, is_sorted=n_wide > 0)
    kernel = search.kernel(1.0)
    order = np.argsort(-search.correlate(starts, kernel), kind="stable")
    points = search.climb(starts[order[:n_ascents]], kernel, SEEKING.n_steps)
    if n_wide:
        wide = starts[:n_wide]
        for width in search.widths():
            wide = search.climb(wide, search.kernel(width), 1)
        points = np.vstack([points, wide])
    return _choose_modes(problem, shape, points, search.correlate(points, kernel), most)


def _choose_modes(
    problem: Problem, shape: np.ndarray, points: np.ndarray, correlations: np.ndarray, most: int
) -> np.ndarray:
    """Return the points (n, d) of largest correlations that are modes of their own."""
    order = np.argsort(-correlations, kind="stable")
    if most == 1:
        return points[order[:1]]
    shapes = np.broadcast_to(shape, (len(points), len(shape)))
    waves = problem.family.sketch(np.hstack([points, shapes]))
    chosen: list[int] = []
    for i in order:
        if chosen and correlations[i] < SEEKING.least_correlation * correlations[chosen[0]]:
            break
        if not chosen or np.max(waves[chosen] @ waves[i]) < SEEKING.same_mode * (
            waves[i] @ waves[i]
        ):
            chosen.append(int(i))
        if len(chosen) == most:
            break
    return points[chosen]


@dataclass(frozen=True, eq=False)
class _Kernel:
    """A residual as an atom of one shape and width sees it: what a step of mean shift needs.

    The ``residual`` (2, n) is times the atom's envelope, for the n frequencies of the map.
    """

    map: LinearMap
    residual: np.ndarray
    tau2: float


class _Search:
    """The residual's correlation with atoms of one shape, widened or not."""

    def __init__(
        self, problem: Problem, shape: np.ndarray, residual: np.ndarray, *, is_sorted: bool
    ) -> None:
        family, operator = problem.family, problem.family.operator
        self.region, self.d, self.scale = problem.region, family.n_features, operator.scale
        self.center = np.ascontiguousarray(operator.center, dtype=np.float64)
        self.map, self.squared = operator.linear_map, operator.linear_map.squared_norms
        self.log_envelope = family.log_envelope(shape[None])[0].astype(np.float64)
        self.residual = residual.reshape(2, -1)
        if is_sorted:
            # By length, so that those that a wide kernel responds to come first.
            order = np.argsort(self.squared, kind="stable")
            self.map, self.squared = self.map.take(order), self.squared[order]
            self.log_envelope, self.residual = self.log_envelope[order], self.residual[:, order]

    def widths(self) -> np.ndarray:
        """Widths of the narrowing kernel, from the data's, or the widest, down to 1."""
        spread = np.sqrt(self.region.variance / self.d) / self.scale
        narrowing = np.geomspace(np.clip(spread, 1.0, SEEKING.widest), 1.0, SEEKING.n_narrowing)
        return np.concatenate([narrowing, np.ones(SEEKING.n_narrow)])

    def kernel(self, width: float) -> _Kernel:
        """Return the kernel of a width, of the frequencies that it responds to, where sorted."""
        widening = 0.5 * (width**2 - 1.0) * self.scale**2 * self.squared
        n = len(widening) if width == 1.0 else int(np.searchsorted(widening, NEGLIGIBLE))
        envelope = np.exp(self.log_envelope[:n] - widening[:n])
        return _Kernel(
            self.map if n == len(widening) else self.map.take(slice(n)),
            (envelope * self.residual[:, :n]).astype(np.float32),
            float(envelope @ self.squared[:n]) / (self.d * float(envelope.sum())),
        )

    def correlate(self, points: np.ndarray, kernel: _Kernel) -> np.ndarray:
        """Return ``b`` at the points (n,)."""
        step = max(1, PHASES_AT_ONCE // len(self.squared))
        blocks = (points[i : i + step] for i in range(0, len(points), step))
        return np.concatenate([self._correlate(block, kernel)[0] for block in blocks])

    def climb(self, points: np.ndarray, kernel: _Kernel, n_steps: int) -> np.ndarray:
        """Return where points get to by so many steps of mean shift, in the box.

        No step is longer than the kernel's width.
        """
        if (rows := kernel.map.in_blocks) is not None:
            points = np.array(points, order="C")
            compiled.climb(
                rows, in_blocks(kernel.residual), self.center, self.region.lower,
                self.region.upper, kernel.tau2, n_steps, ARRIVED, WEAKEST, points,
            )  # fmt: skip
            return points
        for _ in range(n_steps):
            points = self._shift(points, kernel)
        return points

    def _shift(self, points: np.ndarray, kernel: _Kernel) -> np.ndarray:
        """Return all points after one step."""
        correlations, quadrature = self._correlate(points, kernel)
        floor = WEAKEST * max(float(correlations.max()), 1e-12)
        gradient = -kernel.map.adjoint(quadrature)
        steps = gradient / (kernel.tau2 * np.maximum(correlations, floor)[:, None])
        lengths = np.sqrt(kernel.tau2 * np.einsum("nd,nd->n", steps, steps))
        steps *= np.minimum(1.0, 1.0 / np.maximum(lengths, 1e-300))[:, None]
        return np.clip(points + steps, self.region.lower, self.region.upper)

    def _correlate(self, points: np.ndarray, kernel: _Kernel) -> tuple[np.ndarray, np.ndarray]:
        """Return ``b`` at the points (n,), and for each frequency its part in quadrature (n, m)."""
        turns = kernel.map.project_turns((points - self.center).astype(np.float32))
        correlations, quadrature = np.empty(len(points)), np.empty_like(turns)
        kernels.correlate_points(turns, kernel.residual.ravel(), correlations, quadrature)
        return correlations, quadrature
