"""The page and the figure of `mixtures.py`, from its log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from datasets.suite import mnist
from docs.benchmarks._log import Record, measured_with
from docs.benchmarks._mixture_cases import CASES
from docs.benchmarks._report import table

TITLES = {
    "sketch alone": "sketch alone",
    "same bytes": "EM, same bytes",
    "same time": "EM, same time",
    "EM once": "EM once, all rows",
}
COLORS = {
    "sketch alone": "#c2410c",
    "same bytes": "#94a3b8",
    "same time": "#6366f1",
    "EM once": "#0f172a",
}
# Largest gap of any seed that is aimed at where a mixture was planted.
WORST_PLANTED = 0.2
# How much faster than one run of EM sketching and decoding should be on a million rows.
TIMES_FASTER = 10

INTRODUCTION = """# Mixtures from a sketch

Mean log-likelihood a row that is lost against EM on all rows, in nats, on rows that nothing was
fitted to: **median / worst over the seeds**. Below 0 the mixture is better than EM's. The reference
is `GaussianMixture(n_init=3)` of the same covariance type, `n_init=1` for a million rows. Made by
`python -m docs.benchmarks.mixtures`; seeds, from 1000 on, draw the data, or the 30 % of a real
table that are held out, frequencies and subsamples. The decoder's constants were chosen while
looking at mixtures planted like these, at digits and at MNIST; only seeds are unseen.
{mnist}
- *sketch alone*: a `Sketcher(m, n_clusters=k, scale="columns", keep_pilot=False)` sketches (one
  scale for spherical covariances), the sketch goes to a file and back, and
  `CompressiveGaussianMixture(k).fit_sketch(sketch)` decodes it: all defaults, no row of the data
  left. *Seeds* in the table counts its runs.
- *EM, same bytes*: three runs of EM on as many random rows as have the sketch's bytes, 16 m.
- *EM, same time*: one run on as many random rows, doubling from 250, as EM fits in the time of
  sketching and decoding.
- *EM once, all rows*: one run from another start. Where it differs from 0, the reference does.

Where the rows are at hand, EM on them, or on as many as there is time for, is the better choice.
What a sketch has to be compared with where they may not be kept is *same bytes*.

Planted mixtures have 50,000 rows, ten components unless it says otherwise, deviations of 0.5 to 1
along their axes, and unequal shares. *Separated* ones are no nearer than eight such deviations;
*overlapping* ones are some four from one another. m is five times the number of a diagonal
mixture's parameters, k (2 d + 1), and of a full one's where it is full. The *million rows*
are of 64 components in 12 dimensions, with m = 5 kd.

