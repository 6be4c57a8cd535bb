"""Sparse factors: how fast they are found and applied, how close, and in how few bits.

Everything is timed in processor seconds on one thread, the least of several runs taken in turns
with its rivals. Results are kept in a log, so that a part can be run again by itself; run it with

    python -m docs.benchmarks.factorization [--parts applying,bits] [--log FILE] [--page FILE]

which rewrites `factorization.md` beside it and its figures. lazylinop (PyPI) is a rival where it is
installed.
"""

from __future__ import annotations

import argparse
import json
import operator
import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numba
import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from docs.benchmarks._factor_descent import adam, descend, polish, random_start
from docs.benchmarks._factor_report import page, write_figures
from sketchlearn.factorization import (
    Butterfly,
    bit_reversal,
    butterfly,
    check_supports,
    closest_product,
    dft_butterfly,
    least_relative_error,
    quantise,
    ridge_path,
    square_dyadic,
)

SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
DESCENT_SIZES = (16, 32, 64, 128, 256)
QUANTISED_SIZES = (16, 32, 64, 128, 256)
BITS = range(3, 11)
BATCH = 256
Row = dict[str, Any]
Works = dict[str, Callable[[], object]]


def seconds(works: Works, rounds: int, least: float) -> dict[str, float]:
    """Least processor time of each, in turns, each repeated for at least `least` seconds a turn."""
    repeats = {}
    for name, work in works.items():
        work()
        start = time.process_time()
        work()
        repeats[name] = max(1, int(least / max(time.process_time() - start, 1e-6)))
    result = dict.fromkeys(works, np.inf)
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(repeats[name]):
                work()
            spent = (time.process_time() - start) / repeats[name]
            result[name] = min(result[name], spent)
    return result


def lazylinop_factors(A: np.ndarray) -> Any:
    """Return lazylinop's hierarchical factorisation, or None where it is not installed."""
    with warnings.catch_warnings():
        # Its import alone warns of what is not installed.
        warnings.simplefilter("ignore")
        try:
            from lazylinop.butterfly import Chain, ksd
        except ImportError:
            return None
        return ksd(A, Chain.square_dyadic(A.shape))


def rival_version() -> str:
    """Version of lazylinop, or that there is none."""
    try:
        return version("lazylinop")
    except PackageNotFoundError:
        return "not installed"


def finding(sizes: Sequence[int]) -> list[Row]:
    """Factorise Fourier matrices."""
    rows: list[Row] = []
    for n in sizes:
        F = np.fft.fft(np.eye(n))
        order = bit_reversal(n)
        shuffled = np.ascontiguousarray(F[:, order])
        works: Works = {
            "ours": partial(butterfly, F, permutation=order),
            "left-to-right": partial(butterfly, F, permutation=order, order="left-to-right"),
        }
        rival = lazylinop_factors(shuffled)
        if rival is not None:
            works["lazylinop"] = partial(lazylinop_factors, shuffled)
        row: Row = {"n": n, **seconds(works, 3, 0.0)}
        row["error"] = butterfly(F, permutation=order).relative_error
        if rival is not None:
            row["lazylinop error"] = float(
                np.linalg.norm(rival.toarray() - shuffled) / np.linalg.norm(F)
            )
        print(row, flush=True)
        rows.append(row)
    return rows


def applying(sizes: Sequence[int]) -> list[Row]:
    """Apply the Fourier transform's factors to one vector and to a batch."""
    rng = np.random.default_rng(0)
    rows: list[Row] = []
    for n in sizes:
        F, B = np.fft.fft(np.eye(n)), dft_butterfly(n)
        L = lazylinop_factors(F[:, bit_reversal(n)])
        for k in (1, BATCH):
            X = rng.normal(size=(n, k)) + 1j * rng.normal(size=(n, k))
            X = X[:, 0] if k == 1 else X
            works: Works = {
                "ours": partial(operator.matmul, B, X),
                "adjoint": partial(B.rmatvec if k == 1 else B.rmatmat, X),
                "dense": partial(operator.matmul, F, X),
                "fft": partial(np.fft.fft, X, axis=0),
            }
            if L is not None:
                works["lazylinop"] = partial(operator.matmul, L, X)
            row: Row = {"n": n, "batch": k, **seconds(works, 5, 0.01)}
            print(row, flush=True)
            rows.append(row)
    return rows


