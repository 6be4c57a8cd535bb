"""Page and figures of `pareto.py`, from its log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.benchmarks import _pareto_choices
from docs.benchmarks._log import Record, library_digest, measured_with
from docs.benchmarks._pareto_points import (
    COSTS,
    LEAST,
    METHODS,
    ROUTES,
    Point,
    find_front,
    list_points,
    sets_of,
    show,
    title_of,
)
from docs.benchmarks._pareto_sets import SETS
from docs.benchmarks._pareto_text import (
    COSTS_SHOWN,
    EXPLANATION,
    INTRODUCTION,
    MIXTURES,
    SHOWN_MANY,
    SHOWN_ONE,
)
from docs.benchmarks._report import table
from sketchlearn.plotting import FrontDisplay

ERRORS = {"k-means": "SSE ratio - 1", "mixtures": "nats lost a row"}
# Sets whose every cost is drawn.
IN_FULL = ("MNIST PCA-20", "unequal sizes")


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


def choose(records: Sequence[Record]) -> str:
    """Return what to choose for k-means."""
    names = sets_of(records, "k-means")
    points = {name: list_points(records, "k-means", name) for name in names}
    sizes = {one["set"]: one["d"] for one in records}
    return _pareto_choices.choices(_pareto_choices.find(points, sizes))


def describe_source(records: Sequence[Record]) -> str:
    """Return versions and machine, and whether the sketches are of an earlier source."""
    code = next((one["code"] for one in records if one["code"]), None)
    said = measured_with(code)
    if code not in (None, library_digest("features", "sketching")):
        said += "\nThat is an earlier source: what is said of sketches was not run anew."
    return said


def page(records: Sequence[Record]) -> str:
    """Return the page in Markdown."""
    n_seeds = {len({one["seed"] for one in records if one["set"] == name}) for name in SETS} - {0}
    first = min(one["seed"] for one in records)
    if n_seeds == {1}:
        seeds, shown = f"seed {first}, one a set, draws", SHOWN_ONE
    else:
        few, many = min(n_seeds), max(n_seeds)
        seeds, shown = f"seeds from {first} on, {few} to\n{many} of them a set, draw", SHOWN_MANY
    parts = [
        INTRODUCTION.format(seeds=seeds, shown=shown, machine=describe_source(records)),
        choose(records),
    ]
    parts += ["## K-means over all sets\n", EXPLANATION, summary(records, "k-means"), COSTS_SHOWN]
    if sets_of(records, "mixtures"):
        parts += ["## Mixtures over all sets\n", MIXTURES, summary(records, "mixtures")]
    for model, heading in (("k-means", "K-means"), ("mixtures", "Mixtures")):
        for name in sets_of(records, model):
            title = title_of(records, model, name)
            parts += [f"## {heading}, {title}\n", table_of(records, model, name)]
    return "\n".join(parts)
