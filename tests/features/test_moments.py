import itertools
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketchlearn.features.moment_accumulator import MomentAccumulator
from sketchlearn.features.moments import MomentGrid, Moments, MomentSums, resolve_moments
from sketchlearn.sketching import Sketcher

pytestmark = pytest.mark.slow

UNIT = 2**20
# Powers of two, so that all of these rows are on the grid but the awkward ones.
entries = st.one_of(
    st.floats(-8, 8, width=32),
    st.sampled_from([0.0, 1e9, -1e9, 2.0**33, -(2.0**40), 2.0**52, 1.5e-9]),
)
rows_of_two = st.lists(st.tuples(entries, entries), max_size=9).map(
    lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 2)
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def grid_for(d, scale=1.0, center=0.0):
    return MomentGrid.choose(np.full(d, center), scale, np.ones(d), np.full(d, scale**2))


def sums_of(grid, X, units=None, kind="full", sizes=None):
    """Sums over rows that come in pieces of the given sizes."""
    accumulator = MomentAccumulator(grid, kind)
    words = MomentSums.empty(grid.n_features, kind).words.copy()
    start = 0
    for size in itertools.chain(sizes or [], itertools.repeat(max(1, len(X)))):
        if start >= len(X):
            break
        few = slice(start, start + size)
        assert accumulator.add(X[few], None if units is None else units[few], words) is None
        start += size
    return MomentSums(kind, grid.n_features, words)


def moments_of(grid, X, units=None, kind="full"):
    total = len(X) * UNIT if units is None else int(units.sum())
    return Moments(grid, sums_of(grid, X, units, kind), total)


def exact_moments(X, weights):
    """Mean and covariance as fractions."""
    total = sum(weights)
    rows = [[Fraction(x) for x in row] for row in X.tolist()]
    d = X.shape[1]
    weighed = list(zip(weights, rows, strict=True))
    mean = [sum(w * r[j] for w, r in weighed) / total for j in range(d)]
    return mean, [
        [sum(w * (r[j] - mean[j]) * (r[k] - mean[k]) for w, r in weighed) / total for k in range(d)]
        for j in range(d)
    ]


GRID = grid_for(2)


