"""The figure of `decoders.py`, from its log."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from docs.benchmarks._log import Record
from docs.benchmarks._methods import UNSKETCHED
from docs.benchmarks._report import TITLES, of, ratios_of, sets_of, values

COLORS = {
    "sketch alone": "#c2410c",
    "with pilot": "#0f766e",
    "same bytes": "#94a3b8",
    "same file": "#475569",
    "same time": "#6366f1",
    "20,000 rows": "#0f172a",
    "pycle": "#a16207",
}


def figure(records: Sequence[Record]) -> Figure:
    """SSE ratio against sketch size, one small panel a set: median, and the range over seeds."""
    runs = [record for record in records if "sse_ratio" in record]
    names = sets_of(runs)
    n_columns = min(5, len(names))
    n_rows = -(-len(names) // n_columns)
    result = Figure(figsize=(2.7 * n_columns + 0.4, 2.2 * n_rows + 0.7), facecolor="white")
    axes = result.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        _panel(ax, runs, name)
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    handles = {h.get_label(): h for ax in axes for h in ax.get_legend_handles_labels()[0]}
    result.legend(handles.values(), handles.keys(), loc="lower center", ncols=6, frameon=False)
    result.supylabel("SSE ratio − 1, logarithmic", fontsize=10, color="#475569")
    result.tight_layout(rect=(0.005, 0.6 / (2.2 * n_rows + 0.7), 1, 1))
    return result


def _panel(ax: Axes, runs: Sequence[Record], name: str) -> None:
    """One set: a line a method; those that no sketch size changes lie flat."""
    ratios = ratios_of(runs)
    for method, color in COLORS.items():
        at = [r for r in ratios if of(runs, name, method, r)]
        if not at:
            continue
        each = [np.maximum(values(of(runs, name, method, ratio)) - 1, 1e-3) for ratio in at]
        label = TITLES[method].replace("`", "")
        style = "--" if method in UNSKETCHED else "-"
        ax.plot(at, [np.median(e) for e in each], style, color=color, marker="o", ms=3, label=label)
        ax.fill_between(
            at, [e.min() for e in each], [e.max() for e in each], color=color, alpha=0.12, lw=0
        )
    ax.set(xscale="log", yscale="log", ylim=(8e-4, 20), title=name)
    ax.set_xticks(ratios, [f"{ratio}" for ratio in ratios])
    ax.set_yticks([1e-3, 1e-2, 1e-1, 1, 10], ["≤ 0.001", "0.01", "0.1", "1", "10"])
    ax.minorticks_off()
    ax.tick_params(labelsize=7, length=2)
    ax.title.set(fontsize=9, color="#0f172a")
    ax.axhline(0.02, color="#cbd5e1", lw=0.8, zorder=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#cbd5e1")
    ax.set_xlabel("m / (k d)", fontsize=7, color="#475569")
