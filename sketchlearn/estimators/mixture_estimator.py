"""Log-densities of Gaussian mixtures, exact wherever the data lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp, softmax

from sketchlearn.estimators.row_estimator import RowPredictor, require_some
from sketchlearn.points.densities import compute_joint_log_densities


class MixtureEstimator(RowPredictor):
    """What a fitted Gaussian mixture says of rows.

    Attributes
    ----------
    weights_, means_, precisions_cholesky_
        As `compute_joint_log_densities` takes them.
    """

    weights_: np.ndarray
    means_: np.ndarray
    precisions_cholesky_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each component given each row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        return self._map_rows(X, lambda rows: softmax(self._joint_log_densities(rows), axis=1))

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log-likelihood of each row, in nats.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or a source of rows
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_samples,)
            By differences from the means in float64, so that a far origin costs no digits.
        """
        return self._map_rows(X, lambda rows: logsumexp(self._joint_log_densities(rows), axis=1))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of the rows, in nats."""
        total, n = self._sum_likelihood(X)
        return total / n

    def aic(self, X: Any) -> float:
        """Return Akaike's information criterion on rows; the lower the better."""
        return 2.0 * self._count_parameters() - 2.0 * self._sum_likelihood(X)[0]

    def bic(self, X: Any) -> float:
        """Return the Bayesian information criterion on rows; the lower the better."""
        total, n = self._sum_likelihood(X)
        return self._count_parameters() * float(np.log(n)) - 2.0 * total

    def _predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the index of the likeliest component of each row."""
        return self._joint_log_densities(rows).argmax(axis=1)

    def _joint_log_densities(self, rows: np.ndarray) -> np.ndarray:
        """Log-density (n, n_components) of each row and component together."""
        return compute_joint_log_densities(
            rows, self.weights_, self.means_, self.precisions_cholesky_
        )

    def _sum_likelihood(self, X: Any) -> tuple[float, int]:
        """Log-likelihood of all rows together, and how many they are."""
        total, n = 0.0, 0
        for chunk in self._read_chunks(X):
            total += float(logsumexp(self._joint_log_densities(chunk.rows), axis=1).sum())
            n += len(chunk)
        require_some(n)
        return total, n

    def _count_parameters(self) -> int:
        """Free numbers of the mixture: weights that sum to 1, means and covariances."""
        k, d = self.means_.shape
        shape = {1: 1, 2: d, 3: d * (d + 1) // 2}[self.precisions_cholesky_.ndim]
        return k * (1 + d + shape) - 1
