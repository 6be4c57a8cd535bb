"""How fast rows become a sketch, against what the machine could do and against peers.

The roofline, per row and frequency, is 2 d / (peak of sgemm) + the time of a bare loop that adds
the cosine and sine of phases that are already in the cache; both are measured here, in the same
run, on one thread, and two threads are held to half of it. Every figure is the least of several
interleaved timings. Run it with

    python docs/benchmarks/sketching.py

which rewrites `sketching.md` beside it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from sklearn.kernel_approximation import RBFSampler
from threadpoolctl import threadpool_info, threadpool_limits

from sketchlearn import Sketcher, __version__
from sketchlearn._kernels._policy import COSINE, SINE

SIZES = [(2, 500), (10, 1000), (64, 2000), (784, 1000)]
ROUNDS = 12
BARE_LOOPS = 20_000
# About a tenth of a second each: long enough for threads to start, short enough for quiet moments.
ROWS = {2: 1_000_000, 10: 400_000, 64: 70_000, 784: 12_000}
SIDE = 1536
PEER_ROWS = 1000

_S = tuple(np.float32(c) for c in SINE)
_C = tuple(np.float32(c) for c in COSINE)


@numba.njit(nogil=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def bare_loop(phases: np.ndarray) -> tuple[Any, Any]:
    """Sum cosines and sines, by half angles, of phases in turns."""
    c_sum = np.float32(0.0)
    s_sum = np.float32(0.0)
    for i in range(phases.shape[0]):
        r = phases[i] - np.rint(phases[i])
        u = r * r
        h = r * (_S[0] + u * (_S[1] + u * (_S[2] + u * (_S[3] + u * _S[4]))))
        g = _C[0] + u * (_C[1] + u * (_C[2] + u * (_C[3] + u * _C[4])))
        c_sum += h * h
        s_sum += h * g
    return c_sum, s_sum


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least time of each, taken in turns so that a busy machine is busy for all."""
    for work in works.values():
        work()
    times = [{name: seconds(work) for name, work in works.items()} for _ in range(rounds)]
    return {name: min(t[name] for t in times) for name in works}


def measure(d: int, m: int) -> dict[str, float]:
    """Nanoseconds per row and frequency at one size."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS[d], d))
    one = Sketcher(m, scale=1.0, random_state=0).fit(X[:2000])
    two = Sketcher.from_operator(one.operator_, n_jobs=2)
    A = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    product = np.empty_like(A)
    phases = rng.normal(size=4096).astype(np.float32)
    frequencies = one.frequencies_
    sampler = RBFSampler(n_components=m, random_state=0).fit(X[:10])
    few = X[:PEER_ROWS]

    def sgemm() -> None:
        np.matmul(A, A, out=product)

    def bare() -> None:
        for _ in range(BARE_LOOPS):
            bare_loop(phases)

    with threadpool_limits(1):
        times = interleaved(
            {
                "sgemm": sgemm,
                "bare": bare,
                "one": lambda: one.sketch(X),
                "two": lambda: two.sketch(X),
            },
            ROUNDS,
        )
        peers = interleaved(
            {
                "numpy": lambda: np.exp(1j * (few @ frequencies)).sum(axis=0),
                "RBFSampler": lambda: sampler.transform(few).sum(axis=0),
            },
            3,
        )
    flop, waves = 2e-9 * SIDE**3, 1e-9 * BARE_LOOPS * phases.size
    return {
        "peak": flop / times["sgemm"],
        "bare": times["bare"] / waves,
        "roofline": 2 * d * times["sgemm"] / flop + times["bare"] / waves,
        "one": 1e9 * times["one"] / (ROWS[d] * m),
        "two": 1e9 * times["two"] / (ROWS[d] * m),
        "numpy": 1e9 * peers["numpy"] / (PEER_ROWS * m),
        "RBFSampler": 1e9 * peers["RBFSampler"] / (PEER_ROWS * m),
    }


def table() -> str:
    """Measure every size and lay out the results."""
    lines = [
        "| d | m | sgemm GFLOP/s | bare loop | roofline | one thread | ratio "
        "| two threads | ratio to half | numpy `exp(1j * X @ W)` | `RBFSampler` |",
        "|" + "---|" * 11,
    ]
    for d, m in SIZES:
        t = measure(d, m)
        lines.append(
            f"| {d} | {m} | {t['peak']:.0f} | {t['bare']:.2f} | {t['roofline']:.2f} "
            f"| **{t['one']:.2f}** | {t['one'] / t['roofline']:.2f} "
            f"| **{t['two']:.2f}** | {2 * t['two'] / t['roofline']:.2f} "
            f"| {t['numpy']:.1f} | {t['RBFSampler']:.1f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def blas() -> str:
    """Name numpy's BLAS and the kernels that it chose."""
    first = next(info for info in threadpool_info() if info["user_api"] == "blas")
    return f"{first['internal_api']} {first['version']} ({first.get('architecture')} kernels)"


def main() -> None:
    """Measure, print and write the table."""
    heading = (
        "# Sketching speed\n\n"
        "Nanoseconds per row and frequency, float64 rows in, one sketch out. The roofline is\n"
        "2 d / (peak of sgemm) + a bare loop of sines and cosines, both measured in the same run\n"
        "on one thread; two threads are held to half of it. A ratio below 1 is possible: the\n"
        "projection does not go through BLAS, and both it and the sines use wider vectors than\n"
        "BLAS or the compiler may choose. Made by `docs/benchmarks/sketching.py`.\n\n"
        f"sketchlearn {__version__}, numpy {np.__version__}, numba {numba.__version__},\n"
        f"{blas()}, {platform.machine()}, {os.cpu_count()} CPUs.\n\n"
    )
    Path(__file__).with_suffix(".md").write_text(heading + table() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
