"""Sketches of groups, each released at the cost of one."""

import numpy as np
import pytest

from sketchlearn import Sketch, Sketcher
from sketchlearn.privacy import Budget, release, release_groups

pytestmark = pytest.mark.slow

SKETCHER = Sketcher.from_domain([0.0, 0.0], [10.0, 10.0], clip=True, random_state=0)
ROWS = np.random.default_rng(0).normal(5.0, 1.0, size=(9000, 2))


def groups():
    parts = {"a": ROWS[:4000], "b": ROWS[4000:], "none": ROWS[:0]}
    return {key: SKETCHER.sketch(rows) for key, rows in parts.items()}


def test_groups_cost_as_much_as_one_of_them_and_add_up():
    budget = Budget(1.0, 1e-6)
    released = release_groups(groups(), epsilon=1.0, delta=1e-6, budget=budget)
    assert [*released] == ["a", "b", "none"]
    whole = sum(released.values())
    assert budget.spent.epsilon(1e-6) == pytest.approx(1.0)
    assert whole.epsilon == pytest.approx(1.0)
    assert abs(whole.n_samples - 9000) < 500
    assert len({each.mechanisms[0].token for each in released.values()}) == 3
    with pytest.raises(ValueError, match="of a budget of 1"):
        release_groups(groups(), epsilon=0.1, delta=1e-6, budget=budget)


def test_rows_of_a_person_in_several_groups_cost_no_more_than_in_one():
    for delta in (0.0, 1e-6):
        released = release_groups(
            groups(), epsilon=1.0, delta=delta, rows_per_person=3, budget=Budget(1.0, delta)
        )
        one, two, _ = (each.mechanisms[0] for each in released.values())
        for share in (1 / 3, 2 / 3):
            power = 1 if delta == 0.0 else 2
            spent = [
                each.loss.pure_epsilon if delta == 0.0 else each.loss.rho for each in (one, two)
            ]
            assert spent[0] * share**power + spent[1] * (1 - share) ** power <= max(spent)


def test_empty_groups_are_released_with_noise_like_others():
    released = release_groups(
        {"none": Sketch.empty(SKETCHER.operator_)},
        epsilon=1.0,
        delta=1e-6,
        budget=Budget(1.0, 1e-6),
    )
    assert np.count_nonzero(released["none"].parts["waves"]) > 100


def test_a_sketch_that_is_of_two_groups_is_refused_and_equal_ones_of_other_rows_are_not():
    one, other = (SKETCHER.sketch(ROWS[:1]) for _ in range(2))
    budget = Budget(1.0, 1e-6)
    with pytest.raises(ValueError, match="one sketch is that of two groups"):
        release_groups({"a": one, "b": one}, epsilon=1.0, delta=1e-6, budget=budget)
    assert budget.spent.rho == 0.0
    none = Sketch.empty(SKETCHER.operator_)
    same = {"a": one, "b": other, "c": none, "d": none}
    assert len(release_groups(same, epsilon=1.0, delta=1e-6)) == 4


def test_a_table_of_sketches_is_pointed_to_what_releases_it():
    table = SKETCHER.sketch_groups(ROWS, {"half": np.arange(len(ROWS)) % 2})
    with pytest.raises(TypeError, match=r"got a SketchTable of several: .* release_groups, or"):
        release(table, epsilon=1.0, delta=1e-6)


def test_no_groups_different_operators_and_second_releases_are_refused():
    for wrong in ({}, [SKETCHER.sketch(ROWS)]):
        with pytest.raises(TypeError, match="mapping of keys to sketches"):
            release_groups(wrong, epsilon=1.0, delta=1e-6)
    other = Sketcher.from_domain([0.0, 0.0], [10.0, 10.0], clip=True, random_state=1)
    with pytest.raises(ValueError, match="different operators or moments"):
        release_groups({**groups(), "c": other.sketch(ROWS)}, epsilon=1.0, delta=1e-6)
    sketches = {"a": SKETCHER.sketch(ROWS[:500]), "none": SKETCHER.sketch(ROWS[:0])}
    release_groups(sketches, epsilon=1.0, delta=1e-6)
    with pytest.raises(ValueError, match="released before"):
        release(sketches["a"], epsilon=1.0, delta=1e-6)
    with pytest.warns(UserWarning, match="not below one over the number of rows"):
        release_groups(groups(), epsilon=1.0, delta=1e-2, budget=Budget(1.0, 1e-2))
