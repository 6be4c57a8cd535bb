"""Two-sample tests from sketches, against tests that keep rows: size, power, time and bytes.

Run from the root of a checkout; it prints tables::

    python -m docs.benchmarks.drift size [--draws 2000] [--kinds normal,heavy]
    python -m docs.benchmarks.drift power [--draws 400] [--slow-draws 40] [--settings ...]
    python -m docs.benchmarks.drift public [--draws 400]
    python -m docs.benchmarks.drift cost
    python -m docs.benchmarks.drift reference [--draws 300]

Sketches have 200 frequencies in pairs unless said otherwise, of an operator that was chosen on
1,000 rows of their own. Draw i of a setting comes from seed i, of references from seed 100 + i.
Rivals: the permutation test of the maximum mean discrepancy (Gaussian kernel, median distance as
bandwidth, 199 permutations), the same from random features of that kernel,
Kolmogorov-Smirnov for each column with Bonferroni's
correction, and, where it is installed, frouros' MMD on 500 rows a side. HIGGS and SUSY come through
`fetch_openml`; without a network they are left out, and that is said.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy import stats
from scipy.spatial.distance import cdist, pdist

from sketchlearn import Sketch, Sketcher, compare
from sketchlearn.drift.scores import WindowMeans, find_windows_apart

LEVEL = 0.05
N_FREQUENCIES = 200
N_PERMUTATIONS = 199
N_FEATURES = 200
# First seed of references: what stands far apart was chosen on smaller ones.
FIRST_REFERENCE = 100
SIZES = ((500, 500), (1000, 100), (20, 2000))
Rows = np.ndarray
Pair = tuple[Rows, Rows]


def draw_kind(kind: str, rng: np.random.Generator, n: int) -> Rows:
    """Rows (n, 4) of one population."""
    if kind == "normal":
        return rng.normal(size=(n, 4))
    if kind == "heavy":
        return rng.standard_t(1.5, size=(n, 4))
    if kind == "log-normal":
        return np.exp(2.0 * rng.normal(size=(n, 4)))
    if kind == "discrete":
        return rng.poisson([0.01, 0.2, 1.0, 4.0], size=(n, 4)).astype(float)
    flags, zeros = rng.random(n) < 0.02, rng.random(n) < 0.9
    return np.c_[rng.normal(size=n), flags, np.exp(rng.normal(size=n)),
                 np.where(zeros, 0.0, rng.exponential(size=n))]  # fmt: skip


KINDS = ("normal", "heavy", "log-normal", "discrete", "mixed")


def measure_size(kind: str, sizes: tuple[int, int], draws: int, way: str) -> float:
    """Return the share of alarms among samples of one population."""
    start = draw_kind(kind, np.random.default_rng([99, 0]), 1000)
    sketcher = Sketcher(N_FREQUENCIES, paired=way != "unpaired", random_state=0).fit(start)
    n_alarms = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        pair = []
        for n in sizes:
            rows = draw_kind(kind, rng, n)
            weights = rng.exponential(size=n) if way == "weights" else None
            one = sketcher.sketch(rows, weights)
            if way == "subtracted":
                others = sketcher.sketch(draw_kind(kind, rng, 3 * n))
                one = (one + others) - others
            if way == "merged, doubled":
                one = one.reweighted(2) + sketcher.sketch(draw_kind(kind, rng, n))
            pair.append(one)
        n_alarms += compare(*pair).p_value <= LEVEL
    return n_alarms / draws


def measure_private_size(draws: int, delta: float) -> float:
    """Return the share of alarms among private sketches of one population, 2,000 and 500 rows."""
    from sketchlearn.privacy import Budget, release

    sketcher = Sketcher.from_domain(
        [-5.0] * 2, [5.0] * 2, n_frequencies=40, clip=True, paired=True, random_state=0
    )
    n_alarms = 0
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        pair = [
            release(sketcher.sketch(rng.normal(size=(n, 2))), epsilon=1.0, delta=delta,
                    budget=Budget(1.0, delta))
            for n in (2000, 500)
        ]  # fmt: skip
        n_alarms += compare(*pair).p_value <= LEVEL
    return n_alarms / draws


def print_size(options: argparse.Namespace) -> None:
    """Print the share of alarms by kind of columns, sizes, and how sketches were made."""
    allowed = LEVEL + 2.0 * math.sqrt(LEVEL * (1.0 - LEVEL) / options.draws)
    print(f"{options.draws} draws; at most {allowed:.4f} is within two standard errors\n")
    print(
        "| columns | sketches | 500 and 500 | 1,000 and 100 | 20 and 2,000 |\n|---|---|---|---|---|"
    )
    ways = {kind: ["paired"] for kind in options.kinds.split(",") if kind}
    if "mixed" in ways:
        ways["mixed"] += ["unpaired", "weights", "subtracted", "merged, doubled"]
    for kind, names in ways.items():
        for way in names:
            found = (measure_size(kind, sizes, options.draws, way) for sizes in SIZES)
            print(f"| {kind} | {way} | {' | '.join(f'{one:.3f}' for one in found)} |", flush=True)
    if options.private_draws:
        for delta in (1e-6, 0.0):
            share = measure_private_size(options.private_draws, delta)
            print(f"private, epsilon 1, delta {delta:g}, 2,000 and 500 rows, "
                  f"{options.private_draws} draws: {share:.3f}", flush=True)  # fmt: skip


def draw_correlated(rng: np.random.Generator, n: int, rho: float) -> Rows:
    """Normal rows (n, 3), all correlations rho."""
    covariance = (1.0 - rho) * np.eye(3) + rho * np.ones((3, 3))
    return rng.multivariate_normal(np.zeros(3), covariance, size=n)


def change_one(shift: float, factor: float) -> Callable[[np.random.Generator, int], Rows]:
    """Return what draws rows (n, 10), normal but for one column."""

    def draw(rng: np.random.Generator, n: int) -> Rows:
        rows = rng.normal(size=(n, 10))
        rows[:, 0] = shift + factor * rows[:, 0]
        return rows

    return draw


Draw = Callable[[np.random.Generator, int], Rows]
SETTINGS: dict[str, tuple[int, Draw, Draw]] = {
    "correlation .63 against .5, d = 3, 2,500 + 2,500": (
        2500,
        lambda rng, n: draw_correlated(rng, n, 0.5),
        lambda rng, n: draw_correlated(rng, n, 0.63),
    ),
    "one of 10 columns shifted by .1, 2,000 + 2,000": (
        2000,
        change_one(0.0, 1.0),
        change_one(0.1, 1.0),
    ),
    "one of 10 columns 1.1 times as wide, 2,000 + 2,000": (
        2000,
        change_one(0.0, 1.0),
        change_one(0.0, 1.1),
    ),
}


def sketch_test(start: Rows, m: int, paired: bool) -> Callable[[Rows, Rows], float]:
    """Return the p-value that two sketches give, of an operator chosen on other rows."""
    sketcher = Sketcher(m, paired=paired, random_state=0).fit(start)
    return lambda a, b: compare(sketcher.sketch(a), sketcher.sketch(b)).p_value


def permute(rng: np.random.Generator, n: int) -> Rows:
    """Return labels (2 n, 200): plus and minus 1/n, as drawn first, then permuted."""
    labels = np.repeat([1.0 / n, -1.0 / n], n)
    return np.stack([labels, *(rng.permutation(labels) for _ in range(N_PERMUTATIONS))], axis=1)


def rank_first(scores: np.ndarray) -> float:
    """Return the p-value of the first of scores."""
    return float(np.mean(scores >= scores[0] * (1.0 - 1e-9)))


def kernel_test(a: Rows, b: Rows) -> float:
    """Permutation test of the MMD; all rows against all."""
    rows = np.r_[a, b]
    bandwidth = np.median(pdist(rows[:: max(1, len(rows) // 500)]))
    kernel = np.exp(-0.5 * cdist(rows, rows, "sqeuclidean") / bandwidth**2).astype(np.float32)
    labels = permute(np.random.default_rng(0), len(a)).astype(np.float32)
    return rank_first(np.einsum("np,np->p", labels, kernel @ labels))


def feature_test(a: Rows, b: Rows) -> float:
    """Permutation test of the MMD by random Fourier features."""
    rows, rng = np.r_[a, b], np.random.default_rng(0)
    bandwidth = np.median(pdist(rows[:: max(1, len(rows) // 500)]))
    phases = rows @ rng.normal(size=(rows.shape[1], N_FEATURES)) / bandwidth
    features = np.hstack([np.cos(phases), np.sin(phases)])
    return rank_first(np.sum((features.T @ permute(rng, len(a))) ** 2, axis=0))


def column_test(a: Rows, b: Rows) -> float:
    """Kolmogorov-Smirnov's test of each column, the least p-value times their number."""
    p_values = [stats.ks_2samp(x, y).pvalue for x, y in zip(a.T, b.T, strict=True)]
    return min(1.0, len(p_values) * min(p_values))


