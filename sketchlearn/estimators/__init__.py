"""The scikit-learn surface: validate, sketch, decode, set attributes."""

from sketchlearn.estimators.kmeans import CompressiveKMeans
from sketchlearn.estimators.loading import load_model
from sketchlearn.estimators.mixture import CompressiveGaussianMixture

__all__ = ["CompressiveGaussianMixture", "CompressiveKMeans", "load_model"]
