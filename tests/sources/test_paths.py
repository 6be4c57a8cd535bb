"""Paths, patterns, folders and URLs, and the files of every format behind them."""

import functools
import http.server
import os
import re
import shutil
import socket
import threading
import zipfile

import fsspec
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.feather
import pyarrow.fs
import pyarrow.parquet as pq
import pytest
import zarr
from fsspec.implementations.arrow import ArrowFSWrapper

from sketchlearn import Sketcher, SourceError, open_source
from sketchlearn.sources.formats import open_file
from sketchlearn.sources.paths import Entry
from sketchlearn.sources.source import Query, RowSource, limit_chunk_rows
from sketchlearn.sources.stored_file import StoredFile

pytestmark = pytest.mark.slow

N = 3000
X = np.random.default_rng(0).normal(size=(N, 3))
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
TABLE = pa.Table.from_pandas(FRAME)
SKETCHER = Sketcher(20, random_state=0).fit(X)
WHOLE = SKETCHER.sketch(X)


def write(file, ending, rows=slice(None)):
    """Write some rows in a format, to an open file."""
    table = TABLE.slice(*rows.indices(N)[:1], len(range(*rows.indices(N))))
    if ending == "parquet":
        pq.write_table(table, file, row_group_size=700)
    elif ending == "feather":
        pyarrow.feather.write_feather(table, file)
    elif ending == "arrow":
        with pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table, max_chunksize=700)
    elif ending == "csv":
        pa.csv.write_csv(table, file)
    elif ending == "jsonl":
        # All digits, which pandas would cut.
        lines = (f'{{"a": {a!r}, "b": {b!r}, "c": {c!r}}}' for a, b, c in X[rows].tolist())
        file.write("\n".join(lines).encode())
    elif ending == "npy":
        np.save(file, X[rows])
    elif ending == "npz":
        np.savez_compressed(file, X[rows])
    elif ending == "h5":
        with h5py.File(file, "w") as stored:
            stored["some/rows"] = X[rows]


ENDINGS = ["parquet", "feather", "arrow", "csv", "jsonl", "npy", "npz", "h5"]
each_ending = pytest.mark.parametrize("ending", ENDINGS)


@pytest.fixture(autouse=True)
def small_chunks():
    """Several chunks a file."""
    with limit_chunk_rows(512):
        yield


class TestLocal:
    @each_ending
    @pytest.mark.parametrize("form", ["relative", "home", "url", "escaped"])
    def test_paths(self, ending, form, tmp_path, monkeypatch):
        name = f"x y.{ending}" if form == "escaped" else f"x.{ending}"
        with open(tmp_path / name, "wb") as file:
            write(file, ending)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        path = {
            "relative": name,
            "home": f"~/{name}",
            "url": f"file://{tmp_path}/{name}",
            "escaped": (tmp_path / name).as_uri(),
        }[form]
        assert SKETCHER.sketch(path) == WHOLE

    @pytest.mark.parametrize("folder", ["data[1]", "a*b", "what?", "x[!y]/z"])
    def test_patterns_below_folders_with_such_names(self, folder, tmp_path):
        os.makedirs(tmp_path / folder / "deeper[2]")
        for i in range(3):
            where = "deeper[2]/" if i == 2 else ""
            with open(tmp_path / folder / f"{where}{i}.parquet", "wb") as file:
                write(file, "parquet", slice(i * 1000, i * 1000 + 1000))
        assert SKETCHER.sketch(f"{tmp_path}/{folder}/*") == WHOLE
        assert SKETCHER.sketch(f"{tmp_path}/{folder}/**/*.parquet") == WHOLE
        assert SKETCHER.sketch(tmp_path / folder) == WHOLE
        parts = open_source(f"{tmp_path}/{folder}/[01].parquet").partitions
        assert [part.name[-9:] for part in parts] == ["0.parquet", "1.parquet"]

    @pytest.mark.parametrize("name", ["a::b", "::", "[x]::[y]"])
    def test_names_with_colons(self, name, tmp_path):
        for ending in ("parquet", "h5"):
            with open(tmp_path / f"{name}.{ending}", "wb") as file:
                write(file, ending)
        assert SKETCHER.sketch(tmp_path / f"{name}.parquet") == WHOLE
        assert SKETCHER.sketch(f"{tmp_path}/{name}.h5::some/rows") == WHOLE
        assert SKETCHER.sketch(f"{tmp_path}/*.h5::some/rows") == WHOLE

    def test_what_is_not_there(self, tmp_path):
        for path in ("nowhere.parquet", "a::b.parquet", "~/nowhere.csv", "file:///nowhere.csv"):
            with pytest.raises(FileNotFoundError, match="there is no file"):
                open_source(path)
        with pytest.raises(TypeError, match="paths must be text"):
            open_source(BytesPath())


