"""Gradient descent on all factors of a square dyadic butterfly at once: the splits' rival."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize

from sketchlearn.factorization import Butterfly, square_dyadic

Curve = list[list[float]]
LEARNING_RATES = (0.003, 0.01, 0.03)


def random_start(n: int, rng: np.random.Generator) -> Butterfly:
    """Complex Gaussian factors whose product has entries of modulus about 1."""
    values = [
        (rng.normal(size=(p.a, p.d, 2, 2)) + 1j * rng.normal(size=(p.a, p.d, 2, 2))) / np.sqrt(2)
        for p in square_dyadic(n)
    ]
    return Butterfly(values, square_dyadic(n))


def problem(A: np.ndarray, start: Butterfly) -> tuple[np.ndarray, Callable]:
    """A vector of real parameters, and half the squared error with its gradient.

    A factor is applied to its whole right side at once; nothing is made dense.
    """
    shapes = [v.shape for v in start.values]
    ends = np.cumsum([v.size for v in start.values])[:-1]
    is_complex = A.dtype.kind == "c"

    def unpacked(theta: np.ndarray) -> list[np.ndarray]:
        flat = theta.view(np.complex128) if is_complex else theta
        return [part.reshape(s) for part, s in zip(np.split(flat, ends), shapes, strict=True)]

    def rows_of(M: np.ndarray, a: int, inner: int, d: int) -> np.ndarray:
        return M.reshape(a, inner, d, -1).transpose(0, 2, 1, 3)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        values = unpacked(theta)
        inputs = [np.eye(A.shape[1], dtype=A.dtype)]
        for v, p in zip(values[::-1], start.chain[::-1], strict=True):
            out = v @ rows_of(inputs[-1], p.a, p.c, p.d)
            inputs.append(out.transpose(0, 2, 1, 3).reshape(-1, A.shape[1]))
        back = inputs[-1] - A
        value = 0.5 * float(np.linalg.norm(back) ** 2)
        slopes = []
        for v, p, V in zip(values, start.chain, inputs[-2::-1], strict=True):
            G = rows_of(back, p.a, p.b, p.d)
            slopes.append((G @ rows_of(V, p.a, p.c, p.d).conj().swapaxes(-1, -2)).ravel())
            out = v.conj().swapaxes(-1, -2) @ G
            back = out.transpose(0, 2, 1, 3).reshape(-1, A.shape[1])
        return value, np.concatenate(slopes).view(np.float64)

    kind = np.complex128 if is_complex else np.float64
    theta = np.concatenate([v.ravel() for v in start.values]).astype(kind).view(np.float64)
    return theta, loss


def polish(A: np.ndarray, start: Butterfly) -> float:
    """Relative error of a local minimum from a start, by L-BFGS on all factors."""
    theta, loss = problem(A, start)
    found = minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return float(np.sqrt(2 * found.fun) / np.linalg.norm(A))


def descend(A: np.ndarray, start: Butterfly, budget: float) -> Curve:
    """L-BFGS for some seconds of processor time: [seconds, relative error] as it goes."""
    theta, loss = problem(A, start)
    norm, curve, began = float(np.linalg.norm(A)), [], time.process_time()

    def step(intermediate_result: object) -> None:
        value = float(getattr(intermediate_result, "fun"))  # noqa: B009
        curve.append([time.process_time() - began, np.sqrt(2 * value) / norm])
        if curve[-1][0] > budget:
            raise StopIteration

    options = {"maxiter": 100_000, "maxfun": 200_000, "ftol": 0.0, "gtol": 1e-14, "maxcor": 20}
    minimize(loss, theta, jac=True, method="L-BFGS-B", callback=step, options=options)
    return thinned(curve)


def adam(A: np.ndarray, start: Butterfly, budget: float) -> Curve:
    """Adam with the best of three rates that fall to zero over the budget, which each has."""
    return min((_adam(A, start, budget, rate) for rate in LEARNING_RATES), key=lambda c: c[-1][1])


def _adam(A: np.ndarray, start: Butterfly, budget: float, rate: float) -> Curve:
    """Adam (Kingma and Ba 2015) on the mean squared error."""
    theta, loss = problem(A, start)
    theta = theta.copy()
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    norm, curve, began, n = float(np.linalg.norm(A)), [], time.process_time(), 0
    while (spent := time.process_time() - began) < budget:
        n += 1
        value, slope = loss(theta)
        curve.append([spent, np.sqrt(2 * value) / norm])
        mean += 0.1 * (slope - mean)
        square += 0.001 * (slope**2 - square)
        size = rate * (1.0 - spent / budget)
        theta -= size * mean / (1 - 0.9**n) / (np.sqrt(square / (1 - 0.999**n)) + 1e-12)
    return thinned(curve)


def thinned(curve: Curve) -> Curve:
    """At most about 200 points, the last one kept."""
    return [*curve[:: max(1, len(curve) // 200)], curve[-1]]
