"""Silhouettes of many partitions at once, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from sketchlearn import Sketcher, count_clusters
from sketchlearn.model_selection.stability import assign_rows
from sketchlearn.points.em import Moments


@pytest.mark.slow
def test_silhouettes_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    X = rng.choice([-9.0, 0.0, 9.0], size=(4000, 1)) + rng.normal(size=(4000, 2))
    sketch = Sketcher(n_clusters=5, random_state=0).fit(X).sketch(X)
    count = count_clusters(sketch, range(1, 6), random_state=0, n_draws=0)
    assert np.isnan(count.silhouettes[1])
    for k in range(2, 6):
        mixture = count.mixtures[k]
        weights, means, covariances = mixture.moments
        labels = assign_rows(Moments(weights, means, covariances), X)
        # Rows drawn of the best mixture stand for X there: two samples of one law, 2,000 rows each.
        assert count.silhouettes[k] == pytest.approx(silhouette_score(X, labels), abs=0.05)
