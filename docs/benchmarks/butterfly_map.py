"""What butterflies are worth as frequencies: seconds, bytes and sums of squares, beside a matrix.

Run from the root of a checkout; it takes under three minutes and writes `butterfly_map.md`::

    python -m docs.benchmarks.butterfly_map [--sets all] [--seeds 3] [--page butterfly_map.md]

All kinds of map share the lengths of their frequencies, and the centre, so that only
directions differ. Seconds are the processor's, on one thread, the least of the seeds, or of several
calls where rows are only projected. Ratios are of the sum of squared distances to the nearest
centroid, over that of ``KMeans(n_init=10)``, without a pilot.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from datasets.suite import mnist
from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log
from docs.benchmarks._methods import N_INIT, Rows, inertia
from docs.benchmarks.wide import directions
from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.factorization import Butterfly, square_dyadic
from sketchlearn.linear_maps import ButterflyMap, DenseMap, LinearMap

N_ROWS = 1000
N_PROJECTED, N_CALLS = 64, 3
# Frequencies of rows that are only projected.
N_FREQUENCIES = 4000


def rotations(n: int, rng: np.random.Generator) -> Butterfly:
    """Draw a random orthogonal butterfly: every pair of entries is turned by an angle of its own.

    A user's fast transform, as far as the map is concerned.
    """
    chain = square_dyadic(n)
    values = []
    for pattern in chain:
        angles = rng.uniform(0.0, 2.0 * np.pi, size=(pattern.a, pattern.d))
        turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
        values.append(turns.transpose(2, 3, 0, 1).astype(np.float32))
    return Butterfly(values, chain)


def turned(n_rounds: int) -> Callable[[Rows, int, np.random.Generator], LinearMap]:
    """Return what draws a map of random orthogonal butterflies."""

    def draw(radii: Rows, d: int, rng: np.random.Generator) -> LinearMap:
        B = rotations(1 << (d - 1).bit_length(), rng)
        return ButterflyMap.draw(radii, d, rng, butterfly=B, n_rounds=n_rounds)

    return draw


KINDS: dict[str, Callable[[Rows, int, np.random.Generator], LinearMap]] = {
    "dense": DenseMap.draw,
    "Hadamard, 3 rounds": ButterflyMap.draw,
    "Hadamard, 1 round": lambda radii, d, rng: ButterflyMap.draw(radii, d, rng, n_rounds=1),
    "random rotations, 3 rounds": turned(3),
    "random rotations, 1 round": turned(1),
}


@dataclass(frozen=True)
class Case:
    """How many clusters and frequencies, and ``rows(seed)``."""

    n_clusters: int
    n_frequencies: int
    rows: Callable[[int], Rows]


def on_axes(seed: int, d: int = 64, k: int = 8) -> Rows:
    """Draw rows around unit vectors along k axes: differences that signs alone do not mix."""
    rng = np.random.default_rng(seed)
    return np.eye(d)[rng.integers(k, size=N_ROWS)] + 0.25 * rng.standard_normal((N_ROWS, d))


def digits(seed: int) -> Rows:
    """Draw images of MNIST, all their pixels."""
    images = mnist().images
    rows = np.random.default_rng(seed).choice(len(images), N_ROWS, replace=False)
    return np.asarray(images[rows], dtype=np.float64)


SETS = {
    "clusters on 8 axes, d = 64, m = 1,000": Case(8, 1000, on_axes),
    "16 directions, d = 256, m = 2,000": Case(
        16, 2000, lambda seed: directions(seed, d=256)[:N_ROWS]
    ),
    "MNIST's pixels, d = 784, m = 3,000": Case(10, 3000, digits),
}


@dataclass(frozen=True)
class Run:
    """What a sketch takes and is worth.

    Microseconds of a row, bytes of the file, entries that a frequency rests on, seconds of the
    decode, what the mixture leaves of the sketch over what chance would, ratio of sums of squares.
    """

    row_microseconds: float
    n_bytes: int
    n_entries: float
    decode_seconds: float
    misfit: float
    ratio: float


def effective_entries(linear_map: LinearMap) -> float:
    """Return how many entries a frequency rests on, (sum of squares)^2 / sum of 4th powers.

    All of them if they are of one size, a third if they are Gaussian; the median frequency's.
    """
    squares = np.square(linear_map.frequencies)
    entries = np.square(squares.sum(axis=0)) / np.square(squares).sum(axis=0)
    return float(np.median(entries))


def run(X: Rows, case: Case, kind: str, seed: int, reference: float) -> Run:
    """Sketch rows through a map of that kind, and cluster them from the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        fitted = Sketcher(
            case.n_frequencies, n_clusters=case.n_clusters, keep_pilot=False, random_state=seed
        ).fit(X)
        operator = fitted.operator_
        radii = np.sqrt(operator.linear_map.squared_norms) / (2.0 * np.pi)
        drawn = KINDS[kind](radii, X.shape[1], np.random.default_rng(seed))
        sketcher = Sketcher.from_operator(replace(operator, linear_map=drawn))
        sketcher.sketch(X[:64])
        start = time.process_time()
        data = sketcher.sketch(X).to_bytes()
        sketched = time.process_time() - start
        sketch = Sketch.from_bytes(data)
        start = time.process_time()
        model = CompressiveKMeans(case.n_clusters, random_state=seed).fit_sketch(sketch)
        decoded = time.process_time() - start
    ratio = inertia(X, model.cluster_centers_) / reference
    quality = model.mixture_.quality
    misfit = quality.cost / quality.noise
    return Run(1e6 * sketched / len(X), len(data), effective_entries(drawn), decoded, misfit, ratio)


