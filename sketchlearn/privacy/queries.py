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


def largest_coordinates(operator: FrequencyOperator) -> np.ndarray:
    r"""Return :math:`G_j` (n_features,) of the operator's box, as Python integers in grid steps."""
    grid, box = operator.moment_grid, operator.domain.box
    if box is None:
        raise ValueError("the operator has no box")
    per_step = np.ldexp(1.0, -grid.exponents)
    sides = [np.abs(np.rint((corner - grid.center) * per_step)) for corner in box]
    return np.array([max(int(each), 1) for each in np.maximum(*sides)], dtype=object)


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
    d, m = operator.n_features, operator.n_frequencies
    wave = operator.features.row_norms()[norm - 1]
    is_added = neighbors == "add-remove"
    twice = 1 if is_added else 2
    n_products = count_parts(operator, kind).get(SECOND, 0)
    n_mixed = 0 if kind != "full" else n_products - d
    found = {COUNT: 1.0} if is_added else {}
    if norm == 1:
        waves = twice * wave * m
        moments = {FIRST: float(twice * d), SECOND: float(d + twice * n_mixed)}
    else:
        waves = twice * wave * math.sqrt(m)
        moments = {FIRST: twice * math.sqrt(d), SECOND: math.sqrt(d + twice**2 * n_mixed)}
    if kind is not None:
        found |= {part: float(UNIT * moved) for part, moved in moments.items()}
    return {part: rows_per_person * moved for part, moved in {**found, WAVES: waves}.items()}


def compute_parts(operator: FrequencyOperator, sums: Sums) -> dict[str, np.ndarray]:
    """Return the integers of each part (n,) int64, without noise; weights are one."""
    parts = {COUNT: np.array([sums.n_samples])}
    if sums.moments is not None:
        parts |= _scale_moments(sums.moments, largest_coordinates(operator))
    return {**parts, WAVES: sums.feature_sum.ravel()}


def _scale_moments(moments: MomentSums, largest: np.ndarray) -> dict[str, np.ndarray]:
    """Return first and second moments in units of the box."""
    d = moments.n_features
    first, products = np.split(moments.integers, [d])
    bounds = largest**2
    if moments.kind == "full":
        j, k = np.triu_indices(d)
        bounds = largest[j] * largest[k]
    return {FIRST: _divide(first, largest), SECOND: _divide(products, bounds)}


def _divide(sums: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Return U times sums over bounds, rounded to the nearest integer, ties up."""
    top, bottom = 2 * UNIT * sums + bounds * ONE_WEIGHT, 2 * bounds * ONE_WEIGHT
    return np.asarray(top // bottom).astype(np.int64)
