"""A network of one hidden layer whose weights have fixed supports."""

from __future__ import annotations

import warnings
from typing import Any, Self, final

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from sketchlearn._validation import check_count, check_nonnegative, check_positive
from sketchlearn.factorization.products import IllPosedWarning, alphas_to
from sketchlearn.factorization.supports import check_support, check_supports

ACTIVATIONS = ("relu", "identity")
# Hidden units where neither support says how many.
DEFAULT_UNITS = 16
# Relative deviation of what is constant but for rounding; more than any ridge that matters.
ROUNDING, LARGEST_RIDGE = 1e-15, 1e100


@final
class FixedSupportRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Fit ``y = V s(W x + b) + c`` with V and W zero outside given supports.

    Minimises the mean over rows of ``||y - f(x)||^2`` plus alpha times the sum of squares of V, W
    and ``(W x0 + b) / d``, for the mean row x0 and the root mean square deviation d of all entries
    from their columns' means, by L-BFGS. It goes through ever smaller ridges down to `alpha`, each
    from the solution before: where the weights grow from one to the next without end, there is no
    best network. What is added to a feature or a target changes nothing; a common factor of all
    features or all targets is one of `alpha`.

    With alpha > 0 a minimum exists. With alpha = 0 it need not: if `check_supports` says "not
    closed", some data have no best network, for both activations (the guide proves it; for ReLU
    after Le, Riccietti and Gribonval, arXiv 2306.02666). The converse holds for the identity and
    data whose columns are linearly independent once their means are taken off; for ReLU closed
    supports are necessary, and known to suffice for one output only (ibid.).

    Parameters
    ----------
    left : array-like (n_outputs, n_hidden), optional
        Support of V, zeros and ones; dense if None.
    right : array-like (n_hidden, n_features), optional
        Support of W; dense if None. If both are None there are 16 hidden units.
    activation : "relu" or "identity"
        The function s.
    alpha : float, default=1e-4
        Ridge on all weights, see above; not negative.
    max_iter : int, default=1000
        Iterations of L-BFGS for each ridge of the path.
    tol : float, default=1e-6
        A stage of the path ends where an iteration lowers the loss by less than this share of the
        loss that the stage started from, or of the variance of y if that is less.
    random_state : int, RandomState or None, default=None
        Of the first weights.

    Attributes
    ----------
    coefs_ : list of ndarray (n_features, n_hidden), (n_hidden, n_outputs)
        The transposes of W and V, as `sklearn.neural_network.MLPRegressor` has them.
    intercepts_ : list of ndarray (n_hidden,), (n_outputs,)
        b and c.
    verdict_ : SupportVerdict
        What `check_supports` says.
    alphas_, losses_, largest_weights_ : ndarray (n_stages,)
        The ridges of the path; the mean squared error and the largest modulus of an entry of
        `coefs_` after each.
    n_iter_ : int
        Iterations in all.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = np.maximum(X[:, 0] - X[:, 1], 0.0)
    >>> right = [[1, 1, 0], [0, 1, 1]]
    >>> model = FixedSupportRegressor([[1, 1]], right, random_state=0).fit(X, y)
    >>> model.verdict_.status, model.score(X, y) > 0.99
    ('closed', True)
    """

    def __init__(
        self,
        left: Any = None,
        right: Any = None,
        activation: str = "relu",
        alpha: float = 1e-4,
        max_iter: int = 1000,
        tol: float = 1e-6,
        random_state: Any = None,
    ) -> None:
        self.left = left
        self.right = right
        self.activation = activation
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the weights.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Rows.
        y : array-like (n_samples,) or (n_samples, n_outputs)
            Targets.

        Returns
        -------
        FixedSupportRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            If data or parameters are invalid, or supports and data do not go together.

        Warns
        -----
        IllPosedWarning
            If alpha is 0 and the supports are not known to be closed.
        ConvergenceWarning
            If the last stage of the path needed more than `max_iter` iterations, or three times as
            many evaluations of the loss.
        """
        alpha = check_nonnegative(self.alpha, "alpha")
        max_iter, tol = check_count(self.max_iter, "max_iter"), check_positive(self.tol, "tol")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, got {self.activation!r}"
            )
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        targets = y.reshape(len(y), -1)
        left, right = self._check_supports(X.shape[1], targets.shape[1])
        verdict = check_supports(left, right)
        if alpha == 0.0 and verdict.status != "closed":
            warnings.warn(
                f"the supports are {_IN_WORDS[verdict.status]}: the loss may have no minimum, only "
                "ever larger weights (see largest_weights_). A positive alpha gives it one",
                IllPosedWarning,
                stacklevel=2,
            )
        problem = NetworkLoss(X, targets, left, right, self.activation == "relu")
        theta = problem.start(check_random_state(self.random_state))
        ridges = alphas_to(problem.ridge_of(alpha))
        stages, n_iter = [], 0
        for ridge in ridges:
            # L-BFGS-B compares with the loss or 1, whichever is larger: start from 1, or have the
            # variance of y at 1.
            loss = problem.loss(theta, ridge)[0]
            unit = min(loss, problem.variance or loss) or 1.0
            options = {"maxiter": max_iter, "maxfun": 3 * max_iter, "ftol": tol, "gtol": 1e-10}
            found = minimize(
                problem.loss, theta, (ridge, unit), jac=True, method="L-BFGS-B", options=options
            )
            theta, n_iter = found.x, n_iter + int(found.nit)
            V, W, b, c = problem.network(theta)
            largest = max(np.abs(V).max(), np.abs(W).max())
            stages.append((problem.loss(theta, 0.0)[0] * problem.y_scale**2, float(largest)))
        # Status 2 is a search along a line that gains nothing, as at a kink: nothing to raise.
        if found.status == 1:
            warnings.warn(
                f"L-BFGS stopped after max_iter={max_iter} iterations, or three times as many "
                "losses, before the loss settled; raise max_iter or alpha",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coefs_ = [W.T.copy(), V.T.copy()]
        self.intercepts_ = [b, c]
        self.verdict_ = verdict
        self.alphas_ = np.array([*(problem.alpha_of(ridge) for ridge in ridges[:-1]), alpha])
        self.losses_, self.largest_weights_ = np.array(stages).T
        self.n_iter_ = n_iter
        self._is_one_column = y.ndim == 1
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return f(x) for each row.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray (n_samples,) or (n_samples, n_outputs)
            As the y of `fit`.

        Raises
        ------
        NotFittedError
            If there was no `fit`.
        ValueError
            If X is invalid.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        hidden = X @ self.coefs_[0] + self.intercepts_[0]
        if self.activation == "relu":
            hidden = np.maximum(hidden, 0.0)
        result = hidden @ self.coefs_[1] + self.intercepts_[1]
        return result[:, 0] if self._is_one_column else result

    def _check_supports(self, n_features: int, n_outputs: int) -> tuple[np.ndarray, np.ndarray]:
        left = None if self.left is None else check_support(self.left, "left")
        right = None if self.right is None else check_support(self.right, "right")
        n_hidden = DEFAULT_UNITS
        if left is not None:
            n_hidden = left.shape[1]
        elif right is not None:
            n_hidden = right.shape[0]
        left = np.ones((n_outputs, n_hidden), dtype=bool) if left is None else left
        right = np.ones((n_hidden, n_features), dtype=bool) if right is None else right
        if left.shape[0] != n_outputs:
            raise ValueError(f"left has {left.shape[0]} rows, y has {n_outputs} outputs")
        if right.shape[1] != n_features:
            raise ValueError(f"right has {right.shape[1]} columns, X has {n_features} features")
        return left, right


_IN_WORDS = {"not closed": "not closed", "unknown": "not known to be closed"}


class NetworkLoss:
    """Loss and gradient as functions of the free weights V, W, b, c in one vector.

    Features and targets are centred and brought to a deviation of one: targets by `y_scale`,
    features by `x_scale`, common to all, times `spreads`. As both activations are positively
    homogeneous, the square root of the scales' quotient goes into V and W alike, so that one ridge
    is on both.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, left: np.ndarray, right: np.ndarray, is_relu: bool
    ) -> None:
        self.X, self.x_mean, self.x_scale = _standardise(X)
        deviations = self.X.std(axis=0)
        self.spreads = np.where(deviations > ROUNDING, deviations, 1.0)
        self.X /= self.spreads
        self.y, self.y_mean, self.y_scale = _standardise(y)
        self.variance = float(np.vdot(self.y, self.y)) / len(y)
        self.left, self.right, self.is_relu = left, right, is_relu
        self.at = np.flatnonzero(left), np.flatnonzero(right)
        self.ends = np.cumsum([self.at[0].size, self.at[1].size, right.shape[0]])
        # What a weight is in the units of a ridge on the network's own; b is so already.
        self.penalties = np.ones(self.ends[-1])
        self.penalties[self.ends[0] : self.ends[1]] /= self.spreads[self.at[1] % X.shape[1]]

    def ridge_of(self, alpha: float) -> float:
        """The ridge that stands for `alpha` where data are standardised."""
        return min(alpha / self.x_scale / self.y_scale, LARGEST_RIDGE)

    def alpha_of(self, ridge: float) -> float:
        """The ridge on the network's own weights."""
        return ridge * self.x_scale * self.y_scale

    def start(self, rng: np.random.RandomState) -> np.ndarray:
        """Random weights, zero intercepts."""
        V, W = rng.normal(size=self.left.shape), rng.normal(size=self.right.shape)
        V /= np.sqrt(np.maximum(self.left.sum(axis=1, keepdims=True), 1))
        W /= np.sqrt(np.maximum(self.right.sum(axis=1, keepdims=True), 1))
        zeros = np.zeros(len(W) + len(V))
        return np.concatenate([V.flat[self.at[0]], W.flat[self.at[1]], zeros])

    def weights(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """V, W, b and c for standardised data."""
        V, W = np.zeros(self.left.shape), np.zeros(self.right.shape)
        V.flat[self.at[0]], W.flat[self.at[1]], b, c = np.split(theta, self.ends)
        return V, W, b, c

    def network(self, theta: np.ndarray) -> tuple[np.ndarray, ...]:
        """V, W, b and c for the data as they came."""
        V, W, b, c = self.weights(theta)
        root_x, root_y = np.sqrt(self.x_scale), np.sqrt(self.y_scale)
        W = W * (root_y / root_x) / self.spreads
        V, b = V * (root_y / root_x), b * (root_y * root_x)
        return V, W, b - W @ self.x_mean, c * self.y_scale + self.y_mean

    def loss(self, theta: np.ndarray, ridge: float, unit: float = 1.0) -> tuple[float, np.ndarray]:
        """Mean squared error, plus a ridge on all but c, over `unit`; and the gradient."""
        V, W, b, c = self.weights(theta)
        raw = self.X @ W.T + b
        hidden = np.maximum(raw, 0.0) if self.is_relu else raw
        rest = (hidden @ V.T + c - self.y) * (2.0 / len(self.y))
        back = rest @ V
        if self.is_relu:
            back *= raw > 0
        slope = np.concatenate(
            [
                (rest.T @ hidden).flat[self.at[0]],
                (back.T @ self.X).flat[self.at[1]],
                back.sum(axis=0),
                rest.sum(axis=0),
            ]
        )
        root = np.sqrt(ridge) * self.penalties
        penalised = root * theta[: self.ends[-1]]
        slope[: self.ends[-1]] += 2.0 * root * penalised
        mean = 0.25 * len(self.y) * float(np.vdot(rest, rest))
        return (mean + float(penalised @ penalised)) / unit, slope / unit


def _standardise(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns less their means over one deviation, the means, and the deviation.

    Where all columns are constant up to rounding, zeros over their size.
    """
    largest = float(np.abs(X).max()) or 1.0
    # No sum overflows.
    X = X / largest
    mean = X.mean(axis=0)
    X = X - mean
    deviation = float(np.sqrt(np.mean(X**2)))
    if deviation <= ROUNDING:
        return np.zeros_like(X), mean * largest, largest
    return X / deviation, mean * largest, deviation * largest
