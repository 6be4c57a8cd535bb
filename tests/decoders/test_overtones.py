"""What coarse features add to waves is taken off before a sketch is decoded."""

import numpy as np
import pytest
from planted import gaussian_clusters
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from datasets.families import cigars
from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.atoms import DiagonalGaussian, Dirac, FullGaussian, SphericalGaussian
from sketchlearn.decoders import Problem
from sketchlearn.decoders.overtones import FeatureObjective, clear_overtones, compute_overtones
from sketchlearn.decoders.problem import Fit

FAMILIES = [SphericalGaussian, DiagonalGaussian, FullGaussian, Dirac]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def signs_of(rng, m=50):
    sketcher = Sketcher(m, scale=1.0, features="signs", random_state=0)
    return sketcher.fit(rng.normal(size=(200, 3))).sketch(rng.normal(size=(200, 3)))


@pytest.mark.parametrize("kind", FAMILIES)
def test_overtones_are_the_mixtures_waves_at_multiples_of_the_frequencies(kind, rng):
    operator, points = signs_of(rng).operator, rng.normal(size=(2, 3))
    family = kind(operator)
    width = 0.0 if kind is Dirac else 1.0
    dither, expected = 2 * np.pi * operator.features.dither / 256, 0.0
    for multiple in range(3, 4001, 2):
        s = multiple if multiple % 4 == 1 else -multiple
        omega = s * operator.frequencies
        waves = np.exp(1j * (points - operator.center) @ omega - width * (omega**2).sum(axis=0) / 2)
        expected = expected + np.exp(1j * (s - 1) * dither) / s * 0.3 * waves.sum(axis=0)
    parameters = family.from_moments(points, np.ones_like(points))
    ours = compute_overtones(family, np.full(2, 0.3), parameters)
    stacked = np.concatenate([expected.real, expected.imag])
    # A sum of so many waves is still off at the edges of signs that nothing blurs.
    np.testing.assert_allclose(ours, stacked, atol=0.02 if kind is Dirac else 1e-5)


@pytest.mark.parametrize("kind", FAMILIES[:3])
def test_gradients_of_features_are_those_of_differences(kind, rng):
    sketch = signs_of(rng)
    family = kind(sketch.operator)
    problem = Problem.of(sketch, family, 2)
    parameters = family.from_moments(rng.normal(size=(2, 3)), rng.uniform(0.5, 2.0, size=(2, 3)))
    start = Fit(np.array([0.3, 0.6]), parameters, np.inf, 0)
    objective = FeatureObjective(problem, start, "free")
    cost, gradient = objective(objective.start)
    assert cost > 0.0
    for i, slope in enumerate(gradient):
        step = np.zeros(len(gradient))
        step[i] = 1e-3
        differences = objective(objective.start + step)[0] - objective(objective.start - step)[0]
        assert differences / 2e-3 == pytest.approx(slope, abs=2e-3 * np.abs(gradient).max())


@pytest.mark.slow
@pytest.mark.parametrize("n_features", [64, 120])
def test_clusters_of_unlike_widths_in_many_columns_are_found(n_features):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(6, n_features)) * 34 / np.sqrt(2 * n_features)
    labels, widths = rng.integers(6, size=6000), np.geomspace(0.2, 5.0, 6)
    noise = rng.normal(size=(6000, n_features)) / np.sqrt(n_features)
    rows = centers[labels] + widths[labels][:, None] * noise
    sketcher = Sketcher(1200, n_clusters=6, features="signs", keep_pilot=False, random_state=0)
    model = CompressiveKMeans(6, random_state=0).fit_sketch(sketcher.fit(rows).sketch(rows))
    best = KMeans(6, n_init=5, random_state=0).fit(rows).inertia_
    assert -model.score(rows) < 1.02 * best


