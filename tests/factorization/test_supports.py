"""Supports: both certificates against optimisation, the exact projection, the regressor."""

import itertools
import warnings

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn.factorization import (
    FixedSupportRegressor,
    IllPosedWarning,
    butterfly,
    check_supports,
    closest_product,
    quantise_rank_one,
    ridge_path,
    round_significand,
    square_dyadic,
)
from sketchlearn.factorization.regressor import NetworkLoss

pytestmark = pytest.mark.slow


def all_pairs():
    """All 256 pairs of 2 x 2 supports."""
    for bits in itertools.product((0, 1), repeat=8):
        yield np.array(bits[:4]).reshape(2, 2), np.array(bits[4:]).reshape(2, 2)


def lu(n):
    return np.tril(np.ones((n, n))), np.triu(np.ones((n, n)))


def butterfly_pairs(n):
    supports = [p.dense(np.ones((p.a, p.d, p.b, p.c))) for p in square_dyadic(n)]
    for place in range(1, len(supports)):
        left, right = np.eye(n), np.eye(n)
        for factor in supports[:place]:
            left = left @ factor
        for factor in supports[place:]:
            right = right @ factor
        yield left > 0, right > 0


def prove_not_closed(left, right, verdict):
    """The sequence stays in the supports, comes near, and grows."""
    for t in (10.0, 1e3):
        X, Y = verdict.sequence(t)
        assert not X[~left.astype(bool)].any()
        assert not Y[~right.astype(bool)].any()
        assert np.abs(X @ Y - verdict.target).max() <= 1.001 / t**2
        assert max(np.abs(X).max(), np.abs(Y).max()) == t


def prove_target_is_no_product(left, right, verdict):
    """Its block on the witness has full rank q + 1 whatever stands in the last entry, and no unit
    but the q of the witness reaches any other entry of the block."""
    units, rows, columns, covering = verdict.witness
    if covering is None:
        prove_merging(left, right, verdict)
        return
    q = len(units)
    assert len(set(rows)) == len(set(columns)) == q + 1
    block = verdict.target[np.ix_(rows, columns)]
    for last in (-3.0, 0.0, 0.5, 100.0):
        block[-1, -1] = last
        assert np.linalg.matrix_rank(block) == q + 1
    for row, column in itertools.product(rows, columns):
        reaching = set(np.flatnonzero(left[row].astype(bool) & right[:, column].astype(bool)))
        is_last = (row, column) == (rows[-1], columns[-1])
        assert (reaching == set(units)) is not is_last
        assert set(units) <= reaching
    assert left[rows[-1], covering]
    assert right[covering, columns[-1]]


def prove_merging(left, right, verdict):
    """Columns that i and j reach alone make both parallel, but a third needs them independent."""
    (i, j), rows, columns, _ = verdict.witness
    target = verdict.target
    if len(rows) == 3:
        left, right, rows, columns, target = right.T, left.T, columns, rows, target.T
    np.testing.assert_array_equal(target[np.ix_(rows, columns)], [[1, 0, 1], [0, 1, 0]])
    for row, (column, expected) in itertools.product(
        rows, zip(columns, ({i}, {i, j}, {j}), strict=True)
    ):
        reaching = np.flatnonzero(left[row].astype(bool) & right[:, column].astype(bool))
        assert set(reaching) == expected


def test_two_units_that_merge_are_a_witness():
    left, right = np.ones((2, 2)), np.array([[1, 1, 0], [0, 1, 1]])
    for pair in [(left, right), (right.T, left.T)]:
        verdict = check_supports(*pair)
        assert verdict.status == "not closed"
        assert verdict.witness.covering_unit is None
        prove_not_closed(*pair, verdict)
        prove_merging(*pair, verdict)


def test_all_256_pairs_of_two_by_two_supports():
    statuses = [check_supports(*pair).status for pair in all_pairs()]
    assert statuses.count("not closed") == 8
    assert statuses.count("closed") == 248


def test_every_pair_that_is_not_closed_is_proved_so():
    for left, right in all_pairs():
        verdict = check_supports(left, right)
        if verdict.status == "not closed":
            prove_not_closed(left, right, verdict)
            prove_target_is_no_product(left, right, verdict)


