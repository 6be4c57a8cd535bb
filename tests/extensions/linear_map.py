"""A linear map from outside: shifts of one vector, random signs and lengths; products by FFT."""

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
        turned = np.asarray(X, float)[:, None, :] * self.signs
        products = np.fft.irfft(
            np.fft.rfft(turned) * np.fft.rfft(self.vector), n=self.n_features, axis=-1
        )
        return 2 * np.pi * self.radii * self._flat(products)

    def adjoint(self, C):
        blocks = np.zeros((len(C), self.signs.size))
        blocks[:, : self.n_frequencies] = 2 * np.pi * self.radii * C
        spectra = np.fft.rfft(blocks.reshape(len(C), -1, self.n_features))
        back = np.fft.irfft(spectra * np.conj(np.fft.rfft(self.vector)), n=self.n_features)
        return np.sum(back * self.signs, axis=1).astype(C.dtype)

    def project_reproducibly(self, X):
        products = np.zeros((len(X), *self.signs.shape))
        for feature in range(self.n_features):
            turned = X[:, feature, None] * self.signs[:, feature]
            products += turned[:, :, None] * np.roll(self.vector, feature)
        return self.radii * self._flat(products)

    def _flat(self, products):
        return products.reshape(len(products), -1)[:, : self.n_frequencies]
