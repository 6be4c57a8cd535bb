"""All of scikit-learn's common checks, strict, on the estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans

FEWER_ROWS_THAN_CLUSTERS = (
    "the check's data has 4 distinct rows, fewer than the default 8 clusters, which is an error"
)


def expected_failures(estimator):
    """What cannot pass, and why: data that is too small for the number of atoms."""
    if getattr(estimator, "n_clusters", 1) <= 4:
        return {}
    return {
        "check_sample_weights_shape": FEWER_ROWS_THAN_CLUSTERS,
        "check_sample_weights_not_overwritten": FEWER_ROWS_THAN_CLUSTERS,
    }


@parametrize_with_checks(
    [
        CompressiveKMeans(n_clusters=3),
        CompressiveKMeans(n_clusters=3, keep_pilot=False),
        CompressiveKMeans(),
        CompressiveGaussianMixture(),
        CompressiveGaussianMixture(3, keep_pilot=False),
        CompressiveGaussianMixture(2, covariance_type="full"),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
