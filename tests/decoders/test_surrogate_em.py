"""Points that EM fits mixtures to: how sharp their kernels are."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from datasets.suite import new_sets
from sketchlearn import CompressiveGaussianMixture, Sketcher


@pytest.mark.slow
def test_components_are_narrower_than_the_kernel_where_the_sketch_tells_more():
    losses = []
    for seed in (30, 31, 32):
        rows = new_sets(6000)["log-normal"].rows(seed)
        rows = rows[np.random.default_rng(seed).permutation(len(rows))] / rows.std(axis=0)
        rows, others = rows[2000:], rows[:2000]
        sketcher = Sketcher(
            10 * 5 * rows.shape[1], n_clusters=5, scale="columns", random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = CompressiveGaussianMixture(5, random_state=seed)
            model.fit_sketch(sketcher.fit(rows).sketch(rows))
        em = GaussianMixture(5, covariance_type="diag", n_init=3, random_state=seed).fit(rows)
        losses.append(em.score(others) - model.score(others))
    assert np.mean(losses) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("seed", [40, 41])
def test_components_that_sharper_kernels_resolve_raise_no_doubt(seed):
    rng = np.random.default_rng([seed, 7])
    labels = rng.integers(5, size=20_000)
    lower, widths = rng.uniform(0.0, 10.0, (5, 4)), rng.uniform(0.5, 4.0, (5, 4))
    rows = lower[labels] + widths[labels] * rng.random((20_000, 4))
    rows, others = rows[:10_000], rows[10_000:]
    sketcher = Sketcher(450, n_clusters=5, scale="columns", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = CompressiveGaussianMixture(5, random_state=seed)
        model.fit_sketch(sketcher.fit(rows).sketch(rows))
    em = GaussianMixture(5, covariance_type="diag", n_init=3, random_state=seed).fit(rows)
    assert model.quality_.verdict == "good"
    assert em.score(others) - model.score(others) < 0.05
