"""An attacker who knows all rows but one learns no more from releases than epsilon allows."""

import numpy as np
import pytest

from docs.benchmarks import privacy_audit
from docs.benchmarks.privacy_audit import bound_epsilon, draw_scores, make_neighbours
from sketchlearn.privacy import Mechanism
from sketchlearn.privacy.queries import compute_parts, sensitivities

SETTINGS = [(1.0, 0.01, "add-remove"), (4.0, 0.0, "add-remove"), (4.0, 0.01, "replace")]


@pytest.mark.slow
@pytest.mark.parametrize(("epsilon", "delta", "neighbors"), SETTINGS)
def test_releases_of_neighbours_are_told_apart_no_better_than_claimed(epsilon, delta, neighbors):
    scores = draw_scores(make_neighbours(neighbors), 1_000, epsilon, delta, neighbors)
    assert bound_epsilon(scores, delta) <= epsilon


@pytest.mark.parametrize("neighbors", ["add-remove", "replace"])
def test_the_neighbours_that_are_audited_are_as_far_apart_as_any(neighbors):
    without, with_row = make_neighbours(neighbors)
    one, two = (compute_parts(each.operator, each.sums) for each in (without, with_row))
    bounds = sensitivities(with_row.operator, "full", neighbors, 1, 2)
    mechanism = Mechanism.choose(4.0, 0.01, neighbors, 1, bounds, moments_share=0.1)
    rho = 0.0
    for part in bounds:
        moved = np.linalg.norm((two[part] - one[part]).astype(float))
        assert moved <= bounds[part]
        rho += 0.5 * (moved / mechanism.scales[part]) ** 2
    assert 0.9 * mechanism.loss.rho <= rho <= mechanism.loss.rho


def test_too_little_noise_is_found():
    rng = np.random.default_rng(0)
    scores = rng.normal([[-2.0], [2.0]], 2.0, size=(2, 4_000))
    assert 1.0 < bound_epsilon(scores, 0.0) < 4.0
    assert bound_epsilon(rng.normal(size=(2, 4_000)), 0.0) < 0.5


@pytest.mark.slow
def test_the_script_prints_a_table(capsys):
    privacy_audit.main(["--releases", "4"])
    assert capsys.readouterr().out.count("| replace |") == len(privacy_audit.SETTINGS)
