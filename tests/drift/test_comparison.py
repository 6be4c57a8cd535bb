"""Comparisons of two sketches: size, power, effect, columns, and what is refused."""

import math
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom

from sketchlearn import EmptySketchError, Sketcher, SketchMismatchError, compare
from sketchlearn.privacy import release

N_DRAWS = 200


def draw(kind, rng, n):
    """Rows of four columns."""
    if kind == "normal":
        return rng.normal(size=(n, 4))
    if kind == "heavy":
        return rng.standard_t(1.5, size=(n, 4))
    if kind == "discrete":
        return rng.poisson([0.01, 0.2, 1.0, 4.0], size=(n, 4)).astype(float)
    return np.c_[
        rng.normal(size=n), rng.random(n) < 0.02, np.exp(rng.normal(size=n)), rng.poisson(2.0, n)
    ]


@cache
def sketcher_of(kind, paired):
    rng = np.random.default_rng(0)
    return Sketcher(80, paired=paired, random_state=0).fit(draw(kind, rng, 3000))


def share_of_alarms(kind, paired, sizes, weigh=None, level=0.05):
    """How often samples of one population are told apart."""
    sketcher, rng, found = sketcher_of(kind, paired), np.random.default_rng(1), []
    for _ in range(N_DRAWS):
        pair = []
        for n in sizes:
            rows = draw(kind, rng, n)
            pair.append(sketcher.sketch(rows, None if weigh is None else weigh(rng, n)))
        found.append(compare(*pair).p_value)
    return np.mean(np.array(found) <= level)


ALLOWED = 0.05 + 3 * math.sqrt(0.05 * 0.95 / N_DRAWS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sizes"),
    [
        ("normal", (300, 300)),
        ("heavy", (1000, 100)),
        ("discrete", (20, 2000)),
        ("mixed", (20, 2000)),
    ],
)
def test_p_values_hold(kind, sizes):
    assert share_of_alarms(kind, True, sizes) <= ALLOWED


@pytest.mark.slow
def test_p_values_hold_without_pairs():
    assert share_of_alarms("heavy", False, (1000, 100)) <= ALLOWED


@pytest.mark.slow
def test_p_values_hold_for_weights():
    share = share_of_alarms("mixed", True, (500, 200), lambda rng, n: rng.exponential(size=n))
    assert share <= ALLOWED


@pytest.mark.slow
@pytest.mark.parametrize("delta", [0.0, 1e-6])
def test_p_values_hold_for_private_sketches(delta):
    sketcher = Sketcher.from_domain(
        [-5.0] * 2, [5.0] * 2, n_frequencies=40, clip=True, paired=True, random_state=0
    )
    # Other rows for each: a sketch is released once.
    rng, found = np.random.default_rng([2, delta > 0]), []
    for _ in range(50):
        pair = (sketcher.sketch(rng.normal(size=(n, 2))) for n in (2000, 500))
        found.append(compare(*(release(one, epsilon=2.0, delta=delta) for one in pair)).p_value)
    # More than 12 of 50 have a probability of 1e-6 where p-values are exact.
    assert np.count_nonzero(np.array(found) <= 0.05) <= binom.isf(1e-6, 50, 0.05)


def test_private_sketches_that_differ_are_told_apart():
    sketcher = Sketcher.from_domain(
        [-5.0] * 2, [5.0] * 2, n_frequencies=40, clip=True, paired=True, random_state=0
    )
    rows = np.random.default_rng(3).normal(size=(2, 20_000, 2))
    rows[1, :, 0] += 0.5
    private = [release(sketcher.sketch(one), epsilon=1.0, delta=1e-6) for one in rows]
    comparison = compare(*private)
    assert comparison.p_value < 1e-4
    # The other column's is chance: below 1e-7 in one of ten million draws.
    moved, other = comparison.columns
    assert moved.p_value < 1e-6
    assert other.p_value > 1e-7


