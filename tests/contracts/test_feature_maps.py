"""What every feature map promises, alone and in the sums of a sketch."""

import math
import pickle

import numpy as np
import pytest
from altered import altered
from contracts.members import FEATURE_KINDS, MAP_KINDS, operator
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketch, Sketcher, compare
from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.features import FeatureMap
from sketchlearn.features.backends import backends
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.sketches import Sums

pytestmark = pytest.mark.slow

M = 12
each_kind = pytest.mark.parametrize("kind", FEATURE_KINDS)
# Every feature map with a matrix, and every linear map with waves and with other features.
PAIRS = sorted(
    {("dense", features) for features in FEATURE_KINDS}
    | {(linear_map, features) for linear_map in MAP_KINDS for features in FEATURE_KINDS[:1]}
    | {(linear_map, "waves") for linear_map in MAP_KINDS}
)
each_pair = pytest.mark.parametrize(("linear_map", "features"), PAIRS)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def features_of(kind, m=M, seed=0):
    return FeatureMap.of_kind(kind).draw(m, np.random.default_rng(seed))


def sketched(op, X, weights=None, n_jobs=None):
    return Sketcher.from_operator(op, n_jobs=n_jobs).sketch(X, weights)


@each_kind
def test_features_are_integers_of_each_row_alone(kind, rng):
    features, turns = features_of(kind), 100 * rng.normal(size=(40, M))
    whole = features.integer_features(turns)
    assert (whole.shape, whole.dtype) == ((40, 2, M), np.int64)
    rows = [features.integer_features(row[None])[0] for row in turns]
    np.testing.assert_array_equal(rows, whole)
    whole_turns = rng.integers(-9, 9, size=turns.shape)
    shifted = features.integer_features(np.round(turns, 3) + whole_turns)
    # But for the rounding of the phases, which may carry one across a step.
    same = shifted == features.integer_features(np.round(turns, 3))
    assert same.mean() > 0.95


@each_kind
def test_estimates_are_unbiased_but_for_what_dither_leaves(kind, rng):
    # Phases of large spread have no characteristic function, those of none have a wave's.
    features = features_of(kind, 4000)
    at = np.full((1, 4000), 0.3)
    one = features.waves(2 * np.pi * at)
    assert abs(one.mean() - np.exp(0.6j * np.pi)) < 4 * math.sqrt(features.power / 4000) + 1e-6
    spread = features.waves(2 * np.pi * rng.uniform(size=(300, 4000)))
    assert np.mean(np.abs(spread) ** 2) == pytest.approx(features.power, rel=1e-3)
    assert abs(spread.mean()) < 1e-2


@each_kind
def test_expected_estimates_are_the_mean_of_rows_estimates(kind, rng):
    features, turns = features_of(kind), rng.uniform(-3, 3, size=(3, M))
    widths = rng.uniform(0.1, 2.0, size=(3, M))
    mean, in_phase, in_envelope = features.expect(turns, -(widths**2) / 2)
    rows = 2 * np.pi * turns + widths * rng.normal(size=(20_000, 3, M))
    drawn = features.waves(rows.reshape(-1, M)).reshape(rows.shape).mean(axis=0)
    # Dithered features of one's own may have small ones that they do not tell.
    np.testing.assert_allclose(mean, drawn, atol=0.06)
    for step in (1e-5, -1e-5):
        moved = features.expect(turns + step / (2 * np.pi), -(widths**2) / 2)[0]
        np.testing.assert_allclose((moved - mean) / step, in_phase, atol=2e-3)
        moved = features.expect(turns, -(widths**2) / 2 + step)[0]
        # The envelope is steep where phases hardly vary.
        np.testing.assert_allclose((moved - mean) / step, in_envelope, rtol=0.02, atol=0.02)


@each_kind
def test_stacked_waves_are_the_waves(kind, rng):
    features, turns = features_of(kind), rng.normal(size=(9, M))
    waves = features.waves(2 * np.pi * turns)
    stacked = features.stacked_waves(turns)
    assert (stacked.shape, stacked.dtype) == ((9, 2 * M), np.float32)
    np.testing.assert_allclose(stacked, np.hstack([waves.real, waves.imag]), atol=2e-6)


