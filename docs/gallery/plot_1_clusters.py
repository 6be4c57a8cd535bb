"""
Clusters from a sketch
======================

Rows are read once and become a sketch. Centroids are decoded from it, and the model says how good
they are.
"""

from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.plotting import ClustersDisplay, SketchDisplay

X, _ = make_blobs(50_000, n_features=2, centers=7, cluster_std=0.8, random_state=4)
sketch = Sketcher(n_clusters=7, random_state=0).fit(X[:5_000]).sketch(X)
model = CompressiveKMeans(n_clusters=7, random_state=0).fit_sketch(sketch)
print(model.report())

# %%
# From here on the rows are not needed: without them, synthetic rows are drawn, which have the same
# sketch.
ClustersDisplay.from_estimator(model)

# %%
# The sketch itself: the size of each entry, by how fast its wave is. What the clusters leave
# of it lies in the band of pure noise, so nothing is missing.
SketchDisplay.from_estimator(model)
