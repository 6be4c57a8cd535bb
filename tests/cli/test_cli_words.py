"""What the command line says, and understands: names that hold anything, missing values, scales."""

import ast
import csv
import inspect
import io
import json
import math
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import done, failed, rows, run, sketch

from sketchlearn import (
    CompressiveClassifier,
    CompressiveGaussianMixture,
    CompressiveKMeans,
    CompressivePCA,
    Sketch,
    Sketcher,
    __version__,
    load_model,
    open_source,
)
from sketchlearn.cli import options
from sketchlearn.cli.printing import print_json
from sketchlearn.cli.reporting import escape, reword_options
from sketchlearn.estimators import doubts, spread_doubts
from sketchlearn.sources.source import RowSource

pytestmark = pytest.mark.slow

ODD_NAMES = ["price[eur]", "a[/b]", "\x1b[31mred\x1b[0m\x07", ":smile:", "net, paid", "‮txt"]


def test_the_version():
    assert done("--version") == f"sketchlearn {__version__}\n"


@pytest.fixture
def odd(folder):
    """A model of columns with odd names, and their data."""
    values = (
        np.random.default_rng(0).normal(size=(300, 6)) + 9.0 * np.arange(3).repeat(100)[:, None]
    )
    frame = pd.DataFrame(values, columns=ODD_NAMES)
    frame.to_parquet("odd.parquet")
    CompressiveKMeans(3, random_state=0).fit(frame).save("odd.model")
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("command", ["info", "centroids"])
def test_names_are_shown_as_they_are_and_steer_no_terminal(odd, command):
    told = done(command, "odd.model")
    for name in ("price[eur]", "a[/b]", ":smile:", "net, paid", r"\x1b[31mred\x1b[0m\x07"):
        assert name in told
    assert told.replace("\n", "").isprintable()
    assert json.loads(done(command, "odd.model", "--json"))["feature_names"] == ODD_NAMES


def test_errors_and_warnings_steer_no_terminal_either(odd):
    said = failed("predict", "odd.model", "odd.parquet", "--columns", "\x1b[2Jx", "-o", "l.csv")
    assert r"\x1b[2Jx" in said
    assert said.strip().isprintable()
    assert escape("a\udc80\x9b") == r"a\udc80\x9b"


@pytest.mark.slow
def test_columns_whose_names_hold_commas_and_quotes(folder):
    frame = pd.DataFrame(rows(), columns=["net, paid", 'the "big" one']).assign(c=1.0)
    frame.to_parquet("odd.parquet")
    names = '"net, paid","the ""big"" one"'
    for columns in (["--columns", names], ["--columns", '"net, paid"', "--columns", names[12:]]):
        done("sketch", "odd.parquet", *columns, "-m", "60", "-o", "odd.sketch", "--force")
        found = Sketch.load("odd.sketch")
        assert found == Sketch.load("all.sketch")
        assert found.feature_names == ("net, paid", 'the "big" one')
    quoted = ["--filter", '"net, paid" > 5', "--filter", '"the ""big"" one" is not null']
    done("sketch", "odd.parquet", "--columns", names, *quoted, "--like", "odd.sketch", "-o", "x")
    kept = frame[frame["net, paid"] > 5].iloc[:, :2].to_numpy()
    operator = Sketch.load("all.sketch").operator
    assert Sketch.load("x") == Sketcher.from_operator(operator).sketch(kept)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ["a", "b"]),
        (" a , b c ", ["a", "b c"]),
        ('"a"', ["a"]),
        ('"a,b" , c', ["a,b", "c"]),
        ('"a""b",c', ['a"b', "c"]),
        ('" a "', [" a "]),
        ('5" pipe,b', ['5" pipe', "b"]),
    ],
)
def test_names_in_an_option(text, names):
    assert options.split_names([text], "--columns") == names


