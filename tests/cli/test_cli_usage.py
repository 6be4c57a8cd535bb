"""Wrong usage of the command line, and whole numbers in options."""

import os
import re
from pathlib import Path

import pytest
from command_line import done, failed, run, sketch

from sketchlearn import load_model


def test_wrong_usage_is_2(folder):
    for arguments in (["sketch"], ["merge", "all.sketch"], ["nonsense"], ["fit", "kmeans", "x"]):
        failed(*arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (sketch("--filter", "price", "-o", "x"), "--filter expects a column, one of"),
        (sketch("--columns", "a,,b", "-o", "x"), "--columns expects names separated by commas"),
        (sketch("-m", "0", "-o", "x"), "'--frequencies' / '-m': must be at least 1, got 0"),
        (sketch("--jobs", "0", "-o", "x"), "'--jobs' / '-j': must not be 0"),
        (sketch("--like", "all.sketch", "-m", "9", "-o", "x"), "--like takes the operator of"),
        (["fit", "kmeans", "all.sketch", "-k", "0", "-o", "x"], "'--clusters' / '-k': must be at"),
    ],
)
def test_command_lines_that_no_files_make_right_are_wrong_usage(folder, arguments, message):
    before = sorted(os.listdir())
    assert message in " ".join(failed(*arguments, code=2).split())
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["plan", "--rows", "1e5", "--columns", "2e0"], ["-k", "--workers"]),
        (["sketch", "day-0.parquet", "-o", "x"], ["-m", "-k", "--max-memory"]),
        (["fit", "kmeans", "all.sketch", "-o", "x"], ["-k", "--n-init"]),
        (["fit", "gmm", "all.sketch", "-o", "x"], ["-k", "--n-init"]),
        (["count", "all.sketch"], ["--most"]),
        (["synthesize", "all.sketch", "-o", "x.csv"], ["-n"]),
        (["release", "all.sketch", "-o", "x", "--epsilon", "1", "--delta", "0"],
         ["--rows-per-person"]),
        (["monitor", "all.sketch"], ["--reference"]),
    ],
)  # fmt: skip
def test_counts_are_whole_numbers_of_at_least_one_wherever_they_are_asked_for(
    folder, command, options
):
    for option in options:
        for wrong in ("0", "1.5", "1e-3", "nan", "many"):
            said = failed(*command, option, wrong, code=2)
            assert option in said
            assert "got" in said


def test_counts_may_be_written_as_1e3(folder):
    done(sketch("-m", "6e1", "-k", "3e0", "--seed", "1e0", "-j", "1e0", "-o", "x"))
    done(sketch("-m", "60", "-k", "3", "--seed", "1", "-o", "y"))
    assert Path("x").read_bytes() == Path("y").read_bytes()
    run("fit", "kmeans", "x", "-k", "2e0", "--n-init", "1e0", "-o", "x.model")
    assert load_model("x.model").n_clusters == 2
    # Beyond what a float holds.
    done(sketch("-m", "60", "--seed", str(2**32 - 1), "-o", "z"))
    assert "less than 2**32" in failed(sketch("--seed", str(2**32), "-o", "z"), code=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bytes", "-5"], "--bytes must be positive"),
        (["--seconds", "nan"], "--seconds must be positive"),
        (["--error", "-1"], "--error must be positive"),
        (["--workers", "1e30"], "'--workers': must be less than 2**63, got 1e+30"),
        (["-k", "1e300"], "must be less than 2**63, got 1e+300"),
        (["-k", "1e9"], "--rows must be at least --clusters"),
        (["--bytes", "10"], "no sketch keeps to --bytes 10"),
        (["--error", "1e-9"], "no sketch keeps to --error="),
    ],
)
def test_a_plan_that_cannot_be_made_speaks_of_options(options, message):
    said = failed("plan", "--rows", "1e5", "--columns", "2", *options, code=2)
    assert message in said
    assert not re.search(r"n_\w+|max_\w+|operator=|features=", said)
