"""What runs of `pareto.py` come to: points of error and costs, and their fronts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from docs.benchmarks import _pareto_methods, _pareto_mixtures
from docs.benchmarks._log import Record
from docs.benchmarks._pareto_methods import FULL, REDUCING, SAMPLING
from docs.benchmarks._pareto_sets import SETS
from docs.benchmarks._pareto_sketches import ALONE, PRIVATE, WITH_PILOT

# What a run costs: the record's name of it, a heading, and what figures call it.
COSTS = {
    "seconds": ("seconds", "processor seconds"),
    "memory": ("peak MB", "peak memory, MB"),
    "kept_bytes": ("kept", "bytes kept"),
    "site_bits": ("bits a site", "bits sent by each of 100 sites"),
    "passes": ("passes", "passes over the rows"),
    "operations": ("operations", "multiplications and additions"),
}
# In an order in which no panel lacks one before another, so that colours are the same in all.
ROUTES = (FULL, SAMPLING, REDUCING, ALONE, WITH_PILOT, PRIVATE)
METHODS = {"k-means": _pareto_methods.METHODS, "mixtures": _pareto_mixtures.METHODS}
# Errors below this are alike, and drawn as this.
LEAST = {"k-means": 1e-3, "mixtures": 3e-3}


@dataclass(frozen=True)
class Point:
    """One method on one set: medians over seeds, and the largest error."""

    method: str
    route: str
    n_seeds: int
    n_failed: int
    error: float
    worst: float
    costs: dict[str, float]


def errors_of(records: Sequence[Record]) -> dict[int, float]:
    """Return the reference's figure for every seed: the best run over all rows."""
    best: dict[int, float] = {}
    for one in records:
        if one["method"].startswith(("KMeans", "EM")) and "error" in one:
            best[one["seed"]] = min(one["error"], best.get(one["seed"], np.inf))
    return best


def list_points(records: Sequence[Record], model: str, name: str) -> list[Point]:
    """Return what every method did on one set."""
    mine = [one for one in records if (one["model"], one["set"]) == (model, name)]
    best = errors_of(mine)
    points = []
    present = {one["method"] for one in mine}
    for method in (one for one in METHODS[model] if one in present):
        runs = [one for one in mine if one["method"] == method and one["seed"] in best]
        good = [one for one in runs if "error" in one]
        if not runs:
            continue
        errors = [
            one["error"] / best[one["seed"]] - 1.0
            if model == "k-means"
            else one["error"] - best[one["seed"]]
            for one in good
        ]
        costs = {cost: float(np.median([one[cost] for one in good])) for cost in COSTS if good}
        points.append(
            Point(
                method,
                runs[0]["route"],
                len(runs),
                len(runs) - len(good),
                float(np.median(errors)) if good else np.inf,
                max(errors) if len(good) == len(runs) else np.inf,
                costs,
            )
        )
    return points


def find_front(points: Sequence[Point], cost: str, least: float) -> set[str]:
    """Return methods that no other beats in this cost and in error, errors below `least` alike."""
    good = [one for one in points if one.costs]
    costs = np.array([one.costs[cost] for one in good])
    errors = np.maximum([one.error for one in good], least)
    no_larger = (costs[:, None] >= costs) & (errors[:, None] >= errors)
    smaller = (costs[:, None] > costs) | (errors[:, None] > errors)
    is_beaten = np.any(no_larger & smaller, axis=1)
    return {one.method for one, beaten in zip(good, is_beaten, strict=True) if not beaten}


def sets_of(records: Sequence[Record], model: str) -> list[str]:
    """Return sets whose reference was run for a model, in their order."""
    present = {
        one["set"]
        for one in records
        if one["model"] == model and "error" in one and one["method"].startswith(("KMeans", "EM"))
    }
    return [name for name in SETS if name in present]


def title_of(records: Sequence[Record], model: str, name: str) -> str:
    """Return a set's name, with the rows that were fitted, columns and clusters."""
    one = next(one for one in records if (one["model"], one["set"]) == (model, name))
    return f"{name}: {one['n']:,} x {one['d']}, k = {one['k']}"


def show(value: float) -> str:
    """Return a figure with three digits, and a letter for thousands and more."""
    if not np.isfinite(value):
        return "failed"
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {letter}"
    return f"{value:.3g}"