@pytest.mark.parametrize("text", ["", ",", "a,", ",a", '"a', '"a"b', "a,,b", '""', " "])
def test_what_names_no_columns(text):
    with pytest.raises(ValueError, match="--id expects names separated by commas"):
        options.split_names([text], "--id")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["price is not null"], lambda f: f.price.notna()),
        (["price IS NOT NULL", "weight > 5"], lambda f: f.price.notna() & (f.weight > 5)),
        (
            ["weight > 5", "weight is not null", "price is not null"],
            lambda f: (f.weight > 5) & f.price.notna(),
        ),
        (["price is not null", "count is null"], lambda f: f.price.notna() & f["count"].isna()),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_filters_on_missing_values(folder, conditions, kept, ending):
    frame = pd.DataFrame(rows(), columns=["price", "weight"]).assign(count=1.0)
    frame.loc[::7, "price"] = None
    frame.loc[::3, "count"] = None
    path = f"holes.{ending}"
    frame.to_parquet(path) if ending == "parquet" else frame.to_csv(path, index=False)
    assert "leave such rows out" in failed(sketch("--like", "all.sketch", "-o", "x", data=path))
    arguments = [word for condition in conditions for word in ("--filter", condition)]
    done(sketch("--like", "all.sketch", *arguments, "-o", "x", data=path))
    operator = Sketch.load("all.sketch").operator
    expected = frame[kept(frame)][["price", "weight"]].to_numpy()
    assert Sketch.load("x") == Sketcher.from_operator(operator).sketch(expected)


@pytest.mark.parametrize("condition", ["price is not nan", "price is finite"])
def test_filters_on_nan(folder, condition):
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = rows()
    values[::7, 0] = np.nan
    pq.write_table(pa.table({"price": values[:, 0], "weight": values[:, 1]}), "holes.parquet")
    done(
        sketch(
            *("--like", "all.sketch", "--filter", condition, "-o", "x"),
            data="holes.parquet",
        )
    )
    operator = Sketch.load("all.sketch").operator
    kept = values[~np.isnan(values[:, 0])]
    assert Sketch.load("x") == Sketcher.from_operator(operator).sketch(kept)


@pytest.mark.slow
def test_scales(folder):
    frame = pd.DataFrame(rows() * [1.0, 1000.0], columns=["price", "weight"])
    frame.to_parquet("units.parquet")
    for scale, units in (("columns", [1.0, 1024.0]), ("auto", [1.0, 1.0]), ("2.5", [1.0, 1.0])):
        done(sketch("--scale", scale, "-o", "x", data="units.parquet"))
        operator = Sketch.load("x").operator
        fitted = Sketcher(
            scale=float(scale) if scale == "2.5" else scale, keep_pilot=False, random_state=0
        ).fit(frame.to_numpy())
        assert operator.units.tolist() == units
        assert operator.fingerprint == fitted.operator_.fingerprint
    for wrong in ("0", "-1", "nan", "inf", "wide", ""):
        assert "expected a positive number, auto, columns or mixed" in failed(
            sketch("--scale", wrong, "-o", "x", data="units.parquet"), code=2
        )


def test_centroids(folder):
    model = load_model("all.model")
    told = json.loads(done("centroids", "all.model", "--json"))
    assert told["centroids"] == model.cluster_centers_.tolist()
    assert json.loads(done("info", "all.model", "--json"))["centroids"] == told["centroids"]
    table = done("centroids", "all.model").rstrip()
    assert done("info", "all.model").rstrip().endswith(table)
    for command in ("centroids", "info"):
        names, *lines = csv.reader(io.StringIO(done(command, "all.model", "--csv")))
        assert names == ["cluster", "share", "price", "weight"]
        printed = np.array(lines, dtype=float)
        np.testing.assert_array_equal(printed[:, 2:], model.cluster_centers_)
        np.testing.assert_array_equal(printed[:, 1], model.weights_)
    assert told["weights"] == model.weights_.tolist()
    lines = done("centroids", "all.model").splitlines()
    assert lines[0].split() == ["cluster", "share", "price", "weight"]
    shown = np.array([line.split() for line in lines[1:]], dtype=float)
    np.testing.assert_allclose(shown[:, 2:], model.cluster_centers_, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["spherical", "diag", "full"])