def closeness(n_seeds: int) -> list[Row]:
    """Noisy products: the error against the least possible, and against optimising all factors."""
    rows = []
    for n, noise in [(16, 0.1), (16, 1.0), (32, 0.1), (32, 1.0), (64, 1.0)]:
        for seed in range(n_seeds):
            rng = np.random.default_rng([n, seed])
            A = random_butterfly(n, rng).toarray()
            A += noise * np.sqrt(np.mean(A**2)) * rng.normal(size=A.shape)
            ways = {
                (order, ortho): butterfly(A, order=order, orthonormalise=ortho)
                for order in ("balanced", "left-to-right")
                for ortho in (True, False)
            }
            starts = [*ways.values(), *(random_butterfly(n, rng) for _ in range(3))]
            rows.append(
                {
                    "n": n,
                    "noise": noise,
                    "seed": seed,
                    "least": least_relative_error(A),
                    "optimised": min(polish(A, start) for start in starts),
                    **{
                        f"{order}{'' if ortho else ', not orthonormal'}": B.relative_error
                        for (order, ortho), B in ways.items()
                    },
                }
            )
    return rows


def descent(sizes: Sequence[int], budget: float) -> list[Row]:
    """Error against seconds of L-BFGS and Adam on all factors at once, and of the splits."""
    rows: list[Row] = []
    for n in sizes:
        F = np.fft.fft(np.eye(n))[:, bit_reversal(n)]
        spent = seconds({"": partial(butterfly, F)}, 3, 0.0)[""]
        rows.append({"n": n, "method": "splits", "curve": [[spent, butterfly(F).relative_error]]})
        for name, method in (("L-BFGS", descend), ("Adam", adam)):
            for seed in range(3):
                start = random_start(n, np.random.default_rng([n, seed]))
                curve = method(F, start, budget)
                rows.append({"n": n, "method": name, "seed": seed, "curve": curve})
        print(n, [(r["method"], r["curve"][-1]) for r in rows if r["n"] == n], flush=True)
    return rows


def random_butterfly(n: int, rng: np.random.Generator, is_complex: bool = False) -> Butterfly:
    """Gaussian factors."""
    chain = square_dyadic(n)
    values = [rng.normal(size=(p.a, p.d, p.b, p.c)) for p in chain]
    if is_complex:
        values = [v + 1j * rng.normal(size=v.shape) for v in values]
    return Butterfly(values, chain)


def rotations(n: int, rng: np.random.Generator) -> Butterfly:
    """Plane rotations by random angles: an orthogonal matrix."""
    chain = square_dyadic(n)
    angles = [rng.uniform(0, 2 * np.pi, size=(p.a, p.d)) for p in chain]
    blocks = [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in angles]
    return Butterfly([np.moveaxis(b, (0, 1), (2, 3)) for b in blocks], chain)


def quantised_matrices() -> list[tuple[str, int, Butterfly]]:
    """Matrices to quantise, all as factors that were found rather than written down."""
    result = []
    for n in QUANTISED_SIZES:
        rng = np.random.default_rng(n)
        H, F = scipy.linalg.hadamard(n).astype(float), np.fft.fft(np.eye(n))
        kinds = {
            "Fourier": butterfly(F, permutation="bit-reversal"),
            "Hadamard": butterfly(rng.lognormal(size=(n, 1)) * H * rng.lognormal(size=n)),
            "random": butterfly(random_butterfly(n, rng).toarray()),
            "complex random": butterfly(random_butterfly(n, rng, True).toarray()),
            "rotations": butterfly(rotations(n, rng).toarray()),
            "Gaussian noise": butterfly(rng.normal(size=(n, n))),
        }
        result += [(kind, n, B) for kind, B in kinds.items()]
    return result


