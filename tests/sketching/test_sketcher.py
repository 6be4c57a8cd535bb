import _thread
import gc
import itertools
import threading

import naive
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import dense_operator
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from sketchlearn.features.accumulator import Accumulator
from sketchlearn.frequencies import FoldedGaussianRadius
from sketchlearn.sketches.fixed_point import sum_with_squares
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher, make_moment_sketcher
from sketchlearn.sketching.pilot import pilot_size
from sketchlearn.sketching.tuning import (
    WIDE,
    draw_octaves,
    n_principal,
    resolve_frequency_count,
)

N = 700


def operator(d, m, largest_phase=10.0, double_phases=False, center=None):
    """An operator at which the rows of `rows_for` have phases up to some radians."""
    rng = np.random.default_rng(d)
    turns = rng.normal(size=(d, m))
    turns *= largest_phase / (2 * np.pi) / np.abs(rows_for(d) @ turns).max(axis=0)
    center = np.zeros(d) if center is None else center
    box = np.ones(d)
    return dense_operator(
        turns, center, 1.0, center - box, center + box, np.eye(d), double_phases=double_phases
    )


def rows_for(d, n=N):
    return np.random.default_rng(d + 1).uniform(-1, 1, size=(n, d))


# Few features and many, more than a chunk of them, and phases of both precisions.
OPERATORS = [operator(2, 11), operator(20, 200), operator(200, 9), operator(3, 7, 90.0, True)]
PREPARED = [(op, Sketcher.from_operator(op), rows_for(op.n_features)) for op in OPERATORS]
# Rows that lie so far off that their phases are computed in float64, between others.
FAR = rows_for(20) * np.where(np.arange(N) % 5, 1.0, 10.0 ** (np.arange(N) % 7))[:, None]
PREPARED.append((OPERATORS[1], Sketcher.from_operator(OPERATORS[1]), FAR))
cases = pytest.mark.parametrize(("op", "sketcher", "X"), PREPARED)


class TestExactness:
    @pytest.mark.slow
    @given(case=st.sampled_from(PREPARED), cuts=st.lists(st.integers(0, N), max_size=6))
    def test_any_partition_gives_the_same_sketch(self, case, cuts):
        _, sketcher, X = case
        edges = [0, *sorted(cuts), N]
        parts = [sketcher.sketch(X[a:b]) for a, b in itertools.pairwise(edges)]
        assert sum(parts) == sketcher.sketch(X)
        assert sum(reversed(parts)) == sketcher.sketch(X)

    @given(case=st.sampled_from(PREPARED), seed=st.integers(0, 2**32 - 1))
    def test_any_order_gives_the_same_sketch(self, case, seed):
        _, sketcher, X = case
        order = np.random.default_rng(seed).permutation(N)
        assert sketcher.sketch(X[order]) == sketcher.sketch(X)

    @given(case=st.sampled_from(PREPARED), i=st.integers(0, N), j=st.integers(0, N))
    def test_what_was_added_can_be_removed(self, case, i, j):
        _, sketcher, X = case
        a, b = sketcher.sketch(X[:i]), sketcher.sketch(X[j:])
        assert (a + b) - b == a
        assert (a + b) - a == b
        assert a - a == Sketch.empty(sketcher.operator_)

    @given(case=st.sampled_from(PREPARED), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples=30)
    def test_integer_weights_are_repetitions(self, case, seed):
        _, sketcher, X = case
        weights = np.random.default_rng(seed).integers(0, 5, size=N)
        weighted = sketcher.sketch(X, sample_weight=weights)
        repeated = sketcher.sketch(np.repeat(X, weights, axis=0))
        np.testing.assert_array_equal(weighted.feature_sum, repeated.feature_sum)
        assert weighted.weight_sum == repeated.weight_sum
        assert weighted.n_samples == np.count_nonzero(weights)

    @given(case=st.sampled_from(PREPARED), seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 699))
    @settings(max_examples=30)
    def test_weighted_parts_add_up(self, case, seed, cut):
        _, sketcher, X = case
        w = np.random.default_rng(seed).uniform(0.01, 9, size=N)
        parts = sketcher.sketch(X[:cut], w[:cut]) + sketcher.sketch(X[cut:], w[cut:])
        assert parts == sketcher.sketch(X, w)

    @cases
    def test_single_rows_add_up(self, op, sketcher, X):
        assert sum(sketcher.sketch(X[i : i + 1]) for i in range(40)) == sketcher.sketch(X[:40])

    @cases
    def test_weights_of_one_are_no_weights(self, op, sketcher, X):
        assert sketcher.sketch(X, np.ones(N)) == sketcher.sketch(X)

    @pytest.mark.slow
    @cases
    def test_layout_type_and_file_do_not_matter(self, op, sketcher, X, tmp_path):
        X = X.astype(np.float32).astype(np.float64)
        expected = sketcher.sketch(X)
        wide = np.zeros((2 * N, 2 * X.shape[1]))
        wide[::2, ::2] = X
        locked = X.copy()
        locked.flags.writeable = False
        np.save(tmp_path / "X.npy", X)
        for other in (
            np.asfortranarray(X),
            X.astype(np.float32),
            X.astype(">f8"),
            X.astype(np.longdouble),
            wide[::2, ::2],
            X[::-1],
            locked,
            np.load(tmp_path / "X.npy", mmap_mode="r"),
            X.tolist(),
            X.astype(object),
        ):
            assert sketcher.sketch(other) == expected

    def test_integers_are_numbers(self):
        sketcher = Sketcher.from_operator(operator(3, 8))
        X = np.random.default_rng(0).integers(-9, 9, size=(5000, 3))
        for dtype in (np.int8, np.int32, np.int64):
            assert sketcher.sketch(X.astype(dtype)) == sketcher.sketch(X.astype(float))
        assert sketcher.sketch(X > 0) == sketcher.sketch((X > 0).astype(float))

    @cases
    def test_the_number_of_threads_does_not_matter(self, op, sketcher, X):
        many = np.tile(X, (20, 1))
        expected = sketcher.sketch(many)
        for n_jobs in (1, 2, 3, -1):
            assert Sketcher.from_operator(op, n_jobs=n_jobs).sketch(many) == expected

    def test_concurrent_use_of_one_sketcher(self):
        _, sketcher, X = PREPARED[1]
        expected = sketcher.sketch(X)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(sketcher.sketch(X))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [expected] * 4


