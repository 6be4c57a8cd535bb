"""The product of factors with fixed supports that is nearest to a matrix."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from sketchlearn._validation import check_count, check_nonnegative, check_positive
from sketchlearn.factorization.butterfly import check_matrix
from sketchlearn.factorization.splits import over_power_of_two
from sketchlearn.factorization.supports import Block, check_support_pair, check_supports

# Where the path to a small ridge starts, and how it goes on.
FIRST_ALPHA, STEP = 0.1, 0.1


class IllPosedWarning(UserWarning):
    """A problem on fixed supports that may have no solution, only ever larger factors."""


class RidgeSolution(NamedTuple):
    """Factors of least ridge loss that were found for one alpha.

    Parameters
    ----------
    alpha : float
        The ridge, relative to the matrix's norm.
    X, Y : ndarray (m, r), (r, n)
        The factors.
    relative_error : float
        ``||A - X Y|| / ||A||``.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import ridge_path
    >>> (solution,) = ridge_path(np.eye(2), np.ones((2, 2)), np.ones((2, 2)), [1e-6])
    >>> solution.X.shape, solution.relative_error < 1e-3
    ((2, 2), True)
    """

    alpha: float
    X: np.ndarray
    Y: np.ndarray
    relative_error: float

    @property
    def largest(self) -> float:
        """The largest modulus of an entry of the factors."""
        return float(max(np.abs(self.X).max(), np.abs(self.Y).max()))


def closest_product(
    A: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    *,
    alpha: float = 1e-6,
    n_starts: int = 5,
    random_state: int | None = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return X and Y within their supports such that X Y is nearest to A in the Frobenius norm.

    Where `check_supports` says "closed", the answer is exact: the guide proves that the products
    are the matrices with blocks of bounded rank, each of which is a truncated singular value
    decomposition. (For one decomposition this is the tractable case of Le, Riccietti and Gribonval,
    arXiv 2112.00386, who also prove the general problem to be NP-hard.) Elsewhere the end of
    `ridge_path` is given, with an `IllPosedWarning`.

    Parameters
    ----------
    A : array-like (m, n)
        Real; complex where the supports are closed.
    left, right : array-like (m, r), (r, n)
        Supports: zeros and ones.
    alpha : float, default=1e-6
        Ridge where the supports are not known to be closed, positive.
    n_starts : int, default=5
        Random starts of the ridge path.
    random_state : int or None, default=0
        Of the starts.

    Returns
    -------
    X : ndarray (m, r)
        Left factor.
    Y : ndarray (r, n)
        Right factor.

    Raises
    ------
    TypeError, ValueError
        If A is no finite matrix of the product's shape, or a support not of zeros and ones.

    Warns
    -----
    IllPosedWarning
        If the supports are not known to be closed.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> X, Y = closest_product(A, np.ones((3, 2)), np.ones((2, 3)))
    >>> np.round(X @ Y, 12) + 0.0
    array([[3., 0., 0.],
           [0., 2., 0.],
           [0., 0., 0.]])
    """
    A, left, right = _check_matrix_and_supports(A, left, right)
    alpha, n_starts = check_positive(alpha, "alpha"), check_count(n_starts, "n_starts")
    random_state = _check_seed(random_state)
    verdict = check_supports(left, right)
    if verdict.status == "closed":
        return _fit_exactly(A, verdict.blocks, left.shape[1])
    _refuse_complex(A)
    warnings.warn(
        f"the products within these supports are {_IN_WORDS[verdict.status]}: there may be no "
        f"nearest one, and this is the best that was found with a ridge of alpha={alpha} on the "
        "factors",
        IllPosedWarning,
        stacklevel=2,
    )
    path = ridge_path(
        A, left, right, alphas_to(alpha), n_starts=n_starts, random_state=random_state
    )
    return path[-1].X, path[-1].Y


