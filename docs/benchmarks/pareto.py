"""What accuracy costs by every route: processor seconds, bytes, bits, passes, operations, memory.

Run from the root of a checkout, on Linux; it takes about half an hour, can be interrupted at any
time and goes on where it was. What is there so far becomes the page and its figures::

    python -m docs.benchmarks.pareto [--sets all] [--methods all] [--seeds 3] [--report-only]
                                     [--models k-means,mixtures]

Each run is in a process of its own, on one thread, from a file of float32 rows to centroids.
Seeds, from 1000 on, draw rows of synthetic sets, frequencies, samples and starts.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log, _pareto_points, _pareto_report
from docs.benchmarks._pareto_problem import Method, Problem, measure, sum_squares
from docs.benchmarks._pareto_sets import SETS, split_rows, write_rows

LOG = _log.ROOT / "build" / "pareto.jsonl"
ROWS = _log.ROOT / "build" / "pareto"
# Processor seconds after which a run is given up.
LIMIT = 100
# What runs sketchlearn, and is run again when it changes.
OWN_ROUTES = ("sketch alone", "sketch with pilot", "private sketch")

# Rooms beside those that decide on decodes, and what makes a run that run.
BESIDE, RUN = ("features", "sketching"), ("model", "set", "seed", "method")


def run_set(model: str, name: str, seed: int, methods: Mapping[str, Method], log: Path) -> None:
    """Run methods on one set with one seed, and append a record of each."""
    if model == "k-means":
        path = judged = write_rows(name, seed, ROWS)
    else:
        path, judged = split_rows(name, seed, ROWS)
    n, d = np.load(path, mmap_mode="r").shape
    problem = Problem(path, SETS[name].n_clusters, seed, n, d)
    for label, method in methods.items():
        if not method.suits(problem, seed - FIRST_REPORTED_SEED):
            continue
        found, record = measure(method, problem, LIMIT)
        stem = {"model": model, "set": name, "seed": seed, "method": label, "route": method.route}
        stem |= {"n": n, "d": d, "k": problem.n_clusters, "code": code_of(method)}
        if found is not None:
            is_mixture = model == "mixtures"
            record["error"] = (
                -float(found.score(np.load(judged))) if is_mixture else sum_squares(problem, found)
            )
        _log.append(log, stem | record)
        said = record.get("failed") or f"{record['error']:.6g} in {record['seconds']:.2f} s"
        _log.say(f"{model}, {name}, seed {seed}, {label}: {said}")


def code_of(method: Method) -> str:
    """Return the digest of the library for what depends on it, else nothing."""
    return _log.library_digest(*BESIDE) if method.route in OWN_ROUTES else ""


def current(records: Sequence[_log.Record], code: str | None = None) -> list[_log.Record]:
    """Return records that this source, or another, made or that depend on none, the newest runs."""
    return _log.current(records, *RUN, code=code or _log.library_digest(*BESIDE))


def warm_up(methods: Mapping[str, Method]) -> dict[str, Method]:
    """Import and compile what processes are to find; return the methods that can be run."""
    rows = np.random.default_rng(0).normal(size=(3000, 4)) + 6.0 * (np.arange(3000)[:, None] % 4)
    path = ROWS / "warm up.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, rows.astype(np.float32))
    usable = {}
    for label, method in methods.items():
        if method.package is None:
            method.run(Problem(path, 4, 0, *rows.shape))
        else:
            try:
                import_module(method.package)
            except ImportError as error:
                _log.say(f"{label} is left out: {error}")
                continue
        usable[label] = method
    return usable


def parsed(argv: Sequence[str] | None) -> Any:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="What accuracy costs by every route.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--methods", default="all", help="parts of names, comma-separated")
    parser.add_argument("--models", default="all", help="parts of k-means,mixtures")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1000 on")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--images", type=Path, default=_log.ROOT / "docs" / "images")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument("--source", help="whose sketches the page shows, of a log of several")
    options = parser.parse_args(argv)
    options.models = _log.names(options.models, _pareto_points.METHODS)
    options.sets = _log.names(options.sets, SETS)
    return options


def run_missing(options: Any, model: str) -> None:
    """Run what the log lacks, seed by seed, so that the first seeds are complete early."""
    known = _pareto_points.METHODS[model]
    methods = warm_up({name: known[name] for name in _log.names(options.methods, known)})
    records = current(_log.read(options.log))
    done = {tuple(one[name] for name in RUN) for one in records}
    for i in range(options.seeds):
        seed = FIRST_REPORTED_SEED + i
        for name in options.sets:
            one = SETS[name]
            left = {
                label: method
                for label, method in methods.items()
                if (model, name, seed, label) not in done
            }
            if left and i < one.n_seeds and (model == "k-means" or one.has_mixtures):
                run_set(model, name, seed, left, options.log)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page and the figures from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        with threadpool_limits(1):
            for model in options.models:
                run_missing(options, model)
    records = current(_log.read(options.log), options.source)
    if records:
        options.page.write_text(_pareto_report.page(records), encoding="utf-8")
        for name, figure in _pareto_report.figures(records).items():
            figure.savefig(options.images / f"{name}.png", dpi=90)
        print(options.page)


if __name__ == "__main__":
    main()
