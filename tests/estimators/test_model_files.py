"""Fitted estimators as files: what comes back, and what is refused."""

import copy
import functools
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
from altered import altered
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sketchlearn import (
    CompressiveClassifier,
    CompressiveGaussianMixture,
    CompressiveKMeans,
    ModelFormatError,
    Sketch,
    Sketcher,
    SketchFormatError,
    load_model,
)
from sketchlearn.decoders import (
    CLOMPR,
    BestOf,
    Decoder,
    MeanShift,
    Splitting,
    SurrogateEM,
    SurrogateKMeans,
)
from sketchlearn.estimators import allow_rows_in_pickles
from sketchlearn.estimators.persistence import MODEL_FILE, StoredModel
from sketchlearn.frequencies import AdaptedRadius, GaussianRadius, RadiusLaw

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(0).normal(size=(600, 2)) + 8.0 * np.arange(3).repeat(200)[:, None]


def fitted(**parameters):
    size = {} if "sketcher" in parameters else {"n_frequencies": 60}
    return CompressiveKMeans(**{"n_clusters": 3, "random_state": 0, **size, **parameters}).fit(ROWS)


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


def test_numpy_s_numbers_are_kept_and_a_generator_is_left_out_with_a_word(tmp_path):
    generator = np.random.RandomState(0)
    model = fitted(random_state=generator, scale=np.float64(1.0), n_clusters=np.int64(3))
    with pytest.warns(UserWarning, match="random_state is a generator, which files do not hold"):
        model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.random_state is None
    assert (again.scale, again.n_clusters) == (1.0, 3)
    # All that is random there comes from what the file keeps.
    for one in (model, again):
        one.partial_fit(ROWS).partial_fit()
    assert again.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()


@dataclass(frozen=True)
class OwnDecoder(Decoder):
    """What a user may write: a frozen dataclass, which files hold."""

    n_starts: int = 20
    inner: Decoder | None = None

    def _decode(self, problem, rng):
        return CLOMPR(n_starts=self.n_starts).solve(problem, rng)


@pytest.mark.parametrize(
    "decoder",
    [
        CLOMPR(n_starts=50, tolerance=1e-5),
        MeanShift(starts="box", shapes="fixed"),
        Splitting(n_adjustments=30),
        BestOf((CLOMPR(), MeanShift(n_ascents=8)), n_init=2),
        SurrogateKMeans(BestOf(n_init=1), n_moves=3),
        SurrogateEM(BestOf((Splitting(),), 1), n_moves=2),
        OwnDecoder(n_starts=30, inner=OwnDecoder()),
    ],
    ids=lambda decoder: type(decoder).__name__,
)
def test_a_loaded_model_decodes_with_the_same_decoder(tmp_path, decoder):
    """The law: learning that goes on from a file ends where it would have without one."""
    model = fitted(decoder=decoder, n_init=1, compute_labels=False)
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.decoder == decoder
    for one in (model, again):
        one.partial_fit(ROWS[:300] + 1.0).partial_fit()
    assert again.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()


@pytest.mark.parametrize("law", ["gaussian", AdaptedRadius(), GaussianRadius(2)])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_a_sketcher_comes_back_fitted_or_not(tmp_path, law, is_fitted):
    sketcher = Sketcher(40, n_clusters=3, scale=1.0, radius_law=law, random_state=5)
    if is_fitted:
        sketcher.fit(ROWS)
    model = fitted(sketcher=sketcher)
    model.save(tmp_path / "a")
    again = load_model(tmp_path / "a")
    assert again.sketcher.get_params() == sketcher.get_params()
    assert hasattr(again.sketcher, "operator_") == is_fitted
    other = ROWS[::-2]
    assert again.fit(other).sketch_ == model.fit(other).sketch_


def test_what_no_file_can_hold_is_refused_and_what_to_do_is_said(tmp_path):
    for parameters, message in [
        ({"sketcher": Sketcher(40, radius_law=OwnLaw())}, "radius_law is a OwnLaw"),
    ]:
        model = fitted(**{"compute_labels": False, **parameters})
        with pytest.raises(ValueError, match=message):
            model.save(tmp_path / "a")
        assert os.listdir(tmp_path) == []
        # The remedies that the message names.
        assert pickle.loads(pickle.dumps(model)).get_params().keys() == model.get_params().keys()
        model.set_params(**dict.fromkeys(parameters)).save(tmp_path / "a")
        (tmp_path / "a").unlink()
    model = fitted(sketcher=Sketcher(40, random_state=0).fit(ROWS))
    model.sketcher.set_params(random_state=1).fit(ROWS)
    with pytest.raises(ValueError, match="sketcher was fitted again after the model was"):
        model.save(tmp_path / "a")


