"""What every estimator promises that learns from moments."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn import (
    CompressiveClassifier,
    CompressivePCA,
    ModelFormatError,
    Sketcher,
    load_model,
)
from sketchlearn.estimators import CompressiveEstimator, CompressiveKMeans
from sketchlearn.estimators.persistence import PersistentEstimator
from sketchlearn.privacy import Budget, release

CENTERS = 9.0 * np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
ROWS = np.random.default_rng(0).normal(size=(900, 2)) + CENTERS.repeat(300, axis=0)
LABELS = np.array(["a", "b", "c"]).repeat(300)
# How each registered class is made, and the method that asks it of rows; the suite fails for one
# that is missing.
EXAMPLES = {
    "CompressiveClassifier": (CompressiveClassifier(), "predict_proba"),
    "CompressivePCA": (CompressivePCA(), "transform"),
}


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def estimator(name):
    return clone(EXAMPLES[name][0])


@pytest.fixture
def model(estimator):
    return estimator.fit(ROWS, LABELS)


@pytest.fixture
def ask(name):
    return lambda model, rows: getattr(model, EXAMPLES[name][1])(rows)


def test_every_registered_class_is_here():
    known = PersistentEstimator.kinds()
    ours = {
        name
        for name, kind in known.items()
        if kind.__module__.startswith("sketchlearn.") and not issubclass(kind, CompressiveEstimator)
    }
    assert ours == {*EXAMPLES}


def test_parameters_are_stored_and_cloned(estimator):
    parameters = estimator.get_params()
    assert {*parameters} == {*inspect.signature(type(estimator)).parameters}
    assert clone(estimator).get_params() == parameters
    assert {*vars(estimator)} == {*parameters}


def test_a_fit_sets_names_that_end_in_an_underscore(estimator):
    before = {*vars(estimator)}
    model = estimator.fit(ROWS, LABELS)
    public = {name for name in {*vars(model)} - before if not name.startswith("_")}
    assert all(name.endswith("_") for name in public)
    assert (model.n_features_in_, model.n_samples_seen_) == (2, 900)


def test_a_fit_is_a_function_of_the_rows(model, ask):
    again = clone(model).fit(ROWS, LABELS)
    np.testing.assert_array_equal(ask(again, ROWS), ask(model, ROWS))


def test_a_pickle_answers_alike_and_holds_no_row(model, ask):
    data = pickle.dumps(model)
    assert not any(value.tobytes() in data for value in ROWS[:, 0])
    np.testing.assert_array_equal(ask(pickle.loads(data), ROWS), ask(model, ROWS))


def test_a_file_gives_the_same_model_and_holds_no_row(model, ask, tmp_path):
    model.save(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    assert not any(value.tobytes() in data for value in ROWS[:, 0])
    for load in (load_model, type(model).load):
        again = load(tmp_path / "a")
        assert type(again) is type(model)
        assert again.get_params() == model.get_params()
        assert again.n_samples_seen_ == model.n_samples_seen_
        np.testing.assert_array_equal(ask(again, ROWS), ask(model, ROWS))
        again.save(tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == data
    more = load_model(tmp_path / "a").partial_fit(ROWS, LABELS)
    assert more.n_samples_seen_ == 1800


def test_another_class_refuses_the_file(model, tmp_path):
    model.save(tmp_path / "a")
    with pytest.raises(ModelFormatError, match=f"holds a {type(model).__name__}, expected"):
        CompressiveKMeans.load(tmp_path / "a")


def test_features_go_by_name(estimator, ask):
    frame = pd.DataFrame(ROWS, columns=["a", "b"])
    model = estimator.fit(frame, LABELS)
    assert list(model.feature_names_in_) == ["a", "b"]
    expected = ask(model, frame)
    np.testing.assert_array_equal(ask(model, frame[["b", "a"]].assign(c=0.0)), expected)
    with pytest.raises(ValueError, match="missing"):
        ask(model, frame[["a"]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:0], "minimum of 1 is required|at least one row"),
        (ROWS[0], "2D array"),
        (np.where(np.arange(900)[:, None] == 5, np.nan, ROWS), "NaN"),
        (np.where(np.arange(900)[:, None] == 5, np.inf, ROWS), "infinity"),
        (ROWS + 1j, "[Cc]omplex"),
    ],
    ids=["empty", "flat", "nan", "inf", "complex"],
)
def test_bad_rows_are_refused_and_leave_the_model_alone(model, rows, message):
    before = dict(vars(model))
    with pytest.raises(ValueError, match=message):
        model.fit(rows, LABELS[: len(rows)])
    assert vars(model) == before


def test_no_sketch_is_taken_for_rows(model):
    box = Sketcher.from_domain([-9.0] * 2, [18.0] * 2, n_frequencies=9, clip=True, random_state=0)
    private = release(box.sketch(ROWS), epsilon=1.0, delta=1e-6, budget=Budget(9.0, 1e-6))
    for sketch in (box.sketch(ROWS), private):
        told = rf"takes rows, got a {type(sketch).__name__}; .* call fit_sketch"
        for method in (model.fit, model.partial_fit):
            with pytest.raises(TypeError, match=told):
                method(sketch, LABELS)
        for name in {"predict", "transform"} & {*dir(model)}:
            with pytest.raises(TypeError, match=told):
                getattr(model, name)(sketch)


@pytest.mark.parametrize("weights", [np.full(900, -1.0), np.zeros(900), np.ones(5)])
def test_bad_weights_are_refused(estimator, weights):
    with pytest.raises(ValueError, match=r"sample_weight|weight"):
        estimator.fit(ROWS, LABELS, sample_weight=weights)


def test_what_is_not_fitted_says_so(estimator, ask, tmp_path):
    for attempt in (lambda: ask(estimator, ROWS), lambda: estimator.save(tmp_path / "a")):
        with pytest.raises(NotFittedError):
            attempt()
    with pytest.raises(ValueError, match="nothing to learn from"):
        estimator.partial_fit()


@pytest.mark.slow
@parametrize_with_checks(
    [
        *(each for each, _ in EXAMPLES.values()),
        CompressivePCA(2, whiten=True),
        CompressiveClassifier(2, covariance_type="diag", random_state=0),
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