def test_every_closed_pair_is_projected_onto_as_well_as_optimisation_can():
    rng = np.random.default_rng(0)
    for left, right in all_pairs():
        if check_supports(left, right).status != "closed":
            continue
        A = rng.normal(size=(2, 2))
        X, Y = closest_product(A, left, right)
        assert not X[left == 0].any()
        assert not Y[right == 0].any()
        exact = np.linalg.norm(A - X @ Y) / np.linalg.norm(A)
        best = ridge_path(A, left, right, [0.0], n_starts=5)[0].relative_error
        assert exact == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_random_supports_of_other_sizes(seed):
    rng = np.random.default_rng(seed)
    m, r, n = rng.integers(2, 7, size=3)
    left, right = rng.random((m, r)) < rng.uniform(0.2, 0.9), rng.random((r, n)) < 0.6
    verdict = check_supports(left, right)
    if verdict.status == "not closed":
        prove_not_closed(left, right, verdict)
        prove_target_is_no_product(left, right, verdict)
    elif verdict.status == "closed":
        A = rng.normal(size=(m, n))
        X, Y = closest_product(A, left, right)
        assert not X[~left].any()
        assert not Y[~right].any()
        exact = np.linalg.norm(A - X @ Y) / np.linalg.norm(A)
        best = ridge_path(A, left, right, [0.0], n_starts=8)[0].relative_error
        assert exact <= best + 1e-9


@pytest.mark.parametrize("n", [2, 3, 5, 10, 40])
def test_triangular_supports_are_not_closed(n):
    verdict = check_supports(*lu(n))
    assert verdict.status == "not closed"
    prove_not_closed(*lu(n), verdict)


@pytest.mark.parametrize("n", [4, 8, 32])
def test_butterfly_supports_are_closed(n):
    for left, right in butterfly_pairs(n):
        assert check_supports(left, right).status == "closed"


def test_dense_supports_and_single_outputs_are_closed():
    rng = np.random.default_rng(0)
    for m, r, n in [(1, 1, 1), (4, 2, 5), (5, 9, 3), (100, 100, 100)]:
        assert check_supports(np.ones((m, r)), np.ones((r, n))).status == "closed"
    for _ in range(50):
        r, n = rng.integers(1, 12, size=2)
        left, right = rng.random((1, r)) < 0.7, rng.random((r, n)) < 0.5
        assert check_supports(left, right).status == "closed"
        assert check_supports(right.T, left.T).status == "closed"


def test_a_class_of_two_equal_units_can_be_a_witness():
    left, right = np.ones((3, 3)), np.ones((3, 3))
    left[:2, 2] = right[2, :2] = 0
    verdict = check_supports(left, right)
    assert verdict.status == "not closed"
    assert len(verdict.witness.units) == 2
    prove_not_closed(left, right, verdict)
    prove_target_is_no_product(left, right, verdict)


@pytest.mark.parametrize("q", [3, 10])
def test_a_corner_of_many_equal_units_is_found_among_many_rows(q):
    rng = np.random.default_rng(0)
    for _ in range(8):
        left, right = rng.random((100, 10)) < 0.2, rng.random((10, 100)) < 0.2
        left, right = np.repeat(left, q, axis=1), np.repeat(right, q, axis=0)
        verdict = check_supports(left, right)
        assert verdict.status == "not closed"
        X, Y = verdict.sequence(1e3)
        assert np.abs(X @ Y - verdict.target).max() == pytest.approx(1e-6, rel=1e-3)
        assert not X[~left].any()
        assert not Y[~right].any()


def test_order_of_rows_columns_and_units_does_not_matter():
    rng = np.random.default_rng(1)
    for _ in range(100):
        left, right = rng.random((5, 4)) < 0.5, rng.random((4, 6)) < 0.5
        status = check_supports(left, right).status
        rows, units, columns = rng.permutation(5), rng.permutation(4), rng.permutation(6)
        shuffled = left[np.ix_(rows, units)], right[np.ix_(units, columns)]
        assert check_supports(*shuffled).status == status
        assert check_supports(right.T, left.T).status == status


def test_the_certificates_never_contradict_each_other():
    """A target that is no product must be at a positive distance from a closed set."""
    rng = np.random.default_rng(2)
    for _ in range(300):
        left, right = rng.random((4, 4)) < 0.5, rng.random((4, 4)) < 0.5
        verdict = check_supports(left, right)
        if verdict.status == "not closed":
            assert verdict.blocks == ()
        else:
            assert verdict.witness is None


