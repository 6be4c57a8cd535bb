"""How far one person's rows move what is released: searched for, and held against the bound."""

import itertools
import math

import numpy as np
import pytest

from sketchlearn import Sketch, Sketcher
from sketchlearn.features import Waves
from sketchlearn.privacy.queries import compute_parts, largest_coordinates, sensitivities

pytestmark = pytest.mark.slow

RELATIONS = ("add-remove", "replace")
MOMENTS = ("full", "diagonal", None)


def sketcher_of(d, m, moments="full", seed=0):
    rng = np.random.default_rng(seed)
    lower = rng.uniform(-90.0, 10.0, size=d)
    upper = lower + 10.0 ** rng.uniform(-1.0, 3.0, size=d)
    sketcher = Sketcher.from_domain(lower, upper, n_frequencies=m, clip=True, random_state=seed)
    return sketcher.set_params(moments=moments)


def parts_of(sketcher, rows):
    sketch = sketcher.sketch(rows)
    return compute_parts(sketch.operator, sketch.sums)


def bounds_of(sketcher, neighbors, norm, rows_per_person=1):
    kind = sketcher.moment_kind
    return sensitivities(sketcher.operator_, kind, neighbors, rows_per_person, norm)


def size(integers, norm):
    """L1 or L2 of integers, in Python's own so that nothing is rounded before the root."""
    values = [abs(int(each)) for each in integers]
    return float(sum(values)) if norm == 1 else math.sqrt(sum(each * each for each in values))


def single_row_waves(sketcher, rows):
    """What each row adds to the waves' sums, by the kernel that sums rows: (n, 2 m)."""
    waves = np.empty((len(rows), 2 * sketcher.operator_.n_frequencies), np.int64)
    for out, row in zip(waves, rows, strict=True):
        out[:] = sketcher.sketch(row[None]).feature_sum.ravel()
    return waves


def climb(score, start, lower, upper, rng, n_steps):
    """Hill climbing over rows in a box, steps from its width down to a millionth."""
    best, value = start, score(start)
    for step in np.geomspace(1.0, 1e-6, n_steps):
        moved = best + step * (upper - lower) * rng.normal(size=best.shape)
        moved = np.clip(moved, lower, upper)
        if (new := score(moved)) > value:
            best, value = moved, new
    return best, value


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("neighbors", RELATIONS)
@pytest.mark.parametrize("m", [1, 2, 5, 500])
def test_no_rows_that_are_searched_for_move_the_waves_farther_than_the_bound(m, neighbors, norm):
    d = min(m, 5)
    sketcher, rng = sketcher_of(d, m, seed=m), np.random.default_rng(m)
    lower, upper = sketcher.operator_.domain.box
    bound = bounds_of(sketcher, neighbors, norm)["waves"]
    n_rows = 1 if neighbors == "add-remove" else 2

    def moved(rows):
        waves = single_row_waves(sketcher, rows)
        return size(waves[0] if n_rows == 1 else waves[0] - waves[1], norm)

    for _ in range(4):
        start = rng.uniform(lower, upper, size=(n_rows, d))
        _, reached = climb(moved, start, lower, upper, rng, 40)
        assert reached <= bound


def aim(sketcher, goal, rng, n_tries=4000):
    """Row in the box whose phases, in turns, are near goals (m,) up to whole turns; d = m."""
    operator = sketcher.operator_
    lower, upper = operator.domain.box
    turns = operator.frequencies / (2.0 * np.pi)
    reach = np.abs(turns).T @ (0.5 * (upper - lower))
    whole = np.rint(rng.uniform(-reach, reach, size=(n_tries, len(goal))))
    rows = operator.center + np.linalg.solve(turns.T, (goal + whole).T).T
    inside = rows[((rows > lower) & (rows < upper)).all(axis=1)]
    assert len(inside)
    return inside[0]


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("neighbors", RELATIONS)
def test_the_bound_of_the_waves_is_reached_to_a_thousandth(neighbors, norm):
    m, rng = 5, np.random.default_rng(3)
    sketcher = sketcher_of(m, m, seed=2)
    bound = bounds_of(sketcher, neighbors, norm)["waves"]
    eighth = np.full(m, 0.125)
    rows = np.array([aim(sketcher, eighth, rng), aim(sketcher, eighth + 0.5, rng)])
    waves = single_row_waves(sketcher, rows)
    reached = size(waves[0] if neighbors == "add-remove" else waves[0] - waves[1], norm)
    assert reached <= bound <= 1.001 * reached


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("neighbors", RELATIONS)
@pytest.mark.parametrize("moments", ["full", "diagonal"])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_moments_move_within_the_bound_and_reach_it_at_the_corners(d, moments, neighbors, norm):
    sketcher = sketcher_of(d, 3, moments, seed=d)
    lower, upper = sketcher.operator_.domain.box
    middle = 0.5 * (lower + upper)
    corners = [np.where(signs, lower, upper) for signs in itertools.product([0, 1], repeat=d)]
    others = list(np.random.default_rng(d).uniform(lower, upper, size=(5, d)))
    far = [np.full(d, 1e9), np.full(d, -np.inf), upper + 1.0]
    rows = [middle, *corners, *others, *far]
    common = np.random.default_rng(1).uniform(lower, upper, size=(7, d))
    bounds = bounds_of(sketcher, neighbors, norm)
    base = parts_of(sketcher, common)
    found = [parts_of(sketcher, np.vstack([common, row])) for row in rows]
    pairs = (
        [(one, base) for one in found]
        if neighbors == "add-remove"
        else list(itertools.combinations(found, 2))
    )
    for part in ("first", "second"):
        reached = max(size(one[part] - other[part], norm) for one, other in pairs)
        assert reached <= bounds[part]
        if part == "first" or neighbors == "add-remove":
            assert bounds[part] <= 1.001 * reached
    if neighbors == "replace":
        assert "count" not in bounds
        assert all(one["count"] == other["count"] for one, other in pairs)