class TestSums:
    @given(X=rows_of_two, seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 5), max_size=5))
    def test_neither_order_nor_split_matters(self, X, seed, sizes):
        order = np.random.default_rng(seed).permutation(len(X))
        assert sums_of(GRID, X) == sums_of(GRID, X[order], sizes=sizes)

    @given(a=rows_of_two, b=rows_of_two)
    def test_they_add_up_and_come_off(self, a, b):
        both, one, other = (sums_of(GRID, X) for X in (np.concatenate([a, b]), a, b))
        assert one + other == other + one == both
        assert both - other == one
        assert (both - other).state.tobytes() == one.state.tobytes()
        assert hash(both - other) == hash(one)
        assert one + MomentSums.empty(2, "full") == one

    @given(X=rows_of_two, data=st.data())
    def test_weights_are_repetitions(self, X, data):
        weights = np.array(
            data.draw(st.lists(st.integers(0, 9), min_size=len(X), max_size=len(X))), np.int64
        )
        weighted, repeated = (
            sums_of(GRID, X, weights * UNIT),
            sums_of(GRID, np.repeat(X, weights, axis=0)),
        )
        assert weighted == repeated

    @given(X=rows_of_two, factor=st.integers(1, 2**12))
    def test_scaling_is_weighing(self, X, factor):
        units = np.full(len(X), 12_345 * factor)
        assert sums_of(GRID, X, units // factor).scaled(factor) == sums_of(GRID, X, units)

    @given(X=rows_of_two, kind=st.sampled_from(["full", "diagonal"]))
    def test_they_are_those_of_python(self, X, kind):
        steps = [[round(Fraction(x) * 2**21) for x in row] for row in X.tolist()]
        pairs = [(0, 0), (0, 1), (1, 1)] if kind == "full" else [(0, 0), (1, 1)]
        expected = [sum(g[j] for g in steps) * UNIT for j in range(2)]
        expected += [sum(g[j] * g[k] for g in steps) * UNIT for j, k in pairs]
        assert sums_of(GRID, X, kind=kind).integers.tolist() == expected

    @given(X=rows_of_two)
    def test_the_diagonal_is_part_of_the_whole(self, X):
        full, diagonal = (sums_of(GRID, X, kind=kind).integers for kind in ("full", "diagonal"))
        assert full[[0, 1, 2, 4]].tolist() == diagonal.tolist()

    @given(X=rows_of_two, kind=st.sampled_from(["full", "diagonal"]))
    def test_their_state_is_read_back(self, X, kind):
        sums = sums_of(GRID, X, kind=kind)
        assert MomentSums.from_state(2, kind, sums.state) == sums
        assert sums.state.dtype == "<i8"
        assert pickle.loads(pickle.dumps(sums)) == sums

    @given(X=rows_of_two, kind=st.sampled_from(["full", "diagonal"]))
    def test_rows_make_possible_sums(self, X, kind):
        sums = sums_of(GRID, X, kind=kind)
        assert sums.is_possible(len(X) * UNIT)
        if len(X) and sums != MomentSums.empty(2, kind):
            assert not (MomentSums.empty(2, kind) - sums).is_possible(len(X) * UNIT)
            assert not sums.is_possible(0)

    @pytest.mark.parametrize("integers", [[3, 0, 8, 0, 1], [0, 0, -1, 0, 0], [0, 0, 4, 5, 6]])
    def test_no_rows_make_impossible_sums(self, integers):
        assert not MomentSums.from_integers(2, "full", integers).is_possible(1)

    def test_a_few_words_do_for_small_sums(self):
        for n, value in ((1, 2**63 - 1), (1, -(2**63)), (2, 2**63), (4, 2**221)):
            sums = MomentSums.from_integers(1, "diagonal", [value, value])
            assert len(sums.state) == n
            assert MomentSums.from_state(1, "diagonal", sums.state) == sums

    def test_larger_integers_are_refused(self):
        for value in (2**255, -(2**255) - 1, 2**300):
            with pytest.raises(ValueError, match=r"below 2\*\*255"):
                MomentSums.from_integers(1, "diagonal", [0, value])

    @pytest.mark.parametrize(
        ("state", "match"),
        [
            (np.zeros((1, 4), "<i8"), r"int64 of shape \(words, 5\), got int64 of shape \(1, 4\)"),
            (np.zeros((1, 5)), "got float64"),
            (np.zeros((5, 5), "<i8"), "1 to 4 words each, got 5"),
            (np.zeros((2, 5), "<i8"), "2 words each where fewer would do"),
        ],
    )
    def test_a_bad_state_is_refused(self, state, match):
        with pytest.raises(ValueError, match=match):
            MomentSums.from_state(2, "full", state)

    def test_strangers_are_refused(self):
        full, diagonal = MomentSums.empty(2, "full"), MomentSums.empty(2, "diagonal")
        with pytest.raises(ValueError, match="full of 2 features and diagonal of 2"):
            full + diagonal
        with pytest.raises(ValueError, match="full of 2 features and full of 3"):
            full - MomentSums.empty(3, "full")
        assert full != diagonal
        with pytest.raises(ValueError, match=r"words must be uint64 of shape \(4, 5\), got int64"):
            MomentSums("full", 2, np.zeros((4, 5), np.int64))


class TestAccumulator:
    @pytest.mark.parametrize("d", [1, 2, 10, 33, 100])
    @pytest.mark.parametrize("kind", ["full", "diagonal"])
    @pytest.mark.parametrize("is_weighted", [False, True])
    def test_layout_and_type_do_not_matter(self, d, kind, is_weighted, rng):
        X = (rng.normal(size=(1500, d)) * 5).astype(np.float32)
        units = rng.integers(0, 2**23, size=len(X)) if is_weighted else None
        grid, wide = grid_for(d), np.zeros((3 * len(X), 2 * d))
        wide[::3, ::2] = X
        sums = sums_of(grid, X, units, kind)
        for same in (
            X.astype(np.float64),
            np.asfortranarray(X),
            wide[::3, ::2],
            X[::-1].copy()[::-1],
        ):
            assert sums_of(grid, same, units, kind) == sums
        X.flags.writeable = False
        assert sums_of(grid, X, units, kind, sizes=[1, 255, 256, 257, 300]) == sums

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e300])
    @pytest.mark.parametrize("at", [0, 300, 5000])
    def test_the_first_row_beyond_reach_is_named_and_nothing_is_added(self, bad, at, rng):
        X = rng.normal(size=(5002, 2))
        X[at, 1] = X[-1, 0] = bad
        before = sums_of(GRID, np.ones((7, 2)))
        words, accumulator = before.words.copy(), MomentAccumulator(GRID, "full")
        assert accumulator.add(X, None, words) == at
        np.testing.assert_array_equal(words, before.words)
        good = X[1:200]
        assert accumulator.add(good, None, words) is None
        assert MomentSums("full", 2, words) == before + sums_of(GRID, good)

    @pytest.mark.parametrize("is_weighted", [False, True])
    def test_heavy_tails_come_off_exactly(self, is_weighted, rng):
        X = rng.normal(size=(3000, 5))
        far = np.concatenate([rng.standard_cauchy((2000, 5)), 1e6 * rng.normal(size=(50, 5))])
        far[0] = 2.0**57
        units, far_units = (
            (rng.integers(1, 2**40, size=n) if is_weighted else None) for n in (len(X), len(far))
        )
        grid = grid_for(5)
        both = sums_of(grid, X, units) + sums_of(grid, far, far_units)
        assert both - sums_of(grid, far, far_units) == sums_of(grid, X, units)
        together = None if units is None else np.concatenate([far_units, units])
        assert sums_of(grid, np.concatenate([far, X]), together) == both


