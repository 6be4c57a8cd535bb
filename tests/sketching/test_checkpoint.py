"""An interrupted pass goes on, and ends with the bytes of one that was not."""

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
from full_disk import no_file_beyond

from sketchlearn import Checkpoint, Sketch, Sketcher, SourceError
from sketchlearn.exceptions import SketchFormatError, SketchMismatchError
from sketchlearn.sketching.checkpoint import CHECKPOINT_FILE, CheckpointWriter
from sketchlearn.sources.arrow import TablePartition
from sketchlearn.sources.opening import open_source
from sketchlearn.sources.source import Query, RowSource, limit_chunk_rows

pytestmark = pytest.mark.slow

N = 6000
X = np.random.default_rng(0).normal(size=(N, 2))
TABLE = pa.table({"a": X[:, 0], "b": X[:, 1]})
SKETCHER = Sketcher(20, random_state=0).fit(TABLE)
WHOLE = SKETCHER.sketch(TABLE)
# After every chunk.
ALWAYS = 1e-9


@pytest.fixture(autouse=True)
def small_chunks():
    with limit_chunk_rows(512):
        yield


@pytest.fixture
def files(tmp_path):
    """Four files of 1,500 rows in row groups of 400, and where a checkpoint goes."""
    folder = tmp_path / "data"
    folder.mkdir()
    for i in range(4):
        part = TABLE.slice(1500 * i, 1500)
        pq.write_table(part, folder / f"{i}.parquet", row_group_size=400)
    return folder, Checkpoint(tmp_path / "job.checkpoint", seconds=ALWAYS)


def interrupt_after(n_calls, error=KeyboardInterrupt):
    """A progress callback that interrupts."""
    calls = []

    def progress(n_rows, total):
        calls.append(n_rows)
        if len(calls) == n_calls:
            raise error

    return progress


class TestResume:
    @pytest.mark.parametrize("n_calls", [1, 2, 4, 9, 11])
    @pytest.mark.parametrize("kind", ["files", "filtered", "csv", "array", "weighted", "table"])
    def test_after_an_interrupt(self, kind, n_calls, files, tmp_path):
        folder, checkpoint = files
        options = {"filter": [("a", ">", -9)]} if kind == "filtered" else {}
        data = {"files": folder, "filtered": folder, "table": TABLE}.get(kind, X)
        weights = np.arange(N) % 3 if kind == "weighted" else None
        if kind == "csv":
            data = tmp_path / "x.csv"
            pa.csv.write_csv(TABLE, data)
        sketcher = Sketcher.from_operator(SKETCHER.operator_)
        with pytest.raises(KeyboardInterrupt):
            sketcher.sketch(
                data, weights, checkpoint=checkpoint, progress=interrupt_after(n_calls), **options
            )
        before = checkpoint.load()
        assert 0 < before.n_rows < N
        seen = []
        sketch = sketcher.sketch(
            data, weights, checkpoint=checkpoint, progress=lambda n, _: seen.append(n), **options
        )
        assert sketch.to_bytes() == sketcher.sketch(data, weights, **options).to_bytes()
        assert min(seen) > before.n_rows
        assert max(seen) == N

    @pytest.mark.parametrize("kill_at", [512, 4500])
    def test_after_a_kill(self, kill_at, files):
        folder, checkpoint = files
        program = f"""
import os, signal, sys
from sketchlearn import Checkpoint, Sketcher
from sketchlearn.sources.source import limit_chunk_rows
def progress(n_rows, total):
    if n_rows >= {kill_at}:
        os.kill(os.getpid(), signal.SIGKILL)
sketcher = Sketcher(20, random_state=0).fit({str(folder)!r})
checkpoint = Checkpoint({os.fspath(checkpoint.path)!r}, seconds={ALWAYS})
with limit_chunk_rows(512):
    sketcher.sketch({str(folder)!r}, checkpoint=checkpoint, progress=progress)
"""
        done = subprocess.run([sys.executable, "-c", program], check=False)
        assert done.returncode == -signal.SIGKILL
        assert checkpoint.load().n_rows >= kill_at
        sketcher = Sketcher.from_operator(checkpoint.load().sketch.operator)
        assert sketcher.sketch(folder, checkpoint=checkpoint).to_bytes() == WHOLE.to_bytes()

    def test_twice_interrupted_and_of_any_seconds(self, files):
        folder, checkpoint = files
        rare = Checkpoint(checkpoint.path, seconds=1e9)
        for n_calls in (3, 2, 4):
            with pytest.raises(KeyboardInterrupt):
                SKETCHER.sketch(folder, checkpoint=rare, progress=interrupt_after(n_calls))
        assert rare.load().n_rows > 0
        assert SKETCHER.sketch(folder, checkpoint=str(rare.path)) == WHOLE

    def test_a_stream_is_skipped_to_where_it_was(self, files):
        checkpoint = files[1]
        sketcher = Sketcher.from_operator(SKETCHER.operator_)
        for expected_error in (KeyboardInterrupt, None):
            stream = (X[i : i + 100] for i in range(0, N, 100))
            if expected_error:
                with pytest.raises(expected_error):
                    sketcher.sketch(stream, checkpoint=checkpoint, progress=interrupt_after(3))
            else:
                assert sketcher.sketch(stream, checkpoint=checkpoint) == WHOLE
        with pytest.raises(SketchMismatchError, match="is of other data"):
            sketcher.sketch(iter([X + 1]), checkpoint=checkpoint)

    def test_a_finished_one_gives_the_sketch_at_once_and_takes_more_files(self, files):
        folder, checkpoint = files
        assert SKETCHER.sketch(folder, checkpoint=checkpoint) == WHOLE
        seen = []
        again = SKETCHER.sketch(folder, checkpoint=checkpoint, progress=lambda n, _: seen.append(n))
        assert again == WHOLE
        assert seen == []
        pq.write_table(TABLE, folder / "9.parquet")
        assert SKETCHER.sketch(folder, checkpoint=checkpoint) == WHOLE + WHOLE

    def test_the_order_of_columns_is_that_of_the_first_file(self, files):
        folder, checkpoint = files
        for i in range(1, 4):
            path = folder / f"{i}.parquet"
            pq.write_table(pq.read_table(path).select(["b", "a"]), path)
        sketcher = Sketcher.from_operator(SKETCHER.operator_)
        with pytest.raises(KeyboardInterrupt):
            sketcher.sketch(folder, checkpoint=checkpoint, progress=interrupt_after(5))
        assert checkpoint.load().partition > 0
        assert sketcher.sketch(folder, checkpoint=checkpoint) == WHOLE


