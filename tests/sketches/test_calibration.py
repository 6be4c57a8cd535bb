"""Weights under which a few kept rows have the sketch of all rows."""

import numpy as np
import pytest
from planted import gaussian_clusters, operator_of

from sketchlearn import Sketcher
from sketchlearn.sketches.calibration import MOST_FREQUENCIES, calibrated_weights


def distance(sketch, rows, weights):
    """Squared distance of the weighted rows' sketch to the given one, in float64."""
    operator = sketch.operator
    waves = np.exp(1j * operator.project(rows - operator.center))
    return np.sum(np.abs(np.average(waves, axis=0, weights=weights) - sketch.centered_mean) ** 2)


def naive_weights(sketch, rows, weights):
    """The docstring's formula, with the (p, p) matrix that the library never forms."""
    operator = sketch.operator
    shares = weights / weights.sum()
    waves = np.exp(1j * operator.project(rows - operator.center))
    stacked = np.hstack([waves.real, waves.imag])
    own = shares @ stacked
    y = np.concatenate([sketch.centered_mean.real, sketch.centered_mean.imag]) - own
    b = ((stacked - own) * np.sqrt(shares)[:, None]).T
    n_rows = 1.0 / np.sum(shares**2)
    ridge = n_rows / sketch.n_effective * np.sum(b**2) / len(b)
    # The push-through identity: B^T (B B^T + r I)^-1 = (B^T B + r I)^-1 B^T.
    change = np.linalg.solve(b.T @ b + ridge * np.eye(len(rows)), b.T @ y)
    new = np.maximum(0.0, shares + np.sqrt(shares) * change)
    return new / new.mean()


@pytest.fixture(scope="module")
def skewed():
    """Rows of clusters with shares 1/5 each, all of them sketched, and a skewed few."""
    _, rows = gaussian_clusters(k=5, d=3, n=50_000)
    rng = np.random.default_rng(0)
    chances = np.repeat([5.0, 1.0, 1.0, 1.0, 1.0], 10_000)
    few = rows[rng.choice(len(rows), 1000, replace=False, p=chances / chances.sum())]
    sketch = Sketcher(150, scale=1.0, n_clusters=5, random_state=0).fit(rows).sketch(rows)
    return rows, few, sketch


@pytest.mark.parametrize("is_weighted", [False, True])
def test_it_is_the_formula(skewed, is_weighted):
    _, few, sketch = skewed
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 1000) if is_weighted else np.ones(1000)
    np.testing.assert_allclose(
        calibrated_weights(sketch, few, weights), naive_weights(sketch, few, weights), atol=2e-3
    )


def test_the_reweighted_rows_have_the_sketch(skewed):
    _, few, sketch = skewed
    weights = calibrated_weights(sketch, few, np.ones(1000))
    assert np.all(weights >= 0)
    assert weights.mean() == pytest.approx(1.0)
    assert distance(sketch, few, weights) < 0.02 * distance(sketch, few, np.ones(1000))


def test_the_reweighted_rows_have_the_moments_of_all(skewed):
    rows, few, sketch = skewed
    weights = calibrated_weights(sketch, few, np.ones(1000))
    off = np.linalg.norm(few.mean(axis=0) - rows.mean(axis=0))
    assert np.linalg.norm(np.average(few, axis=0, weights=weights) - rows.mean(axis=0)) < 0.1 * off


@pytest.mark.parametrize("weights", [np.ones(300), np.arange(1.0, 301.0)])
def test_rows_that_have_the_sketch_keep_their_weights(weights):
    rows = np.random.default_rng(0).standard_normal((300, 2))
    sketch = Sketcher(80, random_state=0).fit(rows).sketch(rows, sample_weight=weights)
    np.testing.assert_allclose(
        calibrated_weights(sketch, rows, weights), weights / weights.mean(), rtol=1e-9
    )


def test_a_noisy_sketch_changes_little():
    # Rows of the same law as those sketched, which are a tenth as many: all is noise.
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2000, 2))
    sketcher = Sketcher(100, random_state=0).fit(rows)
    weights = calibrated_weights(
        sketcher.sketch(rng.standard_normal((200, 2))), rows, np.ones(2000)
    )
    many = calibrated_weights(
        sketcher.sketch(rng.standard_normal((200_000, 2))), rows, np.ones(2000)
    )
    assert np.std(weights) < 0.5
    assert np.std(many) < 0.5


@pytest.mark.parametrize("unit", [1e-4, 1e4])
def test_it_knows_no_unit(unit):
    few = np.random.default_rng(0).standard_normal((200, 3)) + 0.3
    rows = np.random.default_rng(1).standard_normal((5000, 3))
    plain = operator_of(3, 60)
    scaled = operator_of(3, 60, scale=unit)
    ours = calibrated_weights(Sketcher.from_operator(plain).sketch(rows), few, np.ones(200))
    theirs = calibrated_weights(
        Sketcher.from_operator(scaled).sketch(unit * rows), unit * few, np.ones(200)
    )
    np.testing.assert_allclose(theirs, ours, atol=1e-3)


def test_of_very_many_frequencies_some_suffice():
    few = np.random.default_rng(0).standard_normal((300, 2)) + 0.3
    rows = np.random.default_rng(1).standard_normal((3000, 2))
    sketch = Sketcher.from_operator(operator_of(2, MOST_FREQUENCIES + 200)).sketch(rows)
    weights = calibrated_weights(sketch, few, np.ones(300))
    assert distance(sketch, few, weights) < 0.1 * distance(sketch, few, np.ones(300))
