import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from command_line import NAMES, done, failed, rows, run

from sketchlearn import Sketch, Sketcher, SketchTable, compare, load_model
from sketchlearn.cli.groups import load_slice
from sketchlearn.cli.options import split_names
from sketchlearn.tables.group_sums import spell_key

COLUMNS = ("--columns", ",".join(NAMES))


@pytest.mark.slow
def test_a_table_by_key_its_description_and_a_model_of_a_slice(folder):
    data = [f"day-{day}.parquet" for day in range(3)]
    done("sketch", *data, *COLUMNS, "--by", "city", "-m", "60", "-o", "cube.sketches")
    table = SketchTable.from_parquet("cube.sketches")
    assert [key for (key,) in table] == ["Nice", "Oslo", "Rome"]
    sketcher = Sketcher.from_sketch(table.total())
    assert table["Oslo"] == sketcher.sketch(data, columns=NAMES, filter=[("city", "==", "Oslo")])
    described = json.loads(done("info", "cube.sketches", "--json"))
    assert (described["kind"], described["groups"], described["n_samples"]) == ("table", 3, 3_000)
    assert described["feature_names"] == list(NAMES)
    assert "is a table of sketches" in failed("info", "cube.sketches", "--csv")
    # What a file is called says nothing of what it is.
    done("report", "cube.sketches", "-o", "cube.html")
    assert "Oslo" in Path("cube.html").read_text(encoding="utf-8")
    done("fit", "kmeans", "cube.sketches", "--key", "city=Rome", "-k", "3", "-o", "rome.model")
    assert load_model("rome.model").sketch_ == table["Rome"]
    two = "--key", "city=Rome", "--key", "city=Oslo"
    done("fit", "kmeans", "cube.sketches", *two, "-k", "3", "-o", "two.model")
    assert load_model("two.model").sketch_ == table.total(city=["Rome", "Oslo"])
    done("operator", "cube.sketches", "-o", "cube.operator")
    first, made_by = data[0], ("--operator", "cube.operator")
    done("sketch", first, *COLUMNS, *made_by, "--by", "city", "-o", "next.sketches")
    following = SketchTable.from_parquet("next.sketches")
    assert following["Oslo"] == sketcher.sketch(
        first, columns=NAMES, filter=[("city", "==", "Oslo")]
    )
    assert (table + following)["Oslo"] == table["Oslo"] + following["Oslo"]
    done("fit", "kmeans", "cube.sketches", "-k", "3", "-o", "every.model")
    assert load_model("every.model").sketch_ == table.total()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--by", "price"], "'price' of day-0.parquet is of type double", 1),
        (["--by", "month"], "no column 'month' to group rows by", 1),
        (["--by", "city", "--bare", "--like", "all.sketch"], "leave out --bare", 2),
        (["--by", "city", "--max-memory", "1e4"], "--max-memory 10,000 bytes", 1),
        (["--by", "city", "--max-memory", "0"], "'--max-memory': must be", 2),
        (["--max-memory", "1e9"], "give it with --by", 2),
    ],
)
def test_tables_that_cannot_be_made(folder, arguments, message, code):
    command = ("sketch", "day-0.parquet", *COLUMNS, *arguments, "-o", "t")
    assert message in failed(*command, code=code)
    assert not (folder / "t").exists()


@pytest.mark.slow
def test_slices_that_are_not_there(folder):
    done("sketch", "day-0.parquet", *COLUMNS, "--by", "city", "-m", "60", "-o", "t")
    fit = "fit", "kmeans", "t", "-k", "3", "-o", "x.model"
    assert "no group with city=Ulm" in failed(*fit, "--key", "city=Ulm")
    assert "--key expects one of city" in failed(*fit, "--key", "day=3")
    other = failed("fit", "kmeans", "all.sketch", "-k", "3", "-o", "x.model", "--key", "city=Rome")
    assert "all.sketch is none" in other
    # One sketch is not many.
    noise = "--epsilon", "1", "--delta", "1e-6"
    for command in (
        ("compare", "t", "all.sketch"),
        ("monitor", "t", "all.sketch"),
        ("release", "t", *noise, "-o", "y"),
    ):
        said = failed(*command)
        assert "t: not a sketch file but a Parquet one; if sketch --by wrote it" in said
        for instead in ("--key", "--with", "--by", "merge", "total()", "release_groups"):
            assert instead in said
    for command in ("merge", "subtract"):
        for files in (("all.sketch", "t"), ("t", "all.sketch")):
            said = failed(command, *files, "-o", "y")
            assert "t is a table of sketches, and all.sketch is none" in said
        assert "leave it out" in failed(command, "t", "t", "--bare", "-o", "y")
    for command in (("count",), ("synthesize", "-o", "y.csv")):
        said = failed(*command, "all.sketch", "--key", "city=Rome")
        assert "--key chooses groups of a table, and all.sketch is none" in said
    said = failed("compare", "t", "--key", "city=Nice", "--with", "day=3")
    assert "--with expects one of city" in said
    assert not (folder / "y").exists()


