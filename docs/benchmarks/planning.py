"""What `sketchlearn.plan` predicts from: errors of decodes by size, and how long they take.

Run from the root of a checkout; it writes `sketchlearn/planning_table.json` and the page
`planning.md`, where plans stand beside what was measured::

    python -m docs.benchmarks.planning [--seeds 2] [--parts errors,decodes,plans]

Errors are those of k-means from the sketch alone on the sets of `datasets/suite.py`, over
``KMeans(n_init=10)`` on all rows. Seeds start at 3000; no constant of the decoders was chosen on
them. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from datasets.suite import suite
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, Problem, alone, inertia
from docs.benchmarks._report import table
from sketchlearn import CompressiveKMeans, Sketch, Sketcher, plan
from sketchlearn.planning import read_table, time_reference_decode

LOG = _log.ROOT / "build" / "planning.jsonl"
TABLE = _log.ROOT / "sketchlearn" / "planning_table.json"
PAGE = Path(__file__).with_suffix(".md")
FIRST_SEED = 3000
RATIOS = (2, 3, 5, 10)
# Clusters and columns of the decodes that are timed, each at every ratio.
SHAPES = ((3, 2), (5, 20), (10, 5), (10, 10), (20, 4), (40, 10))
# Rows, columns, clusters and the error asked for, of the plans that are carried out.
PLANS = ((1_000_000, 10, 10, 0.02), (300_000, 40, 6, 0.03), (2_000_000, 3, 20, 0.02))


def measure_errors(name: str, seed: int) -> None:
    """Decode one set at every ratio, and append the errors."""
    one = suite()[name]
    X = np.asarray(one.rows(seed), dtype=np.float64)
    reference = KMeans(one.n_clusters, n_init=N_INIT, random_state=seed).fit(X).inertia_
    for ratio in RATIOS:
        m = ratio * one.n_clusters * X.shape[1]
        centers = alone(Problem(X, one.n_clusters, m, seed)).centers
        error = inertia(X, centers) / reference - 1.0
        record = {"part": "errors", "set": name, "seed": seed, "ratio": ratio, "error": error}
        _log.append(LOG, record | {"library": _log.library_digest()})


def time_decodes(n_clusters: int, n_features: int) -> None:
    """Time decodes of blobs at every ratio, and append the processor's seconds."""
    X, _ = make_blobs(
        20_000, n_features, centers=n_clusters, center_box=(-6.0, 6.0), random_state=0
    )
    for ratio in RATIOS:
        m = max(100, ratio * n_clusters * n_features)
        sketcher = Sketcher(m, n_clusters=n_clusters, keep_pilot=False, random_state=0)
        sketch, seconds = sketcher.fit(X).sketch(X), []
        for seed in range(5):
            start = time.process_time()
            decode(sketch, n_clusters, seed)
            seconds.append(time.process_time() - start)
        _log.append(
            LOG,
            {
                "part": "decodes",
                "n_clusters": n_clusters,
                "n_features": n_features,
                "n_frequencies": m,
                "seconds": float(np.median(seconds[1:])),
                "library": _log.library_digest(),
            },
        )