class TestAccuracy:
    @pytest.mark.parametrize("d", [1, 2, 3, 10, 17, 64, 784])
    @pytest.mark.parametrize("largest_phase", [3.0, 30.0, 100.0])
    def test_the_mean_is_within_1e_6_of_float64(self, d, largest_phase):
        is_double = largest_phase > 60 or (d > 16 and largest_phase > 30)
        op = operator(d, 60, largest_phase, is_double)
        X = rows_for(d, 1000)
        mean = Sketcher.from_operator(op).sketch(X).mean
        np.testing.assert_allclose(mean, naive.sketch_mean(X, op.frequencies), atol=1e-6, rtol=0)

    @pytest.mark.parametrize("d", [1, 2, 10, 100])
    def test_a_far_centre_costs_nothing(self, d):
        X = np.random.default_rng(0).normal(1e4, 1.0, size=(1000, d))
        sketcher = Sketcher(100, random_state=0).fit(X)
        mean = sketcher.sketch(X).mean
        expected = naive.sketch_mean(X, sketcher.frequencies_)
        np.testing.assert_allclose(mean, expected, atol=1e-6, rtol=0)

    def test_fit_chooses_float64_phases_where_float32_would_not_do(self):
        X = np.random.default_rng(0).uniform(-1000, 1000, size=(3000, 2))
        sketcher = Sketcher(100, scale=1.0, random_state=0).fit(X)
        assert sketcher.operator_.double_phases
        expected = naive.sketch_mean(X, sketcher.frequencies_)
        np.testing.assert_allclose(sketcher.sketch(X).mean, expected, atol=1e-6, rtol=0)

    def test_rows_far_from_the_pilot(self):
        rng = np.random.default_rng(0)
        sketcher = Sketcher(200, random_state=0).fit(rng.normal(size=(5000, 3)))
        X = rng.normal(scale=1e-3, size=(1000, 3)) + 1e6
        assert not sketcher.operator_.double_phases
        expected = naive.sketch_mean(X - sketcher.center_, sketcher.frequencies_)
        found = sketcher.sketch(X).centered_mean
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)

    def test_rows_too_far_for_float64_are_refused(self):
        sketcher = Sketcher(20, random_state=0).fit(np.random.default_rng(0).normal(size=(500, 3)))
        X = np.zeros((100, 3))
        X[41, 2] = 1e30
        with pytest.raises(ValueError, match=r"1e\+30 at row 41, column 2. So far from the centre"):
            sketcher.sketch(X)

    def test_weighted_mean(self):
        op = operator(4, 50)
        X = rows_for(4)
        weights = np.random.default_rng(0).exponential(size=N)
        mean = Sketcher.from_operator(op).sketch(X, weights).mean
        expected = naive.sketch_mean(X, op.frequencies, weights)
        np.testing.assert_allclose(mean, expected, atol=2e-6, rtol=0)

    def test_transform_averages_to_the_sketch(self):
        op = operator(4, 50, center=np.full(4, 5.0))
        sketcher = Sketcher.from_operator(op)
        X = rows_for(4, 3000) + 5.0
        waves = sketcher.transform(X)
        assert waves.shape == (3000, 50)
        assert waves.dtype == np.complex128
        np.testing.assert_allclose(waves.mean(axis=0), sketcher.sketch(X).mean, atol=1e-6)

    @pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
    @pytest.mark.parametrize("origin", [0.0, 1e12])
    def test_waves_far_from_the_origin_and_from_the_centre(self, origin, offset):
        op = operator(3, 40, center=np.full(3, origin))
        sketcher = Sketcher.from_operator(op)
        # Sixteenths, which are exact at any of these places.
        X = np.rint(16.0 * rows_for(3, 300)) / 16.0 + origin + offset
        turns = (X - origin).astype(np.longdouble) @ op.linear_map.turns.astype(np.longdouble)
        parts = (turns - np.rint(turns)).astype(np.float64)
        waves = sketcher.transform(X)
        shift = np.exp(1j * op.project(op.center[None]))
        np.testing.assert_allclose(waves, np.exp(2j * np.pi * parts) * shift, atol=1e-5, rtol=0)
        np.testing.assert_allclose(waves.mean(axis=0), sketcher.sketch(X).mean, atol=1e-5)

    @pytest.mark.parametrize("entry", [1e13, -1e30, 1e200])
    def test_rows_that_are_too_far_have_no_waves_either(self, entry):
        sketcher = Sketcher.from_operator(operator(3, 40))
        X = rows_for(3, 1500)
        X[1234, 1] = entry
        with pytest.raises(ValueError, match="at row 1234, column 1") as refused:
            sketcher.sketch(X)
        for rows in (X, iter([X[:700], X[700:]])):
            with pytest.raises(ValueError, match="at row 1234, column 1") as error:
                sketcher.transform(rows)
            assert str(error.value) == str(refused.value)

    def test_the_standard_error_is_the_error(self):
        op = operator(2, 200)
        sketcher = Sketcher.from_operator(op)
        population = np.random.default_rng(0).uniform(-1, 1, size=(200_000, 2))
        truth = sketcher.sketch(population).mean
        parts = [sketcher.sketch(population[i : i + 500]) for i in range(0, 200_000, 500)]
        errors = [np.sum(np.abs(part.mean - truth) ** 2) for part in parts]
        predicted = np.mean([part.standard_error**2 for part in parts])
        assert np.mean(errors) == pytest.approx(predicted, rel=0.1)


