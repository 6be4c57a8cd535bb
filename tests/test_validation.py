import os

import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn._validation import (
    check_count,
    check_positive,
    find_memory,
    require_memory,
    thread_count,
)
from sketchlearn.sources.weights import check_sample_weight


def test_counts():
    assert check_count(np.int64(3), "k") == 3
    with pytest.raises(ValueError, match="k must be at least 2, got 1"):
        check_count(1, "k", least=2)
    for value in (1.0, "1", None, True):
        with pytest.raises(TypeError, match="k must be an integer"):
            check_count(value, "k")


def test_positive_numbers():
    assert check_positive(np.float32(0.5), "s") == 0.5
    for value in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="s must be positive and finite"):
            check_positive(value, "s")
    for other in ("1", None, True, 1j):
        with pytest.raises(TypeError, match="s must be a real number"):
            check_positive(other, "s")


def test_sample_weights():
    assert check_sample_weight(None, 3) is None
    np.testing.assert_array_equal(check_sample_weight(2, 3), [2.0, 2.0, 2.0])
    assert check_sample_weight([1, 0, 2], 3).dtype == np.float64
    assert len(check_sample_weight([], 0)) == 0
    with pytest.raises(TypeError, match=r"is a column's name, 'w'.* weights themselves"):
        check_sample_weight("w", 3)
    with pytest.raises(TypeError, match="must hold real numbers, got complex128"):
        check_sample_weight([1j, 1, 1], 3)


def test_threads():
    assert thread_count(None) == 1
    assert thread_count(np.int32(3)) == 3
    assert thread_count(-1) >= 1
    assert thread_count(-1000) == 1
    if hasattr(os, "sched_getaffinity"):
        assert thread_count(-1) == len(os.sched_getaffinity(0))


def test_what_memory_cannot_hold_is_refused_before_it_is_taken():
    assert find_memory() > 2**28
    require_memory(2.0**28, "a sketch", "ask for less")
    expected = r"a sketch would take 1.1e\+12 GiB at least, .* GiB of memory: ask for less"
    with pytest.raises(ValueError, match=expected):
        require_memory(2.0**70, "a sketch", "ask for less")


@pytest.mark.parametrize("operator", ["dense", "fast", "auto"])
@pytest.mark.parametrize("d", [1, 200])
def test_more_frequencies_than_memory_holds_are_refused(operator, d):
    rows = np.eye(4, d)
    sketcher = Sketcher(10**15, n_clusters=2, operator=operator)
    message = rf"n_frequencies=1,000,.* in {d} columns would take"
    with pytest.raises(ValueError, match=message) as refusal:
        sketcher.fit(rows)
    is_helped = operator == "dense" and d == 200
    assert str(refusal.value).endswith(', or operator="fast", take less') == is_helped
    with pytest.raises(ValueError, match="would take"):
        Sketcher.from_domain([0.0] * d, [1.0] * d, n_frequencies=10**15, operator=operator)
    with pytest.raises(ValueError, match="would take"):
        CompressiveKMeans(2, n_frequencies=10**15).fit(rows)


def test_more_columns_than_memory_holds_are_refused():
    # Of a machine of up to 14 TiB.
    with pytest.raises(ValueError, match="covariance of 1,000,000 columns would take"):
        Sketcher.from_domain(np.zeros(10**6), np.ones(10**6))
    with pytest.raises(ValueError, match="covariance of 1,000,000 columns would take"):
        Sketcher(n_clusters=2, operator="dense").fit(np.eye(2, 10**6, dtype=np.float32))
    with pytest.raises(ValueError, match="up to 131072 columns, got 1000000"):
        Sketcher(n_clusters=2).fit(np.eye(2, 10**6, dtype=np.float32))
