"""CompressivePCA against scikit-learn's PCA on the rows themselves: the oracle throughout."""

import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA

from sketchlearn import CompressiveClassifier, CompressivePCA, EmptySketchError, Sketcher
from sketchlearn.estimators.persistence import StoredModel
from sketchlearn.exceptions import ModelFormatError
from sketchlearn.privacy import Budget, release
from sketchlearn.privacy.queries import box_units
from sketchlearn.sketching import make_moment_sketcher

LOADERS = [load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine]
ROWS = load_wine().data
FITTED = ("components_", "explained_variance_", "explained_variance_ratio_", "mean_")


def assert_same_components(model, rows, tolerance=1e-9):
    """Compare with PCA by an SVD of the rows, along all directions that they vary in."""
    expected = PCA(svd_solver="full").fit(rows)
    widths = np.sqrt(expected.explained_variance_)
    varies = widths > 1e-8 * widths[0]
    np.testing.assert_allclose(model.components_[varies], expected.components_[varies],
                               rtol=0, atol=tolerance)  # fmt: skip
    for name in ("explained_variance_", "explained_variance_ratio_", "singular_values_"):
        ours, theirs = (getattr(each, name)[varies] for each in (model, expected))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance)
    off = (model.mean_ - expected.mean_) / np.maximum(rows.std(axis=0), 1e-300)
    np.testing.assert_allclose(off, 0.0, atol=tolerance)
    assert (model.n_samples_, model.n_features_in_) == rows.shape


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_any_split_and_removal_leave_what_pca_finds(load, seed):
    """The law: whatever came and went, the components are those of the rows that are left."""
    rows, rng = load().data, np.random.default_rng(seed)
    others = rng.normal(rows.mean(axis=0), 5.0 * rows.std(axis=0) + 1.0, size=(70, rows.shape[1]))
    everything = rng.permutation(np.concatenate([rows, others]))
    cuts = np.sort(rng.integers(1, len(everything), size=6))
    model = CompressivePCA()
    for some in np.split(everything, cuts):
        if len(some):
            model.partial_fit(some)
    left = model.sketch_
    for gone in np.array_split(others, 3):
        left -= model.sketcher_.sketch(gone)
    assert_same_components(CompressivePCA().fit_sketch(left), rows)


@pytest.mark.parametrize("offset", [0.0, 1e5, -1e9])
@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e30])
def test_units_and_origin_cost_no_digits(offset, factor):
    rows = np.random.default_rng(0).normal(size=(400, 3)) @ np.diag([1.0, 30.0, 1e4])
    rows = np.round(rows, 3)
    # Numbers with the offset are those that float64 holds; exactly what both are given.
    moved = (rows + offset) * factor
    model = CompressivePCA().fit(moved)
    exact = np.longdouble(moved) / np.longdouble(factor)
    exact -= exact.mean(axis=0)
    expected = PCA(svd_solver="full").fit(exact.astype(float))
    np.testing.assert_allclose(model.components_, expected.components_, atol=1e-9)
    variances = model.explained_variance_ / factor / factor
    np.testing.assert_allclose(variances, expected.explained_variance_, rtol=1e-9)


def test_the_same_bytes_for_any_order_and_split():
    sketcher = make_moment_sketcher(ROWS[:5])
    whole = CompressivePCA(sketcher=sketcher).fit(ROWS)
    rng = np.random.default_rng(0)
    for _ in range(5):
        model = CompressivePCA(sketcher=sketcher)
        for some in np.array_split(rng.permutation(ROWS), rng.integers(2, 20)):
            model.partial_fit(some)
        assert model.sketch_ == whole.sketch_
        assert all(getattr(model, n).tobytes() == getattr(whole, n).tobytes() for n in FITTED)


def test_weights_are_repetitions():
    weights = np.random.default_rng(0).integers(0, 4, size=len(ROWS))
    weighted = CompressivePCA().fit(ROWS, sample_weight=weights)
    repeated = CompressivePCA().fit(ROWS.repeat(weights, axis=0))
    for name in (*FITTED, "singular_values_", "noise_variance_"):
        np.testing.assert_array_equal(getattr(weighted, name), getattr(repeated, name))