def blobs(d=3, k=5, n=2000, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, d))[rng.integers(k, size=n)] * 5 + spread * rng.normal(size=(n, d))


class TestFit:
    def test_the_scale_is_the_clusters_spread(self):
        sketcher = Sketcher(n_clusters=5, random_state=0).fit(blobs())
        assert 0.2 < sketcher.scale_ < 0.9

    @pytest.mark.parametrize("apart", [200.0, 1e6])
    @pytest.mark.parametrize(
        ("m", "features", "share"), [(100, "waves", 8), (20, "waves", 5), (100, "signs", 16)]
    )
    def test_of_far_clusters_the_scale_is_a_share_of_their_distance(
        self, apart, m, features, share
    ):
        rng = np.random.default_rng(0)
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
        X = apart * corners[rng.integers(4, size=2000)] + rng.normal(size=(2000, 2))
        sketcher = Sketcher(m, n_clusters=4, features=features, random_state=0).fit(X)
        assert sketcher.scale_ == pytest.approx(apart / (share * np.sqrt(2.0)), rel=0.01)

    @pytest.mark.parametrize("scale", ["auto", "columns"])
    def test_of_far_clusters_some_frequencies_look_at_their_own_scale(self, scale):
        rng = np.random.default_rng(0)
        X = 60.0 * rng.integers(2, size=(4000, 2)) + rng.normal(size=(4000, 2))
        sketcher = Sketcher(1000, n_clusters=4, scale=scale, random_state=0).fit(X)
        assert sketcher.operator_.domain.finest_scale == pytest.approx(1.0, rel=0.05)
        norms = sketcher.operator_.linear_map.squared_norms
        near = Sketcher(1000, n_clusters=4, scale=1.0, random_state=0).fit(X).operator_
        far = Sketcher(1000, n_clusters=4, scale=sketcher.scale_, random_state=0).fit(X).operator_
        typical = np.median(near.linear_map.squared_norms)
        assert np.mean(far.linear_map.squared_norms > typical) == 0.0
        assert 0.03 < np.mean(norms > typical) < 0.15

    @pytest.mark.parametrize("factor", [1e-4, 1e4, 2.0**40, 2.0**-40])
    def test_units_do_not_matter(self, factor):
        X = blobs()
        plain = Sketcher(50, n_clusters=5, random_state=0).fit(X)
        scaled = Sketcher(50, n_clusters=5, random_state=0).fit(X * factor)
        assert scaled.scale_ == pytest.approx(plain.scale_ * factor, rel=1e-6)
        np.testing.assert_allclose(scaled.center_, plain.center_ * factor, rtol=1e-6)
        difference = scaled.sketch(X * factor).mean - plain.sketch(X).mean
        assert np.abs(difference).max() < 1e-4

    def test_the_same_seed_gives_the_same_operator(self):
        X = blobs()
        first, second = (Sketcher(50, random_state=7).fit(X).operator_ for _ in range(2))
        assert first.fingerprint == second.fingerprint
        assert Sketcher(50, random_state=8).fit(X).operator_.fingerprint != first.fingerprint

    def test_the_order_of_the_rows_does_not_matter_where_all_are_in_the_pilot(self):
        X = blobs()
        forwards = Sketcher(50, random_state=7).fit(X).operator_
        assert Sketcher(50, random_state=7).fit(X[::-1]).operator_.fingerprint == (
            forwards.fingerprint
        )

    def test_overlapping_clusters_have_the_same_scale_in_any_units(self):
        X = np.random.default_rng(0).normal(size=(2000, 4))
        scales = [Sketcher(50, random_state=0).fit(X * f).scale_ / f for f in (1e-4, 1.0, 1e4)]
        np.testing.assert_allclose(scales, scales[0], rtol=1e-6)

    def test_fitting_leaves_the_global_generator_alone(self):
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        Sketcher(50, random_state=0).fit(blobs())
        np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002

    def test_attributes(self):
        X = blobs(d=4)
        sketcher = Sketcher(30, random_state=0).fit(X)
        assert sketcher.frequencies_.shape == (4, 30)
        assert sketcher.n_features_in_ == 4
        np.testing.assert_allclose(sketcher.center_, X.mean(axis=0))
        assert sketcher.operator_.domain.box is None

    def test_the_pilot_is_kept_or_not(self):
        X = blobs(n=300)
        kept = Sketcher(30, random_state=0).fit(X).pilot_
        assert {tuple(row) for row in kept} == {tuple(row) for row in X}
        assert Sketcher(30, keep_pilot=False).fit(X).pilot_ is None

    def test_the_pilot_is_bounded(self):
        X = np.random.default_rng(0).normal(size=(7000, 2))
        assert len(Sketcher(30, random_state=0).fit(X).pilot_) == pilot_size() == 5000
        assert pilot_size(200) == 10_000

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("d", "k", "m"),
        [(1, 2, 100), (10, 10, 1000), (50, 20, 5000), (100, 50, 10_000),
         (200, 20, 3000), (784, 3, 690), (784, 10, 3000), (784, 100, 24_000)],
    )  # fmt: skip
    def test_the_automatic_number_of_frequencies(self, d, k, m):
        X = np.random.default_rng(0).normal(size=(50, d))
        assert Sketcher(n_clusters=k, random_state=0).fit(X).operator_.n_frequencies == m

    @pytest.mark.parametrize("d", [1, 8, 64, 100, 101, 128, 200, 784, 4096])
    @pytest.mark.parametrize("k", [1, 2, 10, 40, 64, 500])
    def test_the_automatic_number_suffices_for_what_is_decoded(self, d, k):
        n_parameters = k * (n_principal(d, k) + 2)
        assert 2 * resolve_frequency_count("auto", k, d) >= 1.3 * n_parameters
        # And costs no more than ten numbers a parameter, or 5,000 frequencies, whichever is more.
        assert resolve_frequency_count("auto", k, d) <= max(5 * n_parameters, 5000)

    def test_an_explicit_scale_is_taken_as_it_is(self):
        X = blobs()
        auto = Sketcher(50, random_state=0).fit(X)
        given = Sketcher(50, scale=auto.scale_, random_state=0).fit(X)
        assert given.operator_.fingerprint == auto.operator_.fingerprint

    def test_radius_laws_by_name_and_by_instance(self):
        X = blobs()
        named = Sketcher(50, radius_law="folded-gaussian", random_state=0).fit(X)
        given = Sketcher(50, radius_law=FoldedGaussianRadius(), random_state=0).fit(X)
        assert named.operator_.fingerprint == given.operator_.fingerprint

    @pytest.mark.parametrize(
        "X",
        [
            np.ones((50, 3)),
            np.zeros((1, 2)),
            np.repeat(np.eye(3), 20, axis=0),
            np.c_[np.arange(20.0), np.full(20, 1e6)],
            np.array([[0.0, 0.0], [1e150, 1e-150]]),
        ],
        ids=["equal rows", "one row", "three distinct rows", "constant column", "huge"],
    )
    def test_degenerate_data_can_be_sketched(self, X):
        if np.abs(X).max() > 1e30:
            with pytest.raises(ValueError, match="rescale the data"):
                Sketcher(20, random_state=0).fit(X)
            return
        sketcher = Sketcher(20, random_state=0).fit(X)
        assert sketcher.scale_ > 0
        mean = sketcher.sketch(X).mean
        np.testing.assert_allclose(mean, naive.sketch_mean(X, sketcher.frequencies_), atol=1e-5)

    def test_weights_of_zero_leave_rows_out(self):
        X = blobs()
        weights = np.ones(len(X))
        weights[1000:] = 0
        weighted = Sketcher(50, random_state=0).fit(X, sample_weight=weights)
        alone = Sketcher(50, random_state=0).fit(X[:1000])
        assert weighted.operator_.fingerprint == alone.operator_.fingerprint
        assert weighted.sketch(X, weights) == alone.sketch(X[:1000])

    def test_frames_bring_their_names(self):
        X = blobs()
        frame = pd.DataFrame(X, columns=["a", "b", "c"])
        sketcher = Sketcher(30, random_state=0).fit(frame)
        assert list(sketcher.feature_names_in_) == ["a", "b", "c"]
        expected = Sketcher.from_operator(sketcher.operator_).sketch(X)
        assert sketcher.sketch(frame) == expected
        other = pl.DataFrame(frame.to_dict("list"))
        assert Sketcher(30, random_state=0).fit(other).sketch(other) == expected
        assert sketcher.sketch(frame[["b", "a", "c"]]) == expected
        with pytest.raises(ValueError, match=r"yet now missing:\n- c"):
            sketcher.sketch(frame[["b", "a"]])

    def test_set_output(self):
        sketcher = Sketcher(5, random_state=0).fit(blobs()).set_output(transform="pandas")
        assert list(sketcher.transform(blobs()).columns) == [f"sketcher{j}" for j in range(5)]

    def test_clone_forgets_the_fit(self):
        sketcher = clone(Sketcher(50, n_clusters=3).fit(blobs()))
        assert sketcher.n_clusters == 3
        with pytest.raises(NotFittedError):
            sketcher.sketch(blobs())


