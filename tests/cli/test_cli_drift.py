"""The commands compare and monitor."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import NAMES, done, failed, run

from sketchlearn import Sketch, Sketcher

DAYS = [f"{day:02}" for day in range(12)]


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Twelve days of sketches, the last of them shifted in one column."""
    folder = tmp_path_factory.mktemp("days")
    rng = np.random.default_rng(0)
    for day in DAYS:
        center = rng.normal([10.0, 5.0], 0.1) + ([1.0, 0.0] if day == DAYS[-1] else [0.0, 0.0])
        frame = pd.DataFrame(rng.normal(center, 1.0, size=(1000, 2)), columns=NAMES)
        frame.to_parquet(folder / f"{day}.parquet")
        how = ["--like", folder / "00.sketch"] if day != DAYS[0] else ["-m", "40", "--paired"]
        done("sketch", folder / f"{day}.parquet", *how, "-o", folder / f"{day}.sketch")
    return folder


@pytest.fixture
def folder(days, monkeypatch):
    monkeypatch.chdir(days)
    return days


def test_compare_tells_all_of_it(folder):
    told = json.loads(done("compare", "00.sketch", "11.sketch", "--json"))
    assert told["is_paired"]
    assert told["p_value"] < 1e-6
    assert [column["name"] for column in told["columns"]] == NAMES
    assert told["columns"][0]["shift"] == pytest.approx(1.0, abs=0.3)
    table = done("compare", "00.sketch", "11.sketch")
    assert "effect size error" in table
    assert table.index("price") < table.index("weight")


def test_compare_ends_with_3_where_it_is_asked_to(folder):
    assert run("compare", "00.sketch", "11.sketch", "--alpha", "0.01").exit_code == 3
    assert run("compare", "00.sketch", "00.sketch", "--alpha", "0.01").exit_code == 0
    failed("compare", "00.sketch", "11.sketch", "--alpha", "2", code=2)


def test_monitor_tells_which_windows_differ(folder):
    paths = [f"{day}.sketch" for day in DAYS]
    result = run("monitor", *paths, "--alpha", "0.1", "--reference", "10", "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert [row["window"] for row in told["windows"]] == paths[10:]
    last = told["windows"][-1]
    assert (last["is_drift"], last["moved_columns"][0]) == (True, "price")
    table = run("monitor", *paths[:-1], "--alpha", "0.1", "--reference", "10")
    assert "p_value" in table.stdout.replace("p value", "p_value")


def test_monitor_takes_a_table_of_sketches(folder):
    first = Sketch.load("00.sketch")
    frames = [pd.read_parquet(f"{day}.parquet") for day in DAYS]
    keys = np.repeat(DAYS, [len(frame) for frame in frames])
    rows = pd.concat(frames, ignore_index=True)
    table = Sketcher.from_sketch(first).sketch_groups(rows, {"day": keys})
    table.to_parquet("cube.parquet")
    options = ["--alpha", "0.1", "--reference", "10", "--json"]
    of_table = run("monitor", "cube.parquet", "--by", "day", *options)
    of_files = run("monitor", *[f"{day}.sketch" for day in DAYS], *options)
    assert of_table.exit_code == of_files.exit_code == 3
    told = [json.loads(one.stdout.replace(".sketch", "")) for one in (of_table, of_files)]
    assert told[0] == told[1]
    assert "month" in failed("monitor", "cube.parquet", "--by", "month")


def test_what_differs_is_labelled_by_what_is_compared(folder):
    table = done("compare", "00.sketch", "11.sketch")
    assert "mean of 00.sketch" in table
    assert "deviation of 11.sketch" in table
    assert "shift: mean of 11.sketch less that of 00.sketch" in table
    frames = [pd.read_parquet(f"{day}.parquet") for day in DAYS[-3:]]
    keys = np.repeat(DAYS[-3:], [len(frame) for frame in frames])
    sketcher = Sketcher.from_sketch(Sketch.load("00.sketch"))
    groups = sketcher.sketch_groups(pd.concat(frames, ignore_index=True), {"day": keys})
    groups.to_parquet("three.parquet")
    table = done("compare", "three.parquet", "--key", "day=11")
    assert table.index("mean of day=11") < table.index("mean of others")
    assert "shift: mean of others less that of day=11" in table
    assert "mean of day=10" in done(
        "compare", "three.parquet", "--key", "day=11", "--with", "day=10"
    )


def test_monitor_tells_of_a_bad_window_in_the_reference(folder):
    paths = ["11.sketch", *[f"{day}.sketch" for day in DAYS[:-1]]]
    options = ["--alpha", "0.1", "--reference", "11"]
    result = run("monitor", *paths, *options, "--json")
    assert json.loads(result.stdout)["reference_outliers"] == ["11.sketch"]
    assert "warning: reference window 11.sketch stands far apart" in result.stderr
    quiet = run("monitor", *paths[1:], "--alpha", "0.1", "--json")
    assert json.loads(quiet.stdout)["reference_outliers"] == []


def test_monitor_refuses_too_few_windows(folder):
    assert "19 reference windows and one more" in failed("monitor", "00.sketch", "01.sketch")
    few = failed("monitor", *[f"{d}.sketch" for d in DAYS], "--reference", "5", "--alpha", "0.1")
    assert "at least 9 reference windows" in few


@pytest.mark.parametrize("alpha", ["0", "1", "nan", "-0.1"])
def test_monitor_refuses_levels_that_are_none(folder, alpha):
    assert "alpha must be" in failed("monitor", "00.sketch", "01.sketch", "--alpha", alpha, code=2)


def test_paired_is_refused_where_an_operator_is_given(folder):
    line = failed(
        "sketch", "00.parquet", "--like", "01.sketch", "--paired", "-o", "x.sketch", code=2
    )
    assert "--paired" in line


@pytest.mark.parametrize("how", [[], ["--paired"]])
@pytest.mark.parametrize("scale", ["auto", "columns"])
def test_columns_whose_width_a_sketch_does_not_see_are_told(tmp_path, monkeypatch, scale, how):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    for name, width in (("a", 1.0), ("b", 2.0)):
        rows = rng.normal(size=(20_000, 2)) * [10_000.0, width]
        pd.DataFrame(rows, columns=NAMES).to_parquet(f"{name}.parquet")
    done("sketch", "a.parquet", *how, "--scale", scale, "-m", "60", "-o", "a.sketch")
    done("sketch", "b.parquet", "--like", "a.sketch", "-o", "b.sketch")
    told = json.loads(done("compare", "a.sketch", "b.sketch", "--json"))
    sees = scale == "columns"
    # What is told where it is not seen is a remedy that works.
    assert told["p_value"] < 1e-6 if sees else told["p_value"] > 1e-3
    table = done("compare", "a.sketch", "b.sketch")
    assert (f"narrow: {NAMES[1]}, beside the scale" in table) == (not sees)
    assert ("sketch with --scale columns" in table) == (not sees)
