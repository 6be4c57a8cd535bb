"""Table, figure and page of `plot_speaker_verification.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table
from sklearn.metrics import DetCurveDisplay

from docs.examples.speaker_protocol import Speech, equal_error_rate

if TYPE_CHECKING:
    from docs.examples.plot_speaker_verification import Result

Results = Sequence[Mapping[str, "Result"]]

REFERENCE = "EM, all frames"
INK = "#0f172a"
SHADES = {
    "EM, all": ("#0f172a",),
    "EM, 1": ("#6366f1", "#a5b4fc"),
    "sketch": ("#fdba74", "#f97316", "#9a3412"),
    "k-means": ("#cbd5e1", "#94a3b8", "#64748b"),
}
HEADER = (
    "learned from",
    "kept",
    "EER\n%",
    "difference",
    "same\ngender",
    "nats a\nframe",
    "difference",
    "CPU\nseconds",
)

PAGE = """# Speaker verification from a sketch

{told}

`make demo-speakers`, or `python -m docs.examples.plot_speaker_verification`, makes this page's
table and figure. The protocol is that of `docs/examples/speaker_protocol.py`: {k} Gaussians of
diagonal covariance are learned from background speakers; for each of the other speakers, the
targets, half of the recordings move the means (maximum a posteriori, relevance 16), and the other
half are tried against all targets. The sketch is made file by file in one pass, columns told apart
by scale; none of the frames is kept, and all else is the library's default.

![DET curves, and errors by what was kept](../images/{figure})

{table}

- *EER*: the equal error rate, where as many targets are missed as impostors get in; in *same
  gender* the trials that a woman's and a man's voice settle are left out.
- *nats a frame*: mean log-likelihood of the targets' frames under the background, none of which it
  has seen.
- *difference*: to EM on all frames, on the same speakers; mean over {n_resamples}, and its
  standard error.
- *kept*: what the background was learned from, 16 bytes a frequency of a sketch, 96 a frame. A
  sketch's file also holds the frequencies, 48 bytes each, chosen on the first files.
- *CPU seconds*: of the processor, over all its threads, from frames to mixture.
- *k-means*: on as many random frames as take the bytes of the sketches above, columns
  standardised; centroids become means, with the clusters' shares and one variance a column.

## What a few frames would have done

{frames}

Where frames may be kept, EM on some thousands of them is simpler and faster. A sketch is for where
they may not be kept, or have to be added up over places and taken out again.
"""


def description(source: str, recordings: Sequence[Speech], results: Results, is_raw: bool) -> str:
    """Say what was tried."""
    n_frames = sum(len(recording.frames) for recording in recordings)
    n_speakers = len({recording.speaker for recording in recordings})
    trials = [result[REFERENCE].trials for result in results]
    means = "kept: the room tells too" if is_raw else "subtracted"
    n_targets = np.mean([trial.is_target.sum() for trial in trials])
    n_impostors = np.mean([(~trial.is_target).sum() for trial in trials])
    return (
        f"{source}: {len(recordings):,} recordings of {n_speakers} speakers, {n_frames:,} frames "
        f"of 12 cepstra, each recording's mean {means}. {n_targets:,.0f} target and "
        f"{n_impostors:,.0f} impostor trials a resample."
    )


def readable(n_bytes: float) -> str:
    """Write a number of bytes for a person."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} kB"


def values(results: Results, name: str, figure: Callable[[Result], float]) -> NDArray[np.float64]:
    """One figure of one way, for every resample."""
    return np.array([figure(result[name]) for result in results])


def error_percent(result: Result) -> float:
    """Equal error rate in percent."""
    return 100 * equal_error_rate(result.trials)


def error_within_gender(result: Result) -> float:
    """Equal error rate in percent, among trials of one gender."""
    return 100 * equal_error_rate(result.trials.within_gender())


def nats(result: Result) -> float:
    """Mean held-out log-likelihood a frame."""
    return result.log_likelihood


def paired(results: Results, name: str, figure: Callable[[Result], float], digits: int) -> str:
    """Mean difference to EM on all frames, with its standard error if there is one to know."""
    if name == REFERENCE:
        return ""
    differences = values(results, name, figure) - values(results, REFERENCE, figure)
    mean = f"{differences.mean():+.{digits}f}"
    if len(differences) == 1:
        return mean
    return f"{mean} ± {differences.std(ddof=1) / np.sqrt(len(differences)):.{digits}f}"


