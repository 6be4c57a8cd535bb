"""CompressiveGaussianMixture: planted mixtures, real rows, scikit-learn's surface, bad input."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from planted import largest_distance, planted_mixture
from scipy.stats import multivariate_normal
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture

from datasets.tables import digits_pca10
from sketchlearn import CompressiveGaussianMixture, EmptySketchError, Sketch, Sketcher
from sketchlearn.atoms import DiagonalGaussian, Dirac, FullGaussian
from sketchlearn.decoders import MeanShift, SurrogateEM
from sketchlearn.points.row_mixture import RowMixture

TYPES = ["spherical", "diag", "full"]


def matrices_of(model):
    """Covariances (k, d, d) of a fitted model of any type."""
    d = model.n_features_in_
    if model.covariance_type == "full":
        return model.covariances_
    if model.covariance_type == "diag":
        return model.covariances_[:, :, None] * np.eye(d)
    return model.covariances_[:, None, None] * np.eye(d)


@pytest.fixture(scope="module", params=TYPES)
def case(request):
    """A planted mixture and the model of its sketch alone, which went through its bytes."""
    rows, weights, means, covariances = planted_mixture(request.param)
    fresh = CompressiveGaussianMixture(4, covariance_type=request.param, random_state=0)
    sketch = fresh.set_params(keep_pilot=False).fit(rows).sketch_
    model = CompressiveGaussianMixture(4, covariance_type=request.param, random_state=1)
    model.fit_sketch(Sketch.from_bytes(sketch.to_bytes()))
    return model, rows, weights, means, covariances


@pytest.mark.quality
@pytest.mark.slow
def test_a_planted_mixture_is_recovered_from_its_sketch(case):
    model, _, weights, means, covariances = case
    assert largest_distance(means, model.means_) < 0.1
    nearest = np.argmin(np.linalg.norm(means[:, None] - model.means_[None], axis=2), axis=1)
    np.testing.assert_allclose(model.weights_[nearest], weights, atol=0.01)
    np.testing.assert_allclose(matrices_of(model)[nearest], covariances, rtol=0.1, atol=0.06)


@pytest.mark.quality
@pytest.mark.slow
def test_it_is_as_likely_as_what_em_finds_on_all_rows(case):
    model, rows, *_ = case
    em = GaussianMixture(4, covariance_type=model.covariance_type, n_init=2, random_state=0)
    assert model.score(rows) > em.fit(rows).score(rows) - 0.02


def test_shapes_are_those_of_scikit_learn(case):
    model, rows, *_ = case
    em = GaussianMixture(4, covariance_type=model.covariance_type, max_iter=3, tol=1e9)
    em.fit(rows[:2000])
    names = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
    for name in names:
        assert getattr(model, name).shape == getattr(em, name).shape, name
    assert model.weights_.sum() == pytest.approx(1.0)
    assert (np.diff(model.weights_) <= 0).all()


def test_likelihoods_are_those_of_the_mixture(case):
    model, rows, *_ = case
    few = rows[:200]
    densities = [
        weight * multivariate_normal(mean, covariance).pdf(few)
        for weight, mean, covariance in zip(
            model.weights_, model.means_, matrices_of(model), strict=True
        )
    ]
    np.testing.assert_allclose(model.score_samples(few), np.log(np.sum(densities, axis=0)))
    np.testing.assert_allclose(
        model.predict_proba(few), np.transpose(densities / np.sum(densities, axis=0)), atol=1e-12
    )
    np.testing.assert_array_equal(model.predict(few), np.argmax(densities, axis=0))
    assert model.score(few) == pytest.approx(model.score_samples(few).mean())


def test_precisions_invert_covariances(case):
    model, *_ = case
    if model.covariance_type == "full":
        identity = np.broadcast_to(np.eye(3), (4, 3, 3))
        np.testing.assert_allclose(model.precisions_ @ model.covariances_, identity, atol=1e-9)
        roots = model.precisions_cholesky_
        np.testing.assert_allclose(roots @ roots.transpose(0, 2, 1), model.precisions_)
        np.testing.assert_array_equal(roots, np.triu(roots))
    else:
        np.testing.assert_allclose(model.precisions_ * model.covariances_, 1.0)
        np.testing.assert_allclose(model.precisions_cholesky_**2, model.precisions_)


def test_to_sklearn_scores_alike_and_starts_em_from_there(case):
    model, rows, *_ = case
    theirs = model.to_sklearn()
    assert type(theirs) is GaussianMixture
    ours = model.score_samples(rows[:100])
    np.testing.assert_allclose(ours, theirs.score_samples(rows[:100]), rtol=1e-12)
    assert theirs.bic(rows) == pytest.approx(model.bic(rows), rel=1e-12)
    assert theirs.aic(rows) == pytest.approx(model.aic(rows), rel=1e-12)
    before = model.score(rows[:5000])
    with warnings.catch_warnings():
        # One step is no convergence.
        warnings.simplefilter("ignore", ConvergenceWarning)
        polished = theirs.set_params(max_iter=1).fit(rows[:5000])
    assert before - 1e-9 <= polished.score(rows[:5000]) < before + 0.02
    # The model itself is not touched.
    assert model.score(rows[:5000]) == before


def test_samples_look_like_the_mixture(case):
    model, *_ = case
    rows, labels = model.sample(20_000)
    assert rows.shape == (20_000, 3)
    np.testing.assert_allclose(np.bincount(labels, minlength=4) / 20_000, model.weights_, atol=0.02)
    spreads = np.sqrt(np.einsum("kll->k", matrices_of(model)))
    for k in range(4):
        error = np.linalg.norm(rows[labels == k].mean(axis=0) - model.means_[k])
        assert error < 5 * spreads[k] / np.sqrt((labels == k).sum())


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the sketch's noise moves components")  # from it alone
@pytest.mark.parametrize("keep_pilot", [True, False])
def test_rows_that_are_no_mixture_are_fitted_about_as_well_as_by_em(keep_pilot):
    rows = digits_pca10()
    model = CompressiveGaussianMixture(10, keep_pilot=keep_pilot, random_state=0).fit(rows)
    em = GaussianMixture(10, covariance_type="diag", n_init=3, random_state=0).fit(rows)
    assert model.score(rows) > em.score(rows) - (0.15 if keep_pilot else 0.3)
    assert model.covariances_.min() > 0.01 * rows.var(axis=0).min()


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", TYPES)
def test_few_rows_are_all_kept_and_em_has_the_last_word(covariance_type):
    rows = load_wine().data
    model = CompressiveGaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(rows)
    em = GaussianMixture(3, covariance_type=covariance_type, n_init=3, random_state=0).fit(rows)
    assert model.score(rows) > em.score(rows) - 0.2


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_columns_in_other_units_change_nothing_but_units(covariance_type):
    rows, *_ = planted_mixture(covariance_type)
    units = np.array([1.0, 4.0**5, 4.0**-4])
    model, other = (
        CompressiveGaussianMixture(
            4, covariance_type=covariance_type, reg_covar=0.0, random_state=0
        ).fit(X)
        for X in (rows, rows * units)
    )
    np.testing.assert_allclose(other.means_ / units, model.means_, atol=0.05)
    shift = np.log(units).sum()
    assert other.score(rows * units) + shift == pytest.approx(model.score(rows), abs=0.01)


@pytest.mark.slow
def test_batches_give_the_sketch_of_all_rows_and_the_same_mixture():
    rows, *_ = planted_mixture("diag")
    whole = CompressiveGaussianMixture(4, keep_pilot=False, random_state=0).fit(rows)
    batched = CompressiveGaussianMixture(4, sketcher=whole.sketcher_, random_state=0)
    for batch in np.array_split(rows, 7):
        batched.partial_fit(batch)
    with pytest.raises(NotFittedError):
        batched.predict(rows[:5])
    batched.partial_fit()
    assert batched.sketch_ == whole.sketch_
    np.testing.assert_array_equal(batched.means_, whole.means_)
    np.testing.assert_array_equal(batched.covariances_, whole.covariances_)


@pytest.mark.quality
def test_one_component_is_the_mean_and_the_variance():
    rows = np.random.default_rng(0).normal([3.0, -2.0], [0.5, 2.0], size=(20_000, 2))
    model = CompressiveGaussianMixture(random_state=0).fit(rows)
    np.testing.assert_allclose(model.means_[0], [3.0, -2.0], atol=0.06)
    np.testing.assert_allclose(np.sqrt(model.covariances_[0]), [0.5, 2.0], rtol=0.03)


@pytest.mark.slow
def test_reg_covar_is_added_to_variances():
    rows, *_ = planted_mixture("full", n=5000)
    without, with_much = (
        CompressiveGaussianMixture(
            4, covariance_type="full", reg_covar=reg_covar, random_state=0
        ).fit(rows)
        for reg_covar in (0.0, 2.0)
    )
    np.testing.assert_allclose(
        with_much.covariances_, without.covariances_ + 2.0 * np.eye(3), atol=1e-12
    )


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be at least 1"),
        ({"n_components": 2.5}, TypeError, "n_components must be an integer"),
        ({"covariance_type": "tied"}, ValueError, "'spherical', 'diag', 'full', got 'tied'"),
        ({"reg_covar": -1.0}, ValueError, "reg_covar must be finite and not negative"),
        ({"n_init": 0}, ValueError, "n_init"),
        ({"decoder": "em"}, TypeError, "decoder must be a Decoder"),
        ({"n_components": 400}, ValueError, "n_samples=300 .* 400: there are too few rows"),
    ],
)
def test_bad_parameters_are_refused(parameters, error, message):
    rows = np.random.default_rng(0).normal(size=(300, 2))
    with pytest.raises(error, match=message):
        CompressiveGaussianMixture(**parameters).fit(rows)


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        CompressiveGaussianMixture().fit([[0.0], [np.nan]])


def test_an_empty_sketch_is_refused():
    sketcher = Sketcher(random_state=0).fit(np.random.default_rng(0).normal(size=(300, 2)))
    with pytest.raises(EmptySketchError):
        CompressiveGaussianMixture().fit_sketch(sketcher.sketch(np.empty((0, 2))))


@pytest.mark.slow
def test_more_components_than_the_sketch_can_carry_are_warned_about():
    rows, *_ = planted_mixture("diag", n=5000)
    model = CompressiveGaussianMixture(
        20, covariance_type="full", n_frequencies=60, keep_pilot=False, random_state=0
    )
    # 20 weights that sum to 1, 60 means, 120 entries of covariances.
    with pytest.warns(UserWarning, match=r"120 numbers for the 199 .*n_frequencies=995"):
        model.fit(rows)
    assert np.isfinite(model.score(rows))


def test_variances_that_the_sketch_does_not_determine_do_not_collapse():
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((12, 6))
    X = np.repeat(centers, 1000, axis=0) + 0.7 * rng.standard_normal((12_000, 6))
    # Barely two numbers for each parameter, of overlapping components.
    sketch = Sketcher(170, n_clusters=12, scale=0.7, random_state=0).fit(X).sketch(X)
    family = DiagonalGaussian(sketch.operator)
    mixture = MeanShift().decode(sketch, family, 12, np.random.default_rng(0))
    assert mixture.goodness_of_fit < 1.0
    assert mixture.covariances.min() > 0.1 * 0.7**2


def test_what_few_rows_say_identifies_no_mixture():
    rng = np.random.default_rng(0)
    X = np.repeat([[-5.0, 0.0], [5.0, 0.0]], 1000, axis=0) + rng.standard_normal((2000, 2))
    sketcher = Sketcher(100, n_clusters=2, scale=1.0, random_state=0).fit(X)
    family = FullGaussian(sketcher.operator_)
    mixture = MeanShift().decode(sketcher.sketch(X), family, 2, np.random.default_rng(0))
    # Five rows for each of eleven parameters.
    for n_rows, is_told in ((54, False), (56, True)):
        quality = replace(mixture.quality, n_rows=n_rows, cost=0.1 * mixture.quality.expected_cost)
        assert replace(mixture, quality=quality).is_identified == is_told


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", TYPES)
def test_equal_rows_and_a_single_row_have_a_narrow_component(covariance_type):
    for rows in (np.full((50, 2), 3.0), np.full((1, 2), 3.0)):
        model = CompressiveGaussianMixture(covariance_type=covariance_type, random_state=0)
        model.fit(rows)
        np.testing.assert_allclose(model.means_, [[3.0, 3.0]], atol=0.1)
        assert np.isfinite(model.score(rows))


def test_point_masses_are_no_mixture_for_em():
    rows, *_ = planted_mixture("diag", n=2000)
    sketch = Sketcher(100, n_clusters=4, random_state=0).fit(rows).sketch(rows)
    with pytest.raises(TypeError, match="Gaussian family, got Dirac"):
        SurrogateEM().decode(sketch, Dirac(sketch.operator), 4, np.random.default_rng(0))


@pytest.mark.quality
@pytest.mark.slow
def test_wide_rows_keep_the_pilot_which_grows_with_the_parameters():
    rng = np.random.default_rng(0)
    k, d = 10, 50
    centers = 3.0 * rng.standard_normal((k, d)) / np.sqrt(d)
    deviations, label = rng.uniform(0.5, 1.0, size=(k, d)), rng.integers(k, size=30_000)
    rows = centers[label] + deviations[label] * rng.standard_normal((30_000, d))
    fitted, judged = rows[:24_000], rows[24_000:]
    model = CompressiveGaussianMixture(k, n_frequencies=600, random_state=0).fit(fitted)
    assert len(model.sketcher_.pilot_) >= 20 * k * (2 * d + 1)
    em = GaussianMixture(k, covariance_type="diag", n_init=1, random_state=0).fit(fitted)
    assert model.score(judged) > em.score(judged) - 0.1


@pytest.mark.quality
@pytest.mark.slow
def test_a_trusted_match_stays_unless_em_gains_more_than_its_parameters_do_by_chance():
    rows, *_ = planted_mixture("diag", k=3, d=2, n=30_000)
    # Of rows that are not in memory; else EM ends on all of them.
    model = CompressiveGaussianMixture(3, random_state=0).fit(iter([rows]))
    assert model.mixture_.is_identified
    np.testing.assert_array_equal(model.means_, model.mixture_.locations)
    # A match that is off in one mean is no longer trusted.
    rng = np.random.default_rng(0)
    parameters = model.mixture_.parameters.copy()
    parameters[0, 0] += 0.3
    off = replace(model.mixture_, parameters=parameters)
    few, ones = rows[:4000], np.ones(4000)
    for mixture, is_kept in ((model.mixture_, True), (off, False)):
        family, start = mixture.family, mixture.moments
        pilot = RowMixture(few, ones, np.ones(2), family, 3, seed=0)
        found = pilot.improve(start, 1e-6, rng, is_trusted=True)
        assert (found is None) == is_kept
    assert largest_distance(model.means_, found.means) < 0.15
    # An atom of no weight is one of no likelihood.
    without = start._replace(weights=np.array([0.6, 0.4, 0.0]))
    assert pilot.improve(without, 1e-6, rng, is_trusted=True) is not None


@pytest.mark.slow
@pytest.mark.quality
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_rows_in_memory_settle_a_mixture_of_more_parameters_than_a_pilot_tells(
    covariance_type, is_weighted
):
    rng = np.random.default_rng(4)
    k, d = 4, 30
    rows = rng.normal(size=(k, d))[rng.integers(k, size=40_000)] + rng.normal(size=(40_000, d))
    fitted, judged = rows[:20_000], rows[20_000:]
    counts = rng.integers(1, 3, len(fitted)) if is_weighted else None
    model = CompressiveGaussianMixture(k, covariance_type=covariance_type, random_state=0)
    # The unit of weights is none of the model's concern.
    model.fit(fitted, sample_weight=None if counts is None else 8.0 * counts)
    em = GaussianMixture(k, covariance_type=covariance_type, random_state=0)
    em.fit(fitted if counts is None else np.repeat(fitted, counts, axis=0))
    assert model.score(judged) > em.score(judged) - 0.005


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_a_far_cluster_that_the_sketch_hardly_shows_is_found_among_the_rows(covariance_type):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        means = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [10.0, 0.0, 10.0], [60.0, 60.0, -60.0]])
        labels = rng.choice(4, 40_000, p=[0.5, 0.3, 0.199, 0.001])
        rows = means[labels] + rng.normal(size=(40_000, 3))
        true = GaussianMixture(4, covariance_type="full")
        true.weights_, true.means_ = np.array([0.5, 0.3, 0.199, 0.001]), means
        true.covariances_ = true.precisions_cholesky_ = np.broadcast_to(np.eye(3), (4, 3, 3))
        model = CompressiveGaussianMixture(4, covariance_type=covariance_type, random_state=seed)
        assert model.fit(rows).score(rows) > true.score(rows) - 0.02


@pytest.mark.slow
def test_columns_that_do_not_vary_have_no_width():
    rows, _, _, _ = planted_mixture("full", n=10_000)
    rows = np.insert(rows, 1, 5.0, axis=1)
    sketch = Sketcher(n_clusters=4, keep_pilot=False, random_state=0).fit(rows).sketch(rows)
    model = CompressiveGaussianMixture(4, covariance_type="full", reg_covar=1e-6, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit_sketch(sketch)
    np.testing.assert_allclose(model.means_[:, 1], 5.0)
    np.testing.assert_allclose(model.covariances_[:, 1], 1e-6 * np.eye(4)[[1] * 4], atol=1e-12)


def test_words_about_parameters_name_what_came():
    rows = planted_mixture("diag")[0]
    with pytest.raises(ValueError, match=r"covariance_type must be one of .*, got \['diag'\]"):
        CompressiveGaussianMixture(2, covariance_type=["diag"]).fit(rows)
    model = CompressiveGaussianMixture(2, random_state=0).fit(rows)
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        model.sample(0)
    with pytest.raises(TypeError, match=r"n_samples must be an integer, got 2\.5"):
        model.sample(2.5)


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", TYPES)
def test_parameters_for_the_next_fit_leave_this_one_alone(covariance_type):
    rows = planted_mixture("diag")[0]
    model = CompressiveGaussianMixture(4, covariance_type=covariance_type, random_state=0).fit(rows)
    expected = model.to_sklearn().score_samples(rows[:9])
    for other in TYPES:
        model.set_params(n_components=7, covariance_type=other)
        np.testing.assert_array_equal(model.to_sklearn().score_samples(rows[:9]), expected)
        assert model.sample(2)[0].shape == (2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 5])  # The components of 5 would lose to noise as well.
@pytest.mark.parametrize("covariance_type", ["diag", "full"])
def test_columns_too_narrow_for_the_sketch_are_told_and_the_remedy_helps(covariance_type, seed):
    X, *_ = planted_mixture("diag", n=20_000, seed=seed)
    X = X * np.array([1.0, 1e3, 1e-3])
    model = CompressiveGaussianMixture(
        4, covariance_type=covariance_type, reg_covar=1e-12, random_state=seed
    )
    blind = Sketcher(n_clusters=4, scale="auto", random_state=seed).fit(X)
    with pytest.warns(
        ConvergenceWarning, match=r"by column or direction: .*Sketcher\(scale='columns'\)"
    ):
        lost = model.fit_sketch(blind.sketch(X))
    # No other doubt hides the cause, as what noise makes of such components.
    assert len(lost.doubts_) == 1
    assert lost.report().remedy == "Sketch with a Sketcher(scale='columns')."
    assert lost.quality_.verdict == "wrong"
    assert lost.quality_.column_factors[1] > 1e3
    told = lost.score(X)
    found = model.fit_sketch(blind.set_params(scale="columns").fit(X).sketch(X))
    assert found.quality_.verdict == "good"
    assert found.quality_.column_factors == pytest.approx((1.0, 1.0), abs=0.05)
    assert found.score(X) > told + 5.0


def test_spheres_are_not_sought_in_columns_of_unlike_units():
    X, *_ = planted_mixture("spherical", n=10_000)
    sketcher = Sketcher(n_clusters=4, scale="columns", random_state=0)
    model = CompressiveGaussianMixture(4, covariance_type="spherical", random_state=0)
    wide = X * np.array([1.0, 100.0, 1.0])
    with pytest.raises(ValueError, match=r"needs columns in like units.*scale='auto'"):
        model.fit_sketch(sketcher.fit(wide).sketch(wide))
    assert model.fit_sketch(sketcher.fit(X).sketch(X)).quality_.verdict == "good"


def test_regularisation_in_columns_of_small_units_is_told_and_the_remedy_helps():
    X, *_ = planted_mixture("diag", n=10_000)
    X = X * np.array([1.0, 1e-4, 1.0])
    sketch = Sketcher(n_clusters=4, scale="columns", random_state=0).fit(X).sketch(X)
    model = CompressiveGaussianMixture(4, random_state=0)
    with pytest.warns(ConvergenceWarning, match="reg_covar=1e-06, which is added") as caught:
        blurred = model.fit_sketch(sketch).score(X)
    assert model.report().verdict == "doubtful"
    named = float(re.search(r"Set reg_covar=([0-9.e-]+\d)", str(caught[0].message))[1])
    sharp = model.set_params(reg_covar=named).fit_sketch(sketch)
    assert sharp.report().verdict == "good"
    em = GaussianMixture(4, covariance_type="diag", reg_covar=named, random_state=0)
    best = em.fit(X[:2_000]).score(X)
    assert sharp.score(X) > max(best - 0.05, blurred + 0.3)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:components are as narrow")  # as those of points
@pytest.mark.parametrize("scale", ["auto", "columns"])
@pytest.mark.parametrize("seed", range(4))
def test_components_far_apart_are_found_and_as_wide_as_they_are(scale, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(6, size=20_000)
    X = 50.0 * rng.normal(size=(6, 4))[labels] + rng.normal(size=(20_000, 4))
    sketch = Sketcher(240, n_clusters=6, scale=scale, keep_pilot=False, random_state=seed)
    model = CompressiveGaussianMixture(6, random_state=seed).fit_sketch(sketch.fit(X).sketch(X))
    means = np.array([X[labels == i].mean(axis=0) for i in range(6)])
    start = GaussianMixture(6, covariance_type="diag", means_init=means).fit(X)
    assert model.score(X) > start.score(X) - 0.1
