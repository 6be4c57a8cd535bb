"""What the settings of the decoders are worth: each halved and doubled, on development sets.

Run from the root of a checkout; it can be interrupted and goes on where it was::

    python -m docs.benchmarks.ablations [--settings all] [--seeds 2] [--report-only]

A setting is a field of a `sketchlearn.decoders.settings.Settings` in capitals at the top of a
module of `sketchlearn.decoders`. For a while every module that reads it gets
``dataclasses.replace(SETTINGS, field=value)`` in its place; nothing else of the library is
touched. Tasks and seeds (below 100) are those of `docs/benchmarks/_development.py`. Losses of
k-means are the logarithm of the ratio of sums of squares to ``KMeans(n_init=5)`` on all rows, those
of mixtures nats a row against ``GaussianMixture(n_init=3)``.

What another random stream moves is measured too: by decodes of the same sketches from other seeds.
A setting that moves less than twice the standard deviation of that moves nothing that is seen here.

One failure among the tasks would dominate a mean of losses. So runs are compared task by task, what
they differ by is cut at `BOUND`, and losses above `FAILURE` are counted beside.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

import sketchlearn.decoders
from docs.benchmarks import _log
from docs.benchmarks._development import FIRST_SEED, LAST_SEED, N_ROWS, TASKS, prepare, score
from sketchlearn.decoders.quality import QualityThresholds
from sketchlearn.decoders.settings import Settings

FACTORS = (0.5, 2.0)
# Decodes from other seeds, which tell what chance moves.
N_STREAMS = 4
KINDS = ("k-means", "mixtures")
# Most that one task may count, and from which loss on it has failed: mixtures in nats a row.
BOUND = 0.1
FAILURE = {"k-means": 0.1, "mixtures": 0.3}
LOG = _log.ROOT / "build" / "ablations.jsonl"

Scores = dict[str, tuple[float, str, float]]


class Move(NamedTuple):
    """What a change does: to the mean loss, to the number of failures, to time as a fraction."""

    loss: float
    failures: float
    seconds: float


def find_modules() -> dict[str, ModuleType]:
    """Return the modules of the decoders by their names below the package."""
    stem = sketchlearn.decoders.__name__ + "."
    return {n.removeprefix(stem): m for n, m in sorted(sys.modules.items()) if n.startswith(stem)}


def find_settings(modules: dict[str, ModuleType]) -> dict[str, Settings]:
    """Return the settings that modules define, by ``module.NAME``."""
    return {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in vars(module).items()
        if isinstance(value, Settings) and type(value).__module__ == module.__name__
    }


def list_fields(settings: dict[str, Settings]) -> dict[str, float]:
    """Return the value of every setting by ``module.NAME.field``."""
    return {
        f"{name}.{each.name}": getattr(one, each.name)
        for name, one in settings.items()
        for each in fields(one)
    }


@contextmanager
def replaced(modules: dict[str, ModuleType], setting: str, value: float) -> Iterator[None]:
    """Set a setting, by ``module.NAME.field``, in every module that reads it, for a while."""
    module, name, field = setting.rsplit(".", 2)
    before = getattr(modules[module], name)
    holders = [each for each in modules.values() if vars(each).get(name) is before]
    after = replace(before, **{field: value})
    for holder in holders:
        setattr(holder, name, after)
    try:
        yield
    finally:
        for holder in holders:
            setattr(holder, name, before)


def change(value: float, factor: float) -> float:
    """Return a setting times a factor; a whole number stays one and positive, and differs."""
    if isinstance(value, int):
        return max(1, round(value * factor)) if value > 1 or factor > 1 else 2
    return value * factor


def work(options: argparse.Namespace) -> None:
    """Run what the log lacks."""
    modules = find_modules()
    done = {(r["setting"], r["factor"], r["seed"]) for r in _log.current(_log.read(options.log))}
    values = list_fields(find_settings(modules))
    for seed in range(FIRST_SEED, FIRST_SEED + options.seeds):
        runs = [("", float(stream)) for stream in range(1 + N_STREAMS)]
        runs += [(setting, factor) for setting in options.settings for factor in FACTORS]
        runs = [run for run in runs if (*run, seed) not in done]
        if not runs:
            continue
        tasks = [prepare(task, seed) for task in TASKS]
        score(tasks)  # Compiles the kernels.
        for setting, factor in runs:
            record: _log.Record = {"setting": setting, "factor": factor, "seed": seed}
            if setting:
                record["value"] = change(values[setting], factor)
                with replaced(modules, setting, record["value"]):
                    record["scores"] = score(tasks)
            else:
                others = [replace(task, stream=int(factor)) for task in tasks]
                record["scores"] = score(others)
            _log.append(options.log, record | {"code": _log.library_digest()})
            _log.say(f"seed {seed}, {setting or 'as it is'} x {factor:g}")


def select(scores: Scores, kind: str) -> list[tuple[float, str, float]]:
    """Return the scores of the tasks of one kind."""
    return [one for name, one in scores.items() if ("k-means" in name) == (kind == "k-means")]


def compare(base: Sequence[Scores], other: Sequence[Scores], kind: str) -> Move:
    """Return what other decodes of the same tasks move.

    Parameters
    ----------
    base, other : sequence of dict
        By seed, the scores of decodes as they are, and of those to compare.
    kind : {"k-means", "mixtures"}
        Of which tasks.
    """
    (before, usual), (after, seconds) = collect(base, kind), collect(other, kind)
    apart = float(np.mean(np.clip(after - before, -BOUND, BOUND)))
    failures = int(np.sum(after > FAILURE[kind])) - int(np.sum(before > FAILURE[kind]))
    return Move(apart, failures, seconds / usual - 1.0)


def collect(scores: Sequence[Scores], kind: str) -> tuple[np.ndarray, float]:
    """Return the losses of all tasks of a kind, and the seconds that they took together."""
    ones = [one for each in scores for one in select(each, kind)]
    return np.array([one[0] for one in ones]), sum(one[2] for one in ones)


def measure_chance(streams: Sequence[Sequence[Scores]], kind: str) -> Move:
    """Return root mean squares of what two streams of random numbers differ by."""
    moves = [compare(*pair, kind) for pair in combinations(streams, 2)]
    return Move(*np.sqrt(np.mean(np.square(moves), axis=0)).tolist())


def make_page(records: Sequence[_log.Record]) -> str:
    """Return the page: what each setting moves, and which move nothing."""
    seeds = sorted({r["seed"] for r in records})
    by_run = {(r["setting"], r["factor"], r["seed"]): r["scores"] for r in records}
    streams = [[by_run["", float(i), seed] for seed in seeds] for i in range(1 + N_STREAMS)]
    chance = {kind: measure_chance(streams, kind) for kind in KINDS}
    lines = [PREFACE, describe(streams, chance), HEAD]
    values, still, n_run = list_fields(find_settings(find_modules())), [], 0
    for setting in dict.fromkeys(r["setting"] for r in records if r["setting"]):
        if not all((setting, f, seed) in by_run for f in FACTORS for seed in seeds):
            continue
        runs = [[by_run[setting, f, seed] for seed in seeds] for f in FACTORS]
        moves = {kind: [compare(streams[0], run, kind) for run in runs] for kind in KINDS}
        n_run += 1
        lines.append(f"| `{setting}` | {values[setting]:g} | {make_cells(moves)} |")
        if not any(stands_out(one, chance[kind]) for kind in KINDS for one in moves[kind]):
            still.append(f"`{setting}`")
    lines.append(f"\nNo more than chance, both ways: {', '.join(still) or 'none'}.\n")
    lines.append(f"{n_run} of {len(values)} settings were run.\n")
    n_limits = len(fields(QualityThresholds))
    lines.append(COUNTS.format(n_fields=len(values), n_limits=n_limits, n_guards=count_guards()))
    lines.append(f"Seeds: {', '.join(map(str, seeds))}; up to {N_ROWS:,} rows a set;")
    return "\n".join([*lines, _log.measured_with()]) + "\n"


def count_guards() -> int:
    """Return how many numbers are capitals at the tops of modules, each of a tuple for itself."""
    values = [
        one.value
        for module in find_modules().values()
        for one in ast.parse(inspect.getsource(module)).body
        if isinstance(one, ast.Assign)
    ]
    numbers = [
        each for one in values for each in (one.elts if isinstance(one, ast.Tuple) else [one])
    ]
    kinds = (ast.BinOp, ast.UnaryOp)
    return sum(
        isinstance(one, kinds)
        or (isinstance(one, ast.Constant) and isinstance(one.value, int | float))
        for one in numbers
    )


def stands_out(move: Move, chance: Move) -> bool:
    """Return whether losses or failures move by more than twice what chance does."""
    return abs(move.loss) > 2.0 * chance.loss or abs(move.failures) > 2.0 * chance.failures


def make_cells(moves: dict[str, list[Move]]) -> str:
    """Return the cells of a row, halved and doubled in each."""
    cells = []
    for kind in KINDS:
        cells += [
            # No "-0.0000".
            " / ".join(f"{round(move.loss, 4) + 0.0:+.4f}" for move in moves[kind]),
            " / ".join(f"{move.failures:+.0f}" for move in moves[kind]),
            " / ".join(f"{move.seconds:+.0%}" for move in moves[kind]),
        ]
    return " | ".join(cells)


def describe(streams: Sequence[Sequence[Scores]], chance: dict[str, Move]) -> str:
    """Return what decodes are worth as they are, and what chance moves."""
    lines = []
    for kind in KINDS:
        losses, seconds = zip(*(collect(stream, kind) for stream in streams), strict=True)
        failures = np.sum(np.array(losses) > FAILURE[kind], axis=1)
        lines.append(
            f"{kind.capitalize()} as they are: median loss {np.median(losses):.4f}, above "
            f"{FAILURE[kind]:g} on average {np.mean(failures):.1f} of {len(losses[0])}, "
            f"{np.mean(seconds):.1f} s. Other random numbers move the mean by "
            f"{chance[kind].loss:.4f} and these failures by {chance[kind].failures:.1f} (root mean "
            f"squares over pairs of {len(streams)} streams).\n"
        )
    return "\n".join(lines)


PREFACE = f"""# What settings are worth

