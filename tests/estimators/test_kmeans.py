"""The estimator's surface: what it promises, whatever the data."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from planted import gaussian_clusters, largest_distance
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    EmptySketchError,
    Sketch,
    Sketcher,
    count_clusters,
    synthesize,
)
from sketchlearn.decoders import CLOMPR
from sketchlearn.estimators import allow_rows_in_pickles
from sketchlearn.sketching.pilot import pilot_size

CENTERS, ROWS = gaussian_clusters(k=3, d=2, n=600)
LABELS = np.repeat(np.arange(3), 200)


def model_of(**parameters):
    return CompressiveKMeans(3, random_state=0, **parameters)


@pytest.fixture(scope="module")
def fitted():
    return model_of().fit(ROWS)


def assert_same_fit(one, other):
    np.testing.assert_array_equal(one.cluster_centers_, other.cluster_centers_)
    np.testing.assert_array_equal(one.weights_, other.weights_)
    assert one.sketch_ == other.sketch_
    assert (one.cost_, one.n_iter_) == (other.cost_, other.n_iter_)


# Fitting.


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("keep_pilot", [True, False])
@pytest.mark.parametrize("kind", [np.float64, np.float32, list])
def test_fit_finds_the_clusters(kind, keep_pilot):
    rows = ROWS.tolist() if kind is list else ROWS.astype(kind)
    model = model_of(keep_pilot=keep_pilot).fit(rows)
    assert largest_distance(CENTERS, model.cluster_centers_) < 0.5
    np.testing.assert_allclose(model.weights_, 1 / 3, atol=0.03)
    # Each planted cluster has a label of its own.
    assert len(set(zip(LABELS, model.labels_, strict=True))) == 3


def test_fitted_attributes(fitted):
    assert fitted.cluster_centers_.shape == (3, 2)
    assert fitted.weights_.sum() == pytest.approx(1.0)
    assert np.all(np.diff(fitted.weights_) <= 0)
    assert fitted.labels_.shape == (600,)
    assert fitted.labels_.dtype == np.int32
    distances = np.sum((ROWS - fitted.cluster_centers_[fitted.labels_]) ** 2)
    assert fitted.inertia_ == pytest.approx(distances)
    assert fitted.cost_ == fitted.mixture_.cost
    assert fitted.n_iter_ > 0
    assert fitted.n_features_in_ == 2
    assert fitted.n_samples_seen_ == fitted.sketch_.n_samples == 600
    assert fitted.sketch_ == fitted.sketcher_.sketch(ROWS)
    assert not hasattr(fitted, "feature_names_in_")


def test_parameters_are_stored_as_they_come_and_stay():
    given = {
        "n_clusters": np.int64(3),
        "sketcher": Sketcher(70, scale=1.5),
        "n_frequencies": "auto",
        "scale": "auto",
        "decoder": CLOMPR(n_starts=50),
        "n_init": 2,
        "keep_pilot": False,
        "compute_labels": False,
        "random_state": 3,
        "n_jobs": 1,
        "verbose": 0,
    }
    model = CompressiveKMeans(**given).fit(ROWS)
    assert all(model.get_params()[name] is value for name, value in given.items())
    assert not hasattr(given["sketcher"], "operator_")
    assert model.sketch_.operator.n_frequencies == 70


def test_size_and_scale_reach_the_sketcher():
    model = model_of(n_frequencies=123, scale=0.7).fit(ROWS)
    assert model.sketch_.operator.n_frequencies == 123
    assert model.sketcher_.scale_ == 0.7


@pytest.mark.slow
def test_two_fits_are_identical():
    assert_same_fit(model_of().fit(ROWS), model_of().fit(ROWS))
    model = model_of(keep_pilot=False)
    assert_same_fit(clone(model).fit(ROWS), model.fit(ROWS).fit(ROWS))


def test_another_random_state_gives_another_operator(fitted):
    other = CompressiveKMeans(3, random_state=1).fit(ROWS)
    assert other.sketch_.fingerprint != fitted.sketch_.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("keep_pilot", [True, False])
def test_the_number_of_threads_decides_nothing(keep_pilot):
    # Enough rows for several chunks.
    _, rows = gaussian_clusters(k=3, d=2, n=30_000)
    one = model_of(n_jobs=1, keep_pilot=keep_pilot).fit(rows)
    two = model_of(n_jobs=2, keep_pilot=keep_pilot).fit(rows)
    assert_same_fit(one, two)
    np.testing.assert_array_equal(one.labels_, two.labels_)


@pytest.mark.parametrize("unit", [1e-17, 1e-4, 1e4, 1e17])
@pytest.mark.parametrize("keep_pilot", [True, False])
def test_fit_scales_with_the_data(keep_pilot, unit):
    model = model_of(keep_pilot=keep_pilot).fit(unit * ROWS)
    assert largest_distance(unit * CENTERS, model.cluster_centers_) < 0.5 * unit


@pytest.mark.parametrize("unit", [1e-20, 1e20])
def test_data_whose_squares_are_beyond_float32_are_not_decoded(unit):
    with pytest.raises(ValueError, match=r"scale, a .* rescale the data to order"):
        model_of().fit(unit * ROWS)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_constant", [1, 10])
def test_columns_that_do_not_vary_cost_nothing(seed, n_constant):
    rng = np.random.default_rng(seed)
    centers = np.array([[0.0, 0.0, 0.0], [5.0, 5.0, 5.0], [10.0, 0.0, 10.0], [60.0, 60.0, -60.0]])
    labels = rng.choice(4, 20_000, p=[0.5, 0.3, 0.199, 0.001])
    rows = centers[labels] + rng.normal(size=(20_000, 3))
    rows = np.column_stack([rows, np.full((20_000, n_constant), 7.0)])
    sketch = Sketcher(n_clusters=4, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
    model = CompressiveKMeans(4, random_state=seed).fit_sketch(sketch)
    best = KMeans(4, n_init=3, random_state=0).fit(rows).inertia_
    # The sketch does not always tell where so few rows are, and says so then.
    assert -model.score(rows) < 1.05 * best or model.quality_.verdict != "good"
    np.testing.assert_allclose(model.cluster_centers_[:, 3:], 7.0, atol=1e-3)


def test_a_far_origin_does_not_matter():
    model = model_of().fit(ROWS + 1e4)
    assert largest_distance(CENTERS + 1e4, model.cluster_centers_) < 0.5


def test_as_many_rows_as_clusters():
    rows = np.array([[0.0, 0.0], [1.0, 5.0], [9.0, 2.0]])
    model = model_of().fit(rows)
    assert largest_distance(rows, model.cluster_centers_) < 1e-6


# Weights.


@pytest.mark.slow
@pytest.mark.parametrize("keep_pilot", [True, False])
def test_weights_equal_repetitions(keep_pilot):
    times = np.random.default_rng(0).integers(1, 4, size=600)
    weighted = model_of(keep_pilot=keep_pilot).fit(ROWS, sample_weight=times)
    repeated = model_of(keep_pilot=keep_pilot).fit(np.repeat(ROWS, times, axis=0))
    assert weighted.sketch_.weight_sum == repeated.sketch_.weight_sum
    np.testing.assert_allclose(weighted.cluster_centers_, repeated.cluster_centers_, atol=1e-9)
    assert weighted.inertia_ == pytest.approx(repeated.inertia_)


@pytest.mark.slow
def test_rows_of_no_weight_are_as_if_absent():
    weights = np.random.default_rng(0).integers(0, 3, size=600).astype(float)
    kept = weights > 0
    weighted = model_of().fit(ROWS, sample_weight=weights)
    assert_same_fit(weighted, model_of().fit(ROWS[kept], sample_weight=weights[kept]))
    assert weighted.n_samples_seen_ == np.count_nonzero(kept)


@pytest.mark.slow
def test_weights_move_the_shares():
    weights = np.repeat([6.0, 3.0, 1.0], 200)
    for keep_pilot in (True, False):
        model = model_of(keep_pilot=keep_pilot).fit(ROWS, sample_weight=weights)
        np.testing.assert_allclose(model.weights_, [0.6, 0.3, 0.1], atol=0.03)
        assert largest_distance(CENTERS, model.cluster_centers_[:3]) < 0.5


# Batches.


def batches_of(rows, n_batches):
    return np.array_split(rows, n_batches)


def test_small_batches_are_held_until_the_pilot_is_large_enough():
    assert pilot_size(3) == 5000
    _, rows = gaussian_clusters(k=3, d=2, n=6000)
    rows = np.random.default_rng(0).permutation(rows)
    model = model_of()
    for i, batch in enumerate(batches_of(rows, 10), start=1):
        model.partial_fit(batch)
        assert model.n_samples_seen_ == 600 * i
        # Nine times 600 is the first multiple above the pilot's size.
        assert hasattr(model, "sketch_") == (i >= 9)
        assert not hasattr(model, "cluster_centers_")
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(rows)
    assert model.sketcher_.pilot_ is None
    assert not any(
        isinstance(value, np.ndarray) and len(value) >= 600 for value in vars(model).values()
    )
    assert largest_distance(CENTERS, model.cluster_centers_) < 0.5
    assert not hasattr(model, "labels_")


@pytest.mark.slow
def test_decoding_early_sketches_what_was_held():
    model = model_of()
    for batch in batches_of(ROWS, 7):
        model.partial_fit(batch)
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(ROWS)
    assert largest_distance(CENTERS, model.cluster_centers_) < 0.5
    # More rows join the same sketch; the centroids stay until they are asked for.
    before = model.cluster_centers_.copy()
    model.partial_fit(ROWS[:100])
    np.testing.assert_array_equal(model.cluster_centers_, before)
    assert model.n_samples_seen_ == 700
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(np.vstack([ROWS, ROWS[:100]]))


def test_batches_carry_their_weights():
    weights = np.repeat([6.0, 3.0, 1.0], 200)
    model = model_of()
    for rows, share in zip(batches_of(ROWS, 6), batches_of(weights, 6), strict=True):
        model.partial_fit(rows, sample_weight=share)
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(ROWS, sample_weight=weights)
    np.testing.assert_allclose(model.weights_, [0.6, 0.3, 0.1], atol=0.03)


@pytest.mark.slow
def test_a_batch_after_fit_joins_its_sketch():
    model = model_of().fit(ROWS[:400]).partial_fit(ROWS[400:])
    assert model.n_samples_seen_ == 600
    assert model.sketch_ == model.sketcher_.sketch(ROWS)
    # The pilot had but two of the three clusters; the sketch's moments tell of the third.
    model.partial_fit()
    np.testing.assert_allclose(np.sort(model.weights_), [1 / 3] * 3, atol=0.02)
    assert model.score(ROWS) > 1.02 * model_of().fit(ROWS).score(ROWS)
    assert not hasattr(model, "labels_")
    assert not hasattr(model, "inertia_")


def test_fit_forgets_earlier_batches():
    model = model_of().partial_fit(ROWS + 1000.0).fit(ROWS)
    assert_same_fit(model, model_of().fit(ROWS))


def test_held_rows_are_copies():
    rows = ROWS.copy()
    model = model_of().partial_fit(rows)
    rows[:] = 0.0
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(ROWS)


def test_a_fitted_sketcher_needs_no_held_rows():
    sketcher = Sketcher(60, random_state=0).fit(ROWS)
    model = model_of(sketcher=sketcher).partial_fit(ROWS[:10])
    assert model.sketch_ == sketcher.sketch(ROWS[:10])
    assert model.sketcher_ is sketcher


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        (np.full((5, 2), np.nan), None),
        (np.ones((5, 3)), None),
        (np.ones((5, 2)), -np.ones(5)),
        (np.ones((5, 2)), np.zeros(5)),
        (np.ones((5, 2)), np.full(5, 2.0**21)),
        (np.ones((5, 2)), np.full(5, 2.0**-15)),
    ],
    ids=["NaN", "features", "negative", "zero", "huge", "tiny"],
)
@pytest.mark.parametrize("n_rows_before", [600, 6000])
def test_a_refused_batch_changes_nothing(rows, weights, n_rows_before):
    before = np.tile(ROWS, (n_rows_before // 600, 1))
    model = model_of().partial_fit(before)
    with pytest.raises(ValueError, match=r"NaN|features|sample_weight"):
        model.partial_fit(rows, sample_weight=weights)
    assert model.n_samples_seen_ == n_rows_before
    model.partial_fit()
    assert model.sketch_ == model.sketcher_.sketch(before)


def test_a_first_batch_that_does_not_fit_the_sketcher_can_be_followed_by_one_that_does():
    sketcher = Sketcher(60, random_state=0).fit(ROWS)
    model = model_of(sketcher=sketcher)
    with pytest.raises(ValueError, match="X has 3 features, but Sketcher is expecting 2"):
        model.partial_fit(np.ones((5, 3)))
    model.partial_fit(ROWS).partial_fit()
    assert model.n_samples_seen_ == 600


# Sketches from elsewhere.


@pytest.mark.parametrize("random_state", [0, 1])
def test_a_sketch_from_a_file_gives_what_fit_without_pilot_gives(tmp_path, random_state):
    here = CompressiveKMeans(3, keep_pilot=False, random_state=random_state).fit(ROWS)
    here.sketch_.save(tmp_path / "rows.sketch")
    there = CompressiveKMeans(3, random_state=random_state)
    there.fit_sketch(Sketch.load(tmp_path / "rows.sketch"))
    assert_same_fit(here, there)
    np.testing.assert_array_equal(there.predict(ROWS), here.labels_)
    assert there.n_samples_seen_ == 600
    assert there.n_features_in_ == 2
    assert there.sketcher_.pilot_ is None


def test_sketches_of_parts_are_as_good_as_one_of_all():
    sketcher = Sketcher(n_clusters=3, random_state=0).fit(ROWS[::7])
    merged = sum(sketcher.sketch(part) for part in batches_of(ROWS, 5))
    assert_same_fit(model_of().fit_sketch(merged), model_of().fit_sketch(sketcher.sketch(ROWS)))


def test_rows_can_join_a_sketch_from_elsewhere():
    sketcher = Sketcher(n_clusters=3, random_state=0).fit(ROWS)
    model = model_of().fit_sketch(sketcher.sketch(ROWS[::2])).partial_fit(ROWS[1::2])
    assert model.sketch_ == sketcher.sketch(ROWS)


def test_another_number_of_clusters_from_the_same_sketch(fitted):
    model = CompressiveKMeans(4, random_state=0).fit_sketch(fitted.sketch_)
    assert model.cluster_centers_.shape == (4, 2)


def test_a_failed_fit_leaves_the_earlier_one(fitted):
    model = CompressiveKMeans(4, random_state=0).fit(ROWS)
    before = dict(vars(model))
    model.set_params(n_clusters=fitted.sketch_.operator.n_frequencies + 1)
    with pytest.raises(ValueError, match="cannot tell"):
        model.fit_sketch(fitted.sketch_)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(ROWS, np.nan))
    model.set_params(n_clusters=4)
    assert vars(model) == before
    assert model.predict(ROWS).shape == (len(ROWS),)


@pytest.mark.slow
def test_clusters_that_are_not_asked_for_are_told(fitted):
    with pytest.warns(ConvergenceWarning, match="there are more clusters than n_clusters=2"):
        CompressiveKMeans(2, random_state=0).fit_sketch(fitted.sketch_)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("keep_pilot", [True, False])
@pytest.mark.parametrize("seed", range(2))
def test_more_clusters_than_were_asked_for_are_told(keep_pilot, seed):
    X = make_blobs(6000, n_features=5, centers=6, random_state=seed)[0]
    model = CompressiveKMeans(5, keep_pilot=keep_pilot, random_state=seed)
    with pytest.warns(ConvergenceWarning, match=r"more clusters than n_clusters=5.* up to 6"):
        model.fit(X)
    # What the warning advises.
    model.set_params(n_clusters=6).fit(X)
    assert model.inertia_ < 1.01 * KMeans(6, n_init=10, random_state=0).fit(X).inertia_


@pytest.mark.quality
@pytest.mark.slow
def test_flat_clusters_are_not_taken_for_missing_ones():
    # Rings leave 4 % of the sketch's power to any 8 round clusters, and little less to 10.
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, 2 * np.pi, size=20_000)
    X = np.c_[np.cos(angles), np.sin(angles)] * rng.choice([2.0, 4.0], size=(20_000, 1))
    X += 0.05 * rng.standard_normal(X.shape)
    model = CompressiveKMeans(4, random_state=0).fit(X)
    best = KMeans(4, n_init=10, random_state=0).fit(X).inertia_
    assert model.mixture_.quality.misses_clusters
    assert model.inertia_ < 1.03 * best


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("model", [CompressiveKMeans(6), CompressiveGaussianMixture(6)])
@pytest.mark.filterwarnings("ignore:the sketch hardly determines")
def test_fewer_numbers_than_parameters_are_told(model):
    X = make_blobs(20_000, n_features=5, centers=6, random_state=3)[0]
    sketch = Sketcher(15, n_clusters=6, random_state=0).fit(X).sketch(X)
    with pytest.warns(UserWarning, match=r"30 numbers for the (41|65) .*too few"):
        model.set_params(random_state=0).fit_sketch(sketch)
    # What the warning advises, for k-means: five frequencies for each of 41 parameters.
    if isinstance(model, CompressiveKMeans):
        sketch = Sketcher(205, n_clusters=6, random_state=0).fit(X).sketch(X)
        found = -model.fit_sketch(sketch).score(X)
        assert found < 1.05 * KMeans(6, n_init=10, random_state=0).fit(X).inertia_


@pytest.mark.slow
@pytest.mark.parametrize(("has_pilot", "is_told"), [(False, True), (True, False)])
def test_a_sketch_alone_needs_two_numbers_for_each_parameter(has_pilot, is_told):
    X = make_blobs(5000, n_features=5, centers=6, random_state=3)[0]
    sketcher = Sketcher(40, n_clusters=6, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CompressiveKMeans(6, sketcher=sketcher, keep_pilot=has_pilot, random_state=0).fit(X)
    told = "80 numbers for the 41 parameters"
    assert any(told in str(each.message) for each in caught) == is_told


@pytest.mark.slow
def test_integer_weights_are_repetitions_and_a_common_factor_counts_nothing():
    X = make_blobs(450, n_features=3, centers=4, random_state=0)[0]
    weights = np.random.default_rng(0).integers(1, 4, size=len(X))
    models = [
        CompressiveKMeans(4, keep_pilot=False, sketcher=Sketcher(60, random_state=0).fit(X))
        .set_params(random_state=0)
        .fit(rows, sample_weight=each)
        for rows, each in (
            (np.repeat(X, weights, axis=0), None),
            (X, weights),
            (X, 10.0 * weights),
            (X, 1024.0 * weights),
        )
    ]
    for model in models[1:]:
        np.testing.assert_array_equal(model.cluster_centers_, models[0].cluster_centers_)
        assert model.mixture_.goodness_of_fit == models[0].mixture_.goodness_of_fit


@pytest.mark.slow
def test_a_sketcher_that_is_not_fitted_is_cloned_and_one_that_is_is_used():
    plain = Sketcher(60, random_state=5)
    model = model_of(sketcher=plain).fit(ROWS)
    assert not hasattr(plain, "operator_")
    assert model.sketcher_.pilot_ is not None
    assert model.sketch_ == clone(plain).fit(ROWS).sketch(ROWS)
    ready = clone(plain).fit(ROWS[::2])
    model = model_of(sketcher=ready).fit(ROWS)
    assert model.sketcher_ is ready
    assert model.sketch_ == ready.sketch(ROWS)


@pytest.mark.parametrize("kind", [CompressiveKMeans, CompressiveGaussianMixture])
@pytest.mark.parametrize("given", [{"n_frequencies": 50}, {"scale": 2.0}])
def test_what_a_sketcher_settles_is_not_asked_for_twice(kind, given):
    with pytest.raises(ValueError, match="no effect beside a sketcher: set it there"):
        kind(3, sketcher=Sketcher(60), **given).fit(ROWS)


def test_the_decoder_that_was_asked_for_is_used():
    model = model_of(decoder=CLOMPR(), keep_pilot=False).fit(ROWS)
    # CL-OMPR's atoms share one variance, and particles have none of it.
    assert np.ptp(model.mixture_.covariances) == 0.0
    assert largest_distance(CENTERS, model.cluster_centers_) < 0.5


# After fitting.


def test_predict_transform_and_score_agree(fitted):
    rows = np.vstack([ROWS, fitted.cluster_centers_])
    distances = np.sqrt(((rows[:, None] - fitted.cluster_centers_) ** 2).sum(axis=2))
    np.testing.assert_allclose(fitted.transform(rows), distances, atol=1e-6)
    labels = fitted.predict(rows)
    np.testing.assert_array_equal(labels, distances.argmin(axis=1))
    np.testing.assert_array_equal(labels[:600], fitted.labels_)
    np.testing.assert_array_equal(labels[600:], np.arange(3))
    nearest = distances.min(axis=1) ** 2
    assert fitted.score(rows) == pytest.approx(-nearest.sum())
    weights = np.arange(603.0)
    assert fitted.score(rows, sample_weight=weights) == pytest.approx(-(weights @ nearest))


@pytest.mark.parametrize("compute_labels", [True, False])
def test_fit_predict_labels_the_rows(fitted, compute_labels):
    model = model_of(compute_labels=compute_labels)
    np.testing.assert_array_equal(model.fit_predict(ROWS), fitted.labels_)
    assert hasattr(model, "labels_") == hasattr(model, "inertia_") == compute_labels


def test_it_pickles(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    assert_same_fit(again, fitted)
    np.testing.assert_array_equal(again.predict(ROWS), fitted.labels_)
    # It goes on where it was.
    assert again.partial_fit(ROWS).n_samples_seen_ == 1200
    with allow_rows_in_pickles():
        held = pickle.loads(pickle.dumps(model_of().partial_fit(ROWS)))
    assert largest_distance(CENTERS, held.partial_fit().cluster_centers_) < 0.5


@pytest.mark.slow
def test_it_clones_and_nested_parameters_can_be_set(fitted):
    model = clone(fitted)
    assert not hasattr(model, "cluster_centers_")
    assert_same_fit(model.fit(ROWS), fitted)
    nested = clone(model_of(sketcher=Sketcher(60), decoder=CLOMPR(n_starts=50)))
    nested.set_params(sketcher__n_frequencies=80, n_clusters=2)
    with pytest.warns(ConvergenceWarning, match="more clusters than n_clusters=2"):
        nested.fit(ROWS)
    assert nested.sketch_.operator.n_frequencies == 80


def test_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), model_of())
    labels = pipeline.fit_predict(ROWS)
    assert len(set(zip(LABELS, labels, strict=True))) == 3
    np.testing.assert_array_equal(pipeline.predict(ROWS), labels)
    assert pipeline.transform(ROWS).shape == (600, 3)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_frames(frame, fitted):
    rows = frame(dict(zip(["east", "north"], ROWS.T, strict=True)))
    model = model_of().fit(rows)
    assert list(model.feature_names_in_) == ["east", "north"]
    np.testing.assert_array_equal(model.cluster_centers_, fitted.cluster_centers_)
    np.testing.assert_array_equal(model.predict(rows), fitted.labels_)
    model.fit_sketch(fitted.sketch_)
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.slow
def test_frames_can_come_in_batches():
    rows = pd.DataFrame(np.tile(ROWS, (9, 1)), columns=["east", "north"])
    model = model_of()
    for start in range(0, len(rows), 600):
        model.partial_fit(rows[start : start + 600])
    model.partial_fit(rows).partial_fit()
    assert list(model.feature_names_in_) == ["east", "north"]
    assert model.sketch_ == model.sketcher_.sketch(pd.concat([rows, rows]))


@pytest.mark.slow
def test_the_sketcher_knows_the_names_of_a_frames_features():
    rows = pd.DataFrame(ROWS, columns=["east", "north"])
    sketcher = Sketcher(60, random_state=0).fit(rows)
    for model in (model_of(), model_of(sketcher=Sketcher(60)), model_of(sketcher=sketcher)):
        assert model.fit(rows).sketch_ == model.sketcher_.sketch(rows)
    assert model_of(sketcher=sketcher).partial_fit(rows).sketch_ == sketcher.sketch(rows)


@pytest.mark.parametrize(("output", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output(output, kind, fitted):
    distances = model_of().set_output(transform=output).fit(ROWS).transform(ROWS)
    assert isinstance(distances, kind)
    names = ["compressivekmeans0", "compressivekmeans1", "compressivekmeans2"]
    assert list(distances.columns) == names == list(fitted.get_feature_names_out())
    np.testing.assert_array_equal(distances.to_numpy(), fitted.transform(ROWS))


def test_verbose_tells_the_stages(capsys):
    model_of(verbose=1).fit(ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert ["sketched 600 rows" in lines[0], "decoded in" in lines[1]] == [True, True]
    model_of().fit(ROWS)
    assert capsys.readouterr().out == ""


# What is refused.


def with_entry(value):
    rows = ROWS.copy()
    rows[5, 1] = value
    return rows


BAD_ROWS = {
    "NaN": (with_entry(np.nan), "contains NaN"),
    "infinity": (with_entry(-np.inf), "contains infinity"),
    "empty": (ROWS[:0], r"0 sample\(s\)"),
    "no features": (ROWS[:, :0], r"0 feature\(s\)"),
    "one dimension": (ROWS[:, 0], "Expected 2D array, got 1D array"),
    "complex": (ROWS + 0j, "Complex data not supported"),
    "words": (np.array([["a", "b"]] * 9), "could not convert string to float"),
}


@pytest.mark.parametrize(("rows", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows(rows, message, fitted):
    for door in (
        model_of().fit,
        model_of().partial_fit,
        fitted.predict,
        fitted.transform,
        fitted.score,
    ):
        with pytest.raises(ValueError, match=message):
            door(rows)
    np.testing.assert_array_equal(fitted.predict(ROWS), fitted.labels_)


@pytest.mark.parametrize("name", ["predict", "transform", "score", "partial_fit"])
def test_another_number_of_features(name, fitted):
    with pytest.raises(ValueError, match=r"X has 3 features.* is expecting 2 features"):
        getattr(fitted, name)(np.ones((4, 3)))


BAD_WEIGHTS = {
    "negative": (np.r_[-0.5, np.ones(599)], r"must not be negative, got -0\.5"),
    "all zero": (np.zeros(600), "must have a positive entry, got only zeros"),
    "NaN": (np.r_[np.nan, np.ones(599)], "must be finite"),
    "infinite": (np.full(600, np.inf), "must be finite"),
    "too few": (np.ones(599), r"shape \(600,\), one weight a row, got \(599,\)"),
}


@pytest.mark.parametrize(("weights", "message"), BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_bad_weights(weights, message):
    for door in (model_of().fit, model_of().partial_fit):
        with pytest.raises(ValueError, match=message):
            door(ROWS, sample_weight=weights)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (2.0**21, r"must not exceed 2\*\*20, got 2097152"),
        (1e-9, r"at least 2\*\*-10 on average.* got a mean of 1e-09"),
    ],
)
def test_weights_in_units_that_do_not_suit_batches_suit_a_fit(weight, message):
    weights = np.full(600, weight)
    with pytest.raises(ValueError, match=message):
        model_of().partial_fit(ROWS, sample_weight=weights)
    assert model_of().fit(ROWS, sample_weight=weights).sketch_.n_samples == 600


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the sketch hardly determines 3 clusters")
def test_fewer_distinct_rows_than_clusters():
    two = np.repeat(ROWS[:2], 50, axis=0)
    for rows, weights, n in [
        (two, None, 2),
        (np.array([[0.0, 0.0], [-0.0, 0.0], [0.0, -0.0]]), None, 1),
        (ROWS, np.r_[1.0, 1.0, np.zeros(598)], 2),
    ]:
        for keep_pilot in (True, False):
            with pytest.warns(ConvergenceWarning, match=f"{n} distinct rows?.* for 3 clusters"):
                model = model_of(keep_pilot=keep_pilot).fit(rows, sample_weight=weights)
            assert model.cluster_centers_.shape == (3, 2)
            if keep_pilot:
                # As KMeans: every row has a centroid of its own.
                assert model.inertia_ == pytest.approx(0.0, abs=1e-12)
    with pytest.warns(ConvergenceWarning, match="2 distinct"):
        model_of().partial_fit(two).partial_fit()


@pytest.mark.slow
def test_too_few_rows_for_a_sketch_are_said_to_be_too_few():
    # Nine rows about the origin and one far away, which the noise of ten rows hides.
    rows = np.random.default_rng(1).normal(size=(10, 2))
    rows[0] += 50.0
    bare = Sketcher(n_clusters=3, scale=0.5, moments=None, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"10 rows are too few to find 3.* 55 at least"):
        model_of(sketcher=bare).partial_fit(rows).partial_fit()
    # But not the moments.
    model = model_of().partial_fit(rows).partial_fit()
    assert np.linalg.norm(model.cluster_centers_ - rows[0], axis=1).min() < 0.5
    # The remedy that it names.
    assert len(set(model_of().fit(rows).labels_)) == 3


def test_fewer_rows_than_clusters():
    with pytest.raises(ValueError, match=r"n_samples=2 should be >= .*, 3: there are too few rows"):
        model_of().fit(ROWS[:2])
    with pytest.raises(ValueError, match="too few rows"):
        model_of().partial_fit(ROWS[:2]).partial_fit()


BAD_PARAMETERS = {
    "n_clusters=0": ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1, got 0"),
    "n_clusters=-1": ({"n_clusters": -1}, ValueError, "n_clusters must be at least 1, got -1"),
    "n_clusters=2.5": ({"n_clusters": 2.5}, TypeError, "must be an integer, got 2.5"),
    "n_clusters=word": ({"n_clusters": "3"}, TypeError, "must be an integer, got '3'"),
    "n_init=0": ({"n_init": 0}, ValueError, "n_init.* must be at least 1, got 0"),
    "n_init=word": ({"n_init": "many"}, TypeError, "n_init.* must be an integer, got 'many'"),
    "decoder": ({"decoder": "clompr"}, TypeError, "decoder must be a Decoder, got str"),
    "decoder class": ({"decoder": CLOMPR}, TypeError, "decoder must be a Decoder"),
    "keep_pilot": ({"keep_pilot": "no"}, TypeError, "keep_pilot must be True or False, got 'no'"),
    "compute_labels": ({"compute_labels": 1}, TypeError, "compute_labels must be True or False"),
    "sketcher": ({"sketcher": 100}, TypeError, "sketcher must be a Sketcher, got int"),
}


@pytest.mark.parametrize(("bad", "error", "message"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters(bad, error, message, fitted):
    for name, argument in [
        ("fit", ROWS),
        ("partial_fit", ROWS),
        ("fit_sketch", fitted.sketch_),
    ]:
        model = model_of().set_params(**bad)
        with pytest.raises(error, match=message):
            getattr(model, name)(argument)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"n_frequencies": 0}, ValueError, "n_frequencies.* must be at least 1, got 0"),
        ({"n_frequencies": 2}, ValueError, "2 frequencies cannot tell 3 atoms apart.* least 30"),
        ({"n_frequencies": "few"}, TypeError, "n_frequencies.* must be an integer, got 'few'"),
        ({"scale": 0.0}, ValueError, "scale.* must be positive and finite, got 0.0"),
        ({"scale": "wide"}, TypeError, "scale.* must be a real number, got 'wide'"),
        ({"n_jobs": 0}, ValueError, "n_jobs must not be 0"),
    ],
)
def test_bad_parameters_of_the_sketch(bad, error, message):
    with pytest.raises(error, match=message):
        model_of(**bad).fit(ROWS)


def test_what_is_no_sketch_or_an_empty_one(fitted):
    model = model_of().fit(ROWS)
    with pytest.raises(TypeError, match="expected a Sketch, got ndarray; rows go to fit"):
        model.fit_sketch(ROWS)
    with pytest.raises(EmptySketchError, match="at least one row"):
        model.fit_sketch(Sketch.empty(fitted.sketch_.operator))
    assert_same_fit(model, fitted)


def test_a_sketchers_features_must_fit():
    sketcher = Sketcher(60, random_state=0).fit(np.arange(30.0).reshape(10, 3))
    with pytest.raises(ValueError, match="X has 2 features, but Sketcher is expecting 3"):
        model_of(sketcher=sketcher).fit(ROWS)


@pytest.mark.parametrize("name", ["predict", "transform", "score"])
@pytest.mark.parametrize("has_rows", [False, True])
def test_before_decoding(name, has_rows):
    model = model_of()
    if has_rows:
        model.partial_fit(ROWS)
    with pytest.raises(NotFittedError, match=r"call fit, fit_sketch, or partial_fit\(\) without"):
        getattr(model, name)(ROWS)


def test_nothing_to_decode():
    with pytest.raises(EmptySketchError, match="nothing to decode"):
        model_of().partial_fit()
    with pytest.raises(NotFittedError):
        model_of().n_samples_seen_  # noqa: B018


# Scikit-learn's own model.


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fit", "fit_sketch", "far"])
def test_to_sklearn_predicts_alike(kind, fitted):
    rows = ROWS + 1e3 if kind == "far" else ROWS
    model = model_of().fit_sketch(fitted.sketch_) if kind == "fit_sketch" else model_of().fit(rows)
    theirs = model.to_sklearn()
    assert type(theirs) is KMeans
    np.testing.assert_array_equal(theirs.cluster_centers_, model.cluster_centers_)
    np.testing.assert_array_equal(theirs.predict(rows), model.predict(rows))
    np.testing.assert_allclose(theirs.transform(rows), model.transform(rows), atol=1e-6)
    assert theirs.score(rows) == pytest.approx(model.score(rows))
    assert hasattr(theirs, "labels_") == hasattr(theirs, "inertia_") == (kind != "fit_sketch")
    # Its fit goes on from here.
    assert theirs.fit(rows).inertia_ <= -model.score(rows) * (1 + 1e-9)


def test_to_sklearn_keeps_names_and_needs_a_model():
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    model = model_of().fit(frame)
    np.testing.assert_array_equal(model.to_sklearn().predict(frame), model.labels_)
    with pytest.raises(NotFittedError):
        model_of().to_sklearn()


@pytest.mark.slow
def test_why_there_are_no_labels(fitted):
    for model in (
        model_of().fit_sketch(fitted.sketch_),
        model_of(compute_labels=False).fit(ROWS),
        model_of().partial_fit(ROWS).partial_fit(),
        model_of().fit(iter([ROWS])),
    ):
        for name in ("labels_", "inertia_"):
            assert not hasattr(model, name)
            with pytest.raises(AttributeError, match=r"only fit on rows in memory.* Call predict"):
                getattr(model, name)
    with pytest.raises(AttributeError, match="no attribute 'label_'"):
        fitted.label_  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'labels_'$"):
        model_of().labels_  # noqa: B018


@pytest.mark.slow
def test_the_mixture_has_the_order_of_the_centroids(fitted):
    weights = np.repeat([1.0, 6.0, 3.0], 200)
    for model in (fitted, model_of().fit(ROWS, sample_weight=weights)):
        for k, center in enumerate(model.cluster_centers_):
            distances = np.linalg.norm(model.mixture_.locations - center, axis=1)
            assert distances.argmin() == k


# Where randomness comes from.


@pytest.mark.slow
def test_a_generator_of_numpys_is_a_random_state():
    one, other, third = (
        CompressiveKMeans(3, random_state=np.random.default_rng(seed)).fit(ROWS)
        for seed in (5, 5, 6)
    )
    assert_same_fit(one, other)
    assert one.sketch_.fingerprint != third.sketch_.fingerprint
    # It goes on, as a RandomState does.
    first = one.sketch_.fingerprint
    assert one.fit(ROWS).sketch_.fingerprint != first
    sketcher = Sketcher(50, random_state=np.random.default_rng(0)).fit(ROWS)
    assert sketcher.sketch(ROWS).n_samples == 600
    assert len(set(one.to_sklearn().fit_predict(ROWS))) == 3


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ("0", TypeError, "random_state must be None, an integer, or a RandomState or Generator"),
        (1.5, TypeError, "random_state must be .* got 1.5"),
        (-1, ValueError, "between 0 and 2.*32 - 1, got -1"),
        (2**32, ValueError, "between 0 and 2.*32 - 1, got 4294967296"),
    ],
)
def test_what_is_no_random_state(state, error, message, fitted):
    doors = [
        lambda: CompressiveKMeans(3, random_state=state).fit(ROWS),
        lambda: CompressiveKMeans(3, random_state=state).fit_sketch(fitted.sketch_),
        lambda: Sketcher(random_state=state).fit(ROWS),
        lambda: count_clusters(fitted.sketch_, [1], random_state=state),
        lambda: synthesize(fitted.sketch_, 10, random_state=state),
    ]
    for door in doors:
        with pytest.raises(error, match=message):
            door()


@pytest.mark.slow
def test_rows_are_converted_once(fitted):
    class Rows:
        """An array-like that counts how often it is made an array."""

        n_conversions = 0

        def __array__(self, dtype=None, copy=None):
            self.n_conversions += 1
            return np.array(ROWS, dtype=dtype)

        def __len__(self):
            return len(ROWS)

    for sketcher in (None, Sketcher(60, random_state=0), fitted.sketcher_):
        rows = Rows()
        model = model_of(sketcher=sketcher).fit(rows)
        assert rows.n_conversions == 1
        assert model.sketch_ == model.sketcher_.sketch(ROWS)
        rows = Rows()
        model.partial_fit(rows)
        assert rows.n_conversions == 1


def test_parameters_for_the_next_fit_leave_this_one_alone():
    model = CompressiveKMeans(3, random_state=0).fit(ROWS)
    labels = model.predict(ROWS)
    np.testing.assert_array_equal(model.set_params(n_clusters=9).to_sklearn().predict(ROWS), labels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1e-6, 1e-3])
@pytest.mark.parametrize("model", [CompressiveKMeans(4), CompressiveGaussianMixture(4)])
def test_waves_that_show_nothing_of_the_rows_make_no_good_model(scale, model):
    sketch = Sketcher(50, scale=scale, keep_pilot=False, random_state=0).fit(ROWS).sketch(ROWS)
    assert model.set_params(random_state=0).fit_sketch(sketch).report().verdict != "good"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_centroids_lie_between_the_bounds_that_are_given():
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=5000)
    flags = rng.random(5000) < np.array([0.05, 0.1, 0.02, 0.9, 0.5])[labels]
    amounts = np.exp(np.array([3.0, 4.5, 6.0, 5.0, 8.0])[labels] + 0.4 * rng.normal(size=5000))
    X = np.column_stack([amounts, flags])
    sketch = Sketcher(n_clusters=5, random_state=0).fit(X).sketch(X)
    bounds = ([0.0, 0.0], [1e6, 1.0])
    centers = (
        CompressiveKMeans(5, bounds=bounds, random_state=0).fit_sketch(sketch).cluster_centers_
    )
    assert np.all((centers >= bounds[0]) & (centers <= bounds[1]))