class TestBadInput:
    @pytest.mark.parametrize(
        ("parameters", "error", "message"),
        [
            ({"n_frequencies": 0}, ValueError, "n_frequencies.* must be at least 1, got 0"),
            ({"n_frequencies": 2.5}, TypeError, "n_frequencies.* must be an integer, got 2.5"),
            ({"n_frequencies": "many"}, TypeError, "n_frequencies.* must be an integer"),
            ({"n_clusters": 0}, ValueError, "n_clusters must be at least 1, got 0"),
            ({"n_clusters": True}, TypeError, "n_clusters must be an integer, got True"),
            ({"scale": 0.0}, ValueError, "scale.* must be positive and finite, got 0.0"),
            ({"scale": -1}, ValueError, "scale.* must be positive and finite, got -1"),
            ({"scale": np.nan}, ValueError, "scale.* must be positive and finite, got nan"),
            ({"scale": "big"}, TypeError, "scale.* must be a real number, got 'big'"),
            ({"radius_law": "cauchy"}, ValueError, "radius_law must be a RadiusLaw or one of"),
        ],
    )
    def test_parameters(self, parameters, error, message):
        with pytest.raises(error, match=message):
            Sketcher(**parameters).fit(blobs())

    @pytest.mark.parametrize(("n_jobs", "error"), [(0, ValueError), (1.5, TypeError)])
    def test_n_jobs(self, n_jobs, error):
        with pytest.raises(error, match="n_jobs must"):
            Sketcher.from_operator(operator(2, 3), n_jobs=n_jobs).sketch(rows_for(2))

    @pytest.mark.parametrize(
        ("X", "message"),
        [
            (np.empty((0, 3)), "0 sample"),
            (np.empty((3, 0)), "0 feature"),
            (np.ones(3), "1D array"),
            (np.ones((2, 2, 2)), "dim 3"),
            ([[1.0, np.nan]], "NaN"),
            ([[1.0, -np.inf]], "infinity"),
            ([[1.0 + 2j, 3.0]], "Complex"),
            ([["a", "b"]], "numeric"),
        ],
    )
    def test_rows_to_fit_on(self, X, message):
        with pytest.raises(ValueError, match=message):
            Sketcher(10).fit(X)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (np.nan, "contains NaN .* row 9999, column 1"),
            (np.inf, "contains infinity .* row 9999, column 1"),
            (-np.inf, "contains infinity .* row 9999, column 1"),
            (1e200, r"too large for this operator's frequencies: 1e\+200 at row 9999, column 1"),
        ],
    )
    def test_rows_to_sketch(self, value, message, n_jobs):
        X = np.zeros((20_000, 2))
        X[9999, 1] = value
        sketcher = Sketcher.from_operator(operator(2, 3), n_jobs=n_jobs)
        with pytest.raises(ValueError, match=message):
            sketcher.sketch(X)
        assert sketcher.sketch(X[:9999]).n_samples == 9999

    def test_another_number_of_features(self):
        with pytest.raises(ValueError, match="4 features, but Sketcher is expecting 3"):
            Sketcher.from_operator(operator(3, 3)).sketch(np.ones((5, 4)))

    @pytest.mark.parametrize(
        ("weights", "message"),
        [
            (np.ones(N - 1), rf"must have shape \({N},\), one weight a row, got \({N - 1},\)"),
            (np.ones((N, 1)), "must have shape"),
            (np.r_[-1.0, np.ones(N - 1)], "must not be negative, got -1.0"),
            (np.r_[np.nan, np.ones(N - 1)], "must be finite"),
            (np.r_[np.inf, np.ones(N - 1)], "must be finite"),
            (np.zeros(N), "must have a positive entry"),
            (np.full(N, 2.0**21), r"must not exceed 2\*\*20"),
            (np.full(N, 1e-5), r"at least 2\*\*-10 on average"),
        ],
    )
    def test_weights(self, weights, message):
        with pytest.raises(ValueError, match=message):
            Sketcher.from_operator(operator(3, 3)).sketch(rows_for(3), weights)

    def test_a_single_weight_is_every_rows(self):
        sketcher = Sketcher.from_operator(operator(3, 3))
        assert sketcher.sketch(rows_for(3), 2.0) == sketcher.sketch(rows_for(3), np.full(N, 2.0))

    def test_before_fit(self):
        for method in ("sketch", "transform"):
            with pytest.raises(NotFittedError):
                getattr(Sketcher(), method)(np.ones((2, 2)))

    def test_no_rows_are_the_empty_sketch(self):
        sketcher = Sketcher.from_operator(operator(3, 3))
        assert sketcher.sketch(np.empty((0, 3))) == Sketch.empty(sketcher.operator_)


