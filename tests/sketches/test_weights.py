"""Weights: a common factor changes nothing in a fit, and where units must stay an error says so."""

import json

import numpy as np
import pandas as pd
import pytest
from altered import altered, taken_apart
from hypothesis import given
from hypothesis import strategies as st

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.exceptions import ModelFormatError
from sketchlearn.sketches.fixed_point import choose_exponent

N = 900
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3)) + 8.0 * RNG.integers(3, size=(N, 1))
WEIGHTS = {
    "shares": np.full(N, 1 / 3000),
    "millions": RNG.uniform(1e6, 5e6, size=N),
    "fractions": RNG.uniform(size=N),
    "counts": RNG.integers(0, 5, size=N).astype(float),
    "quarters": RNG.integers(1, 5, size=N) / 4.0,
    "huge": RNG.uniform(size=N) * 1e300,
    "tiny": RNG.uniform(size=N) * 1e-290,
    "total of 2^60": np.full(N, 2.0**50),
    "one of them far above": np.where(np.arange(N) == 7, 2.0**19, 1.0 / 3.0),
}
each_weights = pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
each_model = pytest.mark.parametrize("model", [CompressiveKMeans, CompressiveGaussianMixture])


def fitted(model, weights, rows=X):
    return model(3, n_frequencies=60, random_state=0).fit(rows, sample_weight=weights)


def what_was_learned(model):
    if isinstance(model, CompressiveKMeans):
        return [model.cluster_centers_, model.weights_]
    return [model.means_, model.weights_, model.covariances_]


def assert_same(one, other):
    assert one.sketch_ == other.sketch_
    for a, b in zip(what_was_learned(one), what_was_learned(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@each_model
@each_weights
@pytest.mark.parametrize("power", [-9, 1])
def test_a_factor_that_is_a_power_of_two_changes_not_a_bit_of_a_fit(model, weights, power):
    assert_same(fitted(model, weights), fitted(model, np.ldexp(weights, power)))


@each_weights
def test_a_sketchers_operator_does_not_depend_on_a_factor(weights):
    one = Sketcher(20, random_state=0).fit(X, sample_weight=weights)
    other = Sketcher(20, random_state=0).fit(X, sample_weight=np.ldexp(weights, -5))
    assert one.operator_.fingerprint == other.operator_.fingerprint
    np.testing.assert_array_equal(one.pilot_weight_, np.ldexp(other.pilot_weight_, 5))


@pytest.mark.slow
def test_any_factor_changes_a_fit_by_rounding_only():
    for weights in (WEIGHTS["fractions"], np.ones(N)):
        one, other = (fitted(CompressiveKMeans, weights * c) for c in (1.0, 1 / 3000))
        np.testing.assert_allclose(one.cluster_centers_, other.cluster_centers_, atol=1e-3)
        assert other.inertia_ * 3000 == pytest.approx(one.inertia_, rel=1e-4)


def test_counts_stay_as_they_are():
    sketch = fitted(CompressiveKMeans, WEIGHTS["counts"]).sketch_
    assert sketch.weight_sum == WEIGHTS["counts"].sum()


@pytest.mark.slow
@each_model
@pytest.mark.parametrize("name", ["shares", "millions"])
def test_the_weight_column_of_a_source(model, name, tmp_path):
    models = []
    for power in (0, 6):
        path = tmp_path / f"{power}.parquet"
        columns = dict(zip("abc", X.T, strict=True))
        pd.DataFrame({**columns, "w": np.ldexp(WEIGHTS[name], power)}).to_parquet(path)
        models.append(fitted(model, "w", path))
    assert_same(*models)
    assert models[0].sketch_.n_samples == N


def test_rows_that_partial_fit_adds_to_a_fit_count_in_its_units(tmp_path):
    weights = WEIGHTS["millions"]
    model = fitted(CompressiveKMeans, weights)
    model.save(tmp_path / "model")
    for again in (model, CompressiveKMeans.load(tmp_path / "model")):
        before = again.sketch_
        again.partial_fit(X, sample_weight=weights)
        assert again.sketch_.weight_units == 2 * before.weight_units
        exponent = choose_exponent(weights)
        again.partial_fit(X[:1], sample_weight=[2.0**exponent])
        assert again.sketch_.weight_units == 2 * before.weight_units + 2**20
        sketch = again.sketch_
        with pytest.raises(ValueError, match=rf"at least 2\*\*-10.*in units of 2\*\*{exponent}"):
            again.partial_fit(X[:1])
        assert again.sketch_ == sketch


def test_a_file_with_an_absurd_exponent_is_refused(tmp_path):
    path = tmp_path / "model"
    fitted(CompressiveKMeans, None).save(path)
    numbers = json.loads(taken_apart(path.read_bytes())[1]["numbers"])
    numbers["_weight_exponent"] = 10**6
    path.write_bytes(altered(path.read_bytes(), numbers=json.dumps(numbers)))
    with pytest.raises(ModelFormatError, match="_weight_exponent is 1000000, which no model has"):
        CompressiveKMeans.load(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shares", r"at least 2\*\*-10 on average.*multiply all by a constant"),
        ("millions", r"must not exceed 2\*\*20.*divide all by a constant"),
        ("total of 2^60", r"must not exceed 2\*\*20.*divide all by a constant"),
    ],
)
def test_where_units_must_stay_an_error_says_what_helps(name, message):
    sketcher = Sketcher(20, random_state=0).fit(X)
    with pytest.raises(ValueError, match=message):
        sketcher.sketch(X, sample_weight=WEIGHTS[name])
    model = CompressiveKMeans(3, n_frequencies=60, random_state=0)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, sample_weight=WEIGHTS[name])
    assert not hasattr(model, "sketch_")