class TestBadFiles:
    def test_the_sums_are_kept_and_the_rest_can_be_skipped(self, files):
        folder, checkpoint = files
        (folder / "2.parquet").write_bytes(b"not parquet")
        with pytest.raises(SourceError, match=r"cannot read .*2\.parquet"):
            SKETCHER.sketch(folder, checkpoint=checkpoint)
        assert checkpoint.load().sketch == SKETCHER.sketch(X_named(X[:3000]))
        rest = SKETCHER.sketch(X_named(np.concatenate([X[:3000], X[4500:]])))
        with pytest.warns(UserWarning, match=r"left out: cannot read .*2\.parquet"):
            assert SKETCHER.sketch(folder, checkpoint=checkpoint, on_error="skip") == rest
        assert [name for name, _ in checkpoint.load().skipped] == ["part 3"]
        # What was left out earlier is said again, and is still an error by default.
        with pytest.warns(UserWarning, match=r"left out: .*2\.parquet could not be read when"):
            SKETCHER.sketch(folder, checkpoint=checkpoint, on_error="skip")
        with pytest.raises(SourceError, match=r"2\.parquet could not be read when"):
            SKETCHER.sketch(folder, checkpoint=checkpoint)

    @pytest.mark.parametrize("keep_reasons", [False, True])
    def test_no_cell_path_or_constant_is_kept_unless_asked(self, keep_reasons, files, tmp_path):
        checkpoint = Checkpoint(files[1].path, seconds=ALWAYS, keep_reasons=keep_reasons)
        query = Query(expression=pa.compute.field("a") < 4711)
        for _ in range(2):
            # The second time the file says what was left out, and the source what it is called.
            parts = [BadPartition(TABLE, query), TablePartition(TABLE, query)]
            source_ = RowSource(parts, query="rows where (a < 4711), weighted by salary")
            with pytest.warns(UserWarning, match=r"left out: .*private/a\.csv"):
                assert SKETCHER.sketch(source_, checkpoint=checkpoint, on_error="skip") == WHOLE
            data = checkpoint.path.read_bytes()
            kept = [secret in data for secret in (b"JOHN_DOE", b"private/a.csv")]
            assert kept == [keep_reasons, keep_reasons]
            assert not any(secret in data for secret in (b"4711", b"salary"))

    def test_checkpoints_of_version_1_are_read(self, files):
        folder, checkpoint = files
        with pytest.raises(KeyboardInterrupt):
            SKETCHER.sketch(folder, checkpoint=checkpoint, progress=interrupt_after(5))
        progress = checkpoint.load()
        parts = open_source(folder).partitions
        state = {
            "current": [progress.current.n_samples << shift for shift in (0, 20, 40)],
            "part": progress.partition,
            "row": progress.row,
            "n_rows": progress.n_rows,
            "skipped": [],
            "identities": [part.identity() for part in parts[: progress.partition + 1]],
            "query": {"asked": "columns all, all rows, unweighted", "columns": ["a", "b"]},
        }
        arrays = {
            "finished": np.frombuffer(
                Sketch(progress.operator, progress.finished).without_moments().to_bytes(),
                dtype=np.uint8,
            ),
            "current": progress.current.feature_sum,
        }
        old = CHECKPOINT_FILE.encode(arrays, {"state": json.dumps(state)}, version=1)
        checkpoint.path.write_bytes(old)
        assert checkpoint.load().sketch == progress.sketch.without_moments()
        with pytest.raises(SketchMismatchError, match="made with moments=None, not 'full'"):
            SKETCHER.sketch(folder, checkpoint=checkpoint)
        older = Sketcher.from_sketch(checkpoint.load().sketch)
        assert older.sketch(folder, checkpoint=checkpoint) == WHOLE.without_moments()

    def test_a_repaired_file_is_read(self, files):
        folder, checkpoint = files
        good = (folder / "2.parquet").read_bytes()
        (folder / "2.parquet").write_bytes(b"not parquet")
        with pytest.raises(SourceError, match=r"2\.parquet"):
            SKETCHER.sketch(folder, checkpoint=checkpoint)
        (folder / "2.parquet").write_bytes(good)
        assert SKETCHER.sketch(folder, checkpoint=checkpoint) == WHOLE

    def test_a_file_that_is_bad_further_on_leaves_nothing_behind(self, files):
        folder, checkpoint = files
        bad = X[1500:3000].copy()
        bad[1400, 1] = np.nan
        pq.write_table(pa.table({"a": bad[:, 0], "b": bad[:, 1]}), folder / "1.parquet")
        with pytest.raises(KeyboardInterrupt):
            SKETCHER.sketch(folder, checkpoint=checkpoint, progress=interrupt_after(5))
        assert checkpoint.load().row > 0
        with pytest.warns(UserWarning, match=r"1\.parquet contains NaN .* at row 1400"):
            sketch = SKETCHER.sketch(folder, checkpoint=checkpoint, on_error="skip")
        assert sketch == SKETCHER.sketch(X_named(np.concatenate([X[:1500], X[3000:]])))