@pytest.mark.filterwarnings("ignore:the box that rows are clipped to cut:UserWarning")
@pytest.mark.parametrize("neighbors", RELATIONS)
@pytest.mark.parametrize("moments", MOMENTS)
def test_what_is_released_moves_within_the_bound_whatever_other_rows_there_are(moments, neighbors):
    rng = np.random.default_rng(5)
    sketcher = sketcher_of(3, 20, moments, seed=5)
    lower, upper = sketcher.operator_.domain.box
    for n in (1, 10, 1000):
        rows = rng.uniform(lower - 5.0, upper + 5.0, size=(n, 3))
        other = rows.copy()
        other[-1] = rng.uniform(lower, upper)
        neighbor = other if neighbors == "replace" else rows[:-1]
        one, two = parts_of(sketcher, rows), parts_of(sketcher, neighbor)
        for norm in (1, 2):
            for part, bound in bounds_of(sketcher, neighbors, norm).items():
                assert size(one[part] - two[part], norm) <= bound


def test_persons_of_several_rows_move_as_many_times_as_much():
    sketcher = sketcher_of(2, 10)
    rows = np.repeat(sketcher.operator_.domain.box[1][None], 3, axis=0)
    one, none = parts_of(sketcher, rows), parts_of(sketcher, rows[:0])
    for norm in (1, 2):
        bounds = bounds_of(sketcher, "add-remove", norm, rows_per_person=3)
        single = bounds_of(sketcher, "add-remove", norm)
        for part, bound in bounds.items():
            assert bound == 3 * single[part]
            assert size(one[part] - none[part], norm) <= bound


def scan(low, high, stride):
    """Largest norm and sum of magnitudes over float32 phases, positive ones by symmetry."""
    waves, one = Waves(), 2**20
    bits = np.arange(np.float32(low).view(np.int32), np.float32(high).view(np.int32) + 1, stride)
    norms, sums = [0.0], [0]
    for start in range(0, len(bits), 2**18):
        r = bits[start : start + 2**18].astype(np.int32).view(np.float32).astype(np.float64)
        added = waves.integer_features(r[:, None])
        c, s = 2 * one - added[:, 0, 0], added[:, 1, 0]
        norms.append(math.sqrt(int((c * c + s * s).max())))
        sums.append(int((np.abs(c) + np.abs(s)).max()))
    return max(sums), max(norms)


def test_a_wave_adds_no_more_than_its_norms_at_phases_all_over_a_turn():
    largest = Waves().row_norms()
    found = scan(2.0**-14, 0.5, 499)
    assert all(one <= bound <= one + 3.0 for one, bound in zip(found, largest, strict=True))


@pytest.mark.slow
def test_a_wave_adds_no_more_than_its_norms_at_any_phase_from_a_quarter_turn_on():
    largest = Waves().row_norms()
    assert all(one <= bound for one, bound in zip(scan(0.25, 0.5, 1), largest, strict=True))


def test_phases_of_either_sign_add_alike_and_tiny_ones_next_to_nothing():
    r = np.random.default_rng(0).uniform(-0.5, 0.5, size=(10_000, 1))
    plus, minus = Waves().integer_features(r), Waves().integer_features(-r)
    assert np.array_equal(plus[:, 0], minus[:, 0])
    assert np.array_equal(plus[:, 1], -minus[:, 1])
    tiny = Waves().integer_features(np.array([[2.0**-14], [2.0**-20], [0.0]]))
    assert tiny[:, 0].max() == 0
    assert tiny[0, 1] < 1000


def test_coordinates_never_exceed_the_largest_by_the_kernels_rounding():
    for seed in range(20):
        sketcher = sketcher_of(1, 2, seed=seed)
        operator = sketcher.operator_
        largest = largest_coordinates(operator)
        lower, upper = (float(corner[0]) for corner in operator.domain.box)
        near = [np.nextafter(lower, upper), np.nextafter(upper, lower), lower - 1.0, upper + 1.0]
        for x in (lower, upper, *near):
            sketch = sketcher.sketch(np.array([[x]]))
            assert abs(sketch.sums.moments.integers[0]) <= largest[0] * 2**20


def test_rows_outside_the_box_count_as_its_sides_in_any_type():
    sketcher = Sketcher.from_domain([0.0, 0.0], [1.0, 2.0], clip=True, random_state=0)
    inside = sketcher.sketch(np.array([[1.0, 0.0], [0.5, 2.0]]))
    for dtype in (np.float64, np.float32):
        assert sketcher.sketch(np.array([[7.0, -1.0], [0.5, np.inf]], dtype)) == inside
    assert sketcher.sketch(np.array([[3, -5]])) == sketcher.sketch(np.array([[1.0, 0.0]]))
    waves = sketcher.transform(np.array([[7.0, -1.0]]))
    assert np.array_equal(waves, sketcher.transform(np.array([[1.0, 0.0]])))


def test_that_rows_are_clipped_is_part_of_the_operator_and_of_its_file():
    box = [0.0, 0.0], [1.0, 2.0]
    free, clipping = (
        Sketcher.from_domain(*box, clip=clip, random_state=0).operator_ for clip in (False, True)
    )
    assert free.fingerprint != clipping.fingerprint
    assert np.array_equal(free.frequencies, clipping.frequencies)
    again = type(clipping).from_bytes(clipping.to_bytes())
    assert again.domain.clips
    assert again.fingerprint == clipping.fingerprint
    assert Sketch.from_bytes(Sketch.empty(clipping).to_bytes()).operator.domain.clips