@pytest.mark.parametrize("whiten", [False, True])
@pytest.mark.parametrize("n_components", [None, 1, 4, 0.5, 0.9, 0.99999])
def test_transforms_as_scikit_learn(n_components, whiten):
    expected = PCA(n_components, whiten=whiten, svd_solver="full").fit(ROWS)
    model = CompressivePCA(n_components, whiten=whiten)
    np.testing.assert_allclose(model.fit_transform(ROWS), expected.transform(ROWS), atol=1e-8)
    assert model.n_components_ == expected.n_components_
    assert model.noise_variance_ == pytest.approx(expected.noise_variance_, rel=1e-9)
    places = expected.transform(ROWS[:9])
    np.testing.assert_allclose(model.inverse_transform(places), expected.inverse_transform(places))
    names = model.get_feature_names_out()
    assert list(names) == [f"compressivepca{i}" for i in range(model.n_components_)]
    again = model.to_sklearn()
    np.testing.assert_allclose(again.transform(ROWS), model.transform(ROWS), atol=1e-9)
    np.testing.assert_allclose(again.score_samples(ROWS), expected.score_samples(ROWS), rtol=1e-6)


def test_a_sketch_with_waves_is_as_good_as_its_grid():
    """The bound of the docstring, with the grid's own steps."""
    rows = np.random.default_rng(0).normal(size=(5000, 4)) * [1.0, 2.0, 4.0, 8.0]
    sketch = Sketcher(20, random_state=0).fit(rows).sketch(rows)
    model, exact = CompressivePCA().fit_sketch(sketch), CompressivePCA().fit(rows)
    step = (sketch.operator.moment_grid.steps / rows.std(axis=0)).max()
    bound = 5.0 * 0.6 * step / np.sqrt(len(rows))
    np.testing.assert_allclose(model.explained_variance_, exact.explained_variance_, rtol=bound)
    assert np.abs(model.components_ - exact.components_).max() < bound