def test_centroids_of_a_mixture_come_with_deviations(folder, covariance):
    done("fit", "gmm", "all.sketch", "-k", "3", "--covariance", covariance, "-o", "m.model")
    told = json.loads(done("centroids", "m.model", "--json"))
    model = load_model("m.model")
    assert told["centroids"] == model.means_.tolist()
    # Clusters of unit variance.
    np.testing.assert_allclose(told["standard_deviations"], np.ones((3, 2)), atol=0.2)
    assert "sd weight" in done("centroids", "m.model")


def test_means_of_a_sketch_as_csv(folder):
    names, *lines = csv.reader(io.StringIO(done("info", "all.sketch", "--csv")))
    assert names == ["column", "mean", "standard deviation"]
    moments = Sketch.load("all.sketch").moments
    expected = zip(["price", "weight"], moments.mean, moments.standard_deviation, strict=True)
    assert [(name, float(a), float(b)) for name, a, b in lines] == list(expected)
    done(sketch("-m", "60", "--moments", "none", "-o", "bare.sketch"))
    assert "has no moments" in failed("info", "bare.sketch", "--csv")
    assert "has no centroids" in failed("centroids", "all.sketch")


def test_components_of_a_model_are_shown_too(folder):
    CompressivePCA(2).fit(rows()).save("pca.model")
    told = json.loads(done("info", "pca.model", "--json"))
    pca = load_model("pca.model")
    assert told["components"] == pca.components_.tolist()
    assert told["weights"] == pca.explained_variance_ratio_.tolist()
    assert done("centroids", "pca.model").split()[:4] == ["component", "share", "0", "1"]


def test_means_of_a_classifier_s_components_come_with_their_class(folder):
    X = rows()
    CompressiveClassifier().fit(X, np.where(X[:, 0] > 5, "far", "near")).save("c.model")
    lines = [line.split() for line in done("centroids", "c.model").splitlines()]
    assert lines[0][:3] == ["cluster", "class", "share"]
    assert [line[1] for line in lines[1:]] == ["far", "near"]
    done("info", "c.model")


@pytest.mark.parametrize("kind", ["full", "diagonal", "none"])
def test_moments_are_those_that_were_asked_for(folder, kind):
    done(sketch("-m", "60", "--moments", kind, "-o", "x"))
    assert (Sketch.load("x").moment_kind or "none") == kind
    said = failed(sketch("--like", "all.sketch", "--moments", kind, "-o", "y"), code=2)
    assert "leave out -m, --clusters, --scale, --features, --moments and --transform" in said


