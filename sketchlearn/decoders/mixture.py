"""What a decode returns: a finite mixture and how well it explains the sketch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.spatial.distance import cdist

from sketchlearn.atoms import AtomFamily
from sketchlearn.atoms.gaussian import LEAST_VARIANCE
from sketchlearn.decoders.quality import BY_CHANCE, FitQuality
from sketchlearn.points.em import Moments


@final
@dataclass(frozen=True, eq=False)
class ClusteredPoints:
    """Points that stand for the rows, as k-means clustered them.

    Attributes
    ----------
    points : ndarray of shape (n, d)
        In data coordinates, multiplied by ``units``.
    weights : ndarray of shape (n,)
        Non-negative.
    units : ndarray of shape (d,)
        What columns are multiplied by before distances are measured.
    n_sharpenings : int or None
        How often their kernel was narrowed; see `SurrogateKMeans`.
    """

    points: np.ndarray
    weights: np.ndarray
    units: np.ndarray
    n_sharpenings: int | None = None

    def sum_squares(self, centroids: np.ndarray) -> float:
        """Sum the weighted squared distances to the nearest of centroids (k, d)."""
        # Centroids first: a minimum over rows takes a tenth of that within them.
        squares = cdist(centroids * self.units, self.points, "sqeuclidean").min(axis=0)
        return float(self.weights @ squares)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Mixture:
    r"""A finite mixture :math:`\sum_k \alpha_k P_{\theta_k}` recovered from a sketch.

    `Problem.make_mixture` makes it.

    Attributes
    ----------
    weights : ndarray of shape (k,)
        Non-negative, summing to 1.
    parameters : ndarray of shape (k, p)
        One atom a row, location first, in data coordinates.
    family : AtomFamily
        What the parameters mean.
    quality : FitQuality
        How well it explains the sketch; `cost`, `goodness_of_fit`, `misfit` and `spread_ratio`
        are taken from it.
    n_iter : int
        Optimiser iterations, all stages together.
    converged : bool
        Whether the last stage ended by its tolerance rather than by its iteration limit.
    message : str
        How the decode ended, in words.
    total_weight : float
        Sum of the weights before they were made to sum to 1: less where some rows are so far and
        scattered that the sketch shows nothing of them.
    prior : float
        What held the atoms' shapes together in the last adjustment, see `adjust`.
    matched : Mixture or None
        The mixture that was matched to the sketch, where this one comes from points that started
        from it; its figures say how much of the sketch a mixture of so many atoms explains.
    points : ClusteredPoints or None
        These points.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn import Sketcher
    >>> from sketchlearn.atoms import Dirac
    >>> from sketchlearn.decoders import MeanShift
    >>> X = np.array([[0.0], [0.0], [0.0], [8.0]])
    >>> sketch = Sketcher(10, scale=1.0, random_state=0).fit(X).sketch(X)
    >>> mixture = MeanShift().decode(sketch, Dirac(sketch.operator), 2, np.random.default_rng(0))
    >>> mixture.weights.round(2)
    array([0.75, 0.25])
    """

    weights: np.ndarray
    parameters: np.ndarray
    family: AtomFamily
    quality: FitQuality
    n_iter: int
    converged: bool
    message: str
    total_weight: float
    prior: float = 0.0
    matched: Mixture | None = None
    points: ClusteredPoints | None = None

    def __repr__(self) -> str:
        k, d = self.locations.shape
        return (
            f"Mixture({k} x {type(self.family).__name__} in {d} dimensions, "
            f"cost={self.cost:.4g}, goodness_of_fit={self.goodness_of_fit:.4g}, "
            f"misfit={self.misfit:.4g}, spread_ratio={self.spread_ratio:.4g}, "
            f"n_iter={self.n_iter}, {self.message})"
        )

    @property
    def cost(self) -> float:
        r""":math:`\|z - \sum_k \alpha_k A(P_{\theta_k})\|^2`, weights not normalised yet."""
        return self.quality.cost

    @property
    def goodness_of_fit(self) -> float:
        """``cost`` over what the right mixture would leave, the reduced chi-squared.

        About 1 where the mixture explains the sketch up to sampling noise; large is bad: the model
        is wrong, or an atom is missing. Infinite where no number of the sketch is to spare, and
        nothing can be said.
        """
        return self.quality.goodness_of_fit

    @property
    def misfit(self) -> float:
        """What the mixture leaves beyond noise, as a share of the sketch's power; large is bad."""
        return self.quality.misfit

    @property
    def spread_ratio(self) -> float:
        """Trace of the covariance that was decoded over that of the rows, as far as known.

        About 1, and less where a far cluster is missing.
        """
        return self.quality.spread_ratio

    @property
    def locations(self) -> np.ndarray:
        """Centres of the atoms, (k, n_features), in data coordinates."""
        return self.family.split(self.parameters)[0]

    @property
    def covariances(self) -> np.ndarray:
        """Variances of the atoms along each feature, (k, n_features)."""
        return self.family.covariances(self.parameters)

    @property
    def moments(self) -> Moments:
        """Weights (k,), means (k, d) and covariance matrices (k, d, d) of the atoms."""
        matrices = self.family.covariance_matrices(self.parameters)
        return Moments(self.weights, self.locations, matrices)

    @property
    def covariance(self) -> np.ndarray:
        """Covariance (d, d) of the whole mixture."""
        weights, means, matrices = self.moments
        apart = means - weights @ means
        return np.asarray((apart.T * weights) @ apart + np.tensordot(weights, matrices, axes=1))

    @property
    def is_identified(self) -> bool:
        """Whether it explains the sketch by more than having parameters enough to.

        However small, a misfit beyond noise may hide a likelihood that is far from the best. An
        atom that collapsed to the least variance in some direction is a detail of the data, not a
        component. And few rows are explained, up to their large noise, by anything.
        """
        if not self.quality.has_enough_rows:
            return False
        narrowest = float(np.linalg.eigvalsh(self.moments.covariances).min())
        narrowest /= self.family.operator.scale**2
        if narrowest < self.quality.thresholds.collapsed * LEAST_VARIANCE:
            return False
        # Noise that was added is larger than expected half of the time.
        return self.goodness_of_fit <= 1.0 + BY_CHANCE * self.quality.noise_deviation