@each_kind
def test_states_pickles_and_parts_are_the_map(kind, rng):
    features, turns = features_of(kind), rng.normal(size=(5, M))
    expected = features.integer_features(turns)
    for twin in (
        FeatureMap.of_kind(kind).from_state(features.state()),
        pickle.loads(pickle.dumps(features)),
    ):
        np.testing.assert_array_equal(twin.integer_features(turns), expected)
    some = features.take(slice(2, 7)).integer_features(turns[:, 2:7])
    np.testing.assert_array_equal(some, expected[:, :, 2:7])
    if features.state():
        with pytest.raises(ValueError, match="one a frequency"):
            features.check_count(M + 1)


@each_pair
@pytest.mark.parametrize("backend", backends())
def test_sums_depend_on_no_split_order_layout_or_threads(linear_map, features, backend, rng):
    op = operator(linear_map, features, backend=backend)
    X = rng.normal(size=(2500, 5))
    weights = rng.integers(0, 2**23, size=len(X)) / 2**20
    for w in (None, weights):
        whole = sketched(op, X, w)
        order = rng.permutation(len(X))
        assert sketched(op, np.asfortranarray(X[order]), None if w is None else w[order]) == whole
        assert sketched(op, X, w, n_jobs=3) == whole
        parts = [
            sketched(op, X[rows], None if w is None else w[rows])
            for rows in np.array_split(order, 7)
        ]
        assert sum(parts) == whole
        assert (whole + parts[0]) - parts[0] == whole


@each_pair
def test_a_weight_is_so_many_rows(linear_map, features, rng):
    op, X = operator(linear_map, features), rng.normal(size=(300, 5))
    times = rng.integers(0, 4, size=len(X))
    repeated, weighted = sketched(op, np.repeat(X, times, axis=0)), sketched(op, X, times)
    np.testing.assert_array_equal(weighted.feature_sum, repeated.feature_sum)
    assert weighted.weight_sum == repeated.weight_sum
    np.testing.assert_array_equal(
        sketched(op, X, np.ones(len(X))).feature_sum, sketched(op, X).feature_sum
    )


@each_pair
def test_the_mean_is_that_of_the_rows_estimates(linear_map, features, rng):
    op, X = operator(linear_map, features), rng.normal(size=(400, 5))
    phases = (X - op.center) @ op.frequencies
    for w in (None, rng.uniform(size=len(X))):
        sketch = sketched(op, X, w)
        mean = np.average(op.features.waves(phases), axis=0, weights=w)
        np.testing.assert_allclose(sketch.centered_mean, mean, atol=2e-5)
        np.testing.assert_allclose(
            Sketcher.from_operator(op).transform(X).mean(axis=0), sketched(op, X).mean, atol=1e-5
        )


@each_pair
def test_sums_beyond_the_bounds_are_no_sketch(linear_map, features, rng):
    op = operator(linear_map, features)
    sketch = sketched(op, rng.normal(size=(100, 5)))
    counts = sketch.n_samples, sketch.weight_units, sketch.squared_weight_units
    largest = op.features.largest_sum(*counts[:2])
    sums = sketch.feature_sum.copy()
    for extreme in (largest, -largest):
        sums[0, 0] = extreme
        Sketch(op, Sums(sums, *counts))
        sums[0, 0] = extreme + np.sign(extreme)
        with pytest.raises(ValueError, match="no rows have these sums"):
            Sketch(op, Sums(sums, *counts))


@each_pair
def test_the_noise_is_that_of_repeated_samples(linear_map, features, rng):
    op = operator(linear_map, features)
    X = rng.normal(size=(40_000, 5))
    whole = sketched(op, X)
    n, parts = 100, [sketched(op, X[i : i + 100]) for i in range(0, len(X), 100)]
    squares = [np.sum(np.abs(one.centered_mean - whole.centered_mean) ** 2) for one in parts]
    expected = op.features.noise(whole.centered_mean) / n
    assert np.mean(squares) == pytest.approx(expected, rel=0.1)
    assert whole.standard_error**2 == pytest.approx(expected * n / len(X))
    ratios = [compare(a, b).ratio ** 2 for a, b in zip(parts[::2], parts[1::2], strict=True)]
    assert np.mean(ratios) == pytest.approx(1.0, rel=0.1)