def test_unknown_is_said_where_nothing_is_proved():
    left, right = np.ones((3, 3)), np.ones((3, 3))
    left[0, 0] = left[1, 1] = right[2, 2] = 0
    assert check_supports(left, right).status == "unknown"
    with pytest.raises(ValueError, match="only supports that are not closed"):
        check_supports(left, right).sequence(10.0)
    with pytest.raises(TypeError, match="t must be a real number"):
        check_supports(*lu(2)).sequence("10")
    for t in (0.5, 1e151):
        with pytest.raises(ValueError, match=r"t must be at least 1 and at most 1e\+150"):
            check_supports(*lu(2)).sequence(t)
    X, Y = check_supports(*lu(2)).sequence(1e150)
    assert np.isfinite(X @ Y).all()


def test_complex_matrices_where_closed():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    X, Y = closest_product(A, np.ones((4, 2)), np.ones((2, 4)))
    s = np.linalg.svd(A, compute_uv=False)
    assert np.linalg.norm(A - X @ Y) == pytest.approx(np.linalg.norm(s[2:]))
    with pytest.raises(TypeError, match="must be real"):
        closest_product(A, *lu(4))
    with pytest.raises(TypeError, match="must be real"):
        ridge_path(A, *lu(4), [0.1])


def test_weights_grow_along_the_ridge_path_where_not_closed():
    target = check_supports(*lu(3)).target
    path = ridge_path(target, *lu(3), [10.0**-k for k in range(1, 8)])
    errors = [step.relative_error for step in path]
    assert errors == sorted(errors, reverse=True)
    assert path[-1].largest > 3 * path[1].largest
    with pytest.warns(IllPosedWarning, match="not a closed set"):
        X, Y = closest_product(target, *lu(3))
    assert np.linalg.norm(X @ Y - target) < 0.2


def test_scale_of_the_matrix_does_not_matter():
    A = np.random.default_rng(0).normal(size=(3, 3))
    for scale in (1e-150, 1e150):
        X, Y = closest_product(scale * A, np.ones((3, 2)), np.ones((2, 3)))
        s = np.linalg.svd(A, compute_uv=False)
        assert np.linalg.norm((scale * A - X @ Y) / scale) == pytest.approx(s[2])
        path = ridge_path(scale * A, *lu(3), [1e-3])
        assert path[0].relative_error == pytest.approx(
            ridge_path(A, *lu(3), [1e-3])[0].relative_error, rel=1e-3
        )


