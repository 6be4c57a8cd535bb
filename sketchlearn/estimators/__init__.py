"""The scikit-learn surface: validate, sketch, decode, set attributes; and what to build on."""

from sketchlearn.estimators.classifier import CompressiveClassifier
from sketchlearn.estimators.gaussian_mixture import CompressiveGaussianMixture
from sketchlearn.estimators.kmeans import CompressiveKMeans
from sketchlearn.estimators.persistence import allow_rows_in_pickles, load_model
from sketchlearn.estimators.principal_components import CompressivePCA
from sketchlearn.estimators.sketch_estimator import CompressiveEstimator

__all__ = [
    "CompressiveClassifier",
    "CompressiveEstimator",
    "CompressiveGaussianMixture",
    "CompressiveKMeans",
    "CompressivePCA",
    "allow_rows_in_pickles",
    "load_model",
]
