"""
Learn from a private release
============================

A sketch is released once, with noise that protects every row. Whatever is learned or drawn from it
afterwards costs no more privacy.
"""

import numpy as np

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.plotting import ClustersDisplay, SketchDisplay
from sketchlearn.privacy import release

rng = np.random.default_rng(0)
X = rng.choice([[20.0, 30.0], [45.0, 80.0], [70.0, 40.0]], size=30_000) + rng.normal(
    scale=4.0, size=(30_000, 2)
)

# What is known without the data: the columns' names, and between which numbers they lie.
sketcher = Sketcher.from_domain(
    [0, 0], [100, 120], n_clusters=3, clip=True, feature_names=["age", "income"], random_state=0
)
private = release(sketcher.sketch(X), epsilon=1.0, delta=1e-6)
model = CompressiveKMeans(3, random_state=0).fit_sketch(private)
ClustersDisplay.from_estimator(model)

# %%
# The band is the noise of the rows and of the release together.
SketchDisplay.from_sketch(private)