def clustering(names: Sequence[str], n_seeds: int) -> list[str]:
    """Sketch and cluster every set through every kind of map."""
    lines = [
        "| rows | map | sketch, µs a row | file, kB | entries | `fit_sketch`, s | misfit | "
        "SSE ratio | worst |",
        "|---|---|" + "---|" * 7,
    ]
    for name in names:
        case = SETS[name]
        runs: dict[str, list[Run]] = {kind: [] for kind in KINDS}
        for seed in range(FIRST_REPORTED_SEED, FIRST_REPORTED_SEED + n_seeds):
            X = case.rows(seed)
            k_means = KMeans(case.n_clusters, n_init=N_INIT, random_state=seed).fit(X)
            for kind, done in runs.items():
                done.append(run(X, case, kind, seed, float(k_means.inertia_)))
        for kind, done in runs.items():
            ratios, misfits = [one.ratio for one in done], [one.misfit for one in done]
            entries = np.median([one.n_entries for one in done])
            lines.append(
                f"| {name} | {kind} | {min(one.row_microseconds for one in done):,.0f} | "
                f"{done[0].n_bytes / 1e3:,.0f} | {entries:.0f} | "
                f"{min(one.decode_seconds for one in done):.2f} | {np.median(misfits):.1f} | "
                f"{np.median(ratios):.3f} | {max(ratios):.3f} |"
            )
            _log.say(lines[-1])
    return lines


def least_microseconds(work: Callable[[], Rows]) -> float:
    """Return the processor's microseconds of a call, the least of some, for each row."""
    seconds = []
    work()
    for _ in range(N_CALLS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return 1e6 * min(seconds) / N_PROJECTED


def projection(sizes: Sequence[int]) -> list[str]:
    """Project rows of so many features, and do nothing else."""
    lines = [
        "| d | m | dense: float32, µs a row | Hadamard, 3 rounds: float32 | float64 | 1 round: "
        "float32 |",
        "|---|" + "---|" * 5,
    ]
    m = N_FREQUENCIES
    for d in sizes:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(N_PROJECTED, d))
        single = X.astype(np.float32)
        dense = DenseMap(rng.standard_normal((d, m)))
        three = ButterflyMap.draw(np.ones(m), d, rng)
        one = ButterflyMap.draw(np.ones(m), d, rng, n_rounds=1)
        pairs = ((dense, single), (three, single), (three, X), (one, single))
        figures = [least_microseconds(partial(each.project_turns, rows)) for each, rows in pairs]
        lines.append(f"| {d:,} | {m:,} | " + " | ".join(f"{each:,.0f}" for each in figures) + " |")
        _log.say(lines[-1])
    return lines


def page(clustered: Sequence[str], projected: Sequence[str], n_seeds: int) -> str:
    """Lay out the results."""
    draws = "one seed" if n_seeds == 1 else f"{n_seeds} seeds"
    heading = f"""# Butterflies as frequencies

`Sketcher(operator="butterfly")` has frequencies that are rows of B D₃ B D₂ B D₁, B Hadamard's
matrix as a butterfly and the D random signs. `ButterflyMap` takes any real butterfly, here one of
random plane rotations, and any number of rounds. All maps share the lengths of their frequencies,
and the centre. Processor seconds on one thread, the least of {draws}; sums of squares from
the file alone, over those of `KMeans(n_init=10)`, the median and the worst; {N_ROWS:,} rows. All
files hold the pilot's covariance, 8 d² bytes, and moments of the rows. *Entries* is how many pixels
or coordinates the median frequency rests on, (Σw²)² / Σw⁴; *misfit* the median of what the
decoded mixture leaves of the sketch, over what chance would.
Made by `python -m docs.benchmarks.butterfly_map`.

{_log.measured_with()}

"""
    between = f"""

One round of random rotations makes products of as many cosines as there are factors: most are
small, and a frequency rests on few entries. Wide rows are decoded along a few directions, with
what lies off them taken for Gaussian, which it is along sums of many pixels but not of twenty.
Where the mixture leaves several times more of the sketch than chance would, the decoder does not
believe it and moves points until their sketch matches, which is where the seconds go; centroids
gain nothing by it. After three rounds, frequencies rest on as many entries as independent
directions do.

A matrix's waves are summed by compiled kernels, in float32. A butterfly's phases are in float64 and
their waves by numpy, which takes most of the time. Below is what projecting alone takes,
{N_PROJECTED} rows at a time, the matrix by BLAS: all that a butterfly could gain.

"""
    return heading + "\n".join(clustered) + between + "\n".join(projected) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description="What butterflies are worth as frequencies.")
    parser.add_argument("--sets", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 1000 on")
    parser.add_argument("--features", default="64,256,784,2048,4096", help="of rows to project")
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args(argv)
    with threadpool_limits(1):
        projected = projection([int(d) for d in options.features.split(",")])
        clustered = clustering(_log.names(options.sets, SETS), options.seeds)
    options.page.write_text(page(clustered, projected, options.seeds), encoding="utf-8")


if __name__ == "__main__":
    main()
