"""How large a sketch should be: its bytes, seconds and likely error, before any row is read."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, final

import numpy as np

from sketchlearn._threads import OneThread
from sketchlearn._validation import RandomState, check_count, check_positive
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import SurrogateKMeans
from sketchlearn.sketching import Sketcher
from sketchlearn.sketching.tuning import n_principal, resolve_frequency_count

# Seconds for which each of two sizes of sketch is timed, of rows near one another and far apart.
CALIBRATION_SECONDS = 0.12
# Standard deviations of the rows that are timed, in those of a cluster: phases of the first are
# computed in float32, of the second in float64.
SPREADS = (1.0, 100.0)
# Rows of the first timing, and the share of it that what happens once a pass may be.
FIRST_ROWS = 2048
# Bytes of an operator beyond which none is planned, let alone drawn.
MOST_OPERATOR_BYTES = 2**32
# Of an entry of a dense operator: turns in float32, radians in float64.
BYTES_AN_ENTRY = 12
# Frequencies below which no sketch is planned.
LEAST_FREQUENCIES = 100
# Rows, columns, clusters and frequencies of the decode that tells how fast the machine is.
REFERENCE = {"n_samples": 2000, "n_features": 2, "n_clusters": 3, "n_frequencies": 100}


@final
@dataclass(frozen=True)
class Plan:
    """A sketch that has not been taken, and what is expected of it.

    Attributes
    ----------
    n_samples, n_features, n_clusters, n_workers : int
        What was asked about.
    n_frequencies : int
        Complex entries m of the sketch.
    sketch_bytes : int
        Of a sketch's file without its operator: what each of many sites sends.
    file_bytes : int
        Of a file with the operator, which stands alone.
    sketch_seconds : float
        To sketch all rows from memory, by so many workers as fast as one thread of this machine:
        the geometric mean of what rows take whose clusters are near one another and far apart,
        which is known only when they are seen. Reading files comes on top.
    decode_seconds : float
        To decode k-means from the sketch, on one thread.
    expected_error : float
        Sum of squared distances over that of k-means on all rows, less one: the median over the
        data sets of `docs/benchmarks/planning.py`, decoded from the sketch alone.
    likely_error : float
        The same figure, which nine of ten of those data sets stay under.

    Examples
    --------
    >>> from sketchlearn import plan
    >>> site = plan(10_000_000, 4, 5, max_bytes=4000, n_workers=100)
    >>> site.sketch_bytes <= 4000 and site.expected_error < site.likely_error
    True
    """

    n_samples: int
    n_features: int
    n_clusters: int
    n_workers: int
    n_frequencies: int
    sketch_bytes: int
    file_bytes: int
    sketch_seconds: float
    decode_seconds: float
    expected_error: float
    likely_error: float

    def __str__(self) -> str:
        k, m = self.n_clusters, self.n_frequencies
        workers = f"{self.n_workers} worker" + ("s" if self.n_workers > 1 else "")
        return (
            f"{m:,} frequencies for {k} clusters in {self.n_features} columns: "
            f"{format_bytes(self.sketch_bytes)} a sketch, "
            f"{format_bytes(self.file_bytes)} with its operator.\n"
            f"One pass over {self.n_samples:,} rows in memory takes {self.sketch_seconds:.3g} s on "
            f"{workers}, decoding {self.decode_seconds:.2g} s.\n"
            f"Error against k-means on all rows: {self.expected_error:.1%} expected, "
            f"{self.likely_error:.1%} or less on nine data sets of ten."
        )

    @property
    def seconds(self) -> float:
        """Of the pass and the decode together."""
        return self.sketch_seconds + self.decode_seconds

    def make_sketcher(self, **settings: Any) -> Sketcher:
        """Return an unfitted `Sketcher` of this size; other settings go to it."""
        return Sketcher(self.n_frequencies, n_clusters=self.n_clusters, **settings)


def plan(
    n_samples: float,
    n_features: float,
    n_clusters: float = 10,
    *,
    error: float | None = None,
    max_bytes: float | None = None,
    max_seconds: float | None = None,
    n_workers: float = 1,
    random_state: RandomState = 0,
) -> Plan:
    """Choose the size of a sketch for k-means, and predict what it costs and how good it is.

    Bytes are those of a sketch that is really taken, of a few rows; seconds come from half a second
    of sketching such rows on this machine, and from a small decode on it; errors, and how decodes
    grow with their size, from tables that `docs/benchmarks/planning.py` measured.

    Parameters
    ----------
    n_samples, n_features : int
        Rows and columns of the data. All counts may be written as whole floats, such as 1e9.
    n_clusters : int, default=10
        Clusters to look for.
    error : float, optional
        Expected error (0.02 for two per cent) that the smallest sketch which keeps it is sought
        for.
    max_bytes : float, optional
        Most bytes of a sketch, without its operator. Without `error` the largest sketch that keeps
        to them, and to `max_seconds`, is planned; without any of the three, the one that
        ``Sketcher(n_frequencies="auto")`` takes.
    max_seconds : float, optional
        Most seconds for the pass and the decode together.
    n_workers : int, default=1
        Processes or threads that sketch side by side.
    random_state : int, RandomState, Generator or None
        Of the sketches that are timed; no figure but the seconds depends on it.

    Returns
    -------
    Plan
        Printed, it says all of it in three lines.

    Raises
    ------
    TypeError, ValueError
        If a number is out of range, or rows are fewer than clusters; if an operator of the size
        would not fit into memory; or if no sketch meets what is asked for: then the message says
        which comes nearest.

    Examples
    --------
    >>> from sketchlearn import plan
    >>> chosen = plan(1_000_000, 2, 3, error=0.05)
    >>> chosen.expected_error <= 0.05
    True
    >>> sketcher = chosen.make_sketcher(random_state=0)
    """
    shape = (to_count(n_features, "n_features"), to_count(n_clusters, "n_clusters"))
    n_samples, n_workers = to_count(n_samples, "n_samples"), to_count(n_workers, "n_workers")
    if n_samples < shape[1]:
        raise ValueError(
            f"n_samples must be at least n_clusters, got {n_samples} rows for {shape[1]} clusters"
        )
    limits = {
        name: check_positive(value, name)
        for name, value in (("error", error), ("bytes", max_bytes), ("seconds", max_seconds))
        if value is not None
    }
    model = CostModel.calibrate(*shape, n_workers, random_state)
    plans = [model.predict(n_samples, m) for m in list_sizes(*shape)]
    if not limits:
        return model.predict(n_samples, resolve_frequency_count("auto", shape[1], shape[0]))
    fitting = [one for one in plans if all(exceeds(one, limits)[name] <= 0.0 for name in limits)]
    if not fitting:
        nearest = min(plans, key=lambda one: max(exceeds(one, limits).values()))
        raise ValueError(
            f"no sketch keeps to {', '.join(f'{name} {limits[name]:g}' for name in limits)}; the "
            f"nearest, of {nearest.n_frequencies} frequencies, takes {nearest.sketch_bytes:,} "
            f"bytes and {nearest.seconds:.3g} seconds, and an error of "
            f"{nearest.expected_error:.3g} is expected of it"
        )
    return fitting[0] if error is not None else fitting[-1]


def to_count(value: Any, name: str) -> int:
    """Return a positive integer, which may come as a float such as 1e9; as `check_count` else."""
    is_whole = isinstance(value, float) and value.is_integer()
    count = check_count(int(value) if is_whole else value, name)
    if count >= 2**63:
        raise ValueError(f"{name} must be less than 2**63, got one of {count.bit_length()} bits")
    return count


def list_sizes(n_features: int, n_clusters: int) -> list[int]:
    """Return numbers of frequencies to choose among, growing: those that errors are known for."""
    ratios = [one["ratio"] for one in read_table()["errors"]]
    numbers = n_clusters * n_principal(n_features, n_clusters)
    steps = np.geomspace(ratios[0], ratios[-1], 17)
    return sorted({max(LEAST_FREQUENCIES, math.ceil(step * numbers)) for step in steps})


def exceeds(one: Plan, limits: dict[str, float]) -> dict[str, float]:
    """Return by how much a plan exceeds each limit, as the logarithm of the ratio."""
    found = {"error": one.expected_error, "bytes": one.sketch_bytes, "seconds": one.seconds}
    return {name: math.log(max(found[name], 1e-12) / limit) for name, limit in limits.items()}


@dataclass(frozen=True)
class CostModel:
    """What sketches of one number of columns cost on this machine, by their frequencies.

    Bytes and seconds a row are affine in m, through those of the two sizes that were tried.
    """

    n_features: int
    n_clusters: int
    n_workers: int
    sizes: np.ndarray
    bare_bytes: np.ndarray
    whole_bytes: np.ndarray
    row_seconds: np.ndarray
    speed: float

    @classmethod
    def calibrate(
        cls, n_features: int, n_clusters: int, n_workers: int, random_state: RandomState
    ) -> CostModel:
        """Time two sizes of sketch, and a decode."""
        sizes = list_sizes(n_features, n_clusters)
        least, most = sizes[0], max(sizes[-1], 2 * sizes[0])
        n_bytes = BYTES_AN_ENTRY * n_features * most
        if n_bytes > MOST_OPERATOR_BYTES:
            raise ValueError(
                f"{most:,} frequencies of {n_features:,} columns are an operator of "
                f"{format_bytes(n_bytes)}, more than {format_bytes(MOST_OPERATOR_BYTES)}: reduce "
                "the columns first, or look for fewer clusters"
            )
        tried = [time_sketching(n_features, m, random_state) for m in (least, most)]
        bare, whole, *near_and_far = np.transpose(tried)
        return cls(
            n_features,
            n_clusters,
            n_workers,
            np.array([least, most]),
            bare,
            whole,
            np.sqrt(near_and_far[0] * near_and_far[1]),
            time_reference_decode() / read_table()["decode"]["reference_seconds"],
        )

    def predict(self, n_samples: int, n_frequencies: int) -> Plan:
        """Return the plan of a size."""
        share = (n_frequencies - self.sizes[0]) / (self.sizes[1] - self.sizes[0])
        bare, whole, seconds = (
            values[0] + share * (values[1] - values[0])
            for values in (self.bare_bytes, self.whole_bytes, self.row_seconds)
        )
        q = n_principal(self.n_features, self.n_clusters)
        decode = self.speed * count_decode_seconds(self.n_clusters, q, n_frequencies)
        expected, likely = look_up_errors(n_frequencies / (self.n_clusters * q))
        return Plan(
            n_samples,
            self.n_features,
            self.n_clusters,
            self.n_workers,
            n_frequencies,
            round(bare),
            round(whole),
            float(n_samples * seconds / self.n_workers),
            float(decode),
            expected,
            likely,
        )


def look_up_errors(ratio: float) -> tuple[float, float]:
    """Return the median error and that of nine in ten, at m over the numbers to be found.

    Linear in the logarithms between the ratios that were measured, and constant beyond.
    """
    known = read_table()["errors"]
    ratios = np.log([one["ratio"] for one in known])
    logs = [
        np.interp(np.log(ratio), ratios, np.log([max(one[name], 1e-6) for one in known]))
        for name in ("median", "nine_in_ten")
    ]
    return float(np.exp(logs[0])), float(np.exp(logs[1]))


def count_decode_seconds(n_clusters: int, n_directions: int, n_frequencies: int) -> float:
    """Return the seconds of a decode on the machine that the table was measured on.

    The logarithm is linear in those of k and m, and quadratic in that of d. Beyond the k and d
    that were measured, seconds grow in proportion to them.
    """
    law = read_table()["decode"]
    k, d = (
        float(np.clip(value, *law[name]))
        for value, name in ((n_clusters, "measured_k"), (n_directions, "measured_d"))
    )
    terms = describe_decode(np.array([k]), np.array([d]), np.array([n_frequencies]))[0]
    seconds = float(np.exp(terms @ law["coefficients"]))
    return seconds * max(n_clusters / k, 1.0) * max(n_directions / d, 1.0)


def describe_decode(k: np.ndarray, d: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return the terms (n, 5) that the logarithm of a decode's seconds is linear in."""
    x, y, z = np.log(k), np.log(d), np.log(m)
    return np.column_stack([np.ones_like(x), x, y, z, y * y])