@pytest.mark.parametrize("paired", [False, True])
def test_a_shifted_column_is_named(paired):
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 3000, 4))
    b[:, 2] += 0.25
    comparison = compare(*map(sketcher_of("normal", paired).sketch, (a, b)))
    assert comparison.p_value < 1e-6
    (column,) = comparison.moved_columns()
    assert column.name == "x2"
    assert column.mean == pytest.approx((a[:, 2].mean(), b[:, 2].mean()))
    assert column.standard_deviation == pytest.approx((a[:, 2].std(), b[:, 2].std()))
    assert column.shift == pytest.approx(0.25, abs=0.05)
    assert column.mean_p_value < 1e-6 < 0.05 < (1.0 if not paired else column.spread_p_value)


def test_a_wider_column_is_named():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 3000, 4))
    b[:, 1] = 1.2 * b[:, 1] + 3.0
    a[:, 1] += 3.0
    sketcher = Sketcher(80, paired=True, random_state=0).fit(a)
    (column,) = compare(sketcher.sketch(a), sketcher.sketch(b)).moved_columns()
    assert (column.name, column.spread_ratio) == ("x1", pytest.approx(1.2, abs=0.04))
    assert column.spread_p_value < 1e-6 < 0.05 < column.mean_p_value


def test_a_shift_is_no_change_of_spread_even_for_unequal_samples():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(20_000, 4)), rng.normal(size=(1000, 4)) + 0.8
    for column in compare(*map(sketcher_of("normal", True).sketch, (a, b))).columns:
        assert column.mean_p_value < 1e-6
        assert column.spread_p_value > 1e-3


def test_columns_without_pairs_have_no_p_value_of_spread():
    a, b = np.random.default_rng(7).normal(size=(2, 500, 4))
    for column in compare(*map(sketcher_of("normal", False).sketch, (a, b))).columns:
        assert math.isnan(column.spread_p_value)
        assert 0.0 <= column.mean_p_value <= 1.0
    bare = (sketcher_of("normal", False).sketch(rows).without_moments() for rows in (a, b))
    comparison = compare(*bare)
    assert all(math.isnan(column.p_value) for column in comparison.columns)
    assert 0.0 <= comparison.p_value <= 1.0
    assert comparison.moved_columns() == []


def test_correlation_is_seen_that_no_column_shows():
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(2, 3000, 4))
    b[:, 1] = 0.5 * b[:, 0] + math.sqrt(0.75) * b[:, 1]
    comparison = compare(*map(sketcher_of("normal", True).sketch, (a, b)))
    assert comparison.p_value < 1e-6
    assert comparison.moved_columns() == []


@pytest.mark.slow
def test_the_effect_is_unbiased_and_its_error_right():
    rng = np.random.default_rng(9)
    sketcher = sketcher_of("normal", True)
    shift = np.array([0.3, 0.0, 0.0, 0.0])
    # Waves of normal rows in closed form: means exp(i w.shift - |w|^2 / 2).
    omega = sketcher.frequencies_
    size = np.exp(-0.5 * np.sum(omega**2, axis=0))
    for moved in (np.zeros(4), shift):
        truth = np.mean(np.abs(size * (np.exp(1j * moved @ omega) - 1.0)) ** 2)
        found = []
        for _ in range(N_DRAWS):
            a, b = rng.normal(size=(300, 4)), rng.normal(size=(500, 4)) + moved
            found.append(compare(sketcher.sketch(a), sketcher.sketch(b)))
        effects = np.array([one.effect_size for one in found])
        assert abs(effects.mean() - truth) < 5 * effects.std() / math.sqrt(N_DRAWS)
        errors = np.array([one.effect_size_error for one in found])
        assert errors.mean() == pytest.approx(effects.std(), rel=0.35)


