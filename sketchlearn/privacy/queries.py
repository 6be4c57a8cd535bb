r"""The integers that are released, and how far one person's rows can move them.

A sketch of an operator that clips rows to a box, with weights of one, is made of n rows x within
the box. What is released of it, in :math:`U = 2^{20}` and the waves' :math:`Q = 2^{21}`:

- the count, n;
- first moments, :math:`\operatorname{rint}(U \sum g_j / G_j)` for each column;
- second moments, :math:`\operatorname{rint}(U \sum g_j g_k / (G_j G_k))` for each pair of columns,
  or each column;
- the waves' sums, two integers for each frequency.

Here :math:`g_j = \operatorname{rint}((x_j - c_j) / h_j)` is what the exact sums are made of, and
:math:`G_j` the larger of its magnitudes at the two sides of the box, by the same rounding. Taking
c, multiplying by a power of two and rounding to an integer are monotone in float64, so that
:math:`|g_j| \le G_j` for every x within the box, exactly.

**Lemma.** For integers n and reals :math:`a, b` with :math:`|a - b| \le n`,
:math:`|\operatorname{rint} a - \operatorname{rint} b| \le n`: rounding is monotone, and
:math:`\operatorname{rint}(a + n)` is :math:`\operatorname{rint}(a) + n` where ties go up.

A row adds at most U in magnitude to :math:`U \sum g_j / G_j`, which by the lemma moves the rounded
sum by at most U; and so for products. (Ties go up here, and division is that of Python's integers.)
To a wave's two sums it adds integers that `FeatureMap.row_norms` bounds, each by itself. So, for
one row that is added or taken away, d columns, p products, and m frequencies:

=========  ==============  ========================
part       L1              L2
=========  ==============  ========================
count      1               1
first      d U             sqrt(d) U
second     p U             sqrt(p) U
waves      m B1            sqrt(m) B2
=========  ==============  ========================

For a row that is replaced by another, the count stays, and the others change by no more than twice
as much; squares are never negative, so that theirs change by U at most. Rows of one person, g of
them, multiply all of this by g, by the triangle inequality.

**A radius.** Where the operator also moves rows to within a radius r of the middle, the root of the
sum of :math:`(g_j / G_j)^2` is at most R, which is r and what rounding may add to it
(`bound_radius`). Products of two columns are multiplied by :math:`w = 181/128 < \sqrt 2`, so that a
row's second moments, as a vector, are no longer than the matrix y y' of y = g / G, whose norm is
:math:`\|y\|^2 \le R^2`. Each part then is within the lesser of the bounds above, with products w
times as large (w U is an integer), and

======  ===============================  ==========================
part    L1                               L2
======  ===============================  ==========================
first   sqrt(d) R U + d                  R U + sqrt(d)
second  R^2 (1 + w (d - 1) / 2) U + p    R^2 U + sqrt(p)
======  ===============================  ==========================

(second, "diagonal": R^2 U + d and R^2 U + sqrt(d)). What is added is for rounding: of a difference
of sums each number changes by less than one. Of a row that is replaced the first moments change
twice as much, the second in L1 as well; in L2 by :math:`\sqrt 2` times as much, as
:math:`\|y y' - x x'\|^2 = \|y\|^4 + \|x\|^4 - 2 (x'y)^2`.
"""

from __future__ import annotations

import math

import numpy as np

from sketchlearn.features.moments import MomentKind, MomentSums, n_moments
from sketchlearn.frequencies import FrequencyOperator
from sketchlearn.privacy.accounting import Neighbors
from sketchlearn.sketches.fixed_point import WEIGHT_UNIT
from sketchlearn.sketches.sums import Sums

# What a row at the side of the box adds to moments.
UNIT = 2**20
ONE_WEIGHT = round(1.0 / WEIGHT_UNIT)
COUNT, FIRST, SECOND, WAVES = PARTS = ("count", "first", "second", "waves")
# What products of two columns are multiplied by where rows are within a radius: a fraction just
# below the square root of two.
NUMERATOR, DENOMINATOR = 181, 128


