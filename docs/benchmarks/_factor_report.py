"""Page and figures of `factorization.py`, from its log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

Log = dict[str, Any]
COLORS = {"splits": "#c2410c", "L-BFGS": "#0f766e", "Adam": "#6366f1"}
KINDS = ("Fourier", "Hadamard", "random", "complex random", "rotations", "Gaussian noise")


def page(log: Log) -> str:
    """The whole page; parts that were not run are left out."""
    sections = {
        "finding": _finding,
        "applying": _applying,
        "closeness": _closeness,
        "descent": _descent,
        "bits": _bits,
        "supports": _supports,
    }
    heading = (
        "# Sparse factors\n\n"
        "Processor seconds on one thread, the least of several runs in turns with the rivals.\n"
        "Made by `docs/benchmarks/factorization.py`. What the methods are, and which statements\n"
        "about them are proved, is in [the guide](../guide/sparse_factors.md).\n\n"
        f"{log.get('machine', '')}.\n"
    )
    return heading + "".join(f(log[part]) for part, f in sections.items() if part in log)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _ms(seconds: float | None) -> str:
    """Milliseconds, or nothing."""
    if seconds is None:
        return ""
    return f"{1e3 * seconds:,.0f}" if seconds >= 1.0 else f"{1e3 * seconds:.3g}"


def _finding(rows: list[Any]) -> str:
    """How fast a Fourier matrix is factorised."""
    body = [
        [
            str(r["n"]),
            f"**{_ms(r['ours'])}**",
            _ms(r["left-to-right"]),
            _ms(r.get("lazylinop")),
            f"{r['error']:.1e}",
            f"{r['lazylinop error']:.1e}" if "lazylinop error" in r else "",
        ]
        for r in rows
    ]
    return (
        "\n## Finding the factors of a Fourier matrix\n\n"
        "`butterfly(A, permutation=...)` with the order of columns given; lazylinop's `ksd` with\n"
        "its default options on the columns in that order. Milliseconds, and relative errors in\n"
        "the Frobenius norm.\n\n"
    ) + table(
        ["n", "balanced", "left to right", "lazylinop", "our error", "lazylinop's error"], body
    )


def _applying(rows: list[Any]) -> str:
    """How fast the factors are applied."""
    text = (
        "\n## Applying them\n\n"
        "Milliseconds for the complex Fourier transform's factors; numpy's `fft` is what a\n"
        "program written for this one matrix does. lazylinop is spared the permutation.\n"
    )
    for batch in sorted({r["batch"] for r in rows}):
        body = [
            [
                str(r["n"]),
                f"**{_ms(r['ours'])}**",
                _ms(r["adjoint"]),
                _ms(r["dense"]),
                _ms(r.get("lazylinop")),
                _ms(r["fft"]),
                f"{r['dense'] / r['ours']:.1f}",
                f"{r['lazylinop'] / r['ours']:.1f}" if "lazylinop" in r else "",
            ]
            for r in rows
            if r["batch"] == batch
        ]
        name = "One vector" if batch == 1 else f"A batch of {batch}"
        text += f"\n{name}:\n\n" + table(
            ["n", "ours", "adjoint", "dense", "lazylinop", "fft", "dense / ours",
             "lazylinop / ours"], body
        )  # fmt: skip
    return text


def _closeness(rows: list[Any]) -> str:
    """How close noisy matrices are approximated."""
    ways = [k for k in rows[0] if k.startswith(("balanced", "left"))]
    cases = sorted({(r["n"], r["noise"]) for r in rows})
    body = []
    for n, noise in cases:
        of = [r for r in rows if (r["n"], r["noise"]) == (n, noise)]
        cuts = int(np.log2(n)) - 1
        body.append(
            [
                f"{n}",
                f"{noise:g}",
                f"{max(r['optimised'] / r['least'] for r in of):.3f}",
                *(f"{max(r[way] / r['optimised'] for r in of):.3f}" for way in ways),
                f"{np.sqrt(cuts):.2f}, {cuts}",
            ]
        )
    return (
        "\n## Noisy matrices\n\n"
        "Random real butterflies plus noise, the noise as a share of their root mean square; the\n"
        "worst of five seeds. *Optimised* is the best of L-BFGS on all factors at once from seven\n"
        "starts, four of them the butterflies beside it; *least* is `least_relative_error`, which\n"
        "nothing can beat. The last column has what is proved for orthonormalised splits, left to\n"
        "right and balanced.\n\n"
    ) + table(
        ["n", "noise", "optimised / least", *(f"{way} / optimised" for way in ways), "bounds"], body
    )


def _descent(rows: list[Any]) -> str:
    """Splits against gradient descent."""
    body = []
    for n in sorted({r["n"] for r in rows}):
        cells = [str(n)]
        for method in COLORS:
            curves = [r["curve"] for r in rows if (r["n"], r["method"]) == (n, method)]
            cells.append(_time_to(1e-10, curves))
        body.append(cells)
    return (
        "\n## Against gradient descent\n\n"
        "Seconds until the factors of the Fourier matrix, columns in bit-reversed order, have a\n"
        "relative error below 1e-10: median of three random starts. L-BFGS and Adam (best of\n"
        "three learning rates, each with the whole time) work on all factors at once, with one\n"
        "product of sparse factors and one of their adjoints an iteration.\n\n"
        + table(["n", *COLORS], body)
        + "\n![Error against seconds](../images/butterfly_descent.png)\n"
    )


def _time_to(error: float, curves: list[Any]) -> str:
    """Median of the times at which curves first fall below an error."""
    times = [next((t for t, e in curve if e < error), np.inf) for curve in curves]
    if np.isinf(median := np.median(times)):
        return f"not in {max(curve[-1][0] for curve in curves):.2g}"
    return f"{median:.2g}"


def _bits(rows: list[Any]) -> str:
    """How many bits quantising together saves."""
    saved = np.array([r["optimal, saved"] for r in rows])
    n_matrices = len({(r["kind"], r["n"]) for r in rows})
    low, median, high = 100 * np.quantile(saved, [0.25, 0.5, 0.75])
    body = []
    for kind in KINDS:
        cells = [kind]
        for method in ("optimal", "left-to-right", "pairwise"):
            of = [r[f"{method}, saved"] for r in rows if r["kind"] == kind]
            cells.append(f"{100 * np.median(of):.0f} %")
        body.append(cells)
    by_bits = [
        [str(b), *(
            f"{100 * np.median([r[f'{m}, saved'] for r in rows if r['bits'] == b]):.0f} %"
            for m in ("optimal", "left-to-right", "pairwise")
        )]
        for b in sorted({r["bits"] for r in rows})
    ]  # fmt: skip
    head = ["optimal", "left to right", "pairwise"]
    return (
        "\n## Fewer bits\n\n"
        "How many bits of significand fewer than rounding every entry, at equal error of the\n"
        f"product: {n_matrices} matrices, n = 16 to 256, 3 to 10 bits. Median **{median:.0f} %**,\n"
        f"half of all between {low:.0f} and {high:.0f} %. Hadamard's matrix has its rows and\n"
        "columns multiplied by random numbers; without, its factors are found exactly at one bit.\n"
        "Bits that rounding needs are interpolated between whole ones. Signs and exponents, which\n"
        "both need, are not counted.\n\n"
        + table(["median of", *head], body)
        + "\n"
        + table(["bits", *head], by_bits)
        + "\n![Error against bits](../images/butterfly_bits.png)\n"
    )


def _supports(rows: list[Any]) -> str:
    """Verdicts on supports."""
    body = [
        [
            f"{r['size']}",
            f"{r['density']:g}",
            *(f"{r.get(s, 0)}" for s in ("not closed", "closed", "unknown")),
            f"{r.get('proved', 0)}",
            f"{r['worst']:.0e}",
        ]
        for r in rows
        if "worst" in r
    ]
    times = [[f"{r['density']:g}", _ms(r["longest"])] for r in rows if "longest" in r]
    return (
        "\n## Supports\n\n"
        f"Random square supports, {rows[0]['n']} pairs of each kind. *Proved*: how many of those\n"
        "not closed came within 1e-6 of their target, within the supports, with weights of 1,000.\n"
        "*Worst*: by how much the exact projection of a Gaussian matrix on closed supports lost\n"
        "to the best of 20 optimisations, as a relative error; 0 where it never did.\n\n"
        + table(["size", "density", "not closed", "closed", "unknown", "proved", "worst"], body)
        + "\nThe longest of ten verdicts on 100 x 100 x 100, in milliseconds:\n\n"
        + table(["density", "ms"], times)
    )


def write_figures(log: Log, folder: Path) -> None:
    """Draw what was run."""
    if "descent" in log:
        _descent_figure(log["descent"]).savefig(folder / "butterfly_descent.png", dpi=110)
    if "bits" in log:
        _bits_figure(log["bits"]).savefig(folder / "butterfly_bits.png", dpi=110)


def _descent_figure(rows: list[Any]) -> Figure:
    """Error against seconds, a panel a size."""
    sizes = sorted({r["n"] for r in rows})
    figure = Figure(figsize=(2.4 * len(sizes) + 0.4, 2.9), facecolor="white")
    for ax, n in zip(
        figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0], sizes, strict=True
    ):
        for r in rows:
            if r["n"] != n:
                continue
            x, y = np.array(r["curve"]).T
            style = "*" if r["method"] == "splits" else "-"
            label = r["method"] if r.get("seed", 0) == 0 else None
            ax.plot(
                np.maximum(x, 1e-4), y, style, color=COLORS[r["method"]], lw=1, ms=9, label=label
            )
        ax.set(xscale="log", yscale="log", title=f"N = {n}", xlabel="processor seconds")
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("relative error")
    figure.axes[0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    return figure


def _bits_figure(rows: list[Any]) -> Figure:
    """Error against bits of four kinds at one size, and what is saved at every size."""
    figure = Figure(figsize=(9.5, 3.2), facecolor="white")
    left, right = figure.subplots(1, 2)
    largest = max(r["n"] for r in rows)
    colors = dict(
        zip(KINDS, ("#c2410c", "#a16207", "#0f766e", "#0ea5e9", "#6366f1", "#94a3b8"), strict=True)
    )
    for kind, color in colors.items():
        of = [r for r in rows if (r["kind"], r["n"]) == (kind, largest)]
        x = [r["bits"] for r in of]
        left.plot(x, [r["round"] for r in of], "--", color=color, lw=1)
        left.plot(x, [r["optimal"] for r in of], "-", color=color, lw=1.5, label=kind)
        mine = [r for r in rows if r["kind"] == kind]
        medians = [np.median([r["optimal, saved"] for r in mine if r["bits"] == b]) for b in x]
        right.plot(x, 100 * np.array(medians), "o-", ms=3, color=color)
    left.set(yscale="log", xlabel="bits of significand", ylabel="relative error")
    left.set_title(f"N = {largest}: together (solid), rounding (dashed)", fontsize=9)
    left.legend(frameon=False, fontsize=7)
    right.axhspan(25, 35, color="#e2e8f0", lw=0, zorder=0)
    right.set(xlabel="bits of significand", ylabel="% fewer bits at equal error", ylim=(0, 70))
    right.set_title("median over N = 16 to 256", fontsize=9)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    figure.tight_layout()
    return figure
