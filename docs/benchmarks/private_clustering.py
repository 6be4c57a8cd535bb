"""K-means from one private release, beside clusterers that spend their budget on one k.

Run from the root of a checkout; it goes on where its log ends, and prints tables::

    python -m docs.benchmarks.private_clustering [--cases "blobs 4x,iris"] [--seeds 3]
        [--epsilons 0.25,1] [--neighbors replace] [--log build/private_clustering.jsonl]
        [--report-only] [--figure docs/images/private_clustering.png]

Rows of the published table are those of ``make_blobs(20000, n_features=d, centers=k,
random_state=1)``; all data is centred and divided by the largest norm, as the table has it, which
uses the rows' own mean and norm and is not private. Public is what follows from that: the box from
-1 to 1, a radius of 1, and k. Delta is n^-1.1. A figure is the loss over that of
``KMeans(k, n_init=1)`` without privacy; below 1 where that one start was not the best.

Records of ``docs/benchmarks/private_rivals.py``, which runs diffprivlib in an environment of its
own, may be in the same log.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from docs.benchmarks._log import Record, append, library_digest, measured_with, names, read, say
from docs.benchmarks._private_cases import (
    EPSILONS,
    PUBLISHED,
    SHAPES,
    Case,
    area,
    fit_reference,
    list_cases,
)
from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.privacy import Budget, release
from sketchlearn.privacy.accounting import Neighbors

LOG = Path("build/private_clustering.jsonl")
# Share of the loss for count, means and covariances.
MOMENTS_SHARE = 0.2
OURS, RIVAL = "ours", "diffprivlib"


def sketch_case(case: Case, X: np.ndarray, seed: int) -> Sketch:
    """Sketch rows within the unit ball by an operator that saw none of them."""
    k, d = case.n_clusters, X.shape[1]
    corner = np.ones(d)
    return Sketcher.from_domain(
        -corner, corner, n_clusters=k, n_frequencies=max(500, 5 * k * d), clip=True, radius=1.0,
        random_state=seed,
    ).sketch(X)  # fmt: skip


def measure(case: Case, X: np.ndarray, sketch: Sketch, epsilon: float, neighbors: Neighbors,
            seed: int) -> Record:  # fmt: skip
    """Release, decode and return the loss, with the processor seconds of the decode."""
    delta = len(X) ** -1.1
    # Each release is a measurement of its own, not one of several of the same rows.
    private = release(
        sketch, epsilon=epsilon, delta=delta, neighbors=neighbors, moments_share=MOMENTS_SHARE,
        budget=Budget(epsilon, delta),
    )  # fmt: skip
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model = CompressiveKMeans(case.n_clusters, random_state=seed).fit_sketch(private)
    seconds = time.process_time() - start
    return {"loss": -model.score(X), "seconds": round(seconds, 2), "library": library_digest()}


def run(cases: Sequence[Case], seeds: int, epsilons: Sequence[float], neighbors: Neighbors,
        log: Path) -> None:  # fmt: skip
    """Measure what the log lacks."""
    done = {tuple(each[name] for name in KEY) for each in read(log)}
    for case in cases:
        X = None
        for seed in range(seeds):
            keys = [(OURS, case.name, neighbors, each, seed) for each in epsilons]
            if not (missing := [key for key in keys if key not in done]):
                continue
            X = case.rows() if X is None else X
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                reference = fit_reference(X, case.n_clusters, seed)
            sketch = sketch_case(case, X, seed)
            for key in missing:
                found = measure(case, X, sketch, key[3], neighbors, seed)
                found |= {"ratio": round(found.pop("loss") / reference, 4)}
                append(log, {**dict(zip(KEY, key, strict=True)), **found})
            say(f"{case.name}, {neighbors}, seed {seed}")


KEY = ("method", "case", "neighbors", "epsilon", "seed")


def select(records: Sequence[Record], method: str, case: str, neighbors: str) -> list[Record]:
    """Return the records of a method on a case."""
    wanted = (method, case, neighbors)
    return [each for each in records if tuple(each[name] for name in KEY[:3]) == wanted]


def mean_area(records: Sequence[Record], method: str, case: str, neighbors: str) -> float | None:
    """Return the mean over seeds of the area, of seeds with every epsilon; None without any."""
    runs: dict[int, dict[float, float]] = defaultdict(dict)
    for each in select(records, method, case, neighbors):
        runs[each["seed"]][each["epsilon"]] = each["ratio"]
    areas = [area(one) for one in runs.values() if {*EPSILONS} <= {*one}]
    return float(np.mean(areas)) if areas else None


def show(value: float | None) -> str:
    """Return a figure as tables have it."""
    return "" if value is None else f"{value:.3g}" if value >= 10 else f"{value:.3f}"


def print_areas(records: Sequence[Record]) -> None:
    """Print the areas of the published table's rows beside what was published."""
    print("| k, d | ours | ours, replace | PE-means | Google LSH | FastLloyd | diffprivlib | "
          "diffprivlib here |")  # fmt: skip
    print(f"|{'---|' * 8}")
    for k, d in SHAPES:
        case = f"blobs {k}x{d}"
        ours = [mean_area(records, OURS, case, each) for each in ("add-remove", "replace")]
        rival = mean_area(records, RIVAL, case, "add-remove")
        published = [f"{each:g}" for each in PUBLISHED[k, d]]
        print(f"| {k}, {d} | {' | '.join([*map(show, ours), *published, show(rival)])} |")


