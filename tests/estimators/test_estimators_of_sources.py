"""Estimators fitted on rows that are not in memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    Sketcher,
    SourceError,
    open_source,
)

pytestmark = pytest.mark.slow

CENTERS = np.array([[-20.0, 0.0], [0.0, 20.0], [20.0, -20.0]])
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(center, 1.0, size=(3000, 2)) for center in CENTERS])
TABLE = pa.table({"a": X[:, 0], "b": X[:, 1], "text": ["x"] * len(X)})
ESTIMATORS = [CompressiveKMeans(3, random_state=0), CompressiveGaussianMixture(3, random_state=0)]
each_estimator = pytest.mark.parametrize("model", ESTIMATORS, ids=lambda m: type(m).__name__)


def centers_of(model):
    """Centroids or means, by their first coordinate."""
    locations = getattr(model, "cluster_centers_", None)
    locations = model.means_ if locations is None else locations
    return locations[np.argsort(locations[:, 0])]


@pytest.fixture
def path(tmp_path):
    """A Parquet file sorted by cluster, in small row groups."""
    pq.write_table(TABLE, tmp_path / "x.parquet", row_group_size=500)
    return tmp_path / "x.parquet"


@each_estimator
class TestFit:
    def test_files_tables_and_streams(self, model, path):
        for data in (path, TABLE, TABLE.to_reader(max_chunksize=1000)):
            model.fit(open_source(data, columns=["a", "b"]))
            np.testing.assert_allclose(centers_of(model), CENTERS, atol=0.2)
            assert model.n_samples_seen_ == len(X)
            assert list(model.feature_names_in_) == ["a", "b"]
            assert model.n_features_in_ == 2
            assert not hasattr(model, "labels_")
        model.fit(X[i : i + 500] for i in range(0, len(X), 500))
        assert not hasattr(model, "feature_names_in_")
        assert model.predict(X).shape == (len(X),)

    def test_the_sketch_is_the_one_in_memory(self, model, path):
        sketcher = Sketcher(100, random_state=0).fit(X)
        model.set_params(sketcher=sketcher).fit(open_source(path, columns=["a", "b"]))
        assert model.sketch_ == sketcher.sketch(X)
        model.set_params(sketcher=None)

    def test_weights(self, model, path):
        weights = np.repeat([1.0, 0.0, 1.0], 3000)
        weighted = TABLE.drop(["text"]).append_column("w", pa.array(weights))
        model.fit(weighted, sample_weight="w")
        assert model.n_samples_seen_ == 6000
        assert model.sketcher_.pilot_[:, 1].max() < 10

    def test_too_few_rows(self, model):
        with pytest.raises(ValueError, match=r"n_samples=2 .* too few rows"):
            model.fit(iter([X[:2]]))
        with pytest.warns(ConvergenceWarning, match="2 distinct rows"):
            model.fit(iter([np.repeat(X[:2], 9, axis=0)]))

    def test_a_failed_fit_leaves_the_earlier_one(self, model, path):
        model.fit(X)
        before = centers_of(model)
        with pytest.raises(SourceError, match=r"column 'text' of .* is of type string"):
            model.fit(path)
        assert (centers_of(model) == before).all()
        assert model.n_samples_seen_ == len(X)

    def test_rows_that_can_be_read_twice_are_labelled(self, model, path):
        source = open_source(path, columns=["a", "b"])
        labels = model.fit_predict(source)
        np.testing.assert_array_equal(labels, model.predict(source))
        assert len(set(zip(np.repeat(range(3), 3000), labels, strict=True))) == 3
        with pytest.raises(TypeError, match="fit_predict reads the rows twice"):
            model.fit_predict(TABLE.select(["a", "b"]).to_reader())


def test_rows_that_can_be_read_twice_are_transformed(path):
    model = CompressiveKMeans(3, random_state=0)
    distances = model.fit_transform(open_source(path, columns=["a", "b"]))
    expected = np.linalg.norm(X[:, None] - model.cluster_centers_, axis=2)
    np.testing.assert_allclose(distances, expected)
    with pytest.raises(TypeError, match=r"fit_transform reads the rows twice.*transform on a"):
        model.fit_transform(TABLE.select(["a", "b"]).to_reader())


METHODS = ["predict", "transform", "predict_proba", "score_samples", "score", "aic", "bic"]


@each_estimator
class TestFittedModels:
    @pytest.mark.parametrize("method", METHODS)
    def test_answer_about_whatever_fit_takes(self, model, method, path):
        if not hasattr(model, method):
            return
        ask = getattr(model.fit(X), method)
        expected = ask(X)
        for data in (
            open_source(path, columns=["a", "b"]),
            TABLE.select(["a", "b"]),
            TABLE.select(["a", "b"]).to_reader(max_chunksize=1000),
            (X[i : i + 700] for i in range(0, len(X), 700)),
        ):
            np.testing.assert_allclose(ask(data), expected, rtol=1e-9, atol=1e-12)

    def test_find_columns_by_name(self, model, path):
        expected = model.fit(TABLE.select(["a", "b"])).predict(TABLE.select(["a", "b"]))
        # The text is not wanted, so it does not matter.
        np.testing.assert_array_equal(model.predict(path), expected)
        np.testing.assert_array_equal(model.predict(TABLE.select(["b", "a"])), expected)
        with pytest.raises(ValueError, match="b"):
            model.predict(TABLE.select(["a"]))

    def test_name_the_bad_row_of_a_source(self, model):
        bad = X.copy()
        bad[1234, 1] = np.nan
        model.fit(X)
        for method in ("predict", "score", "partial_fit"):
            with pytest.raises(SourceError, match=r"(?i)nan.* at row 1234, column 1"):
                getattr(model, method)(iter([bad[:1000], bad[1000:]]))
        assert model.n_samples_seen_ == len(X)

    def test_refuse_a_source_without_rows(self, model):
        model.fit(TABLE.select(["a", "b"]))
        for method in ("predict", "score"):
            with pytest.raises(ValueError, match="at least one row"):
                getattr(model, method)(TABLE.select(["a", "b"])[:0])

    def test_refuse_sketches_where_rows_belong(self, model):
        model.fit(X)
        for method in ("fit", "partial_fit", "predict", "score"):
            with pytest.raises(TypeError, match=r"takes rows, got a Sketch.* fit_sketch"):
                getattr(model, method)(model.sketch_)


def test_scores_of_sources_are_weighted():
    model = CompressiveKMeans(3, random_state=0).fit(X)
    weights = np.arange(len(X)) % 3
    table = TABLE.drop(["text"]).append_column("w", pa.array(weights))
    expected = model.score(X, sample_weight=weights)
    assert model.score(table, sample_weight="w") == pytest.approx(expected)
    negative = table.set_column(2, "w", pa.array(weights - 1))
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        model.score(negative, sample_weight="w")


@each_estimator
class TestPartialFit:
    def test_sources_join_the_sketch(self, model, path):
        model = clone(model)
        model.partial_fit(open_source(path, columns=["a", "b"]))
        model.partial_fit(TABLE.select(["b", "a"])).partial_fit()
        once = model.sketcher_.sketch(TABLE.select(["a", "b"]))
        assert model.sketch_ == once + once
        assert list(model.feature_names_in_) == ["a", "b"]
        np.testing.assert_allclose(centers_of(model), CENTERS, atol=0.2)

    def test_small_sources_are_held_as_batches_are(self, model):
        batches = [X[::9], X[4::9]]
        one, other = clone(model), clone(model)
        for batch in batches:
            one.partial_fit(batch)
            other.partial_fit(iter([batch[:7], batch[7:]]))
        assert one.n_samples_seen_ == other.n_samples_seen_ == 2000
        assert one.partial_fit().sketch_ == other.partial_fit().sketch_

    def test_weights_of_sources_may_be_zero_for_long(self, model):
        model = clone(model)
        table = TABLE.drop(["text"]).slice(0, 3000)
        weights = np.repeat([0.0, 2.0], 1500)
        weighted = table.append_column("w", pa.array(weights)).to_reader(max_chunksize=500)
        model.partial_fit(weighted, sample_weight="w")
        assert model.n_samples_seen_ == 1500
        model.partial_fit()
        assert model.sketch_ == model.sketcher_.sketch(table.slice(1500)).reweighted(2)

    def test_a_failed_source_changes_nothing(self, model, path):
        model = clone(model).partial_fit(X[:9])
        with pytest.raises(ValueError, match=r"text|3 features"):
            model.partial_fit(path)
        assert model.n_samples_seen_ == 9