def test_a_total_of_2_to_the_40_is_refused_before_anything_is_summed():
    operator = Sketcher(5, random_state=0).fit(X).operator_
    weights = np.full(2**20, 2.0**20)
    rows = np.broadcast_to(X[:1], (2**20, 3))
    with pytest.raises(ValueError, match=r"total weight must stay below 2\*\*40, got 1.09951e\+12"):
        Sketcher.from_operator(operator).sketch(rows, weights)
    few = Sketcher.from_operator(operator).sketch(rows[:99], weights[:99])
    assert few.weight_sum == 99 * 2.0**20


finite = st.floats(2.0**-200, 2.0**200)


@pytest.mark.slow
@given(st.lists(finite, min_size=1, max_size=9), st.integers(-300, 300))
def test_the_exponent_goes_with_the_factor(weights, power):
    weights = np.array(weights)
    exponent = choose_exponent(weights)
    assert choose_exponent(np.ldexp(weights, power)) == exponent + power
    divided = np.ldexp(weights, -exponent)
    assert divided.max() <= 2.0**20
    assert divided.mean() >= 1.0


@given(st.lists(st.integers(0, 2**20 - 1), min_size=1, max_size=9).filter(any))
def test_integers_of_which_one_is_odd_stay(counts):
    weights = np.array([*counts, 1], dtype=float)
    assert choose_exponent(weights) == 0


def test_weights_of_zero_have_no_exponent():
    assert choose_exponent(np.zeros(3)) == 0


@each_model
def test_a_columns_name_goes_with_sources_only(model):
    frame = pd.DataFrame(X, columns=list("abc")).assign(w=1.0)
    with pytest.raises(TypeError, match="a column's name, 'w'"):
        model(3, random_state=0).fit(frame, sample_weight="w")
    with pytest.raises(TypeError, match="a column's name, 'w'"):
        Sketcher(20, random_state=0).fit(frame).sketch(frame, sample_weight="w")


def test_complex_weights_are_refused():
    with pytest.raises(TypeError, match="real numbers"):
        Sketcher(20, random_state=0).fit(X, sample_weight=np.ones(N) + 0j)