@pytest.mark.slow
def test_a_key_that_tells_rows_apart_is_warned_of(folder):
    cities = np.repeat(["Oslo", "Rome"], 150)
    frame = pd.DataFrame(rows(300), columns=NAMES).assign(id=range(300), city=cities)
    frame.to_parquet("by.parquet")
    like = ("by.parquet", *COLUMNS, "-m", "60", "-k", "3")
    said = run("sketch", *like, "--by", "id", "-o", "by").stderr
    assert "warning: 300 of 300 groups by id have fewer rows than 3 clusters, and" in said
    assert "warning" not in run("sketch", *like, "--by", "city", "-o", "by").stderr
    sketcher = Sketcher(20, random_state=0).fit(rows(300))
    with pytest.warns(UserWarning, match="300 of 300 groups by id have a single row, and the sums"):
        table = sketcher.sketch_groups(rows(300), {"id": np.arange(300)})
    assert len(table) == 300


def test_tables_are_merged_and_subtracted_key_by_key(folder):
    by, like = ("--by", "city"), ("--like", "t")
    done("sketch", "day-0.parquet", *COLUMNS, *by, "-m", "60", "-o", "t")
    only = "--filter", "city != Oslo"
    done("sketch", "day-1.parquet", *COLUMNS, *by, *like, *only, "-o", "u")
    done("merge", "t", "u", "-o", "both")
    t, u, both = map(SketchTable.from_parquet, ("t", "u", "both"))
    assert both == t + u
    assert both["Oslo"] == t["Oslo"]
    assert both["Rome"] == t["Rome"] + u["Rome"]
    done("subtract", "both", "t", "-o", "rest")
    assert SketchTable.from_parquet("rest") == u
    assert "Oslo" in failed("subtract", "u", "t", "-o", "rest")
    done("sketch", "day-0.parquet", *COLUMNS, *by, "-m", "60", "--seed", "1", "-o", "other")
    assert "other and t were made with different operators" in failed(
        "merge", "t", "other", "-o", "both"
    )
    done("sketch", "day-0.parquet", *COLUMNS, *like, "-o", "whole.sketch")
    assert Sketch.load("whole.sketch") == t.total()
    assert "both is there and is not a sketch" in failed(
        "merge", "whole.sketch", "whole.sketch", "-o", "both"
    )


def test_tables_are_merged_whatever_order_their_keys_have(folder):
    rows = np.arange(8.0)[:, None]
    sketcher = Sketcher(10, scale=1.0, random_state=0).fit(rows)
    keys = {"shop": ["A", "B"] * 4, "week": [1, 1, 2, 2] * 2}
    for name, by in (("t", ("shop", "week")), ("u", ("week", "shop"))):
        sketcher.sketch_groups(rows, {column: keys[column] for column in by}).to_parquet(name)
    done("merge", "t", "u", "-o", "both")
    t = SketchTable.from_parquet("t")
    assert SketchTable.from_parquet("both") == t + t
    sketcher.sketch_groups(rows, {"shop": keys["shop"]}).to_parquet("v")
    assert "v: one table is by shop, week, the other by shop" in failed(
        "merge", "t", "v", "-o", "both"
    )


@pytest.mark.slow
def test_clusters_are_counted_and_rows_drawn_of_groups(folder):
    done("sketch", "day-0.parquet", *COLUMNS, "--by", "city", "-m", "60", "-o", "t")
    table = SketchTable.from_parquet("t")
    table["Rome"].save("rome.sketch")
    table.total().save("total.sketch")
    for words, alone in ((("--key", "city=Rome"), "rome.sketch"), ((), "total.sketch")):
        count = "--most", "4", "--draws", "0", "--json"
        assert done("count", "t", *words, *count) == done("count", alone, *count)
        done("synthesize", "t", *words, "-n", "20", "-o", "of.csv", "--force")
        done("synthesize", alone, "-n", "20", "-o", "alone.csv", "--force")
        assert Path("of.csv").read_bytes() == Path("alone.csv").read_bytes()


def test_info_writes_names_as_columns_expects_them(folder):
    names = ["price, net", 'the "weight"', "plain"]
    rows = np.random.default_rng(0).normal(size=(100, 3))
    sketcher = Sketcher(10, scale=1.0, random_state=0).fit(pd.DataFrame(rows, columns=names))
    sketcher.sketch(pd.DataFrame(rows, columns=names)).save("names.sketch")
    line = next(
        line for line in done("info", "names.sketch").splitlines() if line.startswith("feature n")
    )
    shown = line.removeprefix("feature names").strip()
    assert split_names([shown], "--columns") == names


