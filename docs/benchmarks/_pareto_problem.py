"""What a method of `pareto.py` is given, what it gives back, and what that cost."""

from __future__ import annotations

import math
import re
import resource
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docs.benchmarks._log import Record
from docs.benchmarks._pareto_sets import BLOCK_ROWS, Block

N_SITES = 100
# Of one number as it is kept and sent.
FLOAT_BYTES = 4
FLOAT_BITS = 32
# Bytes of a file that are mapped at a time.
MAPPED = 4_000_000
# What Linux tells of this process.
OWN = Path("/proc/self")


@dataclass(frozen=True)
class Problem:
    """A file of rows, so many clusters to look for in the first ``n`` of them, and a seed."""

    path: Path
    n_clusters: int
    seed: int
    n: int
    d: int

    @cached_property
    def rng(self) -> np.random.Generator:
        """Generator of what a method draws."""
        return np.random.default_rng([self.seed, 7])

    def read(self) -> Block:
        """All rows, in memory."""
        return np.concatenate(list(self.blocks()))

    def blocks(self) -> Iterator[Block]:
        """Read all rows in their order, so many at a time that they hardly take memory."""
        most = max(BLOCK_ROWS // self.d, 1000)
        with self.path.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            for first in range(0, self.n, most):
                count = min(most, self.n - first)
                yield np.fromfile(file, np.float32, count * self.d).reshape(count, self.d)

    def draw(self, n_rows: int) -> Block:
        """Random rows, without looking at the others."""
        return self.take(np.sort(self.rng.choice(self.n, size=min(n_rows, self.n), replace=False)))

    def take(self, chosen: NDArray[np.intp]) -> Block:
        """Rows of these numbers, which increase; little of the file is mapped at a time."""
        window = max(MAPPED // (FLOAT_BYTES * self.d), 1)
        ends = np.searchsorted(chosen, np.arange(0, self.n + window, window))
        return np.concatenate(
            [
                np.load(self.path, mmap_mode="r")[chosen[first:last]]
                for first, last in pairwise(ends)
                if last > first
            ]
        )


@dataclass(frozen=True)
class Outcome:
    """What was found, and what is counted and not measured.

    Attributes
    ----------
    found : ndarray or mixture
        Centroids (k, d), or what scores rows.
    kept_bytes : float
        Of what has to be kept until the last centroid is found.
    site_bits : float
        Sent by each of `N_SITES` sites with equal shares of the rows, operators being agreed upon.
    passes : float
        How many rows are read, over how many there are; sampling reads those that it draws.
    operations : float
        Multiplications with an addition, of the steps that grow with rows or frequencies.
    beside_seconds, beside_memory : float
        Processor seconds and MB that another process took for it.
    """

    found: Any
    kept_bytes: float
    site_bits: float
    passes: float
    operations: float
    beside_seconds: float = 0.0
    beside_memory: float = 0.0


@dataclass(frozen=True)
class Method:
    """One way to cluster: which route it is of, and what it is worth the time for.

    Of others' ``package``, imported before the time is taken, nothing is called before: threads
    that it starts would not be there in another process. What it has to ``prepare`` there is not
    timed.
    """

    route: str
    run: Callable[[Problem], Outcome]
    most_rows: int = 100_000_000
    most_columns: int = 10_000
    most_seeds: int = 100
    package: str | None = None
    prepare: Callable[[Problem], None] | None = None

    def suits(self, problem: Problem, i_seed: int) -> bool:
        """Whether it runs on that many rows and columns, with that of the seeds."""
        is_small = problem.n <= self.most_rows and problem.d <= self.most_columns
        return is_small and i_seed < self.most_seeds


def measure(method: Method, problem: Problem, limit: int) -> tuple[Any, Record]:
    """Run a method in a process of its own; return what it found, and what it cost.

    That process is a copy of this one, so that nothing is compiled or imported within the time.
    Of one that fails or takes longer than `limit` seconds of the processor, nothing is found, and
    the record says why.
    """
    here, there = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(target=_run, args=(method, problem, limit, there))
    process.start()
    there.close()
    try:
        found, record = here.recv()
    except EOFError:
        found, record = None, {}
    process.join()
    if process.exitcode:
        is_late = process.exitcode == -signal.SIGXCPU
        record = {"failed": f"over {limit} s" if is_late else f"ended by {process.exitcode}"}
    return found, record


def _run(method: Method, problem: Problem, limit: int, there: Connection) -> None:
    """Run a method, and send back what it found, its seconds and its memory."""
    warnings.simplefilter("ignore")
    if method.prepare is not None:
        method.prepare(problem)
    last = limit + math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (last, last + 1))
    # From here on the system's high-water mark is that of this method.
    (OWN / "clear_refs").write_text("5")
    before, start = read_megabytes(OWN, "VmRSS"), time.process_time()
    try:
        outcome = method.run(problem)
    except Exception as error:
        there.send((None, {"failed": f"{type(error).__name__}: {error}"[:200]}))
        return
    seconds = time.process_time() - start + outcome.beside_seconds
    if seconds > limit:
        there.send((None, {"failed": f"over {limit} s"}))
        return
    own = read_megabytes(OWN, "VmHWM") - before
    record = {
        "seconds": seconds,
        "memory": own + outcome.beside_memory,
        "kept_bytes": float(outcome.kept_bytes),
        "site_bits": float(outcome.site_bits),
        "passes": float(outcome.passes),
        "operations": float(outcome.operations),
    }
    there.send((outcome.found, record))


def read_megabytes(process: Path, name: str) -> float:
    """Return a figure of a process that Linux keeps, in MB."""
    found = re.search(rf"{name}:\s+(\d+) kB", (process / "status").read_text())
    if found is None:
        raise RuntimeError(f"expected {name} in {process / 'status'}, as Linux has it")
    return int(found[1]) * 1024 / 1e6


def sum_squares(problem: Problem, centers: NDArray) -> float:
    """Sum the squared distances of all rows to the nearest centroid."""
    centers = np.asarray(centers, dtype=np.float64)
    if not np.isfinite(centers).all():
        return float("inf")
    middle = centers.mean(axis=0)
    moved = centers - middle
    total = 0.0
    for block in problem.blocks():
        rows = block - middle
        products = rows @ (-2.0 * moved.T) + np.square(moved).sum(axis=1)
        least = products.min(axis=1) + np.square(rows).sum(axis=1)
        total += float(np.maximum(least, 0.0).sum())
    return total