def test_the_witness_is_the_difference_of_mean_kernels():
    rng = np.random.default_rng(10)
    a, b = rng.normal(size=(200, 4)), rng.normal(size=(300, 4)) + 0.4
    sketcher = sketcher_of("normal", True)
    comparison = compare(sketcher.sketch(a), sketcher.sketch(b))
    witness = comparison.witness(np.r_[a, b])
    omega = sketcher.frequencies_

    def kernel(x, rows):
        return np.cos((x - rows) @ omega).mean()

    expected = [kernel(x, b) - kernel(x, a) for x in (a[0], b[0])]
    np.testing.assert_allclose(witness.values[[0, 200]], expected, atol=1e-5)
    # Its mean over rows of b, less that over a, is the squared distance over m.
    difference = witness.values[200:].mean() - witness.values[:200].mean()
    assert difference == pytest.approx(comparison.distance**2 / 80, abs=1e-5)
    assert witness.gained(3).shape == witness.lost(3).shape == (3, 4)
    assert witness.gained(3).mean() > witness.lost(3).mean()


@pytest.mark.slow
def test_the_witness_makes_up_rows_where_there_are_none():
    rng = np.random.default_rng(11)
    sketcher = Sketcher(60, paired=True, random_state=0).fit(rng.normal(size=(2000, 2)))
    a, b = rng.normal(size=(2, 2000, 2))
    b[:300] = rng.normal([3.0, 3.0], 0.3, size=(300, 2))
    witness = compare(sketcher.sketch(a), sketcher.sketch(b)).witness(n_samples=501, random_state=0)
    assert witness.rows.shape == (501, 2)
    assert np.linalg.norm(witness.gained(5).mean(axis=0) - 3.0) < 1.0


def test_it_is_symmetric_and_nothing_differs_from_itself():
    rng = np.random.default_rng(12)
    sketcher = sketcher_of("normal", True)
    a, b = (sketcher.sketch(rng.normal(size=(n, 4))) for n in (50, 90))
    there, back = compare(a, b), compare(b, a)
    for name in ("p_value", "distance", "ratio", "effect_size", "effect_size_error"):
        assert getattr(there, name) == pytest.approx(getattr(back, name), rel=1e-9)
    for same in (
        compare(a, a),
        compare(sketcher.sketch(np.ones((5, 4))), sketcher.sketch(np.ones((9, 4)))),
    ):
        assert (same.p_value, same.distance, same.p_value_bound) == (1.0, 0.0, 1.0)


def test_factors_of_weights_change_nothing():
    rng = np.random.default_rng(13)
    sketcher = sketcher_of("normal", True)
    a, b = (sketcher.sketch(rng.normal(size=(n, 4))) for n in (50, 90))
    heavier = compare(a.reweighted(7), b)
    assert heavier.p_value == pytest.approx(compare(a, b).p_value, rel=1e-9)
    rows = rng.normal(size=(300, 4))
    weights = np.repeat([1.0, 3.0], 150)
    weighted = sketcher.sketch(rows, weights)
    repeated = sketcher.sketch(np.repeat(rows, [1] * 150 + [3] * 150, axis=0))
    assert compare(weighted, b).distance == pytest.approx(compare(repeated, b).distance, rel=1e-9)
    assert compare(weighted, b).standard_error > compare(repeated, b).standard_error


def test_single_rows_can_be_compared():
    sketcher = sketcher_of("normal", True)
    a, b = sketcher.sketch(np.zeros((1, 4))), sketcher.sketch(np.ones((1, 4)))
    found = compare(a, b)
    assert found.p_value > 0.05
    assert math.isnan(found.effect_size)


def test_its_text_and_dictionary_say_what_there_is():
    a, b = np.random.default_rng(14).normal(size=(2, 500, 4))
    comparison = compare(*map(sketcher_of("normal", True).sketch, (a, b + 0.5)))
    assert "moved columns: x" in repr(comparison)
    told = comparison.to_dict()
    assert told["p_value"] == comparison.p_value
    assert [column["name"] for column in told["columns"]] == ["x0", "x1", "x2", "x3"]