@pytest.mark.parametrize(
    "parameters",
    [
        *({"n_clusters": 0}, {"n_clusters": 2.5}, {"scale": -1.0}, {"n_jobs": 0}, {"n_init": "a"}),
        *({"keep_pilot": "yes"}, {"random_state": -1}, {"scale": np.inf}),
    ],
    ids=str,
)
def test_whatever_is_saved_can_be_loaded(tmp_path, parameters):
    model = fitted().set_params(**parameters)
    with pytest.raises(ValueError, match=r"what could not be loaded is not saved|JSON"):
        model.save(tmp_path / "a")
    assert os.listdir(tmp_path) == []


class OwnLaw(RadiusLaw):
    def sample(self, n, rng):
        return rng.rayleigh(size=n)


def test_rows_that_are_held_back_are_pickled_only_if_asked():
    model = CompressiveKMeans(3, random_state=0).partial_fit(ROWS[:50])
    with pytest.raises(ValueError, match="rows are held back that a pickle would hold"):
        pickle.dumps(model)
    with allow_rows_in_pickles():
        data = pickle.dumps(model)
    again = pickle.loads(data)
    with pytest.raises(ValueError, match="rows are held back"):
        pickle.dumps(again)
    copies = [again, copy.copy(model), copy.deepcopy(model)]
    model.partial_fit()
    for other in copies:
        assert other.n_samples_seen_ == 50
        other.partial_fit()
        assert other.cluster_centers_.tobytes() == model.cluster_centers_.tobytes()
    # Once decoded they are gone.
    data = pickle.dumps(model)
    assert not any(value.tobytes() in data for value in ROWS[:50, 0])


def test_a_pickle_holds_no_pilot(model):
    assert model.sketcher_.pilot_ is not None
    data = pickle.dumps(model)
    assert not any(value.tobytes() in data for value in ROWS[:, 0])