def test_files_are_read_like_arrays(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    model = CompressivePCA(3).fit(str(tmp_path / "rows.npy"))
    assert_same_components(CompressivePCA().fit_sketch(model.sketch_), ROWS)
    halves = CompressivePCA(3)
    for half in np.array_split(ROWS, 2):
        np.save(tmp_path / "half.npy", half)
        halves.partial_fit(str(tmp_path / "half.npy"))
    assert_same_components(CompressivePCA().fit_sketch(halves.sketch_), ROWS)
    places = model.transform(str(tmp_path / "rows.npy"))
    np.testing.assert_array_equal(places, model.transform(ROWS))


def test_a_sketcher_of_ones_own_is_used():
    sketcher = Sketcher(7, random_state=0)
    assert CompressivePCA(2, sketcher=sketcher).fit(ROWS).sketch_.n_frequencies == 7
    fitted = sketcher.fit(ROWS)
    model = CompressivePCA(2, sketcher=fitted).fit(ROWS)
    assert model.sketch_ == fitted.sketch(ROWS)


def test_few_rows_and_many_columns():
    rows = np.random.default_rng(0).normal(size=(5, 9))
    model = CompressivePCA().fit(rows)
    expected = PCA().fit(rows)
    assert model.components_.shape == (5, 9)
    np.testing.assert_allclose(model.explained_variance_, expected.explained_variance_, atol=1e-12)
    late = CompressivePCA(4)
    for row in rows:
        late.partial_fit(row[None])
    np.testing.assert_allclose(late.components_, expected.components_[:4], atol=1e-9)


def test_rows_that_do_not_vary_have_no_variance():
    model = CompressivePCA().fit(np.full((4, 2), 0.1))
    np.testing.assert_array_equal(model.explained_variance_, [0.0, 0.0])
    np.testing.assert_array_equal(model.explained_variance_ratio_, [0.0, 0.0])
    np.testing.assert_allclose(model.mean_, 0.1)


PRIVATE_ROWS = np.random.default_rng(0).normal(size=(20_000, 3)) * [0.5, 1.0, 2.0]


@pytest.fixture(scope="module")
def private():
    """Sixty releases of one sketch."""
    box = [-8.0, -8.0, -8.0], [8.0, 8.0, 8.0]
    sketcher = Sketcher.from_domain(*box, n_frequencies=1, clip=True, random_state=0)
    sketch, budget = sketcher.sketch(PRIVATE_ROWS), Budget(epsilon=1000.0, delta=0.5)
    options = {"epsilon": 1.0, "delta": 1e-6, "moments_share": 0.9, "budget": budget}
    return [release(sketch, **options) for _ in range(60)]


def noisy_covariance(sketch):
    """Return the covariance of what was released, before it is cleared of noise."""
    moments, units = sketch.moments, box_units(sketch.operator)
    second = np.empty((3, 3))
    second[np.triu_indices(3)] = moments.second
    second[np.triu_indices(3)[::-1]] = moments.second
    return (second - np.outer(moments.first, moments.first)) * np.outer(units, units)


@pytest.mark.slow
def test_private_components_are_as_noisy_as_they_say(private):
    exact = np.cov(PRIVATE_ROWS.T, bias=True)
    errors = np.array([noisy_covariance(each) - exact for each in private])
    ratios = np.sqrt((errors**2).mean(axis=0)) / private[0].covariance_error
    # Sixty draws of a standard deviation are off by a tenth of it, as one standard error.
    assert np.all(np.abs(ratios - 1.0) < 0.5)
    models = [CompressivePCA(2).fit_sketch(each) for each in private]
    norms = [np.linalg.norm(error, 2) for error in errors]
    assert np.mean(norms) < models[0].noise_floor_ < 3.0 * np.mean(norms)
    values, axes = np.linalg.eigh(exact)
    for model, norm in zip(models, norms, strict=True):
        # Davis and Kahan: a sine is at most the noise over what it leaves of the gap.
        sine = np.linalg.norm(model.components_[0] @ axes[:, :2])
        assert sine <= norm / (values[2] - values[1] - norm)
    assert CompressivePCA().fit(PRIVATE_ROWS).noise_floor_ == 0.0


def test_components_within_the_noise_are_told_of():
    box = [-100.0, -100.0], [100.0, 100.0]
    sketcher = Sketcher.from_domain(*box, n_frequencies=1, clip=True, random_state=0)
    # Alike in all directions, so that no noise tells one from the next; so many that their count
    # is far above its noise.
    rows = np.random.default_rng(3).standard_normal((20_000, 2))
    noisy = release(sketcher.sketch(rows), epsilon=0.1, delta=1e-6)
    with pytest.warns(UserWarning, match="of 2 components are not told from the next"):
        CompressivePCA().fit_sketch(noisy)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be an integer of at least 1"),
        ({"n_components": 1.0}, ValueError, "n_components must be an integer"),
        ({"n_components": 1.5}, ValueError, "n_components must be an integer"),
        ({"n_components": -0.1}, ValueError, "n_components must be an integer"),
        ({"n_components": float("nan")}, ValueError, "n_components must be an integer"),
        ({"n_components": True}, TypeError, "n_components must be a number or None, got True"),
        ({"n_components": "mle"}, TypeError, "n_components must be a number or None, got 'mle'"),
        ({"n_components": 14}, ValueError, "n_components=14 must be at most 13: .* 13 columns"),
        ({"whiten": "no"}, TypeError, "whiten must be True or False, got 'no'"),
        ({"sketcher": 3}, TypeError, "sketcher must be a Sketcher, got int"),
        ({"sketcher": Sketcher(5, moments=None)}, ValueError, "moments=None: sketch with"),
        ({"sketcher": Sketcher(5, moments="diagonal")}, ValueError, "moments='diagonal'"),
    ],
)
def test_bad_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        CompressivePCA(**parameters).fit(ROWS)


