"""Rows in files of arrays: .npy, .npz, HDF5 and Zarr."""

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

from sketchlearn import Sketcher, SourceError, open_source
from sketchlearn.sources.source import limit_chunk_rows

N = 5000
X = np.random.default_rng(0).normal(size=(N, 3))
SKETCHER = Sketcher(20, random_state=0).fit(X)
WHOLE = SKETCHER.sketch(X)


@pytest.fixture(autouse=True)
def small_chunks():
    """Several chunks a file."""
    with limit_chunk_rows(512):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["f4", "<f8", ">f8", "i2", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(dtype, order, tmp_path):
    rows = np.asarray(X > 0, dtype=dtype, order=order)
    np.save(tmp_path / "x.npy", rows)
    assert SKETCHER.sketch(tmp_path / "x.npy") == SKETCHER.sketch(rows)
    fitted = Sketcher(20, random_state=0).fit(tmp_path / "x.npy")
    expected = Sketcher(20, random_state=0).fit(rows)
    assert fitted.operator_.fingerprint == expected.operator_.fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz(save, order, tmp_path):
    save(tmp_path / "x.npz", rows=np.asarray(X, order=order), labels=np.arange(N))
    assert SKETCHER.sketch(tmp_path / "x.npz") == WHOLE
    assert SKETCHER.sketch(f"{tmp_path}/*.npz::rows") == WHOLE
    with pytest.raises(SourceError, match=r"x\.npz has no array 'X'; it has"):
        SKETCHER.sketch(f"{tmp_path}/x.npz::X")
    with pytest.raises(SourceError, match=r"x\.npz::labels must be two-dimensional"):
        SKETCHER.sketch(f"{tmp_path}/x.npz::labels")
    save(tmp_path / "x.npz", a=X, b=X)
    with pytest.raises(SourceError, match=r"several arrays of rows, a, b: choose one as .*::a"):
        SKETCHER.sketch(tmp_path / "x.npz")


@pytest.mark.parametrize("chunks", [None, (100, 2), (700, 3), (3000, 3)])
def test_hdf5(chunks, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("some/rows", data=X, chunks=chunks)
        file["labels"] = np.arange(N)
        assert SKETCHER.sketch(file["some/rows"]) == WHOLE
        assert SKETCHER.sketch(file) == WHOLE
    assert SKETCHER.sketch(tmp_path / "x.h5") == WHOLE
    assert SKETCHER.sketch(f"{tmp_path}/x.h5::some/rows") == WHOLE
    with pytest.raises(SourceError, match=r"x\.h5 has no array 'rows'"):
        SKETCHER.sketch(f"{tmp_path}/x.h5::rows")


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [(100, 2), (700, 3), (3000, 3)])
def test_zarr(chunks, tmp_path):
    array = zarr.create_array(tmp_path / "x.zarr", data=X, chunks=chunks)
    assert SKETCHER.sketch(array) == WHOLE
    assert SKETCHER.sketch(tmp_path / "x.zarr") == WHOLE
    assert SKETCHER.sketch(tmp_path) == WHOLE
    group = zarr.open_group(tmp_path / "y.zarr", mode="w")
    some = group.create_group("some")
    some.create_array("rows", shape=X.shape, dtype=X.dtype, chunks=chunks)[:] = X
    group.create_array("labels", shape=(N,), dtype="i8")[:] = np.arange(N)
    assert SKETCHER.sketch(tmp_path / "y.zarr") == WHOLE
    assert SKETCHER.sketch(f"{tmp_path}/y.zarr::some/rows") == WHOLE
    with pytest.raises(SourceError, match=r"x\.zarr has no array 'a'"):
        SKETCHER.sketch(f"{tmp_path}/x.zarr::a")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "zarr"])
def test_a_sorted_file_is_seen_whole(kind, tmp_path):
    rows = np.sort(np.random.default_rng(0).uniform(size=60_000))[:, None]
    path = tmp_path / f"x.{kind}"
    if kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("rows", data=rows, chunks=(200, 1))
    elif kind == "zarr":
        zarr.create_array(path, data=rows, chunks=(200, 1))
    else:
        (np.save if kind == "npy" else np.savez)(path, rows)
    fitted = Sketcher(20, random_state=0).fit(path)
    shares, _ = np.histogram(
        fitted.pilot_[:, 0], bins=10, range=(0, 1), weights=fitted.pilot_weight_ / 5000
    )
    assert np.abs(shares - 0.1).max() < 0.03


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "zarr"])
def test_reading_on_in_the_middle(kind, tmp_path):
    path = tmp_path / f"x.{kind}"
    if kind == "h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("rows", data=X, chunks=(200, 3))
    elif kind == "zarr":
        zarr.create_array(path, data=X, chunks=(200, 3))
    else:
        (np.save if kind == "npy" else np.savez_compressed)(path, X)
    opened = open_source(path)
    rest = [chunk.rows for chunk in opened.read(opened.partitions[0], 777)]
    np.testing.assert_array_equal(np.concatenate(rest), X[777:])


def test_no_array_is_unpickled(tmp_path):
    np.save(tmp_path / "x.npy", np.array([[object()]]), allow_pickle=True)
    np.savez(tmp_path / "x.npz", np.array([[object()]]))
    for name in ("x.npy", "x.npz"):
        with pytest.raises(SourceError, match=f"{name}"):
            SKETCHER.sketch(tmp_path / name)


def test_truncated_files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "x.npz", X)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = X
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(SourceError, match=f"cannot read .*{path.name}"):
            SKETCHER.sketch(path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X[0], r"x\.npy must be two-dimensional, rows by features, got shape \(3,\)"),
        (X.astype(str), r"x\.npy must hold real numbers, got <U"),
        (X * 1j, r"x\.npy must hold real numbers, got complex128"),
        (X[:, :0], r"x\.npy has no columns"),
        (X[:, :2], r"x\.npy has 2 features, but the sketcher is expecting 3"),
    ],
)
def test_other_arrays(rows, message, tmp_path):
    np.save(tmp_path / "x.npy", rows)
    with pytest.raises(SourceError, match=message):
        SKETCHER.sketch(tmp_path / "x.npy")


def test_there_are_no_names_to_filter_by(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(SourceError, match=r"x\.npy has no named columns to filter"):
        SKETCHER.sketch(tmp_path / "x.npy", filter=[("a", ">", 0)])
    with pytest.raises(
        SourceError, match=r"x\.npy has no named columns to filter, weigh or group rows by"
    ):
        SKETCHER.sketch(tmp_path / "x.npy", "w")
    with pytest.raises(SourceError, match=r"x\.npy holds one array, without a name"):
        SKETCHER.sketch(f"{tmp_path}/x.npy::a")
    pq.write_table(pa.table({"a": X[:, 0]}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"no arrays to choose 'a' from"):
        SKETCHER.sketch(f"{tmp_path}/x.parquet::a")
