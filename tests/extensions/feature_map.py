"""A feature map of one's own: four bits of a dithered phase's cosine and of its sine."""

import numpy as np

from sketchlearn.features import FeatureMap

ONE, STEP = 2**20, 2**17
COSINES = np.cos(2 * np.pi * (np.arange(2**16) + 0.5) / 2**16)
ROUNDED = np.rint(COSINES * (ONE / STEP)) * (STEP / ONE)
# What rounded cosines answer with to a cosine, on average over the dither.
GAIN = 2.0 * np.mean(ROUNDED * COSINES)


class CoarseWaves(FeatureMap, kind="coarse-waves"):
    """Cosine and sine, rounded to multiples of 1/8; dither hides the steps from all but chance.

    Schellekens and Jacques, "Quantized compressive k-means", IEEE Signal Processing Letters, 2018,
    go as far as one bit.
    """

    unit = 1.0 / ONE
    power = 2.0 * np.mean(ROUNDED**2) / GAIN**2

    def __init__(self, dither):
        self.dither = np.array(dither, float)

    @classmethod
    def draw(cls, n_frequencies, rng):
        return cls(rng.uniform(size=n_frequencies))

    def state(self):
        return {"dither": self.dither}

    def integer_features(self, turns):
        turns = turns + self.dither
        radians = 2 * np.pi * (turns - np.rint(turns))
        waves = np.stack([np.cos(radians), np.sin(radians)], axis=1)
        return STEP * np.rint(waves * (ONE / STEP)).astype(np.int64)

    def largest_sum(self, n, weight_units):
        return weight_units

    def estimate(self, features):
        return np.exp(-2j * np.pi * self.dither) / GAIN * super().estimate(features)
