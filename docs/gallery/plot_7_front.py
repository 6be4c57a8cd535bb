"""
What accuracy costs
===================

The larger the sketch, the better the clusters. A table of runs becomes a front: what no other run
beats in both bytes and error.
"""

from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.plotting import FrontDisplay

X, _ = make_blobs(20_000, n_features=4, centers=8, cluster_std=1.2, random_state=2)
best = KMeans(8, n_init=10, random_state=0).fit(X).inertia_
table: dict[str, list] = {"bytes": [], "SSE ratio": [], "learned from": []}
for m in (40, 64, 128, 320):
    sketch = Sketcher(m, n_clusters=8, random_state=0).fit(X).sketch(X)
    model = CompressiveKMeans(8, random_state=0).fit_sketch(sketch)
    table["bytes"].append(sketch.sums.feature_sum.nbytes)
    table["SSE ratio"].append(-model.score(X) / best)
    table["learned from"].append("a sketch's sums")
    n_rows = sketch.sums.feature_sum.nbytes // (8 * X.shape[1])
    model = KMeans(8, n_init=10, random_state=0).fit(X[:n_rows])
    table["bytes"].append(8 * n_rows * X.shape[1])
    table["SSE ratio"].append(-model.score(X) / best)
    table["learned from"].append("rows of as many bytes")
FrontDisplay.from_table(table, cost="bytes", error="SSE ratio", method="learned from")
