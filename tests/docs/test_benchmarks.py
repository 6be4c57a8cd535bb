"""Each benchmark of decoding runs on a small set, goes on where it was, and writes its page."""

import re

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import (
    _log,
    _methods,
    _report,
    butterfly_map,
    classes,
    components,
    decoders,
    number_of_clusters,
    out_of_core,
    scale,
    verdicts,
    wide,
    without_pilot,
)
from sketchlearn import Sketcher


@pytest.fixture
def places(tmp_path):
    """Where a benchmark may write, as options."""
    return ["--log", str(tmp_path / "build" / "log.jsonl"), "--page", str(tmp_path / "page.md"),
            "--figure", str(tmp_path / "figure.png")]  # fmt: skip


@pytest.mark.quality
@pytest.mark.slow
def test_decoders_on_one_small_set(places, tmp_path, capsys):
    options = ["--sets", "iris", "--ratios", "2,5", "--seeds", "1", *places]
    methods = "sketch alone,with pilot,Splitting,same,20,again"
    decoders.main([*options, "--methods", methods])
    first = _log.read(tmp_path / "build" / "log.jsonl")
    ran = {(record["method"], record["ratio"]) for record in first}
    assert {("sketch alone", 2), ("with pilot", 5), ("same bytes", 5), ("reference", 0)} < ran
    ratios = {(r["method"], r["ratio"]): r["sse_ratio"] for r in first if "sse_ratio" in r}
    assert ratios["with pilot", 5] < 1.1
    assert ratios["k-means again", 0] == pytest.approx(1.0, abs=0.05)

    page = (tmp_path / "page.md").read_text()
    assert "iris, 150 x 4, k = 3" in page
    assert "one seed" in page
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")

    capsys.readouterr()
    decoders.main([*options, "--methods", methods])
    assert "seed 1000" not in capsys.readouterr().out
    assert _log.read(tmp_path / "build" / "log.jsonl") == first


@pytest.mark.slow
def test_decoders_take_up_what_an_interruption_left(places, tmp_path):
    log = tmp_path / "build" / "log.jsonl"
    options = [
        "--sets",
        "iris",
        "--ratios",
        "2",
        "--seeds",
        "1",
        "--methods",
        "same bytes",
        *places,
    ]
    decoders.main(options)
    whole = log.read_text()
    log.write_text(whole[: whole.rindex("{") + 20])
    decoders.main(options)
    assert [r["method"] for r in _log.read(log)] == ["reference", "same bytes"]


@pytest.mark.slow
def test_results_on_other_rows_are_not_mixed(places):
    options = ["--sets", "overlapping", "--ratios", "2", "--seeds", "1", *places]
    decoders.main([*options, "--methods", "same bytes", "--n-synthetic", "500"])
    with pytest.raises(SystemExit, match=r"600 rows here.* results on 500"):
        decoders.main([*options, "--methods", "20,000", "--n-synthetic", "600"])


def test_results_of_other_code_are_left_out():
    record = {"set": "iris", "method": "sketch alone", "ratio": 2, "seed": 1000}
    records = [record | {"code": "0" * 12}, record | {"code": ""}]
    assert decoders.current(records) == [records[1]]


def test_methods_are_compared_on_the_same_seeds():
    record = {"set": "iris", "ratio": 2, "code": ""}
    alone = record | {"method": "sketch alone", "seed": 1000}
    others = [record | {"method": "same bytes", "seed": seed} for seed in (1000, 1001)]
    assert decoders.comparable([alone, *others]) == [alone, others[0]]
    assert decoders.comparable(others) == others


def test_the_page_says_how_many_seeds_each_method_had():
    record = {"set": "iris", "ratio": 2, "sse_ratio": 1.0}
    alone = [record | {"method": "sketch alone", "seed": seed} for seed in range(3)]
    others = [record | {"method": method, "seed": 0} for method in ("CLOMPR", "same bytes")]
    other_set = record | {"method": "CLOMPR", "seed": 1, "set": "wine"}
    runs = [*alone, *others, other_set]
    expected = "Seeds: 3 for sketch alone; 1 for `CLOMPR`, k-means, same bytes."
    assert _report.seeds_of(runs, 2) == expected


@pytest.mark.slow
def test_a_failure_is_logged_as_the_worst_result(places, tmp_path, monkeypatch):
    def fail(problem):
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setitem(decoders.METHODS, "Splitting", fail)
    decoders.main(["--sets", "iris", "--ratios", "2", "--seeds", "1", "--methods", "Splitting",
                   *places])  # fmt: skip
    last = _log.read(tmp_path / "build" / "log.jsonl")[-1]
    assert last["sse_ratio"] == np.inf
    assert "inf" in (tmp_path / "page.md").read_text()