def bits() -> list[Row]:
    """Bits that rounding needs for the error that quantising together has."""
    rows = []
    scale = np.arange(2, 19)
    for kind, n, B in quantised_matrices():
        naive = np.array([quantise(B, int(b), "round").relative_error for b in scale])
        # Error falls by two a bit but for chance: interpolate between the least so far.
        logs = -np.log(np.minimum.accumulate(naive))
        for b in BITS:
            row: Row = {"kind": kind, "n": n, "bits": b, "round": float(naive[b - 2])}
            found = {m: quantise(B, b, m) for m in ("left-to-right", "pairwise")}
            found["optimal"] = min(found.values(), key=lambda Q: Q.relative_error or 0.0)
            for method, Q in found.items():
                row[method] = Q.relative_error
                needed = float(np.interp(-np.log(Q.relative_error or 1e-300), logs, scale))
                row[f"{method}, saved"] = 1.0 - b / needed
            row["nbytes"], row["bytes before"] = Q.nbytes, B.nbytes
            rows.append(row)
        print(kind, n, [round(r["optimal, saved"], 2) for r in rows[-len(BITS) :]], flush=True)
    return rows


def supports(n_random: int) -> list[Row]:
    """Verdicts on random supports, each certificate checked, and their times."""
    rows = []
    for size, density in [(3, 0.5), (3, 0.7), (4, 0.4), (5, 0.3), (6, 0.3)]:
        rng = np.random.default_rng([size, int(10 * density)])
        row: Row = {"size": size, "density": density, "n": n_random, "worst": 0.0}
        for _ in range(n_random):
            left, right = rng.random((2, size, size)) < density
            verdict = check_supports(left, right)
            row[verdict.status] = row.get(verdict.status, 0) + 1
            if verdict.status == "not closed":
                X, Y = verdict.sequence(1e3)
                is_within = not (X[~left].any() or Y[~right].any())
                near = np.abs(X @ Y - verdict.target).max() <= 1.001e-6
                row["proved"] = row.get("proved", 0) + int(is_within and near)
            elif verdict.status == "closed":
                A = rng.normal(size=(size, size))
                X, Y = closest_product(A, left, right)
                exact = float(np.linalg.norm(A - X @ Y) / np.linalg.norm(A))
                best = ridge_path(A, left, right, [0.0], n_starts=20)[0].relative_error
                row["worst"] = max(row["worst"], exact - best)
        print(row, flush=True)
        rows.append(row)
    for density in (0.01, 0.03, 0.1, 0.3, 0.5, 0.9):
        rng = np.random.default_rng(0)
        times = []
        for _ in range(10):
            left, right = rng.random((2, 100, 100)) < density
            times.append(seconds({"": partial(check_supports, left, right)}, 3, 0.0)[""])
        rows.append({"size": 100, "density": density, "longest": max(times)})
        print(rows[-1], flush=True)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts that were asked for, and write the page."""
    parser = argparse.ArgumentParser(description="Measure sparse factors.")
    parser.add_argument("--parts", default="finding,applying,closeness,descent,bits,supports")
    parser.add_argument("--log", type=Path, default=Path("build/factorization.json"))
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    parser.add_argument("--largest", type=int, default=4096, help="largest size")
    parser.add_argument("--seconds", type=float, default=2.0, help="for each descent")
    parser.add_argument("--random", type=int, default=60, help="random supports of each size")
    options = parser.parse_args(argv)
    sizes = [n for n in SIZES if n <= options.largest]
    ways: dict[str, Callable[[], list[Row]]] = {
        "finding": lambda: finding(sizes),
        "applying": lambda: applying(sizes),
        "closeness": lambda: closeness(5),
        "descent": lambda: descent(
            [n for n in DESCENT_SIZES if n <= options.largest], options.seconds
        ),
        "bits": bits,
        "supports": lambda: supports(options.random),
    }
    wanted = options.parts.split(",")
    if unknown := set(wanted) - set(ways):
        raise SystemExit(f"unknown parts {', '.join(unknown)}, expected some of {', '.join(ways)}")
    options.log.parent.mkdir(parents=True, exist_ok=True)
    log = json.loads(options.log.read_text()) if options.log.exists() else {}
    with threadpool_limits(1):
        for part in wanted:
            log[part] = ways[part]()
            log["machine"] = (
                f"numpy {np.__version__}, numba {numba.__version__}, lazylinop "
                f"{rival_version()}, {platform.machine()}, {os.cpu_count()} CPUs"
            )
            options.log.write_text(json.dumps(log))
    options.images.mkdir(parents=True, exist_ok=True)
    write_figures(log, options.images)
    options.page.write_text(page(log), encoding="utf-8")


if __name__ == "__main__":
    main()
