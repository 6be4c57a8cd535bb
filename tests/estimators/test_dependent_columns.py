"""Mixtures of rows whose columns depend on one another, from a sketch alone."""

import numpy as np
import pytest
from planted import planted_mixture
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn import CompressiveGaussianMixture, Sketcher


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kind", ["sum", "copy", "shares"])
def test_components_of_dependent_columns_are_as_narrow_as_em_makes_them(kind):
    n_silent = 0
    for seed in range(4):
        rows, _, _, _ = planted_mixture("full", n=20_000, seed=seed)
        added = 1e-9 if kind == "shares" else 1e-6
        if kind == "shares":
            rows = np.exp(rows / 8.0)
            rows /= rows.sum(axis=1, keepdims=True)
        else:
            other = -rows.sum(axis=1) if kind == "sum" else rows[:, 0]
            rows = np.column_stack([rows, other])
        sketcher = Sketcher(n_clusters=4, scale="columns", keep_pilot=False, random_state=seed)
        sketch = sketcher.fit(rows).sketch(rows)
        options = {"covariance_type": "full", "reg_covar": added, "random_state": seed}
        em = GaussianMixture(4, n_init=2, **options).fit(rows)
        model = CompressiveGaussianMixture(4, **options).fit_sketch(sketch)
        is_near = model.score(rows) > em.score(rows) - 0.3
        n_silent += not is_near and model.quality_.verdict == "good"
    # Where EM ends is chance, by as much as that.
    assert n_silent <= 1


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.001, 0.03, 0.3])
@pytest.mark.filterwarnings("ignore:components are as narrow")
def test_components_of_nearly_dependent_columns_are_as_narrow_as_the_rows(noise):
    losses = []
    for seed in range(40, 44):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(15_000, 3))
        rows[:, 2] = rows[:, 0] + rows[:, 1] + noise * rng.normal(size=15_000)
        rows += rng.integers(3, size=15_000)[:, None] * [6, 0, 6]
        sketcher = Sketcher(n_clusters=3, scale="columns", keep_pilot=False, random_state=seed)
        model = CompressiveGaussianMixture(3, covariance_type="full", random_state=seed)
        model.fit_sketch(sketcher.fit(rows).sketch(rows))
        em = GaussianMixture(3, n_init=2, random_state=0).fit(rows)
        losses.append(em.score(rows) - model.score(rows))
    # As wide as atoms are at the least, they lost 1 to 5 nats.
    assert np.median(losses) < 0.1
    assert max(losses) < 0.5


@pytest.mark.slow
def test_columns_that_nearly_depend_on_one_another_are_named_and_to_leave_one_out_helps():
    for seed in range(50, 52):
        rng = np.random.default_rng(seed)
        rows = rng.normal(size=(20_000, 3))
        rows[:, 2] = rows[:, 0] + rows[:, 1] + 0.3 * rng.normal(size=20_000)
        rows += rng.integers(3, size=20_000)[:, None] * [6, 0, 6]
        sketcher = Sketcher(n_clusters=3, scale="columns", keep_pilot=False, random_state=seed)
        model = CompressiveGaussianMixture(3, covariance_type="full", random_state=seed)
        told = "columns 'x0', 'x1', 'x2' nearly depend on one another.* or leave one of these"
        with pytest.warns(ConvergenceWarning, match=told) as caught:
            model.fit_sketch(sketcher.fit(rows).sketch(rows))
        # Nothing of other sizes, which were not seen to help.
        assert not any("n_frequencies" in str(each.message) for each in caught)
        fewer = rows[:, :2]
        assert model.fit_sketch(sketcher.fit(fewer).sketch(fewer)).quality_.verdict == "good"