class BytesPath(os.PathLike):
    """A path of bytes."""

    def __fspath__(self):
        return b"x.parquet"


class TestHive:
    @pytest.fixture(params=["parquet", "feather", "arrow", "csv"])
    def folder(self, request, tmp_path):
        for day in range(3):
            folder = tmp_path / "where=here" / f"day={day}"
            os.makedirs(folder)
            with open(folder / f"0.{request.param}", "wb") as file:
                write(file, request.param, slice(day * 1000, day * 1000 + 1000))
        return tmp_path

    def test_what_the_path_says_is_read_where_it_is_asked_for(self, folder):
        assert SKETCHER.sketch(folder) == WHOLE
        day = np.arange(N) // 1000
        rows = np.column_stack([X[:, 0], day, X[:, 1]])
        assert SKETCHER.sketch(folder, columns=["a", "day", "b"]) == SKETCHER.sketch(rows)
        fitted = Sketcher(20, random_state=0).fit(FRAME.assign(day=day))
        assert fitted.sketch(folder) == fitted.sketch(FRAME.assign(day=day))
        only = open_source(folder, columns=["day"])
        assert np.concatenate([c.rows[:, 0] for c in only.chunks()]).tolist() == day.tolist()

    def test_filters_and_weights(self, folder):
        expected = SKETCHER.sketch(X[1000:2000])
        assert (
            SKETCHER.sketch(folder, columns=["a", "b", "c"], filter=[("day", "=", 1)]) == expected
        )
        both = (ds.field("day") > 0) & (ds.field("a") > 0) & (ds.field("where") == "here")
        kept = (np.arange(N) >= 1000) & (X[:, 0] > 0)
        assert SKETCHER.sketch(folder, filter=both) == SKETCHER.sketch(X[kept])
        assert SKETCHER.sketch(folder, "day") == SKETCHER.sketch(X, np.arange(N) // 1000)

    def test_text_is_no_number(self, folder):
        with pytest.raises(SourceError, match=r"column 'where' of .* is of type string"):
            SKETCHER.sketch(folder, columns=["a", "where", "b"])

    def test_a_column_in_the_file_comes_first(self, tmp_path):
        os.makedirs(tmp_path / "a=7")
        with open(tmp_path / "a=7" / "x.parquet", "wb") as file:
            write(file, "parquet")
        assert SKETCHER.sketch(tmp_path) == WHOLE


class TestHdf5:
    @pytest.fixture
    def path(self, tmp_path):
        """A file with one good array, and all else that HDF5 has."""
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["some/rows"] = X
            file["again"] = file["some/rows"]
            file["nowhere"] = h5py.SoftLink("/no/such")
            file["elsewhere"] = h5py.ExternalLink("missing.h5", "/rows")
            file["round"] = h5py.SoftLink("/round")
            file["some/up"] = file["/"]
            file["other"] = h5py.SoftLink("/some")
            file["type"] = np.dtype("f8")
            file["empty"] = h5py.Empty("f")
            file["text"] = np.array([[b"x", b"y"]])
            file["complex"] = np.ones((3, 3)) * 1j
            file["labels"] = np.arange(N)
            file["images"] = np.zeros((2, 3, 4))
            file["records"] = np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])
        return tmp_path / "x.h5"

    def test_the_one_good_array_is_found(self, path):
        assert SKETCHER.sketch(path) == WHOLE
        for member in ("again", "some", "other/rows", "some/up/some/rows"):
            assert SKETCHER.sketch(f"{path}::{member}") == WHOLE

    @pytest.mark.parametrize("member", ["nowhere", "elsewhere", "round", "type", "empty", "no"])
    def test_what_is_no_array(self, path, member):
        with pytest.raises(SourceError, match=rf"x\.h5 has no array '{member}'"):
            SKETCHER.sketch(f"{path}::{member}")


