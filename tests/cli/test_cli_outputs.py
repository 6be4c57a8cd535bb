"""What the command line writes to: never to what it reads, and over nothing of another kind."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr
from command_line import done, failed, run, sketch

from sketchlearn import Sketch, load_model

pytestmark = pytest.mark.slow

PREDICT = ["predict", "all.model", "--columns", "price,weight"]
SKETCH = ["sketch", "--columns", "price,weight", "-m", "60"]


def contents():
    """Everything in the folder, links followed."""
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.fixture
def copies(folder):
    """The folder, with copies in place of links."""
    for path in folder.iterdir():
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    return folder


def linked(kind, path):
    """Another name of a file."""
    if kind == "itself":
        return str(path)
    name = f"another{Path(path).suffix}"
    if kind == "symbolic":
        os.symlink(path, name)
    elif kind == "hard":
        os.link(path, name)
    elif kind == "long":
        os.mkdir("d")
        return f"d/../{path}"
    return name


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("kind", ["itself", "symbolic", "hard", "long"])
@pytest.mark.parametrize(
    ("arguments", "victim"),
    [
        ([*SKETCH, "day-0.parquet"], "day-0.parquet"),
        ([*SKETCH, "day-*.parquet"], "day-1.parquet"),
        (["sketch", "day-0.parquet", "--like", "all.sketch"], "all.sketch"),
        (["merge", "all.sketch", "all.sketch"], "all.sketch"),
        (["merge", "all.sketch", "other.sketch"], "other.sketch"),
        (["subtract", "all.sketch", "other.sketch"], "all.sketch"),
        (["subtract", "all.sketch", "other.sketch"], "other.sketch"),
        (["fit", "kmeans", "all.sketch", "-k", "2"], "all.sketch"),
        (["fit", "gmm", "all.sketch", "-k", "2"], "all.sketch"),
        ([*PREDICT, "day-0.parquet"], "day-0.parquet"),
        ([*PREDICT, "day-*.parquet"], "day-2.parquet"),
        ([*PREDICT, "day.csv"], "day.csv"),
    ],
)
def test_no_input_is_written_to(copies, arguments, victim, kind, force):
    Path("other.sketch").write_bytes(Path("all.sketch").read_bytes())
    pd.read_parquet("day-0.parquet").to_csv("day.csv", index=False)
    output = linked(kind, victim)
    before = contents()
    said = failed(*arguments, "-o", output, *force)
    assert "which is read here" in said or "would be among the data" in said
    assert contents() == before


def test_a_model_is_not_replaced_by_its_labels(copies):
    os.rename("all.model", "model.parquet")
    before = contents()
    said = failed("predict", "model.parquet", "day-0.parquet", "-o", "model.parquet", "--force")
    assert "model.parquet, which is read here" in said
    assert contents() == before


@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("d", "d/labels.parquet"),
        ("d", "d/deeper/labels.csv"),
        ("d/", "d/labels.pq"),
        ("d/*.parquet", "d/labels.parquet"),
        ("d/*", "d/labels.csv"),
        ("*/day*.parquet", "d/day-labels.parquet"),
        ("**/*.parquet", "labels.parquet"),
        ("**/*.parquet", "d/deeper/labels.parquet"),
        ("d*", "d/labels.parquet"),
        ("./d/../d/day-?.parquet", "d/day-9.parquet"),
        ("linked/*.parquet", "d/labels.parquet"),
        ("d/[dl]*.parquet", "linked/labels.parquet"),
    ],
)
def test_no_output_becomes_data_of_the_next_run(copies, data, output):
    os.makedirs("d/deeper")
    for path in list(copies.glob("day-*.parquet")):
        path.rename(copies / "d" / path.name)
    os.rename("d/day-2.parquet", "d/deeper/day-2.parquet")
    os.symlink("d", "linked")
    before = contents()
    assert "would be among the data the next time" in failed(*PREDICT, data, "-o", output)
    assert contents() == before


@pytest.mark.parametrize(
    ("data", "output"),
    [
        ("d", "labels.parquet"),
        ("d", "d.parquet"),
        ("d", "d/.labels.parquet"),
        ("d/day-*.parquet", "d/labels.parquet"),
        ("d/*.parquet", "d/labels.csv"),
        ("d/*.parquet", "d/deeper/labels.parquet"),
        ("*/day-*.parquet", "day-9.parquet"),
    ],
)
def test_other_places_are_as_good_as_before_and_again(copies, data, output):
    os.makedirs("d/deeper")
    for path in list(copies.glob("day-*.parquet")):
        path.rename(copies / "d" / path.name)
    done(*PREDICT, data, "-o", output)
    first = Path(output).read_bytes()
    done(*PREDICT, data, "-o", output)
    assert Path(output).read_bytes() == first


def test_a_sketch_may_lie_among_the_data_unless_the_pattern_is_of_all_files(copies):
    os.mkdir("d")
    os.rename("day-0.parquet", "d/day-0.parquet")
    assert "would be among the data" in failed(*SKETCH, "d/*", "-o", "d/other.sketch")
    for _ in range(2):
        done(*SKETCH, "d", "-o", "d/all.sketch")


def test_nothing_is_written_into_a_store_that_is_read(copies):
    zarr.save("rows.zarr", np.zeros((100, 2)))
    before = contents()
    said = failed("sketch", "rows.zarr", "-m", "9", "-o", "rows.zarr/all.sketch")
    assert "rows.zarr, which is read here" in said
    assert contents() == before


COMMANDS = {
    "sketch": ([*SKETCH, "day-0.parquet"], "a sketch", ["all.model", "day-1.parquet", "notes"]),
    "merge": (["merge", "all.sketch"], "a sketch", ["all.model", "day-1.parquet", "notes"]),
    "subtract": (["subtract", "all.sketch", "other.sketch"], "a sketch", ["all.model", "notes"]),
    "kmeans": (
        ["fit", "kmeans", "all.sketch", "-k", "3"],
        "a model",
        ["other.sketch", "day-1.parquet", "notes"],
    ),
    "gmm": (["fit", "gmm", "all.sketch", "-k", "3"], "a model", ["other.sketch", "notes"]),
    "predict": (
        [*PREDICT, "day-0.parquet"],
        "a file of labels",
        ["day-1.parquet", "day.csv", "labelled.parquet", "labelled.csv", "notes.csv"],
    ),
}


@pytest.mark.parametrize(
    ("name", "victim"), [(name, victim) for name in COMMANDS for victim in COMMANDS[name][2]]
)
def test_a_file_of_another_kind_is_replaced_only_if_asked(copies, name, victim):
    arguments, noun, _ = COMMANDS[name]
    Path("other.sketch").write_bytes(Path("all.sketch").read_bytes())
    Path("notes").write_text("do not lose")
    Path("notes.csv").write_text("do not lose")
    frame = pd.read_parquet("day-1.parquet")
    frame.to_csv("day.csv", index=False)
    frame.assign(label=1).to_parquet("labelled.parquet")
    frame.assign(label=1).to_csv("labelled.csv", index=False)
    before = contents()
    said = failed(*arguments, "-o", victim)
    assert f"{victim} is there and is not {noun}" in said
    assert "--force" in said
    assert contents() == before
    done(*arguments, "-o", victim, "--force")
    after = contents()
    assert after.pop(victim) != before.pop(victim)
    assert after == before


@pytest.mark.parametrize("name", [*COMMANDS])
def test_a_result_is_replaced_by_a_newer_one_and_an_empty_file_by_any(copies, name):
    Path("other.sketch").write_bytes(Path("all.sketch").read_bytes())
    arguments, output = COMMANDS[name][0], "x.csv" if name == "predict" else "x"
    Path(output).touch()
    done(*arguments, "-o", output)
    first = Path(output).read_bytes()
    done(*arguments, "-o", output)
    assert Path(output).read_bytes() == first


def test_a_read_only_result_is_not_replaced(copies):
    done("merge", "all.sketch", "-o", "x")
    os.chmod("x", 0o444)
    before = contents()
    assert "read-only" in failed("merge", "all.sketch", "all.sketch", "-o", "x", "--force")
    assert contents() == before


def test_a_device_is_written_to(copies):
    done("merge", "all.sketch", "-o", "/dev/null")
    assert not Path("/dev/null").is_file()


def test_labels_with_ids_and_probabilities(copies):
    frame = pd.read_parquet("day-0.parquet").assign(
        customer=[f"c{i:04}" for i in range(1_000)], number=2**60 + np.arange(1_000)
    )
    frame.to_parquet("named.parquet", row_group_size=300)
    done("fit", "gmm", "all.sketch", "-k", "3", "-o", "gmm.model")
    arguments = ["predict", "gmm.model", "named.parquet", "--columns", "price,weight"]
    arguments += ["--id", "customer,number", "--probabilities"]
    for name in ("l.parquet", "l.csv"):
        for _ in range(2):
            done(*arguments, "-o", name)
    told = pd.read_parquet("l.parquet")
    names = [f"probability_{i}" for i in range(3)]
    assert list(told.columns) == ["customer", "number", "label", *names]
    assert list(told["customer"]) == list(frame["customer"])
    assert list(told["number"]) == list(frame["number"])
    model = load_model("gmm.model")
    rows = frame[["price", "weight"]]
    np.testing.assert_array_equal(told["label"], model.predict(rows))
    np.testing.assert_allclose(told[names], model.predict_proba(rows), rtol=0, atol=1e-12)
    pd.testing.assert_frame_equal(
        pd.read_csv("l.csv"), told, check_dtype=False, rtol=1e-12, atol=1e-15
    )


@pytest.mark.parametrize("ending", ["parquet", "csv", "feather"])
def test_ids_of_filtered_rows_of_several_files(copies, ending):
    frames = []
    for day in range(3):
        frame = pd.read_parquet(f"day-{day}.parquet").assign(
            customer=[f"{day}-{i}" for i in range(1_000)]
        )
        write = {"parquet": frame.to_parquet, "feather": frame.to_feather}.get(ending)
        if write:
            write(f"d{day}.{ending}")
        else:
            frame.to_csv(f"d{day}.csv", index=False)
        frames.append(frame)
    arguments = [*PREDICT, f"d[0-2].{ending}", "--id", "customer", "--filter", "city != Rome"]
    done(*arguments, "-o", "l.parquet")
    frame = pd.concat(frames)
    kept = frame[frame["city"] != "Rome"]
    told = pd.read_parquet("l.parquet")
    assert list(told["customer"]) == list(kept["customer"])
    expected = load_model("all.model").predict(kept[["price", "weight"]])
    np.testing.assert_array_equal(told["label"], expected)


def test_ids_that_cannot_be_copied(copies):
    np.save("rows.npy", np.zeros((5, 2)))
    for arguments, message in [
        ([*PREDICT, "day-0.parquet", "--id", "nobody"], "has no column 'nobody'"),
        ([*PREDICT, "day-0.parquet", "--id", "label"], "would have the name of a column of pred"),
        ([*PREDICT, "day-0.parquet", "--probabilities"], "has no probabilities"),
        (["predict", "all.model", "rows.npy", "--id", "x"], "no named columns to copy"),
    ]:
        assert message in failed(*arguments, "-o", "l.parquet")
    wrong = [*PREDICT, "day-0.parquet", "--id", "city,,price", "-o", "l.parquet"]
    assert "--id expects names separated by" in failed(*wrong, code=2)
    assert not Path("l.parquet").exists()


def test_a_read_only_input_is_still_read(copies):
    os.chmod("all.sketch", 0o444)
    assert run("merge", "all.sketch", "-o", "x").exit_code == 0
    assert Sketch.load("x") == Sketch.load("all.sketch")
    assert sketch()


@pytest.mark.parametrize("arguments", [["sketch", "day-0.parquet", "--columns", "none"]])
def test_a_read_only_output_is_refused_before_the_data_is_read(folder, arguments):
    Path("x.sketch").write_bytes(Path("all.sketch").read_bytes())
    Path("x.sketch").chmod(0o444)
    # There is no such column, which would be told if the data came first.
    assert "read-only" in failed(*arguments, "-o", "x.sketch")
