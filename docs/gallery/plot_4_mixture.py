"""
A Gaussian mixture from a sketch
================================

The same sketch can be decoded into a mixture with full covariances.
"""

import numpy as np

from sketchlearn import CompressiveGaussianMixture, Sketcher
from sketchlearn.plotting import ClustersDisplay

rng = np.random.default_rng(0)
shapes = [np.array([[2.0, 1.2], [0.0, 0.5]]), np.diag([0.5, 1.5]), np.diag([1.0, 0.4])]
places = np.array([[0.0, 0.0], [7.0, 1.0], [2.0, 7.0]])
X = np.concatenate(
    [
        place + rng.normal(size=(8_000, 2)) @ shape
        for place, shape in zip(places, shapes, strict=True)
    ]
)
sketch = Sketcher(200, n_clusters=3, random_state=0).fit(X).sketch(X)
model = CompressiveGaussianMixture(3, covariance_type="full", random_state=0).fit_sketch(sketch)
print(model.report())

# %%
# Each ellipse holds nine tenths of its component.
ClustersDisplay.from_estimator(model, X)