@pytest.mark.quality
@pytest.mark.slow
def test_scale_on_one_small_set(places, tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "FACTORS", (0.5, 1.0))
    monkeypatch.setattr(scale, "LABELS", ("1/2", "1"))
    scale.main(["--sets", "iris", "--seeds", "1", *places])
    page = (tmp_path / "page.md").read_text()
    assert "of 1 sets" in page
    assert page.count("| iris |") == 2
    records = _log.read(tmp_path / "build" / "log.jsonl")
    assert len(records) == 4
    assert all(record["sse_ratio"] < 1.5 for record in records)


@pytest.mark.quality
def test_pycle_finds_two_clusters():
    pytest.importorskip("pycle")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) + np.where(np.arange(400) % 2, 8.0, 0.0)[:, None]
    outcome = _methods.pycle(_methods.Problem(X, 2, 20, 0, 1.0))
    assert _methods.inertia(X, outcome.centers) < 1.2 * 2 * 400
    assert outcome.figures["scale_factor"] in _methods.SCALE_FACTORS


def test_same_time_takes_no_longer():
    X = np.random.default_rng(0).normal(size=(1500, 3))
    problem = _methods.Problem(X, 4, 30, 0, seconds_allowed=1e-6)
    patient = _methods.Problem(X, 4, 30, 0, seconds_allowed=1e6)
    with threadpool_limits(1):
        assert _methods.same_time(problem).figures["n_rows"] == _methods.FIRST_ROWS
        assert _methods.same_time(patient).figures["n_rows"] == 1500


def test_same_bytes_counts_the_rows_that_a_sketch_weighs():
    X = np.random.default_rng(0).normal(size=(5000, 4))
    outcome = _methods.same_bytes(_methods.Problem(X, 3, 60, 0))
    assert outcome.figures["n_rows"] == 16 * 60 // (8 * 4)
    assert _methods.same_bytes(_methods.Problem(X, 3, 5, 0)) is None


def test_unknown_names_are_refused():
    with pytest.raises(SystemExit, match="expected parts of"):
        _log.names("moon", ["iris"])


@pytest.mark.parametrize("kind", out_of_core.KINDS)
def test_out_of_core_writes_the_same_rows_in_every_format(kind, tmp_path):
    path = tmp_path / f"x.{out_of_core.ENDINGS[kind]}"
    out_of_core.write(kind, path, 250)
    rows = np.concatenate(list(out_of_core.blocks(250)))
    sketcher = Sketcher(10, random_state=0).fit(rows)
    assert sketcher.sketch(path) == sketcher.sketch(rows)


@pytest.mark.slow
def test_out_of_core_on_small_files(tmp_path):
    page = tmp_path / "page.md"
    options = ["--sizes", "2000", "--kinds", "Parquet", "--rounds", "1", "--page", str(page)]
    out_of_core.main(options)
    text = page.read_text()
    assert "| file of | 2,000 rows | largest / least |" in text
    assert "| of the slower | processor time |" in text


@pytest.mark.quality
@pytest.mark.slow
def test_wide_data_on_its_smallest_set(tmp_path):
    page = tmp_path / "wide.md"
    wide.main(["--sets", "of a hypercube", "--seeds", "1", "--page", str(page)])
    line = page.read_text().strip().splitlines()[-1]
    assert "corners of a hypercube, 6,000 x 5, k = 32 | auto: 1,600" in line
    ratios = [float(cell) for i, cell in enumerate(line.split("|")) if i in (5, 8)]
    assert max(ratios) < 1.02


@pytest.mark.quality
@pytest.mark.slow
def test_sketches_without_a_pilot_on_one_small_set(tmp_path, capsys):
    options = ["--sets", "iris", "--ratios", "5", "--seeds", "1", "--page", str(tmp_path / "page"),
               "--log", str(tmp_path / "log.jsonl")]  # fmt: skip
    without_pilot.main([*options, "--ways", "domain,mixed: half"])
    records = _log.read(tmp_path / "log.jsonl")
    assert {record["way"] for record in records} == {"from a domain", "mixed: half of the clusters"}
    assert max(record["sse_ratio"] for record in records) < 1.2
    page = (tmp_path / "page").read_text()
    assert "| from a domain | 1.0" in page
    assert "| iris | 1.0" in page
    capsys.readouterr()
    without_pilot.main([*options, "--ways", "domain"])
    assert "seed 1000" not in capsys.readouterr().out


