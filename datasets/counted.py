"""Synthetic data of known numbers of clusters, from separated to overlapping, in many shapes.

`REPORTED` is what tables are made of, `CALIBRATION` what constants may be chosen on: other
generators, and smaller seeds (`FIRST_REPORTED_SEED`). Each draws rows of a seed, float64 (n, d), in
random order. Several follow in kind, by formula, the sets of Fränti and Sieranoja, "K-means
properties on six clustering benchmark datasets", Applied Intelligence 48, 2018.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Noise = Callable[[np.random.Generator, int, int], Rows]

# Arrangements of centres that are drawn, of which the one is taken whose nearest two are farthest
# apart.
N_ARRANGEMENTS = 2000


class Counted(NamedTuple):
    """The number of clusters, what kind of difficulty they are, and ``draw(seed)``."""

    n_clusters: int
    kind: str
    draw: Callable[[int], Rows]


def gaussian(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Return standard normal noise (n, d)."""
    return rng.standard_normal((n, d))


def student(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Return multivariate Student noise of five degrees of freedom, (n, d)."""
    return rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(5, (n, 1)) / 5)


def laplace(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Return independent Laplace noise of unit variance, (n, d)."""
    return rng.laplace(scale=np.sqrt(0.5), size=(n, d))


def ball(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Return points (n, d) uniform in a ball of radius two."""
    directions = rng.standard_normal((n, d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return 2.0 * directions * rng.random((n, 1)) ** (1.0 / d)


def crescent(rng: np.random.Generator, n: int, d: int) -> Rows:
    """Return Gaussian noise (n, d) whose first column is bent by the square of its last."""
    noise = rng.standard_normal((n, d))
    noise[:, 0] = 0.6 * noise[:, 0] + 0.5 * (noise[:, -1] ** 2 - 1.0)
    return noise


def draw_apart(k: int, d: int, least: float, rng: np.random.Generator) -> Rows:
    """Return centres (k, d) in a cube, the nearest two of them ``least`` apart.

    The cube is about as large as it must be, so that sets differ in arrangement, not in overlap.
    """
    half = least * k ** (1.0 / d)
    best, widest = np.empty((0, d)), -1.0
    for _ in range(N_ARRANGEMENTS):
        centers = rng.uniform(-half, half, size=(k, d))
        apart = np.linalg.norm(centers[:, None] - centers, axis=2) + 1e300 * np.eye(k)
        if apart.min() > widest:
            best, widest = centers, float(apart.min())
    return best * (least / widest)


def draw_around(
    centers: Rows,
    n: int,
    rng: np.random.Generator,
    *,
    shares: Rows | None = None,
    spreads: Rows | float = 1.0,
    stretch: float = 1.0,
    noise: Noise = gaussian,
) -> Rows:
    """Return rows (n, d) around centres (k, d) of given shares and standard deviations.

    Each cluster has axes of its own, along which standard deviations differ up to ``stretch``
    times, their geometric mean staying what it is.
    """
    k, d = centers.shape
    labels = rng.choice(k, size=n, p=shares)
    rows = noise(rng, n, d) * np.broadcast_to(spreads, k)[labels, None]
    if stretch > 1.0:
        axes = np.linalg.qr(rng.standard_normal((k, d, d)))[0]
        lengths = np.geomspace(stretch**-0.5, stretch**0.5, d)
        rows = np.einsum("nij,nj->ni", (axes * lengths)[labels], rows)
    return centers[labels] + rows


def draw_spaced(
    seed: int, k: int, d: int, n: int, least: float, stretch: float = 1.0, noise: Noise = gaussian
) -> Rows:
    """Return rows around centres ``least`` standard deviations apart."""
    rng = np.random.default_rng(seed)
    return draw_around(draw_apart(k, d, least, rng), n, rng, stretch=stretch, noise=noise)


def draw_unequal_widths(seed: int, k: int, d: int, n: int, factor: float) -> Rows:
    """Return rows of clusters whose standard deviations are from 1 to ``factor``."""
    rng = np.random.default_rng(seed)
    centers = draw_apart(k, d, 4.0 * factor, rng)
    return draw_around(centers, n, rng, spreads=np.geomspace(1.0, factor, k))


def draw_unequal_sizes(seed: int, k: int, d: int, n: int, factor: float) -> Rows:
    """Return rows of clusters whose shares differ up to ``factor`` times."""
    rng = np.random.default_rng(seed)
    shares = np.geomspace(1.0, factor, k)
    return draw_around(draw_apart(k, d, 8.0, rng), n, rng, shares=shares / shares.sum())


def draw_unbalance(seed: int) -> Rows:
    """Return three narrow clusters of 2,000 rows, and far off five wide ones of 100."""
    rng = np.random.default_rng(seed)
    near, far = draw_apart(3, 2, 8.0, rng), draw_apart(5, 2, 20.0, rng)
    centers = np.vstack([near, far + np.array([120.0, 0.0])])
    labels = rng.permutation(np.repeat(np.arange(8), [2000] * 3 + [100] * 5))
    spreads = np.where(labels < 3, 1.0, 2.5)[:, None]
    return centers[labels] + spreads * rng.standard_normal((6500, 2))


def draw_grid(seed: int, side: int, step: float) -> Rows:
    """Return a square grid of unit Gaussians in the plane, 600 rows each."""
    rng = np.random.default_rng(seed)
    steps = step * np.arange(float(side))
    return draw_around(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2), 600 * side**2, rng)


def draw_sine(seed: int, k: int) -> Rows:
    """Return unit Gaussians in the plane along a sine curve, 500 rows each."""
    rng = np.random.default_rng(seed)
    along = 6.5 * np.arange(float(k))
    return draw_around(np.column_stack([along, 12.0 * np.sin(along / 12.0)]), 500 * k, rng)


def draw_cigars(seed: int, k: int, n: int, length: float, gap: float) -> Rows:
    """Return parallel long Gaussians in the plane."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0.0, np.pi)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    rows = rng.standard_normal((n, 2)) * [length, 1.0]
    rows[:, 1] += gap * rng.integers(k, size=n)
    return rows @ axes


def draw_nested(seed: int, d: int, n: int, outer: float, inner: float) -> Rows:
    """Return four groups, far from each other, of three clusters each."""
    rng = np.random.default_rng(seed)
    groups = draw_apart(4, d, outer, rng)[:, None]
    members = np.stack([draw_apart(3, d, inner, rng) for _ in range(4)])
    return draw_around((groups + members).reshape(12, d), n, rng)


def draw_two(seed: int, d: int, n: int, apart: float) -> Rows:
    """Return two Gaussians of equal covariance along the diagonal."""
    rng = np.random.default_rng(seed)
    return draw_around(np.outer([0.0, apart], np.full(d, d**-0.5)), n, rng)


def _of(draw: Callable[..., Rows], kind: str, n_clusters: int, **parameters: Any) -> Counted:
    """Return a set whose generator takes its number of clusters as k."""
    return Counted(n_clusters, kind, partial(draw, k=n_clusters, **parameters))


REPORTED: dict[str, Counted] = {
    "one in 2 dimensions": _of(draw_spaced, "one", 1, d=2, n=8_000, least=1.0),
    "one in 6, stretched": _of(draw_spaced, "one", 1, d=6, n=20_000, least=1.0, stretch=6.0),
    "two, 5 sd apart": Counted(2, "round", partial(draw_two, d=2, n=2_000, apart=5.0)),
    "two in 16, 6 sd": Counted(2, "round", partial(draw_two, d=16, n=4_000, apart=6.0)),
    "sixteen in 16": _of(draw_spaced, "round", 16, d=16, n=8_000, least=14.0),
    "twenty in the plane": _of(draw_spaced, "round", 20, d=2, n=3_000, least=7.0),
    "thirty-five in the plane": _of(draw_spaced, "round", 35, d=2, n=5_250, least=7.0),
    "five by five": Counted(25, "round", partial(draw_grid, side=5, step=6.0)),
    "along a sine": _of(draw_sine, "round", 18),
    "ten in 10": _of(draw_spaced, "round", 10, d=10, n=50_000, least=8.0),
    "500 rows": _of(draw_spaced, "round", 6, d=2, n=500, least=8.0),
    "fifteen, 9 sd": _of(draw_spaced, "elongated", 15, d=2, n=5_000, least=9.0, stretch=2.0),
    "fifteen, 7 sd": _of(draw_spaced, "elongated", 15, d=2, n=5_000, least=7.0, stretch=2.0),
    "fifteen, 5 sd": _of(draw_spaced, "elongated", 15, d=2, n=5_000, least=5.0, stretch=2.0),
    "six in 4, 5-fold": _of(draw_spaced, "elongated", 6, d=4, n=20_000, least=12.0, stretch=5.0),
    "eight in 6, 4-fold": _of(draw_spaced, "elongated", 8, d=6, n=50_000, least=10.0, stretch=4.0),
    "cigars": _of(draw_cigars, "elongated", 4, n=10_000, length=9.0, gap=7.0),
    "widths 1 to 5 in 3": _of(draw_unequal_widths, "unequal", 8, d=3, n=20_000, factor=5.0),
    "widths 1 to 4 in the plane": _of(draw_unequal_widths, "unequal", 6, d=2, n=10_000, factor=4.0),
    "sizes 1 to 30 in 4": _of(draw_unequal_sizes, "unequal", 8, d=4, n=30_000, factor=30.0),
    "sizes 1 to 100 in the plane": _of(
        draw_unequal_sizes, "unequal", 7, d=2, n=50_000, factor=100.0
    ),
    "narrow, and wide and rare": Counted(8, "unequal", draw_unbalance),
    "groups of three in 4": Counted(
        12, "unequal", partial(draw_nested, d=4, n=30_000, outer=40.0, inner=8.0)
    ),
    "ten in 5, 4 sd": _of(draw_spaced, "overlapping", 10, d=5, n=50_000, least=4.0),
    "seven in the plane, 4 sd": _of(draw_spaced, "overlapping", 7, d=2, n=20_000, least=4.0),
    "nine in 3, 4.5 sd, stretched": _of(
        draw_spaced, "overlapping", 9, d=3, n=50_000, least=4.5, stretch=1.5
    ),
    "two, 3.5 sd": Counted(2, "overlapping", partial(draw_two, d=4, n=10_000, apart=3.5)),
    "Student in 3": _of(draw_spaced, "not Gaussian", 6, d=3, n=10_000, least=14.0, noise=student),
    "Laplace in 4": _of(draw_spaced, "not Gaussian", 7, d=4, n=10_000, least=12.0, noise=laplace),
    "discs": _of(draw_spaced, "not Gaussian", 8, d=2, n=5_000, least=7.0, noise=ball),
}

CALIBRATION: dict[str, Counted] = {
    "one in 3": _of(draw_spaced, "one", 1, d=3, n=5_000, least=1.0, stretch=3.0),
    "three in 2": _of(draw_spaced, "round", 3, d=2, n=3_000, least=6.0),
    "twelve in 3": _of(draw_spaced, "round", 12, d=3, n=6_000, least=7.0),
    "eight in 12": _of(draw_spaced, "round", 8, d=12, n=10_000, least=10.0),
    "twenty-four in 2": _of(draw_spaced, "round", 24, d=2, n=6_000, least=6.5),
    "nine in 2, 3-fold": _of(draw_spaced, "elongated", 9, d=2, n=4_000, least=9.0, stretch=3.0),
    "five in 5, 6-fold": _of(draw_spaced, "elongated", 5, d=5, n=10_000, least=13.0, stretch=6.0),
    "widths 1 to 3 in 4": _of(draw_unequal_widths, "unequal", 7, d=4, n=15_000, factor=3.0),
    "sizes 1 to 50 in 3": _of(draw_unequal_sizes, "unequal", 6, d=3, n=15_000, factor=50.0),
    "groups of three in 3": Counted(
        12, "unequal", partial(draw_nested, d=3, n=12_000, outer=50.0, inner=7.0)
    ),
    "400 rows": _of(draw_spaced, "round", 5, d=2, n=400, least=8.0),
    "six in 3, 4 sd": _of(draw_spaced, "overlapping", 6, d=3, n=15_000, least=4.0),
    "crescents": _of(draw_spaced, "not Gaussian", 5, d=2, n=6_000, least=10.0, noise=crescent),
}
