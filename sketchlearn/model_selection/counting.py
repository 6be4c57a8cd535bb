"""How many clusters a sketch shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import numpy as np

from sketchlearn._progress import progress_line, tell
from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.atoms import GAUSSIAN_FAMILIES
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.greedy.mean_shift import MeanShift
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.model_selection.cluster_count import ClusterCount
from sketchlearn.model_selection.components import ComponentPath, Setting
from sketchlearn.model_selection.overlap import compute_valleys, group_components
from sketchlearn.model_selection.stability import (
    N_ROWS,
    draw_rows,
    measure_silhouettes,
    measure_stabilities,
)
from sketchlearn.sketches.region import UNLIKE, Region, compare_widths
from sketchlearn.sketches.sketch_like import SketchLike, describe_no_sketch
from sketchlearn.sketching.tuning import n_principal

# From which share of the lower peak the density between two components is no valley.
SHALLOW = 0.8
# Principal components of many columns to count in: of 10 to 15 all of 18 development sets of 5 to
# 20 clusters were counted right, of 8 and of 20 not.
N_COMPONENTS = 12
COVARIANCE_TYPES = ("auto", *GAUSSIAN_FAMILIES)


def count_clusters(
    sketch: SketchLike,
    candidates: Sequence[int] = range(1, 21),
    *,
    covariance_type: Literal["auto", "spherical", "diag", "full"] = "auto",
    decoder: Decoder | None = None,
    bounds: Sequence[Any] | None = None,
    n_draws: int = 2,
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
    more for each of their parameters, if there are such. Where these have not the rows' exact mean
    and covariance, up to what noise leaves of them beside the sketch's, those are taken of a few
    more that have: a far cluster of few rows moves the covariance more than the sketch.

    Clusters that are no Gaussians take several components each. So components without a valley
    between them, one peak being seen from the other, count as one. The number is called resolved
    only if there are none, no component may be two of another's shape that the sketch would not
    show, and :math:`J_k` and what is left of mean and covariance are what noise can be: then the
    rows look like a sample of so many Gaussians. Clusters that touch or have other shapes are not
    resolved, however well they may have been counted. Real data often is of that kind. So the
    result also says, for each candidate, how stable its clusters are under other draws of the
    sketch's noise, and how far they stand apart on synthetic rows, drawn of the mixture at which
    the sum is least. Neither has a part in the choice.

    Parameters
    ----------
    sketch : Sketch or PrivateSketch
        At least one row; taken with `n_clusters` of the sketcher near the largest candidate. Of
        rows of more than 100 columns too few clusters are counted: reduce these to a dozen
        principal components, by `CompressivePCA`, and sketch those.
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
    n_draws : int, default=2
        How often the clusters are sought again with other noise, for their stability. A draw takes
        about a fifth of the time of the rest; 0 leaves stability out.
    random_state : int, RandomState, Generator or None
        Determines the decode and what is drawn.
    progress : bool, default=False
        Whether to show on a terminal how far it is; `on_progress` tells a program.

    Returns
    -------
    ClusterCount
        The number, whether it can be relied on, and the mixtures; ``print`` shows a table.

    Raises
    ------
    TypeError, ValueError
        If ``sketch`` is no `Sketch` or ``decoder`` no `Decoder`, a candidate is no positive
        integer, or there is none, the sketch is too small for one or of signs, or ``n_draws`` is no
        number of draws.

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
        raise TypeError(f"count_clusters expected a Sketch, {describe_no_sketch(sketch)}")
    if sketch.operator.features.has_overtones:
        raise ValueError(
            f"clusters are counted in sketches of waves, got {sketch.operator.features!r}, whose "
            "overtones look like clusters, of however many rows: sketch with features='waves'"
        )
    numbers = _check_candidates(sketch, candidates)
    if covariance_type not in COVARIANCE_TYPES:
        raise ValueError(
            f"covariance_type must be one of {', '.join(map(repr, COVARIANCE_TYPES))}, "
            f"got {covariance_type!r}"
        )
    if not isinstance(decoder, Decoder | None):
        raise TypeError(f"decoder must be a Decoder, got {type(decoder).__name__}")
    if n_draws != 0:
        check_count(n_draws, "n_draws, unless 0,")
    kind = None if covariance_type == "auto" else covariance_type
    setting = Setting.of(sketch, max(numbers), kind, Region.of(sketch, bounds))
    rng = np.random.default_rng(draw_seed(random_state))
    with progress_line() if progress else nullcontext():
        path = setting.find_path(numbers, decoder or MeanShift(), rng)
        rows = draw_rows(path.fits[path.best].mixture, N_ROWS, rng)
        stabilities = measure_stabilities(path, numbers, rows, n_draws, rng)
        tell(task="")
    silhouettes = measure_silhouettes(path, numbers, rows)
    mixtures = {k: setting.make_mixture(path.fits[k].mixture) for k in numbers}
    criteria = {k: path.criteria[k] for k in numbers}
    number, is_resolved, reason = _choose(path, mixtures)
    if not is_resolved:
        hints = [reason, describe_units(sketch), _describe_width(setting, max(numbers))]
        reason = " ".join(hint for hint in hints if hint)
    return ClusterCount(number, is_resolved, reason, mixtures, criteria, stabilities, silhouettes)


def describe_units(sketch: SketchLike) -> str:
    """Return what to do where columns are of so unlike units that some hardly count; "" if not."""
    region = Region.of(sketch)
    if (ratio := compare_widths(region.deviations / sketch.operator.units)) <= UNLIKE:
        return ""
    return (
        f"Columns differ in width {ratio:.2g} times, and the sketch shows "
        "little of the narrow ones: sketch with scale='columns', or leave columns out that are "
        "numbers of records and the like."
    )


def _describe_width(setting: Setting, most: int) -> str:
    """Return what counts of many columns lack, and what to do; "" where all directions are seen."""
    if setting.part is None or n_principal(d := setting.part.whole.n_features, most) == d:
        return ""
    n_sought = setting.sketch.n_features
    lack = f"Of {d} columns clusters are sought along {n_sought} directions only, which shows few."
    if not setting.sketch.is_exact:
        return lack
    return (
        f"{lack} Count those of the rows' first principal components: sketch "
        f"CompressivePCA({N_COMPONENTS}).fit_transform(X)."
    )


def _choose(path: ComponentPath, mixtures: dict[int, Mixture]) -> tuple[int, bool, str]:
    """Return the number of clusters among those of the mixtures, whether it is certain, and why."""
    enough = [number for number in mixtures if path.has_enough_rows(number)]
    k = min(enough or mixtures, key=path.criteria.__getitem__)
    if k == path.best and path.with_moments in enough:
        # Clusters of so few rows that noise hides them, which moments show.
        k = path.with_moments
    n_groups = int(group_components(compute_valleys(path.fits[k].mixture), SHALLOW).max()) + 1
    if doubt := _find_doubt(path, mixtures, k, n_groups):
        return min(mixtures, key=lambda number: abs(number - n_groups)), False, doubt
    if k == 1:
        return k, True, "one Gaussian explains the sketch up to its noise."
    return (
        k,
        True,
        "so many Gaussians explain the sketch up to its noise, fewer do not, and there is a valley "
        "between any two.",
    )


def _find_doubt(path: ComponentPath, mixtures: dict[int, Mixture], k: int, n_groups: int) -> str:
    """Return why k components are not known to be as many clusters; empty if nothing is against it.

    So many are seen as ``n_groups`` heaps, between which there are valleys.
    """
    heaps = "Any two of these Gaussians have a valley between them." if k > 1 else ""
    if n_groups < k:
        left = "1 is left" if n_groups == 1 else f"{n_groups} are left"
        heaps = f"Those without a valley between them taken as one, {left}."
    gaussians, explain = ("1 Gaussian", "explains") if k == 1 else (f"{k} Gaussians", "explain")
    if not path.is_noise(k):
        most = ", the most that were tried," if k == max(mixtures) > 1 else ""
        best = f"{gaussians}{most} fit{'s' if k == 1 else ''} best"
        if k != min(mixtures, key=path.criteria.__getitem__):
            best = f"the rows are enough to tell {gaussians} and no more"
        return (
            f"{best}, and what is left of the sketch, weighed by its noise, is more than noise "
            f"would leave. {heaps}"
        ).strip()
    if not mixtures[k].quality.has_enough_rows:
        return "almost any mixture explains so few rows up to their noise."
    if path.with_moments != k:
        return (
            f"{gaussians} {explain} the sketch, but not the rows' mean and covariance: clusters of "
            "few rows, which noise hides, may be missing."
        )
    if not _has_moments(mixtures[k]):
        return f"{gaussians} {explain} the sketch, but not the spread of the rows."
    if k != n_groups:
        return f"{gaussians} {explain} the sketch, but not all have a valley between them. {heaps}"
    if k < path.best:
        return f"{path.best} would fit better, and is no candidate or leaves too few rows to each."
    if path.may_hide_pairs(k):
        return (
            f"{gaussians} {explain} the sketch, but one may be two of another's shape, side by "
            "side, which the sketch would not show."
        )
    return ""


def _has_moments(mixture: Mixture) -> bool:
    """Whether a mixture has the rows' moments, as far as its components can have them.

    Round ones in many dimensions have not the rows' variance along each, however right they are.
    """
    quality, at = mixture.quality, mixture.quality.thresholds
    if quality.verdict == "wrong" or mixture.family.n_shape > 1:
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
        if check_count(k, "each candidate") > (m := sketch.n_frequencies):
            raise ValueError(
                f"candidates must be at most {m}, since a sketch of {m} frequencies cannot tell "
                f"more clusters apart, got {k} among them; leave larger ones out, or make the "
                "sketch for as many clusters as are tried"
            )
        distinct.add(int(k))
    if not distinct:
        raise ValueError("candidates must hold at least one number of clusters, got none")
    return sorted(distinct)
