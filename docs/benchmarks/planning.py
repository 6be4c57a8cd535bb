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
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linprog
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning

from datasets.suite import suite
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, Problem, alone, inertia
from docs.benchmarks._report import table
from sketchlearn import CompressiveKMeans, Plan, Sketch, Sketcher, plan
from sketchlearn.planning import describe_decode, read_table, time_reference_decode

LOG = _log.ROOT / "build" / "planning.jsonl"
TABLE = _log.ROOT / "sketchlearn" / "planning_table.json"
PAGE = Path(__file__).with_suffix(".md")
FIRST_SEED = 3000
RATIOS = (2, 3, 5, 10)
# Clusters and columns of the decodes that are timed, each at every ratio.
SHAPES = (
    *((2, 2), (5, 2), (10, 2), (30, 2), (8, 3), (20, 3), (50, 3), (4, 5), (10, 5), (40, 6)),
    *((2, 10), (10, 10), (20, 10), (40, 10), (5, 20), (20, 20), (2, 40), (6, 40)),
)
# Frequencies beyond which no decode is timed, and data sets of each shape.
MOST_FREQUENCIES = 4000
DATA_SEEDS = (0, 1)
# Rows of those sets: of fewer, decodes of some shapes take twice as long, or half.
DECODED_ROWS = 200_000
# Rows, columns, clusters and the error asked for, of the plans that are carried out.
PLANS = ((1_000_000, 10, 10, 0.02), (300_000, 40, 6, 0.03), (2_000_000, 3, 20, 0.02))
# Seeds of their data, and rows that their errors are measured on.
PLAN_SEEDS, JUDGED_ROWS = (3000, 3001, 3002), 200_000


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
    sizes = {max(100, ratio * n_clusters * n_features) for ratio in RATIOS}
    seconds: dict[int, list[float]] = {m: [] for m in sorted(sizes) if m <= MOST_FREQUENCIES}
    for seed in DATA_SEEDS:
        X = draw_blobs(DECODED_ROWS, n_features, n_clusters, seed)
        for m, found in seconds.items():
            sketcher = Sketcher(m, n_clusters=n_clusters, keep_pilot=False, random_state=seed)
            found += time_sketch(sketcher.fit(X).sketch(X), n_clusters, [seed])[0]
    for m, found in seconds.items():
        _log.append(
            LOG,
            {
                "part": "decodes",
                "n_clusters": n_clusters,
                "n_features": n_features,
                "n_frequencies": m,
                "seconds": float(np.mean(found)),
                "reference_seconds": time_reference_decode(),
                "library": _log.library_digest(),
            },
        )


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


def fit_decode_law(records: list[_log.Record]) -> dict[str, Any]:
    """Return the law of seconds in k, d and m, by least absolute deviations of their logarithms.

    A few decodes take fifty times as long as their like, when clusters seem to be missing; squares
    would follow them.
    """
    k, d, m, seconds = np.array(
        [[one["n_clusters"], one["n_features"], one["n_frequencies"], one["seconds"]]
         for one in records], dtype=np.float64,
    ).T  # fmt: skip
    terms, logs = describe_decode(k, d, m), np.log(seconds)
    n, p = terms.shape
    # Deviations are bounded from above, each by a number of its own, whose sum is least.
    found = linprog(
        np.r_[np.zeros(p), np.ones(n)],
        A_ub=np.block([[terms, -np.eye(n)], [-terms, -np.eye(n)]]),
        b_ub=np.r_[logs, -logs],
        bounds=[(None, None)] * p + [(0.0, None)] * n,
    )
    return {
        "coefficients": [float(f"{value:.4g}") for value in found.x[:p]],
        "measured_k": [int(k.min()), int(k.max())],
        "measured_d": [int(d.min()), int(d.max())],
        "reference_seconds": float(f"{min(one['reference_seconds'] for one in records):.4g}"),
    }


def judge_law(records: list[_log.Record]) -> np.ndarray:
    """Return by what factor seconds of each shape differ from a law fitted to the others."""
    factors = []
    for shape in SHAPES:
        is_own = [(one["n_clusters"], one["n_features"]) == shape for one in records]
        others = [one for one, own in zip(records, is_own, strict=True) if not own]
        coefficients = fit_decode_law(others)["coefficients"]
        for one in (one for one, own in zip(records, is_own, strict=True) if own):
            numbers = (one["n_clusters"], one["n_features"], one["n_frequencies"])
            terms = describe_decode(*(np.array([float(number)]) for number in numbers))[0]
            factors.append(abs(terms @ coefficients - np.log(one["seconds"])))
    return np.exp(factors)


