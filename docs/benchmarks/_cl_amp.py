"""CL-AMP, a rival of the package's decoders: centroids by approximate message passing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numba import njit
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from sketchlearn import Sketch
from sketchlearn.atoms import AtomFamily, SphericalGaussian
from sketchlearn.decoders import Decoder, Mixture
from sketchlearn.decoders.decoder import check_decodable, mixture_of
from sketchlearn.decoders.refinement import Fit

# Variance of a phase from which the sketch says nothing about it: exp(-10 / 2) is under 1 %.
MOST_PHASE_VARIANCE = 10.0
# Half the points of a posterior's integral at most, and their distance in its least widths.
MOST_HALF_POINTS, STEP = 150, 0.8
# Standard deviations of the prior of a phase that the integral reaches.
REACH = 4.0
# Share of a prior variance that the outputs must take off, for the next step to be finite.
LEAST_CERTAINTY = 1e-3
# Moves, in scales, and relative changes of the cost, that are none.
STILL, SAME = 1e-3, 1e-4
# Optimiser iterations that tune weights and variances.
N_TUNINGS = 20
# Least weight, so that an atom can come back; goodness of fit at which nothing is left to seek.
LEAST_WEIGHT, EXPLAINED = 1e-4, 1.0


@final
@dataclass(frozen=True)
class CLAMP(Decoder):
    r"""Centroids as the posterior mean under a Gaussian prior, by simplified hybrid GAMP.

    With :math:`\omega_j = g_j a_j`, :math:`\|a_j\| = 1`, and the projections
    :math:`t_{jk} = a_j^T c_k`, the model of the sketch is

    .. math:: y_j = \sum_k \alpha_k e^{-g_j^2 \tau_k / 2} e^{i g_j t_{jk}} + \text{noise}.

    Each iteration passes, for every atom k, with scalar variances q,

    - *output*: prior :math:`t_{jk} \sim N(p_{jk}, q^p_k)`, :math:`p = A c - q^p s`; its posterior
      mean and variance given :math:`y_j` (`_denoise`), and from them
      :math:`s = (\hat t - p) / q^p`, :math:`q^s = (1 - \bar q^t / q^p) / q^p`;
    - *input*: :math:`r = c + q^r A^T s`, :math:`q^r = (d / m) / q^s`; the posterior mean and
      variance of c under :math:`N(r, q^r)` and the prior, which has the pilot's variances.

    Between runs of iterations, weights and variances minimise the expected squared residual
    (`_tuned`), as in expectation maximisation. The best of several random starts is kept.

    Written from the paper's model and the general SHyGAMP recursion, not from its authors' code; so
    details differ. The likelihood has the sampling noise of the sketch here, and a share of what
    the mixture leaves, without which few starts get anywhere; the prior and the damping are ours.

    Parameters
    ----------
    n_starts : int, default=3
        Random starts at most; one that explains the sketch is the last.
    n_rounds : int, default=20
        Runs of iterations at most, each followed by a tuning.
    n_iterations : int, default=50
        Iterations of a round at most.
    damping : float, default=0.7
        Share of the new in every update.
    unexplained : float, default=0.1
        Share of the mean squared residual that counts as noise.

    References
    ----------
    Byrne, Chatalic, Gribonval and Schniter, "Sketched clustering via hybrid approximate message
    passing", IEEE Transactions on Signal Processing 67(17), 2019 (arXiv 1712.02849).
    """

    n_starts: int = 3
    n_rounds: int = 20
    n_iterations: int = 50
    damping: float = 0.7
    unexplained: float = 0.1

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def decode(
        self, sketch: Sketch, family: AtomFamily, n_atoms: int, rng: np.random.Generator
    ) -> Mixture:
        """Recover ``n_atoms`` round atoms; see `Decoder.decode`.

        Raises
        ------
        TypeError
            If the family is not `SphericalGaussian`.
        """
        if not isinstance(family, SphericalGaussian):
            raise TypeError(f"CLAMP needs a SphericalGaussian family, got {type(family).__name__}")
        check_decodable(sketch, family, n_atoms)
        best: Mixture | None = None
        for _ in range(self.n_starts):
            state = _State(sketch, n_atoms, rng)
            mixture = mixture_of(sketch, family, self._run(state, family))
            if best is None or mixture.cost < best.cost:
                best = mixture
            if best.goodness_of_fit <= EXPLAINED:
                break
        assert best is not None
        return best

    def _run(self, state: _State, family: SphericalGaussian) -> Fit:
        """Rounds of message passing and tuning from one start."""
        cost, n_iter, has_settled = math.inf, 0, False
        for _ in range(self.n_rounds):
            for _ in range(self.n_iterations):
                n_iter += 1
                if is_still := state.step(self.damping):
                    break
            state.tune()
            before, cost = cost, state.cost()
            has_settled = is_still and abs(before - cost) <= SAME * cost
            if has_settled:
                break
            state.noise = np.maximum(state.floor, self.unexplained * cost / (2 * len(state.y)))
        locations = state.c.T + family.operator.center
        variances = np.repeat(state.tau[:, None], len(state.c), axis=1)
        parameters = family.from_moments(locations, variances)
        return Fit(state.alpha, parameters, state.cost(), n_iter, has_settled)


class _State:
    """Estimates on the way: centred centroids c (d, k), messages, weights and variances."""

    def __init__(self, sketch: Sketch, n_atoms: int, rng: np.random.Generator) -> None:
        operator = sketch.operator
        d, m = operator.n_features, operator.n_frequencies
        self.y = sketch.centered_mean
        self.g = np.linalg.norm(operator.frequencies, axis=0)
        self.A = np.ascontiguousarray((operator.frequencies / self.g).T)
        self.scale = operator.scale
        self.prior = np.maximum(np.diag(operator.covariance), 1e-12 * self.scale**2)[:, None]
        self.c = np.sqrt(self.prior) * rng.standard_normal((d, n_atoms))
        self.q_p = np.full(n_atoms, self.prior.mean())
        self.s = np.zeros((m, n_atoms))
        self.t, self.q_t = np.empty((m, n_atoms)), np.empty((m, n_atoms))
        self.alpha = np.full(n_atoms, 1.0 / n_atoms)
        self.tau = np.full(n_atoms, self.scale**2)
        self.floor = (1.0 - np.abs(self.y) ** 2) / (2.0 * sketch.n_effective)
        self.noise = self.floor

    def step(self, damping: float) -> bool:
        """One iteration; whether no centroid moved."""
        p = self.A @ self.c - self.s * self.q_p
        y = self.y
        _denoise(y.real, y.imag, self.noise, self.g, self._beta(), p, self.q_p, self.t, self.q_t)
        self.s += damping * ((self.t - p) / self.q_p - self.s)
        certainty = 1.0 - self.q_t.mean(axis=0) / self.q_p
        q_s = np.maximum(certainty, LEAST_CERTAINTY) / self.q_p
        q_r = self.A.shape[1] / self.A.shape[0] / q_s
        shrinkage = self.prior / (self.prior + q_r)
        moves = damping * (shrinkage * (self.c + q_r * (self.A.T @ self.s)) - self.c)
        self.c += moves
        self.q_p = (shrinkage * q_r).mean(axis=0) ** damping * self.q_p ** (1.0 - damping)
        return bool(np.abs(moves).max() <= STILL * self.scale)

    def tune(self) -> None:
        """Fit weights and variances to the projections' posteriors."""
        self.alpha, self.tau = _tuned(
            self.y, self.g, self.t, self.q_t, self.alpha, self.tau, self.scale
        )

    def cost(self) -> float:
        """Squared residual of the centroids as they are."""
        waves = np.exp(1j * self.g[:, None] * (self.A @ self.c))
        return float(np.sum(np.abs(self.y - np.sum(self._beta() * waves, axis=1)) ** 2))

    def _beta(self) -> np.ndarray:
        """Moduli (m, k) of the atoms' sketches, weighted."""
        return np.asarray(self.alpha * np.exp(-0.5 * self.g[:, None] ** 2 * self.tau))


