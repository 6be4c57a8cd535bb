"""Whether CL-AMP would earn a place among the decoders: beside them, and as one of them.

Run from the root of a checkout; it can be interrupted and goes on where it was::

    python -m docs.benchmarks.cl_amp [--sets all] [--ratios 1,2,3,5] [--seeds 3] [--jobs 1]
                                     [--report-only]

On the sets of the suite with k d <= 100, at the automatic scale and twice that. Ratios are of the
sum of squared distances to the nearest centroid, over that of ``KMeans(n_init=10)`` on all rows;
the centroids are the mixture's, before any particles. Seeds start at 1000.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from datasets.suite import N_SYNTHETIC, suite
from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log
from docs.benchmarks._cl_amp import CLAMP
from docs.benchmarks._methods import N_INIT, Rows, inertia
from docs.benchmarks._report import table
from docs.benchmarks.decoders import LOG as DECODERS_LOG
from docs.benchmarks.decoders import RATIOS, SMALL, integers
from sketchlearn import Sketch, Sketcher
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import BestOf, Mixture
from sketchlearn.decoders.decoder import check_decodable, mixture_of
from sketchlearn.decoders.refinement import adjust, reweighted

FACTORS = (1, 2)
N_POLISHES = 300
GOOD = 1.1
LOG = _log.ROOT / "build" / "cl_amp.jsonl"

Found = dict[str, tuple[Mixture, float]]

INTRODUCTION = """# CL-AMP beside the decoders, and among them

Sum of squared distances to the nearest centroid, over that of `KMeans(n_init=10)` on all rows:
**median over the sets / largest, of the sets' medians over {seeds} seeds, and the share of runs
that are at most 1.1**; then the median seconds of processor time, one thread. On the {n_sets} sets
of `datasets/suite.py` with k d <= 100. The centroids are the mixture's, before any particles.
Made by `python -m docs.benchmarks.cl_amp`.

- *default*: `BestOf()`, up to three decodes, six if clusters are certainly missing.
- *six decodes*: `BestOf(n_init=6)`, the six in any case.
- *CL-AMP*: approximate message passing, `docs/benchmarks/_cl_amp.py`, up to three starts.
- *default or CL-AMP*: of the default and of CL-AMP, adjusted jointly as all decoders do at their
  end, the mixture of smaller cost; what it would be as one more member of `BestOf`.

A scale of 1 is the automatic one, the standard deviation of a cluster.

{machine}
"""

SEPARATED = "separated Gaussians"
DRAWS = """
## Separated clusters

The ratio of every draw of ten separated Gaussians in ten dimensions: 1.00 where all were found.

"""
RIVALS = """
## At the best of three scales

Of 1, 2 and 4 times the within-cluster standard deviation of k-means on all rows, the best on all
rows, which nobody could know without them; from the log of `docs/benchmarks/decoders.py`, the same
sets. pycle, whose CL-OMPR has point masses for atoms, was not run at the other sizes.

