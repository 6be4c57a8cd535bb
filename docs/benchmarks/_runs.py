"""What is still to be run on the sets of a suite, seed by seed: a loop that benchmarks share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.synthetic import FIRST_REPORTED_SEED
from docs.benchmarks import _log

Run = tuple[int, str]


@dataclass(frozen=True)
class Group:
    """Everything still to be run on one set with one seed: ratios m / (k d), and ways."""

    name: str
    seed: int
    n_synthetic: int
    runs: tuple[Run, ...]
    earlier: tuple[_log.Record, ...]
    log: Path


def current(records: Sequence[_log.Record], way: str) -> list[_log.Record]:
    """Return records that this source made or that do not depend on it, the newest of each run.

    Parameters
    ----------
    records : sequence of dict
        Those of a log.
    way : str
        Under which name they say what was run.
    """
    return _log.current(records, "set", "seed", "ratio", way)


def list_groups(
    options: argparse.Namespace,
    records: Sequence[_log.Record],
    way: str,
    wanted: Callable[[str, int], Iterable[Run]],
) -> list[Group]:
    """Return what is still to be run, seed by seed, so that the first seeds are complete early.

    Parameters
    ----------
    options : argparse.Namespace
        Names of sets, how many seeds, rows of synthetic sets, and the log.
    records : sequence of dict
        What was run.
    way : str
        Under which name records say how.
    wanted : callable
        Given a set and the number of its seed, what is to be run.
    """
    done = {(r["set"], r["seed"], r["ratio"], r[way]) for r in records}
    groups = []
    for i in range(options.seeds):
        seed = FIRST_REPORTED_SEED + i
        for name in options.sets:
            runs = tuple(run for run in wanted(name, i) if (name, seed, *run) not in done)
            earlier = tuple(r for r in records if (r["set"], r["seed"]) == (name, seed))
            if runs:
                groups.append(Group(name, seed, options.n_synthetic, runs, earlier, options.log))
    return groups
