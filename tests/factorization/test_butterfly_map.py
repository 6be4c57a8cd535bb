"""Frequencies that are rows of a butterfly: what the contract of linear maps does not say."""

import pickle
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.exceptions import SketchMismatchError
from sketchlearn.factorization import Butterfly, dft_butterfly, hadamard_butterfly
from sketchlearn.linear_maps import ButterflyMap, LinearMap

pytestmark = pytest.mark.slow

TWO_PI = 2 * np.pi


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def own_butterfly(rng, dtype=np.float64):
    """A user's butterfly of size 12, with a permutation."""
    chain = [(1, 2, 2, 6), (2, 3, 3, 2), (6, 2, 2, 1)]
    values = [rng.normal(size=(a, d, b, c)).astype(dtype) for a, b, c, d in chain]
    return Butterfly(values, chain, permutation=rng.permutation(12))


@pytest.mark.parametrize("n_rounds", [1, 2, 3])
@pytest.mark.parametrize("m", [5, 12, 30])
def test_frequencies_are_rows_of_products_of_the_butterfly_and_signs(n_rounds, m, rng):
    B, n_blocks = own_butterfly(rng), -(-m // 12)
    signs = rng.choice([-1, 1], size=(n_blocks, n_rounds, 12))
    factors = rng.uniform(0.1, 2, size=m)
    linear_map = ButterflyMap(B, signs, factors, 10)
    rows = []
    for block in signs:
        product = np.eye(12)
        for own in block:
            product = B.toarray() @ np.diag(own) @ product
        rows.append(product)
    expected = TWO_PI * factors[:, None] * np.vstack(rows)[:m, :10]
    np.testing.assert_allclose(linear_map.frequencies, expected.T, atol=1e-10)
    assert linear_map.project(np.zeros((0, 10))).shape == (0, m)
    assert linear_map.adjoint(np.zeros((0, m), np.float32)).shape == (0, 10)


@pytest.mark.parametrize("d", [8, 20, 64])
def test_drawn_frequencies_have_their_lengths_and_are_orthogonal_in_a_block(d, rng):
    radii = rng.uniform(0.5, 2, size=2 * d)
    linear_map = ButterflyMap.draw(radii, d, rng)
    lengths = np.sqrt(linear_map.squared_norms) / TWO_PI
    np.testing.assert_allclose(lengths, radii, rtol=1e-12)
    if d & (d - 1) == 0:
        gram = linear_map.gram()[:d, :d]
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-3)


def test_frequencies_that_few_dimensions_leave_nothing_of_are_zero():
    maps = [ButterflyMap.draw(np.ones(40), 3, np.random.default_rng(s)) for s in range(20)]
    lengths = np.concatenate([np.sqrt(each.squared_norms) / TWO_PI for each in maps])
    is_one = np.isclose(lengths, 1.0)
    assert np.all(is_one | (lengths == 0))
    assert is_one.mean() > 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_users_butterfly_goes_through_states_and_pickles(dtype, rng):
    B = own_butterfly(rng, dtype)
    linear_map = ButterflyMap.draw(np.ones(30), 9, rng, butterfly=B, n_rounds=2)
    X = rng.normal(size=(21, 9))
    whole = linear_map.project_reproducibly(X)
    for twin in (
        LinearMap.of_kind("butterfly").from_state(linear_map.state()),
        pickle.loads(pickle.dumps(linear_map)),
    ):
        np.testing.assert_array_equal(twin.project_reproducibly(X), whole)
        assert twin.state().keys() == linear_map.state().keys()
    for row, expected in zip(X, whole, strict=True):
        np.testing.assert_array_equal(linear_map.project_reproducibly(row[None])[0], expected)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("is_own", [False, True])
def test_clusters_are_found_in_a_file_of_a_sketch(is_own, rng):
    X, _ = make_blobs(2000, n_features=10, centers=4, random_state=0)
    sketcher = Sketcher(300, n_clusters=4, operator="butterfly", random_state=0).fit(X)
    if is_own:
        radii = np.sqrt(sketcher.operator_.linear_map.squared_norms) / TWO_PI
        own = ButterflyMap.draw(radii, 10, rng, butterfly=own_butterfly(rng))
        sketcher = Sketcher.from_operator(replace(sketcher.operator_, linear_map=own))
    sketch = sketcher.sketch(X)
    halves = sketcher.sketch(X[:700]) + sketcher.sketch(X[700:])
    assert halves == sketch
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch
    centers = CompressiveKMeans(4, random_state=0).fit_sketch(sketch).cluster_centers_
    gaps = np.square(X[:, None] - centers).sum(axis=2).min(axis=1)
    assert gaps.mean() < 1.1 * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.eye(4), np.ones((1, 1, 4)), [1.0], 4), "must be a Butterfly, got ndarray"),
        ((dft_butterfly(4), np.ones((1, 1, 4)), [1.0], 4), "must be real and square"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), [1.0], 5), "rows of 5 columns must be"),
        ((hadamard_butterfly(4), np.ones((1, 4)), [1.0], 4), r"shape \(1, n_rounds, 4\), got"),
        ((hadamard_butterfly(4), np.ones((1, 2, 4)), np.ones(5), 4), r"shape \(2, n_rounds, 4\)"),
        ((hadamard_butterfly(4), np.zeros((1, 1, 4)), [1.0], 4), "signs must be 1 or -1"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), [np.inf], 4), "vector of finite numbers"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), [1.0], 2.5), "n_features must be an integer"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), np.array([1j]), 4), "real numbers, got comp"),
        ((hadamard_butterfly(4), np.full((1, 1, 4), 1 + 1j), [1.0], 4), "real numbers, got comp"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), [0.0], 4), "float32 has, got up to 0 and 0"),
        ((hadamard_butterfly(4), np.ones((1, 1, 4)), [1e60], 4), "float32 has, got up to 1e[+]60"),
    ],
)
def test_arguments_that_are_no_map_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ButterflyMap(*arguments)


