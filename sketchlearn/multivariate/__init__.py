"""What follows from means and covariances alone."""

from sketchlearn.multivariate.components import PrincipalComponents, find_components

__all__ = ["PrincipalComponents", "find_components"]