@pytest.mark.parametrize("moments", [None, "diagonal"])
def test_a_fitted_sketcher_of_other_moments_is_refused_before_rows_are_read(moments):
    def pieces():
        yield ROWS[:90]
        pytest.fail("read on")

    fitted = Sketcher(5, moments=moments, random_state=0).fit(ROWS)
    for rows in (ROWS, pieces()):
        for fit in (
            CompressivePCA(sketcher=fitted).fit,
            CompressivePCA(sketcher=fitted).partial_fit,
        ):
            with pytest.raises(ValueError, match=f"the sketcher takes moments={moments!r}"):
                fit(rows)


def test_bad_sketches_are_refused():
    sketcher = make_moment_sketcher(ROWS)
    with pytest.raises(EmptySketchError, match="at least one row"):
        CompressivePCA().fit_sketch(sketcher.sketch(ROWS[:0]))
    with pytest.raises(ValueError, match="at least 2 rows"):
        CompressivePCA().fit_sketch(sketcher.sketch(ROWS[:1]))
    with pytest.raises(ValueError, match="the sketch has moments=None"):
        CompressivePCA().fit_sketch(sketcher.sketch(ROWS).without_moments())
    with pytest.raises(TypeError, match="fit takes rows, got a Sketch"):
        CompressivePCA().fit(sketcher.sketch(ROWS))
    with pytest.raises(ValueError, match="count as many"):
        CompressivePCA().fit(ROWS, sample_weight=np.full(len(ROWS), 0.5 / len(ROWS)))
    with pytest.raises(ValueError, match=r"shape \(n_samples, 2\), got \(1, 3\)"):
        CompressivePCA(2).fit(ROWS).inverse_transform([[1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("components_", lambda array: 2.0 * array),
        ("explained_variance_", lambda array: -array),
        ("explained_variance_ratio_", lambda array: array + 1.0),
        ("singular_values_", lambda array: -array),
    ],
)
def test_values_that_no_model_has_are_refused(tmp_path, name, change):
    CompressivePCA(2).fit(ROWS).save(tmp_path / "a")
    stored = StoredModel.from_bytes((tmp_path / "a").read_bytes())
    arrays = {**stored.arrays, name: change(stored.arrays[name])}
    altered = StoredModel(**{**vars(stored), "arrays": arrays})
    with pytest.raises(ModelFormatError, match=name):
        StoredModel.from_bytes(altered.to_bytes())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.empty((0, 2)), "expected finite rows"),
        ([1.0, 2.0], "expected finite rows"),
        ([[0.0, 1.0], [np.nan, 1.0]], "Input X contains NaN at row 1, column 0"),
    ],
)
def test_a_moment_sketcher_needs_finite_rows(rows, message):
    with pytest.raises(ValueError, match=message):
        make_moment_sketcher(rows)


@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_a_grid_that_is_too_coarse_is_told_with_a_remedy_that_helps(factor):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, size=(400, 3)) * [1 / 3, 0.7, 1.4]
    sketch = Sketcher(9, random_state=0).fit(factor * rng.normal(size=(50, 3))).sketch(rows)
    with pytest.warns(UserWarning, match=r"3 of 3 columns.*may be off by .*moment_sk") as caught:
        found = CompressivePCA().fit_sketch(sketch)
    assert caught[0].filename == __file__
    told = float(re.search(r"off by ([0-9.e+]+) %", str(caught[0].message))[1]) / 100.0
    assert np.abs(rows.var(axis=0, ddof=1) / found.var_ - 1.0).max() <= 1.01 * told
    again = make_moment_sketcher(rows[:50]).sketch(rows)
    assert_same_components(CompressivePCA().fit_sketch(again), rows)


def test_a_narrow_column_among_wide_ones_is_told_by_name():
    rows = np.random.default_rng(0).normal(size=(400, 2)) * [1e9, 1e-3]
    sketch = Sketcher(9, random_state=0).fit(rows).sketch(rows)
    named = replace(sketch, feature_names=("wide", "narrow"))
    with pytest.warns(UserWarning, match="1 of 2 columns.*deviation of 'narrow'"):
        CompressivePCA().fit_sketch(named)
    with pytest.warns(UserWarning, match="1 of 2 columns.*deviation of 'narrow'"):
        CompressiveClassifier().fit_sketches({"a": named, "b": named})
    assert_same_components(CompressivePCA().fit(rows), rows)
