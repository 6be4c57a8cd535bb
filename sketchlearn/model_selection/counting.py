"""How many clusters a sketch shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from sketchlearn._progress import progress_line, tell
from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.atoms import GAUSSIAN_FAMILIES
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.problem import check_enough_frequencies
from sketchlearn.model_selection.components import ComponentPath, Setting
from sketchlearn.model_selection.overlap import compute_valleys, group_components
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike

# From which share of the lower peak the density between two components is no valley.
SHALLOW = 0.8
COVARIANCE_TYPES = ("auto", *GAUSSIAN_FAMILIES)


@final
@dataclass(frozen=True, eq=False, repr=False)
class ClusterCount:
    """A number of clusters, and what it was chosen among.

    Attributes
    ----------
    n_clusters : int
        The chosen number.
    is_resolved : bool
        Whether that many Gaussians explain the sketch up to noise, fewer do not, and there is a
        valley between any two. If not, the number is that of separate heaps of rows, as far as
        they are known.
    mixtures : dict of int to Mixture
        The mixture of each candidate.
    criteria : dict of int to float
        What the choice is by, smaller being better: see `count_clusters`.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, count_clusters
    >>> X = np.random.default_rng(0).normal(size=(5_000, 2))
    >>> sketch = Sketcher(n_clusters=4, random_state=0).fit(X).sketch(X)
    >>> count = count_clusters(sketch, range(1, 5), random_state=0)
    >>> min(count.criteria, key=count.criteria.get)
    1
    """

    n_clusters: int
    is_resolved: bool
    mixtures: dict[int, Mixture]
    criteria: dict[int, float]

    def __repr__(self) -> str:
        tried = ", ".join(map(str, self.mixtures))
        return (
            f"ClusterCount(n_clusters={self.n_clusters}, is_resolved={self.is_resolved}, "
            f"tried {tried})"
        )


def count_clusters(
    sketch: SketchLike,
    candidates: Sequence[int] = range(1, 21),
    *,
    covariance_type: Literal["auto", "spherical", "diag", "full"] = "auto",
    decoder: Decoder | None = None,
    bounds: Sequence[Any] | None = None,
    random_state: RandomState = None,
    progress: bool = False,
) -> ClusterCount:
    r"""Decode one sketch for many clusters, merge them one by one, and say how many there are.

    The largest candidate is decoded once. Then the two components whose merger costs least become
    one, those around them move, and so on. What k components leave of the sketch is measured
    against its noise, numbers weighted by the inverse of their noise's covariance V:

    .. math:: J_k = (z - z_k)^T V^{-1} (z - z_k),

    which is about the number of numbers less that of the :math:`p_k` parameters where the mixture
    is right, whatever the overlap of its components. Of all k the one is chosen at which
    :math:`J_k + p_k \log n` is least, for n rows, among those whose components have five rows or
    more for each of their parameters, if there are such.

    Clusters that are no Gaussians take several components each. So components without a valley
    between them, one peak being seen from the other, count as one. The number is called resolved
    only if there are none, and :math:`J_k` is what noise can be: then the rows look like a sample
    of so many Gaussians. Clusters that touch or have other shapes are not resolved, however well
    they may have been counted.

    Parameters
    ----------
    sketch : Sketch or PrivateSketch
        At least one row; taken with `n_clusters` of the sketcher near the largest candidate.
    candidates : sequence of int, default=range(1, 21)
        Numbers of clusters to choose among. The largest should be more than there are.
    covariance_type : {"auto", "spherical", "diag", "full"}, default="auto"
        Of the mixture's components. "auto" is "full" where the sketch has numbers enough to tell
        such components and there are not too many parameters (up to 10 columns or so), else
        "spherical". For "diag" and "full" the sketch should have been taken with
        ``scale="columns"`` if columns differ in units.
    decoder : Decoder, default=MeanShift()
        From the sketch to the first mixture, of spherical components.
    bounds : (lower, upper), optional
        Corners of a box that all rows are in, as of `CompressiveKMeans`.
    random_state : int, RandomState, Generator or None
        Determines the decode.
    progress : bool, default=False
        Whether to show on a terminal how far it is; `on_progress` tells a program.

    Returns
    -------
    ClusterCount
        The number, whether it can be relied on, and the mixtures.

    Raises
    ------
    TypeError, ValueError
        If ``sketch`` is no `Sketch`, a candidate is no positive integer, or there is none, or the
        sketch is too small for one.

    References
    ----------
    Andrews, "Consistent moment selection procedures for generalized method of moments estimation",
    Econometrica 67(3), 1999 (the criterion); Hansen, "Large sample properties of generalized method
    of moments estimators", Econometrica 50(4), 1982 (J); Hennig, "Methods for merging Gaussian
    mixture components", Advances in Data Analysis and Classification 4, 2010 (valleys).

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, count_clusters
    >>> rng = np.random.default_rng(0)
    >>> X = rng.choice([-9.0, -3.0, 3.0, 9.0], size=(20_000, 1)) + rng.normal(size=(20_000, 2))
    >>> sketch = Sketcher(n_clusters=8, random_state=0).fit(X).sketch(X)
    >>> count_clusters(sketch, range(1, 9), random_state=0)
    ClusterCount(n_clusters=4, is_resolved=True, tried 1, 2, 3, 4, 5, 6, 7, 8)
    """
    if not isinstance(sketch, SketchLike):
        raise TypeError(f"count_clusters expected a Sketch, got {type(sketch).__name__}")
    numbers = _check_candidates(sketch, candidates)
    if covariance_type not in COVARIANCE_TYPES:
        raise ValueError(
            f"covariance_type must be one of {', '.join(map(repr, COVARIANCE_TYPES))}, "
            f"got {covariance_type!r}"
        )
    kind = None if covariance_type == "auto" else covariance_type
    setting = Setting.of(sketch, max(numbers), kind, Region.of(sketch, bounds))
    rng = np.random.default_rng(draw_seed(random_state))
    with progress_line() if progress else nullcontext():
        path = setting.find_path(numbers, decoder or MeanShift(), rng)
        tell(task="")
    mixtures = {k: setting.make_mixture(path.fits[k].mixture) for k in numbers}
    number, is_resolved = _choose(path, mixtures)
    return ClusterCount(number, is_resolved, mixtures, {k: path.criteria[k] for k in numbers})


def _choose(path: ComponentPath, mixtures: dict[int, Mixture]) -> tuple[int, bool]:
    """Return the number of clusters among those of the mixtures, and whether it is certain."""
    enough = [number for number in mixtures if path.has_enough_rows(number)]
    k = min(enough or mixtures, key=path.criteria.__getitem__)
    groups = group_components(compute_valleys(path.fits[k].mixture), SHALLOW)
    n_groups, quality = int(groups.max()) + 1, mixtures[k].quality
    is_right = path.is_noise(k) and quality.has_enough_rows and _has_moments(mixtures[k])
    if is_right and k == path.best and k == n_groups:
        return k, True
    return min(mixtures, key=lambda number: abs(number - n_groups)), False


def _has_moments(mixture: Mixture) -> bool:
    """Whether a mixture has the rows' moments, as far as its components can have them.

    Round ones in many dimensions have not the rows' variance along each, however right they are.
    """
    quality, at = mixture.quality, mixture.quality.thresholds
    if quality.verdict != "doubtful" or mixture.family.n_shape > 1:
        return quality.verdict == "good"
    has_spread = at.doubtful_spread <= quality.spread_ratio <= at.high_spread
    return has_spread and quality.moment_mismatch <= at.unexplained_mismatch


def _check_candidates(sketch: SketchLike, candidates: Any) -> list[int]:
    """Return the distinct candidates in order, checked before anything is decoded."""
    distinct: set[int] = set()
    if not isinstance(candidates, Iterable):
        raise TypeError(
            f"candidates must be numbers of clusters to try, as range(1, 9), got {candidates!r}"
        )
    for k in candidates:
        # One by one, since there may be more than memory holds; and before any is decoded.
        check_enough_frequencies(sketch, check_count(k, "each candidate"))
        distinct.add(int(k))
    if not distinct:
        raise ValueError("candidates must hold at least one number of clusters, got none")
    return sorted(distinct)
