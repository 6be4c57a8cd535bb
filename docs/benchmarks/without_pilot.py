"""How well sketches are decoded whose operator saw no data, or the wrong data.

Run from the root of a checkout; it takes hours, can be interrupted at any time and goes on where
it was. What is there so far becomes the page::

    python -m docs.benchmarks.without_pilot [--sets all] [--ratios 2,5,10] [--seeds 2]
                                            [--ways all] [--jobs 1] [--report-only]

Ratios are of the sum of squared distances to the nearest centroid, over that of
``KMeans(n_init=10)`` on all rows; decoded from the sketch alone. Seeds draw frequencies and, where
the set is synthetic, the data; they start at 1000, and scales were chosen on seeds below 10.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from datasets.suite import N_SYNTHETIC, suite
from docs.benchmarks import _log, _runs
from docs.benchmarks._methods import N_INIT, Rows, inertia
from docs.benchmarks._report import mnist_source, table
from docs.benchmarks._runs import Group
from docs.benchmarks.decoders import integers, rows_of
from sketchlearn import CompressiveKMeans, Sketcher

RATIOS = (2, 5, 10)
LOG = _log.ROOT / "build" / "without_pilot.jsonl"
# How many times as wide as the rows' range the box is.
BOX = 3.0
# From which a ratio is named.
HIGH = 1.25


@dataclass(frozen=True)
class Case:
    """Rows, how they are clustered by k-means, and how large the sketch is."""

    rows: Rows
    labels: np.ndarray
    n_clusters: int
    n_frequencies: int
    seed: int


def too_wide(case: Case) -> Rows:
    """Return the rows twice as far from their mean."""
    mean = case.rows.mean(axis=0)
    return mean + 2.0 * (case.rows - mean)


def too_narrow(case: Case) -> Rows:
    """Return the rows at a quarter of the distance from their mean."""
    mean = case.rows.mean(axis=0)
    return mean + (case.rows - mean) / 4.0


def shifted(case: Case) -> Rows:
    """Return the rows moved by three standard deviations in each column."""
    return case.rows + 3.0 * case.rows.std(axis=0)


def halved(case: Case) -> Rows:
    """Return the rows of every other cluster of k-means'."""
    return case.rows[case.labels % 2 == 0]


PILOTS: dict[str, Callable[[Case], Rows]] = {
    "good pilot": lambda case: case.rows,
    "twice too wide": too_wide,
    "four times too narrow": too_narrow,
    "shifted by 3 sd": shifted,
    "half of the clusters": halved,
}


def fit_on(pilot: str, scale: Any) -> Callable[[Case], Sketcher]:
    """Return what fits a sketcher on a pilot of a case."""

    def fit(case: Case) -> Sketcher:
        sketcher = Sketcher(
            case.n_frequencies,
            n_clusters=case.n_clusters,
            scale=scale,
            keep_pilot=False,
            random_state=case.seed,
        )
        return sketcher.fit(PILOTS[pilot](case))

    return fit


def from_domain(case: Case) -> Sketcher:
    """Return a sketcher of a box three times as wide as the rows' range, around its middle."""
    lower, upper = case.rows.min(axis=0), case.rows.max(axis=0)
    middle, half = (lower + upper) / 2, (upper - lower) / 2
    half[half == 0.0] = 1.0
    return Sketcher.from_domain(
        middle - BOX * half,
        middle + BOX * half,
        n_clusters=case.n_clusters,
        n_frequencies=case.n_frequencies,
        random_state=case.seed,
    )


WAYS: dict[str, Callable[[Case], Sketcher]] = {
    "from a domain": from_domain,
    **{
        f"{scale}: {pilot}": fit_on(pilot, scale) for pilot in PILOTS for scale in ("auto", "mixed")
    },
}