def ridge_path(
    A: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    alphas: Sequence[float],
    *,
    n_starts: int = 5,
    max_iter: int = 2000,
    random_state: int | None = 0,
) -> list[RidgeSolution]:
    """Minimise ``||A / s - X Y||^2 + alpha (||X||^2 + ||Y||^2)`` with s = ||A||, for each alpha.

    A minimum exists for every positive alpha. By L-BFGS, from several starts for the first alpha
    and from the previous solution for each of the others: local minima, except where the landscape
    has no other. The factors are given for A itself.

    Parameters
    ----------
    A, left, right
        As for `closest_product`; A is real.
    alphas : sequence of float
        In the order in which to go through them; decreasing is best. Not negative.
    n_starts, max_iter : int
        Random starts; iterations for each alpha.
    random_state : int or None, default=0
        Of the starts.

    Returns
    -------
    list of RidgeSolution
        One for each alpha.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> lower = np.tril(np.ones((2, 2)))
    >>> swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> path = ridge_path(swap, lower, lower.T, [1e-2, 1e-4, 1e-6])
    >>> [step.largest > 1.5 * before.largest for before, step in zip(path, path[1:])]
    [True, True]
    """
    A, left, right = _check_matrix_and_supports(A, left, right)
    _refuse_complex(A)
    if not isinstance(alphas, Iterable):
        raise TypeError(f"alphas must be a sequence of numbers, got {alphas!r}")
    alphas = [check_nonnegative(alpha, "alpha") for alpha in alphas]
    if not alphas:
        raise ValueError("alphas must hold at least one number, got none")
    n_starts, max_iter = check_count(n_starts, "n_starts"), check_count(max_iter, "max_iter")
    random_state = _check_seed(random_state)
    A, exponent = over_power_of_two(A)
    norm = float(np.linalg.norm(A)) or 1.0
    at = np.flatnonzero(left), np.flatnonzero(right)
    if at[0].size + at[1].size == 0:
        zeros = np.zeros(left.shape), np.zeros(right.shape)
        return [RidgeSolution(alpha, *zeros, float(np.any(A))) for alpha in alphas]

    def factors(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        X, Y = np.zeros(left.shape), np.zeros(right.shape)
        X.flat[at[0]], Y.flat[at[1]] = np.split(theta, [at[0].size])
        return X, Y

    def loss(theta: np.ndarray, alpha: float) -> tuple[float, np.ndarray]:
        X, Y = factors(theta)
        rest = X @ Y - A / norm
        slope = np.concatenate([(rest @ Y.T).flat[at[0]], (X.T @ rest).flat[at[1]]])
        value = float(np.vdot(rest, rest)) + alpha * float(theta @ theta)
        return value, 2.0 * (slope + alpha * theta)

    def minimised(theta: np.ndarray, alpha: float) -> Any:
        options = {"maxiter": max_iter, "maxfun": 2 * max_iter, "ftol": 1e-15, "gtol": 1e-10}
        return minimize(loss, theta, args=(alpha,), jac=True, method="L-BFGS-B", options=options)

    rng = np.random.default_rng(random_state)
    spread = left.shape[1] ** -0.5
    starts = [rng.normal(size=at[0].size + at[1].size) * spread for _ in range(n_starts)]
    theta = min((minimised(start, alphas[0]) for start in starts), key=lambda one: one.fun).x
    path = []
    for alpha in alphas:
        theta = minimised(theta, alpha).x
        X, Y = factors(theta)
        error = float(np.linalg.norm(A / norm - X @ Y)) if A.any() else 0.0
        root = np.sqrt(norm * 2.0 ** (exponent % 2)) * 2.0 ** (exponent // 2)
        path.append(RidgeSolution(alpha, root * X, root * Y, error))
    return path


def alphas_to(alpha: float) -> list[float]:
    """Ridges from FIRST_ALPHA down to `alpha`, a tenth of the one before each; for 0 to 1e-8, 0."""
    steps = []
    now, least = FIRST_ALPHA, alpha or 1e-8
    while now > 1.5 * least:
        steps.append(now)
        now *= STEP
    return [*steps, *([least] if alpha == 0.0 else []), alpha]


_IN_WORDS = {"not closed": "not a closed set", "unknown": "not known to be a closed set"}


def _check_matrix_and_supports(
    A: Any, left: Any, right: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    A = check_matrix(A)
    left, right = check_support_pair(left, right)
    if A.shape != (left.shape[0], right.shape[1]):
        raise ValueError(
            f"products within these supports have shape {(left.shape[0], right.shape[1])}, A has "
            f"shape {A.shape}"
        )
    return A, left, right


def _check_seed(random_state: Any) -> int | None:
    return None if random_state is None else check_count(random_state, "random_state", 0)


def _refuse_complex(A: np.ndarray) -> None:
    if A.dtype.kind == "c":
        raise TypeError(
            f"A must be real where the supports are not known to be closed, got type {A.dtype}"
        )


def _fit_exactly(
    A: np.ndarray, blocks: tuple[Block, ...], n_units: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit each class's entries by its best approximation of the class's rank."""
    A, exponent = over_power_of_two(A)
    X = np.zeros((A.shape[0], n_units), dtype=A.dtype)
    Y = np.zeros((n_units, A.shape[1]), dtype=A.dtype)
    for units, rows, columns, own in blocks:
        if own.size == 0:
            continue
        U, s, Vh = np.linalg.svd(np.where(own, A[np.ix_(rows, columns)], 0.0), full_matrices=False)
        rank = min(len(units), len(s))
        root, units = np.sqrt(s[:rank] * 2.0 ** (exponent % 2)), units[:rank]
        root *= 2.0 ** (exponent // 2)
        X[np.ix_(rows, units)] = U[:, :rank] * root
        Y[np.ix_(units, columns)] = root[:, None] * Vh[:rank]
    return X, Y
