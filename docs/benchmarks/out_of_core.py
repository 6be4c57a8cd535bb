"""Sketching files: peak memory at growing numbers of rows, and throughput beside its two halves.

Memory is the peak resident size of a process of its own, on Linux, that fits a sketcher on a file
and sketches it. Throughput is that of `Sketcher.sketch` on a Parquet file, beside reading the file
alone, by pyarrow on all cores and as sketchlearn reads it, and sketching the same rows in memory
alone. Every time is the least of several interleaved ones. Run it with

    python -m docs.benchmarks.out_of_core

which rewrites `out_of_core.md` beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet as pq

from docs.benchmarks._report import table
from sketchlearn import Sketcher, __version__, open_source

D = 10
KINDS = ("Parquet", "Feather", "CSV", ".npy", "HDF5")
ENDINGS = {"Parquet": "parquet", "Feather": "feather", "CSV": "csv", ".npy": "npy", "HDF5": "h5"}
# Rows of a row group, as pandas and polars write them or more.
ROW_GROUP = 1_000_000
BLOCK = 100_000
# Rows to time, and how often: the least of many short times is of a quiet moment.
TIMED_ROWS = 2_000_000
ROUNDS = 15

# The system's high-water mark of this program alone: `ru_maxrss` may be that of the process which
# started it, since it outlives `exec`.
MEASURED = """
import json, re, sys, time
from pathlib import Path
from sketchlearn import Sketcher
path, n_frequencies = sys.argv[1], int(sys.argv[2])
sketcher = Sketcher(n_frequencies, random_state=0).fit(path)
start = time.perf_counter()
sketch = sketcher.sketch(path)
seconds = time.perf_counter() - start
kilobytes = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(json.dumps([sketch.n_samples, int(kilobytes) / 1024, seconds]))
"""


def blocks(n: int) -> Iterator[np.ndarray]:
    """Yield n rows of ten normal columns, to three decimals."""
    rng = np.random.default_rng(0)
    for start in range(0, n, BLOCK):
        yield rng.normal(size=(min(BLOCK, n - start), D)).round(3)


def write(kind: str, path: Path, n: int) -> None:
    """Write n rows, a block at a time."""
    names = [f"x{j}" for j in range(D)]
    batches = (pa.record_batch(list(rows.T.copy()), names=names) for rows in blocks(n))
    schema = pa.schema([(name, pa.float64()) for name in names])
    if kind == "Parquet":
        with pq.ParquetWriter(path, schema) as writer:
            tables = [pa.table(batch) for batch in batches]
            writer.write_table(pa.concat_tables(tables), row_group_size=ROW_GROUP)
    elif kind == "Feather":
        pyarrow.feather.write_feather(pa.Table.from_batches(batches), path)
    elif kind == "CSV":
        with pyarrow.csv.CSVWriter(path, schema) as csv:
            for batch in batches:
                csv.write_batch(batch)
    elif kind == ".npy":
        rows = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(n, D))
        for i, block in enumerate(blocks(n)):
            rows[i * BLOCK : i * BLOCK + len(block)] = block
    else:
        with h5py.File(path, "w") as file:
            stored = file.create_dataset("rows", shape=(n, D), dtype="f8", chunks=(min(n, 4096), D))
            for i, block in enumerate(blocks(n)):
                stored[i * BLOCK : i * BLOCK + len(block)] = block


def memory(kinds: Sequence[str], sizes: Sequence[int], folder: Path) -> str:
    """Peak resident size, and rows a second, of every kind of file at every size."""
    lines = []
    for kind in kinds:
        cells, peaks = [], []
        for n in sizes:
            path = folder / f"{n}.{ENDINGS[kind]}"
            write(kind, path, n)
            done = subprocess.run(
                [sys.executable, "-c", MEASURED, str(path), "1000"],
                check=True,
                capture_output=True,
                text=True,
            )
            n_samples, megabytes, seconds = json.loads(done.stdout)
            if n_samples != n:
                raise RuntimeError(f"{n_samples} rows of {n} were sketched")
            cells.append(f"{megabytes:.0f} MB, {seconds:.1f} s")
            peaks.append(megabytes)
            print(kind, n, cells[-1], flush=True)
            path.unlink()
        lines.append([kind, *cells, f"{max(peaks) / min(peaks):.2f}"])
    return table(["file of", *(f"{n:,} rows" for n in sizes), "largest / least"], lines)


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Time one call, by the clock and of the processors."""
    start, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - used


def throughput(n: int, folder: Path, rounds: int) -> str:
    """Million rows a second of reading, sketching, and both."""
    path = folder / "x.parquet"
    write("Parquet", path, n)
    rows = np.concatenate(list(blocks(n)))

    def scan() -> None:
        for _ in pyarrow.dataset.dataset(path).to_batches():
            pass

    def read() -> None:
        source = open_source(path)
        for _ in source.read(source.partitions[0]):
            pass

    lines = []
    for n_frequencies, n_jobs in ((100, 1), (100, 2), (1000, 1), (1000, 2)):
        sketcher = Sketcher(n_frequencies, random_state=0, n_jobs=n_jobs).fit(rows[:BLOCK])
        works: list[Callable[[], object]] = [
            scan,
            read,
            partial(sketcher.sketch, rows),
            partial(sketcher.sketch, path),
        ]
        times = np.array([[seconds(work) for work in works] for _ in range(rounds)])
        clock, used = times.min(axis=0).T
        rates = n / clock / 1e6
        ratios = rates[3] / min(rates[:3]), used[3] / (used[1] + used[2])
        cells = [f"{rate:.1f}" for rate in rates] + [f"{ratio:.2f}" for ratio in ratios]
        lines.append([str(n_frequencies), str(n_jobs), *cells])
        print(lines[-1], flush=True)
    path.unlink()
    head = ["m", "threads", "pyarrow reads", "read alone", "sketched alone", "from the file"]
    return table([*head, "of the slower", "processor time"], lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description="Sketching files: memory and throughput.")
    parser.add_argument("--sizes", default="100000,1000000,10000000")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        peaks = memory(options.kinds.split(","), sizes, Path(folder))
        before = os.getloadavg()[0]
        rates = throughput(min(max(sizes), TIMED_ROWS), Path(folder), options.rounds)
    page = (
        "# Sketching files\n\n"
        f"Rows of {D} float64 columns. Made by `python -m docs.benchmarks.out_of_core`.\n\n"
        f"sketchlearn {__version__}, pyarrow {pa.__version__}, numpy {np.__version__}, Python "
        f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs.\n\n"
        "## Memory\n\n"
        "Peak resident size of a process that fits a sketcher of 1,000 frequencies on the file "
        "and\nsketches it, all imports included, and the seconds of sketching on one thread. "
        f"Parquet's row\ngroups are of {ROW_GROUP:,} rows.\n\n{peaks}\n"
        "## Throughput from Parquet\n\n"
        "Million rows a second, files in the page cache: reading alone, by pyarrow with all cores "
        "and as\nsketchlearn reads, into arrays; sketching rows in memory; and `sketch(path)`, "
        "also over the slowest\nof these. That takes two free processors; what does not depend "
        "on who else uses them is the last\ncolumn, the processor time of `sketch(path)` over "
        "that of reading and sketching alone together.\n"
        f"Load average before and after: {before:.1f} and {os.getloadavg()[0]:.1f}.\n\n{rates}"
    )
    options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
