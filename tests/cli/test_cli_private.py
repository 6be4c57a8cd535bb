"""The commands domain and release, and what takes a private sketch."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import done, failed, rows, run

from sketchlearn import Sketch
from sketchlearn.privacy import PrivateSketch

pytestmark = pytest.mark.slow

COLUMNS = "price=-20:40,weight=-20:40"


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for day, seed in (("mon", 0), ("tue", 1)):
        frame = pd.DataFrame(rows(20_000, seed), columns=["price", "weight"])
        frame["weight"] = frame["weight"].where(frame.index != 3, 1e7)
        frame.to_parquet(f"{day}.parquet")
    done("domain", "--columns", COLUMNS, "-o", "domain.json")


def sketched(day="mon", *more):
    run("sketch", f"{day}.parquet", "--domain", "domain.json", "-k", 3, "-o", day, *more)
    return Sketch.load(day)


def released(day="mon", *more):
    sketched(day)
    options = ("--epsilon", 2, "--delta", 1e-6, *more)
    assert run("release", day, "-o", f"{day}.private", *options).exit_code == 0
    return PrivateSketch.load(f"{day}.private")


def test_a_domain_is_written_as_json_and_rows_are_cut_to_it():
    said = json.loads(Path("domain.json").read_text())
    assert said["columns"][1] == {"name": "weight", "lower": -20.0, "upper": 40.0}
    sketch = sketched()
    assert sketch.feature_names == ("price", "weight")
    assert sketch.operator.domain.clips
    assert np.array_equal(sketch.operator.domain.box, [[-20.0] * 2, [40.0] * 2])
    assert sketch.moments.mean[1] < 20.0


def test_a_radius_in_the_domain_is_the_operators():
    done("domain", "--columns", COLUMNS, "--radius", 0.9, "-o", "domain.json", "--force")
    assert json.loads(Path("domain.json").read_text())["radius"] == 0.9
    assert sketched().operator.domain.radius == 0.9
    assert json.loads(done("info", "mon", "--json"))["radius"] == 0.9
    assert "radius must be positive" in failed(
        "domain", "--columns", COLUMNS, "--radius", -1, "-o", "other.json", code=2
    )


def test_lines_end_where_their_text_does():
    released()
    lines = done("info", "mon.private").splitlines()
    assert any(line.startswith("releases") for line in lines)
    assert lines == [line.rstrip() for line in lines]


def test_one_release_serves_every_command():
    private = released()
    assert 1.99 < private.epsilon <= 2.0
    values = json.loads(done("info", "mon.private", "--json"))
    assert values["kind"] == "private sketch"
    assert values["releases"][0]["noise"] == "discrete gaussian"
    assert set(values["releases"][0]["scales"]) == {"count", "first", "second", "waves"}
    assert values["epsilon"] == private.epsilon
    assert run("fit", "kmeans", "mon.private", "-k", 3, "-o", "model").exit_code == 0
    centers = np.array(json.loads(done("centroids", "model", "--json"))["centroids"])
    assert np.allclose(np.sort(centers[:, 0]), [0.0, 10.0, 20.0], atol=0.5)
    assert json.loads(done("info", "model", "--json"))["kind"] == "model"
    released("tue")
    assert json.loads(done("compare", "mon.private", "tue.private", "--json"))["ratio"] < 2.0
    done("merge", "mon.private", "tue.private", "-o", "both.private")
    assert len(PrivateSketch.load("both.private").mechanisms) == 2


def test_neighbours_and_laplace_noise_are_options():
    sketched()
    options = ("--epsilon", 4, "--delta", 0, "--neighbors", "replace", "--rows-per-person", 2)
    assert run("release", "mon", "-o", "p", *options).exit_code == 0
    mechanism = PrivateSketch.load("p").mechanisms[0]
    assert (mechanism.noise, mechanism.neighbors) == ("discrete laplace", "replace")
    assert mechanism.rows_per_person == 2


def test_a_release_is_not_made_twice_by_mistake():
    released()
    again = ("release", "mon", "-o", "mon.private", "--epsilon", 1, "--delta", 1e-6)
    assert "is a release already" in failed(*again)


def test_what_cannot_be_released_or_read_is_told_in_a_line():
    run("sketch", "mon.parquet", "-o", "free")
    assert "sketch with --domain" in failed(
        "release", "free", "-o", "p", "--epsilon", 1, "--delta", 1e-6
    )
    sketched()
    for wrong in (("0", "1e-6", "0.1"), ("1", "1", "0.1"), ("1", "1e-6", "1")):
        named = dict(zip(("--epsilon", "--delta", "--moments-share"), wrong, strict=True))
        options = [word for pair in named.items() for word in pair]
        assert "must be" in failed("release", "mon", "-o", "p", *options, code=2)
    Path("domain.json").write_text('{"columns": []}')
    message = failed("sketch", "mon.parquet", "--domain", "domain.json", "-o", "s")
    assert "domain.json: this is no domain" in message


def test_domains_that_are_none_are_refused():
    for columns, message in (
        ("age", "as age=0:100"),
        ("age=0", "as age=0:100"),
        ("age=5:1", "lower must be less than upper"),
        ("age=0:inf", "finite"),
        ("age=0:1,age=0:2", "differ"),
    ):
        assert message in failed("domain", "--columns", columns, "-o", "other.json", code=2)
    message = failed(
        *("sketch", "mon.parquet", "--domain", "domain.json", "--columns", "price", "-o", "s"),
        code=2,
    )
    assert "leave out" in message


def test_releases_are_subtracted_from_nothing_and_added_to_releases_alone():
    released()
    sketched("tue")
    for files in (("mon.private", "tue"), ("tue", "mon.private"), ("mon.private", "mon.private")):
        said = failed("subtract", *files, "-o", "x")
        assert "mon.private is a release, whose rows cannot be taken out: subtract exact" in said
    for files in (("mon.private", "tue"), ("tue", "mon.private")):
        said = failed("merge", *files, "-o", "x")
        assert "mon.private is a release and tue is none: releases are added to releases" in said
    for command in (
        ("sketch", "tue.parquet", "--like", "mon.private"),
        ("release", "mon.private", "--epsilon", 1, "--delta", 1e-6),
        ("operator", "mon.private"),
    ):
        said = failed(*command, "-o", "x")
        assert "it is a private sketch: fit, count, compare, info and report take one" in said
        assert "PrivateSketch" not in said
