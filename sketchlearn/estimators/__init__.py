"""The scikit-learn surface: validate, sketch, decode, set attributes."""

from sketchlearn.estimators.kmeans import CompressiveKMeans
from sketchlearn.estimators.mixture import CompressiveGaussianMixture

__all__ = ["CompressiveGaussianMixture", "CompressiveKMeans"]
