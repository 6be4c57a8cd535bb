r"""Operators drawn without data, alike bit for bit on every machine.

Nothing here hangs on the rounding of a library: sums of the dot products are in one order, and
logarithms and powers are made of additions, multiplications, divisions and square roots, which
IEEE 754 rounds correctly everywhere. ``docs/guide/file_format.md`` says line by line what is
computed, for who writes it again in another language.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, Literal, cast

import numpy as np

from sketchlearn._kernels.reflections import multiply_reflections
from sketchlearn._validation import (
    RandomState,
    check_count,
    check_numbers,
    check_positive,
    draw_seed,
)
from sketchlearn.features import FeatureMap, Signs, Waves
from sketchlearn.features.accumulator import single_phase_limit
from sketchlearn.features.moments import MOST_FULL_FEATURES, MomentChoice
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.frequencies.covariance import CovarianceMatrix
from sketchlearn.frequencies.domain import LARGEST, describe_box
from sketchlearn.linear_maps import DenseMap, HadamardMap, LinearMap
from sketchlearn.linear_maps.streams import GOLDEN, Stream, to_uniform
from sketchlearn.sketching.pairing import check_paired, count_drawn, pair_frequencies
from sketchlearn.sketching.pilot import DEFAULT_N_CLUSTERS
from sketchlearn.sketching.tuning import (
    BANDWIDTH,
    require_memory_to_draw,
    resolve_frequency_count,
    resolve_operator,
)

LN2 = 0.6931471805599453
SQRT_HALF = 0.7071067811865476
TWO_PI = 6.283185307179586
# Terms of the series of the logarithm and of the power, whose rest is below 2^-53.
LOGARITHM_TERMS, POWER_TERMS = 12, 20
# Numbers of the streams of a seed; that of fast transforms' signs is 3.
RADII, SCALES, DIRECTIONS, DITHERS = 0, 1, 2, 4
# Kinds of which there are operators without data.
PORTABLE_MAPS, PORTABLE_FEATURES = ("dense", "fast"), ("waves", "signs")
# How many times as wide as rows are, a box is taken to be where it comes to their largest phase.
WIDE = 3.0
# Features up to which moments are full, 34 MB of them.
MOST_FULL = 2048
# Octaves below the scale of the box, between which those of clusters may be: a box twice as wide as
# the rows to one eight times as wide, or clusters that are narrower than their share of the rows.
OCTAVES = 1.0, 4.0
# Width of a box in standard deviations of its rows, for the columns' own pairs of frequencies.
WIDTH_OF_SPREAD = 5.0


def logarithm(x: np.ndarray) -> np.ndarray:
    r"""Return natural logarithms of positive numbers.

    With :math:`x = f 2^e`, f from :math:`\sqrt{1/2}` to :math:`\sqrt 2`, and
    :math:`z = (f - 1) / (f + 1)`, it is
    :math:`e \ln 2 + 2 z (1 + z^2 / 3 + z^4 / 5 + \dots)`, to the twelfth term, by Horner's rule.
    """
    f, e = np.frexp(x)
    is_low = f < SQRT_HALF
    f, e = np.where(is_low, f + f, f), np.where(is_low, e - 1, e)
    z = (f - 1.0) / (f + 1.0)
    square, series = z * z, np.zeros_like(z)
    for k in range(LOGARITHM_TERMS - 1, -1, -1):
        series = series * square + 1.0 / (2 * k + 1)
    return np.asarray(e * LN2 + (z + z) * series)


def power_of_two(x: np.ndarray) -> np.ndarray:
    r"""Return :math:`2^x`.

    With n the integer below x and :math:`y = (x - n) \ln 2`, it is :math:`2^n` times
    :math:`1 + y (1 + y / 2 (1 + y / 3 (\dots)))`, to the twentieth term, from the inside out.
    """
    n = np.floor(x)
    y = (x - n) * LN2
    series = np.ones_like(y)
    for k in range(POWER_TERMS, 0, -1):
        series = 1.0 + series * (y / k)
    return np.asarray(np.ldexp(series, n.astype(np.int32)))


def add_up(values: np.ndarray) -> float:
    """Return the sum of a vector, one number after the other."""
    total = 0.0
    for value in values.tolist():
        total += value
    return total


def draw_radii(n: int, stream: Stream) -> np.ndarray:
    r"""Draw radii (n,) of density proportional to :math:`\sqrt{R^2 + R^4/4}\, e^{-R^2/2}`.

    That of `AdaptedRadius`. With :math:`t = R^2 / 2` it is :math:`\sqrt{1 + t/2}\, e^{-t}`, below
    :math:`(1 + t/4)\, e^{-t}`: four times in five an exponential variable, else the sum of two,
    which is taken with probability :math:`\sqrt{1 + t/2} / (1 + t/4)`, else drawn again.
    """
    radii, start = np.empty(0), 0
    while len(radii) < n:
        stop = start + n - len(radii) + 16
        which, first, second, chance = stream.uniform(4 * start, 4 * stop).reshape(-1, 4).T
        t = -logarithm(first)
        t = np.where(which < 0.8, t, t - logarithm(second))
        below = chance * (1.0 + 0.25 * t)
        taken = t[below * below < 1.0 + 0.5 * t]
        radii, start = np.append(radii, np.sqrt(taken + taken)), stop
    return radii[:n]


def draw_octaves(n: int, octaves: tuple[float, float], stream: Stream) -> np.ndarray:
    """Draw numbers (n,) spread evenly between two: steps of the golden ratio from a random one."""
    start, (low, high) = stream.words(0, 1), octaves
    turns = to_uniform(start + np.arange(n, dtype=np.uint64) * GOLDEN)
    return low + (high - low) * turns


def draw_normal(n: int, stream: Stream) -> np.ndarray:
    """Draw standard normal numbers (n,) by Marsaglia's polar method.

    A pair of uniform numbers makes a point of the square from -1 to 1; of one within the circle,
    but not at its centre, at squared distance s, both coordinates times
    ``sqrt(-2 log(s) / s)`` are taken.
    """
    normal, start = np.empty((0, 2)), 0
    while 2 * len(normal) < n:
        # As many as make enough four times in five, and some.
        stop = start + (5 * (n - 2 * len(normal))) // 7 + 16
        points = 2.0 * stream.uniform(2 * start, 2 * stop).reshape(-1, 2) - 1.0
        x, y = points.T
        square = x * x + y * y
        is_within = (square < 1.0) & (square > 0.0)
        points, square = points[is_within], square[is_within]
        factors = np.sqrt(-2.0 * logarithm(square) / square)
        normal, start = np.append(normal, points * factors[:, None], axis=0), stop
    return normal.ravel()[:n]


def draw_directions(d: int, m: int, stream: Stream) -> np.ndarray:
    r"""Draw unit columns (d, m), each uniform on the sphere, orthogonal within each d in a row.

    Columns of products of reflections that map normal vectors of d, d - 1, ... numbers onto axes
    (Stewart, "The efficient generation of random orthogonal matrices with an application to
    condition estimators", 1980, section 3), uniform over the orthogonal group.
    """
    blocks = []
    for i, seed in enumerate(stream.words(0, -(-m // d))):
        w = min(d, m - i * d)
        is_used = np.arange(d) >= np.arange(w)[:, None]
        normal, block = np.zeros((w, d)), np.zeros((d, w))
        normal[is_used] = draw_normal(int(is_used.sum()), Stream(int(seed), 0))
        multiply_reflections(normal, block)
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def draw_map(
    m: int,
    scale: float,
    octaves: tuple[float, float],
    units: np.ndarray,
    seed: int,
    operator: str,
) -> LinearMap:
    """Draw frequencies per unit of the data, as a matrix or as fast transforms.

    Parameters
    ----------
    m : int
        Number of frequencies.
    scale : float
        Standard deviation of a cluster, where octaves are zero.
    octaves : tuple of two floats
        Between which numbers u frequencies are for clusters of :math:`2^{-u}` scales.
    units : ndarray of shape (d,)
        What columns are divided by.
    seed : int
        From 0 to 2^64 - 1; everything random follows from it.
    operator : {"dense", "fast"}
        Kind of the map.
    """
    d = len(units)
    scales = scale * power_of_two(-draw_octaves(m, octaves, Stream(seed, SCALES)))
    # What float32 does not have, the map refuses.
    with np.errstate(over="ignore", divide="ignore"):
        lengths = draw_radii(m, Stream(seed, RADII)) / (TWO_PI * BANDWIDTH * scales)
        if operator == "fast":
            drawn: LinearMap = HadamardMap.draw_seeded(lengths, d, seed)
            return drawn if np.all(units == 1.0) else drawn.stretched(1.0 / units)
        directions = draw_directions(d, m, Stream(seed, DIRECTIONS))
        return DenseMap((directions * lengths / units[:, None]).astype(np.float32))


def draw_features(m: int, seed: int, features: str) -> FeatureMap:
    """Draw a feature map of m frequencies: dithers are the bytes of a stream's words, in order."""
    if features == "waves":
        return Waves()
    words = Stream(seed, DITHERS).words(0, -(-m // 8))
    return Signs(words.astype("<u8").view(np.uint8)[:m])


def draw_domain_operator(
    lower: Any,
    upper: Any,
    n_clusters: int | None,
    n_frequencies: int | Literal["auto"],
    random_state: RandomState,
    clips: bool = False,
    radius: float | None = None,
    paired: bool = False,
    operator: str = "dense",
    features: str = "waves",
) -> FrequencyOperator:
    r"""Draw the operator of rows of which no more is known than a box that they should lie in.

    The covariance is that of rows spread evenly over the box, or over an ellipsoid of a radius in
    it, see `Domain`, where that is less. Columns are divided by powers of four, the greatest that
    are no more than their width over the narrowest one's: a sketch that a
    column of dollars drowns one of years in tells nothing of years, whatever is asked of it later,
    while columns that differ by less stay alike, as k-means needs.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong kind or out of range, see `Sketcher.from_domain`.
    """
    lower, upper = check_box(lower, upper)
    is_paired = check_paired(paired, operator, features)
    operator = "dense" if is_paired else operator
    kind = _choose_from(resolve_operator(operator, len(lower)), PORTABLE_MAPS, "operator")
    features = _choose_from(features, PORTABLE_FEATURES, "features")
    k = DEFAULT_N_CLUSTERS if n_clusters is None else check_count(n_clusters, "n_clusters")
    m = resolve_frequency_count(n_frequencies, k, len(lower))
    require_memory_to_draw(len(lower), m, kind, is_paired)
    drawn = draw_seed(random_state)
    seed = int(random_state) if isinstance(random_state, Integral) else drawn
    widths = upper - lower
    units = choose_units(widths)
    if radius is not None:
        radius = check_positive(radius, "radius")
        if not clips:
            raise ValueError("radius says where rows are clipped to: it needs clip=True")
    center, covariance = describe_box(lower, upper, radius)
    variances = np.diagonal(covariance)
    d = len(widths)
    cells = float(power_of_two(-logarithm(np.array([float(k)])) / LN2 / d)[0])
    scale = float(np.sqrt(add_up(variances / (units * units)) / d)) * cells
    coarsest, finest = (scale * float(power_of_two(np.array([-u]))[0]) for u in OCTAVES)
    n_drawn = count_drawn(m, d) if is_paired else m
    linear_map = draw_map(n_drawn, scale, OCTAVES, units, seed, kind)
    if is_paired:
        linear_map = pair_frequencies(cast(DenseMap, linear_map), widths / WIDTH_OF_SPREAD, m)
    corner, squares = np.zeros((2, m))
    for turns, width in zip(linear_map.rows_in_turns(), widths.tolist(), strict=True):
        reach = np.abs(turns) * (0.5 * width)
        corner += reach
        squares += reach * reach
    if radius is not None:
        corner = np.minimum(corner, radius * np.sqrt(squares))
    return FrequencyOperator(
        linear_map,
        Domain(center, coarsest, CovarianceMatrix(covariance), lower, upper, finest, clips, radius),
        draw_features(m, seed, features),
        double_phases=bool(corner.max() > WIDE * single_phase_limit(d) / TWO_PI),
    )


def _choose_from(choice: Any, known: tuple[str, ...], name: str) -> str:
    """Return one of the words that there are operators without data of."""
    if choice not in known:
        raise ValueError(
            f"{name} of a sketcher that saw no row must be one of "
            f"{', '.join(map(repr, known))}, got {choice!r}"
        )
    return str(choice)


def choose_moments(n_features: int) -> MomentChoice:
    """Return which moments sketches need that have no pilot's covariance: full ones, if they can.

    Wide rows are decoded along the directions in which they are widest, which nothing else tells.
    """
    return "full" if MOST_FULL_FEATURES < n_features <= MOST_FULL else "auto"


def choose_units(widths: np.ndarray) -> np.ndarray:
    """Return the greatest powers of four that are no more than widths over the least of them."""
    _, exponents = np.frexp(widths / widths.min())
    return np.asarray(np.ldexp(1.0, (exponents - 1) // 2 * 2))


def check_box(lower: Any, upper: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a box (n_features,) each, in float64.

    Raises
    ------
    TypeError
        If they are no numbers.
    ValueError
        If they are no vectors of one length, a number is not finite or beyond 1e150, or lower is
        not less than upper in every feature.
    """
    corners = {"lower": lower, "upper": upper}
    for name, values in corners.items():
        corner = check_numbers(values, name)
        if corner.ndim != 1 or not len(corner):
            raise ValueError(
                f"{name} must have shape (n_features,), a number for each feature, "
                f"got shape {corner.shape}"
            )
        is_wrong = ~(np.abs(corner) <= LARGEST)
        if is_wrong.any():
            j = int(is_wrong.argmax())
            raise ValueError(
                f"{name} must be finite and within {LARGEST:.0e} of zero, got {corner[j]} for "
                f"feature {j}"
            )
        corners[name] = corner
    lower, upper = corners["lower"], corners["upper"]
    if len(lower) != len(upper):
        raise ValueError(
            f"lower and upper must have one number for each feature, got {len(lower)} and "
            f"{len(upper)}"
        )
    if not np.all(lower < upper):
        j = int((lower >= upper).argmax())
        raise ValueError(
            f"lower must be less than upper in every feature, got {lower[j]} and {upper[j]} for "
            f"feature {j}"
        )
    return lower, upper


def check_names(names: Sequence[str], n_features: int) -> np.ndarray:
    """Return names of features (n_features,), distinct strings.

    Raises
    ------
    TypeError, ValueError
        If they are no strings, not as many as the features, or repeat.
    """
    given = [] if isinstance(names, str) or not isinstance(names, Iterable) else [*names]
    if not (given and all(isinstance(name, str) for name in given)):
        raise TypeError(f"feature_names must be strings, one for each feature, got {names!r}")
    if len(given) != n_features:
        raise ValueError(
            f"feature_names must be {n_features}, one for each feature, got {len(given)}: {given}"
        )
    if repeated := [name for name in dict.fromkeys(given) if given.count(name) > 1]:
        raise ValueError(f"feature_names must differ from each other, got {repeated} repeatedly")
    return np.array(given, dtype=object)
