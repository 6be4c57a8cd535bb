"""
Merge parts, and take one out again
===================================

Sketches of parts add up to the sketch of the whole, and subtracting a part leaves the sketch of the
rest, both to the last bit.
"""

import matplotlib.pyplot as plt
import numpy as np

from sketchlearn import CompressiveKMeans, Sketch, Sketcher
from sketchlearn.plotting import ClustersDisplay

rng = np.random.default_rng(0)
places = np.array([[0, 0], [8, 0], [0, 8], [8, 8]])
parts = [place + rng.normal(size=(5_000, 2)) for place in places]

sketcher = Sketcher(n_clusters=4, random_state=0).fit(np.concatenate(parts))
sketches = [sketcher.sketch(part) for part in parts]  # on four machines, say
whole = Sketch.sum(sketches)
rest = whole - sketches[3]

print("sum of the parts is the sketch of all:", whole == sketcher.sketch(np.concatenate(parts)))
print("without the last part, as if it had never been:", rest == Sketch.sum(sketches[:3]))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained", sharex=True, sharey=True)
for ax, sketch, k in zip(axes, (whole, rest), (4, 3), strict=True):
    model = CompressiveKMeans(n_clusters=k, random_state=0).fit_sketch(sketch)
    ClustersDisplay.from_estimator(model, ax=ax)
