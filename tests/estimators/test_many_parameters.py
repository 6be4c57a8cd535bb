"""Mixtures of hundreds of parameters from a sketch alone: what noise and narrow columns cost."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture, Sketcher
from sketchlearn.atoms import DiagonalGaussian
from sketchlearn.decoders import Problem, solve_weights
from sketchlearn.decoders.sampling_loss import estimate_sampling_loss
from sketchlearn.estimators.mixture_doubts import warn_of_moments


def draw(n, d, k, seed):
    """Rows of equal components, each as wide as it is along each column; and EM's mixture."""
    rng = np.random.default_rng([seed, 71])
    means = 12.0 * rng.normal(size=(k, d)) / np.sqrt(2.0 * d)
    widths = np.exp(0.5 * rng.normal(size=(k, d)))
    labels = rng.integers(k, size=n)
    X = means[labels] + widths[labels] * rng.normal(size=(n, d))
    start = {"means_init": means, "precisions_init": widths**-2.0}
    return X, GaussianMixture(k, covariance_type="diag", random_state=0, **start).fit(X)


def decode(X, k, **options):
    """A mixture from the sketch alone, and what it warned of."""
    sketch = Sketcher(n_clusters=k, scale="columns", random_state=0, **options).fit(X).sketch(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = CompressiveGaussianMixture(k, random_state=0).fit_sketch(sketch)
    return model, [str(each.message) for each in caught]


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n_frequencies"), [(50, "auto"), (100, 1500)])
def test_what_noise_costs_hundreds_of_parameters_is_told(d, n_frequencies):
    X, em = draw(10_000, d, 6, 0)
    model, said = decode(X, 6, n_frequencies=n_frequencies)
    loss = em.score(X) - model.score(X)
    assert loss > 0.3
    assert 0.25 < model.quality_.sampling_loss / loss < 6.0
    assert model.quality_.verdict != "good"
    assert any("the sketch's noise moves components" in text for text in said)


@pytest.mark.slow
def test_what_noise_costs_alike_components_is_not_exaggerated():
    rng = np.random.default_rng(0)
    means = 2.0 * rng.normal(size=(6, 80)) * (rng.random((6, 80)) < 0.2)
    X = means[rng.integers(6, size=10_000)] + rng.normal(size=(10_000, 80))
    start = {"means_init": means, "precisions_init": np.ones((6, 80))}
    em = GaussianMixture(6, covariance_type="diag", random_state=0, **start).fit(X)
    model, _ = decode(X, 6, n_frequencies=1500)
    loss = em.score(X) - model.score(X)
    # Without what held their widths together it was estimated at several times as much.
    assert 0.5 < model.quality_.sampling_loss / loss < 1.7


@pytest.mark.slow
def test_as_many_frequencies_as_noise_asks_for_settle_it():
    X, em = draw(10_000, 15, 4, 1)
    model, said = decode(X, 4)
    before = em.score(X) - model.score(X)
    assert before > 0.1
    named = int(re.search(r"n_frequencies=(\d+), now", said[0])[1])
    model, said = decode(X, 4, n_frequencies=named)
    assert not said
    assert model.quality_.verdict == "good"
    assert em.score(X) - model.score(X) < min(0.1, before)


def test_a_mixture_of_too_many_parameters_to_tell_is_in_doubt():
    X, _ = draw(10_000, 3, 3, 0)
    quality = decode(X, 3)[0].quality_
    assert quality.verdict == "good"
    quality = replace(quality, sampling_loss=np.inf)
    assert quality.verdict == "doubtful"
    told = "20 parameters are too many to tell what .* noise makes of them. Call fit with the rows"
    with pytest.warns(ConvergenceWarning, match=told) as caught:
        warn_of_moments(quality, [])
    assert "n_frequencies" not in str(caught[0].message)


def test_more_numbers_than_are_computed_leave_the_loss_unknown():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 400))
    sketch = Sketcher(8000, n_clusters=8, scale=1.0, random_state=0).fit(X).sketch(X)
    family = DiagonalGaussian(sketch.operator)
    problem = Problem.of(sketch, family, 8)
    fit = solve_weights(problem, family.from_moments(X[:8], np.ones((8, 400))))
    assert estimate_sampling_loss(problem, problem.make_mixture(fit), rng) == np.inf


def test_columns_in_which_components_are_narrow_are_not_blurred():
    X, em = draw(10_000, 10, 5, 5)
    model, _ = decode(X, 5)
    assert model.covariances_.min() < 0.03 * X.var(axis=0).max()
    assert em.score(X) - model.score(X) < 0.1


def test_regularisation_that_costs_nothing_is_no_doubt():
    X, _ = draw(10_000, 3, 3, 0)
    X[:, 1] *= 0.03 / X[:, 1].std()  # Of a variance a thousand times what is added.
    model, said = decode(X, 3)
    model.set_params(reg_covar=1e-9).fit_sketch(model.sketch_)
    assert not said
