"""Points that EM fits mixtures to: how sharp their kernels are."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from datasets.suite import new_sets
from sketchlearn import CompressiveGaussianMixture, Sketcher
from sketchlearn.decoders.quality import THRESHOLDS


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


def draw_narrow(ratio, seed, n=12_000):
    """Six clusters, every other one so many times narrower."""
    rng = np.random.default_rng(seed)
    centers, widths = 15.0 * rng.normal(size=(6, 3)), np.array([1.0 / ratio, 1.0] * 3)
    labels = rng.integers(6, size=n)
    rows = centers[labels] + widths[labels][:, None] * rng.normal(size=(n, 3))
    precisions = np.repeat(widths[:, None] ** -2.0, 3, axis=1)
    best = GaussianMixture(
        6, covariance_type="diag", means_init=centers, precisions_init=precisions
    ).fit(rows)
    return rows, best.score(rows)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [8, 40])
@pytest.mark.parametrize("seed", [20, 21, 22])
def test_components_that_should_be_narrower_than_they_can_be_are_a_doubt(ratio, seed):
    rows, best = draw_narrow(ratio, seed)
    sketcher = Sketcher(420, n_clusters=6, scale="columns", keep_pilot=False, random_state=seed)
    model = CompressiveGaussianMixture(6, random_state=seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model.fit_sketch(sketcher.fit(rows).sketch(rows))
    lost = best - model.score(rows)
    if ratio == 8:
        assert lost < 0.1
        assert model.quality_.verdict == "good"
        assert not caught
    else:
        assert lost > 0.3
        assert model.quality_.verdict == "doubtful"
        # By far the most of them because of how narrow they are, some because of noise.
        assert "EM on" in str(caught[0].message)
        # What the warning advises.
        assert best - CompressiveGaussianMixture(6, random_state=seed).fit(rows).score(rows) < 0.05


@pytest.mark.slow
def test_gaussians_that_leave_half_of_the_sketch_are_a_doubt():
    rng = np.random.default_rng(23)
    far, near = 60.0 * rng.normal(size=(3, 1, 3)), 3.0 * rng.normal(size=(3, 3, 3))
    centers = (far + near).reshape(-1, 3)
    verdicts = []
    for seed in range(4):
        rows = centers[rng.integers(9, size=12_000)] + 0.4 * rng.normal(size=(12_000, 3))
        sketcher = Sketcher(126, n_clusters=9, scale="columns", random_state=seed)
        model = CompressiveGaussianMixture(9, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit_sketch(sketcher.fit(rows).sketch(rows))
        if model.quality_.misfit > THRESHOLDS.excessive_misfit:
            verdicts.append(model.quality_.verdict)
    assert verdicts
    assert "good" not in verdicts