def _tuned(
    y: np.ndarray,
    g: np.ndarray,
    t: np.ndarray,
    q_t: np.ndarray,
    alpha: np.ndarray,
    tau: np.ndarray,
    scale: float,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Weights and variances that minimise the expected squared residual, the weights summing to 1.

    With :math:`\beta_{jk} = \alpha_k e^{-g_j^2 \tau_k / 2}` and
    :math:`\rho_{jk} = E\,e^{i g_j t_{jk}} = e^{i g_j \hat t_{jk} - g_j^2 q^t_{jk} / 2}` it is
    :math:`\sum_j |y_j - \sum_k \beta_{jk} \rho_{jk}|^2 + \sum_{jk} \beta_{jk}^2
    (1 - |\rho_{jk}|^2)`.
    """
    k, squares = len(alpha), g[:, None] ** 2
    rho = np.exp(1j * g[:, None] * t - 0.5 * squares * q_t)
    lost = 1.0 - np.abs(rho) ** 2
    unit = scale**2

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        envelope = np.exp(-0.5 * squares * (unit * x[k:]))
        beta = x[:k] * envelope
        residual = y - np.sum(beta * rho, axis=1)
        slope = 2.0 * (beta * lost - np.real(np.conj(residual)[:, None] * rho))
        gradient = np.concatenate(
            [np.sum(slope * envelope, axis=0), -0.5 * unit * np.sum(slope * beta * squares, axis=0)]
        )
        return float(np.sum(np.abs(residual) ** 2) + np.sum(beta**2 * lost)), gradient

    bounds = [(0.0, None)] * k + [(0.02, 25.0)] * k
    start = np.concatenate([alpha, tau / unit])
    end = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": N_TUNINGS}
    ).x
    weights = np.maximum(end[:k], LEAST_WEIGHT)
    return weights / weights.sum(), unit * end[k:]


@njit(cache=True)
def _moments(b: float, t: float, v: float) -> tuple[float, float, float, float, float]:
    """Mean and covariance of b exp(i u), u ~ N(t, v): re, im, and their rr, ii, ri."""
    c, s, e = math.cos(t), math.sin(t), math.exp(-0.5 * v)
    e2 = e * e
    even, odd = 0.5 * b * b * (1.0 - e2), -0.5 * b * b * e2 * (1.0 - e2)
    twice_c, twice_s = c * c - s * s, 2.0 * c * s
    return b * e * c, b * e * s, even + odd * twice_c, even - odd * twice_c, odd * twice_s


@njit(cache=True)
def _posterior(
    u_re: float,
    u_im: float,
    rr: float,
    ii: float,
    ri: float,
    b: float,
    t: float,
    v: float,
    half: int,
    step: float,
) -> tuple[float, float]:
    """Mean and variance of x ~ N(0, v) given u = b exp(i (t + x)) + noise of covariance rr, ii, ri.

    The phase's posterior is a generalised von Mises density times a normal one; both moments by the
    trapezoidal rule on ``2 half + 1`` points, whose waves follow from each other by a rotation.
    """
    det = rr * ii - ri * ri
    w_rr, w_ii, w_ri = 0.5 * ii / det, 0.5 * rr / det, -ri / det
    x = -half * step
    c, s = b * math.cos(t + x), b * math.sin(t + x)
    turn_c, turn_s = math.cos(step), math.sin(step)
    highest, total, first, second = -1e300, 0.0, 0.0, 0.0
    for _ in range(2 * half + 1):
        a_re, a_im = u_re - c, u_im - s
        height = -(w_rr * a_re * a_re + w_ii * a_im * a_im + w_ri * a_re * a_im) - 0.5 * x * x / v
        if height > highest:
            shrink = math.exp(highest - height)
            total, first, second = total * shrink, first * shrink, second * shrink
            highest = height
        share = math.exp(height - highest)
        total, first, second = total + share, first + share * x, second + share * x * x
        c, s = c * turn_c - s * turn_s, s * turn_c + c * turn_s
        x += step
    mean = first / total
    return mean, second / total - mean * mean


@njit(cache=True)
def _denoise(
    y_re: np.ndarray,
    y_im: np.ndarray,
    noise: np.ndarray,
    g: np.ndarray,
    beta: np.ndarray,
    p: np.ndarray,
    q_p: np.ndarray,
    t_out: np.ndarray,
    q_out: np.ndarray,
) -> None:
    """Posterior means and variances of the projections, (m, k) each.

    For each atom, all other atoms together are taken for complex Gaussian, of their own mean and
    covariance under the prior.
    """
    m, k = p.shape
    each, whole, rest = np.empty((k, 5)), np.empty(5), np.empty(5)
    for j in range(m):
        whole[:] = 0.0
        for i in range(k):
            moments = _moments(beta[j, i], g[j] * p[j, i], g[j] * g[j] * q_p[i])
            for n in range(5):
                each[i, n] = moments[n]
                whole[n] += moments[n]
        for i in range(k):
            b, v = beta[j, i], g[j] * g[j] * q_p[i]
            t_out[j, i], q_out[j, i] = p[j, i], q_p[i]
            if v > MOST_PHASE_VARIANCE or b * b < 1e-6 * noise[j]:
                continue
            for n in range(5):
                rest[n] = whole[n] - each[i, n]
            rr, ii, ri = rest[2] + noise[j], rest[3] + noise[j], rest[4]
            gap = math.hypot(rr - ii, 2.0 * ri)
            least = max(0.5 * (rr + ii - gap), noise[j])
            width = 1.0 / math.sqrt(1.0 / v + b * b / least)
            reach = REACH * math.sqrt(v)
            half = min(int(reach / (STEP * width)) + 4, MOST_HALF_POINTS)
            mean, variance = _posterior(
                y_re[j] - rest[0], y_im[j] - rest[1], rr, ii, ri, b, g[j] * p[j, i], v, half,
                reach / half,
            )  # fmt: skip
            t_out[j, i] = p[j, i] + mean / g[j]
            q_out[j, i] = max(variance, 1e-12 * v) / (g[j] * g[j])