def time_sketching(
    n_features: int, n_frequencies: int, random_state: RandomState
) -> tuple[float, ...]:
    """Return bytes without and with operator of a sketch, and the seconds of a row of each spread.

    Rows of clusters that are far apart have phases that float32 would round too coarsely.
    """
    drawn = np.random.default_rng(0).standard_normal((FIRST_ROWS, n_features))
    bare, whole, all_seconds = 0, 0, []
    for spread in SPREADS:
        rows = spread * drawn
        sketcher = Sketcher(n_frequencies, scale=1.0, keep_pilot=False, random_state=random_state)
        sketch = sketcher.fit(rows).sketch(rows)
        bare, whole = len(sketch.to_bytes(operator=False)), len(sketch.to_bytes())
        seconds = 0.0
        # Twice as many rows each time, so that what a pass costs once is hardly seen in the last.
        while seconds < CALIBRATION_SECONDS / 2.0:
            rows = np.concatenate([rows, rows])
            start = time.process_time()
            sketcher.sketch(rows)
            seconds = time.process_time() - start
        all_seconds.append(seconds / len(rows))
    return bare, whole, *all_seconds


@cache
def time_reference_decode() -> float:
    """Return the seconds of a small decode, the fastest of three: how fast this machine is."""
    rng = np.random.default_rng(0)
    n, d = REFERENCE["n_samples"], REFERENCE["n_features"]
    k, m = REFERENCE["n_clusters"], REFERENCE["n_frequencies"]
    rows = rng.standard_normal((n, d)) + 8.0 * rng.integers(k, size=(n, 1))
    sketch = Sketcher(m, scale=1.0, keep_pilot=False, random_state=0).fit(rows).sketch(rows)
    family, seconds = SphericalGaussian(sketch.operator), []
    with OneThread():
        for seed in range(4):
            start = time.process_time()
            SurrogateKMeans().decode(sketch, family, k, np.random.default_rng(seed))
            seconds.append(time.process_time() - start)
    # The first one may compile.
    return min(seconds[1:])


def format_bytes(n_bytes: float) -> str:
    """Return a number of bytes in words, as "12.3 kB"."""
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000.0:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000.0
    return f"{n_bytes:,.3g} GB"


@cache
def read_table() -> dict[str, Any]:
    """Return what `docs/benchmarks/planning.py` measured."""
    text = resources.files("sketchlearn").joinpath("planning_table.json").read_text("utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