class WatchedAccumulator(Accumulator):
    """An operator's accumulator that tells of the rows before it adds them."""

    def __init__(self, accumulator, tell):
        self._accumulator, self._tell = accumulator, tell
        self.chunk_size = accumulator.chunk_size

    def add(self, rows, weights, sums):
        self._tell(len(rows))
        return self._accumulator.add(rows, weights, sums)


class WatchedOperator:
    """An operator whose accumulators tell of the rows that they add."""

    def __init__(self, operator, tell):
        self._operator, self._tell = operator, tell

    def __getattr__(self, name):
        return getattr(self._operator, name)

    def accumulator(self):
        return WatchedAccumulator(self._operator.accumulator(), self._tell)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_stops_soon_and_leaves_the_sketcher_usable(n_jobs):
    endless = np.broadcast_to(np.zeros((1, 2)), (50_000_000, 2))
    added = []

    def interrupt(n_rows):
        added.append(n_rows)
        # Again if it was lost: an exception raised in a callback that ignores them is.
        if len(added) == 3 or len(added) % 1000 == 0:
            _thread.interrupt_main()

    sketcher = Sketcher.from_operator(WatchedOperator(operator(2, 500), interrupt), n_jobs=n_jobs)
    # An exception that happens to be raised in one of the collector's callbacks would be lost.
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt):
            sketcher.sketch(endless)
    finally:
        gc.enable()
    # Rows that were still added are those of the wait until the interrupt is noticed.
    assert sum(added) < len(endless) / 2
    assert sketcher.sketch(rows_for(2)).n_samples == N