NESTED = '{"kind":"SurrogateKMeans","fields":{"start":' * 3000 + "null" + "}}" * 3000
NUMBERS = {"_seed": 1, "cost_": 0.1, "inertia_": 1.0, "n_iter_": 3}
PARAMETERS = {"n_clusters": 3, "n_init": "auto"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("numbers", "{}"),
        ("numbers", "[]"),
        ("numbers", "null"),
        ("numbers", "[" * 100_000),
        *(
            ("numbers", json.dumps({**NUMBERS, name: value}))
            for name, value in [
                ("cost_", "1"),
                ("cost_", float("inf")),
                ("cost_", float("nan")),
                ("cost_", None),
                ("cost_", True),
                ("cost_", [1]),
                ("inertia_", -1.0),
                ("n_iter_", -1),
                ("n_iter_", 1.5),
                ("n_iter_", 10**400),
                ("_seed", -1),
                ("_seed", 2**40),
                ("_seed", 1.0),
                ("_seed", None),
                ("converged_", True),
            ]
        ),
        ("numbers", json.dumps(NUMBERS).replace("0.1", "1e400")),
        ("numbers", '{"cost_":1,"cost_":1,"_seed":1,"n_iter_":1}'),
        *(
            ("parameters", json.dumps({**PARAMETERS, name: value}))
            for name, value in [
                ("n_clusters", "many"),
                ("n_clusters", 0),
                ("n_clusters", 10**400),
                ("n_frequencies", -1),
                ("scale", 0),
                ("scale", "wide"),
                ("n_jobs", "all"),
                ("random_state", "x"),
                ("decoder", "CLOMPR"),
                ("decoder", {"kind": "Popen", "fields": {}}),
                ("decoder", {"kind": "CLOMPR"}),
                ("decoder", {"kind": "CLOMPR", "fields": {"n_starts": "many"}}),
                ("decoder", {"kind": "CLOMPR", "fields": {"shell": True}}),
                ("decoder", {"kind": "MeanShift", "fields": {"starts": "nowhere"}}),
                ("decoder", {"kind": "BestOf", "fields": {"decoders": [1]}}),
                ("decoder", {"kind": "SurrogateKMeans", "fields": {"start": None}}),
                ("decoder", {"kind": "AdaptedRadius", "fields": {}}),
                ("sketcher", {"kind": "CLOMPR", "fields": {}}),
                ("sketcher", {"kind": "Sketcher", "fields": {"x": 1}, "is_fitted": False}),
                ("sketcher", {"kind": "Sketcher", "fields": {}, "is_fitted": 1}),
                ("keep_pilot", 1),
            ]
        ),
        ("parameters", f'{{"decoder":{NESTED}}}'),
        ("feature_names", "{}"),
        ("feature_names", '["a"]'),
        ("feature_names", "[1,2]"),
        ("estimator", ""),
        ("format_version", "3"),
        ("comment", "hello"),
        ("numbers", None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_absurd_texts_are_refused(path, name, text):
    path.write_bytes(altered(path.read_bytes(), **{name: text}))
    with pytest.raises(ModelFormatError):
        load_model(path)


def test_a_sketch_of_an_unknown_map_is_told_in_one_sentence(model, path):
    inner = np.frombuffer(altered(model.sketch_.to_bytes(), operator="banded"), np.uint8)
    path.write_bytes(altered(path.read_bytes(), arrays={"sketch": inner}))
    message = r"^the model's sketch cannot be read: the operator is of kind 'banded', whi"
    with pytest.raises(ModelFormatError, match=message):
        load_model(path)


def test_a_decoder_whose_module_was_not_imported_is_asked_for(path):
    text = json.dumps({**PARAMETERS, "decoder": {"kind": "Elsewhere", "fields": {}}})
    path.write_bytes(altered(path.read_bytes(), parameters=text))
    with pytest.raises(ModelFormatError, match=r"kind Elsewhere; a class of your own must be imp"):
        load_model(path)


@functools.cache
def fit_mixture(kind):
    return CompressiveGaussianMixture(3, covariance_type=kind, random_state=0).fit(ROWS)


@pytest.mark.parametrize("kind", ["spherical", "diag", "full"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 1e300, 5e-324])
@pytest.mark.parametrize("name", ["weights_", "means_", "covariances_", "precisions_"])
def test_absurd_arrays_are_refused(tmp_path, kind, name, value):
    fit_mixture(kind).save(tmp_path / "a")
    array = getattr(fit_mixture(kind), name).copy()
    array.flat[0] = value
    (tmp_path / "a").write_bytes(altered((tmp_path / "a").read_bytes(), arrays={name: array}))
    if name == "means_" and abs(value) < 2:
        load_model(tmp_path / "a")
        return
    with pytest.raises(ModelFormatError):
        load_model(tmp_path / "a")


def test_no_clusters_asymmetric_covariances_and_other_kinds_are_refused(tmp_path):
    path = tmp_path / "a"
    covariances = fit_mixture("full").covariances_.copy()
    covariances[0, 0, 1] += 0.1
    fit_mixture("full").save(path.parent / "whole")
    data = (path.parent / "whole").read_bytes()
    nothing = {
        name: np.empty((0, *array.shape[1:]))
        for name, array in StoredModel.from_bytes(data).arrays.items()
    }
    for kind, arrays, said in [
        ("full", {"covariances_": covariances}, {}),
        ("full", nothing, {}),
        ("full", {"precisions_": fit_mixture("full").precisions_ * 2}, {}),
        ("full", {}, {"parameters": '{"covariance_type":"diag","n_components":3}'}),
        ("diag", {"covariances_": np.ones(3)}, {}),
    ]:
        fit_mixture(kind).save(path)
        path.write_bytes(altered(path.read_bytes(), arrays=arrays, **said))
        with pytest.raises(ModelFormatError):
            load_model(path)
    fitted().save(path)
    none = {"weights_": np.empty(0), "cluster_centers_": np.empty((0, 2))}
    path.write_bytes(altered(path.read_bytes(), arrays=none))
    with pytest.raises(ModelFormatError):
        load_model(path)


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
        for other in (data[:i] + bytes([data[i] ^ 0x10]) + data[i + 1 :], data[:i]):
            with pytest.raises(ModelFormatError):
                StoredModel.from_bytes(other)


def test_each_check_has_its_own_message(path):
    data = path.read_bytes()
    arrays = StoredModel.from_bytes(data).arrays
    weights, centers = arrays["weights_"], arrays["cluster_centers_"]
    for fields, message in [
        ({"estimator": "Popen"}, "the file holds a 'Popen'; this library knows Compr"),
        ({"parameters": {"shell": True}}, "unexpected keyword argument 'shell'"),
        ({"parameters": {"n_clusters": [1]}}, r"n_clusters must be an integer, got \(1,\)"),
        ({"parameters": []}, "parameters are not plain values"),
        ({"numbers": {"predict": 1.0}}, "fitted values are not those of a CompressiveKMeans"),
        ({"arrays": {"weights_": weights}}, "fitted values are not those of a CompressiveKMeans"),
        (
            {"arrays": {**arrays, "weights_": np.full(2, 0.5)}},
            r"cluster_centers_ must have shape \(2",
        ),
        ({"arrays": {**arrays, "weights_": weights[:2]}}, "weights_ has values that no model has"),
        ({"arrays": {**arrays, "cluster_centers_": centers * np.nan}}, "must be finite numbers"),
        ({"feature_names": ["x"]}, "feature names are not one a feature"),
    ]:
        path.write_bytes(changed(data, **fields))
        with pytest.raises(ModelFormatError, match=message):
            load_model(path)


def test_sketches_and_models_are_told_apart(model, path, tmp_path):
    model.sketch_.save(tmp_path / "a.sketch")
    with pytest.raises(
        ModelFormatError, match=r"not a model file: it is a sketch; use Sketch\.load"
    ):
        load_model(tmp_path / "a.sketch")
    with pytest.raises(SketchFormatError, match="not a sketch file: it is a model; use load_model"):
        Sketch.load(path)


def test_a_newer_version_and_another_class_are_refused_by_name(path):
    header = {"__metadata__": {"format": MODEL_FILE.format, "format_version": "4"}}
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told)
    with pytest.raises(ModelFormatError, match="the model is of format version 4"):
        load_model(path)

    class OtherKMeans(CompressiveKMeans):
        pass

    fitted().save(path)
    with pytest.raises(ModelFormatError, match="holds a CompressiveKMeans, expected a OtherKMeans"):
        OtherKMeans.load(path)


def test_files_of_format_1_are_read_forever():
    golden = Path(__file__).parents[1] / "golden" / "model_v1.safetensors"
    model = load_model(golden)
    assert type(model) is CompressiveKMeans
    assert model.get_params()["n_frequencies"] == 20
    assert model.n_samples_seen_ == 600
    np.testing.assert_allclose(model.cluster_centers_.mean(), 8.0, atol=0.1)
    np.testing.assert_array_equal(model.predict([[0.0, 0.0], [8.0, 8.0]]), [0, 1])


def test_files_of_format_2_are_read_forever():
    model = load_model(Path(__file__).parents[1] / "golden" / "model_v2.safetensors")
    assert type(model) is CompressiveGaussianMixture
    assert model.decoder == CLOMPR(n_starts=50)
    assert model.sketcher.get_params()["radius_law"] == AdaptedRadius()
    assert model.covariance_type == "full"
    np.testing.assert_allclose(np.sort(model.means_[:, 0]), [0.0, 8.0, 16.0], atol=0.3)
    assert list(model.feature_names_in_) == ["x", "y"]
    assert model.n_samples_seen_ == 600


def test_files_of_format_3_are_read_forever():
    model = load_model(Path(__file__).parents[1] / "golden" / "model_v3.safetensors")
    assert type(model) is CompressiveClassifier
    assert list(model.classes_) == ["setosa", "versicolor", "virginica"]
    np.testing.assert_array_equal(model.class_count_, [50.0, 50.0, 50.0])
    np.testing.assert_array_equal(model.class_prior_, [0.25, 0.25, 0.5])
    assert model.feature_names_in_[0] == "sepal length (cm)"
    X, y = load_iris(return_X_y=True, as_frame=True)
    assert model.score(X, model.classes_[y]) >= 0.97


def test_a_class_that_is_defined_again_can_be_stored(tmp_path):
    """As when a notebook's cell is run again; the class before it may still be alive."""

    def define():
        @dataclass(frozen=True)
        class Cell(Decoder):
            n: int = 1

            def _decode(self, problem, rng):
                return MeanShift().solve(problem, rng)

        return Cell

    first, second = define(), define()
    model = CompressiveKMeans(3, decoder=second(2), n_init=1, random_state=0).fit(ROWS)
    model.save(tmp_path / "x.model")
    assert load_model(tmp_path / "x.model").decoder == second(2)
    with pytest.raises(ValueError, match="decoder is a Cell, which no model file can hold"):
        model.set_params(decoder=first()).save(tmp_path / "x.model")
