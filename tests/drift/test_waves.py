"""Covariances of waves from paired frequencies, against those of the rows."""

import numpy as np
import pytest

from sketchlearn import EmptySketchError, Sketcher, SketchMismatchError
from sketchlearn.drift.waves import PairedWaves, WaveDifferences, worst_case_p_values

RNG = np.random.default_rng(0)
X, Y = RNG.standard_t(3, size=(400, 3)), RNG.normal(size=(700, 3))
SKETCHER = Sketcher(60, paired=True, random_state=0).fit(X)
WAVES = WaveDifferences(SKETCHER.sketch(X), SKETCHER.sketch(Y))


def waves_of(rows, index):
    centered = rows - SKETCHER.center_
    return np.exp(1j * centered @ SKETCHER.frequencies_[:, index])


def test_covariances_are_those_of_all_rows():
    pairs = PairedWaves.all_of(WAVES)
    waves = waves_of(np.r_[X, Y], pairs.lower)
    cosine, sine, both = pairs.covariance
    np.testing.assert_allclose(cosine, waves.real.var(axis=0), atol=3e-6)
    np.testing.assert_allclose(sine, waves.imag.var(axis=0), atol=3e-6)
    centered = waves - waves.mean(axis=0)
    np.testing.assert_allclose(both, np.mean(centered.real * centered.imag, axis=0), atol=3e-6)


def test_large_equal_samples_have_the_p_values_of_wald_s_statistic():
    sketches = SKETCHER.sketch(X), SKETCHER.sketch(Y[:400])
    pairs = PairedWaves.all_of(WaveDifferences(*sketches))
    a, b = (waves_of(rows, pairs.lower) for rows in (X, Y[:400]))
    both = np.r_[a, b]
    p_values = pairs.p_values()
    for j in range(len(p_values)):
        parts = np.stack([both[:, j].real, both[:, j].imag])
        # Covariance of a difference of means over all divisions of the rows in halves.
        covariance = np.cov(parts) * (1 / 400 + 1 / 400)
        d = b[:, j].mean() - a[:, j].mean()
        d = np.array([d.real, d.imag])
        wald = d @ np.linalg.solve(covariance, d)
        assert p_values[j] == pytest.approx(np.exp(-wald / 2), rel=2e-2)


@pytest.mark.slow
def test_the_squared_distance_is_what_is_said_on_average():
    # All divisions of the same rows are alike: none is left out on average.
    rng = np.random.default_rng(1)
    rows = np.r_[X, Y]
    ratios = []
    for _ in range(300):
        rng.shuffle(rows)
        found = WaveDifferences(SKETCHER.sketch(rows[:100]), SKETCHER.sketch(rows[100:]))
        ratios.append(np.sum(np.abs(found.means[1] - found.means[0]) ** 2) / found.variance)
    assert abs(np.mean(ratios) - 1.0) < 5 * np.std(ratios) / np.sqrt(300)


def test_squares_are_unbiased_over_samples():
    rng = np.random.default_rng(2)
    truth = np.abs(WAVES.b.centered_mean) ** 2
    found = []
    for _ in range(300):
        drawn = SKETCHER.sketch(Y[rng.integers(len(Y), size=20)])
        found.append(WaveDifferences(drawn, drawn).unbiased_squares[0])
    error = np.std(found, axis=0) / np.sqrt(300)
    assert np.all(np.abs(np.mean(found, axis=0) - truth) < 5 * error)


def test_waves_without_variance_along_a_direction():
    flags = Sketcher(40, paired=True, random_state=0).fit(np.repeat([[0.0], [1.0]], 50, axis=0))
    a = flags.sketch(np.repeat([[0.0], [1.0]], [480, 520], axis=0))
    b = flags.sketch(np.repeat([[0.0], [1.0]], [520, 480], axis=0))
    # Every wave tells the share of ones, and nothing else.
    squares = 0.04**2 / (0.25 * 2 / 1000)
    p_values = PairedWaves.all_of(WaveDifferences(a, b)).p_values()
    np.testing.assert_allclose(p_values, np.exp(-squares / 2), rtol=0.02)


def test_the_worst_case_is_never_better_than_what_is_known():
    pairs = PairedWaves.all_of(WAVES)
    worst = worst_case_p_values(WAVES)[pairs.lower]
    assert worst.shape == (30,)
    assert np.median(worst) > np.median(pairs.p_values())


def test_what_cannot_be_compared_is_refused():
    other = Sketcher(60, paired=True, random_state=1).fit(X)
    with pytest.raises(SketchMismatchError, match="different operators"):
        WaveDifferences(WAVES.a, other.sketch(X))
    with pytest.raises(EmptySketchError, match="without rows"):
        WaveDifferences(WAVES.a, SKETCHER.sketch(np.zeros((0, 3))))
