"""Frequencies that are rows of a butterfly: what the contract of linear maps does not say."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.factorization import Butterfly, dft_butterfly, hadamard_butterfly
from sketchlearn.linear_maps import ButterflyMap, LinearMap

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
    sketcher = Sketcher(300, n_clusters=4, linear_map="butterfly", random_state=0).fit(X)
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
    ],
)
def test_arguments_that_are_no_map_are_refused(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        ButterflyMap(*arguments)
