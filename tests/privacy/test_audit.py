"""An attacker who knows all rows but one learns no more from releases than epsilon allows."""

import numpy as np
import pytest

from docs.benchmarks import privacy_audit
from docs.benchmarks.privacy_audit import bound_epsilon, draw_scores, make_neighbours
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
    for part in bounds:
        moved = np.linalg.norm((two[part] - one[part]).astype(float))
        least = 0.99 if neighbors == "add-remove" or part == "first" else 0.0
        assert least * bounds[part] <= moved <= bounds[part]


def test_too_little_noise_is_found():
    rng = np.random.default_rng(0)
    scores = rng.normal([[-2.0], [2.0]], 2.0, size=(2, 4_000))
    assert 1.0 < bound_epsilon(scores, 0.0) < 4.0
    assert bound_epsilon(rng.normal(size=(2, 4_000)), 0.0) < 0.5


@pytest.mark.slow
def test_the_script_prints_a_table(capsys):
    privacy_audit.main(["--releases", "4"])
    assert capsys.readouterr().out.count("| replace |") == len(privacy_audit.SETTINGS)
