"""Finding where the next atoms should be: mode seeking on the residual from many starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from sketchlearn._kernels import atoms as kernels
from sketchlearn._kernels import descent as compiled
from sketchlearn.decoders.problem import Fit, Problem
from sketchlearn.decoders.quality import BY_CHANCE
from sketchlearn.decoders.refinement import REFINING
from sketchlearn.decoders.settings import Settings
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
# Frequencies that a wide kernel damps to less than this share of the least damped are left out.
FAINTEST = 1e-2


@final
@dataclass(frozen=True)
class SeekingSettings(Settings):
    """How modes, and clusters that the moments say are missing, are sought.

    Attributes
    ----------
    step : float
        Longest step between points on lines and grids, in scales: from so far a climb arrives.
    farthest : float
        How far a missing cluster may be, in scales, from where the moments say that one alone is;
        and most scales by which a kernel is wider when a coarse search begins: few frequencies are
        as low as wider ones need.
    n_axes : int
        Axes along which a missing cluster is sought: the widest of what is missing.
    coherence : float
        Cosine of the angle between atoms from which they may stand for one cluster.
    """

    step: float = 2.0
    farthest: float = 12.0
    n_axes: int = 3
    coherence: float = 0.3


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
    n_steps = round(SEEKING.farthest / SEEKING.step)
    steps = SEEKING.step * family.operator.scale * np.arange(-n_steps, n_steps + 1)
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
    is_wide = values > family.operator.scale**2
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
    if n > 2 or widths[0] < 2.0 * SEEKING.farthest * scale:
        return nowhere
    halves = BY_CHANCE * widths
    step = max(scale, float(np.prod(2.0 * halves) / MOST_ON_GRID) ** (1.0 / n))
    if step > SEEKING.step * scale:
        return nowhere
    lines = [np.arange(-half, half + step, step) for half in halves]
    grid = np.stack(np.meshgrid(*lines), axis=-1).reshape(-1, n)
    return np.clip(base + grid @ sides.T, region.lower, region.upper)


def choose_widening(problem: Problem, n_failures: int) -> float:
    """Return how many scales wider a kernel is to begin with, after so many failed searches.

    At first none; then as wide as the rows' spread has room for two of, and from there half as wide
    with each failure, so that one of them finds what others step over.
    """
    variance = problem.region.variance / problem.family.n_features
    room = min(float(np.sqrt(variance)) / (2.0 * problem.family.operator.scale), SEEKING.farthest)
    if n_failures == 0 or room < 1.0:
        return 1.0
    return max(2.0 ** (np.floor(np.log2(room)) + 1 - n_failures), 1.0)


def find_modes(
    problem: Problem,
    shape: np.ndarray,
    residual: np.ndarray,
    starts: np.ndarray,
    n_ascents: int,
    *,
    most: int = 1,
    widening: float = 1.0,
) -> np.ndarray:
    r"""Return up to ``most`` locations (n, d) where :math:`b(c) = \langle a(c), r \rangle` peaks.

    All starts are compared with one matrix product, and the best ``n_ascents`` of them climb
    together by mean shift, :math:`c \leftarrow c + \nabla b / (\tau^2 b)`, with
    :math:`\tau^2 = \sum_j e_j \|\omega_j\|^2 / (d \sum_j e_j)` for the envelope e: the kernel's
    inverse squared width. Atoms of one shape have one norm, so b is the normalised correlation.

    Of small clusters that lie many kernel widths apart hardly any start is near one. A ``widening``
    f above 1 seeks coarsely at first: with the kernel of atoms whose variance is :math:`(f^2 - 1)
    s^2` more than the shape's, s the scale, from where the points climb on with f halved until it
    is 1. Such a kernel hears the low frequencies alone, and is smooth over f scales.

    The best mode comes first; the others are apart from it and from each other.

    Source: Belhadji and Gribonval, "Sketch and shift", 2024 (arXiv 2312.09940), section 3.
    """
    points = starts
    while widening > 1.0:
        search = _Search(problem, shape, residual, widening)
        points = search.climb_from_best(points, n_ascents)
        widening /= 2.0
    search = _Search(problem, shape, residual)
    points = search.climb_from_best(points, n_ascents)
    return _choose_modes(problem, shape, points, search.correlate(points), most)


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
        if not chosen or np.max(waves[chosen] @ waves[i]) < SEEKING.coherence * (
            waves[i] @ waves[i]
        ):
            chosen.append(int(i))
        if len(chosen) == most:
            break
    return points[chosen]


class _Search:
    """The residual's correlation with atoms of one shape, and where it rises."""

    def __init__(
        self, problem: Problem, shape: np.ndarray, residual: np.ndarray, widening: float = 1.0
    ) -> None:
        operator, self.region = problem.family.operator, problem.region
        # A copy, as kernels are compiled once more for what may not be written.
        self.center = np.array(operator.center, dtype=np.float64)
        self.map = operator.linear_map
        envelope = np.exp(problem.family.log_envelope(shape[None])[0].astype(np.float64))
        residual = residual.reshape(2, -1)
        if widening > 1.0:
            variance = (widening**2 - 1.0) * operator.scale**2
            envelope *= np.exp(-0.5 * variance * self.map.squared_norms)
            if self.map.in_blocks is not None:
                heard = np.flatnonzero(envelope >= FAINTEST * envelope.max())
                self.map = self.map.take(heard)
                envelope, residual = envelope[heard], residual[:, heard]
        self.residual = (envelope * residual).astype(np.float32)
        d = problem.family.n_features
        # No wave may hear atoms far wider than it is long.
        heard_by = envelope if envelope.any() else np.ones_like(envelope)
        self.tau2 = float(heard_by @ self.map.squared_norms) / (d * float(heard_by.sum()))

    def correlate(self, points: np.ndarray) -> np.ndarray:
        """Return ``b`` at the points (n,)."""
        step = max(1, PHASES_AT_ONCE // self.map.n_frequencies)
        blocks = (points[i : i + step] for i in range(0, len(points), step))
        return np.concatenate([self._correlate(block)[0] for block in blocks])

    def climb_from_best(self, points: np.ndarray, n_ascents: int) -> np.ndarray:
        """Return where the best correlated points get to."""
        order = np.argsort(-self.correlate(points), kind="stable")
        return self.climb(points[order[:n_ascents]])

    def climb(self, points: np.ndarray) -> np.ndarray:
        """Return where points get to by mean shift, in the box.

        No step is longer than the kernel's width.
        """
        if (rows := self.map.in_blocks) is not None:
            points = np.array(points, order="C")
            compiled.climb(
                rows, in_blocks(self.residual), self.center, self.region.lower,
                self.region.upper, self.tau2, REFINING.n_few, ARRIVED, WEAKEST, points,
            )  # fmt: skip
            return points
        for _ in range(REFINING.n_few):
            points = self._shift(points)
        return points

    def _shift(self, points: np.ndarray) -> np.ndarray:
        """Return all points after one step."""
        correlations, quadrature = self._correlate(points)
        floor = WEAKEST * max(float(correlations.max()), 1e-12)
        gradient = -self.map.adjoint(quadrature)
        steps = gradient / (self.tau2 * np.maximum(correlations, floor)[:, None])
        lengths = np.sqrt(self.tau2 * np.einsum("nd,nd->n", steps, steps))
        steps *= np.minimum(1.0, 1.0 / np.maximum(lengths, 1e-300))[:, None]
        return np.clip(points + steps, self.region.lower, self.region.upper)

    def _correlate(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``b`` at the points (n,), and for each frequency its part in quadrature (n, m)."""
        turns = self.map.project_turns((points - self.center).astype(np.float32))
        correlations, quadrature = np.empty(len(points)), np.empty_like(turns)
        kernels.correlate_points(turns, self.residual.ravel(), correlations, quadrature)
        return correlations, quadrature