def print_medians(records: Sequence[Record], cases: Sequence[str], neighbors: str) -> None:
    """Print the median ratio at each epsilon, the worst, and the slowest decode."""
    heads = " | ".join(f"ε = {each:g}" for each in EPSILONS)
    print(f"| data | {heads} | worst | runs | slowest, s |\n|{'---|' * (len(EPSILONS) + 4)}")
    for case in cases:
        own = select(records, OURS, case, neighbors)
        if not own:
            continue
        ratios = defaultdict(list)
        for each in own:
            ratios[each["epsilon"]].append(each["ratio"])
        cells = [
            show(float(np.median(ratios[each]))) if each in ratios else "" for each in EPSILONS
        ]
        cells += [show(max(each["ratio"] for each in own)), str(len({r["seed"] for r in own}))]
        print(f"| {case} | {' | '.join(cells)} | {max(each['seconds'] for each in own):.1f} |")


def describe_libraries(records: Sequence[Record]) -> str:
    """Say by which libraries' digests how many of the records of ours were measured."""
    counts = Counter(each["library"] for each in records if each["method"] == OURS)
    return ", ".join(f"{n} by the library of digest {name}" for name, n in counts.most_common())


def draw(records: Sequence[Record], path: Path) -> None:
    """Draw the areas of the published table's rows."""
    from matplotlib.figure import Figure

    series = {"ours": [mean_area(records, OURS, f"blobs {k}x{d}", "add-remove") for k, d in SHAPES]}
    for i, name in enumerate(("PE-means", "Google LSH", "FastLloyd", "diffprivlib")):
        series[f"{name}, published"] = [PUBLISHED[shape][i] for shape in SHAPES]
    figure = Figure(figsize=(8.0, 4.0), facecolor="white")
    ax = figure.subplots()
    colors = ("#c2410c", "#0f766e", "#6366f1", "#94a3b8", "#475569")
    for (name, values), color, marker in zip(series.items(), colors, "osv^x", strict=True):
        ax.plot(np.array(values, float), marker, color=color, label=name, markersize=6)
    ax.set_yscale("log")
    ax.set_yticks([1, 2, 5, 10, 30], ["1", "2", "5", "10", "30"])
    ax.set_xticks(range(len(SHAPES)), [f"{k}\n{d}" for k, d in SHAPES])
    ax.set_xlabel("clusters, above columns")
    ax.set_ylabel("k-means loss over that without privacy")
    ax.axhline(1.0, color="#cbd5e1", linewidth=1, zorder=0)
    ax.legend(frameon=False, ncols=2)
    ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what the log lacks, and print tables."""
    parser = argparse.ArgumentParser(description="K-means from private sketches.")
    parser.add_argument("--cases", default="all", help="parts of names, separated by commas")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epsilons", default=",".join(map(str, EPSILONS)))
    parser.add_argument("--neighbors", default="add-remove", choices=["add-remove", "replace"])
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument("--figure", type=Path, help="where to draw the areas")
    options = parser.parse_args(argv)
    cases = list_cases()
    chosen = names(options.cases, cases)
    epsilons = [float(each) for each in options.epsilons.split(",")]
    if not options.report_only:
        run([cases[name] for name in chosen], options.seeds, epsilons, options.neighbors,
            options.log)  # fmt: skip
    records = read(options.log)
    print(f"\n{measured_with()}\nMeasurements: {describe_libraries(records)}.\n")
    print_areas(records)
    for neighbors in ("add-remove", "replace"):
        print(f"\nNeighbours: {neighbors}\n")
        print_medians(records, list(cases), neighbors)
    if options.figure:
        draw(records, options.figure)


if __name__ == "__main__":
    main()
