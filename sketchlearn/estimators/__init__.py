"""The scikit-learn surface: validate, sketch, decode, set attributes."""

from sketchlearn.estimators.gaussian_mixture import CompressiveGaussianMixture
from sketchlearn.estimators.kmeans import CompressiveKMeans
from sketchlearn.estimators.loading import load_model
from sketchlearn.estimators.model_files import allow_rows_in_pickles

__all__ = [
    "CompressiveGaussianMixture",
    "CompressiveKMeans",
    "allow_rows_in_pickles",
    "load_model",
]
