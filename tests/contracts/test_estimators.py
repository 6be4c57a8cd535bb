"""What every estimator promises, those of a user included."""

import inspect
import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_array
from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, ModelFormatError, load_model
from sketchlearn.estimators import CompressiveEstimator
from tests.extensions.estimator import CompressiveMedians

CENTERS = 9.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
ROWS = np.random.default_rng(0).normal(size=(900, 2)) + CENTERS.repeat(300, axis=0)
# How each registered class is made for three clusters; the suite fails for one that is missing.
EXAMPLES = {
    "CompressiveGaussianMixture": CompressiveGaussianMixture(3, random_state=0),
    "CompressiveKMeans": CompressiveKMeans(3, random_state=0),
    "CompressiveMedians": CompressiveMedians(3, random_state=0),
}


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def estimator(name):
    return clone(EXAMPLES[name])


@pytest.fixture(scope="module")
def fitted():
    """Each estimator after a fit on rows; a test that changes one takes a copy."""
    return {name: clone(example).fit(ROWS) for name, example in EXAMPLES.items()}


@pytest.fixture
def model(name, fitted):
    return fitted[name]


def learned(model):
    """What a file holds of a model, as bytes."""
    return {
        name: value.tobytes()
        for name, value in vars(model).items()
        if name.endswith("_") and isinstance(value, np.ndarray) and value.dtype == np.float64
    }


def is_partition(model):
    labels = model.predict(ROWS)
    return len(set(zip(np.arange(3).repeat(300).tolist(), labels.tolist(), strict=True))) == 3


def test_every_registered_class_is_here():
    known = CompressiveEstimator.kinds()
    ours = {name for name, kind in known.items() if kind.__module__.startswith("sketchlearn.")}
    assert ours <= {*EXAMPLES}
    assert known["CompressiveMedians"] is CompressiveMedians


def test_rows_at_once_batches_and_a_sketch_agree(estimator, model):
    """The law: the sketch is the same however rows come, and a sketch alone decides the model."""
    has_sketcher = "sketcher" in estimator.get_params()
    own = estimator.set_params(sketcher=model.sketcher_) if has_sketcher else estimator
    whole, batches, sketched = (clone(own) for _ in range(3))
    for some in np.array_split(ROWS, 7):
        batches.partial_fit(some)
    batches.partial_fit()
    sketched.fit_sketch(batches.sketch_)
    assert learned(sketched) == learned(batches)
    assert sketched.sketch_ == batches.sketch_
    assert batches.n_samples_seen_ == sketched.n_samples_seen_ == len(ROWS)
    for one in (whole.fit(ROWS), batches, sketched):
        assert is_partition(one)


def test_a_fit_is_a_function_of_rows_and_seed(estimator, model):
    assert learned(estimator.fit(ROWS)) == learned(model)
    assert learned(estimator.fit(ROWS)) == learned(model)
    assert estimator.sketch_ == model.sketch_
    np.testing.assert_array_equal(clone(estimator).fit_predict(ROWS), model.predict(ROWS))


def test_parameters_are_stored_and_cloned(estimator):
    parameters = estimator.get_params()
    assert {*parameters} == {*inspect.signature(type(estimator)).parameters}
    assert all(vars(estimator)[name] is value for name, value in parameters.items())
    assert clone(estimator).get_params() == parameters
    changed = estimator.set_params(random_state=7)
    assert changed is estimator
    assert estimator.get_params()["random_state"] == 7


def test_a_fit_sets_names_that_end_in_an_underscore(estimator, model):
    before, after = {*vars(estimator)}, {*vars(model)}
    public = {name for name in after - before if not name.startswith("_")}
    assert all(name.endswith("_") for name in public)
    assert {"weights_", "mixture_", "cost_", "n_iter_", "sketch_", "sketcher_"} <= public
    assert model.n_features_in_ == 2
    np.testing.assert_allclose(model.weights_.sum(), 1.0)
    assert model.get_params() == estimator.get_params()


def test_a_pickle_predicts_alike_and_holds_no_row(model):
    data = pickle.dumps(model)
    assert not any(value.tobytes() in data for value in ROWS[:, 0])
    again = pickle.loads(data)
    np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))
    assert again.sketch_ == model.sketch_