class TestGrid:
    @pytest.mark.parametrize("d", [1, 3, 40])
    def test_rows_within_the_reach_of_waves_are_within_that_of_the_grid(self, d, rng):
        # The pilot makes one column so narrow that its grid is the finest there is.
        X = rng.normal(size=(500, d))
        X[:, -1] *= 1e-9 if d > 1 else 1.0
        operator = Sketcher(50, n_clusters=2, random_state=0).fit(X).operator_
        grid = MomentGrid.choose(
            operator.center, operator.scale, operator.units, operator.domain.variances
        )
        waves, moments = operator.accumulator(), MomentAccumulator(grid, "diagonal")
        taken = 0
        for exponent, j in itertools.product(range(20, 60), range(d)):
            row = operator.center[None] + np.ldexp(operator.scale, exponent) * np.eye(d)[[j]]
            if waves.add(row, None, np.zeros((2, 50), np.int64)) is None:
                taken += 1
                assert moments.add(row, None, MomentSums.empty(d, "diagonal").words.copy()) is None
        assert 0 < taken < 40 * d

    def test_steps_are_a_part_of_the_lesser_spread(self):
        variances = np.array([1.0, 1e4, 1e-4, 0.0, 1e-30])
        grid = MomentGrid.choose(np.zeros(5), 1.0, np.array([1.0, 4.0, 1.0, 1.0, 1.0]), variances)
        spreads = np.array([1.0, 4.0, 0.01, 1.0, 2.0**-16])
        assert np.all(grid.steps <= spreads * 2.0**-21)
        assert np.all(grid.steps > spreads * 2.0**-22)

    def test_all_products_are_kept_of_few_columns(self):
        assert [resolve_moments("auto", d) for d in (1, 64, 65)] == ["full", "full", "diagonal"]

    @given(rows=st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20))
    def test_no_rows_move_a_standard_deviation_by_more_than_half_a_step(self, rows):
        X = np.array(rows)[:, None] / 3
        grid = grid_for(1)
        found = moments_of(grid, X)
        mean, covariance = exact_moments(X, [1] * len(X))
        half = 0.5 * grid.steps[0]
        deviation = np.sqrt(float(covariance[0][0]))
        assert abs(found.standard_deviation[0] - deviation) <= half + 1e-12
        assert abs(found.mean[0] - float(mean[0])) <= half + 1e-12


