"""Where density was gained and lost: the witness of a difference between two sketches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from sklearn.utils.validation import check_array

from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.drift.waves import WaveDifferences
from sketchlearn.sources.frames import align_rows
from sketchlearn.synthesis import synthesize

# Numbers of waves that are held at a time.
BLOCK = 2**20


@final
@dataclass(frozen=True, eq=False)
class Witness:
    r"""The difference of two smoothed densities, second less first, at rows.

    .. math:: f(x) = \frac1m \sum_j \Re \, \overline{e^{i \omega_j^\top x}} (z_{b,j} - z_{a,j})

    It is the function by whose means the two populations differ most, for its size (Gretton et
    al., "A kernel two-sample test", 2012, section 2.3). The mean of f over the second sketch's
    rows, less that over the first's, is their squared distance over m.

    Attributes
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Where.
    values : ndarray of shape (n_samples,)
        Above zero where density was gained, below where it was lost; within -2 and 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, compare
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(2000, 1))
    >>> sketcher = Sketcher(100, paired=True, random_state=0).fit(X)
    >>> comparison = compare(sketcher.sketch(X), sketcher.sketch(X + 0.5))
    >>> comparison.witness([[-1.0], [1.5]]).values > 0.0
    array([False,  True])
    """

    rows: np.ndarray
    values: np.ndarray

    def gained(self, n: int = 10) -> np.ndarray:
        """Return the rows (at most n, n_features) where most density was gained, most first."""
        order = np.argsort(-self.values, kind="stable")[: check_count(n, "n")]
        return self.rows[order[self.values[order] > 0.0]]

    def lost(self, n: int = 10) -> np.ndarray:
        """Return the rows (at most n, n_features) where most density was lost, most first."""
        order = np.argsort(self.values, kind="stable")[: check_count(n, "n")]
        return self.rows[order[self.values[order] < 0.0]]


def find_witness(
    differences: WaveDifferences, X: Any, n_samples: int, random_state: RandomState
) -> Witness:
    """Return the witness at rows, or at made-up ones; see `Comparison.witness`."""
    a, b = differences.a, differences.b
    if X is None:
        rows = _make_up_rows(differences, check_count(n_samples, "n_samples", 2), random_state)
    else:
        rows = check_array(align_rows(X, a.feature_names or b.feature_names), dtype=np.float64)
    if rows.shape[1] != a.n_features:
        raise ValueError(
            f"X must have {a.n_features} features, as the sketches, got {rows.shape[1]}"
        )
    operator = a.operator
    d = differences.means[1] - differences.means[0]
    values, size = np.empty(len(rows)), max(1, BLOCK // len(d))
    for start in range(0, len(rows), size):
        block = operator.domain.clip(rows[start : start + size]) - operator.center
        waves = operator.features.waves(operator.project(block))
        values[start : start + size] = (waves.conjugate() @ d).real / len(d)
    return Witness(rows, values)


def _make_up_rows(
    differences: WaveDifferences, n_samples: int, random_state: RandomState
) -> np.ndarray:
    """Return rows whose waves are those of both sketches, half of each."""
    rng = np.random.default_rng(draw_seed(random_state))
    half = n_samples // 2
    parts = zip((differences.a, differences.b), (half, n_samples - half), strict=True)
    return np.concatenate(
        [synthesize(one, n, random_state=int(rng.integers(2**31 - 1))) for one, n in parts]
    )
