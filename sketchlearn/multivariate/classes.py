"""One Gaussian for each class, from the moments of the classes' sketches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sketchlearn.multivariate.shrinkage import shrink_covariances
from sketchlearn.sketches import SketchLike

# Least variance of a column within classes, as a fraction of its variance among all rows: columns
# are of whatever unit, so that no other column's tells.
LEAST_VARIANCE = 1e-9


class ClassMoments(NamedTuple):
    """Means and covariances of classes, and the least variances that there are.

    Attributes
    ----------
    means : ndarray of shape (k, d)
        Of the classes.
    covariances : ndarray of shape (k, d, d), or (k, d)
        Drawn towards the one that classes share, see `shrink_covariances`; or variances.
    least : ndarray of shape (d,)
        Least variance of each column, squared data units.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.multivariate import ClassMoments
    >>> ClassMoments(np.zeros((2, 1)), np.ones((2, 1)), np.array([1e-9])).least
    array([1.e-09])
    """

    means: np.ndarray
    covariances: np.ndarray
    least: np.ndarray


def describe_classes(sketches: Sequence[SketchLike], is_full: bool) -> ClassMoments:
    """Return means and shrunk covariances of the classes whose sketches these are.

    Parameters
    ----------
    sketches : sequence of SketchLike
        One a class, each of one row at least, with moments.
    is_full : bool
        Whether covariances are learned, or variances alone.

    Returns
    -------
    ClassMoments
        In data units.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.multivariate import describe_classes
    >>> from sketchlearn.sketching import make_moment_sketcher
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> sketcher = make_moment_sketcher(X)
    >>> found = describe_classes([sketcher.sketch(X), sketcher.sketch(X + 9.0)], is_full=True)
    >>> np.allclose(found.means[1] - found.means[0], 9.0)
    True
    """
    moments = [sketch.moments for sketch in sketches]
    counts = np.array([sketch.weight_sum for sketch in sketches])
    shares = counts / counts.sum()
    means = np.array([each.mean for each in moments])
    own = np.array([each.covariance if is_full else each.variance for each in moments])
    within = shares @ np.array([np.diagonal(each) if is_full else each for each in own])
    between = shares @ (means - shares @ means) ** 2
    total = within + between
    # A column that is constant tells no class from another, whatever its variance.
    least = np.where(total > 0.0, LEAST_VARIANCE * total, 1.0)
    scale = np.maximum(within, least)
    worth = np.array([count_worth(sketch, scale, is_full) for sketch in sketches])
    shrunk = shrink_covariances(own, worth, least)
    # A row is as far from a noisy mean as from the mean, and the noise beside.
    noise = np.array([sketch.mean_error**2 for sketch in sketches])
    shrunk += noise[:, :, None] * np.eye(len(scale)) if is_full else noise
    return ClassMoments(means, shrunk, least)


def count_worth(sketch: SketchLike, scale: np.ndarray, is_full: bool) -> float:
    r"""Return how many rows would tell a covariance as well as a sketch does, noise included.

    Of n rows of variances :math:`v_j` an entry of the covariance has the variance
    :math:`v_j v_k / n` or so, and a variance :math:`2 v_j^2 / n`, to which that of noise is added.

    Parameters
    ----------
    sketch : SketchLike
        Of the rows.
    scale : ndarray of shape (n_features,)
        Variances of the columns within classes.
    is_full : bool
        Whether it is a covariance that is told, or variances.
    """
    if sketch.is_exact:
        return sketch.weight_sum
    if is_full:
        noise = (sketch.covariance_error**2 / np.outer(scale, scale)).mean()
    else:
        noise = (sketch.variance_error**2 / (2.0 * scale**2)).mean()
    return 1.0 / (1.0 / sketch.weight_sum + float(noise))
