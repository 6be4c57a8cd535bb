"""Pictures of drift: what the artists hold, against comparisons and means."""

import io
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from scipy.stats import t

from sketchlearn import DriftMonitor, Sketcher, SketchMismatchError, compare
from sketchlearn.plotting import DriftDisplay, MonitorDisplay

SHIFTS = [0.0, 0.0, 0.4, 0.0]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return [rng.normal([shift, 0.0, -2 * shift], [1, 2, 3], (1500, 3)) for shift in SHIFTS]


@pytest.fixture(scope="module")
def windows(rows):
    sketcher = Sketcher(60, random_state=0).fit(rows[0])
    return {f"day {i}": sketcher.sketch(day) for i, day in enumerate(rows)}


def test_ratios_are_those_of_comparisons_with_the_first(windows):
    display = DriftDisplay.from_windows(windows)
    first, *others = windows.values()
    expected = [np.nan, *(compare(first, other).ratio for other in others)]
    np.testing.assert_allclose(display.line_.get_ydata(), expected)
    assert display.names == tuple(windows)
    beyond = [i for i, p in enumerate(display.p_values) if p <= 0.05 / 4]
    assert display.rings_.get_xdata().tolist() == beyond
    p_values = [compare(first, other).p_value for other in others]
    np.testing.assert_allclose(display.p_values, [1.0, *p_values])
    assert display.image_ is None
    # Only what moved is beyond chance.
    assert int(np.nanargmax(display.ratios)) == 2


def test_against_all_others_together(windows):
    display = DriftDisplay.from_windows(windows.values(), reference="others")
    total = sum(list(windows.values())[1:], windows["day 0"])
    expected = [compare(total - one, one).ratio for one in windows.values()]
    np.testing.assert_allclose(display.ratios, expected)


def test_against_a_sketch_of_other_rows(windows, rows):
    other = windows["day 3"]
    display = DriftDisplay.from_windows([windows["day 0"], windows["day 2"]], reference=other)
    np.testing.assert_allclose(display.ratios[1], compare(other, windows["day 2"]).ratio)


def test_shifts_are_those_of_means_in_deviations(windows, rows):
    display = DriftDisplay.from_windows(windows, by="column")
    drawn = np.asarray(display.image_.get_array())
    first = rows[0]
    expected = [(day.mean(axis=0) - first.mean(axis=0)) / first.std(axis=0) for day in rows]
    np.testing.assert_allclose(drawn, np.transpose(expected), atol=1e-4)
    # White is no shift.
    assert display.image_.norm.vmin == -display.image_.norm.vmax
    assert display.line_ is None


def test_groups_of_a_table_are_windows(rows):
    X = np.concatenate(rows)
    sketcher = Sketcher(60, random_state=0).fit(X)
    table = sketcher.sketch_groups(X, {"day": np.repeat(["a", "b", "c", "d"], 1500)})
    display = DriftDisplay.from_windows(table, reference="others")
    assert display.names == ("a", "b", "c", "d")
    assert int(np.nanargmax(display.ratios)) == 2


@pytest.mark.parametrize("by", ["time", "column"])
def test_names_of_windows_and_columns_are_drawn_as_they_are(rows, by):
    frames = [pd.DataFrame(some).rename(columns=lambda i: f"$^{i}$") for some in rows[:2]]
    sketcher = Sketcher(40, random_state=0).fit(frames[0])
    windows = {"a $^$": sketcher.sketch(frames[0]), "b": sketcher.sketch(frames[1])}
    display = DriftDisplay.from_windows(windows, by=by)
    file = io.StringIO()
    with pyplot.rc_context({"svg.fonttype": "none"}):
        display.figure_.savefig(file, format="svg")
    drawn = re.findall(r"<text[^>]*>(.*?)</text>", file.getvalue())
    assert "a $^$" in drawn
    assert ("$^0$" in drawn) == (by == "column")


def test_a_constant_column_that_stays_has_not_moved():
    X = np.random.default_rng(0).normal(size=(400, 2))
    X[:, 1] = 7.0
    sketcher = Sketcher(40, random_state=0).fit(X)
    display = DriftDisplay.from_windows([sketcher.sketch(X[:200]), sketcher.sketch(X[200:])])
    assert display.shifts[1, 1] == 0.0


def test_what_cannot_be_compared_is_refused(windows, rows):
    with pytest.raises(ValueError, match="two windows at least, got 1"):
        DriftDisplay.from_windows([windows["day 0"]])
    with pytest.raises(TypeError, match="windows that are sketches, got ndarray"):
        DriftDisplay.from_windows(rows)
    with pytest.raises(ValueError, match="a sketch, 'first' or 'others', got 'last'"):
        DriftDisplay.from_windows(windows, reference="last")
    with pytest.raises(ValueError, match="'time' or 'column', got 'row'"):
        DriftDisplay.from_windows(windows, by="row")
    other = Sketcher(60, random_state=1).fit(rows[0]).sketch(rows[0])
    with pytest.raises(SketchMismatchError):
        DriftDisplay.from_windows([windows["day 0"], other])
    bare = Sketcher(60, random_state=0, moments=None).fit(rows[0])
    with pytest.raises(ValueError, match="no moments to tell columns apart by"):
        DriftDisplay.from_windows([bare.sketch(day) for day in rows], by="column")
    assert pyplot.get_fignums() == []


