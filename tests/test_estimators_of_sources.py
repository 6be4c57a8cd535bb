"""Estimators fitted on rows that are not in memory."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    Sketcher,
    SourceError,
    open_source,
)

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
        for rows in (X[:2], np.repeat(X[:2], 9, axis=0)):
            with pytest.raises(ValueError, match="rows"):
                model.fit(iter([rows]))

    def test_a_failed_fit_leaves_the_earlier_one(self, model, path):
        model.fit(X)
        before = centers_of(model)
        with pytest.raises(SourceError, match=r"column 'text' of .* is of type string"):
            model.fit(path)
        assert (centers_of(model) == before).all()
        assert model.n_samples_seen_ == len(X)

    def test_rows_that_are_not_in_memory_are_not_labelled(self, model, path):
        with pytest.raises(TypeError, match="fit_predict labels rows in memory"):
            model.fit_predict(path)
