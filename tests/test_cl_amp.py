"""CL-AMP, the benchmark's rival: its posterior moments, its tuning, and what it recovers."""

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances_argmin_min
from threadpoolctl import threadpool_limits

from docs.benchmarks import _cl_amp, _log, _methods, cl_amp
from docs.benchmarks._cl_amp import CLAMP
from sketchlearn import Sketcher
from sketchlearn.atoms import DiagonalGaussian, SphericalGaussian


def planted(seed, n_clusters=10, n_features=10):
    rng = np.random.default_rng(seed)
    centers = 4.0 * rng.standard_normal((n_clusters, n_features))
    labels = rng.integers(n_clusters, size=20_000)
    return centers[labels] + rng.standard_normal((len(labels), n_features)), centers


def decoded(X, n_clusters, n_frequencies, seed):
    sketcher = Sketcher(n_frequencies, n_clusters=n_clusters, keep_pilot=False, random_state=seed)
    sketch = sketcher.fit(X).sketch(X)
    rng = np.random.default_rng(seed)
    return CLAMP().decode(sketch, SphericalGaussian(sketch.operator), n_clusters, rng)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_separated_gaussians_are_found(seed):
    X, centers = planted(seed)
    mixture = decoded(X, 10, 500, seed)
    _, distances = pairwise_distances_argmin_min(centers, mixture.locations)
    assert distances.max() < 0.2
    np.testing.assert_allclose(mixture.weights, 0.1, atol=0.02)
    np.testing.assert_allclose(mixture.covariances, 1.0, atol=0.2)
    assert mixture.goodness_of_fit < 1.0


def test_projections_have_the_posterior_that_sampling_gives():
    rng = np.random.default_rng(0)
    g, beta = np.array([0.9]), np.array([[0.6, 0.3, 0.1]])
    p, q = np.array([[0.4, -1.2, 2.0]]), np.array([0.5, 0.2, 0.8])
    noise = np.array([0.02])
    y = np.array([0.3 + 0.35j])
    t, q_t = np.empty((1, 3)), np.empty((1, 3))
    _cl_amp._denoise(y.real, y.imag, noise, g, beta, p, q, t, q_t)

    draws = p + np.sqrt(q) * rng.standard_normal((400_000, 3))
    waves = beta * np.exp(1j * g * draws)
    for k in range(3):
        rest = np.delete(waves, k, axis=1).sum(axis=1)
        covariance = np.cov(rest.real, rest.imag) + noise * np.eye(2)
        left = y - rest.mean() - waves[:, k]
        left = np.stack([left.real, left.imag])
        shares = np.exp(-0.5 * np.sum(left * np.linalg.solve(covariance, left), axis=0))
        mean = np.average(draws[:, k], weights=shares)
        variance = np.average((draws[:, k] - mean) ** 2, weights=shares)
        assert t[0, k] == pytest.approx(mean, abs=0.01)
        assert q_t[0, k] == pytest.approx(variance, abs=0.01)


def test_a_phase_of_which_the_prior_knows_nothing_stays():
    t, q_t = np.empty((1, 1)), np.empty((1, 1))
    y, one = np.array([0.5 + 0.1j]), np.ones(1)
    _cl_amp._denoise(
        y.real, y.imag, 0.01 * one, 5 * one, np.ones((1, 1)), np.full((1, 1), 0.7), one, t, q_t
    )
    assert (t[0, 0], q_t[0, 0]) == (0.7, 1.0)


def test_tuning_finds_the_weights_and_variances_of_known_projections():
    rng = np.random.default_rng(0)
    weights, variances = np.array([0.5, 0.3, 0.2]), np.array([0.5, 1.0, 2.0])
    g, t = rng.uniform(0.1, 2.0, 200), rng.normal(0.0, 3.0, (200, 3))
    y = np.exp(1j * g[:, None] * t - 0.5 * g[:, None] ** 2 * variances) @ weights
    found = np.full(3, 1 / 3), np.ones(3)
    for _ in range(10):
        found = _cl_amp._tuned(y, g, t, np.zeros_like(t), *found, scale=1.0)
    np.testing.assert_allclose(found[0], weights, atol=1e-2)
    np.testing.assert_allclose(found[1], variances, rtol=2e-2)


