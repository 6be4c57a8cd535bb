"""What the constants of the decoders are worth: each halved and doubled, on a few sets.

Run from the root of a checkout; it can be interrupted and goes on where it was::

    python -m docs.benchmarks.ablations [--modules all] [--seeds 1] [--report-only]

A constant is a number in capitals at the top of a module of `sketchlearn.decoders`. It is set in
every module that has it by that name, which no user can do and no test does; nothing else of the
library is touched. Sets and seeds (below 100) are those of development: no table of results has
them. The score is the mean logarithm of the ratio of sums of squares to ``KMeans(n_init=10)``.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

import sketchlearn.decoders
from datasets.families import CHOOSING
from datasets.suite import suite
from docs.benchmarks import _log
from sketchlearn import CompressiveKMeans, Sketcher

Rows = NDArray[np.float64]

N_ROWS = 5000
FIRST_SEED, LAST_SEED = 60, 99
# Sets of the suite, and of `datasets.families.CHOOSING`, small enough to be decoded in a second.
SETS = ("unbalanced 1:100", "digits PCA-10", "spiral", "unequal widths", "skewed")
RATIO = 4
FACTORS = (0.5, 2.0)
# A mean logarithm of ratios that another seed changes as much.
MOVED = 0.002
LOG = _log.ROOT / "build" / "ablations.jsonl"


def find_modules() -> dict[str, ModuleType]:
    """Return the modules of the decoders by their names below the package."""
    stem = sketchlearn.decoders.__name__ + "."
    return {n.removeprefix(stem): m for n, m in sorted(sys.modules.items()) if n.startswith(stem)}


def find_constants(modules: dict[str, ModuleType]) -> dict[str, dict[str, float]]:
    """Return the numbers in capitals that each module defines first, by module and name."""
    found: dict[str, dict[str, float]] = {}
    for name, module in modules.items():
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        own = {
            key: value
            for key, value in vars(module).items()
            if key.isupper() and isinstance(value, int | float)
        }
        # What is imported stands in a line that is indented or begins with "from".
        lines = [line for line in source.splitlines() if " = " in line and line[:1].isupper()]
        heads = {word.strip() for line in lines for word in line.split(" = ")[0].split(",")}
        found[name] = {key: value for key, value in own.items() if key in heads}
    return found


@contextmanager
def replaced(modules: dict[str, ModuleType], name: str, value: float) -> Iterator[None]:
    """Set a constant in every module that has it, for a while."""
    holders = [module for module in modules.values() if name in vars(module)]
    before = [getattr(module, name) for module in holders]
    for module in holders:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, old in zip(holders, before, strict=True):
            setattr(module, name, old)


def load_sets(seeds: int) -> list[tuple[str, int, int, Rows, float]]:
    """Return name, seed, k, rows and the least sum of squares of every set."""
    result = []
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for name in SETS:
            if name in CHOOSING:
                k, X = CHOOSING[name].n_clusters, CHOOSING[name].draw(seed, N_ROWS)
            else:
                one = suite(N_ROWS)[name]
                k, X = one.n_clusters, one.rows(seed)
            best = KMeans(k, n_init=10, random_state=seed).fit(X).inertia_
            result.append((name, seed, k, X, float(best)))
    return result


def score(sets: Sequence[tuple[str, int, int, Rows, float]]) -> tuple[float, float]:
    """Return the mean logarithm of the ratio of sums of squares, and processor seconds."""
    logs, start = [], time.process_time()
    for _, seed, k, X, best in sets:
        size = RATIO * k * X.shape[1]
        sketcher = Sketcher(size, n_clusters=k, keep_pilot=False, random_state=seed).fit(X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = CompressiveKMeans(k, random_state=seed).fit_sketch(sketcher.sketch(X))
        logs.append(math.log(-model.score(X) / best))
    return float(np.mean(logs)), time.process_time() - start


def change(value: float, factor: float) -> float:
    """Return a constant times a factor; a whole number stays one, and differs."""
    if isinstance(value, int):
        return max(1, round(value * factor)) if value > 1 or factor > 1 else 0
    return value * factor


def work(options: argparse.Namespace) -> None:
    """Run what the log lacks."""
    modules = find_modules()
    records = _log.current(_log.read(options.log))
    done = {(r["module"], r["name"], r["factor"], r["seeds"]) for r in records}
    sets = load_sets(options.seeds)
    score(sets)  # Compiles the kernels.
    runs = [("", "", 1.0, 0.0)]
    for module, constants in find_constants(modules).items():
        if module in options.modules:
            runs += [
                (module, name, factor, change(value, factor))
                for name, value in constants.items()
                for factor in FACTORS
            ]
    for module, name, factor, value in runs:
        if (module, name, factor, options.seeds) in done:
            continue
        try:
            with replaced(modules, name, value):
                loss, seconds = score(sets)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            _log.say(f"{module}.{name} x {factor}: {error}")
            loss, seconds = math.inf, 0.0
        stem = {"module": module, "name": name, "factor": factor, "value": value}
        code = {"seeds": options.seeds, "code": _log.library_digest()}
        _log.append(options.log, {**stem, **code, "loss": loss, "seconds": seconds})
        _log.say(f"{module}.{name} x {factor:g}: {loss:.4f}, {seconds:.1f} s")


def make_page(records: Sequence[_log.Record]) -> str:
    """Return the page: what each constant moves, and which move nothing."""
    (base,) = [r for r in records if not r["name"]][-1:]
    lines = [PREFACE, f"As they are: {base['loss']:.4f}, {base['seconds']:.1f} s.\n"]
    lines += ["| constant | halved | doubled | seconds, halved and doubled |", "|---|---|---|---|"]
    still, n_run = [], 0
    names = dict.fromkeys((r["module"], r["name"]) for r in records if r["name"])
    for module, name in names:
        own = {r["factor"]: r for r in records if (r["module"], r["name"]) == (module, name)}
        if set(own) != set(FACTORS):
            continue
        n_run += 1
        moves = [own[factor]["loss"] - base["loss"] for factor in FACTORS]
        seconds = " / ".join(f"{own[factor]['seconds']:.1f}" for factor in FACTORS)
        cells = " | ".join(f"{move:+.4f}" for move in moves)
        lines.append(f"| `{module}.{name}` | {cells} | {seconds} |")
        if max(map(abs, moves)) < MOVED:
            still.append(f"`{name}`")
    lines.append(f"\nBy less than {MOVED:g}, both ways: {', '.join(still) or 'none'}.\n")
    n_all = sum(map(len, find_constants(find_modules()).values()))
    lines.append(f"{n_run} of {n_all} constants were run; the others were not.\n")
    seeds = f"Seeds from {FIRST_SEED} on, {base['seeds']} of them; {N_ROWS:,} rows a set;"
    lines += [seeds, _log.measured_with()]
    return "\n".join(lines) + "\n"


PREFACE = f"""# What constants are worth

Made by `python -m docs.benchmarks.ablations`: each number in capitals of `sketchlearn.decoders`,
halved and doubled, and what that does to the mean logarithm of the ratio of sums of squares,
k-means from the sketch alone to `KMeans(n_init=10)`, over {", ".join(SETS)}, at {RATIO} k d.
Above 0 it got worse. Sets and seeds are those of development. So few runs tell what moves much; a
constant that moves nothing here may matter where clusters are many, columns wide or noise is added,
none of which is among the sets.
"""


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="What the decoders' constants are worth.")
    parser.add_argument("--modules", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 60 on")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    if FIRST_SEED + options.seeds > LAST_SEED + 1:
        parser.error(f"seeds of development are below 100: at most {LAST_SEED + 1 - FIRST_SEED}")
    options.modules = _log.names(options.modules, find_modules())
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and write the page from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        work(options)
    records = _log.current(_log.read(options.log))
    if any(not record["name"] for record in records):
        options.page.write_text(make_page(records), encoding="utf-8")
        print(options.page)


if __name__ == "__main__":
    main()