@pytest.mark.quality
@pytest.mark.slow
def test_butterflies_as_frequencies_on_the_smallest_set(tmp_path):
    page = tmp_path / "butterfly_map.md"
    options = ["--sets", "m = 1", "--seeds", "1", "--features", "64", "--page", str(page)]
    butterfly_map.main(options)
    lines = [line.split("|") for line in page.read_text().splitlines() if "on 8 axes" in line]
    ratios = {cells[2].strip(): float(cells[8]) for cells in lines}
    assert set(ratios) == set(butterfly_map.KINDS)
    assert max(ratios["dense"], ratios["Hadamard, 3 rounds"]) < 1.2


@pytest.mark.slow
def test_verdicts_are_counted_and_only_those_of_families_apart(tmp_path, monkeypatch):
    log, page = tmp_path / "log.jsonl", tmp_path / "page.md"
    options = ["--log", str(log), "--page", str(page), "--ratios", "2", "--methods", "k-means"]
    monkeypatch.setattr(verdicts, "N_ROWS", 500)
    verdicts.main([*options, "--part", "choosing", "--seeds", "0"])
    assert not page.exists()
    stem = {"set": "rings", "method": "k-means", "ratio": 2, "seed": 1000, "is_warned": False}
    for part, loss, verdict in [
        ("judging", 0.5, "wrong"),
        ("judging", 0.2, "good"),
        ("judging", 0.01, "good"),
        ("judging", 0.05, "doubtful"),
        ("choosing", 0.01, "wrong"),
    ]:
        record = {"part": part, "loss": loss, "verdict": verdict, "code": _log.library_digest()}
        _log.append(log, {**stem, **record})
    page.write_text("# Earlier\n\n## mixture\n\nTold of 3.\n")
    for _ in range(2):
        # What is kept says so once, however often the page is written.
        verdicts.main([*options, "--report-only"])
        assert "| all | 1 of 2 | 0 of 1 |" in page.read_text()
        assert page.read_text().endswith(f"## mixture\n\n{verdicts.NOT_ANEW}Told of 3.\n")


def test_records_of_other_sources_are_left_out_and_the_newest_of_a_run_stays():
    stem = {"set": "a", "seed": 1}
    own = _log.library_digest()
    records = [stem | {"code": code, "loss": i} for i, code in enumerate((own, "other", own, ""))]
    assert [one["loss"] for one in _log.current(records)] == [0, 2, 3]
    assert [one["loss"] for one in _log.current(records, "set", "seed")] == [3]
    assert [one["loss"] for one in _log.current(records, code="other")] == [1, 3]


@pytest.mark.slow
def test_verdicts_on_one_small_family(tmp_path, monkeypatch):
    log = tmp_path / "log.jsonl"
    monkeypatch.setattr(verdicts, "N_ROWS", 1000)
    monkeypatch.setitem(
        verdicts.PARTS, "judging", ({"survey": verdicts.JUDGING["survey"]}, FIRST_REPORTED_SEED)
    )
    options = ["--log", str(log), "--page", str(tmp_path / "page.md")]
    verdicts.main([*options, "--ratios", "2", "--seeds", "1"])
    records = _log.read(log)
    assert {record["method"] for record in records} == set(verdicts.METHODS)
    assert all(record["loss"] > -0.1 and record["seed"] == 1000 for record in records)
    assert "## mixture" in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_components_and_classes_on_one_small_table(capsys):
    components.main(["--tables", "wine"])
    classes.main(["--tables", "iris", "--splits", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines] == ["wine, 178 x 13", "iris, 150 x 4"]


@pytest.mark.quality
@pytest.mark.slow
def test_counts_of_clusters_on_one_set(tmp_path):
    page = tmp_path / "page.md"
    options = ["--sets", "500 rows,cigars", "--seeds", "1", "--log", str(tmp_path / "log.jsonl")]
    number_of_clusters.main([*options, "--page", str(page)])
    text = page.read_text()
    for kind, row in (
        ("elongated", "| cigars | elongated | 10,000 x 2 | 4 |"),
        ("round", "| 500 rows | round | 500 x 2 | 6 |"),
    ):
        [(found, star)] = re.findall(re.escape(row) + r" (\d+)(\*?) \|", text)
        is_right = found == row.split()[-2]
        shares = [f"{100 * share}%" for share in (is_right, is_right and bool(star), 0)]
        # Right, or wrong and not resolved: never wrong and certain.
        assert f"| {kind} | 1 | {' | '.join(shares)} |" in text


def test_a_tree_of_rows_finds_two_clusters():
    pytest.importorskip("betula_cluster")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2)) + np.where(np.arange(400) % 2, 8.0, 0.0)[:, None]
    outcome = _methods.betula(_methods.Problem(X, 2, 20, 0))
    assert _methods.inertia(X, outcome.centers) < 1.2 * 2 * 400
