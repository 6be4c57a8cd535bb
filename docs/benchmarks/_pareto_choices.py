"""What the tables of `pareto.py` come to, in words whose figures are theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from docs.benchmarks._pareto_points import COSTS, LEAST, ROUTES, Point, find_front, show
from docs.benchmarks._pareto_problem import N_SITES
from docs.benchmarks._pareto_sketches import ALONE, FEW_COLUMNS
from docs.benchmarks._report import table

# An SSE ratio above one, up to which bytes and bits are compared.
GOOD = 0.005
# Sets where few rows decide, where sizes differ, and where there are many rows.
FAR, UNEQUAL, LARGE = "cube and five", ("halving", "unequal sizes"), "ten million"
SKETCH, TREE, SAMPLE, FIT = "dense, 5 kd", "betula-cluster", "4,000 rows", "fit, defaults"


@dataclass(frozen=True)
class Findings:
    """Points of k-means on every set, and the columns of the sets."""

    points: Mapping[str, Sequence[Point]]
    n_features: Mapping[str, int]

    @property
    def narrow(self) -> list[str]:
        """Sets of few columns, up to 100,000 rows or so."""
        return [name for name, d in self.n_features.items() if d <= FEW_COLUMNS and name != LARGE]

    @property
    def wide(self) -> list[str]:
        """Sets of many columns."""
        return [name for name, d in self.n_features.items() if d > FEW_COLUMNS]

    def of(self, method: str, names: Iterable[str]) -> list[Point]:
        """Return what a method did on some of the sets, where it ended."""
        found = [one for name in names if name in self.points for one in self.points[name]]
        return [one for one in found if one.method == method and one.costs]

    def span(self, method: str, cost: str, names: Iterable[str]) -> str:
        """Return the least and the most that a method took on some sets."""
        return show_span([one.costs[cost] for one in self.of(method, names)])

    def lost(self, method: str, names: Iterable[str]) -> str:
        """Return the least and the most error of a method on some sets, in per cent."""
        values = [f"{100.0 * one.error:.1f}" for one in self.of(method, names)]
        if not values:
            return "(not run)"
        least, most = min(values, key=float), max(values, key=float)
        return f"{least} %" if least == most else f"{least} to {most} %"

    def ratio(self, method: str, names: Iterable[str]) -> str:
        """Return the least and the most SSE ratio of a method on some sets."""
        values = sorted(one.error + 1.0 for one in self.of(method, names))
        shown = [f"{value:.3g}" for value in values[:1] + values[-1:]]
        return " to ".join(dict.fromkeys(shown)) or "(not run)"

    def leads(self, is_meant: Callable[[Point], bool], cost: str) -> list[str]:
        """Return sets on whose front of a cost some methods are."""
        return [
            name
            for name, points in self.points.items()
            if any(
                is_meant(one)
                for one in points
                if one.method in find_front(points, cost, LEAST["k-means"])
            )
        ]


def show_span(values: Sequence[float]) -> str:
    """Return "least to most", or the one that both are."""
    if not values:
        return "(not run)"
    least, most = (f"{value:.2g}" if abs(value) < 1e3 else show(value)
                   for value in (min(values), max(values)))  # fmt: skip
    return least if least == most else f"{least} to {most}"


def join(names: Sequence[str], none: str = "none") -> str:
    """Return names, in words."""
    marked = [f"*{name}*" for name in names]
    return " and ".join([", ".join(marked[:-1]), marked[-1]] if len(marked) > 1 else marked) or none


def choices(found: Findings) -> str:
    """Return what to choose, and where sketches are behind."""
    paragraphs = [
        "## What to choose, and where sketches are behind",
        describe_seconds(found),
        describe_sizes(found),
        describe_far(found),
        "**Bytes kept, and bits of a site.** The least that each route keeps, and then the bits "
        f"that each of {N_SITES} sites sends, with an error below {GOOD:.1%}. On narrow tables "
        "random rows are hard to beat in bits, since the same sums come from every site; sketches "
        "pay where sites hold different rows, or what was sent is to be subtracted, added to or "
        "decoded again for another k.",
        table_of_least(found, "kept_bytes"),
        table_of_least(found, "site_bits"),
        describe_rest(found),
    ]
    return "\n\n".join(paragraphs) + "\n"


def describe_seconds(found: Findings) -> str:
    """Return what is said of processor seconds."""
    narrow, wide = found.narrow, found.wide
    mnist = [name for name in narrow if "MNIST" in name]
    others = [name for name in narrow if name not in mnist and name != FAR]
    leads = found.leads(lambda one: one.route == ALONE, "seconds")
    large = "; ".join(
        f"{label} {found.span(method, 'seconds', [LARGE])} s"
        for label, method in (
            ("`fit(X)`", FIT), ("a sketch alone", SKETCH), (TREE, TREE),
            ("one start of `KMeans`", "KMeans, one start"), ("4,000 random rows", SAMPLE),
        )
    )  # fmt: skip
    return (
        "**Rows in one place that may stay there: not a sketch alone.** A sketch alone is on the "
        f"front of processor seconds on {len(leads)} of {len(found.points)} sets"
        f"{f' ({join(leads)})' if leads else ''}. On narrow tables of up to 100,000 rows "
        f"betula-cluster takes {found.span(TREE, 'seconds', narrow)} s, and its sum of squares is "
        f"{found.ratio(TREE, narrow)} times the reference's; 4,000 random rows take "
        f"{found.span(SAMPLE, 'seconds', narrow)} s. A sketch alone of 5 k d frequencies takes "
        f"{found.span(SKETCH, 'seconds', others)} s on {join(others)}, and "
        f"{found.span(SKETCH, 'seconds', mnist)} s on {join(mnist)}, whose clusters are no "
        f"Gaussians. `fit(X)`, which keeps a pilot of 5,000 rows, takes "
        f"{found.span(FIT, 'seconds', narrow)} s, on wide tables "
        f"{found.span(FIT, 'seconds', wide)} s, and its sum of squares is "
        f"{found.ratio(FIT, [*narrow, *wide])} times the reference's. On *{LARGE}* rows "
        f"the decode hardly counts: {large}."
    )


def describe_sizes(found: Findings) -> str:
    """Return what is said of clusters whose sizes differ."""
    parts = [
        f"On *{name}* a sketch alone of 5 k d frequencies is at {found.ratio(SKETCH, [name])} "
        f"times the reference, `fit(X)` at {found.ratio(FIT, [name])}, betula-cluster at "
        f"{found.ratio(TREE, [name])}, 4,000 rows at {found.ratio(SAMPLE, [name])}"
        for name in UNEQUAL
        if name in found.points
    ]
    return (
        f"**Sizes that differ much.** {'. '.join(parts)}. Below 1 the starts of `KMeans` have "
        "missed a cluster."
    )


def describe_far(found: Findings) -> str:
    """Return what is said of a few rows that decide."""
    points = [one for one in found.points.get(FAR, ()) if one.costs]
    off = join([one.method for one in points if one.error > 9.0])
    near = join([one.method for one in points if one.error < 0.1])
    return (
        f"**A few rows that decide.** On *{FAR}* these are off by a factor of ten and more: {off}. "
        "What five rows in 50,000 add to a wave is less than its noise. These are within 10 %: "
        f"{near}."
    )


def table_of_least(found: Findings, cost: str) -> str:
    """Return the least of a cost by route and set, of methods with a small error."""
    rows = []
    for name, points in found.points.items():
        cells = []
        for route in ROUTES:
            good = [one for one in points if one.route == route and one.costs and one.error < GOOD]
            best = min(good, key=lambda one: one.costs[cost], default=None)
            cells.append(f"{show(best.costs[cost])}: {best.method}" if best else "")
        rows.append([name, *cells])
    return table([COSTS[cost][0], *ROUTES], rows)


def describe_rest(found: Findings) -> str:
    """Return what is said of privacy, projections and operations."""
    near = [name for name in found.narrow if name != FAR]
    projections = found.leads(lambda one: one.method.startswith("JL"), "seconds")
    ratios = [
        own.costs["operations"] / tree.costs["operations"]
        for name in found.points
        for own in found.of(SKETCH, [name])
        for tree in found.of(TREE, [name])
    ]
    return (
        "**Privacy.** Nothing else here has it. On narrow sets without far rows the error above "
        + "; ".join(
            f"that of k-means is {found.lost(f'epsilon {epsilon}', near)} with ε = {epsilon}"
            for epsilon in ("10", "1", "0.1")
        ).replace("; that of k-means is", ";", 2)
        + ".\n\n**Fewer columns.** Random projections to half the columns of narrow tables lose "
        f"{found.lost('JL, half the columns', found.narrow)}, to an eighth of wide ones "
        f"{found.lost('JL, an eighth', found.wide)}. They are on the front of seconds on "
        f"{join(projections, 'no set')}.\n\n**Operations.** Counted like this, sketches alone of "
        f"5 k d frequencies take {show_span(ratios)} times as many as betula-cluster: a pass costs "
        "m d for each row. That they are not slower by as much is because a pass is one product of "
        "matrices."
    )


def find(points: Mapping[str, Sequence[Point]], n_features: Mapping[str, int]) -> Findings:
    """Return findings of sets whose points are finite somewhere."""
    known = {
        name: own for name, own in points.items() if any(np.isfinite(one.error) for one in own)
    }
    return Findings(known, {name: n_features[name] for name in known})
