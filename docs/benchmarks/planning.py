"""What `sketchlearn.plan` predicts from: errors of decodes by size, and how long they take.

Run from the root of a checkout; it writes `sketchlearn/planning/table.json` and the page
`planning.md`, where plans stand beside what was measured::

    python -m docs.benchmarks.planning [--parts decodes,errors,plans] [--seeds 1]
                                       [--report-only]

Errors are those of k-means from the sketch alone on the sets of `datasets/suite.py`, over
``KMeans(n_init=10)`` on all rows. Seeds start at 3000; no constant of the decoders was chosen on
them. Interrupted, it goes on where it was; plans come last, for they need the table.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from datasets.suite import suite
from datasets.synthetic import SYNTHETIC
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, inertia
from docs.benchmarks._planning_report import make_page
from docs.benchmarks._planning_table import RATIOS, write_table
from sketchlearn import CompressiveKMeans, Plan, Sketch, Sketcher, plan
from sketchlearn.planning.costs import time_reference_decode
from sketchlearn.planning.table import read_table
from sketchlearn.sketching.tuning import n_principal

LOG = _log.ROOT / "build" / "planning.jsonl"
PAGE = Path(__file__).with_suffix(".md")
FIRST_SEED = 3000
# Rows for each cluster and features: 0 is a set as it is. All but the first are run on synthetic
# sets of up to so many clusters.
WAYS, FEW_CLUSTERS = ((0, "waves"), (0, "signs"), (30, "waves"), (150, "waves")), 20
# Clusters and columns of the decodes that are timed.
SHAPES = (
    *((2, 2), (5, 2), (10, 2), (30, 2), (8, 3), (20, 3), (50, 3), (4, 5), (10, 5), (40, 6)),
    *((2, 10), (10, 10), (20, 10), (40, 10), (5, 20), (20, 20), (2, 40), (6, 40), (12, 40)),
    *((4, 64), (10, 64), (3, 100), (8, 100), (8, 128), (20, 128), (10, 400)),
    *((100, 2), (60, 10), (50, 20)),
)
# The same of so many numbers that few ratios will do.
LARGE_SHAPES = {(30, 300): (3,), (40, 150): (3,)}
# The same of few rows for each cluster.
FEW_SHAPES, FEW_ROWS = ((10, 2), (30, 2), (20, 3), (10, 10), (20, 10), (50, 20), (10, 64)), 20
# The same for operators and features beside dense waves, at two ratios.
SHAPES_OF_KINDS = {
    ("fast", "waves"): ((5, 24), (6, 40), (4, 64)),
    ("dense", "signs"): (
        *((10, 2), (8, 3), (15, 5), (10, 10), (20, 10), (5, 20), (6, 40), (4, 64), (10, 128)),
    ),
}
RATIOS_OF_KINDS = (3, 10)
# Frequencies beyond which no decode is timed, and data sets of each shape.
MOST_FREQUENCIES = 7500
DATA_SEEDS = (0, 1)
# Rows of those sets, but for those of few.
DECODED_ROWS = 100_000
# What is asked of the plans that are carried out.
PLANS: tuple[dict[str, Any], ...] = (
    {"n_samples": 1_000_000, "n_features": 10, "n_clusters": 10, "error": 0.02},
    {"n_samples": 300_000, "n_features": 40, "n_clusters": 6, "error": 0.03},
    {"n_samples": 2_000_000, "n_features": 3, "n_clusters": 20, "error": 0.02},
    {"n_samples": 100_000, "n_features": 200, "n_clusters": 12, "error": 0.02},
    {"n_samples": 1_000_000, "n_features": 6, "n_clusters": 15, "error": 0.03, "goal": "bytes"},
    {"n_samples": 100_000, "n_features": 64, "n_clusters": 5, "max_bytes": 45_000},
    {"n_samples": 2_000, "n_features": 5, "n_clusters": 10},
)
# Seeds of their data, and rows that their errors are measured on.
PLAN_SEEDS, JUDGED_ROWS = (3000, 3001, 3002), 200_000


@cache
def load(name: str, rows_a_cluster: int, seed: int) -> tuple[np.ndarray, int, float]:
    """Return rows, clusters, and the sum of squares of the best of ten runs of k-means."""
    one = suite()[name]
    if rows_a_cluster:
        one = suite(rows_a_cluster * one.n_clusters)[name]
    X = np.asarray(one.rows(seed), dtype=np.float64)
    model = KMeans(one.n_clusters, n_init=N_INIT, random_state=seed).fit(X)
    return X, one.n_clusters, float(model.inertia_)


def measure_errors(name: str, rows_a_cluster: int, features: str, seed: int) -> None:
    """Decode one set at every ratio, and append errors and the processor's seconds."""
    X, k, reference = load(name, rows_a_cluster, seed)
    for ratio in RATIOS:
        q = n_principal(X.shape[1], k)
        sketcher = Sketcher(
            max(100, ratio * k * q), n_clusters=k, operator="dense", features=features,
            keep_pilot=False, random_state=seed,
        )  # fmt: skip
        sketch = sketcher.fit(X).sketch(X)
        (seconds,), model = time_sketch(sketch, k, [seed])
        append(
            part="errors", set=name, rows_a_cluster=rows_a_cluster, seed=seed, ratio=ratio,
            n_clusters=k, n_features=X.shape[1], n_directions=q, n_samples=len(X),
            n_frequencies=sketch.n_frequencies, operator="dense",
            features=features, seconds=seconds, reference_seconds=time_reference_decode(),
            error=inertia(X, model.cluster_centers_) / reference - 1.0,
        )  # fmt: skip


