"""How good and how fast mixtures from a sketch are, against EM on the rows and on some of them.

Run from the root of a checkout; it takes hours, can be interrupted at any time and goes on where
it was. What is there so far becomes the page and the figure::

    python -m docs.benchmarks.mixtures [--cases all] [--methods all] [--seeds 10]
                                       [--jobs 1] [--report-only]

The gap is the mean log-likelihood a row, on rows that nothing was fitted to, that is lost against
EM on all rows (``GaussianMixture(n_init=3)``). Seeds draw the data, or the part of a real table
that is held out, the frequencies and the subsamples; they start at 1000.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log, _mixture_report
from docs.benchmarks._mixture_cases import CASES, planted_case
from docs.benchmarks._mixture_methods import METHODS, Outcome, Problem

LOG = _log.ROOT / "build" / "mixtures.jsonl"
# What other code than scikit-learn's decides on.
OWN = ("sketch alone", "same time")

Key = tuple[str, str, int]


@dataclass(frozen=True)
class Group:
    """The methods still to be run on one case with one seed."""

    name: str
    seed: int
    methods: tuple[str, ...]
    earlier: tuple[_log.Record, ...]
    log: Path


def work(group: Group) -> None:
    """Run what a group lacks, and log each run as soon as it is done."""
    case = CASES[group.name]
    X, judged = case.draw(group.seed)
    stem = {
        "case": group.name,
        "seed": group.seed,
        "n": len(X),
        "n_frequencies": case.n_frequencies,
    }
    _check_same(group, stem)
    problem = Problem(case, X, group.seed)
    seconds = {record["method"]: total_seconds(record) for record in group.earlier}
    for method in group.methods:
        if method == "same time":
            problem = Problem(case, X, group.seed, seconds.get("sketch alone", 0.0))
        outcome = METHODS[method](problem)
        if outcome is None:
            continue
        record = {**stem, **_result(method, outcome, judged)}
        seconds[method] = total_seconds(record)
        _log.append(group.log, record)
        _log.say(
            f"{group.name}, seed {group.seed}, {method}: {record['log_likelihood']:.3f} "
            f"in {seconds[method]:.2f} s"
        )


def _check_same(group: Group, stem: _log.Record) -> None:
    """Stop before results on other rows or sketches are mixed in."""
    for record in group.earlier:
        if record["n"] != stem["n"]:
            raise SystemExit(
                f"{group.name} has {stem['n']:,} rows here, but {group.log} holds results on "
                f"{record['n']:,}: use the same data, or another --log"
            )


def _result(method: str, outcome: Outcome, judged: np.ndarray) -> _log.Record:
    """What a run is remembered by."""
    return {
        "method": method,
        "code": _log.library_digest() if method in OWN else "",
        "log_likelihood": float(outcome.mixture.score(judged)),
        "seconds": outcome.seconds,
        **outcome.figures,
    }


def total_seconds(record: _log.Record) -> float:
    """Seconds of a run from rows to mixture."""
    return float(record.get("sketch_seconds", 0.0) + record["seconds"])


def key_of(record: _log.Record) -> Key:
    """What makes a run that run."""
    return record["case"], record["method"], record["seed"]


def current(records: Sequence[_log.Record]) -> list[_log.Record]:
    """Records that this source made or that do not depend on it, the newest of each run."""
    known = _log.current(records, "case", "method", "seed")
    return [record for record in known if record["case"] in CASES]


def groups(options: argparse.Namespace, records: Sequence[_log.Record]) -> list[Group]:
    """What is still to be run, seed by seed, so that the first seeds are complete early."""
    done = {key_of(record) for record in records}
    result = []
    for i in range(options.seeds):
        seed = FIRST_REPORTED_SEED + i
        for name in options.cases:
            methods = tuple(m for m in options.methods if (name, m, seed) not in done)
            earlier = tuple(r for r in records if (r["case"], r["seed"]) == (name, seed))
            if methods and i < CASES[name].most_seeds:
                result.append(Group(name, seed, methods, earlier, options.log))
    return result


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    for small in (planted_case(3, 3, "diag", True), planted_case(3, 3, "full", True)):
        METHODS["sketch alone"](Problem(small, small.draw(0)[0][:2000], 0))


def parsed(argv: Sequence[str] | None) -> Any:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Quality and time of mixtures from a sketch.")
    parser.add_argument("--cases", default="all", help="parts of names, comma-separated")
    parser.add_argument("--methods", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 1000 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument(
        "--figure", type=Path, default=_log.ROOT / "docs" / "images" / "mixtures.png"
    )
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    options.cases = _log.names(options.cases, CASES)
    options.methods = _log.names(options.methods, METHODS)
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page and the figure from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        waiting = groups(options, current(_log.read(options.log)))
        _log.work_through(work, waiting, options.jobs, warm_up)
    records = current(_log.read(options.log))
    if any(record["method"] == "EM" for record in records):
        options.page.write_text(_mixture_report.page(records), encoding="utf-8")
        _mixture_report.figure(records).savefig(options.figure, dpi=100)
        print(f"{options.page}\n{options.figure}")


if __name__ == "__main__":
    main()