def largest_coordinates(operator: FrequencyOperator) -> np.ndarray:
    r"""Return :math:`G_j` (n_features,) of the operator's box, as Python integers in grid steps."""
    grid, box = operator.moment_grid, operator.domain.box
    if box is None:
        raise ValueError("the operator has no box")
    per_step = np.ldexp(1.0, -grid.exponents)
    sides = [np.abs(np.rint((corner - grid.center) * per_step)) for corner in box]
    return np.array([max(int(each), 1) for each in np.maximum(*sides)], dtype=object)


def product_weights(operator: FrequencyOperator, kind: MomentKind) -> np.ndarray:
    """Return what each of the second moments was multiplied by, (p,): see "A radius" above."""
    d = operator.n_features
    if kind != "full":
        return np.ones(d)
    j, k = np.triu_indices(d)
    mixed = 1.0 if operator.domain.radius is None else NUMERATOR / DENOMINATOR
    return np.where(j == k, 1.0, mixed)


def box_units(operator: FrequencyOperator) -> np.ndarray:
    r"""Return :math:`G_j h_j` (n_features,) float64, data units: what moments are multiples of."""
    steps = largest_coordinates(operator).astype(np.float64)
    return np.asarray(np.ldexp(steps, operator.moment_grid.exponents))


def count_parts(operator: FrequencyOperator, kind: MomentKind | None) -> dict[str, int]:
    """Return how many integers each part has that a release of such a sketch may have."""
    d = operator.n_features
    moments = {} if kind is None else {FIRST: d, SECOND: n_moments(d, kind) - d}
    return {COUNT: 1, **moments, WAVES: 2 * operator.n_frequencies}


def sensitivities(
    operator: FrequencyOperator,
    kind: MomentKind | None,
    neighbors: Neighbors,
    rows_per_person: int,
    norm: int,
) -> dict[str, float]:
    """Return how far one person's rows can move each part, as proved above.

    Parameters
    ----------
    operator : FrequencyOperator
        One that clips rows to its box.
    kind : {"full", "diagonal"} or None
        Which second moments there are.
    neighbors : {"add-remove", "replace"}
        What neighbouring data sets are.
    rows_per_person : int
        The most rows that a person has.
    norm : {1, 2}
        In sums of magnitudes, or in Euclidean distance.

    Returns
    -------
    dict of str to float
        By part; without the count where rows are replaced, which leaves it as it is.
    """
    m = operator.n_frequencies
    wave = operator.features.row_norms()[norm - 1]
    is_added = neighbors == "add-remove"
    twice = 1 if is_added else 2
    found = {COUNT: 1.0} if is_added else {}
    if kind is not None:
        in_box = _move_in_box(operator, kind, twice, norm)
        within = _move_within_radius(operator, kind, twice, norm) or in_box
        found |= {part: min(moved, within[part]) for part, moved in in_box.items()}
    found[WAVES] = twice * wave * (m if norm == 1 else math.sqrt(m))
    return {part: rows_per_person * moved for part, moved in found.items()}


def _move_in_box(
    operator: FrequencyOperator, kind: MomentKind, twice: int, norm: int
) -> dict[str, float]:
    """Return how far one row moves moments, as the box bounds it."""
    d = operator.n_features
    n_mixed = 0 if kind != "full" else count_parts(operator, kind)[SECOND] - d
    weight = 1.0 if operator.domain.radius is None else NUMERATOR / DENOMINATOR
    if norm == 1:
        first, second = float(twice * d), d + twice * weight * n_mixed
    else:
        first, second = twice * math.sqrt(d), math.sqrt(d + (twice * weight) ** 2 * n_mixed)
    return {FIRST: float(UNIT * first), SECOND: float(UNIT * second)}


