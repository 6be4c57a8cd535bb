"""How often `count_clusters` finds the number of clusters, and how often it is wrong and certain.

Run from the root of a checkout; it takes minutes, can be interrupted at any time and goes on where
it was. What is there so far becomes the page::

    python -m docs.benchmarks.number_of_clusters [--sets all] [--seeds 3] [--calibration]
                                                 [--jobs 1] [--report-only]

Constants were chosen on `CALIBRATION` of `datasets/counted.py`, seeds 1 to 9, which
``--calibration`` runs; the page is made of `REPORTED`, seeds from 1000 on.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from datasets.counted import CALIBRATION, REPORTED
from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log
from docs.benchmarks._report import table
from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn import count_clusters as count

LOG = _log.ROOT / "build" / "number_of_clusters.jsonl"
FIRST_CALIBRATION_SEED = 1
SETS = {**REPORTED, **CALIBRATION}
# The largest candidate: up to so many clusters the first, else the second.
FEW, CANDIDATES = 15, (20, 50)
# Frequencies are drawn from other numbers than the rows, which have the set's own seed.
APART = 500_000


@dataclass(frozen=True)
class Run:
    """One set with one seed."""

    name: str
    seed: int
    log: Path


def work(run: Run) -> None:
    """Count the clusters of a set, beside one decode of the largest candidate."""
    one = SETS[run.name]
    most = CANDIDATES[one.n_clusters > FEW]
    rows = one.draw(run.seed)
    sketcher = Sketcher(n_clusters=most, keep_pilot=False, random_state=APART + run.seed)
    sketch = sketcher.fit(rows).sketch(rows)
    start = time.process_time()
    found = count(sketch, range(1, most + 1), random_state=run.seed)
    seconds = time.process_time() - start
    record = {
        "set": run.name, "seed": run.seed, "code": digest(), "n": len(rows), "d": rows.shape[1],
        "k": one.n_clusters, "most": most, "found": found.n_clusters,
        "is_resolved": found.is_resolved, "seconds": seconds,
        "best": min(found.criteria, key=found.criteria.__getitem__),
        "decode_seconds": _time_decode(most, sketch),
    }  # fmt: skip
    _log.append(run.log, record)
    _log.say(
        f"{run.name}, seed {run.seed}: {found.n_clusters} of {one.n_clusters}, "
        f"{'resolved' if found.is_resolved else 'not resolved'}, {seconds:.1f} s"
    )


def _time_decode(k: int, sketch: Sketch) -> float:
    """Return the processor seconds of one fit of k centroids to the sketch."""
    model = CompressiveKMeans(k, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.process_time()
        model.fit_sketch(sketch)
    return time.process_time() - start


def digest() -> str:
    """Digest of what can change a count."""
    return _log.library_digest("model_selection")


def list_runs(options: argparse.Namespace) -> list[Run]:
    """Return what is still to be run, seed by seed."""
    done = {(record["set"], record["seed"]) for record in read(options.log)}
    first = FIRST_CALIBRATION_SEED if options.calibration else FIRST_REPORTED_SEED
    pairs = [(name, seed) for seed in range(first, first + options.seeds) for name in options.sets]
    return [Run(name, seed, options.log) for name, seed in pairs if (name, seed) not in done]


def read(path: Path) -> list[_log.Record]:
    """Return the records that this source made, the newest of each run."""
    return _log.current(_log.read(path), "set", "seed", code=digest())


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    rows = np.random.default_rng(0).normal(size=(500, 2))
    sketch = Sketcher(n_clusters=3, random_state=0).fit(rows).sketch(rows)
    count(sketch, range(1, 4), random_state=0)
    _time_decode(3, sketch)


INTRODUCTION = """# The number of clusters

