"""The operator once, and sketches without it: what commands write, read and say."""

import json
from pathlib import Path

import pytest
from command_line import done, failed, sketch

from sketchlearn import Sketch, Sketcher, load_model
from sketchlearn.files.registry import identify_file
from sketchlearn.frequencies import FrequencyOperator

pytestmark = pytest.mark.slow


@pytest.fixture
def days(folder):
    """Three days without their operator, and the operator."""
    done("operator", "all.sketch", "-o", "shop.operator")
    for day in range(3):
        options = ["--operator", "shop.operator", "--bare", "-o", f"{day}.sketch"]
        done(sketch(*options, data=f"day-{day}.parquet"))
    return folder


WITH = ("--operator", "shop.operator")
DAYS = ("0.sketch", "1.sketch", "2.sketch")


def test_the_operator_is_that_of_the_sketch(days):
    operator = FrequencyOperator.load("shop.operator")
    assert operator.fingerprint == Sketch.load("all.sketch").fingerprint
    assert identify_file("shop.operator").noun == "operator"
    said = json.loads(done("info", "shop.operator", "--json"))
    assert (said["kind"], said["n_features"], said["n_frequencies"]) == ("operator", 2, 60)
    assert said["fingerprint"] == operator.fingerprint


def test_days_add_to_the_bytes_of_all_and_are_taken_out_again(days):
    done("merge", *DAYS, *WITH, "-o", "sum.sketch")
    assert Path("sum.sketch").read_bytes() == Path("all.sketch").read_bytes()
    done("merge", *DAYS, *WITH, "--bare", "-o", "bare.sketch")
    assert Path("bare.sketch").read_bytes() == Sketch.load("all.sketch").to_bytes(operator=False)
    # Those that are whole may be among them.
    done("subtract", "all.sketch", "0.sketch", "2.sketch", *WITH, "--bare", "-o", "rest.sketch")
    assert Path("rest.sketch").read_bytes() == Path("1.sketch").read_bytes()
    done("merge", "1.sketch", *WITH, "-o", "whole.sketch")
    assert Sketch.load("whole.sketch") == Sketch.load("1.sketch", operator="shop.operator")


def test_like_a_bare_sketch_takes_its_names(days):
    done("sketch", "day-1.parquet", "--like", "0.sketch", *WITH, "--bare", "-o", "again.sketch")
    assert Path("again.sketch").read_bytes() == Path("1.sketch").read_bytes()
    done("sketch", "day-1.parquet", "--like", "all.sketch", "--bare", "-o", "again.sketch")
    assert Path("again.sketch").read_bytes() == Path("1.sketch").read_bytes()


@pytest.mark.slow
def test_what_reads_a_sketch_reads_it_with_its_operator(days):
    done("merge", *DAYS, *WITH, "--bare", "-o", "bare.sketch")
    done("fit", "kmeans", "bare.sketch", *WITH, "-k", "3", "-o", "bare.model")
    assert Path("bare.model").read_bytes() == Path("all.model").read_bytes()
    assert load_model("bare.model").sketch_ == Sketch.load("all.sketch")
    done("fit", "gmm", "bare.sketch", *WITH, "-k", "3", "-o", "gmm.model")
    assert done("count", "bare.sketch", *WITH, "--most", "2") == done(
        "count", "all.sketch", "--most", "2"
    )
    assert done("compare", "0.sketch", "1.sketch", *WITH).startswith("p value")
    said, expected = (
        json.loads(done("info", name, *options, "--json"))
        for name, options in (("bare.sketch", WITH), ("all.sketch", ()))
    )
    assert {**said, "bytes": 0} == {**expected, "bytes": 0}
    assert said["bytes"] < expected["bytes"]


def test_info_says_which_operator_a_sketch_needs(days):
    said = json.loads(done("info", "0.sketch", "--json"))
    assert said["operator"] == "in a file of its own"
    assert said["fingerprint"] == Sketch.load("all.sketch").fingerprint
    assert (said["n_samples"], said["n_frequencies"]) == (1_000, 60)
    assert said["feature_names"] == ["price", "weight"]


