"""Weights under which a few kept rows have the sketch of all rows."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from sketchlearn._threads import on_one_blas_thread
from sketchlearn.sketches.sketch_like import SketchLike

# Frequencies that weigh in, the fewest and the most: more cost time and memory quadratically, and
# add little. And frequencies times rows, unless they are the fewest.
FEWEST_FREQUENCIES, MOST_FREQUENCIES = 100, 500
MOST_WAVES = 10_000 * MOST_FREQUENCIES


@on_one_blas_thread
def calibrated_weights(
    sketch: SketchLike,
    rows: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    most_frequencies: int = MOST_FREQUENCIES,
) -> np.ndarray:
    r"""Reweight rows, as little as need be, so that their sketch is the given one.

    With p the rows' shares, B the centred waves of the rows (real over imaginary), each times
    :math:`\sqrt{p_i}`, and y the difference of the sketches, the new shares are

    .. math:: \max\bigl(0,\; p + \sqrt{p} \circ B^T (B B^T + \lambda I)^{-1} y\bigr),
        \quad \lambda = \frac{n_p}{n} \frac{\mathrm{tr}(B B^T)}{2 m}

    with effective numbers of rows: a regression estimator in the survey sampler's sense (Deville
    and Sarndal, "Calibration estimators in survey sampling", JASA 1992, equation 2.2), its ridge
    the sampling noise of the sketch.

    Parameters
    ----------
    sketch : Sketch or PrivateSketch
        What the reweighted rows should look like.
    rows : ndarray of shape (p, n_features)
        Rows of the same data.
    weights : ndarray of shape (p,), optional
        Their positive weights; equal ones by default.
    most_frequencies : int, default=500
        How many of the sketch's frequencies weigh in at most; fewer of many rows.

    Returns
    -------
    ndarray of shape (p,)
        Non-negative weights of mean 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.sketches import calibrated_weights
    >>> X = np.random.default_rng(0).normal(size=(5000, 2))
    >>> sketch = Sketcher(50, random_state=0).fit(X).sketch(X)
    >>> some = X[X[:, 0] > -0.5][:500]
    >>> weights = calibrated_weights(sketch, some)
    >>> bool(abs(np.average(some[:, 0], weights=weights)) < abs(some[:, 0].mean()))
    True
    """
    shares = np.ones(len(rows)) if weights is None else weights
    shares = shares / shares.sum()
    m = min(most_frequencies, max(FEWEST_FREQUENCIES, MOST_WAVES // len(rows)))
    mean = sketch.centered_mean[:m]
    operator = sketch.operator
    turns = operator.linear_map.take(slice(m)).project_turns(rows - operator.center)
    waves = operator.features.take(slice(m)).stacked_waves(turns)
    own = shares @ waves
    difference = np.concatenate([mean.real, mean.imag]) - own
    if difference @ difference <= 1e-9 * len(mean):
        return shares * len(rows)
    waves -= own.astype(np.float32)
    waves *= np.sqrt(shares).astype(np.float32)[:, None]
    gram = (waves.T @ waves).astype(np.float64)
    ratio = 1.0 / (np.sum(shares**2) * sketch.n_effective)
    gram[np.diag_indices_from(gram)] += max(ratio, 1e-4) * np.trace(gram) / len(gram)
    change = np.sqrt(shares) * (waves @ cho_solve(cho_factor(gram), difference))
    shares = np.maximum(0.0, shares + change)
    return np.asarray(shares * (len(rows) / shares.sum()))