def write_table(records: list[_log.Record]) -> None:
    """Write the figures that the package reads; those of a part that was not run stay."""
    known = dict(read_table())
    if of_errors := [one for one in records if one["part"] == "errors"]:
        known["errors"] = [summarise_errors(of_errors, ratio) for ratio in RATIOS]
        known["errors_from"] = {
            "sets": len({one["set"] for one in of_errors}),
            "seeds": sorted({one["seed"] for one in of_errors}),
        }
    if decodes := [one for one in records if one["part"] == "decodes"]:
        known["decode"] = fit_decode_law(decodes)
    TABLE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    read_table.cache_clear()


def summarise_errors(records: list[_log.Record], ratio: int) -> dict[str, float]:
    """Return the median and the ninth tenth of the sets' medians, at a ratio of m to k d."""
    of_sets: dict[str, list[float]] = {}
    for one in (one for one in records if one["ratio"] == ratio):
        of_sets.setdefault(one["set"], []).append(one["error"])
    medians = [float(np.median(values)) for values in of_sets.values()]
    median, nine = np.quantile(medians, (0.5, 0.9))
    return {
        "ratio": float(ratio),
        "median": float(f"{median:.3g}"),
        "nine_in_ten": float(f"{nine:.3g}"),
    }


def carry_out(n_samples: int, n_features: int, n_clusters: int, error: float) -> list[str]:
    """Plan, do it, and return predictions beside what was measured, a row of the page."""
    chosen = plan(n_samples, n_features, n_clusters, error=error)
    found = [carry_out_once(chosen, seed) for seed in PLAN_SEEDS]
    sketched, decoded, n_bytes, lost = map(float, np.median(found, axis=0))
    return [
        *(f"{n_samples:,}", str(n_features), str(n_clusters), f"{chosen.n_frequencies:,}"),
        *(f"{chosen.sketch_seconds:.2f}", f"{sketched:.2f}"),
        *(f"{chosen.decode_seconds:.2f}", f"{decoded:.2f}"),
        *(f"{chosen.sketch_bytes:,}", f"{n_bytes:,.0f}"),
        *(f"{chosen.expected_error:.3f}", f"{lost:.3f}"),
    ]


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
    n_bytes = len(sketch.to_bytes(operator=False))
    return [sketched, float(np.median(seconds)), n_bytes, lost]


def write_page(records: list[_log.Record], rows: list[list[str]]) -> None:
    """Write what the table holds, and plans beside what was measured."""
    known = read_table()
    origin = known["errors_from"]
    law = known["decode"]
    decodes = [one for one in records if one["part"] == "decodes"]
    factors = judge_law(decodes)
    lines = [
        "# Plans, and what they were worth",
        "",
        "What `sketchlearn.plan` predicts from, made by `python -m docs.benchmarks.planning`.",
        "",
        f"{_log.measured_with()}",
        "",
        f"**Errors.** k-means from the sketch alone, over `KMeans(n_init=10)` on all rows, less "
        f"one: quantiles over {origin['sets']} data sets of their medians over seeds "
        f"{origin['seeds']}.",
        "",
        table(
            ["m over k d", "median", "nine in ten under"],
            [[str(one["ratio"]), f"{one['median']:.4f}", f"{one['nine_in_ten']:.4f}"]
             for one in known["errors"]],
        ),
        "",
        f"**Seconds of a decode**: a law whose logarithm is linear in those of k and m, and "
        f"quadratic in that of d, fitted to {len(decodes)} sketches of {len(SHAPES)} shapes, "
        f"the mean over {len(DATA_SEEDS)} sets of {DECODED_ROWS:,} rows each, times how "
        f"much slower a small decode is on the machine than the "
        f"{law['reference_seconds'] * 1e3:.0f} ms that it took "
        f"here. A law fitted without a shape predicts that shape within a factor "
        f"{np.median(factors):.2f} in the median, within 1.5 in {np.mean(factors <= 1.5):.0%} of "
        f"cases, and within {factors.max():.3g} in all: 20 "
        "clusters in 20 columns from 2 k d frequencies took 12 s, because some seemed to be "
        "missing again and again. Data whose clusters overlap or are not round takes several "
        "times as long: the plan's seconds are for data that mixtures explain.",
        "",
        "**Plans carried out**: predicted, then measured, on blobs; the median over "
        f"seeds {list(PLAN_SEEDS)}; seconds are the processor's. The pass is predicted between "
        "what rows take in float32 and in float64, as clusters far apart in many columns need.",
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
