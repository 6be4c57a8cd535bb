"""How likely rows are under a mixture of the others, and which ends of EM it tells apart."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

from sketchlearn.points.em import Moments, to_matrices
from sketchlearn.points.left_out import score_left_out


def fit(X, covariance_type, **options):
    """EM's mixture, converged."""
    options = {"reg_covar": 0.0, "random_state": 0, "tol": 1e-12, "max_iter": 5000, **options}
    model = GaussianMixture(2, covariance_type=covariance_type, **options).fit(X)
    matrices = to_matrices(model.covariances_, covariance_type, model.means_)
    return model, Moments(model.weights_, model.means_, matrices)


def flatten(covariance, covariance_type):
    """A covariance of a type."""
    if covariance_type == "full":
        return covariance
    variances = np.diag(covariance)
    return np.diag(variances if covariance_type == "diag" else np.full(3, variances.mean()))


@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_each_row_is_scored_by_one_step_of_em_on_the_others(covariance_type):
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(20, 3)), 3.0 + rng.normal(size=(15, 3)) * [1.0, 2.0, 0.5]]
    model, mixture = fit(X, covariance_type)
    shares, expected = model.predict_proba(X), 0.0
    for i, row in enumerate(X):
        others, own = np.delete(X, i, axis=0), np.delete(shares, i, axis=0)
        density = 0.0
        for j in range(2):
            mean = np.average(others, axis=0, weights=own[:, j])
            covariance = np.cov(others.T, aweights=own[:, j], ddof=0)
            density += own[:, j].mean() * multivariate_normal(
                mean, flatten(covariance, covariance_type)
            ).pdf(row)
        expected += np.log(density) / len(X)
    found = score_left_out(X, np.ones(len(X)), mixture, covariance_type)
    assert found == pytest.approx(expected, abs=1e-6)
    # Which no common factor of the weights changes.
    assert score_left_out(X, np.full(len(X), 9.0), mixture, covariance_type) == pytest.approx(found)


@pytest.mark.parametrize("n_narrow", [1, 5])
def test_what_closed_in_on_a_few_rows_is_less_likely_without_each(n_narrow):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    shares = np.array([n_narrow / 200, 1.0 - n_narrow / 200])
    few, others = X[:n_narrow], X[n_narrow:]
    covariances = [np.cov(part.T, ddof=0) if len(part) > 1 else 0.0 for part in (few, others)]
    narrow = Moments(
        shares,
        np.stack([few.mean(axis=0), others.mean(axis=0)]),
        np.stack([each + 1e-6 * np.eye(5) for each in covariances]),
    )
    _, wide = fit(X, "full")
    one = np.ones(200)
    assert score_left_out(X, one, narrow, "full") < score_left_out(X, one, wide, "full")
