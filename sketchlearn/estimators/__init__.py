"""scikit-learn's surface over sketchers and decoders; no algorithm lives here."""

from sketchlearn.estimators.kmeans import CompressiveKMeans

__all__ = ["CompressiveKMeans"]