class TestChanges:
    """A file that changes under the reader."""

    @each_ending
    def test_a_file_rewritten_while_it_is_read(self, ending, tmp_path):
        path = tmp_path / f"x.{ending}"
        with open(path, "wb") as file:
            write(file, ending)

        def rewrite(n_rows, _):
            if n_rows == 512:
                with open(tmp_path / "new", "wb") as file:
                    write(file, ending, slice(None, None, None))
                os.replace(tmp_path / "new", path)
                os.utime(path, ns=(1, 1))

        with pytest.raises(SourceError, match=r"x\.\w+ has changed while it was read"):
            SKETCHER.sketch(path, progress=rewrite)
        assert SKETCHER.sketch(path) == WHOLE
        chunks = open_source(path).chunks()
        next(chunks)
        os.utime(path, ns=(2, 2))
        with pytest.raises(SourceError, match="has changed while it was read"):
            list(chunks)

    @each_ending
    @pytest.mark.parametrize("how", ["in place", "replaced"])
    def test_a_time_of_change_that_is_set_back(self, ending, how, tmp_path):
        """As rsync and cp -p do."""
        path = tmp_path / f"x.{ending}"
        with open(path, "wb") as file:
            write(file, ending)
        before, data = os.stat(path), path.read_bytes()
        chunks = open_source(path).chunks()
        next(chunks)
        other = path if how == "in place" else tmp_path / "other"
        other.write_bytes(data)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        os.replace(other, path)
        assert os.stat(path).st_mtime_ns == before.st_mtime_ns
        with pytest.raises(SourceError, match="has changed while it was read"):
            list(chunks)
        assert SKETCHER.sketch(path) == WHOLE

    def test_a_checkpoint_takes_a_copy_for_the_same_file(self, tmp_path):
        path = tmp_path / "x.parquet"
        with open(path, "wb") as file:
            write(file, "parquet")
        SKETCHER.sketch(path, checkpoint=tmp_path / "c")
        shutil.copy2(path, tmp_path / "copy")
        os.replace(tmp_path / "copy", path)
        assert SKETCHER.sketch(path, checkpoint=tmp_path / "c") == WHOLE

    @pytest.mark.parametrize("options", [{}, {"filter": [("a", "<", 99)]}], ids=["all", "filter"])
    def test_a_flipped_bit_in_a_page_with_a_checksum(self, options, tmp_path):
        path = tmp_path / "x.parquet"
        pq.write_table(
            TABLE, path, write_page_checksum=True, compression="none", use_dictionary=False
        )
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"cannot read .*x\.parquet: .*(CRC|checksum)"):
            SKETCHER.sketch(path, **options)


@pytest.fixture
def memory():
    """An empty file system in memory."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return system


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files whole, and is quiet."""

    def log_message(self, *_):
        pass


class RangeHandler(Handler):
    """Serves the bytes that were asked for."""

    def do_GET(self):
        path = self.translate_path(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None or not os.path.isfile(path):
            super().do_GET()
            return
        with open(path, "rb") as file:
            data = file.read()
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])

    def end_headers(self):
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()


