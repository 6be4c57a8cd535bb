"""The contract of sources of rows, held by every opener, every format and every partition."""

import csv
import inspect
import io
import json
import os
import pickle

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import zarr

from sketchlearn import CompressiveKMeans, Sketcher, SourceError, open_source
from sketchlearn.sources import ArrayPartition, Partition, register_format
from sketchlearn.sources.arrays import VIEW_BYTES
from sketchlearn.sources.error_handling import make_error_handler
from sketchlearn.sources.formats import FORMATS
from sketchlearn.sources.opening import OPENERS
from sketchlearn.sources.sampling import draw_rows
from sketchlearn.sources.source import count_chunk_rows
from tests.extensions.source import write_raw

# Together they write and read back every format there is.
pytestmark = pytest.mark.slow

# Wide enough that the rows do not fit into one chunk. The first column tells a row from others.
N, D = 4500, 64
ROWS = np.random.default_rng(0).normal(size=(N, D)).round(4)
ROWS[:, 0] = np.arange(N)
OTHER_ROWS = np.vstack([ROWS[:1] + 1.0, ROWS[1:]])
NAMES = [f"x{j}" for j in range(D)]
SKETCHER = Sketcher(5, scale=1.0, random_state=0).fit(ROWS)
MOST_ROWS = count_chunk_rows(D)


def table_of(rows):
    return pa.table(list(rows.T), names=NAMES)


def write_text(path, rows, delimiter):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([NAMES, *rows.tolist()])
    with pa.output_stream(path, compression="detect") as file:
        file.write(text.getvalue().encode())


def write_json(path, rows):
    lines = "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in rows.tolist())
    with pa.output_stream(path, compression="detect") as file:
        file.write(lines.encode())


def write_stream(path, rows):
    table = table_of(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=900)


def write_hdf5(path, rows):
    with h5py.File(path, "w") as file:
        file.create_dataset("rows", data=rows, chunks=(min(500, len(rows)), D))


def write_zarr(path, rows):
    stored = zarr.open_array(str(path), mode="w", shape=rows.shape, chunks=(500, D), dtype="f8")
    stored[:] = rows


def write_feather(path, rows):
    pa.feather.write_feather(table_of(rows), path, chunksize=900)


# By what a format's endings begin with, so that compressed ones are among them.
WRITERS = {
    **dict.fromkeys(
        (".parquet", ".pq"),
        lambda path, rows: pq.write_table(table_of(rows), path, row_group_size=700),
    ),
    **dict.fromkeys((".arrow", ".feather", ".ipc"), write_feather),
    ".arrows": write_stream,
    ".csv": lambda path, rows: write_text(path, rows, ","),
    **dict.fromkeys((".tsv", ".tab"), lambda path, rows: write_text(path, rows, "\t")),
    **dict.fromkeys((".jsonl", ".ndjson"), write_json),
    ".npy": np.save,
    ".npz": lambda path, rows: np.savez(path, rows=rows),
    **dict.fromkeys((".h5", ".hdf5"), write_hdf5),
    ".zarr": write_zarr,
    ".raw": write_raw,
}


def file_of(ending):
    """Return what writes a file of a format, and gives its path."""

    def made(folder, rows):
        path = folder / f"rows{ending}"
        WRITERS[ending if ending in WRITERS else ending.rpartition(".")[0]](path, rows)
        return path

    return made


def pieces_of(rows):
    return np.array_split(rows, 7)


def dataset_of(folder, rows):
    return pa.dataset.dataset(file_of(".parquet")(folder, rows))


def opened_hdf5(folder, rows):
    file = h5py.File(file_of(".h5")(folder, rows))
    return file["rows"]


