import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import small_operator

from sketchlearn.exceptions import EmptySketchError, SketchMismatchError
from sketchlearn.sketches import Sketch, Sums
from sketchlearn.sketching import Sketcher

OPERATOR = small_operator(2, 5)
SKETCHER = Sketcher.from_operator(OPERATOR)
X = np.random.default_rng(0).normal(size=(60, 2))

sketches = st.builds(
    lambda rows, weight: SKETCHER.sketch(X[rows], weight),
    st.lists(st.integers(0, 59), max_size=8),
    st.sampled_from([None, 0.5, 2.0, 3.25]),
)


class TestGroup:
    @pytest.mark.slow
    @given(a=sketches, b=sketches, c=sketches)
    def test_addition_is_associative_and_commutative(self, a, b, c):
        assert (a + b) + c == a + (b + c)
        assert a + b == b + a
        assert sum([a, b, c]) == c + b + a == Sketch.sum(iter([a, b, c]))

    @pytest.mark.slow
    @given(a=sketches, b=sketches)
    def test_subtraction_undoes_addition(self, a, b):
        assert (a + b) - b == a
        assert ((a + b) - b).to_bytes() == a.to_bytes()

    @pytest.mark.slow
    @given(a=sketches, b=sketches, i=st.integers(1, 2**20), j=st.integers(1, 2**10))
    def test_reweighting_is_linear(self, a, b, i, j):
        assert (a + b).reweighted(i) == a.reweighted(i) + b.reweighted(i)
        assert a.reweighted(i).reweighted(j) == a.reweighted(i * j)
        assert a.reweighted(1) == a

    @given(factor=st.integers(1, 2**10), weight=st.integers(1, 2**10))
    def test_reweighting_is_sketching_with_larger_weights(self, factor, weight):
        reweighted = SKETCHER.sketch(X, weight).reweighted(factor)
        assert reweighted == SKETCHER.sketch(X, factor * weight)

    def test_a_sum_of_no_sketch_is_refused(self):
        with pytest.raises(ValueError, match="at least one sketch to add, got none"):
            Sketch.sum([])

    def test_a_sum_of_anything_else_is_refused(self):
        a = SKETCHER.sketch(X)
        with pytest.raises(TypeError, match=r"an iterable of sketches to add, got dict: pass its"):
            Sketch.sum({"a": a})
        with pytest.raises(TypeError, match="expected an iterable of sketches to add, got Sketch"):
            Sketch.sum(a)
        for others in ([a, 3], [0, a], "ab"):
            with pytest.raises(TypeError, match=r"expected sketches to add, got (int|str) among"):
                Sketch.sum(others)

    def test_bad_factors(self):
        a = SKETCHER.sketch(X)
        with pytest.raises(TypeError, match=r"factor must be an integer, got 0\.5"):
            a.reweighted(0.5)
        with pytest.raises(ValueError, match="factor must be at least 1, got 0"):
            a.reweighted(0)
        with pytest.raises(ValueError, match=r"must stay below 2\*\*40, got 60 times"):
            a.reweighted(2**35)

    @given(a=sketches)
    def test_the_empty_sketch_is_neutral(self, a):
        empty = Sketch.empty(OPERATOR)
        assert a + empty == empty + a == a - empty == 0 + a == a
        assert a - a == empty

    @pytest.mark.slow
    @given(a=sketches, b=sketches)
    def test_equality_is_that_of_bytes(self, a, b):
        assert (a == b) == (a.to_bytes() == b.to_bytes())
        assert a != b or hash(a) == hash(b)

    def test_what_is_not_contained_cannot_be_removed(self):
        a, b = SKETCHER.sketch(X[:5]), SKETCHER.sketch(X[5:15])
        with pytest.raises(ValueError, match=r"cannot take a sketch of 10 rows .* from one of 5"):
            a - b
        with pytest.raises(ValueError, match="does not contain them"):
            a - SKETCHER.sketch(X[5:10])
        with pytest.raises(ValueError, match="does not contain them"):
            a - SKETCHER.sketch(X[:4], 100.0)

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"center": np.ones(2)}, "center differ"),
            ({"scale": 3.0}, "scale differ"),
            ({"turns": np.ones((2, 9))}, "turns differ"),
            ({"scale": 3.0, "double_phases": True}, "scale, double_phases differ"),
        ],
    )
    def test_strangers_are_refused_by_what_differs(self, changes, named):
        stranger = Sketch.empty(small_operator(2, 5, **changes))
        for combine in (Sketch.__add__, Sketch.__sub__):
            with pytest.raises(SketchMismatchError, match=named):
                combine(Sketch.empty(OPERATOR), stranger)
        assert stranger != Sketch.empty(OPERATOR)

    @pytest.mark.parametrize("other", [1, 0.5, None, "sketch", np.ones(5)])
    def test_other_types_are_refused(self, other):
        a = SKETCHER.sketch(X)
        assert a != other if not isinstance(other, np.ndarray) else True
        with pytest.raises(TypeError):
            a + other
        with pytest.raises(TypeError):
            a - other