@pytest.mark.slow
def test_bounds(folder):
    done("fit", "kmeans", "all.sketch", "-k", "3", "--bounds", "weight=-9:40,price=-9:", "-o", "m")
    assert load_model("m").bounds == ((-9.0, -9.0), (math.inf, 40.0))
    for option, message, code in (
        ("size=0:1", "the column 'size' is none of price, weight", 1),
        ("price=0:9,price=0:8", "was named twice", 2),
        ("price=0", "expects a name, =, the least value", 2),
        ("price=a:b", "expects a name, =, the least value", 2),
        ("price=-9:1", "--bounds exclude rows", 1),
        ("price=9:1", "--bounds must have lower below upper", 2),
    ):
        command = ("fit", "gmm", "all.sketch", "-k", "3", "--bounds", option, "-o", "n")
        assert message in failed(*command, code=code)
    assert not Path("n").exists()
    counted = done("count", "all.sketch", "--most", "3", "--bounds", "price=-9:40", "--json")
    assert json.loads(counted)["n_clusters"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_synthetic_rows_have_the_sketch_s_names_and_moments(folder, ending):
    done("synthesize", "all.sketch", "-n", "500", "-o", f"made.{ending}")
    made = pd.read_parquet("made.parquet") if ending == "parquet" else pd.read_csv("made.csv")
    moments = Sketch.load("all.sketch").moments
    assert list(made.columns) == ["price", "weight"]
    assert len(made) == 500
    np.testing.assert_allclose(made.mean(), moments.mean, atol=1.5)
    np.testing.assert_allclose(made.std(), moments.standard_deviation, rtol=0.2)
    # Rows of the data are never replaced; synthetic ones are, where a file can tell.
    assert "is there and is not" in failed("synthesize", "all.sketch", "-o", "day-0.parquet")
    if ending == "parquet":
        done("synthesize", "all.sketch", "-n", "5", "-o", "made.parquet")
    else:
        assert "--force" in failed("synthesize", "all.sketch", "-o", "made.csv")
    assert "end in" in failed("synthesize", "all.sketch", "-o", "made.txt", code=2)


@pytest.mark.slow
def test_count(folder):
    told = json.loads(done("count", "all.sketch", "--most", "5", "--json"))
    assert told["n_clusters"] == 3
    assert told["explains_the_sketch"] is True
    assert len(told["cost"]) == 5
    assert told["candidates"]["n_clusters"] == [1, 2, 3, 4, 5]
    assert told["candidates"]["stability"][0] is None
    quick = ["count", "all.sketch", "--most", "5", "--draws", "0"]
    lines = done(*quick).splitlines()
    assert lines[0].startswith("3 clusters, resolved: so many Gaussians explain the sketch")
    assert [line.split()[0] for line in lines[-5:]] == ["1", "2", "*", "4", "5"]
    assert json.loads(done(*quick, "--json"))["candidates"]["stability"] == [None] * 5
    failed("count", "all.sketch", "--draws", "-1", code=2)
    failed("count", "all.sketch", "--most", "0", code=2)


def test_what_a_model_does_not_have_is_not_listed(folder):
    told = done("info", "all.model")
    assert "decoder" not in told
    assert "=-" not in told
    CompressiveGaussianMixture(3, sketcher=Sketcher(60), random_state=0).fit(rows()).save("m.model")
    told = done("info", "m.model")
    assert "feature names" not in told
    assert "sketcher=Sketcher(" in told


def test_warnings_name_options(folder):
    pd.DataFrame(rows(100), columns=["price", "weight"]).to_parquet("few.parquet")
    done(sketch("-m", "5", "-o", "few.sketch", data="few.parquet"))
    result = run("fit", "gmm", "few.sketch", "-k", "3", "-o", "few.model")
    assert "--frequencies " in result.stderr
    for name in ("n_frequencies", "n_init", "n_clusters", "n_components", "covariance_type"):
        assert name not in result.stderr


def test_a_model_that_is_good_says_so_before_it_speaks_of_narrow_columns(folder):
    pd.DataFrame(rows() * [1.0, 1000.0], columns=["price", "weight"]).to_parquet("unlike.parquet")
    done(sketch("-k", "3", "-o", "unlike.sketch", data="unlike.parquet"))
    said = run("fit", "kmeans", "unlike.sketch", "-k", "3", "-o", "unlike.model").stderr
    first, second = said.splitlines()
    assert first.startswith("sketchlearn: unlike.model: good, cost ")
    assert second.startswith("sketchlearn: unlike.model: note: Columns differ in width ")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("with n_frequencies=60 (at", "with --frequencies 60 (at"),
        (
            "Sketch with n_frequencies=90, now 9, a larger n_init",
            "Sketch with --frequencies 90, now 9, a larger --n-init",
        ),
        (
            "Call fit with the rows, which looks at the rows themselves.",
            "Call fit with the rows in Python, which looks at the rows themselves.",
        ),
        ("column 'n_init' of n_clusters.csv", "column 'n_init' of n_clusters.csv"),
        ("d/n_jobs/a.csv", "d/n_jobs/a.csv"),
        ("n_clusters must be", "--clusters must be"),
        ("covariance_type must be one of", "--covariance must be one of"),
        ("my_n_init", "my_n_init"),
        ("n_workers must be at least 1", "--workers must be at least 1"),
        ("alpha must be a number", "--alpha must be a number"),
        ("sketch with features='waves'", "sketch with --features waves"),
        (
            "out, or fill them in, for instance with sklearn.impute.SimpleImputer",
            "out, or fill them in",
        ),
        ("sketch with moments='full', which", "sketch with --moments full, which"),
        ("bounds exclude rows: 'a' has", "--bounds exclude rows: 'a' has"),
        (
            "Try bounds, a larger n_init, or a sketcher with scale='mixed', fitted on rows like "
            "these.",
            "Try --bounds, a larger --n-init, or a sketch of rows like these, made with --scale "
            "mixed.",
        ),
        (
            "escaped the sketch. Call fit with the rows, or leave the outliers out.",
            "escaped the sketch. Leave the outliers out, by --filter, or call fit with the rows in "
            "Python.",
        ),
        (
            "add rows, 90 at least, or call fit with the rows, which looks at the rows themselves.",
            "add rows, 90 at least.",
        ),
        (
            "Call fit with the rows, which runs EM on some of them, or sketch with "
            "n_frequencies=90, now 9.",
            "Call fit with the rows in Python, which runs EM on some of them, or sketch with "
            "--frequencies 90, now 9.",
        ),
        (
            "Call fit with the rows, which runs EM on some of them, or leave such columns out.",
            "Call fit with the rows in Python, which runs EM on some of them, or leave such "
            "columns out.",
        ),
        (
            "n_frequencies of at least 29. Or call fit with the rows, or try",
            "--frequencies of at least 29. Or call fit with the rows in Python, or try",
        ),
        ("or call fit with the rows.", "or call fit with the rows in Python."),
        ("Set reg_covar=1e-9 or", "Set, in Python, reg_covar=1e-9 or"),
        ("Sketch with a Sketcher(scale='columns') or", "Sketch with --scale columns or"),
        (
            "use covariance_type='diag', or a sketch of a Sketcher with scale='auto'",
            "use --covariance diag, or a sketch with --scale auto",
        ),
        ("sketch the rows with Sketcher(moments='auto')", "sketch the rows with --moments full"),
        (
            "paired=True needs operator='dense' and features='waves', got 'fast'",
            "--paired needs --transform dense and --features waves, got 'fast'",
        ),
        (
            'fewer frequencies, or operator="fast", take less',
            "fewer frequencies, or --transform fast, take less",
        ),
        (
            "leave it out, for instance by open_source(..., columns=[...])",
            "leave it out, for instance by --columns",
        ),
        (
            "drop metadata: give it with operator=, for",
            "drop metadata: give it with --operator, for",
        ),
        (
            "load it with operator=, a FrequencyOperator or the file that FrequencyOperator.save "
            "wrote",
            "give it with --operator, a file that the command operator wrote",
        ),
        (
            "see what other numbers leave, with count_clusters.",
            "see what other numbers leave, with the command count.",
        ),
        ("n_samples must be at least n_clusters", "--rows must be at least --clusters"),
        (
            "the column 'operator=\"x\"' of scale=a.csv",
            "the column 'operator=\"x\"' of scale=a.csv",
        ),
        (
            "out by open_source(..., filter=pyarrow.compute.field('price').is_valid()), or",
            "out by --filter 'price is not null', or",
        ),
        (
            "by open_source(..., "
            "filter=pyarrow.compute.is_finite(pyarrow.compute.field('net, paid'))), or",
            "by --filter '\"net, paid\" is finite', or",
        ),
    ],
)
def test_parameters_in_the_words_of_the_command_line(said, shown):
    assert reword_options(said) == shown


