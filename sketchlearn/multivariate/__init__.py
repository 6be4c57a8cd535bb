"""What follows from means and covariances alone."""

from sketchlearn.multivariate.classes import ClassMoments, describe_classes
from sketchlearn.multivariate.components import PrincipalComponents, find_components
from sketchlearn.multivariate.shrinkage import shrink_covariances

__all__ = [
    "ClassMoments",
    "PrincipalComponents",
    "describe_classes",
    "find_components",
    "shrink_covariances",
]