Made by `python -m docs.benchmarks.ablations`: each setting of `sketchlearn.decoders`, halved and
doubled, and what that does to {len(TASKS)} tasks, all from the sketch alone. Of k-means a loss is
the logarithm of the ratio of sums of squares to `KMeans(n_init=5)` on the rows, of mixtures it is
in nats a row against `GaussianMixture(n_init=3)`. "Moved" is by how much losses rose on average,
each task's difference cut at {BOUND:g}, so that no failure dominates; "failed" is how many losses
more are above {FAILURE["k-means"]:g} (mixtures: {FAILURE["mixtures"]:g}); time is of the decodes
alone. Above 0 is worse. Each cell has halved / doubled.

A setting is a field of a frozen dataclass beside its algorithm, with its unit and its reason. Not
counted are limits of verdicts (`QualityThresholds`, chosen by `docs.benchmarks.verdicts`), what
decoders take as parameters, and guards of rounding, memory and convergence, which stay capitals.
"""
COUNTS = """\
## What was deleted

Numbers of `sketchlearn.decoders`, before the settings were gone through and after:

| kind | before | after |
|---|---|---|
| settings, as fields | 0 | {n_fields} |
| settings, as capitals at the top of a module | 75 | 0 |
| guards of rounding, memory and convergence | 17 | {n_guards} |
| limits of verdicts | 21 | {n_limits} |