def test_a_file_gives_the_same_model_and_holds_no_row(model, tmp_path):
    model.save(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert not any(value.tobytes() in data for value in ROWS[:, 0])
    for load in (load_model, type(model).load):
        again = load(tmp_path / "a")
        assert type(again) is type(model)
        assert again.get_params() == model.get_params()
        assert (again.sketch_, again.cost_, again.n_iter_) == (
            model.sketch_,
            model.cost_,
            model.n_iter_,
        )
        np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))
        again.save(tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == data


def test_another_class_refuses_the_file(model, tmp_path):
    model.save(tmp_path / "a")
    for kind in {type(example) for example in EXAMPLES.values()} - {type(model)}:
        with pytest.raises(ModelFormatError, match=f"holds a {type(model).__name__}, expected"):
            kind.load(tmp_path / "a")


def test_a_name_that_is_taken_is_refused(name, model):
    owner = r"(sketchlearn|tests|extensions)"
    taken = rf"kind '{name}' of elsewhere.{name} is already that of {owner}\..*{name}"
    with pytest.raises(ValueError, match=taken):
        type(name, (type(model),), {"__module__": "elsewhere"})
    assert CompressiveEstimator.kinds()[name] is type(model)


def test_features_go_by_name(estimator):
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    model = estimator.fit(frame)
    assert list(model.feature_names_in_) == ["a", "b"]
    expected = model.predict(frame)
    np.testing.assert_array_equal(model.predict(frame[["b", "a"]]), expected)
    np.testing.assert_array_equal(model.predict(frame.assign(c=0.0)), expected)
    with pytest.raises(ValueError, match="missing"):
        model.predict(frame[["a"]])


@pytest.mark.slow
def test_weights_are_repetitions(estimator):
    """The law: a row of weight two is that row twice; one of weight zero is no row."""
    weights = np.random.default_rng(1).integers(0, 3, size=len(ROWS)).astype(float)
    weighted = clone(estimator).fit(ROWS, sample_weight=weights)
    repeated = clone(estimator).fit(ROWS.repeat(weights.astype(int), axis=0))
    np.testing.assert_array_equal(weighted.predict(ROWS), repeated.predict(ROWS))
    doubled = clone(estimator).fit(ROWS, sample_weight=2.0 * weights)
    np.testing.assert_allclose(doubled.weights_, weighted.weights_, rtol=1e-9)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:0], "minimum of 1 is required|at least one row"),
        (ROWS[0], "2D array"),
        (np.where(np.arange(900)[:, None] == 5, np.nan, ROWS), "NaN"),
        (np.where(np.arange(900)[:, None] == 5, np.inf, ROWS), "infinity"),
        (ROWS[:2], "too few rows"),
        (ROWS + 1j, "[Cc]omplex"),
    ],
    ids=["empty", "flat", "nan", "inf", "few", "complex"],
)
def test_bad_rows_are_refused_and_leave_the_model_alone(model, rows, message):
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(rows)
    assert vars(model) == before


@pytest.mark.parametrize("weights", [np.full(900, -1.0), np.zeros(900), np.ones(5)])
def test_bad_weights_are_refused(estimator, weights):
    with pytest.raises(ValueError, match=r"sample_weight|weight"):
        estimator.fit(ROWS, sample_weight=weights)


def test_what_is_not_fitted_says_so(estimator, tmp_path):
    for ask in (lambda: estimator.predict(ROWS), lambda: estimator.save(tmp_path / "a")):
        with pytest.raises(NotFittedError):
            ask()
    with pytest.raises(ValueError, match="nothing to decode"):
        estimator.partial_fit()
    with pytest.raises(TypeError, match="expected a Sketch"):
        estimator.fit_sketch(ROWS)


# Of data with 4 distinct rows and the default 8 clusters, as of scikit-learn's KMeans; and of
# columns of few values, as `tests/estimators/test_shared_values.py` asks for.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:there are . distinct rows:UserWarning")
@pytest.mark.filterwarnings("ignore:many rows share a value")
@parametrize_with_checks(
    [
        *EXAMPLES.values(),
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


@pytest.mark.slow
def test_rows_are_validated_once(estimator):
    """A fit looks whether all rows are sound once; the sketching takes its word."""
    # More than its pilot, which k-means and the like look through again.
    many = np.tile(ROWS, (7, 1))
    checked = []

    def listen(frame, event, _):
        if event == "call" and frame.f_code is check_array.__code__:
            checked.append(np.shape(frame.f_locals["array"]))

    sys.setprofile(listen)
    try:
        estimator.fit(many)
    finally:
        sys.setprofile(None)
    assert checked.count(many.shape) == 1
