"""Page and figures of `pareto.py`, from its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.benchmarks import _pareto_methods, _pareto_mixtures
from docs.benchmarks._log import Record, measured_with
from docs.benchmarks._pareto_methods import FULL, REDUCING, SAMPLING
from docs.benchmarks._pareto_sets import SETS
from docs.benchmarks._pareto_sketches import ALONE, PRIVATE, WITH_PILOT
from docs.benchmarks._pareto_text import (
    CHOICES,
    COSTS_SHOWN,
    EXPLANATION,
    INTRODUCTION,
    MIXTURES,
    SHOWN_MANY,
    SHOWN_ONE,
)
from docs.benchmarks._report import table
from sketchlearn.plotting import FrontDisplay

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
ERRORS = {"k-means": "SSE ratio - 1", "mixtures": "nats lost a row"}
# Sets whose every cost is drawn.
IN_FULL = ("MNIST PCA-20", "unequal sizes")


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


def draw(ax: Axes, points: Sequence[Point], cost: str, model: str, title: str) -> None:
    """Draw one cost against the error, by route, with the names of what is on the front."""
    good = [one for one in points if one.costs and np.isfinite(one.error)]
    least = LEAST[model]
    good.sort(key=lambda one: ROUTES.index(one.route))
    rows: dict[str, list[Any]] = {
        "cost": [max(one.costs[cost], 1e-6) for one in good],
        "error": [max(one.error, least) for one in good],
        "route": [one.route for one in good],
    }
    display = FrontDisplay.from_table(rows, cost="cost", error="error", method="route", ax=ax)
    display.ax_.set(xscale="log", yscale="log", title=title)
    display.ax_.set_xlabel(COSTS[cost][1], fontsize=8)
    display.ax_.set_ylabel(ERRORS[model], fontsize=8)
    display.ax_.tick_params(labelsize=7)
    display.ax_.title.set_fontsize(9)
    display.ax_.get_legend().remove()
    for scatter in display.scatters_:
        scatter.set_sizes([22])
    for i in np.flatnonzero(display.is_on_front):
        display.ax_.annotate(
            good[i].method,
            (rows["cost"][i], rows["error"][i]),
            xytext=(3, 4),
            textcoords="offset points",
            fontsize=6,
        )


def draw_panels(panels: Sequence[tuple[Sequence[Point], str, str, str]], n_columns: int) -> Figure:
    """Return a figure of panels, each of points, cost, model and title, and one legend."""
    n_rows = -(-len(panels) // n_columns)
    size = (3.6 * n_columns, 2.9 * n_rows + 0.5)
    result = Figure(figsize=size, facecolor="white", layout="constrained")
    axes = result.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, panel in zip(axes, panels, strict=False):
        draw(ax, *panel)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    handles: dict[str, Artist] = {}
    for ax in axes[: len(panels)]:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    result.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=6, frameon=False
    )
    return result


def figures(records: Sequence[Record]) -> dict[str, Figure]:
    """Return all figures, by the names of their files."""
    result = {}
    for model in ("k-means", "mixtures"):
        names = sets_of(records, model)
        panels = [
            (list_points(records, model, name), "seconds", model, title_of(records, model, name))
            for name in names
        ]
        if panels:
            stem = "pareto" if model == "k-means" else "pareto_mixtures"
            result[stem] = draw_panels(panels, 3)
    shown = [name for name in sets_of(records, "k-means") if name in IN_FULL]
    every = [
        (list_points(records, "k-means", name), cost, "k-means", name)
        for name in shown
        for cost in COSTS
    ]
    if every:
        result["pareto_costs"] = draw_panels(every, 3)
    return result


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


def show_error(value: float, model: str) -> str:
    """Return an SSE ratio, or nats."""
    if not np.isfinite(value):
        return "failed"
    shown = value + 1.0 if model == "k-means" else value
    return f"{shown:.3f}" if abs(shown) < 10 else show(shown)


def table_of(records: Sequence[Record], model: str, name: str) -> str:
    """Return the table of one set: every method, its errors and costs, and where it leads."""
    points = list_points(records, model, name)
    fronts = {cost: find_front(points, cost, LEAST[model]) for cost in COSTS}
    rows, most = [], max(one.n_seeds for one in points)
    for one in points:
        label = one.method if one.n_seeds == most else f"{one.method} (seeds: {one.n_seeds})"
        errors = [show_error(value, model) for value in (one.error, one.worst)]
        costs = [
            (
                f"**{show(one.costs[cost])}**"
                if one.method in fronts[cost]
                else show(one.costs[cost])
            )
            if one.costs
            else ""
            for cost in COSTS
        ]
        rows.append([label, one.route, " / ".join(errors), *costs])
    error = "SSE ratio" if model == "k-means" else "nats lost"
    return table(["method", "route", error, *(short for short, _ in COSTS.values())], rows)


def summary(records: Sequence[Record], model: str) -> str:
    """Return how good every method is over all sets, and on how many fronts it is."""
    names = sets_of(records, model)
    points = {name: list_points(records, model, name) for name in names}
    fronts = {
        (name, cost): find_front(points[name], cost, LEAST[model])
        for name in names
        for cost in COSTS
    }
    rows = []
    present = {one.method for name in names for one in points[name]}
    for method in (one for one in METHODS[model] if one in present):
        mine = [one for name in names for one in points[name] if one.method == method]
        errors = [one.error for one in mine]
        leads = [str(sum(method in fronts[name, cost] for name in names)) for cost in COSTS]
        cells = [show_error(value, model) for value in (float(np.median(errors)), max(errors))]
        rows.append([method, mine[0].route, str(len(mine)), *cells, *leads])
    heads = ["method", "route", "sets", "median", "worst set"]
    return table([*heads, *(short for short, _ in COSTS.values())], rows)


def page(records: Sequence[Record]) -> str:
    """Return the page in Markdown."""
    n_seeds = {len({one["seed"] for one in records if one["set"] == name}) for name in SETS} - {0}
    first = min(one["seed"] for one in records)
    if n_seeds == {1}:
        seeds, shown = f"seed {first}, one a set, draws", SHOWN_ONE
    else:
        few, many = min(n_seeds), max(n_seeds)
        seeds, shown = f"seeds from {first} on, {few} to {many} of them a set, draw", SHOWN_MANY
    parts = [INTRODUCTION.format(seeds=seeds, shown=shown, machine=measured_with()), CHOICES]
    parts += ["## K-means over all sets\n", EXPLANATION, summary(records, "k-means"), COSTS_SHOWN]
    if sets_of(records, "mixtures"):
        parts += ["## Mixtures over all sets\n", MIXTURES, summary(records, "mixtures")]
    for model, heading in (("k-means", "K-means"), ("mixtures", "Mixtures")):
        for name in sets_of(records, model):
            title = title_of(records, model, name)
            parts += [f"## {heading}, {title}\n", table_of(records, model, name)]
    return "\n".join(parts)