def work(group: Group) -> None:
    """Run what a group lacks, and log each run as soon as it is done."""
    rows = rows_of(group.name, group.seed, group.n_synthetic)
    k, d = suite()[group.name].n_clusters, rows.shape[1]
    reference = KMeans(k, n_init=N_INIT, random_state=group.seed).fit(rows)
    for ratio, way in group.runs:
        case = Case(rows, np.asarray(reference.labels_), k, ratio * k * d, group.seed)
        sketch = WAYS[way](case).sketch(rows)
        model = CompressiveKMeans(k, random_state=group.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            start = time.process_time()
            model.fit_sketch(sketch)
            seconds = time.process_time() - start
        record = {
            "set": group.name, "seed": group.seed, "n": len(rows), "d": d, "k": k, "ratio": ratio,
            "way": way, "code": _log.library_digest(), "seconds": seconds,
            "sse_ratio": inertia(rows, model.cluster_centers_) / float(reference.inertia_),
        }  # fmt: skip
        _log.append(group.log, record)
        _log.say(
            f"{group.name}, seed {group.seed}, m = {ratio} kd, {way}: "
            f"{record['sse_ratio']:.3f} in {seconds:.2f} s"
        )


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    rows = np.random.default_rng(0).normal(size=(500, 3)) + 4.0 * np.arange(500)[:, None] % 3
    sketch = from_domain(Case(rows, np.zeros(500), 3, 50, 0)).sketch(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        CompressiveKMeans(3, random_state=0).fit_sketch(sketch)


INTRODUCTION = """# Without a pilot

SSE over that of `KMeans(n_init=10)`, decoded from the sketch alone; {seeds}, numbered from 1000.
`from_domain` saw no row, and was told a box {box:g} times as wide as the rows' range in every
column. The others saw a pilot: the rows themselves, the same rows twice as far from their mean, at
a quarter of the distance, moved by three standard deviations in every column, or those of every
other cluster; with `scale="auto"` and `scale="mixed"`.
{mnist}
Made by `python -m docs.benchmarks.without_pilot`.

*Far outliers* have one row in two hundred in a box twenty times as wide as the clusters; a box
three times wider still asks for scales that hardly come down to theirs. Two octaves finer, on two
other seeds, 1.29 and 1.33 at 5 k d became 1.13 and 1.10.
*Badly scaled columns* have units from 0.01 to 100, which `from_domain` tells apart and
`scale="mixed"` does not: one column decides. With a pilot twice too wide, on three other seeds,
1.06, 1.21 and 1.20 became 1.00 with scales two octaves finer.
At 2 k d `scale="mixed"` is worse than "auto" with a good pilot, which is why it is not the default.

{machine}
"""


def write_page(records: Sequence[_log.Record]) -> str:
    """Return the whole page in Markdown."""
    ratios = sorted({record["ratio"] for record in records})
    n_seeds = len({record["seed"] for record in records})
    sections = [
        INTRODUCTION.format(
            seeds="one seed" if n_seeds == 1 else f"{n_seeds} seeds",
            box=BOX,
            mnist=mnist_source(records),
            machine=_log.measured_with(),
        ),
        "## Over the suite\n\nMedian and largest of the sets' medians, and how many of the sets "
        "that were run are above 1.05 and\n"
        f"{HIGH:g}; seconds of processor time to decode, median.\n",
        table(
            ["way", *(f"{ratio} k d" for ratio in ratios), "seconds at the last"],
            [
                [way, *(summarise(records, way, ratio) for ratio in ratios),
                 f"{np.median([r['seconds'] for r in select(records, way, ratios[-1])]):.2f}"]
                for way in WAYS
                if select(records, way, ratios[-1])
            ],
        ),
    ]  # fmt: skip
    for ratio in ratios:
        sections.append(f"## m = {ratio} k d\n\nMedians of the seeds; the largest in brackets.\n")
        ways = [way for way in WAYS if select(records, way, ratio)]
        sections.append(
            table(
                ["set", *ways],
                [
                    [name, *(describe(records, way, ratio, name) for way in ways)]
                    for name in suite()
                    if any(record["set"] == name for record in records)
                ],
            )
        )
    return "\n".join(sections)


def select(
    records: Sequence[_log.Record], way: str, ratio: int, name: str | None = None
) -> list[_log.Record]:
    """Return the runs of a way at a ratio, on all sets or one."""
    return [
        record
        for record in records
        if record["way"] == way and record["ratio"] == ratio and name in (None, record["set"])
    ]


def summarise(records: Sequence[_log.Record], way: str, ratio: int) -> str:
    """Return a cell: median and largest of the sets' medians, and how many are high."""
    runs = select(records, way, ratio)
    if not runs:
        return ""
    medians = np.array(
        [
            np.median([run["sse_ratio"] for run in runs if run["set"] == name])
            for name in dict.fromkeys(run["set"] for run in runs)
        ]
    )
    high = f"{np.sum(medians > 1.05)} / {np.sum(medians > HIGH)} of {len(medians)}"
    return f"{np.median(medians):.3f}, {medians.max():.3f}; {high}"


def describe(records: Sequence[_log.Record], way: str, ratio: int, name: str) -> str:
    """Return a cell: median and largest of the seeds."""
    runs = select(records, way, ratio, name)
    if not runs:
        return ""
    ratios = [run["sse_ratio"] for run in runs]
    return f"{np.median(ratios):.3f} ({max(ratios):.3f})"


def parse(argv: Sequence[str] | None) -> Any:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Quality of sketches without a good pilot.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--ways", default="all", help="parts of names, comma-separated")
    parser.add_argument("--ratios", type=integers, default=list(RATIOS), help="m over k d")
    parser.add_argument("--seeds", type=int, default=2, help="how many, from 1000 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--n-synthetic", type=int, default=N_SYNTHETIC, help="rows")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    options.sets = _log.names(options.sets, suite())
    options.ways = _log.names(options.ways, WAYS)
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page from all that is there."""
    options = parse(argv)
    if not options.report_only:
        groups = _runs.list_groups(
            options,
            _runs.current(_log.read(options.log), "way"),
            "way",
            lambda name, i_seed: itertools.product(options.ratios, options.ways),
        )
        _log.work_through(work, groups, options.jobs, warm_up)
    if records := _runs.current(_log.read(options.log), "way"):
        options.page.write_text(write_page(records), encoding="utf-8")
        print(options.page)


if __name__ == "__main__":
    main()
