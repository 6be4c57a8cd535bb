"""Features go by name: one rule for all methods that take rows."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    Sketch,
    Sketcher,
    SketchMismatchError,
)

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(center, 1.0, size=(300, 3)) for center in (-9.0, [0, 5, 9], 9.0)])
NAMES = ["temp", "press", "flow"]


def pandas(names, rows=X):
    return pd.DataFrame(rows, columns=names)


def polars(names, rows=X):
    return pl.DataFrame(rows, schema=list(names), orient="row")


def arrow(names, rows=X):
    return pa.table(dict(zip(names, rows.T, strict=True)))


FITTED = {
    "kmeans": CompressiveKMeans(3, random_state=0),
    "mixture": CompressiveGaussianMixture(3, random_state=0),
    "sketcher": Sketcher(40, random_state=0),
}
METHODS = [
    *(("kmeans", name) for name in ("predict", "transform", "score")),
    *(("mixture", name) for name in ("predict", "predict_proba", "score_samples", "score")),
    *(("mixture", name) for name in ("aic", "bic")),
    *(("sketcher", name) for name in ("sketch", "transform")),
]
each_method = pytest.mark.parametrize(("kind", "method"), METHODS, ids=".".join)
each_frame = pytest.mark.parametrize("frame", [pandas, polars], ids=["pandas", "polars"])


def asked(kind, method, rows):
    return getattr(FITTED[kind], method)(rows)


@pytest.fixture(scope="module", autouse=True)
def _fitted():
    for model in FITTED.values():
        model.fit(pandas(NAMES))


@pytest.mark.slow
@each_frame
@each_method
def test_columns_are_found_by_name(frame, kind, method):
    expected = asked(kind, method, frame(NAMES))
    turned = frame(NAMES[::-1], X[:, ::-1])
    more = frame(["id", *NAMES[::-1]], np.c_[np.arange(len(X)), X[:, ::-1]])
    for rows in (turned, more):
        found = asked(kind, method, rows)
        if method == "sketch":
            assert found == expected
        else:
            np.testing.assert_array_equal(found, expected)


@each_frame
@each_method
def test_a_missing_column_is_named(frame, kind, method):
    for rows in (frame(NAMES[:2], X[:, :2]), frame(["temp", "press", "glow"])):
        with pytest.raises(ValueError, match=r"yet now missing:\n- flow"):
            asked(kind, method, rows)


@each_method
def test_a_column_that_is_there_twice_is_refused(kind, method):
    rows = pandas([*NAMES, "flow"], np.c_[X, X[:, 0]])
    with pytest.raises(ValueError, match="more than one column called 'flow'"):
        asked(kind, method, rows)


@pytest.mark.parametrize(
    ("kind", "method"), [("kmeans", "predict"), ("mixture", "predict"), ("sketcher", "transform")]
)
def test_tables_follow_the_same_rule(kind, method):
    expected = asked(kind, method, pandas(NAMES))
    np.testing.assert_array_equal(asked(kind, method, arrow(NAMES)), expected)
    more = arrow(["id", *NAMES[::-1]], np.c_[np.arange(len(X)), X[:, ::-1]])
    np.testing.assert_array_equal(asked(kind, method, more), expected)
    with pytest.raises(ValueError, match=r"no column 'flow'|2 features"):
        asked(kind, method, arrow(NAMES[:2], X[:, :2]))


@pytest.mark.slow
@each_frame
@pytest.mark.parametrize("kind", ["kmeans", "mixture"])
def test_batches_join_by_name(frame, kind):
    model = type(FITTED[kind])(3, random_state=0)
    turned = frame([*NAMES[::-1], "id"], np.c_[X[:, ::-1], np.arange(len(X))])
    model.partial_fit(frame(NAMES)).partial_fit(turned).partial_fit()
    assert list(model.feature_names_in_) == list(model.sketcher_.feature_names_in_) == NAMES
    once = model.sketcher_.sketch(frame(NAMES))
    assert model.sketch_ == once + once
    with pytest.raises(ValueError, match=r"yet now missing:\n- flow"):
        model.partial_fit(frame(NAMES[:2], X[:, :2]))


@pytest.mark.parametrize("kind", ["kmeans", "mixture"])
def test_a_fitted_sketchers_names_are_the_models(kind):
    sketcher = FITTED["sketcher"]
    turned = pandas(NAMES[::-1], X[:, ::-1])
    for name in ("fit", "partial_fit"):
        model = type(FITTED[kind])(3, random_state=0, sketcher=sketcher)
        getattr(model, name)(turned)
        assert list(model.feature_names_in_) == NAMES
        assert model.sketch_ == sketcher.sketch(pandas(NAMES))
        with pytest.raises(ValueError, match="yet now missing"):
            getattr(type(model)(3, sketcher=sketcher), name)(pandas(["a", "b", "c"]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["kmeans", "mixture"])
def test_a_refit_takes_the_new_names(kind):
    model = type(FITTED[kind])(3, random_state=0).fit(pandas(NAMES))
    model.fit(pandas(NAMES[::-1], X[:, ::-1]))
    assert list(model.feature_names_in_) == NAMES[::-1]


def test_a_mixture_hands_its_names_to_scikit_learn():
    model = FITTED["mixture"]
    frame = pandas(NAMES)
    assert list(model.to_sklearn().feature_names_in_) == NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(model.to_sklearn().predict(frame), model.predict(frame))


def test_rows_without_names_are_taken_as_they_come():
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        labels = asked("kmeans", "predict", X)
    np.testing.assert_array_equal(labels, asked("kmeans", "predict", pandas(NAMES)))


def test_a_sketch_keeps_its_names():
    sketcher = FITTED["sketcher"]
    named = sketcher.sketch(pandas(NAMES))
    assert named.feature_names == tuple(NAMES)
    bare = replace(named, feature_names=None)
    assert Sketch.from_bytes(bare.to_bytes()).feature_names is None
    # They are not what makes two sketches equal.
    assert bare == named
    assert hash(bare) == hash(named)
    for some in (
        named + bare,
        bare + named,
        sum([named, named]),
        (named + named) - bare,
        named.reweighted(2),
        named.standardised(),
        Sketch.from_bytes(named.to_bytes()),
        pickle.loads(pickle.dumps(named)),
        copy.deepcopy(named),
    ):
        assert some.feature_names == tuple(NAMES)
    with pytest.raises(SketchMismatchError, match="of different features: temp, press, flow and a"):
        named + replace(bare, feature_names=("a", "b", "c"))
    # Of swapped columns the sums differ too, but that is not what is wrong with them.
    swapped = Sketcher.from_operator(named.operator).sketch(X[:, ::-1])
    with pytest.raises(SketchMismatchError, match="of different features: temp, press, flow and f"):
        named - replace(swapped, feature_names=tuple(NAMES[::-1]))
    with pytest.raises(ValueError, match="feature_names must be 3 names, got 1"):
        replace(bare, feature_names=("a",))


@pytest.mark.slow
@each_frame
@pytest.mark.parametrize("kind", ["kmeans", "mixture"])
def test_a_model_of_a_sketch_has_its_names(frame, kind):
    sketch = Sketcher(60, n_clusters=3, random_state=0).fit(frame(NAMES)).sketch(frame(NAMES))
    model = type(FITTED[kind])(3, random_state=0).fit_sketch(sketch)
    assert list(model.feature_names_in_) == NAMES
    turned = frame(NAMES[::-1], X[:, ::-1])
    np.testing.assert_array_equal(model.predict(turned), model.predict(frame(NAMES)))
    assert model.partial_fit(turned).sketch_ == sketch + sketch
    model.fit_sketch(Sketch.from_bytes(sketch.to_bytes()))
    np.testing.assert_array_equal(model.predict(turned), model.predict(frame(NAMES)))
    model.fit_sketch(replace(sketch, feature_names=None))
    assert not hasattr(model, "feature_names_in_")
