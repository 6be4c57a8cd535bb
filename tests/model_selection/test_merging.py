"""From several components to fewer."""

import numpy as np
import pytest

from sketchlearn import Sketcher
from sketchlearn.model_selection.merging import THOROUGH, merge_down
from sketchlearn.model_selection.noise import ChosenWaves, WhitenedSketch
from sketchlearn.model_selection.refinement import Shapes
from sketchlearn.points.em import Moments

# Five components for four long clusters, one above another at 0, 7, 14 and 21: all but one lie
# across two of these.
ASTRIDE = Moments(
    np.full(5, 0.2),
    np.array([[-7.0, 3.5], [7.0, 0.0], [7.0, 7.0], [-7.0, 10.5], [4.0, 17.0]]),
    np.array([np.diag(each) for each in ([25, 13], [25, 1], [40, 1], [40, 13], [81, 13.0])]),
)


def leave(seed, n_tried):
    """Return what four components leave of a sketch, so many mergers of these five tried."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((10_000, 2)) * [9.0, 1.0]
    rows[:, 1] += 7.0 * rng.integers(4, size=10_000)
    sketcher = Sketcher(100, scale=1.0, keep_pilot=False, random_state=seed).fit(rows)
    sketch = sketcher.sketch(rows)
    waves = ChosenWaves(sketch.operator.linear_map.project(np.eye(2)), sketch.operator.center)
    whitened = WhitenedSketch.of(sketch, waves, np.arange(100), ASTRIDE)
    effort = THOROUGH._replace(n_tried=n_tried)
    path = merge_down(whitened, ASTRIDE, Shapes.of("full", 2, 1e-3), 4, effort, lambda k: None)
    return path[4].deviance


@pytest.mark.slow
def test_the_merger_that_costs_least_once_components_have_moved_stays():
    one, several = ([leave(seed, n) for seed in range(20)] for n in (1, THOROUGH.n_tried))
    one, several = np.array(one), np.array(several)
    assert np.all(several <= 1.01 * one)
    assert np.count_nonzero(several < 0.9 * one) >= 3