def _move_within_radius(
    operator: FrequencyOperator, kind: MomentKind, twice: int, norm: int
) -> dict[str, float] | None:
    """Return how far one row moves moments, as the radius bounds it; None where there is none."""
    if operator.domain.radius is None:
        return None
    d, p = operator.n_features, count_parts(operator, kind)[SECOND]
    radius, weight = bound_radius(operator), NUMERATOR / DENOMINATOR
    if norm == 2:
        first, second = twice * radius, math.sqrt(twice) * radius**2
        return {FIRST: UNIT * first + math.sqrt(d), SECOND: UNIT * second + math.sqrt(p)}
    mixed = 0.0 if kind != "full" else 0.5 * weight * (d - 1)
    first, second = twice * math.sqrt(d) * radius, twice * radius**2 * (1.0 + mixed)
    return {FIRST: UNIT * first + d, SECOND: UNIT * second + p}


def bound_radius(operator: FrequencyOperator) -> float:
    r"""Return R, at least the root of :math:`\sum (g_j / G_j)^2` of any row that was clipped.

    With half widths :math:`b_j` of the box and the grid's steps :math:`h_j`: the computed distance
    of a row is right to a fraction of (d + 10) 2^-53, a coordinate that is moved and stored to
    2^-53 of the box's farthest side, that is to :math:`2^{-53} M_j / b_j`, and
    :math:`|g_j| / G_j` is at most :math:`(|x_j - c_j| / b_j + h_j / 2 b_j) / (1 - h_j / b_j)`, all
    but for fractions of 2^-52. Each of these is taken a thousand times as large here, or more,
    where that does not matter. Infinite where a step is as wide as half the box, which alone
    bounds the row then.
    """
    radius, box = operator.domain.radius, operator.domain.box
    if radius is None or box is None:
        raise ValueError("the operator has no radius")
    d, half = operator.n_features, 0.5 * box[1] - 0.5 * box[0]
    if np.any(half <= operator.moment_grid.steps):
        return math.inf
    farthest = np.maximum(np.abs(box[0]), np.abs(box[1])) / half
    steps = np.ldexp(1.0, operator.moment_grid.exponents) / half
    stored = 2.0**-40 * float(np.linalg.norm(farthest))
    gridded = 0.5 * float(np.linalg.norm(steps))
    moved = radius * (1.0 + 2.0**-40 * (d + 10)) + stored + gridded
    return moved * (1.0 + 2.0**-40) / (1.0 - float(steps.max()))


def compute_parts(operator: FrequencyOperator, sums: Sums) -> dict[str, np.ndarray]:
    """Return the integers of each part (n,) int64, without noise; weights are one."""
    parts = {COUNT: np.array([sums.n_samples])}
    if sums.moments is not None:
        is_within = operator.domain.radius is not None
        parts |= _scale_moments(sums.moments, largest_coordinates(operator), is_within)
    return {**parts, WAVES: sums.feature_sum.ravel()}


def _scale_moments(
    moments: MomentSums, largest: np.ndarray, is_within: bool
) -> dict[str, np.ndarray]:
    """Return first and second moments in units of the box; mixed ones weighted within a radius."""
    d = moments.n_features
    first, products = np.split(moments.integers, [d])
    bounds = largest**2
    if moments.kind == "full":
        j, k = np.triu_indices(d)
        bounds = largest[j] * largest[k]
        if is_within:
            products = np.where(j == k, products, NUMERATOR * products)
            bounds = np.where(j == k, bounds, DENOMINATOR * bounds)
    return {FIRST: _divide(first, largest), SECOND: _divide(products, bounds)}


def _divide(sums: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return U times sums over bounds, rounded to the nearest integer, ties up."""
    top, bottom = 2 * UNIT * sums + bounds * ONE_WEIGHT, 2 * bounds * ONE_WEIGHT
    return np.asarray(top // bottom).astype(np.int64)


def add_integers(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return sums of int64, cut at the ends of what int64 holds, as opendp does."""
    limits = np.iinfo(np.int64)
    total = a.astype(object) + b.astype(object)
    return np.clip(total, limits.min, limits.max).astype(np.int64)
