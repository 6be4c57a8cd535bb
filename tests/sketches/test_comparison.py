import math

import numpy as np
import pytest
from sketchlearn.sketches.comparison import Comparison

from sketchlearn import EmptySketchError, Sketcher, SketchMismatchError, compare

SKETCHER = Sketcher(n_frequencies=40, random_state=0).fit(
    np.random.default_rng(0).normal(size=(500, 2))
)


def normal(rng, n, shift=0.0):
    return SKETCHER.sketch(rng.normal(size=(n, 2)) + shift)


@pytest.mark.slow
def test_the_standard_error_is_the_root_mean_square_of_the_distance():
    rng = np.random.default_rng(0)
    squares = [compare(normal(rng, 200), normal(rng, 800)).ratio ** 2 for _ in range(400)]
    # Five standard errors of the mean of the squared ratios.
    assert abs(np.mean(squares) - 1) < 5 * np.std(squares) / 20


@pytest.mark.slow
def test_the_bound_on_p_values_holds_for_one_population():
    rng = np.random.default_rng(1)
    bounds = np.array(
        [compare(normal(rng, 200), normal(rng, 200)).p_value_bound for _ in range(400)]
    )
    for level in (0.2, 0.05, 0.01):
        # At most that often, and five binomial deviations.
        allowed = level + 5 * math.sqrt(level * (1 - level) / 400)
        assert np.mean(bounds <= level) <= allowed


def test_a_shift_is_seen():
    rng = np.random.default_rng(2)
    found = compare(normal(rng, 2_000), normal(rng, 2_000, shift=0.5))
    assert found.ratio > 5
    assert found.p_value_bound < 1e-6


def test_weights_count_by_their_effective_number():
    rows = np.random.default_rng(3).normal(size=(300, 2))
    other = normal(np.random.default_rng(4), 300)
    weights = np.repeat([1.0, 3.0], 150)
    weighted = SKETCHER.sketch(rows, weights)
    repeated = SKETCHER.sketch(np.repeat(rows, [1] * 150 + [3] * 150, axis=0))
    a, b = compare(weighted, other), compare(repeated, other)
    assert a.distance == b.distance
    assert a.standard_error > b.standard_error


def test_it_is_symmetric_and_nothing_differs_from_itself():
    a, b = normal(np.random.default_rng(5), 50), normal(np.random.default_rng(6), 90)
    assert compare(a, b) == compare(b, a)
    same = compare(a, a)
    assert (same.distance, same.ratio, same.p_value_bound) == (0.0, 0.0, 1.0)


def test_rows_that_are_all_equal():
    one = SKETCHER.sketch(np.zeros((5, 2)))
    assert compare(one, one).ratio == 0.0
    assert Comparison(1.0, 0.0).ratio == math.inf
    assert Comparison(1.0, 0.0).p_value_bound == 0.0


def test_its_text_says_how_far_apart_they_are():
    text = repr(Comparison(3.0, 1.5))
    assert text == "Comparison(distance=3, standard_error=1.5, ratio=2, p_value_bound=0.0455)"


def test_strangers_and_empty_sketches_are_refused():
    a = normal(np.random.default_rng(7), 9)
    other = Sketcher(n_frequencies=40, random_state=1).fit(np.eye(2)).sketch(np.eye(2))
    with pytest.raises(SketchMismatchError):
        compare(a, other)
    with pytest.raises(EmptySketchError):
        compare(a, SKETCHER.sketch(np.zeros((0, 2))))


def test_only_sketches_are_compared():
    sketch = normal(np.random.default_rng(0), 20)
    for pair in ((sketch, np.zeros((3, 2))), ("a.sketch", sketch), (0, sketch)):
        with pytest.raises(TypeError, match="compare expected two sketches, got"):
            compare(*pair)