"""


@dataclass(frozen=True)
class Group:
    """What is to be run on one set with one seed."""

    name: str
    seed: int
    n_synthetic: int
    ratios: tuple[int, ...]
    log: Path


def default(sketch: Sketch, family: SphericalGaussian, k: int, seed: int) -> Mixture:
    """As `CompressiveKMeans` decodes before any particles."""
    return BestOf().decode(sketch, family, k, np.random.default_rng(seed))


def six_decodes(sketch: Sketch, family: SphericalGaussian, k: int, seed: int) -> Mixture:
    """Six decodes in any case."""
    return BestOf(n_init=6).decode(sketch, family, k, np.random.default_rng(seed))


def cl_amp(sketch: Sketch, family: SphericalGaussian, k: int, seed: int) -> Mixture:
    """Message passing from up to three starts."""
    return CLAMP().decode(sketch, family, k, np.random.default_rng(seed))


def cheaper(sketch: Sketch, found: Found) -> Mixture:
    """The default's mixture or CL-AMP's, adjusted: that of smaller cost."""
    start = found["CL-AMP"][0]
    family = start.family
    target = check_decodable(sketch, family, len(start.weights))
    fit = reweighted(target, family, start.parameters)
    polished = adjust(target, family, fit, shapes="free", max_iter=N_POLISHES)
    both = (found["default"][0], mixture_of(sketch, family, polished))
    return min(both, key=lambda mixture: mixture.cost)


WAYS: dict[str, Callable[[Sketch, SphericalGaussian, int, int], Mixture]] = {
    "default": default,
    "six decodes": six_decodes,
    "CL-AMP": cl_amp,
}
EITHER = "default or CL-AMP"


def work(group: Group) -> None:
    """Run everything on one set with one seed, and log each result as soon as it is there."""
    k, rows = suite(group.n_synthetic)[group.name]
    X = rows(group.seed)
    if k * X.shape[1] > SMALL:
        return
    reference = float(KMeans(k, n_init=N_INIT, random_state=group.seed).fit(X).inertia_)
    automatic = Sketcher(1, n_clusters=k, random_state=group.seed).fit(X).scale_
    for ratio in group.ratios:
        for factor in FACTORS:
            found = _decoded(X, k, ratio * k * X.shape[1], factor * automatic, group.seed)
            for way, (mixture, seconds) in found.items():
                record = {
                    "set": group.name,
                    "seed": group.seed,
                    "ratio": ratio,
                    "factor": factor,
                    "way": way,
                    "code": _log.library_digest(),
                    "sse_ratio": inertia(X, mixture.locations) / reference,
                    "seconds": seconds,
                }
                _log.append(group.log, record)


def _decoded(X: Rows, k: int, m: int, scale: float, seed: int) -> Found:
    """Mixture and seconds of every way."""
    sketch = Sketcher(m, scale=scale, keep_pilot=False, random_state=seed).fit(X).sketch(X)
    family = SphericalGaussian(sketch.operator)
    found: Found = {}
    for way, decode in WAYS.items():
        start = time.process_time()
        mixture = decode(sketch, family, k, seed)
        found[way] = mixture, time.process_time() - start
    start = time.process_time()
    mixture = cheaper(sketch, found)
    seconds = time.process_time() - start + found["default"][1] + found["CL-AMP"][1]
    return found | {EITHER: (mixture, seconds)}


def current(records: Sequence[_log.Record]) -> list[_log.Record]:
    """Records that this source made."""
    return [record for record in records if record["code"] == _log.library_digest()]


def page(records: Sequence[_log.Record], beside: Sequence[_log.Record]) -> str:
    """The page in Markdown; ``beside`` are records of `decoders.py`."""
    rows = []
    for ratio in sorted({record["ratio"] for record in records}):
        for factor in FACTORS:
            at = [r for r in records if (r["ratio"], r["factor"]) == (ratio, factor)]
            cells = [_cell([r for r in at if r["way"] == way]) for way in (*WAYS, EITHER)]
            rows.append([str(ratio), str(factor), *cells])
    introduction = INTRODUCTION.format(
        seeds=len({record["seed"] for record in records}),
        n_sets=len({record["set"] for record in records}),
        machine=_log.measured_with(),
    )
    text = f"{introduction}\n{table(['m/(kd)', 'scale', *WAYS, EITHER], rows)}"
    return text + separated(records) + rivals(beside)


def separated(records: Sequence[_log.Record]) -> str:
    """Every draw of the set on which finding clusters is all there is to do, if it was run."""
    ours = sorted((r for r in records if r["set"] == SEPARATED), key=lambda r: r["seed"])
    if not ours:
        return ""
    rows = []
    for ratio in sorted({record["ratio"] for record in ours}):
        for factor in FACTORS:
            at = [r for r in ours if (r["ratio"], r["factor"]) == (ratio, factor)]
            cells = [
                ", ".join(f"{r['sse_ratio']:.2f}" for r in at if r["way"] == way)
                for way in (*WAYS, EITHER)
            ]
            rows.append([str(ratio), str(factor), *cells])
    return DRAWS + table(["m/(kd)", "scale", *WAYS, EITHER], rows)


def rivals(records: Sequence[_log.Record]) -> str:
    """CL-AMP and pycle at the best of three scales, if `decoders.py` ran them."""
    amp = [record for record in records if record["method"] == "CL-AMP"]
    if not amp:
        return ""
    rows = []
    for ratio in sorted({record["ratio"] for record in amp}):
        cells = []
        for method in ("CL-AMP", "pycle"):
            ours = [r for r in records if (r["method"], r["ratio"]) == (method, ratio)]
            n_seeds = len({record["seed"] for record in ours})
            cells.append(f"{_cell(ours)}, {n_seeds} seeds" if ours else "")
        rows.append([str(ratio), *cells])
    return RIVALS + table(["m/(kd)", "CL-AMP", "pycle's CL-OMPR"], rows)


def _cell(records: Sequence[_log.Record]) -> str:
    """Median, largest and share of the good, and seconds."""
    by_set: dict[str, list[float]] = {}
    for record in records:
        by_set.setdefault(record["set"], []).append(record["sse_ratio"])
    medians = [float(np.median(ratios)) for ratios in by_set.values()]
    good = np.mean([record["sse_ratio"] <= GOOD for record in records])
    seconds = np.median([record["seconds"] for record in records])
    return f"{np.median(medians):.3f} / {max(medians):.2f}, {good:.0%}; {seconds:.2f} s"


def groups(options: argparse.Namespace, records: Sequence[_log.Record]) -> list[Group]:
    """What is still to be run, seed by seed; a ratio counts as run when its last way is there."""
    last = [r for r in records if (r["way"], r["factor"]) == (EITHER, FACTORS[-1])]
    done = {(record["set"], record["seed"], record["ratio"]) for record in last}
    result = []
    for seed in range(FIRST_REPORTED_SEED, FIRST_REPORTED_SEED + options.seeds):
        for name in options.sets:
            left = tuple(ratio for ratio in options.ratios if (name, seed, ratio) not in done)
            if left:
                result.append(Group(name, seed, options.n_synthetic, left, options.log))
    return result


def warm_up() -> None:
    """Compile the kernels, outside every timing."""
    X = np.random.default_rng(0).normal(size=(500, 3)) + 4.0 * np.arange(500)[:, None] % 3
    _decoded(X, 3, 50, 1.0, 0)


def parsed(argv: Sequence[str] | None) -> Any:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="CL-AMP beside the decoders and among them.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--ratios", type=integers, default=list(RATIOS[:-1]), help="m over k d")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1000 on")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--n-synthetic", type=int, default=N_SYNTHETIC, help="rows")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--beside", type=Path, default=DECODERS_LOG, help="log of decoders.py")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    options.sets = _log.names(options.sets, suite())
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing; then write the page from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        waiting = groups(options, current(_log.read(options.log)))
        _log.work_through(work, waiting, options.jobs, warm_up)
    if records := current(_log.read(options.log)):
        text = page(records, _log.read(options.beside))
        options.page.write_text(text, encoding="utf-8")
        print(options.page)


if __name__ == "__main__":
    main()