class BadPartition(TablePartition):
    """A part that tells what a cell holds when it cannot be read."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.name = "private/a.csv"

    def read(self, layout, start=0):
        raise SourceError("cannot read private/a.csv: invalid value 'JOHN_DOE_BORN_1970'")


def X_named(rows):  # noqa: N802
    """Rows with the columns' names."""
    return pa.table({"a": rows[:, 0], "b": rows[:, 1]})


class TestRefused:
    @pytest.fixture
    def begun(self, files):
        folder, checkpoint = files
        with pytest.raises(KeyboardInterrupt):
            SKETCHER.sketch(folder, checkpoint=checkpoint, progress=interrupt_after(5))
        return folder, checkpoint

    def test_another_operator(self, begun):
        other = Sketcher(20, random_state=1).fit(TABLE)
        with pytest.raises(SketchMismatchError, match="made with another operator"):
            other.sketch(begun[0], checkpoint=begun[1])

    @pytest.mark.parametrize(
        "options",
        [{"filter": [("a", ">", 0)]}, {"sample_weight": "b"}, {"columns": ["a", "b"]}],
    )
    def test_another_question(self, options, begun):
        sketcher = Sketcher.from_operator(SKETCHER.operator_)
        with pytest.raises(SketchMismatchError, match="is of other columns, filter or weights"):
            sketcher.sketch(begun[0], checkpoint=begun[1], **options)

    def test_filters_that_differ_in_the_middle_of_a_list(self, files):
        folder, checkpoint = files
        values = list(range(-50, 50))
        for value, refused in ((0, False), (0, False), (0.5, True)):
            values[50] = value
            filter_ = pa.compute.field("a").isin([float(v) for v in values])
            if refused:
                with pytest.raises(SketchMismatchError, match="is of other columns, filter"):
                    SKETCHER.sketch(folder, checkpoint=checkpoint, filter=filter_)
            else:
                SKETCHER.sketch(folder, checkpoint=checkpoint, filter=filter_)

    def test_a_file_that_was_read_and_has_changed(self, begun):
        folder, checkpoint = begun
        os.utime(folder / "0.parquet", ns=(1, 1))
        with pytest.raises(
            SketchMismatchError, match=r"other data: its part 1 is .* now it is .*0\.parquet, "
        ):
            SKETCHER.sketch(folder, checkpoint=checkpoint)

    def test_a_file_that_was_read_and_is_gone(self, begun):
        folder, checkpoint = begun
        (folder / "0.parquet").unlink()
        with pytest.raises(SketchMismatchError, match=r"now it is .*1\.parquet"):
            SKETCHER.sketch(folder, checkpoint=checkpoint)

    def test_another_array(self, files):
        sketcher = Sketcher.from_operator(SKETCHER.operator_)
        sketcher.sketch(X, checkpoint=files[1])
        for other in (X[:-1], X.astype(np.float32), X + 1e-9):
            with pytest.raises(SketchMismatchError, match="is of other data"):
                sketcher.sketch(other, checkpoint=files[1])

    def test_a_sketch_and_other_files(self, files):
        folder, checkpoint = files
        for content, message in (
            (WHOLE.to_bytes(), "not a checkpoint file: it is a sketch; use Sketch.load"),
            (b"", "the checkpoint is truncated: 0 bytes"),
            (b"a,b\n1.5,2.5\n", "not a checkpoint file"),
        ):
            checkpoint.path.write_bytes(content)
            with pytest.raises(SketchFormatError, match=message):
                SKETCHER.sketch(folder, checkpoint=checkpoint)
            assert checkpoint.path.read_bytes() == content

    def test_a_newer_version(self, begun):
        data = begun[1].path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        metadata["format_version"] = "3"
        newer = safetensors.numpy.save(safetensors.numpy.load(data), metadata)
        begun[1].path.write_bytes(newer)
        with pytest.raises(
            SketchFormatError, match=r"is of format version 3 .*; this library reads version 1, 2"
        ):
            begun[1].load()

    def test_every_altered_byte_and_every_truncation(self, tmp_path):
        checkpoint = Checkpoint(tmp_path / "job.checkpoint")
        small = Sketcher(2, random_state=0).fit(X[:, :1])
        small.sketch(X[:, :1], checkpoint=checkpoint)
        data = checkpoint.path.read_bytes()
        for i in range(len(data)):
            altered = bytearray(data)
            altered[i] ^= 1 << (i % 8)
            for content in (altered, data[:i]):
                checkpoint.path.write_bytes(content)
                with pytest.raises(SketchFormatError):
                    checkpoint.load()