How often `count_clusters(sketch, range(1, most + 1))` finds how many clusters there are, and how
often it is wrong and says that it is resolved; {n_sets} sets of known numbers of clusters,
{seeds}. `most` is 20 for up to 15 clusters and 50 for more, the sketch is that of
`Sketcher(n_clusters=most)`, all else is default, and no row is kept.
Made by `python -m docs.benchmarks.number_of_clusters`; the generators are `datasets/counted.py`'s.
Constants were chosen on other generators and other seeds, as `tests/docs/test_disjoint_seeds.py`
proves: there {calibration}.

*Not Gaussian* clusters cannot be resolved where there are rows enough to see their shape; they are
counted by the valleys between them. Distances are in standard deviations of the geometric mean of
a cluster's axes. *One decode* is `CompressiveKMeans(most).fit_sketch(sketch)`; seconds are of
processor time.

{machine}
"""
CALIBRATED = (
    "all 13 sets were right with seed 5, 9 of 9 draws of 400 rows, and none was wrong and\n"
    "resolved. One rule came later: in a first run, 500 rows were counted as 8, and resolved;\n"
    "since then components of very few rows are no clusters"
)


def write_page(records: Sequence[_log.Record]) -> str:
    """Return the whole page in Markdown."""
    names = [name for name in SETS if any(record["set"] == name for record in records)]
    kinds = list(dict.fromkeys(SETS[name].kind for name in names))
    n_seeds = len({record["seed"] for record in records})
    by_kind = [
        [kind, *_rates([r for r in records if SETS[r["set"]].kind == kind])] for kind in kinds
    ]
    each = [
        [name, SETS[name].kind, *_describe([r for r in records if r["set"] == name])]
        for name in names
    ]
    introduction = INTRODUCTION.format(
        n_sets=len(names),
        seeds="one seed" if n_seeds == 1 else f"{n_seeds} seeds from {FIRST_REPORTED_SEED} on",
        calibration=CALIBRATED,
        machine=_log.measured_with(),
    )
    rates = ["counts", "right", "right and resolved", "wrong and resolved"]
    times = "time over one decode's, median / largest"
    return "\n".join(
        [
            introduction,
            "## By kind\n",
            table(
                ["kind", *rates, times],
                [*by_kind, ["all", *_rates(records)]],
            ),
            "## By set\n",
            table(["set", "kind", "rows", "k", "counted, * if resolved", "seconds"], each),
        ]
    )


def _rates(records: Sequence[_log.Record]) -> list[str]:
    """Return the cells of a kind: how many, three rates, and the time over a decode's."""
    is_right = np.array([record["found"] == record["k"] for record in records])
    is_resolved = np.array([record["is_resolved"] for record in records])
    shares = (is_right, is_right & is_resolved, ~is_right & is_resolved)
    cells = [str(len(records)), *(f"{np.mean(share):.0%}" for share in shares)]
    times = [record["seconds"] / record["decode_seconds"] for record in records]
    return [*cells, f"{np.median(times):.1f} / {np.max(times):.1f}"]


def _describe(records: Sequence[_log.Record]) -> list[str]:
    """Return the cells of a set."""
    one = records[0]
    found = [f"{r['found']}{'*' if r['is_resolved'] else ''}" for r in records]
    seconds = float(np.median([record["seconds"] for record in records]))
    return [f"{one['n']:,} x {one['d']}", str(one["k"]), " ".join(found), f"{seconds:.1f}"]


def parse(argv: Sequence[str] | None) -> Any:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="How often clusters are counted right.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--calibration", action="store_true", help="the sets for constants")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    options.sets = _log.names(options.sets, CALIBRATION if options.calibration else REPORTED)
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page, or print the calibration's."""
    options = parse(argv)
    if not options.report_only:
        _log.work_through(work, list_runs(options), options.jobs, warm_up)
    known = CALIBRATION if options.calibration else REPORTED
    if records := [record for record in read(options.log) if record["set"] in known]:
        if options.calibration:
            print(write_page(records))
        else:
            options.page.write_text(write_page(records), encoding="utf-8")
            print(options.page)


if __name__ == "__main__":
    main()