IN_MEMORY = {
    "array": lambda folder, rows: rows,
    "Fortran's order": lambda folder, rows: np.asfortranarray(rows),
    "nested lists": lambda folder, rows: rows.tolist(),
    "list of paths": lambda folder, rows: [str(file_of(".npy")(folder, rows))],
    "list of arrays": lambda folder, rows: pieces_of(rows),
    "list of tables": lambda folder, rows: list(map(table_of, pieces_of(rows))),
    "list of streams": lambda folder, rows: [table_of(rows).to_reader(max_chunksize=900)],
    "stream of arrays": lambda folder, rows: iter(pieces_of(rows)),
    "stream of tables": lambda folder, rows: map(table_of, pieces_of(rows)),
    "Arrow's table": lambda folder, rows: table_of(rows),
    "Arrow's stream": lambda folder, rows: table_of(rows).to_reader(max_chunksize=900),
    "data set": dataset_of,
    "data set in memory": lambda folder, rows: pa.dataset.dataset(table_of(rows)),
    "frame of pandas": lambda folder, rows: pd.DataFrame(rows, columns=NAMES),
    "frame of polars": lambda folder, rows: pl.DataFrame(rows, schema=NAMES),
    "lazy frame": lambda folder, rows: pl.LazyFrame(rows, schema=NAMES),
    "Zarr's array": lambda folder, rows: zarr.array(rows, chunks=(min(500, len(rows)), D)),
    "HDF5's data set": opened_hdf5,
}
KINDS = {**{ending: file_of(ending) for ending in FORMATS}, **IN_MEMORY}
# Other tests, and examples, register some of their own.
KNOWN = tuple(OPENERS)


def quick_where_plain(kinds):
    """Return parameters, those of compressed files slow: their rows are read as those of others."""
    slow = (".gz", ".bz2")
    return [pytest.param(k, marks=[pytest.mark.slow] * k.endswith(slow)) for k in kinds]


each_kind = pytest.mark.parametrize("kind", quick_where_plain(KINDS))


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """What opens a kind of source; what was written is kept, what is read once made anew."""
    data = {}

    def made(kind, **asked):
        if kind not in data or not open_source(data[kind]).can_be_read_again:
            data[kind] = KINDS[kind](tmp_path_factory.mktemp("rows"), ROWS)
        return open_source(data[kind], **asked)

    return made


def data_of(kind, folder):
    """Return something of a kind; of a file its name, which tells it."""
    return f"rows{kind}" if kind in FORMATS else KINDS[kind](folder, ROWS[:20])


def rows_of(chunks):
    read = [chunk.rows for chunk in chunks]
    return np.concatenate(read) if read else np.empty((0, D))


def is_stream(source):
    return not source.can_be_read_again


@each_kind
def test_the_sketch_is_that_of_the_array(kind, opened):
    assert SKETCHER.sketch(opened(kind)).to_bytes() == SKETCHER.sketch(ROWS).to_bytes()


@each_kind
@pytest.mark.parametrize("start", [1, 4096, N])
def test_rows_are_read_from_any_on_in_bounded_chunks(kind, start, opened):
    source = opened(kind)
    chunks = list(source.read(source.partitions[0], start))
    # Of an array in memory they are views, which take none.
    most = MOST_ROWS if source.partitions[0].takes_time else count_chunk_rows(D, VIEW_BYTES)
    assert max(map(len, chunks), default=0) <= most
    np.testing.assert_array_equal(rows_of(chunks), ROWS[start:])


@each_kind
def test_columns_are_chosen_and_others_refused(kind, opened):
    partition = opened(kind).partitions[0]
    chosen, missing = (["x2", "x0"], ["y"]) if partition.is_named else ([2, 0], [D])
    layout = partition.layout(chosen)
    assert layout.n_features == 2
    assert layout.names == (tuple(chosen) if partition.is_named else None)
    np.testing.assert_array_equal(rows_of(partition.read(layout)), ROWS[:, [2, 0]])
    with pytest.raises(SourceError, match=r"has no column"):
        opened(kind).partitions[0].layout(missing)


@each_kind
def test_weights_lie_beside_the_rows_where_columns_have_names(kind, opened):
    if not opened(kind).partitions[0].is_named:
        with pytest.raises(SourceError, match="no named columns"):
            _ = opened(kind, weight="x0").layout
        return
    chunks = list(opened(kind, weight="x0").chunks())
    np.testing.assert_array_equal(rows_of(chunks), ROWS[:, 1:])
    np.testing.assert_array_equal(np.concatenate([chunk.weights for chunk in chunks]), ROWS[:, 0])
    assert all(set(chunk.columns) == {"weights"} for chunk in chunks)


@each_kind
def test_a_sample_is_rows_of_the_source_each_once(kind, opened):
    drawn, share = draw_rows(
        opened(kind), 50, 10, np.random.default_rng(0), make_error_handler("raise")
    )
    which = drawn.rows[:, 0].astype(int)
    assert len(np.unique(which)) == len(drawn) == 50
    np.testing.assert_array_equal(drawn.rows, ROWS[which])
    assert share in (0.0, pytest.approx(50 / N))


