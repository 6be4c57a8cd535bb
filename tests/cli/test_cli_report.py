"""The command report: what it writes, and over what it does not."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import done, failed, run, sketch

from sketchlearn import Sketch, Sketcher

pytestmark = pytest.mark.slow


def test_it_writes_one_page_of_all_files(folder):
    done(sketch("--like", "all.sketch", "-o", "day.sketch", data="day-0.parquet"))
    assert done("report", "all.sketch", "all.model", "day.sketch", "-o", "page.html") == ""
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<title>all.sketch and 2 more</title>" in page
    for name in ("all.sketch: a sketch", "all.model: a model", "day.sketch: a sketch"):
        assert name in page
    # An older page is replaced, and nothing else.
    done("report", "all.model", "-o", "page.html")
    assert "<title>all.model</title>" in Path("page.html").read_text(encoding="utf-8")


def test_it_writes_over_nothing_else(folder):
    Path("notes.html").write_text("<!DOCTYPE html><p>mine", encoding="utf-8")
    assert "is there and is not a page" in failed("report", "all.sketch", "-o", "notes.html")
    assert "which is read here" in failed("report", "all.sketch", "-o", "all.sketch")
    assert Path("notes.html").read_text(encoding="utf-8").endswith("mine")


def test_files_that_a_page_cannot_show_are_named(folder):
    done("operator", "all.sketch", "-o", "shop.operator")
    said = failed("report", "shop.operator", "-o", "page.html")
    assert "shop.operator is an operator" in said
    assert "info" in said
    Path("foreign.bin").write_bytes(b"no sketch at all")
    assert "foreign.bin" in failed("report", "all.sketch", "foreign.bin", "-o", "page.html")
    assert "named twice" in failed("report", "all.sketch", "all.sketch", "-o", "page.html", code=2)
    assert not Path("page.html").exists()


def test_a_table_of_sketches_has_its_page_and_other_tables_have_none(folder):
    frame = pd.concat([pd.read_parquet(f"day-{i}.parquet") for i in range(3)])
    sketcher = Sketcher.from_sketch(Sketch.load("all.sketch"))
    rows = frame[["price", "weight"]]
    sketcher.sketch_groups(rows, {"city": frame["city"].to_numpy()}).to_parquet("cities.parquet")
    done("report", "cities.parquet", "-o", "page.html")
    assert "cities.parquet: 3 groups" in Path("page.html").read_text(encoding="utf-8")
    assert "day-0.parquet" in failed("report", "day-0.parquet", "-o", "other.html")
    assert not Path("other.html").exists()


def test_a_bare_sketch_needs_its_operator(folder):
    done("operator", "all.sketch", "-o", "shop.operator")
    done("merge", "all.sketch", "--bare", "-o", "bare.sketch")
    assert "--operator" in failed("report", "bare.sketch", "-o", "page.html")
    done("report", "bare.sketch", "--operator", "shop.operator", "-o", "page.html")
    assert Path("page.html").exists()


def test_a_fit_that_is_not_good_says_so_and_why(folder):
    rows = np.random.default_rng(0).normal(size=(20, 2))
    Sketcher(60, n_clusters=2, random_state=0).fit(rows).sketch(rows).save("few.sketch")
    result = run("fit", "kmeans", "few.sketch", "-k", "2", "-o", "few.model")
    assert result.exit_code == 0
    said = [line for line in result.stderr.splitlines() if "few.model: " in line]
    assert len(said) == 1
    assert said[0].startswith("sketchlearn: few.model: doubtful; ")
    # In that line, or in a warning of its own before it.
    assert re.search(r"because of so few rows\.|20 rows are too few to find 2", result.stderr)
    # Nothing is said, in a pipe, of one that is good.
    done("fit", "kmeans", "all.sketch", "-k", "3", "-o", "good.model")
