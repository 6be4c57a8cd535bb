"""Components that may be two clusters side by side, of which a sketch shows nothing."""

import numpy as np
import pytest

from sketchlearn import Sketcher, count_clusters
from sketchlearn.model_selection.components import Setting
from sketchlearn.model_selection.noise import ChosenWaves, WhitenedSketch
from sketchlearn.model_selection.pairs import list_pairs, may_hide_pairs
from sketchlearn.points.em import Moments
from sketchlearn.sketches.region import Region


def draw_side_by_side(seed, k=4, length=10.0, apart=4.0, n=20_000):
    """Clusters long along the first column, next to each other along the second."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 3))
    rows[:, 0] *= length
    rows[:, 1] += apart * rng.integers(0, k, n)
    return rows


@pytest.mark.slow
def test_long_clusters_side_by_side_are_right_or_not_resolved():
    counts = []
    for seed in range(70, 90):
        rows = draw_side_by_side(seed)
        sketch = Sketcher(n_clusters=8, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
        counts.append(count_clusters(sketch, range(1, 9), n_draws=0, random_state=seed))
    wrong = [count for count in counts if count.is_resolved and count.n_clusters != 4]
    # 14 of them without this doubt.
    assert len(wrong) <= 4
    assert any("side by side" in count.reason for count in counts)


@pytest.mark.parametrize(("scale", "hides"), [(1.0, False), (20.0, True)])
def test_only_waves_as_short_as_clusters_show_a_pair(scale, hides):
    # A wide component that is two by nature, and beside it one of half the rows.
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20_000, 2))
    rows[:, 1] += np.where(rng.random(20_000) < 0.5, 0.0, 14.0 + rng.choice([-2.0, 2.0], 20_000))
    sketch = Sketcher(100, scale=scale, random_state=0).fit(rows).sketch(rows)
    mixture = Moments(
        np.array([0.5, 0.5]),
        np.array([[0.0, 0.0], [0.0, 14.0]]),
        np.array([np.eye(2), np.diag([1.0, 5.0])]),
    )
    whitened, shapes = whiten(sketch, mixture)
    assert may_hide_pairs(whitened, mixture, shapes) == hides


def whiten(sketch, mixture):
    """The sketch by the noise of a mixture in the operator's units, and its covariances."""
    setting = Setting.of(sketch, len(mixture.weights), "full", Region.of(sketch))
    chosen = np.arange(sketch.n_frequencies)
    operator = setting.sketch.operator
    waves = ChosenWaves(operator.linear_map.adjoint(np.eye(len(chosen))).T, operator.center)
    return WhitenedSketch.of(setting.sketch, waves, chosen, mixture), setting.shapes


def test_components_alike_are_not_in_doubt():
    rows = draw_side_by_side(0, k=3, length=30.0, apart=20.0)
    sketch = Sketcher(n_clusters=3, scale="columns", random_state=0).fit(rows).sketch(rows)
    units = sketch.operator.units
    means = np.array([[0.0, 20.0 * j, 0.0] for j in range(3)]) / units
    covariances = np.repeat([np.diag([900.0, 1.0, 1.0]) / np.outer(units, units)], 3, axis=0)
    mixture = Moments(np.full(3, 1.0 / 3.0), means, covariances)
    whitened, shapes = whiten(sketch, mixture)
    assert not may_hide_pairs(whitened, mixture, shapes)


def test_pairs_are_wide_beside_another_in_one_direction_alone():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(4, 4))
    own = factor @ factor.T
    step = 2.0 * factor[:, 0]
    pair, wider = own + np.outer(step, step), 4.0 * own
    ((j, found),) = list_pairs(np.array([own, pair, wider]))
    assert j == 1
    np.testing.assert_allclose(found * np.sign(found @ step), step, rtol=1e-9)
    np.testing.assert_allclose(pair - np.outer(found, found), own, rtol=1e-7, atol=1e-7)
