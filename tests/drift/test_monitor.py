"""Windows against the variation of windows."""

import numpy as np
import pandas as pd
import pytest

from sketchlearn import DriftMonitor, EmptySketchError, Sketcher, SketchMismatchError, compare
from sketchlearn.drift.scores import WindowMeans, find_windows_apart, score_windows
from sketchlearn.privacy import release

SKETCHER = Sketcher(60, paired=True, random_state=0).fit(
    np.random.default_rng(0).normal(size=(2000, 3))
)


def draw_day(rng, n=500, shift=0.0, between=0.1):
    center = rng.normal(shift, between, size=3)
    return SKETCHER.sketch(rng.normal(center, 1.0, size=(n, 3)))


def test_days_that_differ_as_days_do_are_no_alarms_though_their_rows_differ():
    rng = np.random.default_rng(1)
    monitor = DriftMonitor([draw_day(rng, 5000) for _ in range(39)])
    reports = [monitor.check(draw_day(rng, 5000)) for _ in range(20)]
    assert np.mean([report.comparison.p_value < 1e-3 for report in reports]) > 0.9
    assert np.mean([report.is_drift for report in reports]) <= 0.25
    moved = monitor.check(draw_day(rng, 5000, shift=1.0))
    assert moved.is_drift
    assert moved.p_value == 1 / 40
    assert moved.score > moved.threshold
    assert len(moved.comparison.moved_columns()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(300, 300), (600, 150)], ids=str)
def test_as_many_alarms_as_the_level_says(sizes):
    rng, found = np.random.default_rng(2), []
    for _ in range(100):
        days = [draw_day(rng, sizes[0]) for _ in range(19)]
        found.append(DriftMonitor(days).check(draw_day(rng, sizes[1])).is_drift)
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


def test_ranks_are_those_of_scores_that_are_symmetric():
    rng = np.random.default_rng(3)
    days = [draw_day(rng) for _ in range(20)]
    scores = score_windows(days)
    np.testing.assert_allclose(score_windows(days[::-1])[::-1], scores, rtol=1e-9)
    # Windows left out one by one have all ranks, once each.
    ranks = []
    for i, day in enumerate(days):
        report = DriftMonitor(days[:i] + days[i + 1 :], alpha=0.05).check(day)
        assert report.is_drift == (report.score > report.threshold)
        ranks.append(round(20 * report.p_value))
    assert sorted(ranks) == [*range(1, 21)]


def test_mappings_and_lists_are_alike_and_the_total_is_their_sum():
    rng = np.random.default_rng(4)
    days = {f"day {i}": draw_day(rng) for i in range(20)}
    new = draw_day(rng)
    a, b = DriftMonitor(days), DriftMonitor(iter(days.values()))
    assert a.check(new).p_value == b.check(new).p_value
    assert a.total == sum(days.values())
    assert a.check(new).comparison.p_value == compare(a.total, new).p_value
    longer = a.extended(new)
    assert (len(a.windows), len(longer.windows)) == (20, 21)
    assert longer.total == sum(longer.windows) != a.total
    assert "20 reference windows" in repr(a)
    assert "is_drift" in repr(a.check(new))


def test_identical_windows():
    day = draw_day(np.random.default_rng(5))
    assert DriftMonitor([day] * 19).check(day).p_value == 1.0


def test_what_is_no_window_is_refused():
    rng = np.random.default_rng(6)
    days = [draw_day(rng, 50) for _ in range(19)]
    with pytest.raises(ValueError, match="at least 19 reference windows, got 18"):
        DriftMonitor(days[:18])
    with pytest.raises(ValueError, match="at least 99"):
        DriftMonitor(days, alpha=0.01)
    with pytest.raises(ValueError, match="alpha"):
        DriftMonitor(days, alpha=1.5)
    with pytest.raises(ValueError, match="got 0"):
        DriftMonitor([])
    with pytest.raises(TypeError, match="expected a list of windows that are sketches"):
        DriftMonitor([*days, "friday"])
    monitor = DriftMonitor(days)
    with pytest.raises(EmptySketchError):
        monitor.check(SKETCHER.sketch(np.zeros((0, 3))))
    other = Sketcher(60, random_state=1).fit(np.eye(3)).sketch(np.eye(3))
    with pytest.raises(SketchMismatchError, match="different operators"):
        monitor.check(other)
    with pytest.raises(TypeError, match="got ndarray: rows X become a sketch by"):
        monitor.check(np.zeros((3, 3)))
    with pytest.raises(
        TypeError,
        match="expected a DataFrame of windows that are sketches, got str: rows X",
    ):
        DriftMonitor(pd.DataFrame(np.zeros((3, 2)), columns=["a", "b"]))