def time_decodes(
    n_clusters: int,
    n_features: int,
    operator: str,
    features: str,
    n_samples: int,
    ratios: Sequence[int],
) -> None:
    """Time decodes of blobs at some ratios, and append the processor's seconds."""
    q = n_principal(n_features, n_clusters)
    sizes = {max(100, ratio * n_clusters * q) for ratio in ratios}
    if (n_clusters, n_features) not in LARGE_SHAPES:
        sizes = {m for m in sizes if m <= MOST_FREQUENCIES}
    seconds: dict[int, list[float]] = {m: [] for m in sorted(sizes)}
    for seed in DATA_SEEDS:
        X = draw_blobs(n_samples, n_features, n_clusters, seed)
        for m, found in seconds.items():
            sketcher = Sketcher(
                m, n_clusters=n_clusters, operator=operator, features=features, keep_pilot=False,
                random_state=seed,
            )  # fmt: skip
            found += time_sketch(sketcher.fit(X).sketch(X), n_clusters, [seed])[0]
    for m, found in seconds.items():
        append(
            part="decodes", n_clusters=n_clusters, n_features=n_features, n_directions=q,
            n_frequencies=m, operator=operator, features=features, n_samples=n_samples,
            seconds=float(np.mean(found)), reference_seconds=time_reference_decode(),
        )  # fmt: skip


def append(**record: Any) -> None:
    """Append a record of this source to the log."""
    _log.append(LOG, record | {"code": _log.library_digest()})


def draw_blobs(n_samples: int, n_features: int, n_clusters: int, seed: int) -> np.ndarray:
    """Return rows of Gaussians around points of a box."""
    X, _ = make_blobs(
        n_samples, n_features, centers=n_clusters, center_box=(-6.0, 6.0), random_state=seed
    )
    return np.asarray(X)


def time_sketch(
    sketch: Sketch, n_clusters: int, seeds: Iterable[int]
) -> tuple[list[float], CompressiveKMeans]:
    """Return the seconds of a decode by every seed, and the last model."""
    seconds, model = [], None
    for seed in seeds:
        start = time.process_time()
        model = decode(sketch, n_clusters, seed)
        seconds.append(time.process_time() - start)
    assert model is not None
    return seconds, model