@pytest.fixture(scope="module")
def many():
    """Twenty-four days that differ by themselves, and one that differs more."""
    rng = np.random.default_rng(0)
    days = rng.normal(size=(24, 400, 2)) + rng.normal(scale=0.1, size=(24, 1, 2))
    days[22, :, 1] += 1.5
    sketcher = Sketcher(40, random_state=0).fit(days[0])
    return {f"day {i}": sketcher.sketch(day) for i, day in enumerate(days)}, days


def test_a_monitors_scores_and_alarms_are_drawn(many):
    windows = list(many[0].values())
    monitor = DriftMonitor(windows[:20])
    display = MonitorDisplay.from_monitor(monitor, windows[20:])
    reports = [monitor.check(one) for one in windows[20:]]
    np.testing.assert_allclose(display.line_.get_ydata(), [each.score for each in reports])
    np.testing.assert_allclose(display.limit_.get_ydata(), [each.threshold for each in reports])
    alarms = [i for i, each in enumerate(reports) if each.is_drift]
    assert 2 in alarms
    assert display.rings_.get_xdata().tolist() == alarms
    assert len(display.reference_.get_xdata()) == 20
    assert max(display.reference_.get_xdata()) < 0
    assert display.image_ is None


def test_windows_in_order_are_checked_against_the_quiet_ones_before(many):
    display = MonitorDisplay.from_windows(many[0], by="column")
    assert display.names == tuple(f"day {i}" for i in range(19, 24))
    watch = DriftMonitor(list(many[0].values())[:19])
    for i, name in enumerate(display.names):
        report = watch.check(many[0][name])
        assert display.scores[i] == report.score
        assert bool(display.is_drift[i]) == report.is_drift
        if not report.is_drift:
            watch = watch.extended(many[0][name])
    means = many[1].mean(axis=1)
    expected = (means[19:] - means[:19].mean(axis=0)) / means[:19].std(axis=0, ddof=1)
    np.testing.assert_allclose(display.image_.get_array().T, expected, atol=1e-3)
    display.plot(by="time")
    assert display.image_ is None


def test_a_reference_window_far_apart_is_named(many):
    windows = dict(many[0])
    bad = {"bad": windows.pop("day 22"), **windows}
    with pytest.warns(UserWarning, match="window bad stands far apart"):
        display = MonitorDisplay.from_windows(bad)
    assert display.reference_outliers == ("bad",)
    assert "far apart in the reference: bad" in display.ax_.get_title()
    display.plot(by="column")
    assert "far apart in the reference: bad" in display.ax_.get_title()


def test_one_window_is_one_window(many):
    windows = list(many[0].values())
    display = MonitorDisplay.from_monitor(DriftMonitor(windows[:20]), windows[20:21])
    assert display.ax_.get_title().endswith("in 1 window")


def test_ordinary_days_do_not_have_the_strongest_colours(many):
    windows = list(many[0].values())[:22]
    display = MonitorDisplay.from_windows(windows, by="column")
    # Of six shifts, by Bonferroni, from twenty windows less one.
    chance = t.ppf(1 - 0.05 / 12, 18) * np.sqrt(1 + 1 / 19)
    assert np.abs(display.shifts).max() < chance
    assert display.image_.norm.vmax == pytest.approx(chance)
    assert f"within ± {chance:.1f}" in display.image_.colorbar.ax.get_ylabel()


def test_a_picture_says_what_a_circle_means(windows):
    for reference, what in (("first", "the first"), ("others", "all others together")):
        display = DriftDisplay.from_windows(windows, reference=reference)
        assert f"circle: differs from {what}" in display.rings_.get_label()
        assert what in display.ax_.get_title()


def test_what_a_monitor_cannot_check_is_refused(many):
    windows = list(many[0].values())
    with pytest.raises(ValueError, match="19 reference windows and one more are needed"):
        MonitorDisplay.from_windows(windows[:19])
    with pytest.raises(ValueError, match="expected one window at least, got 0"):
        MonitorDisplay.from_monitor(DriftMonitor(windows[:20]), [])
    with pytest.raises(TypeError, match="expected a DriftMonitor, got str"):
        MonitorDisplay.from_monitor("monitor", windows)
    for wrong, error in ((-1, ValueError), (0, ValueError), ("19", TypeError)):
        with pytest.raises(error, match="n_reference must be"):
            MonitorDisplay.from_windows(windows, n_reference=wrong)
    with pytest.raises(ValueError, match="by must be 'time' or 'column', got 'day'"):
        MonitorDisplay.from_windows(windows, by="day")
    assert pyplot.get_fignums() == []
