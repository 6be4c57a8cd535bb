"""Row numbers are no feature, whichever way a frame came from its file."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.csv
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, SourceError, open_source

X = np.random.default_rng(0).normal(size=(60, 2))
FRAME = pd.DataFrame(X, columns=["a", "b"], index=np.arange(60)[::-1])
LEVELS = FRAME.set_index(pd.MultiIndex.from_arrays([FRAME.index, FRAME.index]))


def fits():
    return [Sketcher(20, random_state=0).fit, CompressiveKMeans(2, n_frequencies=20).fit]


@pytest.mark.slow
@pytest.mark.parametrize("frame", [FRAME, LEVELS])
@pytest.mark.parametrize("read", [pl.read_parquet, lambda p: pl.read_parquet(p).to_pandas()])
def test_an_index_that_parquet_holds(frame, read, tmp_path):
    frame.to_parquet(tmp_path / "x.parquet")
    rows = read(tmp_path / "x.parquet")
    assert any("__index_level" in name for name in rows.columns)
    for fit in fits():
        fitted = fit(rows)
        assert list(fitted.feature_names_in_) == ["a", "b"]
        # Rows of the same frame are found by the names that are left.
        fitted.transform(rows)


READERS = {
    "file": lambda path: path,
    "pandas": pd.read_csv,
    "polars": pl.read_csv,
    "items": lambda path: [pd.read_csv(path)],
}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "index",
    [
        FRAME.index,
        FRAME.index + 0.5,
        pd.MultiIndex.from_arrays([range(60)] * 2, names=["n", ""]),
    ],
)
def test_columns_without_a_name_in_csv(reader, index, tmp_path):
    index = index.set_names([None if name == "" else name for name in index.names])
    FRAME.set_index(index).to_csv(tmp_path / "x.csv")
    rows = READERS[reader](tmp_path / "x.csv")
    for fit in fits():
        with pytest.warns(UserWarning, match="columns without a name of their own, '.*open_source"):
            fitted = fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What the warning advises; and later calls have nothing to warn of.
        fits()[0](open_source(rows, columns=["a", "b"]))
        fitted.transform(rows)


def test_several_columns_without_a_name(tmp_path):
    LEVELS.to_csv(tmp_path / "x.csv")
    refused = pytest.raises(SourceError, match="more than one column ''")
    with pytest.warns(UserWarning, match="without a name"), refused:
        Sketcher(20).fit(tmp_path / "x.csv")
    sketcher = Sketcher(20, random_state=0).fit(tmp_path / "x.csv", columns=["a", "b"])
    assert sketcher.n_features_in_ == 2


def test_numbers_as_names_are_told_from_rows_by_the_user(tmp_path):
    """pandas' default names look like a first row: neither is guessed, both can be said."""
    FRAME.set_axis([0, 1], axis=1).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(SourceError, match=r"no line of column names: it starts with .*open_csv"):
        Sketcher(20).fit(tmp_path / "x.csv")
    reader = pyarrow.csv.open_csv(tmp_path / "x.csv")
    assert Sketcher(20).fit(open_source(reader)).n_features_in_ == 2
