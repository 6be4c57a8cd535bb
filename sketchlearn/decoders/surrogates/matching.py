"""Moving points until their sketch is the data's: the residual, the moves, and how far to go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from scipy.linalg import cho_factor, solve_triangular

from sketchlearn._kernels import atoms as kernels
from sketchlearn._progress import tell_cost
from sketchlearn.decoders.problem import Problem
from sketchlearn.decoders.settings import Settings
from sketchlearn.decoders.surrogates.moment_matching import MomentMatching
from sketchlearn.optim.lbfgs import SETTINGS, Pairs, minimise

# Points whose phases are kept at a time.
POINTS_AT_ONCE = 256


@final
@dataclass(frozen=True)
class MatchingSettings(Settings):
    """How points are moved.

    Attributes
    ----------
    n_subsample : int
        Points that the Gauss-Newton matrix is estimated on. With a third of them twice as much is
        left of the residual after 20 iterations.
    damping : float
        Added to the diagonal of that matrix, as a fraction of its mean: moves that hardly raise
        the sketch would be long.
    longest_move : float
        Root mean square over the points and in units of the scale; by quasi-Newton iterations, the
        first move of any point.
    """

    n_subsample: int = 1000
    damping: float = 1e-2
    longest_move: float = 1.0


MATCHING = MatchingSettings()


class PointMatching:
    r"""How far the sketch of surrogate points is from the data's, and what moves them.

    It is :math:`E_j \frac1n \sum_i e^{i \omega_j^T x_i}`, E the waves of the kernel that each point
    stands for, times the exponential of the log-envelope that all atoms have in common; and beside
    the waves' numbers those of `MomentMatching`, where the sketch has moments.
    Points (n, d) are float32, centred and in units of the operator's scale; sketches are stacked
    real, (2 m,), moments after them.
    """

    def __init__(self, problem: Problem, bandwidth: np.ndarray) -> None:
        operator = problem.family.operator
        self.operator = operator
        self.target = problem.target
        widths = operator.linear_map.quadratic_form(bandwidth)
        self.envelope = np.exp(problem.family.common_log_envelope - 0.5 * widths)
        self.map = operator.linear_map.stretched(operator.scale)
        self.moments = MomentMatching(
            problem.region, operator.center, operator.scale, bandwidth, operator.n_frequencies
        )
        self.buffer = np.empty((POINTS_AT_ONCE, operator.n_frequencies), dtype=np.float32)

    def to_units(self, points: np.ndarray) -> np.ndarray:
        """Return points of data coordinates centred, in units of the scale, float32."""
        return ((points - self.operator.center) / self.operator.scale).astype(np.float32)

    def from_units(self, points: np.ndarray) -> np.ndarray:
        """Return points in data coordinates, float64."""
        return points.astype(np.float64) * self.operator.scale + self.operator.center

    def compute_residual(self, points: np.ndarray) -> np.ndarray:
        """Return what the points' sketch lacks of the data's."""
        sums = np.zeros(len(self.target))
        for start in range(0, len(points), POINTS_AT_ONCE):
            partial = np.zeros(len(self.target), dtype=np.float32)
            kernels.add_waves(self._block_phases(points[start : start + POINTS_AT_ONCE]), partial)
            sums += partial
        of_waves = self.target - np.tile(self.envelope, 2) * sums / len(points)
        return np.concatenate([of_waves, self.moments.compute_residual(points)])

    def compute_cost(self, residual: np.ndarray) -> float:
        """Return the squared distance of two sketches that differ by a residual: of their waves."""
        of_waves = residual[: len(self.target)]
        return float(of_waves @ of_waves)

    def compute_moves(self, points: np.ndarray, duals: np.ndarray) -> np.ndarray:
        r"""Return the move (n, d) of each point that dual variables stand for, one a number.

        That is :math:`J(x)^T p = \sum_j p_j \nabla_x s_j(x)` for the numbers :math:`s_j` of the
        sketch of one point.
        """
        of_waves, of_moments = np.split(duals, [len(self.target)])
        signed = (-np.tile(self.envelope, 2) * of_waves).astype(np.float32)
        moves = np.empty_like(points)
        for start in range(0, len(points), POINTS_AT_ONCE):
            phases = self._block_phases(points[start : start + POINTS_AT_ONCE])
            kernels.rotate_in_place(phases, signed)
            moves[start : start + POINTS_AT_ONCE] = self.map.adjoint(phases)
        if len(self.moments):
            moves += self.moments.compute_moves(points, of_moments)
        return moves

    def compute_gauss_newton_matrix(self, points: np.ndarray) -> np.ndarray:
        r"""Return the mean of :math:`J(x) J(x)^T`: what dual variables change.

        J (2 m, d) is one point's gradient: frequencies times quarter-turned waves. The product over
        d is the same for all points, so that of the waves remains. Moments come after them.
        """
        n_frequencies = len(self.envelope)
        n = 2 * n_frequencies
        turns = self.map.project_turns(points)
        turns += np.float32(0.25)  # A quarter.
        turned = np.empty((len(points), n), dtype=np.float32)
        kernels.modulated_waves(turns, self.envelope.astype(np.float32)[None], turned)
        result = np.empty((n + len(self.moments),) * 2, dtype=np.float32)
        of_waves = result[:n, :n]
        np.matmul(turned.T, turned, out=of_waves)
        gram = (self.map.gram() / len(points)).astype(np.float32)
        for i in (0, n_frequencies):
            for j in (0, n_frequencies):
                of_waves[i : i + n_frequencies, j : j + n_frequencies] *= gram
        if not len(self.moments):
            return result
        reach = np.tile(self.map.project(np.diag(self.moments.inverse)), 2)
        result[n:, :n] = self.moments.compute_cross_matrix(points, turned, reach)
        result[:n, n:] = result[n:, :n].T
        result[n:, n:] = self.moments.compute_gauss_newton_matrix(points)
        return result

    def _block_phases(self, points: np.ndarray) -> np.ndarray:
        """Compute the phases of a block of points in turns, in the buffer."""
        return self.map.project_turns(points, out=self.buffer[: len(points)])


def gauss_newton(
    matching: PointMatching, points: np.ndarray, max_iter: int
) -> tuple[np.ndarray, float, int]:
    r"""Move points by the least that makes up for the residual, again and again.

    Of all moves that raise the mean sketch by r to first order, the smallest is
    :math:`J(x_i)^T G^{-1} r` with G the Gauss-Newton matrix: 2 m dual variables decide, however
    many points there are. G, damped, is that of the start, and of where it got to when no move
    helps any more; secant pairs correct it in between (L-BFGS among the whitened residuals).

    Returns
    -------
    points, cost, n_iter
        The last points, their squared residual, and iterations made.
    """
    residual = matching.compute_residual(points)
    pairs, n_iter = Pairs(residual.size), 0
    root = _factorise_gauss_newton(matching, points)
    while n_iter < max_iter:
        n_iter += 1
        tell_cost(float(residual @ residual))
        white = _solve(root, residual)
        direction = -pairs.direction(white.astype(np.float64))
        duals = _solve(root, direction, trans="T")
        step = _search_step_length(
            matching, points, residual, matching.compute_moves(points, duals)
        )
        if step is None:
            if pairs.n_stored == 0:
                break
            pairs = Pairs(residual.size)
            root = _factorise_gauss_newton(matching, points)
            continue
        points, share, after = step
        made_up = _solve(root, residual - after)
        pairs.push(-share * direction, -made_up.astype(np.float64))
        residual = after
    return points, matching.compute_cost(residual), n_iter


def quasi_newton(
    matching: PointMatching, points: np.ndarray, max_iter: int
) -> tuple[np.ndarray, float, int]:
    """Minimise the squared residual over all positions by L-BFGS; returns as `gauss_newton`.

    For sketches too large for a Gauss-Newton matrix.
    """
    n_points = len(points)
    slope = float(matching.envelope**2 @ matching.map.squared_norms) / points.shape[1]
    # Variables of about unit curvature.
    unit = n_points / np.sqrt(2.0 * max(slope, 1e-30))

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = (x.reshape(points.shape) * unit).astype(np.float32)
        residual = matching.compute_residual(at)
        gradient = matching.compute_moves(at, (-2.0 * unit / n_points) * residual)
        return float(residual @ residual), gradient.ravel().astype(np.float64)

    unbounded = np.full(points.size, np.inf)
    end = minimise(
        objective,
        points.ravel().astype(np.float64) / unit,
        -unbounded,
        unbounded,
        max_iter=max_iter,
        tolerance=0.0,
        first_step=MATCHING.longest_move / unit,
        on_iteration=tell_cost,
    )
    points = end.x.reshape(points.shape) * unit
    residual = matching.compute_residual(points.astype(np.float32))
    return points, matching.compute_cost(residual), end.n_iter


def _factorise_gauss_newton(matching: PointMatching, points: np.ndarray) -> np.ndarray:
    """Return the lower Cholesky factor of the damped Gauss-Newton matrix of some of the points."""
    subsample = np.linspace(0, len(points) - 1, min(MATCHING.n_subsample, len(points))).astype(int)
    matrix = matching.compute_gauss_newton_matrix(points[subsample])
    mean = float(np.trace(matrix)) / len(matrix)
    matrix[np.diag_indices_from(matrix)] += max(MATCHING.damping * mean, 1e-30)
    # As it is stored for LAPACK, which is spared a copy.
    factor, _ = cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(factor)


def _solve(root: np.ndarray, numbers: np.ndarray, trans: Literal["N", "T"] = "N") -> np.ndarray:
    """Divide numbers by the lower factor, or by its transpose."""
    # To look for what is not finite in a matrix takes longer than to solve for one vector.
    right = numbers.astype(np.float32)
    return np.asarray(solve_triangular(root, right, lower=True, trans=trans, check_finite=False))


def _search_step_length(
    matching: PointMatching, points: np.ndarray, residual: np.ndarray, move: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray] | None:
    """Shorten a move until the residual shrinks: points, share of the move, and residual then."""
    longest = float(np.sqrt(np.mean(np.sum(move**2, axis=1))))
    share = min(1.0, MATCHING.longest_move / max(longest, 1e-30))
    for _ in range(SETTINGS.most_trials):
        tried = points + np.float32(share) * move
        after = matching.compute_residual(tried)
        if after @ after < residual @ residual:
            return tried, share, after
        # Where the residual would be least, were it linear in the share.
        change = residual - after
        best = float(residual @ change) / max(float(change @ change), 1e-300)
        share *= min(max(best, SETTINGS.shortest_share), SETTINGS.longest_share)
    return None
