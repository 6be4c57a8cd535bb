"""How many clusters there are, from the sketch alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.utils import check_random_state

from sketchlearn._validation import check_count
from sketchlearn.atoms import GAUSSIAN_FAMILIES, CovarianceType
from sketchlearn.decoders.best_of import BestOf
from sketchlearn.decoders.decoder import NOISE, Decoder, Mixture
from sketchlearn.sketching import Sketch


@final
@dataclass(frozen=True, eq=False)
class ClusterCount:
    """A number of clusters, and what it was chosen among.

    Attributes
    ----------
    n_clusters : int
        The chosen number.
    is_resolved : bool
        Whether that mixture explains the sketch up to noise. If not, the number is only where more
        clusters stop helping much, and real data often has no such place.
    mixtures : dict of int to Mixture
        The decoded mixture of each candidate.
    """

    n_clusters: int
    is_resolved: bool
    mixtures: dict[int, Mixture]


def count_clusters(
    sketch: Sketch,
    candidates: Sequence[int] = range(1, 21),
    *,
    covariance_type: CovarianceType = "spherical",
    decoder: Decoder | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> ClusterCount:
    r"""Decode one sketch for several k, and choose the smallest that explains it.

    A mixture explains the sketch when its goodness of fit is at most 1.5. Where none does, the
    clusters are not what the atoms are; then the k is chosen at which the logarithm of the cost
    bends most,
    :math:`\log c_{k-1} - 2 \log c_k + \log c_{k+1}` (candidates in order), the usual elbow.

    Parameters
    ----------
    sketch : Sketch
        At least one row; taken with `n_clusters` of the sketcher near the largest candidate.
    candidates : sequence of int, default=range(1, 21)
        Numbers of clusters to try.
    covariance_type : {"spherical", "diag", "full"}, default="spherical"
        Of the mixture's components. For "diag" and "full" the sketch should have been taken with
        ``scale="columns"`` if columns differ in units.
    decoder : Decoder, default=BestOf()
        From the sketch to a mixture.
    random_state : int, RandomState or None
        Determines the decodes.

    Raises
    ------
    TypeError, ValueError
        If a candidate is no positive integer, or there is none, or the sketch is too small for one.

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
    numbers = sorted({check_count(k, "each candidate") for k in candidates})
    if not numbers:
        raise ValueError("candidates must hold at least one number of clusters, got none")
    decoder = BestOf() if decoder is None else decoder
    if covariance_type not in GAUSSIAN_FAMILIES:
        raise ValueError(
            f"covariance_type must be one of {', '.join(map(repr, GAUSSIAN_FAMILIES))}, "
            f"got {covariance_type!r}"
        )
    if covariance_type != "spherical":
        sketch = sketch.standardised()
    family = GAUSSIAN_FAMILIES[covariance_type](sketch.operator)
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    children = np.random.default_rng(seed).spawn(len(numbers))
    mixtures = {
        k: decoder.decode(sketch, family, k, child)
        for k, child in zip(numbers, children, strict=True)
    }
    for k in numbers:
        if mixtures[k].goodness_of_fit <= NOISE:
            return ClusterCount(k, True, mixtures)
    return ClusterCount(_elbow(mixtures), False, mixtures)


def _elbow(mixtures: dict[int, Mixture]) -> int:
    """The number at which the logarithm of the cost bends most."""
    numbers = list(mixtures)
    if len(numbers) < 3:
        return min(numbers, key=lambda k: mixtures[k].cost)
    bends = np.diff(np.log([max(mixtures[k].cost, 1e-300) for k in numbers]), 2)
    return numbers[1 + int(np.argmax(bends))]