def dense_as_butterfly(matrix):
    """A butterfly of one factor, the matrix."""
    A = np.asarray(matrix, dtype=np.float64)
    return Butterfly([A[None, None]], [(1, *A.shape, 1)])


@pytest.mark.parametrize(
    ("matrix", "n_rounds"),
    [
        (np.zeros((4, 4)), 1),
        (np.eye(4, k=1), 4),
        (1e200 * np.eye(4), 1),
        (1e30 * np.eye(4), 3),
        (1e-30 * np.eye(4), 3),
    ],
)
def test_products_that_are_zero_or_out_of_range_are_refused(matrix, n_rounds):
    B, signs = dense_as_butterfly(matrix), np.ones((1, n_rounds, 4))
    with pytest.raises(ValueError, match="products must not be zero, and of a size that float32"):
        ButterflyMap(B, signs, np.ones(4), 4)


def test_factors_that_float32_loses_on_the_way_are_refused():
    chain = [(1, 1, 1, 4)] * 4
    values = [np.full((1, 4, 1, 1), size) for size in (1e30, 1e30, 1e-30, 1e-30)]
    B = Butterfly(values, chain)
    with pytest.raises(ValueError, match=r"float32 has all along: got 0\.64 from entries up to 1e"):
        ButterflyMap(B, np.ones((1, 1, 4)), np.ones(4), 4)
    drawn = ButterflyMap.draw(np.ones(4), 4, np.random.default_rng(0), butterfly=B)
    np.testing.assert_allclose(np.abs(drawn.frequencies), TWO_PI * np.eye(4), atol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e200])
def test_frequencies_do_not_depend_on_the_size_of_the_butterfly(size, rng):
    own, radii, X = own_butterfly(rng), rng.uniform(0.5, 2, size=20), rng.normal(size=(5, 9))
    scaled = Butterfly(
        [size * array for array in own.values], own.chain, permutation=own.permutation
    )
    one, other = (
        ButterflyMap.draw(radii, 9, np.random.default_rng(0), butterfly=B) for B in (own, scaled)
    )
    np.testing.assert_allclose(other.frequencies, one.frequencies, rtol=1e-10, atol=1e-12)
    turns = other.project_turns(X.astype(np.float32))
    np.testing.assert_allclose(turns, X @ one.frequencies / TWO_PI, atol=1e-4)


def test_signs_are_drawn_until_a_frequency_is_there():
    for seed in range(60):
        drawn = ButterflyMap.draw(np.ones(1), 3, np.random.default_rng(seed))
        assert np.sqrt(drawn.squared_norms) / TWO_PI == pytest.approx(1.0)
    B = dense_as_butterfly(np.outer([0, 0, 1, 1], [1, 2, 3, 4]))
    with pytest.raises(ValueError, match="nothing of rows of 4 columns in the first 2 rows"):
        ButterflyMap.draw(np.ones(2), 4, np.random.default_rng(0), butterfly=B)


@pytest.mark.parametrize("exponent", [-60, 60])
def test_data_out_of_the_range_of_float32_are_refused(exponent, rng):
    X = rng.normal(size=(100, 3)) * 10.0**exponent
    said = rf"rescale the data: multiply all columns by 1e{-exponent:+d}"
    with pytest.raises(ValueError, match=re.escape(said)):
        Sketcher(20, operator="butterfly", random_state=0).fit(X)


def test_what_becomes_of_the_butterfly_does_not_change_the_map(rng):
    B, other = own_butterfly(rng), own_butterfly(rng)
    linear_map = ButterflyMap.draw(np.ones(20), 9, rng, butterfly=B)
    made = ButterflyMap(B, np.ones((2, 1, 12)), np.ones(20), 9)
    for each in (linear_map, made):
        before = {name: array.copy() for name, array in each.state().items()}
        B.values, B.permutation = other.values, other.permutation
        after = each.state()
        assert before.keys() == after.keys()
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"butterfly": [[1.0]]}, TypeError, "butterfly must be a Butterfly, got list"),
        ({"n_rounds": 0}, ValueError, "n_rounds must be at least 1, got 0"),
        ({"n_rounds": 1.5}, TypeError, "n_rounds must be an integer, got 1.5"),
    ],
)
def test_what_no_map_can_be_drawn_with_is_refused(options, error, message, rng):
    with pytest.raises(error, match=message):
        ButterflyMap.draw(np.ones(3), 2, rng, **options)


def test_sketches_through_different_butterflies_do_not_add_up(rng):
    X = rng.normal(size=(50, 9))
    operator = Sketcher(20, operator="butterfly", random_state=0).fit(X).operator_
    B = own_butterfly(rng)
    values = [array.copy() for array in B.values]
    values[1][0, 0, 0, 0] = np.nextafter(values[1][0, 0, 0, 0], np.inf)
    others = (
        Butterfly(values, B.chain, permutation=B.permutation),
        Butterfly(B.values, B.chain),
        Butterfly([array.astype(np.float32) for array in B.values], B.chain),
    )
    signs, factors = np.ones((2, 1, 12)), np.full(20, 0.1)
    whole, *rest = (
        Sketcher.from_operator(
            replace(operator, linear_map=ButterflyMap(each, signs, factors, 9))
        ).sketch(X)
        for each in (B, *others)
    )
    for sketch in rest:
        with pytest.raises(SketchMismatchError, match=r"different operators: map\..* differ"):
            whole + sketch