class TestMoments:
    @given(X=rows_of_two.filter(len), data=st.data())
    def test_they_are_those_of_exact_fractions(self, X, data):
        units = np.array(
            data.draw(st.lists(st.integers(1, 2**40), min_size=len(X), max_size=len(X)))
        )
        # To the grid first: the rest must be exact but for the last bit.
        X = np.ldexp(np.rint(np.ldexp(X, 21)), -21)
        mean, covariance = exact_moments(X, units.tolist())
        found = moments_of(GRID, X, units)
        np.testing.assert_allclose(found.mean, np.array(mean, float), rtol=1e-15)
        np.testing.assert_allclose(found.covariance, np.array(covariance, float), rtol=1e-15)
        np.testing.assert_allclose(found.variance, np.diag(found.covariance), rtol=0)
        np.testing.assert_allclose(found.standard_deviation**2, found.variance, rtol=1e-15)

    @pytest.mark.parametrize("offset", [0.0, 1e9, -3e12])
    @pytest.mark.parametrize("is_discrete", [False, True])
    def test_an_offset_at_the_centre_costs_nothing(self, offset, is_discrete, rng):
        mixing = np.array([[1.0, 0.3, 0.0], [0.0, 2.0, 0.1], [0.5, 0.0, 1.0]])
        X = rng.normal(size=(20_000, 3)) @ mixing
        X = (np.rint(X) * 1.37 if is_discrete else X) + offset
        weights = rng.random(len(X))
        units = np.rint(weights * UNIT).astype(np.int64)
        grid = grid_for(3, center=offset)
        rows, w = (X - offset).astype(np.longdouble), units.astype(np.longdouble) / units.sum()
        mean = w @ rows
        covariance = ((rows - mean) * w[:, None]).T @ (rows - mean)
        found = moments_of(grid, X, units)
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        assert np.all(np.abs(found.covariance - covariance) < 1e-6 * scale)
        np.testing.assert_allclose(found.variance, np.diag(covariance).astype(float), rtol=1e-6)
        assert np.all(np.abs((found.mean - offset) - mean) < 1e-6 + np.spacing(abs(offset)))

    @pytest.mark.parametrize("scale", [1e-140, 1e-3, 1e140])
    def test_they_follow_the_unit_of_the_data(self, scale, rng):
        X = rng.normal(size=(500, 2)) * scale
        found = moments_of(grid_for(2, scale=scale), X)
        np.testing.assert_allclose(found.standard_deviation / scale, (X / scale).std(0), rtol=1e-6)

    def test_a_common_factor_of_all_weights_changes_no_bit(self, rng):
        X = rng.normal(size=(100, 3))
        one, ten = (moments_of(grid_for(3), X, np.full(100, UNIT * f)) for f in (1, 10))
        for name in ("mean", "covariance", "variance", "standard_deviation"):
            assert getattr(one, name).tobytes() == getattr(ten, name).tobytes()

    def test_the_diagonal_kind_has_variances_alone(self, rng):
        X = rng.normal(size=(100, 3))
        full, diagonal = (moments_of(grid_for(3), X, kind=kind) for kind in ("full", "diagonal"))
        for name in ("mean", "variance", "standard_deviation"):
            assert getattr(full, name).tobytes() == getattr(diagonal, name).tobytes()
        with pytest.raises(ValueError, match="sketch with moments='full'"):
            _ = diagonal.covariance
