"""What a mixture component is: its closed-form sketch and gradient."""

from sketchlearn.atoms.diagonal import DiagonalGaussian
from sketchlearn.atoms.dirac import Dirac
from sketchlearn.atoms.family import AtomFamily
from sketchlearn.atoms.full import FullGaussian
from sketchlearn.atoms.gaussian import CovarianceType, GaussianFamily
from sketchlearn.atoms.spherical import SphericalGaussian

__all__ = [
    "AtomFamily",
    "CovarianceType",
    "DiagonalGaussian",
    "Dirac",
    "FullGaussian",
    "GaussianFamily",
    "SphericalGaussian",
]
