"""Time of sketching rows by key, beside one sketch of all of them, for few groups and many.

Run from the root of a checkout; needs pyarrow::

    python -m docs.benchmarks.groups
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sketchlearn import Sketcher

N_ROWS, N_FEATURES, N_FREQUENCIES = 1_000_000, 10, 500
GROUPS = (10, 1_000, 10_000, 100_000)
N_RUNS = 5


def best(function: Callable[[], Any]) -> float:
    """Return the fewest processor seconds of some runs."""
    seconds = []
    for _ in range(N_RUNS):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    """Sketch a million rows by more and more keys, on one thread."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_ROWS, N_FEATURES))
    sketcher = Sketcher(N_FREQUENCIES, random_state=0).fit(rows[:20_000])
    order = rng.permutation(N_ROWS)
    whole = best(lambda: sketcher.sketch(rows))
    print(f"{'groups':>8}{'rows each':>11}{'seconds':>9}{'ratio':>7}{'table, MB':>11}")
    print(f"{'one':>8}{N_ROWS:>11,}{whole:>9.2f}{1.0:>7.2f}{'':>11}")
    for n_groups in GROUPS:
        keys = {"key": order % n_groups}
        table = sketcher.sketch_groups(rows, keys)
        size = table.nbytes / 1e6
        del table
        seconds = best(lambda keys=keys: sketcher.sketch_groups(rows, keys))  # type: ignore[misc]
        each = N_ROWS // n_groups
        print(f"{n_groups:>8,}{each:>11,}{seconds:>9.2f}{seconds / whole:>7.2f}{size:>11.1f}")


if __name__ == "__main__":
    main()
