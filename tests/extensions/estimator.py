"""An estimator of one's own: clusters by the sum of absolute differences."""

from typing import ClassVar

from scipy.spatial.distance import cdist

from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import MeanShift
from sketchlearn.estimators import CompressiveEstimator


class CompressiveMedians(CompressiveEstimator):
    """Clusters by the nearest centre in the sum of absolute differences."""

    _stored_arrays: ClassVar = {"centers_": ("kd",), "weights_": ("k",)}
    _stored_numbers = ("cost_", "n_iter_")

    def __init__(self, n_clusters=3, *, decoder=None, random_state=None):
        self.n_clusters = n_clusters
        self.decoder = decoder
        self.random_state = random_state

    @property
    def _n_atoms(self):
        return self.n_clusters

    def _decode_sketch(self, sketch, rng, has_pilot):
        decoder, family = self.decoder or MeanShift(), SphericalGaussian(sketch.operator)
        mixture = decoder.decode(sketch, family, self.n_clusters, rng)
        self.centers_, self.weights_ = mixture.locations, mixture.weights
        return mixture

    def _predict_rows(self, rows):
        return cdist(rows, self.centers_, "cityblock").argmin(axis=1)
