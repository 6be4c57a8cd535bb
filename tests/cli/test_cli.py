"""The command line, in this process: what each command writes, prints, and ends with."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import NAMES, done, failed, rows, run, sketch
from full_disk import no_file_beyond

from sketchlearn import CompressiveKMeans, Sketch, Sketcher, load_model
from sketchlearn.cli import options

pytestmark = pytest.mark.slow


def test_sketch_gives_the_bytes_of_memory(folder):
    loaded = Sketch.load("all.sketch")
    assert (
        Sketcher.from_sketch(loaded).sketch(pd.DataFrame(rows(), columns=NAMES)).to_bytes()
        == (folder / "all.sketch").read_bytes()
    )
    fitted = Sketcher(60, keep_pilot=False, random_state=0).fit("day-*.parquet", columns=NAMES)
    assert fitted.operator_.fingerprint == loaded.fingerprint


def test_the_same_command_gives_the_same_bytes_for_any_number_of_threads(folder):
    done(sketch("-m", "60", "-j", "1", "-o", "again.sketch"))
    assert (folder / "again.sketch").read_bytes() == (folder / "all.sketch").read_bytes()


def test_like_merge_and_subtract(folder):
    for day in range(3):
        done(sketch("--like", "all.sketch", "-o", f"{day}.sketch", data=f"day-{day}.parquet"))
    done("merge", "0.sketch", "1.sketch", "2.sketch", "-o", "sum.sketch")
    assert Path("sum.sketch").read_bytes() == Path("all.sketch").read_bytes()
    done("subtract", "all.sketch", "0.sketch", "2.sketch", "-o", "rest.sketch")
    assert Path("rest.sketch").read_bytes() == Path("1.sketch").read_bytes()


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["price > 5"], lambda f: f.price > 5),
        (["price > 5", "weight<=20.5"], lambda f: (f.price > 5) & (f.weight <= 20.5)),
        (["city == Oslo"], lambda f: f.city == "Oslo"),
        (["city in 'Oslo', Nice"], lambda f: f.city != "Rome"),
        (["city not in Oslo,Nice"], lambda f: f.city == "Rome"),
    ],
)
def test_filters(folder, conditions, kept):
    frame = pd.read_parquet(sorted(folder.glob("day-*.parquet")))
    options = [word for condition in conditions for word in ("--filter", condition)]
    done(sketch("--like", "all.sketch", *options, "-o", "some.sketch"))
    operator = Sketch.load("all.sketch").operator
    expected = Sketcher.from_operator(operator).sketch(frame[kept(frame)][NAMES].to_numpy())
    assert Sketch.load("some.sketch") == expected


def test_values_of_conditions():
    read = options.parse_conditions(
        ["a = 1", "b >= 1.5e3", "c != true", "d < 2026-01-31", "e == '7'", "f == x y", "g in 1,b"]
    )
    assert [type(value).__name__ for _, _, value in read] == (
        ["int", "float", "bool", "datetime", "str", "str", "list"]
    )
    assert [operator for _, operator, _ in read][:3] == ["==", ">=", "!="]
    assert read[-1] == ("g", "in", [1, "b"])
    assert read[-2] == ("f", "==", "x y")


def test_columns_of_arrays_are_numbers(folder):
    np.save("rows.npy", np.column_stack([rows(), np.zeros(3_000)]))
    done("sketch", "rows.npy", "--columns", "0,1", "--like", "all.sketch", "-o", "npy.sketch")
    assert Path("npy.sketch").read_bytes() == Path("all.sketch").read_bytes()
    assert "columns of arrays are numbers" in failed(
        "sketch", "rows.npy", "--columns", "price", "-o", "x.sketch", code=2
    )


def test_weights(folder):
    frame = pd.DataFrame(rows(30), columns=NAMES).assign(times=range(1, 31))
    frame.to_parquet("weighted.parquet")
    done(sketch("--weight", "times", "--like", "all.sketch", "-o", "w", data="weighted.parquet"))
    repeated = Sketcher.from_operator(Sketch.load("w").operator).sketch(rows(30), range(1, 31))
    assert Sketch.load("w") == repeated


def test_info_of_every_kind(folder):
    told = json.loads(done("info", "all.sketch", "--json"))
    assert (told["kind"], told["n_samples"], told["n_frequencies"]) == ("sketch", 3_000, 60)
    assert told["fingerprint"] == Sketch.load("all.sketch").fingerprint
    assert told["feature_names"] == NAMES
    np.testing.assert_allclose(told["mean"], rows().mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(told["standard_deviation"], rows().std(axis=0), rtol=1e-5)
    assert "linear_map" not in told
    sketcher = Sketcher(20, operator="butterfly", random_state=0).fit(rows())
    sketcher.sketch(rows()).save("butterfly.sketch")
    told = json.loads(done("info", "butterfly.sketch", "--json"))
    assert (told["linear_map"], told["features"]) == ("butterfly", "waves")
    told = json.loads(done("info", "all.model", "--json"))
    assert (told["kind"], told["estimator"]) == ("model", "CompressiveKMeans")
    assert len(told["weights"]) == told["parameters"]["n_clusters"] == 3
    table = done("info", "all.sketch")
    assert "n samples           3,000\n" in "\n".join(map(str.rstrip, table.splitlines())) + "\n"
    assert "if these are rows, sketch them first" in failed("info", "day-0.parquet")
    none = Sketch.empty(Sketch.load("all.sketch").operator)
    none.save("none.sketch")
    assert json.loads(done("info", "none.sketch", "--json"))["standard_error"] is None
    assert "standard error  -" in done("info", "none.sketch")


def test_compare(folder):
    for day in (0, 1):
        done(sketch("--like", "all.sketch", "-o", f"{day}.sketch", data=f"day-{day}.parquet"))
    same = json.loads(done("compare", "0.sketch", "1.sketch", "--json"))
    assert same["ratio"] < 2
    assert same["n_samples"] == [1_000, 1_000]
    pd.DataFrame(rows() + 1.0, columns=NAMES).to_parquet("moved.parquet")
    done(sketch("--like", "all.sketch", "-o", "moved.sketch", data="moved.parquet"))
    assert json.loads(done("compare", "0.sketch", "moved.sketch", "--json"))["ratio"] > 5
    assert "p value bound" in done("compare", "0.sketch", "moved.sketch")


def test_fit_and_predict(folder):
    model = load_model("all.model")
    assert type(model) is CompressiveKMeans
    done("predict", "all.model", "day-*.parquet", "--columns", "price,weight", "-o", "l.parquet")
    labels = pd.read_parquet("l.parquet")
    assert list(labels.columns) == ["label"]
    np.testing.assert_array_equal(
        labels["label"], model.predict(pd.DataFrame(rows(), columns=NAMES))
    )


def test_labels_may_be_csv_but_nothing_else(folder):
    arguments = ["predict", "all.model", "day-0.parquet", "--columns", "price,weight"]
    done(*arguments, "-o", "l.parquet")
    done(*arguments, "-o", "l.csv")
    assert pd.read_csv("l.csv").astype("int32").equals(pd.read_parquet("l.parquet"))
    assert "end in .parquet, .pq, .csv, got l.npy" in failed(*arguments, "-o", "l.npy", code=2)


def test_a_failure_to_write_labels_keeps_the_older_ones(folder):
    arguments = ["predict", "all.model", "day-0.parquet", "--columns", "price,weight"]
    done(*arguments, "-o", "l.csv")
    before = Path("l.csv").read_bytes()

    with no_file_beyond(500):
        assert os.strerror(errno.EFBIG) in failed(*arguments, "-o", "l.csv")
    assert Path("l.csv").read_bytes() == before
    assert not [name for name in os.listdir() if name.startswith(".")]


@pytest.mark.parametrize("covariance", ["spherical", "diag", "full"])
def test_fit_gmm(folder, covariance):
    arguments = ["all.sketch", "-k", "3", "--covariance", covariance, "-o", "m.model"]
    done("fit", "gmm", *arguments)
    assert load_model("m.model").covariance_type == covariance
    done("predict", "m.model", "day-1.parquet", "--columns", "price,weight", "-o", "l.parquet")
    assert len(pd.read_parquet("l.parquet")) == 1_000


def test_a_model_of_named_features_finds_its_columns(folder):
    frame = pd.read_parquet("day-0.parquet")
    CompressiveKMeans(3, random_state=0).fit(frame[["weight", "price"]]).save("named.model")
    done("predict", "named.model", "day-0.parquet", "-o", "l.parquet")
    expected = load_model("named.model").predict(frame[["weight", "price"]])
    np.testing.assert_array_equal(pd.read_parquet("l.parquet")["label"], expected)


def test_what_fit_warns_of_is_one_line(folder):
    pd.DataFrame(rows(100), columns=NAMES).to_parquet("few.parquet")
    done(sketch("-m", "5", "-o", "few.sketch", data="few.parquet"))
    result = run("fit", "gmm", "few.sketch", "-k", "3", "-o", "few.model")
    assert result.exit_code == 0
    *warned, verdict = result.stderr.splitlines()
    assert all(line.startswith("sketchlearn: warning: ") for line in warned)
    assert verdict.startswith("sketchlearn: few.model: ")
    assert "a sketch of 5 frequencies" in result.stderr


def test_skipped_files_are_named_once_and_the_rest_is_sketched(folder):
    Path("day-1.parquet").unlink()
    Path("day-1.parquet").write_bytes(b"PAR1 and then nothing")
    assert "day-1.parquet" in failed(sketch("--like", "all.sketch", "-o", "x"))
    assert not Path("x").exists()
    result = run(*sketch("-m", "60", "--skip-errors", "-o", "x"))
    assert result.exit_code == 0
    assert result.stderr.startswith("sketchlearn: left out: ")
    assert "day-1.parquet" in result.stderr
    assert result.stderr.count("\n") == 1
    assert Sketch.load("x").n_samples == 2_000


def test_a_failed_run_goes_on_from_its_checkpoint(folder):
    target = os.readlink("day-1.parquet")
    Path("day-1.parquet").unlink()
    Path("day-1.parquet").write_bytes(b"PAR1 and then nothing")
    assert "day-1.parquet" in failed(sketch("--like", "all.sketch", "--checkpoint", "-o", "x"))
    told = json.loads(done("info", "x.checkpoint", "--json"))
    assert (told["kind"], told["files_finished"], told["n_samples"]) == ("checkpoint", 1, 1_000)
    Path("day-1.parquet").unlink()
    Path("day-1.parquet").symlink_to(target)
    result = run(*sketch("--checkpoint", "-o", "x"))
    assert result.exit_code == 0, result.stderr
    assert result.stderr == "sketchlearn: going on from x.checkpoint, after 1,000 rows\n"
    assert Path("x").read_bytes() == Path("all.sketch").read_bytes()
    assert not Path("x.checkpoint").exists()


def test_a_checkpoint_of_something_else_is_refused(folder):
    Path("day-1.parquet").unlink()
    Path("day-1.parquet").write_bytes(b"PAR1 and then nothing")
    failed(sketch("--like", "all.sketch", "--checkpoint", "-o", "x"))
    again = ["--checkpoint", "-o", "x"]
    assert "of 60 frequencies, not 70" in failed(sketch("-m", "70", *again))
    done(sketch("-m", "60", "--seed", "1", "-o", "other.sketch", data="day-0.parquet"))
    assert "with another operator" in failed(sketch("--like", "other.sketch", *again))
    result = run(*sketch(*again, data="day-2.parquet"))
    assert result.exit_code == 1
    assert "is of other data" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (sketch("-o", "x", data="nowhere.parquet"), "no file nowhere.parquet"),
        (sketch("-o", "x", data="no-*.parquet"), "no file matches no-*.parquet"),
        (sketch("-o", "x", data="all.sketch"), "cannot tell the format of all.sketch"),
        (["sketch", "day-0.parquet", "--columns", "price,size", "-o", "x"], "size"),
        (["sketch", "day-0.parquet", "-o", "x"], "city"),
        (sketch("--like", "day-0.parquet", "-o", "x"), "not a sketch file"),
        (sketch("-o", "nowhere/x"), "the directory nowhere of -o x does not exist"),
        (sketch("-o", "."), "is a directory"),
        (
            ["sketch", "day-0.parquet", "--columns", "price", "--like", "all.sketch", "-o", "x"],
            "day-0.parquet are price, without weight",
        ),
        (["merge", "all.sketch", "gone.sketch", "-o", "x"], "gone.sketch: No such file"),
        (["merge", "all.sketch", "all.model", "-o", "x"], "all.model: not a sketch file"),
        (["info", "day-1.parquet"], "day-1.parquet: no sketches are in it"),
        (["subtract", "all.sketch", "all.sketch", "all.sketch", "-o", "x"], "does not contain"),
        (["fit", "kmeans", "all.sketch", "-k", "61", "-o", "x"], "cannot tell 61 atoms"),
        (["predict", "all.sketch", "day-0.parquet", "-o", "x.pq"], "all.sketch: not a model file"),
        (
            ["predict", "all.model", "day-0.parquet", "--columns", "price", "-o", "x.pq"],
            "day-0.parquet are price, without weight",
        ),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(folder, arguments, message):
    before = sorted(os.listdir())
    assert message in failed(*arguments)
    assert sorted(os.listdir()) == before


def test_bad_rows_are_named_and_no_labels_are_left(folder):
    pd.DataFrame({"price": [1.0, np.nan], "weight": 2.0}).to_parquet("holes.parquet")
    before = sorted(os.listdir())
    assert "holes.parquet" in failed(
        sketch("--like", "all.sketch", "-o", "x", data="holes.parquet")
    )
    assert "holes.parquet" in failed(
        "predict",
        "all.model",
        "day-0.parquet",
        "holes.parquet",
        "--columns",
        "price,weight",
        "-o",
        "x.pq",
    )
    assert sorted(os.listdir()) == before


def test_strangers_are_told_how_to_be_made_alike(folder):
    done(sketch("-m", "60", "--seed", "1", "-o", "other.sketch"))
    for command in (["merge"], ["subtract"], ["compare"]):
        out = [] if command == ["compare"] else ["-o", "x"]
        line = failed(*command, "all.sketch", "other.sketch", *out)
        assert "different operators" in line
        assert "--like" in line


def test_a_full_disk_is_said_and_leaves_what_was_there(folder):
    older = Sketch.empty(Sketch.load("all.sketch").operator)
    older.save("out.sketch")
    before = sorted(os.listdir())

    with no_file_beyond(500):
        assert os.strerror(errno.EFBIG) in failed("merge", "all.sketch", "-o", "out.sketch")
    assert Path("out.sketch").read_bytes() == older.to_bytes()
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "command",
    [
        ["sketch"],
        ["merge"],
        ["subtract"],
        ["info"],
        ["compare"],
        ["monitor"],
        ["count"],
        ["centroids"],
        ["predict"],
        ["fit", "kmeans"],
        ["fit", "gmm"],
    ],
)
def test_every_command_has_help_with_an_example(command):
    told = done(*command, "--help")
    assert f"\n    sketchlearn {' '.join(command)} " in told
    assert "Exit codes" in done("--help")