def test_empty_products():
    A = np.ones((2, 2))
    X, _ = closest_product(A, np.zeros((2, 3)), np.ones((3, 2)))
    assert not X.any()
    assert ridge_path(A, np.zeros((2, 3)), np.zeros((3, 2)), [0.1])[0].relative_error == 1.0


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), "left has 3 columns, right 2 rows"),
        (2 * np.ones((2, 2)), np.ones((2, 2)), "left must hold zeros and ones only, got 2"),
        (np.ones((2, 2)), np.full((2, 2), np.nan), "right must hold zeros and ones only, got nan"),
        (np.ones((2, 0)), np.ones((0, 2)), "left must be a matrix with rows and columns"),
        (np.ones(2), np.ones((2, 2)), "left must be a matrix"),
        ([["1"]], [[1]], "left must hold zeros and ones, got type"),
        (np.eye(2, dtype=complex), np.eye(2), "left must hold zeros and ones, got type complex"),
    ],
)
def test_supports_that_are_none(left, right, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_supports(left, right)


def test_matrices_that_do_not_go_with_the_supports():
    with pytest.raises(ValueError, match=r"have shape \(2, 2\), A has shape \(3, 2\)"):
        closest_product(np.ones((3, 2)), *lu(2))
    with pytest.raises(ValueError, match="finite"):
        closest_product(np.full((2, 2), np.nan), *lu(2))
    with pytest.raises(ValueError, match="alpha must be positive"):
        closest_product(np.eye(2), *lu(2), alpha=0.0)
    with pytest.raises(TypeError, match=r"sequence of numbers, got 0\.1"):
        ridge_path(np.eye(2), *lu(2), 0.1)
    with pytest.raises(ValueError, match="at least one number"):
        ridge_path(np.eye(2), *lu(2), [])
    with pytest.raises(ValueError, match="alpha must be finite and not negative"):
        ridge_path(np.eye(2), *lu(2), [-1.0])


@parametrize_with_checks(
    [
        FixedSupportRegressor(),
        FixedSupportRegressor(activation="identity", alpha=0.0),
    ]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("is_relu", [False, True])
def test_the_gradient(is_relu):
    rng = np.random.default_rng(0)
    left, right = rng.random((3, 5)) < 0.6, rng.random((5, 4)) < 0.6
    problem = NetworkLoss(rng.normal(size=(30, 4)), rng.normal(size=(30, 3)), left, right, is_relu)
    theta = rng.normal(size=problem.start(np.random.RandomState(0)).size)

    def value(t):
        return problem.loss(t, 0.1)[0]

    assert check_grad(value, lambda t: problem.loss(t, 0.1)[1], theta) < 1e-5


def swap_data():
    X = np.random.default_rng(0).normal(size=(200, 2))
    return X, X[:, ::-1]


@pytest.mark.parametrize("activation", ["identity", "relu"])
def test_weights_diverge_on_bad_supports_and_only_there(activation):
    X, y = swap_data()
    options = {"activation": activation, "alpha": 0.0, "random_state": 0, "tol": 1e-12}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.warns(IllPosedWarning, match="supports are not closed"):
            bad = FixedSupportRegressor(*lu(2), **options).fit(X, y)
        good = FixedSupportRegressor(np.ones((2, 2)), np.ones((2, 2)), **options).fit(X, y)
    assert bad.verdict_.status == "not closed"
    assert bad.largest_weights_[-1] > 1.5 * bad.largest_weights_[2]
    assert good.verdict_.status == "closed"
    assert good.largest_weights_[-1] < 1.1 * good.largest_weights_[2]
    assert not bad.coefs_[0][lu(2)[1].T == 0].any()
    assert not bad.coefs_[1][lu(2)[0].T == 0].any()


def test_a_ridge_is_no_cause_for_a_warning():
    X, y = swap_data()
    model = FixedSupportRegressor(*lu(2), activation="identity", alpha=1e-3, random_state=0)
    model.fit(X, y)
    assert model.alphas_[-1] == 1e-3
    assert len(model.alphas_) == len(model.losses_) == len(model.largest_weights_)


def test_linear_networks_on_dense_supports_are_least_squares():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = X @ rng.normal(size=(4, 2)) + 3.0 + 0.1 * rng.normal(size=(100, 2))
    model = FixedSupportRegressor(
        np.ones((2, 3)), None, activation="identity", alpha=0.0, random_state=0, tol=1e-14
    ).fit(X, y)
    design = np.column_stack([X, np.ones(100)])
    solution = np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(model.predict(X), design @ solution, atol=1e-4)
    assert model.losses_[-1] == pytest.approx(np.sum((y - design @ solution) ** 2) / 100, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"left": np.ones((2, 3))}, "left has 2 rows, y has 1 outputs"),
        ({"right": np.ones((3, 5))}, "right has 5 columns, X has 2 features"),
        ({"left": np.ones((1, 3)), "right": np.ones((4, 2))}, "left has 3 columns, right 4 rows"),
        ({"left": [[0.5]]}, "zeros and ones only, got 0.5"),
        ({"activation": "tanh"}, "relu, identity"),
        ({"alpha": -1.0}, "alpha must be finite and not negative"),
        ({"max_iter": 0}, "max_iter must be at least 1"),
        ({"tol": 0.0}, "tol must be positive"),
    ],
)
def test_regressors_that_cannot_be_fitted(options, message):
    with pytest.raises(ValueError, match=message):
        FixedSupportRegressor(**options).fit(np.ones((5, 2)), np.ones(5))


