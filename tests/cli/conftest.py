"""Files that the command line made."""

import os

import pandas as pd
import pytest
from command_line import NAMES, done, rows, sketch


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Three days of Parquet, a sketch of all and a model."""
    folder = tmp_path_factory.mktemp("made")
    frame = pd.DataFrame(rows(), columns=NAMES).assign(city=["Oslo", "Rome", "Nice"] * 1_000)
    for day in range(3):
        frame[day * 1_000 : (day + 1) * 1_000].to_parquet(folder / f"day-{day}.parquet")
    here = os.getcwd()
    os.chdir(folder)
    done(sketch("-m", "60", "-o", "all.sketch"))
    done("fit", "kmeans", "all.sketch", "-k", "3", "-o", "all.model")
    os.chdir(here)
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """A fresh folder with links to what was made."""
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path
