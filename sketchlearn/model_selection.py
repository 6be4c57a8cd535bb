"""How many clusters there are, from the sketch alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from sketchlearn._progress import progress_line, tell
from sketchlearn._validation import RandomState, check_count, draw_seed
from sketchlearn.atoms import GAUSSIAN_FAMILIES, CovarianceType
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import Decoder
from sketchlearn.decoders.mixture import Mixture
from sketchlearn.decoders.principal import PrincipalPart, find_principal_part
from sketchlearn.decoders.problem import check_enough_frequencies
from sketchlearn.sketches.region import Region
from sketchlearn.sketches.sketch_like import SketchLike


@final
@dataclass(frozen=True, eq=False, repr=False)
class ClusterCount:
    """A number of clusters, and what it was chosen among.

    Attributes
    ----------
    n_clusters : int
        The chosen number.
    is_resolved : bool
        Whether that mixture explains the sketch up to noise, with numbers and rows to spare. If
        not, the number is only where more clusters stop helping much, and real data often has no
        such place.
    mixtures : dict of int to Mixture
        The decoded mixture of each candidate.
    """

    n_clusters: int
    is_resolved: bool
    mixtures: dict[int, Mixture]

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
    covariance_type: CovarianceType = "spherical",
    decoder: Decoder | None = None,
    bounds: Sequence[Any] | None = None,
    random_state: RandomState = None,
    progress: bool = False,
) -> ClusterCount:
    r"""Decode one sketch for several k, and choose the smallest that explains it.

    A mixture explains the sketch when its goodness of fit (large is bad) is at most 1.5; few rows
    are explained, up to their large noise, by anything, so there must be five (of equal weight) for
    each parameter. Where none does, the clusters are not what the atoms are; then the k is chosen
    at which the logarithm of the cost bends most,
    :math:`\log c_{k-1} - 2 \log c_k + \log c_{k+1}` (candidates in order), the usual elbow.

    Parameters
    ----------
    sketch : Sketch or PrivateSketch
        At least one row; taken with `n_clusters` of the sketcher near the largest candidate.
    candidates : sequence of int, default=range(1, 21)
        Numbers of clusters to try.
    covariance_type : {"spherical", "diag", "full"}, default="spherical"
        Of the mixture's components. For "diag" and "full" the sketch should have been taken with
        ``scale="columns"`` if columns differ in units.
    decoder : Decoder, default=BestOf()
        From the sketch to a mixture.
    bounds : (lower, upper), optional
        Corners of a box that all rows are in, as of `CompressiveKMeans`.
    random_state : int, RandomState, Generator or None
        Determines the decodes.
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

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher, count_clusters
    >>> rng = np.random.default_rng(0)
    >>> X = rng.choice([-9.0, -3.0, 3.0, 9.0], size=(20_000, 1)) + rng.normal(size=(20_000, 2))
    >>> sketch = Sketcher(n_clusters=8, random_state=0).fit(X).sketch(X)
    >>> count_clusters(sketch, range(1, 9), random_state=0).n_clusters
    4
    """
    if not isinstance(sketch, SketchLike):
        raise TypeError(f"count_clusters expected a Sketch, got {type(sketch).__name__}")
    distinct: set[int] = set()
    if not isinstance(candidates, Iterable):
        raise TypeError(
            f"candidates must be numbers of clusters to try, as range(1, 9), got {candidates!r}"
        )
    for k in candidates:
        # One by one, since there may be more than memory holds; and before any is decoded.
        check_enough_frequencies(sketch, check_count(k, "each candidate"))
        distinct.add(int(k))
    numbers = sorted(distinct)
    if not numbers:
        raise ValueError("candidates must hold at least one number of clusters, got none")
    decoder = BestOf() if decoder is None else decoder
    if covariance_type not in tuple(GAUSSIAN_FAMILIES):
        raise ValueError(
            f"covariance_type must be one of {', '.join(map(repr, GAUSSIAN_FAMILIES))}, "
            f"got {covariance_type!r}"
        )
    part, region = None, Region.of(sketch, bounds)
    if covariance_type == "spherical":
        part = find_principal_part(sketch, max(numbers), region)
    else:
        region = region.in_units(sketch.operator.units)
        sketch = sketch.standardised()
    if part is not None:
        sketch, region = part.sketch, part.region
    family = GAUSSIAN_FAMILIES[covariance_type](sketch.operator) if part is None else part.family
    seed = draw_seed(random_state)
    children = np.random.default_rng(seed).spawn(len(numbers))
    mixtures = {}
    with progress_line() if progress else nullcontext():
        for i, (k, child) in enumerate(zip(numbers, children, strict=True), start=1):
            tell(task=f"k = {k}, {i} of {len(numbers)}")
            mixtures[k] = decoder.decode(sketch, family, k, child, region=region)
        tell(task="")
    for k in numbers:
        if mixtures[k].quality.has_enough_rows and mixtures[k].quality.is_noise:
            return ClusterCount(k, True, _lift(mixtures, part))
    return ClusterCount(_find_elbow(mixtures), False, _lift(mixtures, part))


def _lift(mixtures: dict[int, Mixture], part: PrincipalPart | None) -> dict[int, Mixture]:
    """Return the mixtures in data coordinates."""
    if part is None:
        return mixtures
    return {k: part.lift(mixture) for k, mixture in mixtures.items()}


def _find_elbow(mixtures: dict[int, Mixture]) -> int:
    """Return the number at which the logarithm of the cost bends most."""
    numbers = list(mixtures)
    if len(numbers) < 3:
        return min(numbers, key=lambda k: mixtures[k].cost)
    bends = np.diff(np.log([max(mixtures[k].cost, 1e-300) for k in numbers]), 2)
    return numbers[1 + int(np.argmax(bends))]