{machine}
"""


def page(records: Sequence[Record]) -> str:
    """The whole page in Markdown."""
    is_mnist = any(record["case"].startswith("MNIST") for record in records)
    source = mnist().source.replace("MNIST, ", "MNIST is ", 1) + ".\n" if is_mnist else ""
    sections = [
        INTRODUCTION.format(mnist=source, machine=measured_with()),
        "![Nats lost by case and method](../images/mixtures.png)\n",
        "## Nats lost\n\n" + losses(records),
        "## Aims\n\nOf the sketch alone.\n\n" + aims(records),
        "## Seconds\n\nOf processor time on one thread, medians.\n\n" + seconds(records),
    ]
    return "\n".join(sections)


def cases_of(records: Sequence[Record]) -> list[str]:
    """Cases whose reference is there, in order."""
    present = {record["case"] for record in records if record["method"] == "EM"}
    return [name for name in CASES if name in present]


def of(records: Sequence[Record], name: str, method: str) -> list[Record]:
    """Runs of one method on one case."""
    return [r for r in records if (r["case"], r["method"]) == (name, method)]


def gaps(records: Sequence[Record], name: str, method: str) -> np.ndarray:
    """Nats lost against EM, one number a seed that both ran with."""
    reference = {r["seed"]: r["log_likelihood"] for r in of(records, name, "EM")}
    return np.array(
        [
            reference[r["seed"]] - r["log_likelihood"]
            for r in of(records, name, method)
            if r["seed"] in reference
        ]
    )


def losses(records: Sequence[Record]) -> str:
    """Median and worst gap of every method on every case."""
    rows = []
    for name in cases_of(records):
        case = CASES[name]
        cells = []
        for method in TITLES:
            lost = gaps(records, name, method)
            cells.append(f"{np.median(lost):.3f} / {lost.max():.3f}" if len(lost) else "")
        n_seeds = len(of(records, name, "sketch alone") or of(records, name, "EM"))
        rows.append([name, f"{case.n_frequencies:,}", str(n_seeds), *cells])
    return table(["data", "m", "seeds", *TITLES.values()], rows)


def aims(records: Sequence[Record]) -> str:
    """What was aimed at, what came."""
    rows = []
    for name in cases_of(records):
        case, lost = CASES[name], gaps(records, name, "sketch alone")
        if case.aim is None or not len(lost):
            continue
        verdict = "met" if np.median(lost) <= case.aim else "missed"
        worst = ""
        if "million" not in name and "PCA" not in name:
            worst = f"{lost.max():.3f}, {'met' if lost.max() <= WORST_PLANTED else 'missed'}"
        speed = ""
        if case.n_init == 1:
            faster = times_faster(records, name)
            speed = f"{faster:.1f}, {'met' if faster >= TIMES_FASTER else 'missed'}"
        rows.append([name, f"{case.aim:.2f}", f"{np.median(lost):.3f}, {verdict}", worst, speed])
    header = ["data", "median at most", "median", f"worst, at most {WORST_PLANTED}"]
    return table([*header, f"times faster than EM, at least {TIMES_FASTER}"], rows)


def median_of(runs: Sequence[Record], key: str, form: str) -> str:
    """A cell: the median over seeds of one figure, empty where nothing ran."""
    values = [run[key] for run in runs if key in run]
    return format(float(np.median(values)), form) if values else ""


def with_total(runs: Sequence[Record]) -> list[Record]:
    """The runs of the sketch alone, with the seconds from rows to mixture."""
    return [{**run, "total": run["sketch_seconds"] + run["seconds"]} for run in runs]


def once(records: Sequence[Record], name: str) -> list[Record]:
    """The reference's runs, with the seconds of each of its runs of EM."""
    n_init = CASES[name].n_init
    return [{**run, "once": run["seconds"] / n_init} for run in of(records, name, "EM")]


def times_faster(records: Sequence[Record], name: str) -> float:
    """How often sketching and decoding fit into one run of EM on all rows, in the median."""
    total = [run["total"] for run in with_total(of(records, name, "sketch alone"))]
    return float(np.median([run["once"] for run in once(records, name)]) / np.median(total))


def seconds(records: Sequence[Record]) -> str:
    """Of EM; of sketching, decoding and both; how many times faster; rows of the same time."""
    rows = []
    for name in cases_of(records):
        own = with_total(of(records, name, "sketch alone"))
        rows.append(
            [
                name,
                median_of(of(records, name, "EM"), "n", ",.0f"),
                median_of(once(records, name), "once", ".2f"),
                median_of(own, "sketch_seconds", ".2f"),
                median_of(own, "seconds", ".2f"),
                median_of(own, "total", ".2f"),
                f"{times_faster(records, name):.1f}" if own else "",
                median_of(of(records, name, "same bytes"), "n_rows", ",.0f"),
                median_of(of(records, name, "same time"), "n_rows", ",.0f"),
            ]
        )
    header = [
        "data", "rows", "one run of EM", "sketch", "decode", "sketch and decode",
        "EM's time over that", "rows, same bytes", "rows, same time",
    ]  # fmt: skip
    return table(header, rows)


def figure(records: Sequence[Record]) -> Figure:
    """Every seed's gap, a line a case."""
    names = cases_of(records)
    result = Figure(figsize=(9.0, 0.36 * len(names) + 1.3), facecolor="white")
    ax = result.subplots()
    for shift, (method, color) in zip(np.linspace(-0.24, 0.24, 4), COLORS.items(), strict=True):
        for place, name in enumerate(names):
            lost = gaps(records, name, method)
            heights = np.full(len(lost), place + shift)
            label = TITLES[method] if place == 0 else None
            ax.scatter(lost, heights, s=14, color=color, alpha=0.6, lw=0, label=label)
    ax.set_xscale("symlog", linthresh=0.1)
    ax.axvline(0.0, color="#cbd5e1", lw=0.8, zorder=0)
    ax.set_xticks([-0.1, 0, 0.05, 0.1, 1, 10], ["−0.1", "0", "0.05", "0.1", "1", "10"])
    ax.set_xlabel("nats a row lost against EM on all rows", color="#475569")
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#cbd5e1")
    result.legend(loc="lower center", ncols=4, frameon=False, fontsize=9)
    result.tight_layout(rect=(0, 0.35 / (0.36 * len(names) + 1.3), 1, 1))
    return result