@pytest.mark.slow
def test_a_large_window_is_no_alarm_among_small_ones_that_vary_by_their_rows_alone():
    rng, found = np.random.default_rng(7), []
    for _ in range(60):
        days = [draw_day(rng, 50, between=0.0) for _ in range(19)]
        found.append(DriftMonitor(days).check(draw_day(rng, 2000, between=0.0)).is_drift)
    assert np.mean(found) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_a_single_sketch_is_no_reference():
    day = draw_day(np.random.default_rng(8))
    for given in (day, 7):
        with pytest.raises(TypeError, match="expected a list of windows"):
            DriftMonitor(given)


def draw_reference(rng, n_days=20, between=0.02, bad=()):
    """Return days, bad ones of which are a standard deviation off in one column of three."""
    centers = rng.normal(scale=between, size=(n_days, 3))
    centers[list(bad), 1] += 1.0
    return [SKETCHER.sketch(rng.normal(center, 1.0, size=(500, 3))) for center in centers]


def test_a_bad_reference_day_is_told_and_without_it_later_drift_is_found():
    rng = np.random.default_rng(9)
    days = {f"day {i}": day for i, day in enumerate(draw_reference(rng, bad=[7]))}
    later = SKETCHER.sketch(rng.normal([0.0, 0.5, 0.0], 1.0, size=(500, 3)))
    with pytest.warns(UserWarning, match="window day 7 stands far apart.*leave it out"):
        monitor = DriftMonitor(days)
    report = monitor.check(later)
    assert not report.is_drift
    assert monitor.reference_outliers == report.reference_outliers == ("day 7",)
    for told in (repr(monitor), repr(report)):
        assert "reference_outliers=('day 7',)" in told
    # Told once, and kept.
    assert monitor.extended(later).reference_outliers == ("day 7",)
    del days["day 7"]
    mended = DriftMonitor(days)
    assert mended.reference_outliers == ()
    assert "outliers" not in repr(mended.check(later))
    assert mended.check(later).is_drift


def test_bad_days_do_not_hide_each_other_and_lists_have_places():
    days = draw_reference(np.random.default_rng(10), bad=[3, 15])
    with pytest.warns(UserWarning, match="windows 3, 15 stand far apart.*leave them out"):
        assert DriftMonitor(days).reference_outliers == (3, 15)
    # What is few is not judged.
    assert find_windows_apart(WindowMeans.of(days[:8])) == ()
    assert find_windows_apart(WindowMeans.of([days[0]] * 20)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("skewness", [0.0, 1.8])
def test_days_that_vary_alike_seldom_stand_apart(skewness):
    rng, n_references = np.random.default_rng(11), 150
    found = 0
    for _ in range(n_references):
        centers = rng.normal(size=(20, 3))
        if skewness:
            # Log-normal of sigma 1/2, whose skewness is 1.75, with a standard deviation of 1.
            centers = np.exp(centers / 2) / 0.604
        rows = rng.normal(0.1 * centers[:, None], 1.0, size=(20, 400, 3))
        found += bool(find_windows_apart(WindowMeans.of(map(SKETCHER.sketch, rows))))
    assert found / n_references <= 0.02 + 3 * np.sqrt(0.02 * 0.98 / n_references)


def test_private_days_are_judged_by_their_noise_too():
    sketcher = Sketcher.from_domain(
        [-5.0] * 2, [5.0] * 2, n_frequencies=20, paired=True, clip=True, random_state=0
    )
    rng = np.random.default_rng(12)
    rows = rng.normal(size=(12, 20_000, 2))
    rows[4] += 2.0
    days = [release(sketcher.sketch(day), epsilon=5.0, delta=1e-6) for day in rows]
    # The noise is random: the score of day 4 is some 10,000, and 7 times the largest other some 9.
    assert find_windows_apart(WindowMeans.of(days)) == (4,)