def test_a_missing_operator_is_said_with_the_remedy(days):
    expected = "sketch was written without its operator"
    for command in (
        ("merge", *DAYS, "-o", "x"),
        ("merge", "all.sketch", "1.sketch", "-o", "x"),
        ("subtract", "all.sketch", "1.sketch", "-o", "x"),
        ("compare", "all.sketch", "1.sketch"),
        ("count", "1.sketch"),
        ("fit", "kmeans", "1.sketch", "-k", "3", "-o", "x"),
        ("sketch", "day-1.parquet", "--like", "1.sketch", "-o", "x"),
    ):
        line = failed(*command)
        assert expected in line
        assert "give the operator's file with --operator" in line
    assert "1.sketch was written without its operator" in failed("operator", "1.sketch", "-o", "x")
    assert not Path("x").exists()


def test_another_operator_is_refused_by_name(days):
    done(sketch("-m", "50", "-o", "other.sketch"))
    done("operator", "other.sketch", "-o", "other.operator")
    ours, other = (
        FrequencyOperator.load(f"{name}.operator").fingerprint for name in ("shop", "other")
    )
    for command in (
        ("merge", *DAYS, "-o", "x"),
        ("compare", "0.sketch", "1.sketch"),
        ("info", "0.sketch"),
        ("info", "all.sketch"),
        ("count", "all.sketch"),
        ("fit", "kmeans", "0.sketch", "-k", "3", "-o", "x"),
    ):
        line = failed(*command, "--operator", "other.operator")
        assert "sketch: the sketch was taken with the operator" in line
        assert ours in line
        assert other in line
    line = failed("merge", "other.sketch", "1.sketch", "--operator", "other.operator", "-o", "x")
    assert "error: 1.sketch: the sketch was taken with" in line
    assert not Path("x").exists()


def test_columns_in_another_order_are_refused(days):
    done("sketch", "day-1.parquet", "--columns", "weight,price", *WITH, "--bare", "-o", "b.sketch")
    assert "of different features: price, weight and weight, price" in failed(
        "merge", "0.sketch", "b.sketch", *WITH, "-o", "x"
    )


def test_what_is_no_operator_s_file_is_refused(days):
    for name, expected in (
        ("all.sketch", "all.sketch: not an operator file: it is a sketch"),
        ("day-0.parquet", "day-0.parquet: not an operator file"),
        ("nothing", "nothing: No such file"),
    ):
        assert expected in failed("info", "0.sketch", "--operator", name)
        assert expected in failed("merge", *DAYS, "--operator", name, "-o", "x")
    assert "goes with a sketch, and this is a model" in failed("info", "all.model", *WITH)
    assert "it is an operator" in failed("merge", "shop.operator", "1.sketch", "-o", "x")


def test_bare_needs_an_operator_that_is_kept(folder):
    assert "--bare leaves out an operator that is kept" in failed(
        sketch("-m", "60", "--bare", "-o", "x"), code=2
    )
    assert not Path("x").exists()


def test_an_operator_that_is_given_leaves_nothing_to_choose(days):
    for option in (("-m", "60"), ("--clusters", "3"), ("--scale", "1")):
        assert "--operator takes one" in failed(sketch(*WITH, *option, "-o", "x"), code=2)


def test_no_operator_is_written_over(days):
    before = Path("shop.operator").read_bytes()
    for command in (
        ("merge", *DAYS, *WITH, "-o", "shop.operator"),
        ("fit", "kmeans", "0.sketch", *WITH, "-k", "3", "-o", "shop.operator"),
        ("sketch", "day-1.parquet", "--columns", "price,weight", *WITH, "-o", "shop.operator"),
    ):
        assert "which is read here" in failed(*command, "--force")
    assert "is there and is not a sketch" in failed("merge", "all.sketch", "-o", "shop.operator")
    assert "is there and is not an operator" in failed("operator", "all.sketch", "-o", "0.sketch")
    assert Path("shop.operator").read_bytes() == before
    done("operator", "all.sketch", "-o", "shop.operator")
    assert Path("shop.operator").read_bytes() == before


def test_a_pass_with_a_checkpoint_ends_with_the_same_bytes(days):
    done(sketch(*WITH, "--checkpoint", "-o", "long.sketch"))
    assert Path("long.sketch").read_bytes() == Path("all.sketch").read_bytes()


def test_a_checkpoint_of_another_operator_is_refused(days):
    done(sketch("-m", "50", "-o", "other.sketch"))
    sketcher = Sketcher.from_sketch(Sketch.load("other.sketch"))
    sketcher.sketch("day-0.parquet", checkpoint="long.sketch.checkpoint")
    line = failed(sketch(*WITH, "--checkpoint", "-o", "long.sketch"))
    assert "was made with another operator than shop.operator has; delete it" in line