@pytest.fixture(params=[Handler, RangeHandler])
def server(tmp_path, request):
    """A local HTTP server of a folder, and its address."""
    handler = functools.partial(request.param, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class TestRemote:
    @each_ending
    def test_a_file(self, ending, memory):
        with memory.open(f"/data/x.{ending}", "wb") as file:
            write(file, ending)
        url = f"memory://data/x.{ending}"
        assert SKETCHER.sketch(url) == WHOLE
        fitted = Sketcher(20, random_state=0).fit(url)
        assert fitted.operator_.fingerprint == SKETCHER.operator_.fingerprint
        assert open_source(url).partitions[0].size() > 0

    def test_a_package_that_is_missing_is_named(self):
        with pytest.raises(ImportError, match=r"cannot read dropbox://a\.csv: .*dropbox"):
            SKETCHER.sketch("dropbox://a.csv")

    def test_folders_patterns_and_members(self, memory):
        for i, ending in enumerate(["parquet", "csv", "npy"]):
            with memory.open(f"/data/deep/{i}.{ending}", "wb") as file:
                write(file, ending, slice(i * 1000, i * 1000 + 1000))
        memory.pipe("/data/deep/readme.txt", b"no rows")
        memory.pipe("/data/_hidden/x.csv", b"z\n1\n")
        assert SKETCHER.sketch("memory://data") == WHOLE
        assert SKETCHER.sketch("memory://data/deep/[0-2].*") == WHOLE
        assert (
            SKETCHER.sketch([f"memory://data/deep/{n}" for n in ("0.*", "1.*", "2.npy")]) == WHOLE
        )
        with memory.open("/x.h5", "wb") as file:
            write(file, "h5")
        assert SKETCHER.sketch("memory://x.h5::some/rows") == WHOLE
        assert SKETCHER.sketch("simplecache::memory://x.h5::some/rows") == WHOLE

    def test_chains_of_file_systems(self, memory, tmp_path, monkeypatch):
        with memory.open("/x.csv", "wb") as file:
            write(file, "csv")
        assert SKETCHER.sketch("simplecache::memory://x.csv") == WHOLE
        assert SKETCHER.sketch("simplecache::memory://*.csv") == WHOLE
        monkeypatch.chdir(tmp_path)
        with zipfile.ZipFile("x.zip", "w") as archive, archive.open("a.csv", "w") as file:
            write(file, "csv")
        for archive in ("x.zip", f"{tmp_path}/x.zip", f"file://{tmp_path}/x.zip"):
            assert SKETCHER.sketch(f"zip://a.csv::{archive}") == WHOLE
            assert SKETCHER.sketch(f"zip://*.csv::{archive}") == WHOLE
            with pytest.raises(FileNotFoundError, match=r"there is no file zip://b\.csv::"):
                open_source(f"zip://b.csv::{archive}")

    def test_items_that_are_paths(self, tmp_path):
        for items in (iter(["a.csv"]), tmp_path.parent.glob("*")):
            with pytest.raises(SourceError, match=r"item 0 of the stream is a path, .* in a list"):
                SKETCHER.sketch(items)

    def test_what_the_path_says(self, memory):
        for day in range(2):
            with memory.open(f"/hive/day={day}/x.parquet", "wb") as file:
                write(file, "parquet", slice(day * 1500, day * 1500 + 1500))
        rows = np.column_stack([X[:, :2], np.arange(N) // 1500])
        assert SKETCHER.sketch("memory://hive", columns=["a", "b", "day"]) == SKETCHER.sketch(rows)

    def test_what_is_not_there(self, memory):
        with pytest.raises(FileNotFoundError, match="there is no file memory://nowhere"):
            open_source("memory://nowhere/x.parquet")
        with pytest.raises(FileNotFoundError, match="no file matches memory://nowhere"):
            open_source("memory://nowhere/*.parquet")
        with pytest.raises(SourceError, match=r"cannot read nosuch://x.csv: Protocol not known"):
            open_source("nosuch://x.csv")

    @each_ending
    def test_file_systems_of_pyarrow(self, ending, tmp_path):
        # As s3:// is read where fsspec lacks a package.
        path = f"{tmp_path}/x.{ending}"
        with open(path, "wb") as file:
            write(file, ending)
        system = ArrowFSWrapper(pa.fs.LocalFileSystem())
        file = StoredFile(f"s3://bucket/x.{ending}", path, system)
        assert SKETCHER.sketch(RowSource([open_file(Entry(file, None), Query())])) == WHOLE

    def test_zarr(self, memory):
        zarr.save("memory://data/x.zarr", X)
        assert SKETCHER.sketch("memory://data/x.zarr") == WHOLE

    def test_a_file_in_an_archive(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, archive.open("x.csv", "w") as f:
            write(f, "csv")
        assert SKETCHER.sketch(f"zip://x.csv::file://{tmp_path}/x.zip") == WHOLE

    def test_what_cannot_be_reached(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"ftp://127.0.0.1:{closed.getsockname()[1]}/x.parquet"
        with pytest.raises(SourceError, match=r"cannot read ftp://.*refused"):
            open_source(url)

    def test_a_change_while_it_is_read(self, memory):
        with memory.open("/x.npy", "wb") as file:
            write(file, "npy")

        def rewrite(n_rows, _):
            if n_rows == 512:
                memory.pipe("/x.npy", memory.cat("/x.npy"))

        with pytest.raises(SourceError, match="has changed while it was read"):
            SKETCHER.sketch("memory://x.npy", progress=rewrite)

    def test_checkpoints(self, memory, tmp_path):
        for i in range(3):
            with memory.open(f"/data/{i}.parquet", "wb") as file:
                write(file, "parquet", slice(i * 1000, i * 1000 + 1000))

        def interrupt(n_rows, _):
            if n_rows > 1500:
                raise KeyboardInterrupt

        path = tmp_path / "x.checkpoint"
        with pytest.raises(KeyboardInterrupt):
            SKETCHER.sketch("memory://data", checkpoint=path, progress=interrupt)
        assert SKETCHER.sketch("memory://data", checkpoint=path) == WHOLE

    @each_ending
    def test_over_http(self, ending, tmp_path, server):
        with open(tmp_path / f"x.{ending}", "wb") as file:
            write(file, ending)
        assert SKETCHER.sketch(f"{server}/x.{ending}") == WHOLE
        if ending == "parquet":
            assert SKETCHER.sketch(f"{server}/x.{ending}?signature=a[b]*") == WHOLE

    def test_folders_over_http(self, tmp_path, server):
        for i in range(2):
            with open(tmp_path / f"{i}.parquet", "wb") as file:
                write(file, "parquet", slice(i * 1500, i * 1500 + 1500))
        assert SKETCHER.sketch(server + "/") == WHOLE
        assert SKETCHER.sketch(server + "/[01].parquet") == WHOLE

    def test_nothing_over_http(self, server):
        with pytest.raises(FileNotFoundError, match="there is no file http"):
            open_source(f"{server}/nowhere.parquet")
