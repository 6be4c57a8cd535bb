"""The guide to the command line, typed from top to bottom."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sketchlearn import Sketch
from sketchlearn.cli.app import app

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "cli.md").read_text(encoding="utf-8")


def without_numbers(text):
    """What a table says, but for the numbers, which another processor rounds otherwise."""
    lines = (re.sub(r"\S*\d\S*", "#", line).split() for line in text.strip().splitlines())
    return [line for line in lines if line]


def test_the_page_s_commands_do_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (setup,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(setup, {})
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [part for block in blocks for part in re.split(r"^\$ ", block, flags=re.M) if part]
    assert len(commands) > 10
    for command in commands:
        line, _, expected = command.partition("\n")
        name, *arguments = shlex.split(line)
        assert name == "sketchlearn"
        result = CliRunner().invoke(app, arguments)
        assert (result.exit_code, result.stderr) == (0, ""), line
        assert without_numbers(result.stdout) == without_numbers(expected), line

    assert Sketch.load("two.sketch") == Sketch.load("long.sketch")
    rest = [pd.read_parquet(f"{day}.parquet")[["price", "weight"]] for day in ("tue", "wed")]
    labels = pd.read_parquet("labels.parquet")["label"]
    # Four clusters of unit variance, ten apart.
    assert rest[1].groupby(labels.to_numpy()).std().to_numpy().max() < 1.2
    np.testing.assert_equal(Sketch.load("rest.sketch").n_samples, len(pd.concat(rest)))