class TestWriting:
    def test_a_bad_place_is_told_before_any_work(self, tmp_path):
        with pytest.raises(OSError, match="the checkpoint cannot be written: No such file"):
            SKETCHER.sketch(
                (pytest.fail("was read") for _ in range(1)),
                checkpoint=tmp_path / "nowhere" / "job.checkpoint",
            )

    def test_a_full_disk_leaves_the_earlier_checkpoint(self, files):
        folder, checkpoint = files
        with ExitStack() as stack:

            def fill_the_disk(n_rows, total):
                if n_rows > 2000 and not is_full:
                    is_full.append(stack.enter_context(no_file_beyond(100)))

            is_full = []
            with pytest.raises(OSError, match="the checkpoint cannot be written: File too large"):
                SKETCHER.sketch(folder, checkpoint=checkpoint, progress=fill_the_disk)
        assert checkpoint.load().n_rows > 0
        assert SKETCHER.sketch(folder, checkpoint=checkpoint) == WHOLE

    def test_it_is_written_every_so_many_seconds(self, tmp_path):
        now = [0.0]
        checkpoint = Checkpoint(tmp_path / "job.checkpoint", seconds=10)
        writer = CheckpointWriter(checkpoint, open_source(X), clock=lambda: now[0])
        SKETCHER.sketch(TABLE, checkpoint=checkpoint)
        progress = checkpoint.load()
        checkpoint.path.unlink()
        for now[0], is_written in ((9.0, False), (10.0, True), (19.0, False), (20.0, True)):
            writer.update(progress)
            assert checkpoint.path.exists() == is_written
            checkpoint.path.unlink(missing_ok=True)

    @pytest.mark.parametrize("seconds", [0, -1, np.nan])
    def test_seconds(self, seconds):
        with pytest.raises(ValueError, match="seconds must be positive"):
            Checkpoint("job.checkpoint", seconds)