def frouros_test(a: Rows, b: Rows) -> float:
    """Run frouros' MMD with 100 permutations, on the first 500 rows of each."""
    from frouros.callbacks import PermutationTestDistanceBased
    from frouros.detectors.data_drift import MMD

    callback = PermutationTestDistanceBased(num_permutations=100, random_state=0, num_jobs=1)
    detector = MMD(callbacks=[callback])
    detector.fit(X=a[:500])
    _, logs = detector.compare(X=b[:500])
    return float(logs["PermutationTestDistanceBased"]["p_value"])


def list_tests(start: Rows, options: argparse.Namespace) -> Iterator[tuple[str, Any, int, str]]:
    """Yield tests: name, function, draws, bytes kept a side."""
    for m in (100, 1000):
        for paired in (True, False):
            name = f"sketch, m = {m:,}, {'paired' if paired else 'not paired'}"
            yield name, sketch_test(start, m, paired), options.draws, f"{16 * m:,} + moments"
    yield "Kolmogorov-Smirnov, Bonferroni", column_test, options.draws, "all rows"
    if options.slow_draws:
        yield "random features, permutations", feature_test, options.slow_draws, "all rows"
        yield "MMD, permutations", kernel_test, options.slow_draws, "all rows"
    if options.frouros_draws:
        yield "frouros, 500 + 500 rows", frouros_test, options.frouros_draws, "these rows"