Decoders also take 14 numbers as parameters, of starts and iterations most of them. They have their
defaults in the documentation and are not counted. Three settings are newer than the others: two of
where a far cluster of few rows is placed by mean and covariance, and one of how many atoms points
start from, in whose place the fewest points of large sketches went. Counted as guards, and neither
halved nor doubled here, are also limits of what came later: which noise hides a cluster (`NOISY`),
when clusters share a covariance (`LONG`, `GAIN`) or have widths of their own along columns
(`ALIKE`, `LEAST_WIDTH`), how long overtones are taken off (`MORE_ROUNDS`, `WORTH_A_ROUND`), and
which directions of wide rows are decoded (`MOST_POWER`, `MOST_TIMES`, `FLAT`, `MOVED`). Stages of
`MeanShift`: three, which were gone through twice where clusters were missing, and are gone through
once.

Special cases that went first, each as it was run, alone, on tasks and a mean that one failure may
dominate. These are single runs of one seed.

| what | settings | what its absence moved |
|---|---|---|
| kernels that narrow, from 32 clusters on | 5 | k-means of 32 to 100 clusters: -0.017 |
| other gains and fewer tries, from 32 on | 3 | two tries for all, gains nearer: -0.008 |
| three times as many atoms, pruned, and all stages again | 4 | k-means -0.000, mixtures 0 |
| ten times the starts for small clusters | 1 | 0 |
| coherence of merged atoms apart from that of modes | 1 | k-means +0.002, mixtures +0.005 |
| six decodes where clusters are missing: three | 1 | 0 here; see below |
| modes left out below 70 % of the best | 1 | k-means -0.002 |
| points for EM that start 1.3 times as wide as the mixture | 1 | mixtures -0.057 |
| damping that grows | 2 | k-means +0.003, mixtures +0.002 |
| a line search of its own: the minimiser's | 3 | not run alone |
| two random starts of EM below 32 components, none above: one | 2 | 0 |
| third points for EM | 1 | 0 |
| sharper kernels only from 8 numbers a parameter on | 1 | mixtures -0.013 |
| spherical atoms from half a scale on: from one | 1 | mixtures -0.004 |
| rows a point and sharpness of EM other than those of k-means | 2 | mixtures -0.008, -0.002 |
| how many points stand for far rows, and when: a limit of verdicts | 2 | not run alone |
| share of added noise that is most of it: a half, in the code | 1 | not run |
| four rounds of clearing overtones: two | 2 | k-means -0.013 |
| grids for several missing clusters: shares, dimensions, reaches | 5 | tests of moved clusters |
| iterations of eight kinds: of three | 5 | with 100 for 200 last: k-means -0.004 |

