"""Flags, categories, counts, grades, amounts that are often zero: as good as scikit-learn's."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from datasets.mixed import MIXED
from datasets.synthetic import FIRST_REPORTED_SEED
from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.sketching.tuning import measure_value_distances

# Of such columns mixtures warn, see `test_shared_values.py`.
pytestmark = pytest.mark.filterwarnings("ignore:many rows share a value")

N_FITTED = 4000


def halves(name, n=N_FITTED):
    """Rows to fit, rows to judge on and their labels, and the number of clusters."""
    rows, labels = MIXED[name].draw(FIRST_REPORTED_SEED, 2 * n)
    return rows[:n], rows[n:], labels[n:], MIXED[name].n_clusters


def coin_and_clusters(n=3000, seed=0):
    """Two clusters at 0 and 8 along the second column; the first one is a coin."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=n)
    return np.column_stack([rng.integers(2, size=n), 8 * labels + rng.normal(size=n)]), labels


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:reg_covar=1e-06")  # of a column a millionth wide
@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
@pytest.mark.parametrize("name", MIXED)
def test_mixtures_are_those_of_scikit_learn(name, covariance_type):
    fitted, judged, labels, k = halves(name)
    ours = CompressiveGaussianMixture(k, covariance_type=covariance_type, random_state=0)
    theirs = GaussianMixture(k, covariance_type=covariance_type, random_state=0)
    ours.fit(fitted), theirs.fit(fitted)
    assert ours.score(judged) > theirs.score(judged) - 0.1
    ari, its = (adjusted_rand_score(labels, model.predict(judged)) for model in (ours, theirs))
    assert ari > its - 0.02


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("name", MIXED)
def test_centroids_are_those_of_scikit_learn(name):
    fitted, judged, labels, k = halves(name)
    ours = CompressiveKMeans(k, random_state=0).fit(fitted)
    theirs = KMeans(k, n_init=3, random_state=0).fit(fitted)
    assert ours.score(judged) > 1.02 * theirs.score(judged)
    ari, its = (adjusted_rand_score(labels, model.predict(judged)) for model in (ours, theirs))
    assert ari > its - 0.02


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("keep_pilot", [True, False])
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_coin_is_not_what_tells_clusters_apart(covariance_type, keep_pilot):
    rows, labels = coin_and_clusters()
    model = CompressiveGaussianMixture(
        2, covariance_type=covariance_type, keep_pilot=keep_pilot, random_state=0
    ).fit(rows)
    assert adjusted_rand_score(labels, model.predict(rows)) > 0.99
    np.testing.assert_allclose(np.sort(model.means_[:, 1]), [0.0, 8.0], atol=0.15)
    variances = model.covariances_
    variances = variances[:, 1, 1] if covariance_type == "full" else variances[:, 1]
    np.testing.assert_allclose(variances, 1.0, rtol=0.15)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_the_sketch_alone_tells_the_clusters_of_counts_apart(covariance_type):
    fitted, judged, labels, k = halves("counts")
    model = CompressiveGaussianMixture(
        k, covariance_type=covariance_type, keep_pilot=False, random_state=0
    ).fit(fitted)
    assert adjusted_rand_score(labels, model.predict(judged)) > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_constant_column_is_as_narrow_as_reg_covar_says(covariance_type):
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=2000), np.full(2000, 3.0), rng.normal(size=2000)])
    rows[:1000] += [8.0, 0.0, 0.0]
    model = CompressiveGaussianMixture(
        2, covariance_type=covariance_type, reg_covar=1e-4, random_state=0
    ).fit(rows)
    variances = model.covariances_
    variances = variances[:, 1, 1] if covariance_type == "full" else variances[:, 1]
    np.testing.assert_allclose(variances, 1e-4, rtol=1e-6)


@pytest.mark.quality
def test_a_value_that_all_rows_of_a_cluster_have_needs_no_regularisation():
    rows, labels = coin_and_clusters()
    rows[:, 0] = labels
    model = CompressiveGaussianMixture(2, reg_covar=0.0, random_state=0).fit(rows)
    assert np.isfinite(model.score(rows))
    assert adjusted_rand_score(labels, model.predict(rows)) > 0.99


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
@pytest.mark.parametrize("n_distinct", [1, 3])
def test_fewer_distinct_rows_than_components(n_distinct, covariance_type):
    values = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])[:n_distinct]
    rows = np.repeat(values, [200, 100, 50][:n_distinct], axis=0)
    options = {"covariance_type": covariance_type, "random_state": 0}
    ours = CompressiveGaussianMixture(4, **options).fit(rows)
    theirs = GaussianMixture(4, **options).fit(rows)
    assert ours.score(rows) > theirs.score(rows) - 0.1
    # Each value has a mean, and no component of any weight lies elsewhere.
    near = np.abs(ours.means_[:, None] - values).max(axis=2) < 1e-3
    assert near.any(axis=0).all()
    assert ours.weights_[~near.any(axis=1)].sum() < 1e-3


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_units_of_discrete_columns_are_no_less_than_their_steps(factor):
    rng = np.random.default_rng(0)
    flag, count = rng.integers(2, size=2000), rng.poisson(100.0, size=2000)
    rows = np.column_stack([factor * flag, rng.normal(size=2000), count])
    units = Sketcher(50, n_clusters=2, scale="columns", random_state=0).fit(rows).operator_.units
    # Relative to the column of deviation one; powers of four.
    assert units[0] / units[1] == pytest.approx(factor, rel=1.0)
    assert units[2] / units[1] in (4.0, 16.0)


def test_distances_between_values():
    rng = np.random.default_rng(0)
    rows = np.column_stack(
        [
            rng.integers(2, size=500),
            3.0 * rng.integers(5, size=500),
            rng.normal(size=500),
            np.ones(500),
            np.where(rng.random(500) < 0.7, 0.0, rng.normal(size=500)),
        ]
    )
    distances = measure_value_distances(rows, np.full(500, 1 / 500))
    np.testing.assert_array_equal(distances[:4], [1.0, 3.0, 0.0, 0.0])
    assert distances[4] < 0.05
    # Rows without weight count for nothing.
    shares = (rows[:, 1] > 0.0) / np.sum(rows[:, 1] > 0.0)
    rows[0, 1] = -10.0
    assert measure_value_distances(rows, shares)[1] == 3.0