class TestValue:
    def test_it_is_immutable(self):
        a = SKETCHER.sketch(X)
        with pytest.raises(AttributeError):
            a.n_samples = 3
        with pytest.raises(ValueError, match="read-only"):
            a.feature_sum[0, 0] = 1
        assert copy.copy(a) is a
        assert copy.deepcopy(a) is a

    def test_counts(self):
        a = SKETCHER.sketch(X[:4], [1.0, 0.0, 2.5, 0.5])
        assert a.n_samples == 3
        assert a.weight_sum == 4.0
        assert a.n_effective == pytest.approx(16.0 / (1.0 + 6.25 + 0.25))
        assert SKETCHER.sketch(X).n_effective == 60.0
        assert Sketch.empty(OPERATOR).n_effective == 0.0

    def test_the_mean_is_the_centred_one_turned(self):
        a = SKETCHER.sketch(X)
        turn = np.exp(1j * OPERATOR.center @ OPERATOR.frequencies)
        np.testing.assert_allclose(a.mean, a.centered_mean * turn)

    @pytest.mark.parametrize("name", ["mean", "centered_mean", "standard_error"])
    def test_an_empty_sketch_has_no_mean(self, name):
        with pytest.raises(EmptySketchError, match="without rows"):
            getattr(Sketch.empty(OPERATOR), name)

    def test_the_standard_error_of_a_point_is_zero(self):
        assert SKETCHER.sketch(X[:1]).standard_error == pytest.approx(0.0, abs=3e-3)

    def test_it_pickles_through_its_bytes(self):
        a = SKETCHER.sketch(X)
        assert pickle.loads(pickle.dumps(a)) == a
        assert a.to_bytes() in pickle.dumps(a, protocol=5)

    def test_it_shows_its_size(self):
        shown = repr(SKETCHER.sketch(X))
        assert "n_samples=60, n_features=2, n_frequencies=5" in shown
        assert "80 bytes" in shown
        assert OPERATOR.fingerprint[:12] in shown

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((2, 4), dtype=np.int64), 0, 0, 0), r"of shape \(2, 5\)"),
            ((np.zeros((2, 5)), 0, 0, 0), "must be int64"),
            ((np.ones((2, 5), dtype=np.int64), 0, 0, 0), "no rows have these sums"),
            ((np.zeros((2, 5), dtype=np.int64), -1, 0, 0), "no rows have these sums"),
            ((np.zeros((2, 5), dtype=np.int64), 2, 10, 3), "no rows have these sums"),
            ((np.full((2, 5), 2**40), 1, 2**20, 2**40), "no rows have these sums"),
            ((np.zeros((2, 5), dtype=np.int64), 1, 2**60, 2**120), r"below 2\*\*40"),
        ],
    )
    def test_impossible_contents_are_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            Sketch(OPERATOR, Sums(*arguments))


def test_it_says_its_sizes():
    sketcher = Sketcher(30, random_state=0).fit(np.eye(4))
    sketch = sketcher.sketch(np.eye(4))
    assert (sketch.n_features, sketch.n_frequencies) == (4, 30)