def test_other_families_are_refused():
    X, _ = planted(0, n_clusters=2, n_features=2)
    sketch = Sketcher(50, n_clusters=2, random_state=0).fit(X).sketch(X)
    with pytest.raises(TypeError, match="SphericalGaussian family, got DiagonalGaussian"):
        CLAMP().decode(sketch, DiagonalGaussian(sketch.operator), 2, np.random.default_rng(0))


def test_the_benchmark_keeps_the_best_of_the_scales():
    X, _ = planted(0, n_clusters=3, n_features=3)
    outcome = _methods.cl_amp(_methods.Problem(X, 3, 45, 0, 1.0))
    sums = outcome.figures["sse_at_scales"]
    assert _methods.inertia(X, outcome.centers) == min(sums)
    assert outcome.figures["scale_factor"] == _methods.SCALE_FACTORS[int(np.argmin(sums))]


def test_the_page_on_one_small_set_goes_on_where_it_was(tmp_path):
    log, page = tmp_path / "log.jsonl", tmp_path / "page.md"
    options = ["--sets", "iris", "--seeds", "1", "--log", str(log), "--page", str(page),
               "--beside", str(tmp_path / "none.jsonl")]  # fmt: skip
    with threadpool_limits(1):
        cl_amp.main([*options, "--ratios", "2"])
        first = _log.read(log)
        assert {record["way"] for record in first} == {*cl_amp.WAYS, cl_amp.EITHER}
        assert len(first) == len(cl_amp.FACTORS) * 4
        assert all(0.99 < record["sse_ratio"] < 3.0 for record in first)
        cl_amp.main([*options, "--ratios", "2,5"])
    assert _log.read(log)[: len(first)] == first
    assert len(_log.read(log)) == 2 * len(first)
    text = page.read_text()
    assert "pycle" not in text
    assert "On the 1 sets" in text
    assert text.count("\n| 2 | ") == text.count("\n| 5 | ") == len(cl_amp.FACTORS)


def test_sets_that_are_too_large_are_passed_over(tmp_path):
    options = ["--sets", "10 x 10", "--seeds", "1", "--log", str(tmp_path / "log.jsonl")]
    cl_amp.main([*options, "--n-synthetic", "500", "--page", str(tmp_path / "page.md")])
    assert list(tmp_path.iterdir()) == []


def test_rivals_are_taken_from_the_log_of_decoders():
    record = {"set": "iris", "ratio": 2, "sse_ratio": 1.5, "seconds": 0.1}
    amp = [record | {"method": "CL-AMP", "seed": seed} for seed in (0, 1)]
    pycle = record | {"method": "pycle", "seed": 0, "sse_ratio": 1.05}
    assert cl_amp.rivals([pycle]) == ""
    expected = "| 2 | 1.500 / 1.50, 0%; 0.10 s, 2 seeds | 1.050 / 1.05, 100%; 0.10 s, 1 seeds |"
    assert expected in cl_amp.rivals([*amp, pycle])


def test_every_draw_of_separated_clusters_is_told():
    one = {"set": "separated Gaussians", "ratio": 2, "factor": 1}
    records = [
        one | {"seed": seed, "way": way, "sse_ratio": 1.0 + seed}
        for seed in (1, 0)
        for way in (*cl_amp.WAYS, cl_amp.EITHER)
    ]
    cells = " | ".join(["1.00, 2.00"] * 4)
    assert f"| 2 | 1 | {cells} |" in cl_amp.separated(records)
    assert cl_amp.separated([record | {"set": "iris"} for record in records]) == ""