@pytest.mark.slow
def test_what_is_left_is_nearer_to_the_waves_of_the_rows(rng):
    _, X = gaussian_clusters(k=4, d=3, n=40_000)
    sketcher = Sketcher(300, n_clusters=4, features="signs", random_state=0).fit(X)
    operator, sketch = sketcher.operator_, sketcher.sketch(X)
    true = np.exp(1j * (X - operator.center) @ operator.frequencies).mean(axis=0)
    true = np.concatenate([true.real, true.imag])
    problem = Problem.of(sketch, SphericalGaussian(operator), 4)
    cleared = clear_overtones(problem, rng)
    before, after = (np.sum((one.target - true) ** 2) for one in (problem, cleared))
    assert after < 2 * problem.noise < 0.2 * before


def test_waves_have_none(rng):
    sketcher = Sketcher(60, random_state=0).fit(rng.normal(size=(300, 2)))
    sketch = sketcher.sketch(rng.normal(size=(300, 2)))
    problem = Problem.of(sketch, SphericalGaussian(sketch.operator), 2)
    assert clear_overtones(problem, rng) is problem


def sum_of_squares(rows, centers):
    return cdist(rows, centers, "sqeuclidean").min(axis=1).sum()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_clusters_sixty_widths_apart_are_found(seed):
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-60, 60, (6, 3))
    rows = centers[rng.integers(6, size=10_000)] + rng.normal(size=(10_000, 3))
    sketcher = Sketcher(n_clusters=6, features="signs", keep_pilot=False, random_state=seed)
    model = CompressiveKMeans(6, random_state=seed).fit_sketch(sketcher.fit(rows).sketch(rows))
    assert sum_of_squares(rows, model.cluster_centers_) < 1.02 * sum_of_squares(rows, centers)


@pytest.mark.slow
def test_long_clusters_are_found():
    n_explained = 0
    for seed in range(3):
        rows = cigars(seed, 10_000)
        kinds = {"features": "signs", "keep_pilot": False, "random_state": seed}
        sketcher = Sketcher(400, n_clusters=6, **kinds)
        model = CompressiveKMeans(6, random_state=seed).fit_sketch(sketcher.fit(rows).sketch(rows))
        best = KMeans(6, n_init=10, random_state=0).fit(rows).cluster_centers_
        ratio = sum_of_squares(rows, model.cluster_centers_) / sum_of_squares(rows, best)
        assert ratio < 1.02 or model.quality_.verdict != "good"
        n_explained += isinstance(model.mixture_.family, FullGaussian) and ratio < 1.01
    assert n_explained >= 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_centroids_that_lack_a_heavy_tail_are_told():
    lost, told = 0, 0
    for seed in range(50, 58):
        rows = np.random.default_rng(seed).lognormal(0.0, 1.2, size=(20_000, 3))
        sketcher = Sketcher(90, n_clusters=6, features="signs", keep_pilot=False, random_state=seed)
        model = CompressiveKMeans(6, random_state=seed)
        model.fit_sketch(sketcher.fit(rows).sketch(rows))
        best = KMeans(6, n_init=3, random_state=0).fit(rows).inertia_
        if -model.score(rows) > 1.1 * best:
            lost += 1
            told += model.quality_.verdict != "good"
    assert lost >= 4
    assert told >= lost - 1


@pytest.mark.slow
def test_clusters_far_narrower_than_the_pilots_are_found():
    for seed in (30, 31, 33):
        rng = np.random.default_rng(seed)
        centers = rng.normal(size=(8, 5)) * 5
        rows = centers[rng.integers(8, size=10_000)] + 0.5 * rng.normal(size=(10_000, 5))
        sketcher = Sketcher(n_clusters=8, features="signs", keep_pilot=False, random_state=seed)
        model = CompressiveKMeans(8, random_state=seed)
        model.fit_sketch(sketcher.fit(8 * rows[:5000]).sketch(rows))
        best = KMeans(8, n_init=3, random_state=0).fit(rows).inertia_
        assert -model.score(rows) < 1.02 * best
