"""A linear map of one's own: shifts of one vector, with random signs and lengths, by FFT."""

import numpy as np

from sketchlearn.linear_maps import LinearMap


class CirculantMap(LinearMap, kind="circulant"):
    """omega_lj = 2 pi r_j s_l v_(j - l mod d), with other signs s for each d frequencies."""

    def __init__(self, vector, signs, radii):
        self.vector, self.signs, self.radii = (np.array(a, float) for a in (vector, signs, radii))

    @classmethod
    def draw(cls, radii, n_features, rng):
        vector = rng.standard_normal(n_features)
        signs = rng.choice([-1.0, 1.0], size=(-(-len(radii) // n_features), n_features))
        return cls(vector / np.linalg.norm(vector), signs, radii)

    @property
    def n_features(self):
        return len(self.vector)

    @property
    def n_frequencies(self):
        return len(self.radii)

    def state(self):
        return {"vector": self.vector, "signs": self.signs, "radii": self.radii}

    def project(self, X):
        signed = np.asarray(X, float)[:, None, :] * self.signs
        spectra = np.fft.rfft(signed) * np.fft.rfft(self.vector)
        return 2 * np.pi * self._lengthen(np.fft.irfft(spectra, n=self.n_features))

    def adjoint(self, C):
        blocks = np.zeros((len(C), self.signs.size))
        blocks[:, : self.n_frequencies] = 2 * np.pi * self.radii * C
        spectra = np.fft.rfft(blocks.reshape(len(C), *self.signs.shape))
        back = np.fft.irfft(spectra * np.conj(np.fft.rfft(self.vector)), n=self.n_features)
        return np.sum(back * self.signs, axis=1).astype(C.dtype)

    def project_reproducibly(self, X):
        products = np.zeros((len(X), *self.signs.shape))
        for feature, signs in enumerate(self.signs.T):
            products += (X[:, feature, None] * signs)[:, :, None] * np.roll(self.vector, feature)
        return self._lengthen(products)

    def _lengthen(self, products):
        return self.radii * products.reshape(len(products), -1)[:, : self.n_frequencies]