def decode(sketch: Sketch, n_clusters: int, seed: int) -> CompressiveKMeans:
    """Decode k-means, as a user would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return CompressiveKMeans(n_clusters, random_state=seed).fit_sketch(sketch)


def fit_decode_law(records: list[_log.Record]) -> dict[str, float]:
    """Return the power law of seconds in k, d and m, by least squares of the logarithms."""
    names = ("n_clusters", "n_features", "n_frequencies")
    logs = np.log([[1.0 * one[name] for name in names] for one in records])
    design = np.column_stack([np.ones(len(logs)), logs])
    solution = np.linalg.lstsq(design, np.log([one["seconds"] for one in records]))[0]
    exponents = ("factor", "n_clusters", "n_directions", "n_frequencies")
    law = dict(zip(exponents, map(float, solution), strict=True))
    return law | {"factor": float(np.exp(solution[0]))}


def write_table(records: list[_log.Record]) -> None:
    """Write the figures that the package reads."""
    errors = []
    for ratio in RATIOS:
        of_sets: dict[str, list[float]] = {}
        for one in records:
            if one["part"] == "errors" and one["ratio"] == ratio:
                of_sets.setdefault(one["set"], []).append(one["error"])
        medians = [float(np.median(values)) for values in of_sets.values()]
        median, nine = np.quantile(medians, (0.5, 0.9))
        errors.append({"ratio": ratio, "median": float(median), "nine_in_ten": float(nine)})
    law = fit_decode_law([one for one in records if one["part"] == "decodes"])
    law["reference_seconds"] = time_reference_decode()
    rounded = {name: float(f"{value:.4g}") for name, value in law.items()}
    errors = [{name: float(f"{value:.3g}") for name, value in one.items()} for one in errors]
    values = {"errors": errors, "decode": rounded}
    TABLE.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    read_table.cache_clear()


def carry_out(n_samples: int, n_features: int, n_clusters: int, error: float) -> list[str]:
    """Plan, do it, and return predictions beside what was measured, a row of the page."""
    chosen = plan(n_samples, n_features, n_clusters, error=error)
    X, _ = make_blobs(
        n_samples, n_features, centers=n_clusters, center_box=(-6.0, 6.0), random_state=1
    )
    sketcher = chosen.make_sketcher(keep_pilot=False, random_state=0).fit(X)
    start = time.process_time()
    sketch = sketcher.sketch(X)
    sketched = time.process_time() - start
    seconds = []
    for seed in range(5):
        start = time.process_time()
        model = decode(sketch, n_clusters, seed)
        seconds.append(time.process_time() - start)
    reference = KMeans(n_clusters, n_init=3, random_state=0).fit(X).inertia_
    found = inertia(X, model.cluster_centers_) / reference - 1.0
    return [
        *(f"{n_samples:,}", str(n_features), str(n_clusters), f"{chosen.n_frequencies:,}"),
        *(f"{chosen.sketch_seconds:.2f}", f"{sketched:.2f}"),
        *(f"{chosen.decode_seconds:.2f}", f"{np.median(seconds):.2f}"),
        *(f"{chosen.sketch_bytes:,}", f"{len(sketch.to_bytes(operator=False)):,}"),
        *(f"{chosen.expected_error:.3f}", f"{found:.3f}"),
    ]


def write_page(records: list[_log.Record], rows: list[list[str]]) -> None:
    """Write what the table holds, and plans beside what was measured."""
    seeds = sorted({one["seed"] for one in records if one["part"] == "errors"})
    sets = {one["set"] for one in records if one["part"] == "errors"}
    known = read_table()
    law = known["decode"]
    lines = [
        "# Plans, and what they were worth",
        "",
        "What `sketchlearn.plan` predicts from, made by `python -m docs.benchmarks.planning`.",
        "",
        f"{_log.measured_with()}",
        "",
        f"**Errors.** k-means from the sketch alone, over `KMeans(n_init=10)` on all rows, less "
        f"one: quantiles over {len(sets)} data sets of their medians over seeds {seeds}.",
        "",
        table(
            ["m over k d", "median", "nine in ten under"],
            [[str(one["ratio"]), f"{one['median']:.4f}", f"{one['nine_in_ten']:.4f}"]
             for one in known["errors"]],
        ),
        "",
        f"**Seconds of a decode**, fitted over {len(SHAPES) * len(RATIOS)} sketches of blobs: "
        f"{law['factor']:.2g} k^{law['n_clusters']:.2f} d^{law['n_directions']:.2f} "
        f"m^{law['n_frequencies']:.2f}, times how much slower a small decode is on the machine "
        f"than the {law['reference_seconds'] * 1e3:.0f} ms that it took here. Data whose clusters "
        "overlap or are not round takes several times as long: the plan's seconds are for data "
        "that mixtures explain.",
        "",
        "**Plans carried out**: predicted, then measured, on blobs; seconds are the processor's.",
        "",
        table(
            ["rows", "d", "k", "m", "pass, s", "measured", "decode, s", "measured", "bytes",
             "measured", "error", "measured"],
            rows,
        ),
        "",
    ]  # fmt: skip
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Measure what is asked for and not yet in the log, then write table and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="how many, from 3000 on")
    parser.add_argument("--parts", default="errors,decodes,plans")
    options = parser.parse_args()
    parts = options.parts.split(",")
    done = _log.read(LOG)
    if "errors" in parts:
        for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
            for name in suite():
                if not any(one.get("set") == name and one["seed"] == seed for one in done):
                    measure_errors(name, seed)
                    _log.say(f"{name}, seed {seed}")
    if "decodes" in parts:
        for shape in SHAPES:
            if not any(
                one["part"] == "decodes" and (one["n_clusters"], one["n_features"]) == shape
                for one in done
            ):
                time_decodes(*shape)
                _log.say(f"decodes of {shape}")
    records = _log.read(LOG)
    write_table(records)
    if "plans" in parts:
        write_page(records, [carry_out(*one) for one in PLANS])


if __name__ == "__main__":
    main()
