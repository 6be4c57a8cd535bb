"""What a mixture component is: its closed-form sketch and gradient.

`AtomFamily` is the contract: a location, and a shape whose log-envelope multiplies the location's
wave. Any distribution that is symmetric about its location and has a positive characteristic
function fits in: a Student-t's log-envelope, for instance, is that of its Bessel function.
"""

from types import MappingProxyType

from sketchlearn.atoms.diagonal import DiagonalGaussian
from sketchlearn.atoms.dirac import Dirac
from sketchlearn.atoms.family import AtomFamily
from sketchlearn.atoms.full import FullGaussian
from sketchlearn.atoms.gaussian import CovarianceType, GaussianFamily
from sketchlearn.atoms.spherical import SphericalGaussian

# By the name that scikit-learn has for the covariances.
GAUSSIAN_FAMILIES: MappingProxyType[CovarianceType, type[GaussianFamily]] = MappingProxyType(
    {"spherical": SphericalGaussian, "diag": DiagonalGaussian, "full": FullGaussian}
)

__all__ = [
    "GAUSSIAN_FAMILIES",
    "AtomFamily",
    "CovarianceType",
    "DiagonalGaussian",
    "Dirac",
    "FullGaussian",
    "GaussianFamily",
    "SphericalGaussian",
]