@each_kind
def test_a_sample_comes_from_all_over_unless_it_is_read_once(kind, opened):
    rng = np.random.default_rng(0)
    handler = make_error_handler("raise")
    if is_stream(opened(kind)):
        drawn, _ = draw_rows(opened(kind), 50, 10, rng, handler)
        assert drawn.rows[:, 0].max() < N / 2
        return
    draws = [draw_rows(opened(kind), 50, 10, rng, handler)[0].rows[:, 0] for _ in range(2)]
    mean, spread = np.mean(draws), N / np.sqrt(12 * np.size(draws))
    assert abs(mean - (N - 1) / 2) < 4 * spread


@pytest.mark.slow
@each_kind
def test_the_identity_is_that_of_the_rows(kind, opened, tmp_path):
    if is_stream(opened(kind)):
        return  # Nothing is known of a stream beforehand.
    data = KINDS[kind](tmp_path, ROWS)
    source = open_source(data)
    before = source.partitions[0].identity()
    assert open_source(data).partitions[0].identity() == before
    if hasattr(data, "file"):
        data.file.close()
    other = open_source(KINDS[kind](tmp_path, OTHER_ROWS)).partitions[0]
    for path in tmp_path.glob("rows*"):
        os.utime(path)
    assert other.identity() != before


@pytest.mark.parametrize("kind", quick_where_plain(FORMATS))
def test_what_is_a_file_can_travel(kind, opened):
    source = opened(kind)
    travelled = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(rows_of(travelled.chunks()), ROWS)


@each_kind
def test_the_number_of_rows_is_right_where_it_is_known(kind, opened):
    assert opened(kind).n_rows() in (None, N)


def test_every_opener_and_partition_is_among_these(opened, tmp_path):
    known = {opener for opener in KNOWN for kind in KINDS if opener.knows(data_of(kind, tmp_path))}
    refused = [opener for opener in KNOWN if opener not in known]
    assert [opener.knows(io.BytesIO()) for opener in refused] == [True]
    concrete, families = set(), [Partition]
    while families:
        families += (family := families.pop()).__subclasses__()
        if not inspect.isabstract(family) and family.__module__.startswith("sketchlearn."):
            concrete.add(family)
    assert concrete <= {type(opened(kind).partitions[0]) for kind in KINDS}


def test_a_source_of_ones_own_is_fitted(tmp_path):
    rng = np.random.default_rng(1)
    centers = 30.0 * rng.normal(size=(3, 2))
    write_raw(tmp_path / "x.raw", rng.normal(size=(3000, 2)) + np.repeat(centers, 1000, axis=0))
    model = CompressiveKMeans(3, random_state=0).fit(tmp_path / "x.raw")
    nearest = np.linalg.norm(model.cluster_centers_[:, None] - centers, axis=2).min(axis=0)
    assert nearest.max() < 0.5


class Wider(ArrayPartition):
    """Rows that have a column more than their shape says."""

    name = "wider"

    def size(self):
        return 80

    def identity(self):
        return "wider"

    def shape(self):
        return 2, 4

    def slices(self, n_rows, start):
        yield np.zeros((2, 5))[start:]


def test_rows_of_another_width_than_the_shapes_are_refused():
    with pytest.raises(SourceError, match=r"wider must have 4 columns, .* rows of shape \(2, 5\)"):
        list(Wider().read(Wider().layout(None)))


def test_endings_are_registered_all_or_none():
    before = dict(FORMATS)
    try:
        for endings in ([".first", "second"], [".first", "."], "second", ""):
            with pytest.raises(ValueError, match="an ending must begin with a dot"):
                register_format(endings, lambda file, member: Wider(), is_named=False)
            assert before == FORMATS
        register_format(".First", lambda file, member: Wider(), is_named=False)
        assert {*FORMATS} - {*before} == {".first"}
        for taken in (".first", ".NPY"):
            with pytest.raises(
                ValueError, match=rf"in '\{taken}' have a format already: .*replace"
            ):
                register_format([".second", taken], lambda file, member: Wider(), is_named=False)
            assert ".second" not in FORMATS
        register_format(".npy", lambda file, member: Wider(), is_named=True, replace=True)
        assert FORMATS[".npy"].is_named
    finally:
        FORMATS.clear()
        FORMATS.update(before)
