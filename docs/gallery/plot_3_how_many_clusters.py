"""
How many clusters?
==================

One sketch is decoded for several k. A mixture whose cost falls into the noise explains it. Where
the clusters are real, they also stay the same under other noise (stability) and stand apart
(silhouette). On data that is no mixture nothing of the kind holds, and the picture says so.
"""

import numpy as np
from sklearn.datasets import make_blobs

from sketchlearn import Sketcher, count_clusters
from sketchlearn.plotting import NumberOfClustersDisplay

X, _ = make_blobs(20_000, n_features=3, centers=5, cluster_std=0.7, random_state=1)
sketch = Sketcher(n_clusters=8, random_state=0).fit(X).sketch(X)
NumberOfClustersDisplay.from_count(count_clusters(sketch, range(1, 9), random_state=0))

# %%
# Rows that are spread evenly have no clusters. The more there are, the less is left, but no number
# reaches the noise, none is stable, and the silhouette has no peak. Printed, the result says so.
even = np.random.default_rng(0).uniform(-5.0, 5.0, size=(100_000, 2))
sketch = Sketcher(n_clusters=8, random_state=0).fit(even).sketch(even)
count = count_clusters(sketch, range(1, 9), random_state=0)
NumberOfClustersDisplay.from_count(count)
print(count)
