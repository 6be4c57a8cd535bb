"""All of scikit-learn's common checks, strict, on the estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans


# Of data with 4 distinct rows and the default 8 clusters, as of scikit-learn's KMeans.
@pytest.mark.filterwarnings("ignore:there are . distinct rows:UserWarning")
@parametrize_with_checks(
    [
        CompressiveKMeans(n_clusters=3),
        CompressiveKMeans(n_clusters=3, keep_pilot=False),
        CompressiveKMeans(),
        CompressiveGaussianMixture(),
        CompressiveGaussianMixture(3, keep_pilot=False),
        CompressiveGaussianMixture(2, covariance_type="full"),
        CompressiveGaussianMixture(8, covariance_type="spherical"),
    ],
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
