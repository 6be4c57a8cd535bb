"""Signs of waves: what they tell, their counters, their files, and their private release."""

import naive
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketch, Sketcher, compare
from sketchlearn._kernels import _policy
from sketchlearn.features import Signs
from sketchlearn.features.backends import DenseAccumulator, FastAccumulator
from sketchlearn.features.self_test import require_right_signs, require_right_transforms
from sketchlearn.linear_maps import HadamardMap
from sketchlearn.privacy import PrivateSketch, release
from sketchlearn.privacy.queries import sensitivities

pytestmark = pytest.mark.slow

ONE = 2**20


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_signs_are_those_of_cosine_and_sine(rng):
    turns, dither = rng.normal(size=(50, 30)), rng.integers(0, 256, size=30)
    features = Signs(dither).integer_features(turns)
    radians = 2 * np.pi * (turns + dither / 256)
    is_clear = np.minimum(np.abs(np.cos(radians)), np.abs(np.sin(radians))) > 1e-5
    expected = ONE * np.sign(np.stack([np.cos(radians), np.sin(radians)], axis=1))
    both = np.stack([is_clear] * 2, axis=1)
    np.testing.assert_array_equal(features[both], expected[both])


def test_one_phases_signs_are_the_sum_of_odd_waves():
    # With the dither at each of its steps, all of a Fourier series but its first term goes.
    turns = np.linspace(0.0, 1.0, 37)[:, None] + 1e-3
    shifts = np.arange(256)
    signs = Signs(shifts)
    mean = signs.waves(2 * np.pi * np.repeat(turns, 256, axis=1)).mean(axis=1)
    np.testing.assert_allclose(mean, np.exp(2j * np.pi * turns[:, 0]), atol=0.03)
    # Of rows whose phases have a characteristic function, what is left are its odd multiples.
    spread, t = 0.15, np.random.default_rng(0).normal(0.3, 0.15, size=(200_000, 1))
    one = Signs([31])
    left = one.waves(2 * np.pi * t).mean() - np.exp(2j * np.pi * t).mean()
    third = -np.exp(-3 * 2j * np.pi * (0.3 + 31 / 256) - 0.5 * (3 * 2 * np.pi * spread) ** 2) / 3
    assert abs(left - np.exp(-2j * np.pi * 31 / 256) * third) < 5 * np.sqrt(0.24 / 200_000) + 1e-3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiles_of_signs_are_the_naive_twins(weighted, dtype, rng):
    d, m, n = 7, 40, 900
    X, turns, signs = rng.normal(size=(n, d)), rng.normal(size=(d, m)), Signs.draw(m, rng)
    X[5] *= 1e4  # Too far for float32.
    turns = turns.astype(np.float32).astype(dtype)
    units = rng.integers(0, 2**21, size=n) if weighted else None
    accumulator = DenseAccumulator(turns, np.zeros(d), signs)
    sums = np.zeros((2, m), np.int64)
    for start in range(0, n, accumulator.chunk_size):
        rows = slice(start, start + accumulator.chunk_size)
        accumulator.add(X[rows], None if units is None else units[rows], sums)
    theirs = naive.sign_sums(X @ turns.astype(np.float64), signs.offsets, units)
    # A phase at a boundary may be rounded across it, or not: of few rows.
    assert np.abs(sums - theirs).max() <= 4 * 2**22
    assert np.mean(sums == theirs) > 0.9


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("double_phases", [False, True])
def test_transforms_of_signs_are_the_naive_twins(weighted, double_phases, rng):
    d, m, n = 9, 150, 600
    linear_map, signs = HadamardMap.draw(np.ones(m), d, rng), Signs.draw(m, rng)
    X = rng.normal(size=(n, d))
    X[5] *= 1e4
    units = rng.integers(0, 2**21, size=n) if weighted else None
    accumulator = FastAccumulator(linear_map, np.ones(d), np.zeros(d), double_phases, signs)
    sums = np.zeros((2, m), np.int64)
    for start in range(0, n, accumulator.chunk_size):
        rows = slice(start, start + accumulator.chunk_size)
        accumulator.add(X[rows], None if units is None else units[rows], sums)
    phases = linear_map.project(X) / (2 * np.pi)
    theirs = naive.sign_sums(phases, signs.offsets, units)
    assert np.abs(sums - theirs).max() <= 4 * 2**22
    assert np.mean(sums == theirs) > 0.9


@pytest.mark.parametrize("is_weighted", [False, True])
def test_code_that_adds_up_wrongly_is_refused(is_weighted):
    def others(turns):
        return np.ones((len(turns), 2, turns.shape[1]), np.int64)

    require_right_signs(np.float32, is_weighted)
    require_right_transforms(np.float32, is_weighted, True)
    for require in (
        lambda: require_right_signs(np.float32, is_weighted, others),
        lambda: require_right_transforms(np.float32, is_weighted, True, others),
    ):
        with pytest.raises(RuntimeError, match="compiled kernels add up wrongly"):
            require()