def test_a_key_of_several_columns_has_commas_and_values_may_have_some(folder):
    rows = {"x": [0.0, 1.0, 2.0, 3.0], "shop": ["A", "A,B", "A,B", "B"], "week": [1, 1, 2, 2]}
    sketcher = Sketcher(10, scale=1.0, random_state=0).fit(np.array(rows["x"])[:, None])
    table = sketcher.sketch_groups(pa.table(rows).select(["x", "shop", "week"]), ["shop", "week"])
    table.to_parquet("t")
    for keys, expected in (
        (["shop=A,B,week=2"], table["A,B", 2]),
        (["week=1,shop=A"], table["A", 1]),
        (["shop=A,week=1", "week=2"], table.total(shop="A")),
    ):
        assert load_slice(Path("t"), keys, None) == expected
    with pytest.raises(ValueError, match="no group with shop=C,week=1"):
        load_slice(Path("t"), ["shop=C,week=1"], None)


def test_missing_and_empty_keys_have_names_of_their_own(folder):
    shops = [None, "", "null", '"A"', "A", "A,day=1"]
    rows = np.arange(len(shops), dtype=float)[:, None]
    sketcher = Sketcher(10, scale=1.0, random_state=0).fit(rows)
    table = sketcher.sketch_groups(rows, {"shop": shops, "day": [1, None, 2, 2, 3, 3]})
    table.to_parquet("t")
    spellings = {
        "shop=null": None,
        "shop=": "",
        'shop=""': "",
        'shop="null"': "null",
        'shop="""A"""': '"A"',
        "shop=A": "A",
        'shop="A"': "A",
        'shop="A,day=1"': "A,day=1",
        '"shop"=A,"day"=3': "A",
        'shop="A,day=1",day=3': "A,day=1",
        "shop=,day=null": "",
        "day=null": "",
        'day="1"': None,
    }
    for key, shop in spellings.items():
        assert load_slice(Path("t"), [key], None) == table.total(shop=shop), key
    with pytest.raises(ValueError, match="--key expects integers in that column, or null, got ''"):
        load_slice(Path("t"), ["day="], None)
    with pytest.raises(ValueError, match="--key expects one of shop, day"):
        load_slice(Path("t"), [""], None)
    same = "--key", "shop=null", "--with", "shop=null"
    assert "null, 1 is in both" in failed("compare", "t", *same)
    # Pages and messages tell them apart, too.
    assert [spell_key(key) for key in table] == [
        "(null, 1)",
        '("", null)',
        '("""A""", 2)',
        "(A, 3)",
        '("A,day=1", 3)',
        '("null", 2)',
    ]


@pytest.mark.slow
def test_groups_of_one_table_are_compared(folder):
    data = [f"day-{day}.parquet" for day in range(3)]
    done("sketch", *data, *COLUMNS, "--by", "city", "-m", "60", "-o", "t")
    table = SketchTable.from_parquet("t")
    pairs = {
        ("--key", "city=Nice", "--with", "city=Oslo"): (table["Nice"], table["Oslo"]),
        ("--key", "city=Nice"): (table["Nice"], table.total() - table["Nice"]),
        ("--key", "city=Nice", "--key", "city=Oslo", "--with", "city=Rome"): (
            table.total(city=["Nice", "Oslo"]),
            table["Rome"],
        ),
    }
    for words, (first, second) in pairs.items():
        told = json.loads(done("compare", "t", *words, "--json"))
        assert told["p_value"] == pytest.approx(compare(first, second).p_value)
        assert told["ratio"] == pytest.approx(compare(first, second).ratio)
    both = "--key", "city=Nice", "--with", "city=Nice"
    assert "must choose different groups, and Nice is in both" in failed("compare", "t", *both)
    every = [word for city in ("Nice", "Oslo", "Rome") for word in ("--key", f"city={city}")]
    assert "no other groups" in failed("compare", "t", *every)
    assert "one file was given" in failed("compare", "t", code=2)
    assert "give no second file" in failed("compare", "t", "t", "--key", "city=Nice", code=2)
    assert "all.sketch is none" in failed("compare", "all.sketch", "--key", "city=Nice")


@pytest.mark.slow
def test_signs_are_chosen_by_name(folder):
    done("sketch", "day-0.parquet", *COLUMNS, "-m", "60", "--features", "signs", "-o", "s")
    fitted = Sketcher(60, features="signs", keep_pilot=False, random_state=0).fit(
        "day-0.parquet", columns=NAMES
    )
    assert Sketch.load("s") == fitted.sketch("day-0.parquet", columns=NAMES)
    said = failed("sketch", "day-1.parquet", *COLUMNS, "--like", "s", "--features", "waves",
                  "-o", "x", code=2)  # fmt: skip
    assert "leave out -m, --clusters, --scale, --features, --moments and --transform" in said
