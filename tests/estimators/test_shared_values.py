"""Values that many rows share: what EM finds there is chance, and mixtures say so."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture, Sketch, Sketcher
from sketchlearn.estimators.shared_values import (
    draw_whole_rows,
    find_shared_columns,
    find_shared_whole_numbers,
    find_unrounded_deviations,
    measure_gain_on_values,
    share_values,
)
from sketchlearn.points.em import Moments
from sketchlearn.points.row_mixture import fit_mixture_from_clusters

NONE_SHARED = np.empty((0, 4))


def clusters(n=3000, d=2, seed=0):
    """Three clusters of deviation 1, apart, and which row is of which."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    return 6.0 * labels[:, None] + rng.normal(size=(n, d)), labels


def flags(n=3000, seed=0):
    """A flag that says little of a row's cluster."""
    rng = np.random.default_rng([seed, 1])
    return (rng.random(n) < 0.3).astype(float)


def amounts(n=3000, seed=0):
    """Amounts that are zero half of the time."""
    rng = np.random.default_rng([seed, 2])
    return np.where(rng.random(n) < 0.5, 0.0, rng.gamma(2.0, 1.0, n))


def fit(X, **options):
    """A mixture of three, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveGaussianMixture(3, random_state=0, **options).fit(X)
    return model, [str(each.message) for each in caught]


def close_clusters(n=3000, seed=2):
    """Three clusters that overlap, and a flag: a few starts of EM close in on one of its values."""
    rng = np.random.default_rng([seed, 4])
    labels = rng.integers(3, size=n)
    rows = 2.0 * rng.normal(size=(3, 3))[labels] + rng.normal(size=(n, 3))
    return np.column_stack([rows, rng.random(n) < 0.3])


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_column_that_one_start_closes_in_on_is_named_with_a_remedy(covariance_type):
    model, said = fit(close_clusters(), covariance_type=covariance_type)
    assert len(said) == 1
    assert (
        "share a value of column 'x3', and one start of EM found a mixture likelier by" in said[0]
    )
    assert "set reg_covar=0.2" in said[0]
    assert model.quality_.verdict == model.report().verdict == "doubtful"


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
@pytest.mark.parametrize("column", [flags, amounts])
def test_shared_values_on_which_starts_agree_raise_no_doubt(column, covariance_type):
    X, _ = clusters()
    rows = np.column_stack([X, column()])
    model, said = fit(rows, covariance_type=covariance_type)
    assert not said
    assert model.quality_.verdict == model.report().verdict == "good"
    theirs = GaussianMixture(3, n_init=3, random_state=0, covariance_type=covariance_type)
    assert model.score(rows) > theirs.fit(rows).score(rows) - 0.02


@pytest.mark.slow
def test_the_remedy_settles_what_was_chance():
    rows = close_clusters()
    losses = []
    for X, reg_covar in ((rows, 1e-6), (rows / rows.std(axis=0), 0.2)):
        options = {"covariance_type": "diag", "reg_covar": reg_covar}
        model, said = fit(X, **options)
        theirs = GaussianMixture(3, n_init=20, random_state=0, **options).fit(X)
        losses.append(theirs.score(X) - model.score(X))
        assert bool(said) == (reg_covar == 1e-6)
    assert losses[0] > 0.5
    assert losses[1] < 0.1


def test_of_several_starts_an_accident_is_told_and_not_taken():
    X, rng = close_clusters(), np.random.default_rng(0)
    ends = fit_mixture_from_clusters(X, np.ones(len(X)), "diag", 3, 1e-6, rng)
    likelihoods = [
        GaussianMixture(
            3,
            covariance_type="diag",
            weights_init=found.weights,
            means_init=found.means,
            precisions_init=1.0 / np.einsum("kll->kl", found.covariances),
        )
        .fit(X)
        .score(X)
        for found in (ends.common, ends.best)
    ]
    assert ends.lead == pytest.approx(likelihoods[1] - likelihoods[0], abs=0.01)


@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_continuous_and_constant_columns_raise_no_doubt(covariance_type):
    X, _ = clusters()
    X = np.column_stack([X, np.full(len(X), 3.0)])
    _, said = fit(X, covariance_type=covariance_type)
    assert not said


@pytest.mark.parametrize("deviation", [1.5, 5.0])
def test_rounding_that_is_finer_than_clusters_raises_no_doubt(deviation):
    X, _ = clusters(d=3)
    for keep_pilot in (True, False):
        model, said = fit(np.rint(deviation * X), keep_pilot=keep_pilot)
        assert not said
        assert model.quality_.verdict == "good"


def test_spherical_components_close_in_on_whole_rows_only():
    X, labels = clusters()
    X = np.column_stack([X, flags()])
    _, said = fit(X, covariance_type="spherical")
    assert not said
    fitted = Moments(np.full(3, 1 / 3), np.outer([0, 6, 12], [1, 1, 0]), np.stack([np.eye(3)] * 3))
    each = (len(X), fitted, "spherical", 1e-6)
    assert not find_shared_columns(X, np.ones(len(X)), *each).any()
    X[labels == 0] = np.where(np.arange(np.sum(labels == 0))[:, None] % 4, 0.0, X[labels == 0])
    assert find_shared_columns(*np.unique(X, axis=0, return_counts=True), *each).all()


def answers(n=4000, seed=0):
    """Yes or no to eight questions, of three kinds of people."""
    rng = np.random.default_rng([seed, 5])
    return (rng.random((n, 8)) < rng.uniform(0.05, 0.95, (3, 8))[rng.integers(3, size=n)]) + 0.0


def lose(model, X):
    """Nats a row that a mixture loses to EM."""
    theirs = GaussianMixture(3, covariance_type="diag", n_init=3, random_state=0)
    return theirs.fit(X).score(X) - model.score(X)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_sketch_alone_tells_whole_numbers_that_em_gains_on(seed):
    X = answers(seed=seed)
    model, said = fit(X, keep_pilot=False)
    assert any("the sketch's sums of whole numbers tell" in each for each in said)
    assert model.quality_.verdict != "good"
    assert lose(model, X) > 0.3


@pytest.mark.parametrize("seed", range(3))
def test_a_sketch_alone_raises_no_doubt_of_whole_numbers_that_em_gains_nothing_on(seed):
    X, _ = clusters(seed=seed)
    X = np.column_stack([X, flags(seed=seed)])
    model, said = fit(X, keep_pilot=False)
    assert not said
    assert model.quality_.verdict == "good"
    assert lose(model, X) < 0.1


@pytest.mark.parametrize("covariance_type", ["diag", "full"])
@pytest.mark.parametrize("variance", [0.09, 30.0])
def test_nothing_is_gained_on_clusters_apart(variance, covariance_type):
    means = np.array([[0.0, 0.1], [9.0, 0.1]])
    fitted = Moments(np.full(2, 0.5), means, np.stack([np.diag([1.0, variance])] * 2))
    is_whole = np.array([False, True])
    assert abs(measure_gain_on_values(fitted, is_whole, NONE_SHARED, covariance_type, 1e-6)) < 0.02


def test_something_is_gained_where_most_rows_are_one_point():
    # Most are zero in all columns, which a component a fifth wide does not say.
    fitted = Moments(np.array([0.9, 0.1]), np.full((2, 6), 0.02), np.stack([0.05 * np.eye(6)] * 2))
    assert measure_gain_on_values(fitted, np.full(6, True), NONE_SHARED, "diag", 1e-6) > 0.3


def test_rows_are_drawn_in_whole_numbers_of_the_moments_of_components():
    rng = np.random.default_rng(0)
    means = np.array([[3.3, 0.0], [10.0, 2.0]])
    covariances = np.array([[[0.9, 0.5], [0.5, 1.0]], [[0.3, 0.0], [0.0, 4.0]]])
    fitted = Moments(np.array([0.25, 0.75]), means, covariances)
    rows = draw_whole_rows(fitted, np.array([True, False]), 200_000, rng)
    assert np.all(rows[:, 0] == np.rint(rows[:, 0]))
    first = rows[:, 0] < 7.0
    for own, mean, covariance in zip((first, ~first), means, covariances, strict=True):
        np.testing.assert_allclose(rows[own].mean(axis=0), mean, atol=0.02)
        np.testing.assert_allclose(rows[own].var(axis=0), np.diag(covariance), rtol=0.02)


def test_a_number_between_two_has_no_more_than_their_variance_before_it_is_rounded():
    deviations = find_unrounded_deviations(np.array([0.3, 0.3, 0.3]), np.array([0.1, 0.21, 9.0]))
    np.testing.assert_allclose(deviations, [0.0, 0.0, np.sqrt(9.0 - 1.0 / 6.0)], atol=1e-6)


def test_merged_and_weighted_sketches_still_tell_whole_numbers():
    X, _ = clusters()
    X = np.column_stack([X, flags()])
    weights = np.where(X[:, 0] > 3.0, 3.0, 1.0)
    sketcher = Sketcher(100, n_clusters=3, scale="columns", random_state=0).fit(X)
    merged = sketcher.sketch(X[:1000]) + sketcher.sketch(X[1000:])
    for sketch in (merged, sketcher.sketch(X, sample_weight=weights)):
        np.testing.assert_array_equal(sketch.moments.is_whole, [False, False, True])
    assert not sketcher.sketch(X + 0.3).moments.is_whole.any()


def test_a_rare_component_on_one_value_raises_no_doubt():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(size=(1000, 1)), np.full((20, 1), 9.0)]
    fitted = Moments(np.array([0.98, 0.02]), np.array([[0.0], [9.0]]), np.full((2, 1, 1), 1.0))
    one = np.ones(len(X))
    assert not find_shared_columns(X, one, len(X), fitted, "diag", 1e-6).any()
    X = np.r_[X, np.full((400, 1), 9.0)]
    assert find_shared_columns(X, np.ones(len(X)), len(X), fitted, "diag", 1e-6).all()


def test_whole_numbers_are_shared_where_a_component_is_no_wider_than_their_steps():
    rng = np.random.default_rng(0)
    X = rng.poisson(3.0, size=(2000, 1)).astype(float)
    sketch = Sketcher(50, scale=1.0, random_state=0).fit(X).sketch(X)
    shares, means = np.array([0.5, 0.5]), np.array([[1.0], [4.0]])
    for variance, is_shared in ((0.25, True), (0.5, True), (0.6, False), (3.0, False)):
        fitted = Moments(shares, means, np.full((2, 1, 1), variance))
        assert find_shared_whole_numbers(sketch, fitted, "diag")[0] == is_shared
        assert not find_shared_whole_numbers(sketch, fitted, "spherical")[0]
        assert not find_shared_whole_numbers(sketch.without_moments(), fitted, "diag")[0]


def rows_of_a_kind(kind, seed, n=8000):
    """Four overlapping clusters, and two columns of values that many rows share."""
    rng = np.random.default_rng([seed, 6])
    labels = rng.integers(4, size=n)
    rows = 2.0 * rng.normal(size=(4, 4))[labels] + rng.normal(size=(n, 4))
    if kind == "flags":
        rows[:, 0], rows[:, 1] = rng.random(n) < 0.15 + 0.2 * labels, rng.random(n) < 0.3
    else:
        amounts = np.exp(0.7 * rng.normal(size=(n, 2)) + 0.3 * labels[:, None])
        rows[:, :2] = np.where(rng.random((n, 2)) < 0.4, 0.0, amounts)
    return rows / rows.std(axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [40, 41])
@pytest.mark.parametrize(("kind", "is_lost"), [("flags", True), ("amounts", False)])
def test_a_sketch_alone_tells_of_values_that_its_pilot_shared(kind, is_lost, seed):
    """Divided by deviations they are no whole numbers, and no wave tells them from narrow ones."""
    X = rows_of_a_kind(kind, seed)
    rows, others = X[:4000], X[4000:]
    sketcher = Sketcher(180, n_clusters=4, scale="columns", keep_pilot=False, random_state=seed)
    sketch = Sketch.from_bytes(sketcher.fit(rows).sketch(rows).to_bytes())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveGaussianMixture(4, random_state=seed).fit_sketch(sketch)
    em = GaussianMixture(4, covariance_type="diag", n_init=3, random_state=seed).fit(rows)
    assert (em.score(others) - model.score(others) > 0.3) == is_lost
    said = [each for each in caught if "of those that the sketcher was" in str(each.message)]
    assert bool(said) == is_lost
    assert (model.quality_.verdict == "doubtful") == is_lost


def fit_and_lose(X, **options):
    """What a mixture of four warned of, and what it loses to EM, in nats a row."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveGaussianMixture(4, random_state=0, **options).fit(X)
    options.pop("keep_pilot")
    em = GaussianMixture(4, n_init=2, random_state=0, **options).fit(X)
    return [str(each.message) for each in caught], em.score(X) - model.score(X)


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_what_a_sketch_alone_is_warned_of_its_remedies_settle(covariance_type):
    rng = np.random.default_rng([2, 7])
    labels = rng.integers(4, size=3000)
    X = 2.0 * rng.normal(size=(4, 6))[labels] + rng.normal(size=(3000, 6))
    X[:, 4:] = rng.random((3000, 2)) < rng.uniform(0.05, 0.95, (4, 2))[labels]
    kind = {"covariance_type": covariance_type}
    said, loss = fit_and_lose(X, keep_pilot=False, **kind)
    assert len(said) == 1
    assert "share a value of columns 'x4', 'x5'" in said[0]
    assert "Call fit with the rows" in said[0]
    assert "or leave such columns out" in said[0]
    assert "set reg_covar" not in said[0]
    assert loss > 0.3
    for rows, keep_pilot in ((X, True), (X[:, :4], False)):
        said, loss = fit_and_lose(rows, keep_pilot=keep_pilot, **kind)
        assert not said
        assert loss < 0.1


def test_rows_get_values_by_rank():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1000, 2))
    shared = np.array([[1.0, -2.0, 0.0, 0.25], [1.0, 5.0, 0.5, 1.0]])
    found = share_values(rows, shared)
    np.testing.assert_array_equal(found[:, 0], rows[:, 0])
    order = np.argsort(rows[:, 1])
    np.testing.assert_array_equal(found[order[:250], 1], -2.0)
    np.testing.assert_array_equal(found[order[250:500], 1], rows[order[250:500], 1])
    np.testing.assert_array_equal(found[order[500:], 1], 5.0)
