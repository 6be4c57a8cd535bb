"""What noise leaves beside a right mixture: against draws of sketches, and what follows from it."""

from dataclasses import replace

import numpy as np
import pytest
from planted import operator_of

from datasets.families import wide_rare
from sketchlearn import Sketcher
from sketchlearn.atoms import DiagonalGaussian, FullGaussian, SphericalGaussian
from sketchlearn.decoders import BestOf, MeanShift, Problem
from sketchlearn.decoders.noise_left import estimate_noise_left, judge_noise
from sketchlearn.decoders.quality import NoiseLeft
from sketchlearn.decoders.refinement import adjust

N_ROWS = 4000


def planted(family):
    """Parameters of three atoms, and rows of them as a function of a seed."""
    centers = np.array([[0.0, 0.0], [7.0, 1.0], [-2.0, 9.0]])
    variances = np.array([[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]])
    parameters = family.from_moments(centers, variances)
    covariances = family.covariance_matrices(parameters)

    def draw(seed):
        rng = np.random.default_rng(seed)
        labels = rng.choice(3, size=N_ROWS, p=[0.6, 0.3, 0.1])
        roots = np.linalg.cholesky(covariances)
        noise = np.einsum("nij,nj->ni", roots[labels], rng.normal(size=(N_ROWS, 2)))
        return centers[labels] + noise

    return parameters, draw


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SphericalGaussian, DiagonalGaussian, FullGaussian])
def test_it_is_the_mean_and_deviation_of_the_cost_of_the_right_mixture(kind):
    """Sketches of 60 draws of rows, matched from the truth: all but what parameters absorb."""
    operator = operator_of(d=2, scale=1.0, m=40)
    family = kind(operator)
    parameters, draw = planted(family)
    sketcher = Sketcher.from_operator(operator)
    costs = []
    for seed in range(60):
        problem = Problem.of(sketcher.sketch(draw(seed)), family, 3)
        start = problem.evaluate(np.array([0.6, 0.3, 0.1]), parameters)
        fit = adjust(problem, start, shapes="free", max_iter=300, tolerance=1e-9)
        costs.append(fit.cost)
    mixture = problem.make_mixture(start)
    left = estimate_noise_left(problem, mixture, np.random.default_rng(0))
    # Four standard errors of the mean of the costs, and a tenth for what 500 rows tell.
    error = left.deviation / np.sqrt(len(costs))
    assert np.mean(costs) == pytest.approx(left.expected, rel=4.0 * error + 0.1)
    assert np.std(costs) / np.mean(costs) == pytest.approx(left.deviation, rel=0.5)
    # Far less than the share that the numbers alone would leave.
    assert left.expected < 0.8 * problem.noise * problem.spare_share


@pytest.fixture(scope="module")
def found():
    operator = operator_of(d=2, scale=1.0, m=40)
    family = SphericalGaussian(operator)
    rows = planted(family)[1](0)
    sketch = Sketcher.from_operator(operator).sketch(rows)
    return MeanShift().decode(sketch, family, 3, np.random.default_rng(0)).quality


def test_structure_is_hidden_where_more_is_left_than_that(found):
    quality = replace(found, moment_factors=(1.0, 1.0))
    assert quality.is_beyond_doubt
    left = NoiseLeft(expected=quality.cost / 1.5, deviation=0.2)
    assert not quality.hides_structure  # Nobody asked.
    assert replace(quality, noise_left=left).hides_structure
    assert not replace(quality, noise_left=left).is_beyond_doubt
    assert not replace(quality, noise_left=replace(left, deviation=0.6)).hides_structure
    # What is more than all the noise is not hidden.
    assert not replace(quality, noise_left=left, noise=quality.noise / 100.0).hides_structure


def test_nobody_asks_where_all_is_beyond_doubt_or_noise_is_passed():
    operator = operator_of(d=2, scale=1.0, m=40)
    family = SphericalGaussian(operator)
    rows = planted(family)[1](0)
    problem = Problem.of(Sketcher.from_operator(operator).sketch(rows), family, 3)
    rng = np.random.default_rng(0)
    mixture = MeanShift().solve(problem, rng)
    doubted = replace(mixture.quality, moment_factors=(0.8, 1.0))
    asked = judge_noise(problem, replace(mixture, quality=doubted), rng)
    assert asked.quality.noise_left is not None
    sure = replace(mixture, quality=replace(doubted, moment_factors=(1.0, 1.0)))
    assert sure.quality.is_beyond_doubt
    assert judge_noise(problem, sure, rng).quality.noise_left is None
    single = MeanShift().solve(replace(problem, n_atoms=1), rng)
    assert not single.quality.is_noise
    assert judge_noise(problem, single, rng).quality.noise_left is None


@pytest.mark.quality
@pytest.mark.slow
def test_rare_wide_clusters_that_noise_hides_are_looked_for():
    """Five clusters of 1.6 %, three times as wide as the others: 1 decode of 6 finds them."""
    ratios = []
    for seed in range(3):
        rows = wide_rare(seed, 6000)
        sketch = Sketcher(5 * 16, n_clusters=8, random_state=seed).fit(rows).sketch(rows)
        family, rng = SphericalGaussian(sketch.operator), np.random.default_rng(seed)
        once = MeanShift().decode(sketch, family, 8, rng)
        best = BestOf().decode(sketch, family, 8, rng)
        ratios.append(best.cost / once.cost)
    assert min(ratios) < 0.7
