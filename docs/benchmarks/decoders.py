"""How good and how fast decoding is, on the whole suite, against what one would do instead.

Run from the root of a checkout; it takes hours, can be interrupted at any time and goes on where
it was. What is there so far becomes the page and the figure::

    python -m docs.benchmarks.decoders [--sets all] [--ratios 1,2,3,5,10] [--seeds 10]
                                       [--methods all] [--jobs 1] [--report-only]
    python -m docs.benchmarks.decoders --sets new --log build/decoders_new.jsonl
        --page docs/benchmarks/decoders_new.md --figure docs/images/decoders_new.png

``--sets all`` are the suite's, ``--sets new`` kinds that it lacks.

Ratios are of the sum of squared distances to the nearest centroid, over that of
``KMeans(n_init=10)`` on all rows. Seeds draw frequencies, subsamples and, where the set is
synthetic, the data; they start at 1000; constants of the library were tuned
on seeds below 100, of the same sets for the most part, as the page says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from datasets.suite import N_SYNTHETIC, every_set, new_sets, suite
from docs.benchmarks import _figure, _log, _report, _runs
from docs.benchmarks._methods import (
    METHODS,
    N_INIT,
    OWN,
    UNSKETCHED,
    Outcome,
    Problem,
    alone,
    inertia,
    with_pilot,
)
from docs.benchmarks._runs import Group

RATIOS = (1, 2, 3, 5, 10)
LOG = _log.ROOT / "build" / "decoders.jsonl"
# What takes up to minutes a run: only where k d is at most this, at these ratios, so many seeds.
SMALL = 100
SLOW = {"pycle": ((2, 5), 2)}


@lru_cache(maxsize=1)
def rows_of(name: str, seed: int, n_synthetic: int) -> NDArray[np.float64]:
    """Rows of a set."""
    return every_set(n_synthetic)[name].rows(seed)


def work(group: Group) -> None:
    """Run what a group lacks, and log each run as soon as it is done."""
    try:
        X = rows_of(group.name, group.seed, group.n_synthetic)
    except ImportError as error:
        _log.say(f"{group.name} is left out: {error}")
        return
    k, d = every_set()[group.name].n_clusters, X.shape[1]
    code = _log.library_digest()
    _check_rows(group, len(X))
    stem = {"set": group.name, "seed": group.seed, "n": len(X), "d": d, "k": k}
    reference = _reference(group, X, k, stem)
    seconds = {
        r["ratio"]: _total_seconds(r) for r in group.earlier if r["method"] == "sketch alone"
    }
    problem = None
    for ratio, method in group.runs:
        if method in SLOW and k * d > SMALL:
            continue
        if problem is None or problem.n_frequencies != ratio * k * d:
            problem = Problem(X, k, ratio * k * d, group.seed, (reference / X.size) ** 0.5)
        allowed = replace(problem, seconds_allowed=seconds.get(ratio, 0.0))
        try:
            outcome = METHODS[method](allowed if method == "same time" else problem)
        except ValueError as error:
            # A failure is a result, and the worst one.
            _log.say(f"{group.name}, seed {group.seed}, m = {ratio} kd, {method}: {error}")
            outcome = Outcome(np.full((k, d), np.nan), 0.0)
        if outcome is None:
            continue
        record = {
            **stem,
            "ratio": ratio,
            "method": method,
            "code": code if method in OWN or method == "same time" else "",
            "sse_ratio": inertia(X, outcome.centers) / reference,
            "seconds": outcome.seconds,
            **outcome.figures,
        }
        if method == "sketch alone":
            seconds[ratio] = _total_seconds(record)
        _log.append(group.log, record)
        _log.say(
            f"{group.name}, seed {group.seed}, m = {ratio} kd, {method}: "
            f"{record['sse_ratio']:.3f} in {outcome.seconds:.2f} s"
        )


def _check_rows(group: Group, n_rows: int) -> None:
    """Stop before results on other rows are mixed in: MNIST, say, whole and the embedded part."""
    others = {record["n"] for record in group.earlier} - {n_rows}
    if others:
        raise SystemExit(
            f"{group.name} has {n_rows:,} rows here, but {group.log} holds results on "
            f"{others.pop():,}: use the same data, or another --log"
        )


def _reference(group: Group, X: NDArray[np.float64], k: int, stem: _log.Record) -> float:
    """Inertia of k-means, ten starts, on all rows: from the log, or computed now."""
    for record in group.earlier:
        if record["method"] == "reference":
            return float(record["sse"])
    sse = float(KMeans(k, n_init=N_INIT, random_state=group.seed).fit(X).inertia_)
    _log.append(group.log, {**stem, "ratio": 0, "method": "reference", "code": "", "sse": sse})
    return sse


def _total_seconds(record: _log.Record) -> float:
    """Seconds of a run from rows to centroids."""
    return float(record.get("sketch_seconds", 0.0) + record["seconds"])


def current(records: Sequence[_log.Record]) -> list[_log.Record]:
    """Records that this source made or that do not depend on it, the newest of each run."""
    return _runs.current(records, "method")


def comparable(records: Sequence[_log.Record]) -> list[_log.Record]:
    """Records on the sets and seeds that the sketch alone ran on, if it ran."""
    own = {(r["set"], r["seed"]) for r in records if r["method"] == "sketch alone"}
    return [r for r in records if not own or (r["set"], r["seed"]) in own]


def wanted(name: str, i_seed: int, ratios: Sequence[int], methods: Sequence[str]) -> Iterator:
    """Ratio and method of all runs on one set with one seed."""
    for ratio in (0, *ratios):
        for method in methods:
            if (method in UNSKETCHED) != (ratio == 0):
                continue
            if method in SLOW:
                slow_ratios, n_seeds = SLOW[method]
                if ratio not in slow_ratios or i_seed >= n_seeds:
                    continue
            yield ratio, method


def groups(options: argparse.Namespace, records: Sequence[_log.Record]) -> list[Group]:
    """What is still to be run; nothing slow on sets that are known to be large."""
    sizes = {(r["set"]): r["k"] * r["d"] for r in records}

    def wanted_on(name: str, i_seed: int) -> Iterator[tuple[int, str]]:
        is_small = sizes.get(name, 0) <= SMALL
        methods = [m for m in options.methods if is_small or m not in SLOW]
        return wanted(name, i_seed, options.ratios, methods)

    return _runs.list_groups(options, records, "method", wanted_on)


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    X = np.random.default_rng(0).normal(size=(500, 3)) + 4.0 * np.arange(500)[:, None] % 3
    problem = Problem(X, 3, 50, 0)
    alone(problem)
    with_pilot(problem)
    for method in OWN.values():
        method(problem)


def integers(text: str) -> list[int]:
    """Comma-separated integers."""
    return [int(part) for part in text.split(",")]


def parsed(argv: Sequence[str] | None) -> Any:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Quality and time of decoding, on the suite.")
    parser.add_argument("--sets", default="all", help="all, new, or parts of names")
    parser.add_argument("--methods", default="all", help="parts of names, comma-separated")
    parser.add_argument("--ratios", type=integers, default=list(RATIOS), help="m over k d")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1000 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--n-synthetic", type=int, default=N_SYNTHETIC, help="rows")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument(
        "--figure", type=Path, default=_log.ROOT / "docs" / "images" / "decoders.png"
    )
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    if options.sets == "new":
        options.sets = list(new_sets())
    else:
        options.sets = _log.names(options.sets, suite() if options.sets == "all" else every_set())
    options.methods = _log.names(options.methods, METHODS)
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page and the figure from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        waiting = groups(options, current(_log.read(options.log)))
        _log.work_through(work, waiting, options.jobs, warm_up)
    records = comparable(current(_log.read(options.log)))
    if records:
        options.page.write_text(_report.page(records), encoding="utf-8")
        _figure.figure(records).savefig(options.figure, dpi=100)
        print(f"{options.page}\n{options.figure}")


if __name__ == "__main__":
    main()