def test_total_and_square_of_weights_are_exact():
    units = np.random.default_rng(0).integers(0, 2**40, size=5000, endpoint=True)
    total, square = sum_with_squares(units)
    assert total == sum(int(u) for u in units)
    assert square == sum(int(u) ** 2 for u in units)


@pytest.mark.slow
@parametrize_with_checks([Sketcher(20, random_state=0)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_rows_whose_squares_overflow_are_refused():
    rows = np.array([[1e300, 0.0], [0.0, 1.0], [-1e300, 2.0]])
    with pytest.raises(ValueError, match=r"X must not exceed 1e\+150 in magnitude, got 1e\+300"):
        Sketcher(random_state=0).fit(rows)


@pytest.mark.parametrize("make", [make_moment_sketcher, Sketcher(20, random_state=0).fit])
@pytest.mark.parametrize(("size", "word"), [(1e-200, "small"), (1e-90, "small"), (1e90, "large")])
def test_rows_that_are_far_too_small_or_large_are_refused_in_words_of_the_data(make, size, word):
    rows = size * np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(ValueError, match=f"X is too {word} .* multiply all columns by 1e") as error:
        make(rows)
    assert "scale must" not in str(error.value)
    factor = float(str(error.value).rpartition(" ")[2])
    make(factor * rows)
    # Where nothing varies there is nothing to square.
    make(np.full((5, 2), 1e-200))


@pytest.mark.parametrize("spread", [0.1, 1.0, 20.0])
def test_a_share_of_the_frequencies_looks_at_wider_scales(spread):
    octaves = draw_octaves(spread, 0.0, 1000, np.random.default_rng(0))
    reach = max(np.log2(WIDE.reach * spread), 0.0)
    assert np.all(octaves <= 0.0)
    assert np.all(octaves >= -reach)
    n_wide = round(WIDE.share * 1000)
    assert np.count_nonzero(octaves) == (n_wide if reach else 0)
    # Uniform, by its mean within four standard errors.
    error = reach / np.sqrt(12 * n_wide)
    assert abs(-octaves.sum() / n_wide - reach / 2) <= 4 * error


def test_few_frequencies_all_look_at_the_clusters_scale():
    rng = np.random.default_rng(0)
    rows = 30.0 * rng.integers(5, size=(2000, 2)) + rng.standard_normal((2000, 2))

    def squared_norms(factor):
        m = round(factor * WIDE.least_numbers * 25 * 2)
        operator = Sketcher(m, n_clusters=25, random_state=0).fit(rows).operator_
        return operator.scale**2 * operator.linear_map.squared_norms

    assert np.quantile(squared_norms(0.9), 0.1) > 10 * np.quantile(squared_norms(1.0), 0.1)