def decode(sketch: Sketch, n_clusters: int, seed: int) -> CompressiveKMeans:
    """Decode k-means, as a user would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return CompressiveKMeans(n_clusters, random_state=seed).fit_sketch(sketch)


def carry_out(i: int) -> None:
    """Plan, do it, and append predictions beside what was measured, medians over seeds."""
    chosen = plan(**PLANS[i])
    found = [carry_out_once(chosen, seed) for seed in PLAN_SEEDS]
    names = ("sketch_seconds", "decode_seconds", "sketch_bytes", "file_bytes", "error")
    measured = dict(zip(names, map(float, np.median(found, axis=0)), strict=True))
    predicted = {name: getattr(chosen, name) for name in names[:-1]}
    append(
        part="plans", plan=i, asked=PLANS[i], operator=chosen.operator, features=chosen.features,
        n_frequencies=chosen.n_frequencies, measured=measured,
        predicted=predicted | {"error": chosen.expected_error},
    )  # fmt: skip


def carry_out_once(chosen: Plan, seed: int) -> list[float]:
    """Return seconds of the pass, of the median decode, bytes, and the error, on blobs."""
    X = draw_blobs(chosen.n_samples, chosen.n_features, chosen.n_clusters, seed)
    sketcher = chosen.make_sketcher(keep_pilot=False, random_state=seed).fit(X)
    # Kernels are compiled once.
    sketcher.sketch(X[:1000])
    start = time.process_time()
    sketch = sketcher.sketch(X)
    sketched = time.process_time() - start
    seconds, model = time_sketch(sketch, chosen.n_clusters, range(3))
    few = X[:JUDGED_ROWS]
    reference = KMeans(chosen.n_clusters, n_init=3, random_state=0).fit(few).inertia_
    lost = inertia(few, model.cluster_centers_) / reference - 1.0
    n_bytes = [len(sketch.to_bytes(operator=False)), len(sketch.to_bytes())]
    return [sketched, float(np.median(seconds)), *n_bytes, lost]


def list_decodes() -> Iterable[tuple[int, int, str, str, int, tuple[int, ...]]]:
    """Return shapes, kinds, rows and ratios of all decodes to time."""
    for shape in SHAPES:
        yield (*shape, "dense", "waves", DECODED_ROWS, RATIOS)
    for shape in FEW_SHAPES:
        yield (*shape, "dense", "waves", FEW_ROWS * shape[0], RATIOS_OF_KINDS)
    for kind, shapes in SHAPES_OF_KINDS.items():
        for shape in shapes:
            # Of the same frequencies, so that the two are compared.
            yield (*shape, *kind, DECODED_ROWS, RATIOS_OF_KINDS)
    for shape, ratios in LARGE_SHAPES.items():
        yield (*shape, "dense", "waves", DECODED_ROWS, ratios)


def run_decodes() -> None:
    """Time the decodes that the log lacks."""
    names = ("n_clusters", "n_features", "operator", "features", "n_samples")
    # Kernels are compiled by then.
    time_reference_decode()
    done = {tuple(one[name] for name in names) for one in read("decodes")}
    for k, d, operator, features, n, ratios in list_decodes():
        if (k, d, operator, features, n) not in done:
            time_decodes(k, d, operator, features, n, ratios)
            _log.say(f"decodes of {k} clusters, {d} columns, {operator}, {features}, {n} rows")


def run_errors(n_seeds: int) -> None:
    """Measure the errors that the log lacks."""
    names = ("set", "rows_a_cluster", "features", "seed")
    done = {tuple(one[name] for name in names) for one in read("errors")}
    for seed in range(FIRST_SEED, FIRST_SEED + n_seeds):
        for way in WAYS:
            for name, one in suite().items():
                is_small = name in SYNTHETIC and one.n_clusters <= FEW_CLUSTERS
                run = (name, *way, seed)
                if run not in done and (way == WAYS[0] or is_small):
                    measure_errors(*run)
                    _log.say(f"errors of {run}")


def read(part: str, code: str | None = None) -> list[_log.Record]:
    """Return the records of a part that this source made, or another one."""
    return [one for one in _log.current(_log.read(LOG), code=code) if one["part"] == part]


def main() -> None:
    """Measure what is asked for and not yet in the log, then write table and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="of errors, how many, from 3000 on")
    parser.add_argument("--parts", default="decodes,errors,plans")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args()
    parts = [] if options.report_only else options.parts.split(",")
    if "decodes" in parts:
        run_decodes()
    if "errors" in parts:
        run_errors(options.seeds)
    write_table(read("decodes"), read("errors"))
    if "plans" in parts:
        done = {one["plan"] for one in read("plans")}
        for i in range(len(PLANS)):
            if i not in done:
                carry_out(i)
                _log.say(f"plan {i + 1} of {len(PLANS)} carried out")
    if plans := read("plans"):
        # The table may be of an earlier source, which it names.
        decodes = read("decodes", read_table().get("source"))
        PAGE.write_text(make_page(decodes, plans), encoding="utf-8")
        print(PAGE)


if __name__ == "__main__":
    main()
