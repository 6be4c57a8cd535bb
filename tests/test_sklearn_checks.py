"""All of scikit-learn's common checks, strict, on the estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans

FEWER_ROWS_THAN_CLUSTERS = (
    "the check's data has 4 distinct rows, fewer than the default 8 clusters, which is an error"
)
NOISE_OF_A_WEIGHT = (
    "a row of weight two is not two independent rows: the sketch's standard error differs, and on "
    "the check's 15 rows, which are all noise, what is taken for noise decides the mixture"
)


def expected_failures(estimator):
    """What cannot pass, and why: data that is too small for the number of atoms."""
    if isinstance(estimator, CompressiveGaussianMixture):
        if estimator.keep_pilot:
            return {}
        return {"check_sample_weight_equivalence_on_dense_data": NOISE_OF_A_WEIGHT}
    if estimator.n_clusters <= 4:
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