def print_power(options: argparse.Namespace) -> None:
    """Print how often each test sees each change."""
    for name, (n, first, second) in SETTINGS.items():
        if options.settings not in name:
            continue
        start = first(np.random.default_rng([99, 0]), 1000)
        draws = [partial(draw_rows, f, n) for f in (first, second)]
        print(f"\n{name}\n\n| test | power | draws | seconds a test | bytes kept |\n|{'---|' * 5}")
        print_tests(list_tests(start, options), *draws)


def draw_rows(draw: Draw, n: int, rng: np.random.Generator) -> Rows:
    """Return n rows."""
    return draw(rng, n)


def print_tests(tests: Iterator[tuple[str, Any, int, str]], first: Any, second: Any) -> None:
    """Print a line for each test; seconds are the processor's, sketching among them."""
    for name, test, n_draws, kept in tests:
        n_alarms, spent = 0, 0.0
        for seed in range(n_draws):
            rng = np.random.default_rng(seed)
            pair = first(rng), second(rng)
            began = time.process_time()
            n_alarms += test(*pair) <= LEVEL
            spent += time.process_time() - began
        print(f"| {name} | {n_alarms / n_draws:.3f} | {n_draws} | {spent / n_draws:.4f} | {kept} |",
              flush=True)  # fmt: skip


def print_public(options: argparse.Namespace) -> None:
    """Print power on HIGGS and SUSY: background against background with some signal."""
    from sklearn.datasets import fetch_openml

    for name, share, sizes in (("HIGGS", 0.2, (10_000, 20_000, 40_000, 60_000)),
                               ("SUSY", 0.05, (8_000, 16_000, 24_000, 32_000))):  # fmt: skip
        try:
            data = fetch_openml(name.lower(), version=1, as_frame=False, parser="liac-arff")
        except Exception as error:  # whatever keeps it from us is said, and the rest goes on
            print(f"{name}: not run, fetch_openml said: {type(error).__name__}: {error}")
            continue
        signal = data.target.astype(float) == 1
        rows = np.asarray(data.data[:, : 14 if name == "HIGGS" else 8], float)
        rows, signal = rows[np.isfinite(rows).all(axis=1)], signal[np.isfinite(rows).all(axis=1)]
        background, signals = rows[~signal], rows[signal]
        sketcher = Sketcher(1000, paired=True, scale="columns", random_state=0)
        sketcher.fit(background[:5000])
        for total in sizes:
            found = [
                compare(*map(sketcher.sketch, split_public(background, signals, total, share, i)))
                for i in range(options.draws)
            ]
            power = np.mean([one.p_value <= LEVEL for one in found])
            print(f"{name}, {total:,} rows in all: {power:.3f}", flush=True)