@each_pair
def test_files_and_pickles_hold_the_kinds(linear_map, features, rng, tmp_path):
    op = operator(linear_map, features)
    sketch = sketched(op, rng.normal(size=(30, 5)))
    sketch.save(tmp_path / "a.sketch")
    for twin in (Sketch.load(tmp_path / "a.sketch"), pickle.loads(pickle.dumps(sketch))):
        assert twin == sketch
        assert twin.to_bytes() == sketch.to_bytes()
        assert type(twin.operator.linear_map) is type(op.linear_map)
        assert type(twin.operator.features) is type(op.features)
    op.save(tmp_path / "operator")
    for again in (pickle.loads(pickle.dumps(op)), FrequencyOperator.load(tmp_path / "operator")):
        assert again.fingerprint == op.fingerprint
    bare = sketch.to_bytes(operator=False)
    assert Sketch.from_bytes(bare, operator=again).to_bytes() == sketch.to_bytes()


def test_files_of_unknown_kinds_say_what_is_known(rng):
    data = sketched(operator("circulant", "coarse-waves"), rng.normal(size=(9, 5))).to_bytes()
    with pytest.raises(SketchFormatError, match=r"features is of kind 'triangles', .*'coarse-wave"):
        Sketch.from_bytes(altered(data, features="triangles"))


def test_sketches_of_other_kinds_do_not_mix(rng):
    X = rng.normal(size=(20, 5))
    first = sketched(operator(), X)
    for kinds in (("circulant", "waves"), ("dense", "coarse-waves")):
        with pytest.raises(SketchMismatchError, match=r"different operators: .*differ"):
            first + sketched(operator(*kinds), X)


def test_backends_agree_to_the_last_unit(rng):
    X = rng.normal(size=(1000, 5))
    sums = [sketched(operator(backend=backend), X).feature_sum for backend in backends()]
    assert np.abs(np.diff(sums, axis=0)).max() < 20 * math.sqrt(len(X))


@pytest.mark.quality
@pytest.mark.parametrize(
    ("linear_map", "features", "scale"),
    [
        ("circulant", "waves", "auto"),
        ("dense", "coarse-waves", "auto"),
        ("circulant", "coarse-waves", "columns"),
    ],
)
def test_k_means_is_decoded_whatever_the_sketch_is_made_of(linear_map, features, scale):
    X, _ = make_blobs(6000, 6, centers=5, random_state=2, center_box=(-20, 20))
    units = 2.0 ** np.array([0, 0, 0, 0, 0, 8 if scale == "columns" else 0])
    sketcher = Sketcher(
        400, n_clusters=5, scale=scale, operator=linear_map, features=features, random_state=0
    ).fit(units * X)
    assert isinstance(sketcher.operator_.features, FeatureMap.of_kind(features))
    sketch = sketcher.sketch(units * X).standardised()
    model = CompressiveKMeans(5, random_state=0).fit_sketch(sketch)
    best = KMeans(5, n_init=5, random_state=0).fit(X).inertia_
    assert -model.score(X) < 1.01 * best


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"operator": "banded"}, "operator must be one of 'auto', .*'dense', 'fast', got 'banded'"),
        ({"operator": "taken"}, "operator must be one of 'auto', .*'dense', 'fast', got 'taken'"),
        ({"features": "triangles"}, "features must be one of"),
        ({"backend": "abacus"}, "backend must be one of 'numba', 'numpy'"),
    ],
)
def test_unknown_choices_are_refused(parameter, message, rng):
    with pytest.raises(ValueError, match=message):
        Sketcher(10, random_state=0, **parameter).fit(rng.normal(size=(50, 2)))


class TestWhatIsNoFeatureMap:
    """Whoever writes one is told before rows are read, not by wrong sums or by a file."""

    def test_a_kind_is_not_inherited(self):
        with pytest.raises(TypeError, match=r"class Louder needs a kind of its own: .*kind="):

            class Louder(FeatureMap.of_kind("waves")):
                pass

    @pytest.mark.parametrize(
        "array", [np.ones(M, bool), np.ones(M, complex), np.ones(M, "f2"), np.array(1.0), [1.0]]
    )
    def test_a_state_that_no_file_holds(self, array):
        class Stateful(FeatureMap.of_kind("coarse-waves"), kind="stateful"):
            def state(self):
                return {"dither": array}

        with pytest.raises(TypeError, match=r"'dither' in the state of 'stateful' must be an arr"):
            operator("dense", "stateful")

    def test_integers_whose_weighted_sums_would_overflow(self):
        class Louder(FeatureMap.of_kind("coarse-waves"), kind="louder"):
            def largest_sum(self, n, weight_units):
                return 5 * weight_units

        with pytest.raises(ValueError, match=r"'louder' must not exceed 2\^22, .* got 5242880"):
            operator("dense", "louder")