What went after, each run alone on today's tasks, two seeds, as moved losses of k-means and of
mixtures. Chance moved these by .0036 and .0053.

| what | k-means | mixtures |
|---|---|---|
| a swap must gain 0.1 %, beside what noise explains | +.0010 | -.0071 |
| twice as many iterations around a swap as elsewhere | +.0006 | +.0031 |
| a first move of quasi-Newton iterations shorter than the longest | -.0001 | .0000 |
| fewer starts of k-means where no rows are far: as many | .0000 | .0000 |
| kernels that narrow by .25: by the .3 that they start with (one seed) | +.0010 | +.0039 |
| kernels narrow twice at most: until noise hides it | .0000 | .0000 |
| points of both decodes clustered together, from 50 times the noise | .0000 | .0000 |
| a start along few axes from twice as many columns as clusters (one seed) | .0000 | .0000 |
| where rows are few, no kernel (64 sets of 20 to 1,000 rows; median -.0003) | +.0103 | - |
| where points start at a far cluster, a tolerance of its own: halved | .0000 | .0000 |
| decodes at wider scales, and quasi-Newton moves, counted apart | same numbers | same numbers |

Narrowing and the points of both decodes are not reached with so few rows. On twelve decodes of sets
of 200,000 rows they moved mean losses by -.0018 and +.0004, and the second took a fifth of the
time. Starts along few axes moved no loss of k-means in 36 decodes with noise of 8 to 16 columns
either.

Kept because their absence cost, as run before: points for far rows (k-means +0.036 without), a
longest move (+0.033), damping at 0.01 (mixtures +0.025 at 0.05), 3,000 points at least (mixtures
+0.026 with 100 an atom), several atoms a step (time +123 % with one), shares to spare for spherical
starts (nats at one frequency a coordinate: 2.5 with, 3.6 without).

Taken back after the tasks had called it harmless, or because of what others said:

- two failures before swaps end, where there are five: on five families of `datasets/families.py` at
  5 and 10 k d, 20,000 rows, five seeds of development each, losses above .1 were 14 of 50 before
  all changes, 17 with two, and 12 with five again, at no more time;
- points of k-means that start as wide as the mixture, not 1.3 times: the spread of far rows in
  private decodes went from .91 to .83. EM stays without it;
- moments that count as much as waves, not half: of 16 mixtures of a bent line 9 went wrong, not 4;
- one axis along which a missing cluster is sought, not three: within chance, but no better;
- four starts of k-means where points stand for far rows, not ten: sums of squares of the suite's
  "far outliers" at 5 k d were 1.15 times those of k-means, not 1.11.

All of the first changes together, and a compiled adjustment that came meanwhile, on the 22 sets of
the suite at 50,000 rows, two seeds of development each: at 5 k d the median ratio of sums of
squares went from 1.006 to 1.007, ratios above 1.1 from 3 to 3, decodes from 79 s to 43 s; at 2 k d
the median from 1.025 to 1.032, ratios above 1.1 from 5 to 4, decodes from 51 s to 24 s. All of the
later ones, at 20,000 rows and 5 k d: the median from 1.0042 to 1.0040, ratios above 1.1 from 2 to
2, both "far outliers" and said to be wrong, but by 1.13 and 1.16, which was 1.10 and 1.11; decodes
42 s and 45 s, other work running beside. On nine families, 120 decodes at 5 and 10 k d: losses
above .1 from 9 to 9, losses cut at .25 from .0201 to .0157.

One decode of separated Gaussians at 2 k d went wrong, and said so, that had gone right: there three
decodes find all clusters less often than six did.
"""
HEAD = """\
| setting | value | k-means: moved | failed | time | mixtures: moved | failed | time |
|---|---|---|---|---|---|---|---|"""


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="What the decoders' settings are worth.")
    parser.add_argument("--settings", default="all", help="parts of names, comma-separated")
    parser.add_argument("--seeds", type=int, default=2, help=f"how many, from {FIRST_SEED} on")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--page", type=Path, default=Path(__file__).with_suffix(".md"))
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    options = parser.parse_args(argv)
    if FIRST_SEED + options.seeds > LAST_SEED + 1:
        parser.error(f"seeds of development are below 100: at most {LAST_SEED + 1 - FIRST_SEED}")
    options.settings = _log.names(options.settings, list_fields(find_settings(find_modules())))
    return options


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and write the page from all that is there."""
    options = parsed(argv)
    if not options.report_only:
        work(options)
    if records := _log.current(_log.read(options.log)):
        options.page.write_text(make_page(records), encoding="utf-8")
        print(options.page)


if __name__ == "__main__":
    main()
