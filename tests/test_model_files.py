"""Fitted estimators as files: what comes back, and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
from sklearn.exceptions import NotFittedError

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    ModelFormatError,
    Sketch,
    SketchFormatError,
    load_model,
)
from sketchlearn.estimators.model_files import MODEL_FILE, StoredModel

ROWS = np.random.default_rng(0).normal(size=(600, 2)) + 8.0 * np.arange(3).repeat(200)[:, None]


def fitted(**parameters):
    return CompressiveKMeans(
        **{"n_clusters": 3, "n_frequencies": 60, "random_state": 0, **parameters}
    ).fit(ROWS)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "a.model")
    return tmp_path / "a.model"


def changed(model, **changes):
    """The file of a model of which some fields are others, the digest made to fit."""
    stored = StoredModel.from_bytes(model)
    return StoredModel(**{**vars(stored), **changes}).to_bytes()


@pytest.mark.parametrize("load", [CompressiveKMeans.load, load_model])
def test_what_was_learned_comes_back(model, path, load):
    again = load(path)
    assert type(again) is CompressiveKMeans
    for name in ("cluster_centers_", "weights_"):
        assert getattr(again, name).tobytes() == getattr(model, name).tobytes()
    for name in ("cost_", "n_iter_", "inertia_", "n_features_in_", "n_samples_seen_", "sketch_"):
        assert getattr(again, name) == getattr(model, name)
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict(ROWS), model.labels_)
    np.testing.assert_array_equal(again.transform(ROWS), model.transform(ROWS))


@pytest.mark.parametrize("covariance_type", ["spherical", "diag", "full"])
def test_a_mixture_comes_back(tmp_path, covariance_type):
    model = CompressiveGaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(ROWS)
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.converged_ is model.converged_
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(again, name).tobytes() == getattr(model, name).tobytes()
    np.testing.assert_array_equal(again.predict_proba(ROWS), model.predict_proba(ROWS))
    assert again.score(ROWS) == model.score(ROWS)
    again.partial_fit(ROWS).partial_fit()
    assert again.n_samples_seen_ == 1200


def test_no_row_travels_and_no_pickle(model, path):
    data = path.read_bytes()
    with safetensors.safe_open(path, framework="numpy") as file:
        assert set(file.keys()) == {"cluster_centers_", "weights_", "sketch"}
    again = load_model(path)
    assert again.sketcher_.pilot_ is None
    assert not hasattr(again, "labels_")
    # No coordinate of any row, wherever it might be.
    assert not any(value.tobytes() in data for value in ROWS[:, 0])
    assert b"numpy" not in data


def test_equal_models_give_equal_bytes(model, path, tmp_path):
    load_model(path).save(tmp_path / "b.model")
    assert (tmp_path / "b.model").read_bytes() == path.read_bytes()


def test_learning_goes_on(model, path):
    again = load_model(path)
    again.partial_fit(ROWS).partial_fit()
    assert again.sketch_ == model.sketch_ + model.sketch_
    assert again.n_samples_seen_ == 1200
    assert again.fit(ROWS).n_samples_seen_ == 600


def test_feature_names_come_back(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["x", "y"])
    CompressiveKMeans(n_clusters=3, random_state=0).fit(frame).save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert list(again.feature_names_in_) == ["x", "y"]
    labels = again.predict(frame)
    np.testing.assert_array_equal(again.predict(frame[["y", "x"]]), labels)
    with pytest.raises(ValueError, match=r"yet now missing:\n- x"):
        again.predict(frame[["y"]])


def test_objects_are_left_out_and_plain_parameters_kept(tmp_path):
    generator = np.random.RandomState(0)
    model = fitted(random_state=generator, scale=np.float64(1.0), n_clusters=np.int64(3))
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.random_state is None
    assert (again.scale, again.n_clusters) == (1.0, 3)
    assert again._seed == model._seed


def test_a_parameter_that_was_changed_after_fitting_does_no_harm(tmp_path):
    fitted().set_params(n_clusters=5).save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert len(again.cluster_centers_) == 3
    assert again.n_clusters == 5


def test_what_is_not_learned_yet_is_not_written(tmp_path):
    with pytest.raises(NotFittedError):
        CompressiveKMeans().save(tmp_path / "a")
    with pytest.raises(NotFittedError):
        CompressiveKMeans().partial_fit(ROWS).save(tmp_path / "a")
    with pytest.raises(OSError, match="nowhere"):
        fitted().save(tmp_path / "nowhere" / "a")
    assert os.listdir(tmp_path) == []


def test_every_flip_and_every_truncation_is_refused(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(300), *rng.integers(len(data), size=300).tolist()}
    for i in places:
        for altered in (data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :], data[:i]):
            with pytest.raises(ModelFormatError):
                StoredModel.from_bytes(altered)


def test_each_check_has_its_own_message(path):
    data = path.read_bytes()
    arrays = StoredModel.from_bytes(data).arrays
    weights, centers = arrays["weights_"], arrays["cluster_centers_"]
    for fields, message in [
        ({"estimator": "Popen"}, "the file holds a 'Popen'; this library knows Compr"),
        ({"parameters": {"shell": True}}, "unexpected keyword argument 'shell'"),
        ({"parameters": {"n_clusters": [1]}}, "parameters are not plain values"),
        ({"parameters": []}, "parameters are not plain values"),
        ({"numbers": {"predict": 1.0}}, "fitted values are not those of a CompressiveKMeans"),
        ({"arrays": {"weights_": weights}}, "fitted values are not those of a CompressiveKMeans"),
        ({"arrays": {**arrays, "weights_": weights[:2]}}, r"cluster_centers_ must have shape \(2"),
        ({"arrays": {**arrays, "cluster_centers_": centers * np.nan}}, "must be finite numbers"),
        ({"feature_names": ["x"]}, "feature names are not one a feature"),
    ]:
        path.write_bytes(changed(data, **fields))
        with pytest.raises(ModelFormatError, match=message):
            load_model(path)


def test_sketches_and_models_are_told_apart(model, path, tmp_path):
    model.sketch_.save(tmp_path / "a.sketch")
    with pytest.raises(ModelFormatError, match="not a model file: its format is 'sketchlearn-ske"):
        load_model(tmp_path / "a.sketch")
    with pytest.raises(SketchFormatError, match="not a sketch file: its format is 'sketchlearn-mo"):
        Sketch.load(path)


def test_a_newer_version_and_another_class_are_refused_by_name(path):
    header = {"__metadata__": {"format": MODEL_FILE.format, "format_version": "3"}}
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told)
    with pytest.raises(ModelFormatError, match="the model is of format version 3"):
        load_model(path)

    class OtherKMeans(CompressiveKMeans):
        pass

    fitted().save(path)
    with pytest.raises(ModelFormatError, match="holds a CompressiveKMeans, expected a OtherKMeans"):
        OtherKMeans.load(path)


def test_files_of_format_1_are_read_forever():
    golden = Path(__file__).parent / "golden" / "model_v1.safetensors"
    model = load_model(golden)
    assert type(model) is CompressiveKMeans
    assert model.get_params()["n_frequencies"] == 20
    assert model.n_samples_seen_ == 600
    np.testing.assert_allclose(model.cluster_centers_.mean(), 8.0, atol=0.1)
    np.testing.assert_array_equal(model.predict([[0.0, 0.0], [8.0, 8.0]]), [0, 1])
