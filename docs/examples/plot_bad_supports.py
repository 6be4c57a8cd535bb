"""How often random supports are bad, and what happens to the weights on one of them.

Run from the root of a checkout::

    python -m docs.examples.plot_bad_supports [--figure FILE] [--supports N]
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sketchlearn.factorization import check_supports, ridge_path, square_dyadic

SIZES = {10: "#6366f1", 30: "#0f766e", 100: "#c2410c"}
DENSITIES = np.geomspace(0.005, 0.9, 23)
ALPHAS = [10.0**-k for k in range(1, 11)]
INK, PLAIN = "#0f172a", "#475569"


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a probability."""
    share = successes / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def statuses(n: int, density: float, n_supports: int) -> list[str]:
    """Verdicts on pairs of n x n supports whose entries are ones with one probability."""
    rng = np.random.default_rng([n, round(1e6 * density)])
    pairs = rng.random((n_supports, 2, n, n)) < density
    return [check_supports(left, right).status for left, right in pairs]


def draw_probabilities(ax: Axes, n_supports: int) -> None:
    """Share of pairs found not closed, and of those found closed, with 95 % bands."""
    for n, color in SIZES.items():
        found = [statuses(n, density, n_supports) for density in DENSITIES]
        for status, style in (("not closed", "-"), ("closed", ":")):
            counts = [one.count(status) for one in found]
            bands = np.array([wilson(count, n_supports) for count in counts])
            label = f"N = {n}, {status}" if status == "not closed" else f"{status}"
            ax.plot(DENSITIES, np.divide(counts, n_supports), style, color=color, label=label)
            ax.fill_between(DENSITIES, *bands.T, color=color, alpha=0.15, lw=0)
        shares = ", ".join(
            f"{d:.3f}: {one.count('not closed') / n_supports:.2f}"
            for d, one in zip(DENSITIES, found, strict=True)
        )
        print(f"N = {n}, share not closed at density {shares}", flush=True)
    ax.set(xscale="log", xlabel="density of both supports", ylabel="share of random pairs")
    ax.set_xticks([0.01, 0.03, 0.1, 0.3, 0.9], ["1 %", "3 %", "10 %", "30 %", "90 %"])
    ax.set_title("supports on which some target has no optimum", color=INK, fontsize=10)
    ax.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.15))


def draw_divergence(ax: Axes) -> None:
    """Largest weight along the ridge path, on triangular supports and on butterflies."""
    lower = np.tril(np.ones((4, 4)))
    first, second = (p.dense(np.ones((p.a, p.d, p.b, p.c))) for p in square_dyadic(4))
    # The identity with its middle turned round: a limit of triangular products, but none itself.
    target = np.eye(4)[[0, 2, 1, 3]]
    cases = [
        ("triangular (LU): not closed", "#c2410c", lower, lower.T),
        ("butterfly: closed", "#0f766e", first, second),
    ]
    for label, color, left, right in cases:
        path = ridge_path(target, left, right, ALPHAS)
        ax.plot(ALPHAS, [one.largest for one in path], "o-", ms=3, color=color, label=label)
        print(
            f"{label}: largest weight {path[0].largest:.2f} to {path[-1].largest:.2f}, relative "
            f"error {path[0].relative_error:.1e} to {path[-1].relative_error:.1e}"
        )
    ax.set(xscale="log", yscale="log", xlabel="ridge α, from right to left", ylim=(0.1, None))
    ax.set_title("largest weight as the ridge goes to zero", color=INK, fontsize=10)
    ax.legend(frameon=False, fontsize=8)


def draw(n_supports: int = 200) -> Figure:
    """Draw both panels."""
    figure = Figure(figsize=(10, 4.2), facecolor="white")
    axes = figure.subplots(1, 2)
    draw_probabilities(axes[0], n_supports)
    draw_divergence(axes[1])
    for ax in axes:
        ax.tick_params(labelsize=8, colors=PLAIN)
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the figure into a file."""
    parser = argparse.ArgumentParser(description="Draw how often random supports are bad.")
    parser.add_argument("--figure", type=Path, default=Path("docs/images/bad_supports.png"))
    parser.add_argument("--supports", type=int, default=200, help="pairs at each density")
    options = parser.parse_args(argv)
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    draw(options.supports).savefig(options.figure, dpi=110)
    print(f"Figure: {options.figure}")


if __name__ == "__main__":
    main()
