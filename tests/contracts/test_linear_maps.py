"""What every linear map promises, whatever its kind."""

import pickle

import numpy as np
import pytest
from contracts.members import MAP_KINDS, drawn_map

from sketchlearn.features import Waves
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap, LinearMap

pytestmark = pytest.mark.slow

TWO_PI = 2 * np.pi
D, M = 5, 12
SHAPES = [(5, 12), (1, 3), (12, 5), (8, 8)]

each_kind = pytest.mark.parametrize("kind", MAP_KINDS)
each_shape = pytest.mark.parametrize(("d", "m"), SHAPES)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def matrix_of(linear_map):
    """Omega, row by row: the oracle of all that follows."""
    return np.vstack([linear_map.project(row[None]) for row in np.eye(linear_map.n_features)])


def as_operator(linear_map):
    d = linear_map.n_features
    return FrequencyOperator(
        linear_map, Domain(np.zeros(d), 1.0, np.eye(d), -np.ones(d), np.ones(d)), Waves()
    )


@each_kind
@each_shape
def test_projection_is_linear_and_its_matrix_the_frequencies(kind, d, m, rng):
    linear_map = drawn_map(kind, d, m)
    omega, X = matrix_of(linear_map), rng.normal(size=(7, d))
    assert (linear_map.n_features, linear_map.n_frequencies) == omega.shape == (d, m)
    projected = linear_map.project(X)
    assert projected.dtype == np.float64
    np.testing.assert_allclose(projected, X @ omega, atol=1e-12 * np.abs(omega).max() * d)
    np.testing.assert_allclose(linear_map.frequencies, omega, rtol=1e-12, atol=1e-14)


@each_kind
@each_shape
def test_the_adjoint_is_that_of_the_projection(kind, d, m, rng):
    linear_map = drawn_map(kind, d, m)
    X, C = rng.normal(size=(4, d)), rng.normal(size=(4, m))
    ours = np.sum(linear_map.adjoint(C) * X)
    assert ours == pytest.approx(np.sum(C * linear_map.project(X)), rel=1e-6, abs=1e-6)
    single = linear_map.adjoint(C.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, linear_map.adjoint(C), rtol=1e-4, atol=1e-4)


@each_kind
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_turns_are_radians_over_two_pi(kind, dtype, rng):
    linear_map = drawn_map(kind)
    X = rng.normal(size=(6, D)).astype(dtype)
    turns = linear_map.project_turns(X)
    assert turns.dtype == dtype
    tolerance = 30 * np.finfo(dtype).eps
    np.testing.assert_allclose(turns, linear_map.project(X) / TWO_PI, atol=tolerance)
    out = np.empty((6, M), dtype)
    assert linear_map.project_turns(X, out=out) is out
    np.testing.assert_array_equal(out, turns)


@each_kind
@each_shape
def test_what_is_derived_is_that_of_the_matrix(kind, d, m, rng):
    linear_map = drawn_map(kind, d, m)
    omega = matrix_of(linear_map)
    close = {"rtol": 1e-5, "atol": 1e-5 * np.square(omega).max() ** 2 * max(d, m)}
    for exponent in (2, 4):
        powers = (0.7 * omega) ** exponent
        V, P = (rng.normal(size=(3, n)).astype(np.float32) for n in (d, m))
        np.testing.assert_allclose(linear_map.project_powers(V, exponent, 0.7), V @ powers, **close)
        back = linear_map.adjoint_powers(P, exponent, 0.7)
        np.testing.assert_allclose(back, P @ powers.T, **close)
        assert back.dtype == np.float32
    B = rng.normal(size=(d, d))
    B = B @ B.T
    forms = np.einsum("lj,lk,kj->j", omega, B, omega)
    np.testing.assert_allclose(linear_map.quadratic_form(B), forms, rtol=1e-9)
    np.testing.assert_allclose(linear_map.squared_norms, np.sum(omega**2, axis=0), rtol=1e-9)
    np.testing.assert_allclose(linear_map.gram(), omega.T @ omega, **close)
    spreads = np.sqrt(np.mean((omega / TWO_PI) ** 2, axis=1))
    np.testing.assert_allclose(linear_map.root_mean_squares, spreads, rtol=1e-5)


