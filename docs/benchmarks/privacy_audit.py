"""A lower bound on epsilon from releases of neighbouring sketches: an audit of the mechanism.

Run from the root of a checkout; it takes some minutes a setting, and prints a table::

    python -m docs.benchmarks.privacy_audit [--releases 10000] [--seed 0] [--neighbors replace]
                                            [--settings 4:0.01,16:0.01]

The attacker knows all rows but one, and the mechanism; of each release it computes the likelihood
ratio of the two neighbours, more than which no test tells. How often that exceeds a threshold under
either neighbour bounds epsilon from below, with confidence by Clopper and Pearson's intervals. The
bound must not exceed what is claimed; how near it comes says how much of the claim is slack, and
how much the number of releases. Nobody can repeat the noise that is drawn, so figures vary.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import beta

from sketchlearn import Sketch, Sketcher
from sketchlearn.privacy import Budget, Mechanism, PrivateSketch, release
from sketchlearn.privacy.accounting import Neighbors
from sketchlearn.privacy.queries import compute_parts, sensitivities

CONFIDENCE = 0.95
# Rows of which two are chosen.
N_GRID = 201
# Claims, as epsilon and delta.
SETTINGS = (
    (0.25, 0.01),
    (0.5, 0.01),
    (1.0, 0.01),
    (2.0, 0.01),
    (4.0, 0.01),
    (8.0, 0.01),
    (1.0, 0.0),
    (4.0, 0.0),
)
RELATIONS: tuple[Neighbors, ...] = ("add-remove", "replace")


def make_neighbours(neighbors: Neighbors, seed: int = 0) -> tuple[Sketch, Sketch]:
    """Return sketches of neighbouring data sets that are as far apart as any, or nearly so.

    A row at a corner of the box, where it is added, moves all parts by their bounds. Where it is
    replaced, all pairs of a grid are tried.
    """
    sketcher = Sketcher.from_domain([0.0], [1.0], n_frequencies=2, clip=True, random_state=seed)
    rows = np.random.default_rng(seed).uniform(size=(20, 1))
    if neighbors == "add-remove":
        return sketcher.sketch(rows), sketcher.sketch(np.vstack([rows, [[1.0]]]))
    one, other = find_farthest_rows(sketcher)
    return sketcher.sketch(np.vstack([rows, one])), sketcher.sketch(np.vstack([rows, other]))


def find_farthest_rows(sketcher: Sketcher) -> tuple[np.ndarray, np.ndarray]:
    """Return the two rows (1, 1) whose exchange is the least hidden by Gaussian noise."""
    grid = np.linspace(0.0, 1.0, N_GRID)[:, None]
    moved = sensitivities(sketcher.operator_, "full", "replace", 1, 2)
    scales = Mechanism.choose(1.0, 1e-6, "replace", 1, moved, moments_share=0.1).scales
    sketches = [sketcher.sketch(row[None]) for row in grid]
    parts = [compute_parts(each.operator, each.sums) for each in sketches]
    units = np.array(
        [np.concatenate([each[key] / scales[key] for key in scales]) for each in parts]
    )
    one, other = np.unravel_index(np.argmax(cdist(units, units)), (N_GRID, N_GRID))
    return grid[[one]], grid[[other]]


def draw_scores(
    sketches: tuple[Sketch, Sketch],
    n_releases: int,
    epsilon: float,
    delta: float,
    neighbors: Neighbors,
) -> np.ndarray:
    """Return log-likelihood ratios (2, n_releases) of so many releases of each sketch."""
    exact = [compute_parts(sketch.operator, sketch.sums) for sketch in sketches]
    scores = np.empty((2, n_releases))
    with warnings.catch_warnings():
        # Some twenty rows, with noise, may be more than one over delta.
        warnings.filterwarnings("ignore", message="delta = .* is not below one over")
        for place in np.ndindex(scores.shape):
            # Each release is a trial of its own.
            private = release(
                sketches[place[0]], epsilon=epsilon, delta=delta, neighbors=neighbors,
                budget=Budget(epsilon, delta),
            )  # fmt: skip
            scores[place] = compute_score(private, *exact)
    return scores


def compute_score(
    private: PrivateSketch, without: dict[str, np.ndarray], with_row: dict[str, np.ndarray]
) -> float:
    """Return the log-likelihood ratio of a release, of the exact parts of both neighbours."""
    mechanism, total = private.mechanisms[0], 0.0
    for part, scale in mechanism.scales.items():
        far, near = (
            np.abs((private.parts[part] - exact[part]) / scale) for exact in (without, with_row)
        )
        is_gaussian = mechanism.noise == "discrete gaussian"
        total += float(np.sum((far**2 - near**2) / 2.0 if is_gaussian else far - near))
    return total


def bound_epsilon(scores: np.ndarray, delta: float) -> float:
    """Return a lower bound on epsilon at the confidence, of scores (2, n) of both neighbours.

    Of both directions; thresholds are chosen on one half of the releases, the bound comes of the
    other.
    """
    half = scores.shape[1] // 2
    bounds = []
    for ordered in (scores, -scores[::-1]):
        chosen, held_out = ordered[:, :half], ordered[:, half:]
        candidates = np.quantile(chosen[1], np.linspace(0.01, 0.99, 99))
        best = max(candidates, key=lambda threshold: bound_at(chosen, threshold, delta))
        bounds.append(bound_at(held_out, best, delta))
    return max(bounds)


def bound_at(scores: np.ndarray, threshold: float, delta: float) -> float:
    """Return the log of the least hit rate, less delta, over the greatest of false alarms.

    Half of the risk is on either; both directions are looked at, so that it is a half once more.
    """
    n, risk = scores.shape[1], (1.0 - CONFIDENCE) / 4.0
    false, hits = np.count_nonzero(scores > threshold, axis=1)
    most_false = 1.0 if false == n else float(beta.ppf(1.0 - risk, false + 1, n - false))
    least_hits = 0.0 if hits == 0 else float(beta.ppf(risk, hits, n - hits + 1))
    return math.log(max(least_hits - delta, 1e-300) / most_false)


def main(argv: Sequence[str] | None = None) -> None:
    """Audit every setting, and print a table."""
    parser = argparse.ArgumentParser(description="Lower bounds on epsilon from releases.")
    parser.add_argument("--releases", type=int, default=10_000, help="of each of two neighbours")
    parser.add_argument("--seed", type=int, default=0, help="of the operator and the rows")
    parser.add_argument("--neighbors", default=",".join(RELATIONS), help="separated by commas")
    parser.add_argument(
        "--settings",
        default=",".join(f"{epsilon:g}:{delta:g}" for epsilon, delta in SETTINGS),
        help="epsilon:delta, separated by commas",
    )
    options = parser.parse_args(argv)
    settings = [tuple(map(float, each.split(":"))) for each in options.settings.split(",")]
    relations = [each for each in RELATIONS if each in options.neighbors.split(",")]
    print("| neighbors | delta | epsilon claimed | lower bound |\n|---|---|---|---|")
    for neighbors in relations:
        sketches = make_neighbours(neighbors, options.seed)
        for epsilon, delta in settings:
            scores = draw_scores(sketches, options.releases, epsilon, delta, neighbors)
            bound = bound_epsilon(scores, delta)
            print(f"| {neighbors} | {delta:g} | {epsilon:g} | {bound:.2f} |", flush=True)


if __name__ == "__main__":
    main()
