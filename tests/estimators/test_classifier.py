"""CompressiveClassifier: Bayes' rule on mixtures, each from its class's own sketch."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_moons
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.naive_bayes import GaussianNB

from sketchlearn import CompressiveClassifier, EmptySketchError, Sketcher, load_model
from sketchlearn.estimators.persistence import StoredModel
from sketchlearn.exceptions import ModelFormatError
from sketchlearn.privacy import release
from sketchlearn.sketching import make_moment_sketcher

X, Y = load_iris(return_X_y=True)
RNG = np.random.default_rng(0)
LEARNED = ("weights_", "means_", "covariances_", "class_count_", "class_prior_")


def same(a, b):
    return all(getattr(a, name).tobytes() == getattr(b, name).tobytes() for name in LEARNED)


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer, load_wine])
def test_at_least_as_good_as_naive_bayes(load):
    rows, labels = load(return_X_y=True)
    found = []
    for train, test in StratifiedShuffleSplit(5, random_state=0).split(rows, labels):
        models = CompressiveClassifier(), GaussianNB()
        found.append([m.fit(rows[train], labels[train]).score(rows[test], labels[test])
                      for m in models])  # fmt: skip
    ours, theirs = np.mean(found, axis=0)
    assert ours >= theirs


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_any_split_and_removal_leave_the_model_of_the_rows(covariance_type):
    """The law: the same bytes, whatever the order of rows, and whatever came and went."""
    sketcher = make_moment_sketcher(X).set_params(
        moments={"full": "full", "diag": "diagonal"}[covariance_type]
    )
    parameters = {"covariance_type": covariance_type, "sketcher": sketcher}
    whole = CompressiveClassifier(**parameters).fit(X, Y)
    batches, order = CompressiveClassifier(**parameters), RNG.permutation(len(X))
    for some in np.array_split(order, 9):
        batches.partial_fit(X[some], Y[some], classes=[0, 1, 2])
    assert same(batches, whole)
    others = X[:20] + 0.3
    more = CompressiveClassifier(**parameters).fit(X, Y).partial_fit(others, Y[:20])
    left = {**more.sketches_, 0: more.sketches_[0] - sketcher.sketch(others)}
    again = CompressiveClassifier(covariance_type=covariance_type).fit_sketches(left)
    assert same(again, whole)
    np.testing.assert_array_equal(again.predict(X), whole.predict(X))


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_probabilities_are_those_of_bayes_rule(covariance_type):
    model = CompressiveClassifier(covariance_type=covariance_type, priors=[0.5, 0.2, 0.3]).fit(X, Y)
    joint = np.stack([
        prior * multivariate_normal(mean, np.diag(c) if c.ndim == 1 else c).pdf(X)
        for prior, mean, c in zip(model.class_prior_, model.means_, model.covariances_, strict=True)
    ], axis=1)  # fmt: skip
    expected = joint / joint.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict(X), expected.argmax(axis=1))


def test_many_rows_give_each_class_its_own_covariance_and_few_share_one():
    shapes = np.array([[[4.0, 1.0], [1.0, 1.0]], [[1.0, -0.5], [-0.5, 2.0]]])
    draw = np.random.default_rng(0).multivariate_normal
    for n, tolerance in ((20_000, 0.1), (6, None)):
        rows = np.concatenate([draw([0, 0], shapes[0], n), draw([3, 0], shapes[1], n)])
        model = CompressiveClassifier().fit(rows, np.repeat([0, 1], n))
        if tolerance:
            np.testing.assert_allclose(model.covariances_, shapes, atol=tolerance)
        else:
            own = np.array([np.cov(each.T, bias=True) for each in (rows[:n], rows[n:])])
            gap = np.abs(own[0] - own[1]).max()
            assert np.abs(model.covariances_[0] - model.covariances_[1]).max() < 0.9 * gap


@pytest.mark.slow
def test_more_components_follow_bent_classes():
    rows, labels = make_moons(4000, noise=0.2, random_state=0)
    scores = [
        CompressiveClassifier(k, random_state=0).fit(rows[:2000], labels[:2000]).score(
            rows[2000:], labels[2000:]
        )
        for k in (1, 4)
    ]  # fmt: skip
    assert scores[1] > max(0.95, scores[0] + 0.05)


def test_classes_of_few_rows_have_one_component():
    rows, labels = X[:110], Y[:110]
    model = CompressiveClassifier(2, covariance_type="diag", random_state=0).fit(rows, labels)
    # Of 9 numbers a component, 180 rows are needed.
    np.testing.assert_array_equal(model.component_classes_, [0, 1, 2])


def test_a_class_without_rows_is_improbable():
    model = CompressiveClassifier().partial_fit(X[:100], Y[:100], classes=[0, 1, 2, 7])
    assert model.predict_proba(X).shape == (150, 4)
    assert not model.predict_proba(X)[:, 2:].any()
    assert {*model.predict(X)} == {0, 1}
    model.partial_fit(X[100:], Y[100:])
    assert {*model.predict(X)} == {0, 1, 2}
    with pytest.raises(ValueError, match=r"labels that are not among the classes: \[5\]"):
        model.partial_fit(X[:1], [5])


def test_a_table_of_sketches_is_added_up_by_label():
    rows = pd.DataFrame(X, columns=list("abcd"))
    sketcher = make_moment_sketcher(rows)
    table = sketcher.sketch_groups(
        rows.assign(kind=np.array(["x", "y", "z"])[Y], day=np.arange(len(X)) % 3),
        by=["day", "kind"],
        columns=list("abcd"),
    )
    model = CompressiveClassifier().fit_table(table, "kind")
    assert list(model.classes_) == ["x", "y", "z"]
    assert list(model.feature_names_in_) == list("abcd")
    assert same(model, CompressiveClassifier(sketcher=sketcher).fit(rows, Y))
    with pytest.raises(ValueError, match="no key 'colour'; its keys are day, kind"):
        CompressiveClassifier().fit_table(table, "colour")


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_private_sketches_one_a_class(covariance_type, tmp_path):
    centers = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    labels = np.random.default_rng(1).integers(0, 3, size=9000)
    rows = centers[labels] + np.random.default_rng(0).normal(size=(9000, 2))
    box = [-8.0, -8.0], [8.0, 8.0]
    # Sketches of one operator must not be released twice.
    seed = ["full", "diag"].index(covariance_type)
    sketcher = Sketcher.from_domain(*box, n_frequencies=1, clip=True, random_state=seed)
    options = {"epsilon": 1.0, "delta": 1e-6, "moments_share": 0.9}
    private = {c: release(sketcher.sketch(rows[labels == c]), **options) for c in range(3)}
    model = CompressiveClassifier(covariance_type=covariance_type).fit_sketches(private)
    exact = CompressiveClassifier(covariance_type=covariance_type).fit(rows, labels)
    assert model.score(rows, labels) > exact.score(rows, labels) - 0.05
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.sketches_ == model.sketches_
    assert same(again, model)


@pytest.mark.parametrize("labels", [["x", "y", "z"], [True, False], [0.5, 1.5, 3.0], [-3, 2, 9]])
def test_labels_come_back_from_files(labels, tmp_path):
    y = np.array(labels)[Y % len(labels)]
    if y.dtype == float:
        y = y.astype(str)
    model = CompressiveClassifier().fit(X, y)
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    np.testing.assert_array_equal(again.classes_, model.classes_)
    assert again.classes_.dtype == model.classes_.dtype
    assert same(again, model)
    assert again.sketches_ == model.sketches_
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda classes: classes[:2], "do not add up"),
        (lambda classes: [(9 - label, own) for label, own in classes], "of one type and sorted"),
        (lambda classes: [("x", classes[0][1]), *classes[1:]], "of one type and sorted"),
        (lambda classes: [(None, classes[0][1]), *classes[1:]], "labels must be numbers or texts"),
        (lambda classes: [(2, own) for _, own in classes], "no list of labels"),
        (lambda classes: None, "are of no class"),
    ],
)
def test_files_of_no_classifier_are_refused(tmp_path, change, message):
    model = CompressiveClassifier().fit(X, Y)
    model.save(tmp_path / "a")
    stored = StoredModel.from_bytes((tmp_path / "a").read_bytes())
    changed = change(stored.classes)
    fields = {**vars(stored), "classes": None if changed is None else tuple(changed)}
    (tmp_path / "a").write_bytes(StoredModel(**fields).to_bytes())
    with pytest.raises(ModelFormatError, match=message):
        load_model(tmp_path / "a")


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components must be at least 1"),
        ({"covariance_type": "spherical"}, ValueError, "covariance_type must be 'full' or 'diag'"),
        ({"priors": [0.5, 0.6]}, ValueError, "priors must be probabilities that sum to 1"),
        ({"priors": [0.5, 0.5]}, ValueError, "priors must be one a class, 3"),
        ({"sketcher": "me"}, TypeError, "sketcher must be a Sketcher, got str"),
        ({"sketcher": Sketcher(5, moments=None)}, ValueError, "moments=None: sketch with"),
        (
            {"sketcher": Sketcher(5, moments="diagonal")},
            ValueError,
            "or set covariance_type='diag'",
        ),
    ],
)
def test_bad_parameters_are_refused(parameters, error, message):
    with pytest.raises(error, match=message):
        CompressiveClassifier(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("moments", "covariance_type"), [(None, "diag"), (None, "full"), ("diagonal", "full")]
)
def test_a_fitted_sketcher_of_other_moments_is_refused(moments, covariance_type):
    fitted = Sketcher(5, moments=moments, random_state=0).fit(X)
    model = CompressiveClassifier(sketcher=fitted, covariance_type=covariance_type)
    for fit in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=f"where the sketcher takes moments={moments!r}"):
            fit(X, Y)


def test_bad_input_is_refused():
    sketcher = make_moment_sketcher(X)
    sketch, other = sketcher.sketch(X), make_moment_sketcher(100.0 * X).sketch(X)
    model = CompressiveClassifier()
    with pytest.raises(TypeError, match="sketches by label, got list"):
        model.fit_sketches([sketch])
    with pytest.raises(TypeError, match="expected a Sketch of 1, got int: rows X become"):
        model.fit_sketches({1: 3})
    for nothing in ({}, {1: sketcher.sketch(X[:0])}):
        with pytest.raises(EmptySketchError, match="at least one row"):
            model.fit_sketches(nothing)
    with pytest.raises(ValueError, match="different operators"):
        model.fit_sketches({0: sketch, 1: other})
    with pytest.raises(ValueError, match="the sketches have moments=None"):
        model.fit_sketches({0: sketch.without_moments()})
    with pytest.raises(TypeError, match=r"fit takes rows, got a Sketch; .* call fit_sketches"):
        model.fit(sketch, Y)
    with pytest.raises(ValueError, match=r"texts or numbers, .* got \[\(0,\), \(1,\)\]"):
        model.fit_sketches({(0,): sketch, (1,): sketch})
    with pytest.raises(TypeError, match="takes arrays with a label for each row"):
        model.fit("rows.parquet", Y)
    with pytest.raises(ValueError, match="Unknown label type"):
        model.fit(X, X[:, 0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, Y[:-1])


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
@pytest.mark.parametrize("units", [[1e-8, 1.0, 1.0], [1.0, 1e8, 1.0], [1e-5, 1e5, 0.0]])
def test_columns_of_any_unit_tell_classes_apart(units, covariance_type):
    """The law: probabilities do not depend on the units of columns."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 2
    rows = rng.normal(size=(400, 3)) + 3.0 * labels[:, None] * [1.0, 0.0, 0.0]
    rows = rows * (np.array(units) != 0.0)
    model, other = (
        CompressiveClassifier(covariance_type=covariance_type).fit(each, labels)
        for each in (rows, rows * units)
    )
    expected = model.predict_proba(rows)
    np.testing.assert_allclose(other.predict_proba(rows * units), expected, rtol=1e-6, atol=1e-9)
    rivals = [LinearDiscriminantAnalysis().fit(rows, labels).score(rows, labels), 0.9]
    assert other.score(rows * units, labels) >= max(rivals) - 0.01