@each_kind
def test_maps_are_taken_stretched_and_looked_at_along_axes(kind, rng):
    linear_map = drawn_map(kind)
    omega, X = matrix_of(linear_map), rng.normal(size=(6, D))
    order = rng.permutation(M)[:7]
    for index in (order, slice(4), slice(3, 9)):
        taken = linear_map.take(index)
        np.testing.assert_allclose(matrix_of(taken), omega[:, index], atol=1e-12)
        np.testing.assert_allclose(
            matrix_of(taken.take(slice(2))), omega[:, index][:, :2], atol=1e-12
        )
        C = rng.normal(size=(2, taken.n_frequencies)).astype(np.float32)
        np.testing.assert_allclose(taken.adjoint(C), C @ omega[:, index].T, rtol=1e-4, atol=1e-4)
    for factors in (2.5, 2.0 ** np.arange(D)):
        columns = np.broadcast_to(factors, D)[:, None]
        stretched = linear_map.stretched(factors)
        np.testing.assert_allclose(matrix_of(stretched), omega * columns, atol=1e-10)
        np.testing.assert_allclose(stretched.project_turns(X), X @ (omega * columns) / TWO_PI)
        back = matrix_of(stretched.stretched(1 / columns[:, 0]))
        np.testing.assert_allclose(back, omega, rtol=1e-12, atol=1e-14)
    axes = np.linalg.qr(rng.normal(size=(D, 2)))[0]
    along = DenseMap.along(linear_map, axes)
    np.testing.assert_allclose(matrix_of(along), axes.T @ omega, rtol=1e-6, atol=1e-6)


@each_kind
def test_powers_of_two_are_lossless(kind):
    linear_map = drawn_map(kind)
    units = 2.0 ** np.arange(D)
    twin = linear_map.stretched(units).stretched(1 / units)
    np.testing.assert_array_equal(matrix_of(twin), matrix_of(linear_map))


@each_kind
def test_states_and_pickles_are_the_map(kind, rng):
    linear_map, X = drawn_map(kind), rng.normal(size=(3, D))
    for twin in (
        LinearMap.of_kind(kind).from_state(linear_map.state()),
        pickle.loads(pickle.dumps(linear_map)),
    ):
        assert type(twin) is type(linear_map)
        np.testing.assert_array_equal(twin.project(X), linear_map.project(X))
        assert as_operator(twin).fingerprint == as_operator(linear_map).fingerprint


@each_kind
def test_fingerprints_are_equal_where_maps_are(kind):
    prints = [as_operator(drawn_map(kind, seed=seed)).fingerprint for seed in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]
    others = {as_operator(drawn_map(one)).fingerprint for one in MAP_KINDS}
    assert len(others) == len(MAP_KINDS)


@each_kind
def test_each_rows_phases_depend_on_that_row_alone(kind, rng):
    linear_map = drawn_map(kind, 20, 37)
    X = rng.normal(size=(33, 20)) * 10.0 ** rng.uniform(-3, 6, size=(33, 1))
    whole = linear_map.project_reproducibly(X)
    assert whole.dtype == np.float64
    scale = np.abs(whole).max(axis=1, keepdims=True)
    np.testing.assert_allclose(whole / scale, linear_map.project(X) / TWO_PI / scale, atol=1e-13)
    for size in (1, 2, 7, 32):
        parts = [
            linear_map.project_reproducibly(X[start : start + size])
            for start in range(0, len(X), size)
        ]
        np.testing.assert_array_equal(np.vstack(parts), whole)
    order = rng.permutation(len(X))
    shuffled = linear_map.project_reproducibly(np.asfortranarray(X[order]))
    np.testing.assert_array_equal(shuffled, whole[order])


def test_two_classes_cannot_have_one_kind():
    # The second's module is imported when the kind is asked for.
    for kind in ("dense", "butterfly", "fast"):
        taken = rf"kind '{kind}' of .*Other is already that of sketchlearn"
        with pytest.raises(ValueError, match=taken):

            class Other(DenseMap.__base__, kind=kind):
                pass

    for kind in ("No Name", "", "a\n", 3):
        with pytest.raises(ValueError, match="a kind must be up to 40"):

            class Nameless(DenseMap.__base__, kind=kind):
                pass


def test_a_kind_is_not_inherited():
    with pytest.raises(TypeError, match=r"class Turned needs a kind of its own: .*kind="):

        class Turned(DenseMap):
            pass


def test_unknown_kinds_are_answered_with_those_that_there_are():
    with pytest.raises(
        ValueError, match="operator must be one of 'butterfly', 'circulant', 'dense'"
    ):
        LinearMap.of_kind("banded")
    with pytest.raises(TypeError, match="operator must be a string, got int"):
        LinearMap.of_kind(3)
    with pytest.raises(ValueError, match="of kind 'taken' are not drawn"):
        LinearMap.of_kind("taken").draw(np.ones(3), 2, np.random.default_rng(0))