def test_no_plain_word_of_a_doubt_is_taken_for_an_option():
    sources = map(inspect.getsource, (doubts, spread_doubts))
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    texts = [one.value for one in nodes if isinstance(one, ast.Constant)]
    hit = [one for one in texts if isinstance(one, str) and "--bounds" in reword_options(one)]
    assert hit == ["Try bounds"]


def test_json_has_no_infinity(capsys):
    print_json({"a": math.inf, "b": [1.0, math.nan], "c": {"d": -math.inf}})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.0, None], "c": {"d": None}}


def test_a_source_is_opened_once(folder):
    opened = []

    def listen(frame, event, _):
        if event == "call" and frame.f_code is open_source.__code__:
            opened.append(frame.f_locals["data"])

    sys.setprofile(listen)
    try:
        done(sketch("-m", "60", "-o", "x"))
    finally:
        sys.setprofile(None)
    # What is open already is handed on.
    assert [data for data in opened if not isinstance(data, RowSource)] == [["day-*.parquet"]]
    assert Path("x").read_bytes() == Path("all.sketch").read_bytes()


@pytest.mark.parametrize("condition", ["price > 1{}", "price in 1,-2{}", "price not in 1{}"])
def test_integers_beyond_64_bits_are_refused_in_words(folder, condition):
    option = condition.format("0" * 20)
    said = failed("sketch", "all.parquet", "--filter", option, "-o", "x.sketch", code=2)
    assert "integers of up to 64 bits" in said
    assert not Path("x.sketch").exists()