def split_public(background: Rows, signals: Rows, total: int, share: float, seed: int) -> Pair:
    """Return rows of background, and as many with a share of signal, none of them twice."""
    rng, n = np.random.default_rng(seed), total // 2
    chosen = background[rng.choice(len(background), 2 * n - int(share * n), replace=False)]
    some = signals[rng.choice(len(signals), int(share * n), replace=False)]
    return chosen[:n], np.r_[chosen[n:], some]


def print_cost(options: argparse.Namespace) -> None:
    """Print milliseconds after the pass, and bytes."""
    print(
        "| d | m | p-value, ms | all figures, ms | bytes a side | with operator |\n|" + "---|" * 6
    )
    for d, m in ((3, 100), (10, 1000), (10, 2000), (64, 1000)):
        X = np.random.default_rng(0).normal(size=(2, 5000, d))
        sketcher = Sketcher(m, paired=True, random_state=0).fit(X[0])
        a, b = (Sketch.from_bytes(sketcher.sketch(rows).to_bytes()) for rows in X)
        times = []
        for of in (lambda one: one.p_value, lambda one: one.to_dict()):
            of(compare(a, b))
            began = time.process_time()
            for _ in range(100):
                of(compare(a, b))
            times.append(10.0 * (time.process_time() - began))
        sizes = len(a.to_bytes(operator=False)), len(a.to_bytes())
        print(f"| {d} | {m:,} | {times[0]:.2f} | {times[1]:.2f} | {sizes[0]:,} | {sizes[1]:,} |")


def draw_centers(rng: np.random.Generator, n_days: int, how: str) -> Rows:
    """Centres (n_days, 3) of days, all columns of standard deviation 1."""
    normal = rng.normal(size=(n_days, 3))
    if how == "log-normal":
        return np.exp(0.5 * normal) / math.sqrt((math.exp(0.25) - 1.0) * math.exp(0.25))
    return normal


def measure_apart(
    sketcher: Sketcher, draws: int, n_days: int, how: str, between: float, shift: float
) -> float:
    """Return in what share of references a day stands apart; of a shift, the day that has it."""
    n_found = 0
    for seed in range(FIRST_REFERENCE, FIRST_REFERENCE + draws):
        rng = np.random.default_rng([seed, n_days])
        centers = between * draw_centers(rng, n_days, how)
        centers[0, 0] += shift
        days = (rng.normal(center, 1.0, size=(500, 3)) for center in centers)
        found = find_windows_apart(WindowMeans.of(map(sketcher.sketch, days)))
        n_found += 0 in found if shift else bool(found)
    return n_found / draws


def print_reference(options: argparse.Namespace) -> None:
    """Print how often a reference window is said to stand apart: by chance, and a bad one."""
    start = np.random.default_rng([99, 0]).normal(size=(1000, 3))
    sketcher = Sketcher(40, paired=True, random_state=0).fit(start)
    print("| days vary | by | days | one named by chance | the bad one named |\n|" + "---|" * 5)
    for how in ("normal", "log-normal"):
        for between in (0.05, 0.1):
            for n_days in (20, 60):
                by_chance, bad = (
                    measure_apart(sketcher, options.draws, n_days, how, between, shift)
                    for shift in (0.0, 1.0)
                )
                print(f"| {how} | {between} | {n_days} | {by_chance:.3f} | {bad:.3f} |", flush=True)


PARTS = {
    "size": print_size,
    "power": print_power,
    "public": print_public,
    "cost": print_cost,
    "reference": print_reference,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure a part, and print its table."""
    parser = argparse.ArgumentParser(description="Two-sample tests from sketches.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--slow-draws", type=int, default=40)
    parser.add_argument("--frouros-draws", type=int, default=0)
    parser.add_argument("--private-draws", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--settings", default="", help="part of a setting's name")
    options = parser.parse_args(argv)
    PARTS[options.part](options)


if __name__ == "__main__":
    main()