@pytest.mark.slow
def test_mixtures_of_columns_of_any_unit():
    rows, labels = make_moons(4000, noise=0.2, random_state=0)
    units = [1e-7, 1e3]
    model = CompressiveClassifier(4, random_state=0).fit(rows[:2000] * units, labels[:2000])
    assert model.score(rows[2000:] * units, labels[2000:]) > 0.95


@pytest.mark.parametrize(
    "labels", [["a", None] * 75, ["a", 1] * 75, pd.array(["a", None] * 75, dtype="string")]
)
def test_labels_that_are_none_are_refused(labels):
    with pytest.raises(ValueError, match=r"y must be labels of one type|Input contains NaN"):
        CompressiveClassifier().fit(X, np.array(labels, dtype=object))


def test_what_classes_cannot_be_learned_from():
    sketcher = make_moment_sketcher(X)
    table = sketcher.sketch_groups(X, {"kind": np.array(["x", "y", None], dtype=object)[Y]})
    with pytest.raises(ValueError, match="rows without a label, 'kind' being null"):
        CompressiveClassifier().fit_table(table, "kind")
    known = table.select(kind=lambda label: label is not None)
    assert list(CompressiveClassifier().fit_table(known, "kind").classes_) == ["x", "y"]
    with pytest.raises(TypeError, match="got SketchTable; a table's go to fit_table"):
        CompressiveClassifier().fit_sketches(known)
    with pytest.raises(
        TypeError, match="a SketchTable, got dict: sketch_groups of a Sketcher makes"
    ):
        CompressiveClassifier().fit_table({}, "kind")
    begun = CompressiveClassifier().partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes are those of the first call, \[0, 1, 2\], got"):
        begun.partial_fit(X, Y, classes=[0, 1, 2, 3])
    assert begun.partial_fit(X, Y, classes=[2, 0, 1]).n_samples_seen_ == 300
    with pytest.raises(ValueError, match=r"priors are zero for all classes that have rows, \[0,"):
        CompressiveClassifier(priors=[0, 0, 0, 1]).partial_fit(X, Y, classes=range(4))


def test_classes_of_too_few_rows_for_a_mixture_are_told(tmp_path):
    rng = np.random.default_rng(5)
    counts = [1000, 100, 839]
    rows, labels = rng.normal(size=(sum(counts), 10)), np.repeat(["a", "b", "c"], counts)
    # 840 rows are enough: ten for each of 4 (1 + 2 * 10) numbers.
    model = CompressiveClassifier(4, covariance_type="diag", random_state=0).fit(rows, labels)
    assert model.n_components_.tolist() == [4, 1, 1]
    model.save(tmp_path / "c.model")
    assert load_model(tmp_path / "c.model").n_components_.tolist() == [4, 1, 1]