@pytest.mark.parametrize("most", [str(2**62), "100000"])
def test_no_decode_begins_where_a_number_cannot_be_counted(folder, most):
    said = failed("count", "all.sketch", "--most", most)
    assert re.search(r"--most must be at most (\d+), since a sketch of \1 frequencies cannot", said)
    assert "--frequencies" not in said
    assert "less than 2**63" in failed("count", "all.sketch", "--most", "1" + "0" * 22, code=2)


def test_a_plan_says_the_command_that_takes_the_sketch(folder):
    plan = ("plan", "--rows", "2e3", "--columns", "2", "-k", "3")
    told = done(*plan)
    command = next(line for line in told.splitlines() if line.startswith("To take it: "))
    words = shlex.split(command.partition(": ")[2])
    assert words[:2] == ["sketchlearn", "sketch"]
    at = {"DATA": "day-*.parquet", "OUTPUT": "planned.sketch"}
    done(*(at.get(word, word) for word in words[1:]), "--columns", "price,weight")
    taken = json.loads(done("info", "planned.sketch", "--json"))
    assert f"{taken['n_frequencies']} waves, operator 'dense'" in told
    small = done(*plan, "--goal", "bytes", "--error", "9%")
    assert small.splitlines()[0].split()[1] == "signs,"
    assert "clusters are not counted" in small
    assert "--features signs" in small
    same = ("--goal", "bytes", "--json", "--error")
    sizes = [json.loads(done(*plan, *same, share))["n_frequencies"] for share in ("9%", "0.09")]
    assert sizes[0] == sizes[1]
    for option in (["--error", "five"], ["--rows", "many"]):
        assert "expected a " in failed(*plan, *option, code=2)


@pytest.mark.parametrize("kind", ["dense", "fast", "auto"])
def test_transforms(folder, kind):
    done(sketch("-m", "60", "--transform", kind, "-o", "x"))
    found = Sketch.load("x").operator.linear_map.kind
    assert found == ("fast" if kind == "fast" else "dense")
    said = failed(sketch("--like", "all.sketch", "--transform", kind, "-o", "y"), code=2)
    assert "--transform" in said
    if kind == "fast":
        said = failed(sketch("--transform", kind, "--paired", "-o", "y"), code=2)
        assert "--paired needs --transform dense and --features waves" in said


def test_a_page_of_a_model_speaks_of_commands(folder):
    run("fit", "gmm", "all.sketch", "-k", "2", "-o", "two.model")
    run("fit", "kmeans", "all.sketch", "-k", "2", "-o", "two.means")
    for model in ("two.model", "two.means"):
        done("report", model, "-o", "two.html")
        page = Path("two.html").read_text(encoding="utf-8")
        assert f": {load_model(model).report().verdict}" in page
        for name in ("n_frequencies", "n_init", "n_clusters", "count_clusters", "quality_"):
            assert name not in page
        assert not re.search("fit with the rows(?! in Python)", page)


def test_a_constant_column_needs_no_bounds(folder):
    said = failed(
        *("fit", "kmeans", "all.sketch", "-k", "2", "--bounds", "price=1:1", "-o", "x.model"),
        code=2,
    )
    assert "a constant column needs none" in said