def lines(results: Results) -> list[tuple[str, ...]]:
    """Write the table's cells, a line for each way."""

    def cells(name: str) -> tuple[str, ...]:
        def mean(figure: Callable[[Result], float]) -> float:
            return float(values(results, name, figure).mean())

        return (
            name,
            readable(mean(lambda result: result.background.n_bytes)),
            f"{mean(error_percent):.1f}",
            paired(results, name, error_percent, 1),
            f"{mean(error_within_gender):.1f}",
            f"{mean(nats):.2f}",
            paired(results, name, nats, 2),
            f"{mean(lambda result: result.background.seconds):.1f}",
        )

    return [cells(name) for name in results[0]]


def rich_table(results: Results) -> Table:
    """Lay the table out for a terminal."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0)
    for i, title in enumerate(HEADER):
        grid.add_column(title, justify="right" if i else "left", no_wrap=True)
    for line in lines(results):
        grid.add_row(*line)
    return grid


def few_frames(results: Results) -> str:
    """Say how the ways that keep frames compare, line by line."""
    told = []
    for name in results[0]:
        if name != REFERENCE and not name.startswith("sketch"):
            size = readable(values(results, name, lambda r: r.background.n_bytes).mean())
            errors, lost = paired(results, name, error_percent, 1), paired(results, name, nats, 2)
            told.append(f"- {name}, {size}: {errors} points, {lost} nats.")
    return "\n".join(told)


def page(told: str, results: Results, figure: Path) -> str:
    """Lay the table out in Markdown, with what it means."""
    titles = [title.replace("\n", " ") for title in HEADER]
    grid = [titles, ["---", *["---:"] * (len(HEADER) - 1)], *lines(results)]
    n = len(results)
    return PAGE.format(
        told=fill(told, 100),
        k=len(results[0][REFERENCE].background.mixture.weights_),
        figure=figure.name,
        n_resamples="one split of the speakers" if n == 1 else f"{n} splits of the speakers",
        table="\n".join("| " + " | ".join(line) + " |" for line in grid),
        frames=few_frames(results),
    )


def colors(names: Sequence[str]) -> dict[str, str]:
    """Colour of each way: one hue a kind, a shade a size."""
    result = {}
    for kind, shades in SHADES.items():
        of_kind = [name for name in names if name.startswith(kind)]
        for i, name in enumerate(of_kind):
            result[name] = shades[min(i, len(shades) - 1)]
    return result


def draw(results: Results) -> Figure:
    """Draw DET curves over all resamples, and errors and nats against what was kept."""
    figure = Figure(figsize=(11.5, 5.6), facecolor="white", layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1.0), squeeze=False)[0]
    painted = colors(list(results[0]))
    draw_curves(left.subplots(), results, painted)
    top, bottom = right.subplots(2, 1, sharex=True)
    draw_sizes(top, results, painted, error_percent, "equal error rate, %")
    draw_sizes(bottom, results, painted, nats, "nats a frame, held out")
    bottom.set_xlabel("bytes that the background was learned from", color=INK)
    return figure


def draw_curves(ax: Axes, results: Results, painted: Mapping[str, str]) -> None:
    """Draw misses against false alarms, the trials of all resamples together."""
    for name, color in painted.items():
        trials = [result[name].trials for result in results]
        DetCurveDisplay.from_predictions(
            np.concatenate([trial.is_target for trial in trials]),
            np.concatenate([trial.scores for trial in trials]),
            name=name,
            ax=ax,
            color=color,
            linewidth=2.2 if name == REFERENCE else 1.5,
            linestyle="--" if name.startswith("k-means") else "-",
        )
    ax.set(xlabel="impostors let in", ylabel="targets missed")
    ax.set_title("Detection error trade-off", fontsize=11, color=INK, loc="left")
    ax.grid(color="#e2e8f0", linewidth=0.8)
    ax.legend(fontsize=8.5, frameon=False, loc="lower left")
    ax.set_xlim(-3.0, 1.0)
    ax.set_ylim(-2.5, 1.0)


def draw_sizes(
    ax: Axes,
    results: Results,
    painted: Mapping[str, str],
    figure: Callable[[Result], float],
    label: str,
) -> None:
    """Draw a figure of every resample against the bytes kept, and a line through each kind."""
    for kind, shades in SHADES.items():
        names = [name for name in painted if name.startswith(kind)]
        sizes = [values(results, name, lambda r: r.background.n_bytes).mean() for name in names]
        means = [values(results, name, figure).mean() for name in names]
        order = np.argsort(sizes)
        style = "--" if kind == "k-means" else "-"
        ax.plot(np.array(sizes)[order], np.array(means)[order], style, color=shades[-1], lw=1.4)
        for name, size in zip(names, sizes, strict=True):
            each = values(results, name, figure)
            ax.scatter(np.full(len(each), size), each, s=26, color=painted[name], lw=0, zorder=3)
    ax.set_xscale("log")
    ax.set_ylabel(label, fontsize=9.5, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e2e8f0", linewidth=0.8)
