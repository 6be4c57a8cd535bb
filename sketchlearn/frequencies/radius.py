"""Laws of the frequencies' radius: how far from zero the operator looks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import gammaincc, gammainccinv

from sketchlearn._registry import Registered


class RadiusLaw(Registered, ABC):
    """A law of positive radii; directions and scale are not its business.

    A frequency is ``radius / (width * scale)`` times a direction on the unit sphere, see
    `FrequencyOperator.draw`.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.frequencies import AdaptedRadius
    >>> AdaptedRadius().sample(3, np.random.default_rng(0)).shape
    (3,)
    """

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw radii.

        Parameters
        ----------
        n : int
            How many.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        ndarray of shape (n,)
            Positive float64 radii, without unit: the scale divides them afterwards.
        """


@final
@dataclass(frozen=True)
class GaussianRadius(RadiusLaw):
    """Norm of a standard Gaussian vector: R follows chi with `n_features` degrees of freedom.

    Frequencies are then Gaussian and the sketch is that of the Gaussian kernel (Rahimi and Recht,
    2007, "Random features for large-scale kernel machines", section 3).

    Parameters
    ----------
    n_features : int
        Dimension d of the Gaussian.
    """

    n_features: int

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n radii (n,), see `RadiusLaw.sample`."""
        return np.sqrt(rng.chisquare(self.n_features, size=n))


@final
@dataclass(frozen=True)
class FoldedGaussianRadius(RadiusLaw):
    """Absolute value of a standard Gaussian: R = abs(N(0, 1)) in any dimension.

    Keriven, Bourrier, Gribonval and Perez, 2018, "Sketching for large-scale learning of mixture
    models", Information and Inference 7(3), section 3.3.
    """

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n radii (n,), see `RadiusLaw.sample`."""
        return np.abs(rng.standard_normal(n))


@final
@dataclass(frozen=True)
class AdaptedRadius(RadiusLaw):
    r"""Density proportional to :math:`\sqrt{R^2 + R^4/4}\, e^{-R^2/2}`.

    It favours the radii at which the sketch of a Gaussian changes most with its mean and variance
    (Keriven et al., 2018, "Sketching for large-scale learning of mixture models", Information and
    Inference 7(3), section 3.3).

    The draw is exact: with :math:`x = 2 + R^2/2` the density becomes that of a Gamma(3/2) variable
    held above 2, whose survival function is inverted.
    """

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw n radii (n,), see `RadiusLaw.sample`."""
        uniform = rng.uniform(size=n)
        x = gammainccinv(1.5, uniform * gammaincc(1.5, 2.0))
        return 2.0 * np.sqrt(np.maximum(0.5 * x - 1.0, 0.0))


LAWS = ("adapted-radius", "folded-gaussian", "gaussian")


def resolve_radius_law(radius_law: str | RadiusLaw, n_features: int) -> RadiusLaw:
    """Return a law itself, or that of one of the names in `LAWS`.

    Parameters
    ----------
    radius_law : str or RadiusLaw
        The law, or its name.
    n_features : int
        Dimension that the law of a name is for.

    Returns
    -------
    RadiusLaw
        The law.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> from sketchlearn.frequencies import resolve_radius_law
    >>> resolve_radius_law("gaussian", 3)
    GaussianRadius(n_features=3)
    """
    if isinstance(radius_law, RadiusLaw):
        return radius_law
    if radius_law == "adapted-radius":
        return AdaptedRadius()
    if radius_law == "folded-gaussian":
        return FoldedGaussianRadius()
    if radius_law == "gaussian":
        return GaussianRadius(n_features)
    raise ValueError(
        f"radius_law must be a RadiusLaw or one of {', '.join(map(repr, LAWS))}, got {radius_law!r}"
    )