@pytest.mark.parametrize("operator", ["dense", "fast"])
def test_files_have_as_few_bytes_as_counters_need(operator, rng):
    X, sizes = rng.normal(size=(70_000, 3)), {}
    for features in ("waves", "signs"):
        sketcher = Sketcher(
            1000, operator=operator, features=features, moments=None, scale=1.0, random_state=0
        ).fit(X)
        sketch = sketcher.sketch(X)
        sizes[features] = len(sketch.to_bytes(operator=False))
        for own in (True, False):
            data = sketch.to_bytes(operator=own)
            again = Sketch.from_bytes(data, operator=None if own else sketcher.operator_)
            assert again == sketch
            assert again.to_bytes(operator=own) == data
    # 3 bytes instead of 8, beside a header of less than a kilobyte.
    assert sizes["signs"] < 3 / 8 * sizes["waves"] + 1000
    assert sketch - sketch == sketcher.sketch(X[:0])


@pytest.mark.parametrize("n", [0, 1, 255, 256, 300])
def test_counters_of_any_width_come_back(n, rng):
    sketcher = Sketcher(20, features="signs", random_state=0).fit(rng.normal(size=(300, 2)))
    X = rng.normal(size=(n, 2))
    whole = sketcher.sketch(X)
    assert Sketch.from_bytes(whole.to_bytes()) == whole
    for weights in (np.full(n, 300), rng.integers(0, 9, size=n), rng.uniform(size=n)):
        if n:
            weighted = sketcher.sketch(X, weights + 0.0)
            assert Sketch.from_bytes(weighted.to_bytes()) == weighted


def test_block_sums_of_signs_cannot_overflow():
    assert 2 * _policy.BLOCK < 2**31


def test_rows_that_moved_are_told(rng):
    X = rng.normal(size=(8000, 4))
    sketcher = Sketcher(400, features="signs", random_state=0).fit(X)
    here, there = sketcher.sketch(X[:4000]), sketcher.sketch(X[4000:])
    assert compare(here, there).ratio < 1.2
    assert compare(here, sketcher.sketch(X[4000:] + 0.5)).ratio > 2.0


@pytest.mark.parametrize("operator", ["dense", "fast"])
def test_a_row_moves_a_release_by_no_more_than_its_sensitivity(operator, rng):
    sketcher = Sketcher.from_domain(
        -np.ones(3),
        np.ones(3),
        n_frequencies=200,
        clip=True,
        operator=operator,
        features="signs",
        random_state=0,
    )
    own = sketcher.sketch(rng.normal(size=(1, 3))).feature_sum
    # Two signs a frequency, each its row's weight.
    np.testing.assert_array_equal(np.abs(own), ONE)
    norms = {norm: np.linalg.norm(own.ravel(), norm) for norm in (1, 2)}
    for norm, expected in norms.items():
        kind, waves = sketcher.moment_kind, "waves"
        bounds = sensitivities(sketcher.operator_, kind, "add-remove", 1, norm)
        assert bounds[waves] == pytest.approx(expected, rel=1e-12)
        assert bounds[waves] >= expected * (1 - 1e-15)


@pytest.mark.slow
def test_private_signs_are_decoded_and_go_through_files(rng, tmp_path):
    X, _ = make_blobs(40_000, 2, centers=4, random_state=3, center_box=(-1, 1), cluster_std=0.05)
    sketcher = Sketcher.from_domain(
        [-1.5, -1.5], [1.5, 1.5], n_clusters=4, clip=True, features="signs", random_state=0
    )
    private = release(sketcher.sketch(X), epsilon=1.0, delta=1e-6)
    private.save(tmp_path / "p")
    again = PrivateSketch.load(tmp_path / "p")
    np.testing.assert_array_equal(again.mean, private.mean)
    model = CompressiveKMeans(4, random_state=0).fit_sketch(again)
    best = KMeans(4, n_init=5, random_state=0).fit(X).inertia_
    assert -model.score(X) < 1.05 * best


@pytest.mark.quality
@pytest.mark.parametrize(("d", "m"), [(2, 200), (8, 500)])
def test_k_means_is_decoded_to_the_last_percent(d, m):
    X, _ = make_blobs(20_000, d, centers=5, random_state=2, center_box=(-20, 20))
    sketcher = Sketcher(m, n_clusters=5, features="signs", random_state=0).fit(X)
    model = CompressiveKMeans(5, random_state=0).fit_sketch(sketcher.sketch(X))
    best = KMeans(5, n_init=5, random_state=0).fit(X).inertia_
    assert -model.score(X) < 1.01 * best


def test_dithers_are_a_vector():
    with pytest.raises(ValueError, match=r"dither must be a vector, got shape \(2, 2\)"):
        Signs(np.zeros((2, 2)))
