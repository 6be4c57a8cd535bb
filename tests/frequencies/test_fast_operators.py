"""Operators of fast transforms: what the contract of linear maps does not say."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.linear_maps import HadamardMap, LinearMap
from sketchlearn.linear_maps.hadamard import draw_signs

pytestmark = pytest.mark.slow

TWO_PI = 2 * np.pi


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("d", [20, 128, 200, 256])
def test_frequencies_have_their_lengths_and_are_orthogonal_in_a_block(d, rng):
    radii = rng.uniform(0.5, 2, size=600)
    linear_map = HadamardMap.draw(radii, d, rng)
    np.testing.assert_allclose(np.sqrt(linear_map.squared_norms) / TWO_PI, radii, rtol=1e-6)
    if d in (128, 256):
        gram = linear_map.gram()[:d, :d]
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-3)


def kernel_error(linear_map, differences, exact):
    """Root mean square error of the kernel at differences."""
    return np.sqrt(np.mean((np.cos(linear_map.project(differences)).mean(axis=1) - exact) ** 2))


def test_kernels_are_as_near_as_those_of_orthogonal_frequencies():
    d, m, rng = 128, 128, np.random.default_rng(0)
    # Half of the differences along an axis, which single transforms are worst at.
    differences = rng.normal(size=(200, d))
    differences[:100] = np.eye(d)[:100]
    differences /= np.linalg.norm(differences, axis=1, keepdims=True)
    errors = {"fast": [], "dense": [], "independent": []}
    for _ in range(8):
        radii = np.sqrt(rng.chisquare(d, size=m)) / TWO_PI
        for kind in ("fast", "dense"):
            drawn = LinearMap.of_kind(kind).draw(radii, d, rng)
            errors[kind].append(kernel_error(drawn, differences, np.exp(-0.5)))
        gaussian = np.cos(differences @ rng.normal(size=(d, m))).mean(axis=1)
        errors["independent"].append(np.sqrt(np.mean((gaussian - np.exp(-0.5)) ** 2)))
    fast, dense, independent = (np.mean(errors[name]) for name in errors)
    assert fast < 1.2 * dense
    assert fast < 0.6 * independent


def test_few_dimensions_leave_few_frequencies_of_nothing():
    for d, least in ((1, 0.8), (2, 0.95), (3, 0.99)):
        drawn = [HadamardMap.draw(np.ones(200), d, np.random.default_rng(s)) for s in range(10)]
        lengths = np.concatenate([np.sqrt(each.squared_norms) / TWO_PI for each in drawn])
        is_one = np.isclose(lengths, 1.0, rtol=1e-6)
        assert np.all(is_one | (lengths == 0))
        assert is_one.mean() > least


def test_signs_are_those_of_the_stream_that_is_written_down():
    # SplitMix64 by integers of Python, as docs/guide/file_format.md says.
    mask = 2**64 - 1

    def word(state, index):
        z = (state + (index + 1) * 0x9E3779B97F4A7C15) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    state = word(2026, 3)
    expected = b"".join(word(state, i).to_bytes(8, "little") for i in range(2 * 3 * 256 // 64))
    signs = draw_signs(2, 256, 2026)
    assert signs.shape == (2, 3, 32)
    assert signs.tobytes() == expected


def test_the_first_frequencies_need_only_the_first_blocks(rng):
    linear_map = HadamardMap.draw(np.ones(700), 100, rng)
    some = linear_map.take(slice(200))
    assert isinstance(some, HadamardMap)
    assert len(some.signs) == 2
    np.testing.assert_array_equal(some.frequencies, linear_map.frequencies[:, :200])


def test_auto_is_fast_where_rows_are_wide(rng):
    for d, kind in ((3, "dense"), (127, "dense"), (128, "fast"), (300, "fast")):
        X = rng.normal(size=(60, d))
        assert Sketcher(20, random_state=0).fit(X).operator_.linear_map.kind == kind
        for forced in ("dense", "fast"):
            sketcher = Sketcher(20, operator=forced, random_state=0).fit(X)
            assert sketcher.operator_.linear_map.kind == forced


def test_files_are_small_and_sketches_the_same_after_them(rng):
    X = rng.normal(size=(200, 300))
    sketcher = Sketcher(1000, operator="fast", moments=None, random_state=0).fit(X)
    sketch = sketcher.sketch(X)
    again = Sketch.from_bytes(sketch.to_bytes())
    assert Sketcher.from_sketch(again).sketch(X) == sketch


@pytest.mark.parametrize("scale", ["auto", "columns", "mixed", 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_scale_is_sketched_by_transforms(scale, weighted, rng):
    units = 4.0 ** (np.arange(150) % 3)
    X = units * rng.normal(size=(800, 150))
    weights = rng.integers(0, 5, size=800) if weighted else None
    sketcher = Sketcher(600, operator="fast", scale=scale, random_state=0).fit(X)
    sketch = sketcher.sketch(X, weights)
    mean = np.average(np.exp(1j * (X @ sketcher.frequencies_)), axis=0, weights=weights)
    np.testing.assert_allclose(sketch.mean, mean, atol=1e-5)
    assert clone(Sketcher.from_sketch(sketch)).fit(X).operator_.linear_map.drawn_kind == "fast"
    if scale == "columns":
        assert len(np.unique(sketcher.operator_.units)) == 3
    standardised = sketch.standardised()
    assert standardised.operator.n_features == 150


@pytest.mark.quality
@pytest.mark.parametrize(("d", "m"), [(2, 400), (8, 400), (200, 1850)])
def test_k_means_is_decoded_as_of_a_matrix(d, m):
    X, _ = make_blobs(6000, d, centers=5, random_state=2, center_box=(-20, 20))
    sketcher = Sketcher(m, n_clusters=5, operator="fast", random_state=0).fit(X)
    model = CompressiveKMeans(5, random_state=0).fit_sketch(sketcher.sketch(X))
    best = KMeans(5, n_init=5, random_state=0).fit(X).inertia_
    assert -model.score(X) < 1.01 * best


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signs": np.zeros((1, 3, 15), np.uint8)}, r"signs must have shape \(1, 3, 16\)"),
        ({"factors": np.zeros(0)}, "factors must be a vector"),
        ({"factors": np.full(9, np.nan)}, "of a size that float32 has"),
        ({"factors": np.full(9, 1e-30)}, "rescale the data to order one"),
        ({"factors": np.zeros(9)}, "of a size that float32 has"),
        ({"n_features": 0}, "n_features must be"),
        ({"n_features": 2**17 + 1}, "up to 131072 columns, got 131073"),
    ],
)
def test_what_is_no_map_is_refused(change, message):
    parts = {"signs": np.zeros((1, 3, 16), np.uint8), "factors": np.ones(9), "n_features": 100}
    HadamardMap(**parts)
    with pytest.raises(ValueError, match=message):
        HadamardMap(**{**parts, **change})
