"""A kind of atom of one's own: heavier tails than a Gaussian's."""

import numpy as np

from sketchlearn.atoms import AtomFamily


class SphericalLaplace(AtomFamily):
    r"""Multivariate Laplace of covariance s I: psi_j = -log(1 + s |omega_j|^2 / 2).

    Its shape is eta = log(s / scale^2). Source: Kotz, Kozubowski and Podgorski, "The Laplace
    distribution and generalizations", 2001, equation 5.2.1.
    """

    def __init__(self, operator):
        super().__init__(operator)
        self.half_squares = 0.5 * operator.scale**2 * operator.linear_map.squared_norms

    @property
    def n_shape(self):
        return 1

    def default_shape(self):
        return np.zeros(1)

    def shape_bounds(self):
        return np.log([0.02]), np.log([25.0])

    def log_envelope(self, shapes):
        return -np.log1p(np.exp(shapes) * self.half_squares).astype(np.float32)

    def slopes(self, shapes):
        grown = np.exp(shapes) * self.half_squares
        return -grown / (1.0 + grown)

    def log_envelope_pullback(self, shapes, cotangent):
        return np.sum(cotangent * self.slopes(shapes), axis=1, keepdims=True)

    def log_envelope_curvature(self, shapes, power):
        return np.sum(power * self.slopes(shapes) ** 2, axis=1, keepdims=True)

    def shapes_of(self, variances):
        relative = variances.mean(axis=1, keepdims=True) / self.operator.scale**2
        return np.log(np.clip(relative, 0.02, 25.0))

    def covariances(self, parameters):
        variances = self.operator.scale**2 * np.exp(parameters[:, self.n_features :])
        return np.repeat(variances, self.n_features, axis=1)