@pytest.mark.parametrize("activation", ["identity", "relu"])
@pytest.mark.parametrize("alpha", [0.0, 1e-3])
def test_offsets_and_units_of_the_data_do_not_matter(activation, alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X @ rng.normal(size=(3, 2)) + 0.5 * rng.normal(size=(100, 2))
    ones = {"left": np.ones((2, 4)), "right": np.ones((4, 3))}

    def score(X, y, alpha):
        model = FixedSupportRegressor(
            **ones, activation=activation, alpha=alpha, tol=1e-8, random_state=0, max_iter=5000
        )
        return model.fit(X, y).score(X, y)

    expected = score(X, y, alpha)
    assert expected > 0.6
    for factor_x, factor_y in ((1.0, 1.0), (2.0**-20, 1.0), (2.0**20, 2.0**-30), (1.0, 2.0**300)):
        # Data a hundred times as far from zero as they are wide.
        for offset in (0.0, 100.0):
            other = score(
                (X + offset) * factor_x, (y - offset) * factor_y, alpha * factor_x * factor_y
            )
            # Networks of ReLUs have several local minima, and rounding chooses.
            assert other == pytest.approx(expected, abs=1e-3 if activation == "identity" else 0.1)


def test_features_of_units_far_apart_are_all_used():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    y = X @ [1.0, 1.0, 1.0]
    model = FixedSupportRegressor(activation="identity", alpha=0.0, random_state=0)
    far = X * [1.0, 1e5, 1e-3]
    assert model.fit(far, y).score(far, y) > 0.999


@pytest.mark.parametrize("alpha", [0.0, 1e-4])
def test_constant_features_and_targets(alpha):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    for constant in (0.0, 5.0, 0.1):
        model = FixedSupportRegressor(alpha=alpha, random_state=0).fit(
            np.full((30, 2), constant), y
        )
        np.testing.assert_allclose(model.predict([[constant] * 2])[0], y.mean(axis=0), atol=1e-4)
        assert model.largest_weights_[-1] < 10
        model.fit(X, np.full((30, 2), constant))
        np.testing.assert_allclose(model.predict(X), constant, atol=1e-4)


def test_closed_products_need_centred_columns_to_be_independent():
    # Both supports are closed. The third feature is the second one, moved: together they reach
    # what triangular supports do, and the swapped features are only approached.
    left, right = [[1, 0], [1, 1]], [[1, 1, 0], [0, 0, 1]]
    assert check_supports(left, right).status == "closed"
    Z = np.random.default_rng(0).normal(size=(100, 2))
    X = np.column_stack([Z, Z[:, 1] + 1.0])
    assert np.linalg.matrix_rank(X) == 3
    model = FixedSupportRegressor(
        left, right, activation="identity", alpha=0.0, tol=1e-12, max_iter=5000, random_state=0
    ).fit(X, Z[:, ::-1])
    assert model.largest_weights_[-1] > 1.5 * model.largest_weights_[2]


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-160, 1e160, 1e300, 1.7e308])
def test_the_ridge_path_and_projections_are_the_same_at_every_scale(scale):
    A = np.array([[0.0, 1.0], [1.0, 0.0]])
    ridges = [1e-2, 1e-4]
    for one, other in zip(
        ridge_path(A, *lu(2), ridges), ridge_path(A * scale, *lu(2), ridges), strict=True
    ):
        assert other.relative_error == pytest.approx(one.relative_error, rel=1e-3)
        assert other.largest == pytest.approx(one.largest * np.sqrt(scale), rel=1e-3)
    X, Y = closest_product(A * scale, np.ones((2, 2)), np.ones((2, 2)))
    np.testing.assert_allclose(X @ Y, A * scale, rtol=0.0, atol=1e-12 * scale)


@pytest.mark.parametrize("supports", [lu(2), (np.ones((2, 2)), np.ones((2, 2)))])
@pytest.mark.parametrize(
    "options",
    [{"alpha": 0.0}, {"alpha": "x"}, {"n_starts": 0}, {"random_state": -1}, {"random_state": "x"}],
)
def test_options_are_checked_before_anything_is_done(supports, options):
    with pytest.raises((TypeError, ValueError), match=f"{next(iter(options))} must be"):
        closest_product(np.eye(2), *supports, **options)


def test_missing_values_are_refused():
    masked = np.ma.masked_array(np.ones((2, 2)), mask=[[1, 0], [0, 0]])
    ones = np.ones((2, 2))
    for call in (
        lambda: closest_product(masked, ones, ones),
        lambda: check_supports(masked, ones),
        lambda: butterfly(masked),
        lambda: quantise_rank_one(masked[0], ones[0], 3),
        lambda: round_significand(masked, 3),
    ):
        with pytest.raises(ValueError, match=r"no value \(masked\)"):
            call()