def test_strangers_and_empty_sketches_are_refused():
    sketcher = sketcher_of("normal", True)
    a = sketcher.sketch(np.ones((9, 4)))
    with pytest.raises(SketchMismatchError, match="different operators"):
        compare(a, sketcher_of("normal", False).sketch(np.ones((9, 4))))
    with pytest.raises(EmptySketchError):
        compare(a, sketcher.sketch(np.zeros((0, 4))))
    for pair in ((a, np.zeros((3, 4))), ("a.sketch", a), (0, a)):
        said = r"compare expected two sketches, got .*: rows X become a sketch by .* paired=True"
        with pytest.raises(TypeError, match=said):
            compare(*pair)
    with pytest.raises(ValueError, match="4 features"):
        compare(a, a).witness(np.zeros((3, 2)))


def test_sketches_of_other_columns_are_refused():
    rows = np.random.default_rng(15).normal(size=(99, 2))
    sketcher = Sketcher(20, random_state=0).fit(rows)
    operator, first = sketcher.operator_, sketcher.sketch(rows)
    named = [
        type(first)(operator, first.sums, feature_names=names) for names in (("a", "b"), ("b", "a"))
    ]
    with pytest.raises(SketchMismatchError, match="different features"):
        compare(*named)
    assert [column.name for column in compare(named[0], first).columns] == ["a", "b"]


@pytest.mark.parametrize("turns", [0.5, 1.0, 2.0])
def test_a_shift_by_turns_of_a_wave_is_named_and_is_no_change_of_spread(turns):
    # A column's own pair has 0.7 and 1.4 radians a standard deviation.
    rng = np.random.default_rng(16)
    a, b = rng.normal(size=(2, 5000, 4))
    sketcher = sketcher_of("normal", True)
    own = np.flatnonzero(np.count_nonzero(sketcher.frequencies_, axis=0) == 1)
    lowest = np.min(np.abs(sketcher.frequencies_[2, own][sketcher.frequencies_[2, own] != 0.0]))
    b[:, 2] += turns * 2.0 * math.pi / lowest
    (column,) = compare(sketcher.sketch(a), sketcher.sketch(b)).moved_columns()
    assert column.name == "x2"
    assert column.mean_p_value < 1e-6 < 1e-3 < column.spread_p_value


@pytest.mark.slow
@pytest.mark.parametrize("shift", [3.5, 4.488, 5.0])
def test_spreads_seem_to_change_as_seldom_as_the_level_says_whatever_the_shift(shift):
    rng = np.random.default_rng(17)
    sketcher = Sketcher(20, paired=True, random_state=0).fit(rng.normal(size=(2000, 1)))
    found = []
    for _ in range(N_DRAWS):
        a, b = rng.normal(size=(400, 1)), shift + rng.normal(size=(400, 1))
        (column,) = compare(sketcher.sketch(a), sketcher.sketch(b)).columns
        found.append(column.spread_p_value)
    assert np.mean(np.array(found) <= 0.05) <= ALLOWED


def test_a_column_too_narrow_for_its_waves_has_a_p_value_of_the_mean_and_none_of_spread():
    rng = np.random.default_rng(18)
    a, b = rng.normal(size=(2, 2000, 2)) * [1.0, 1e-5]
    b[:, 1] = 3.0 * b[:, 1] + 1e-5
    sketcher = Sketcher(40, paired=True, random_state=0).fit(a)
    column = compare(sketcher.sketch(a), sketcher.sketch(b)).columns[1]
    assert column.mean_p_value < 1e-6
    assert math.isnan(column.spread_p_value)
    # Of a constant column the spread is known to be the same.
    a[:, 1] = b[:, 1] = 5.0
    assert compare(sketcher.sketch(a), sketcher.sketch(b)).columns[1].spread_p_value == 1.0


@pytest.mark.parametrize("alpha", [5, -0.1, math.nan])
def test_levels_are_between_zero_and_one(alpha):
    a, b = np.random.default_rng(19).normal(size=(2, 50, 4))
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got"):
        compare(*map(sketcher_of("normal", True).sketch, (a, b))).moved_columns(alpha)
