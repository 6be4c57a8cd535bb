"""An operator's own file: the same operator comes back, or nothing."""

from dataclasses import replace

import numpy as np
import pytest
from altered import altered, taken_apart
from full_disk import no_file_beyond
from hypothesis import given
from hypothesis import strategies as st
from planted import small_operator

from sketchlearn import Sketcher, SketchFormatError
from sketchlearn.files import container
from sketchlearn.frequencies import Domain, FrequencyOperator

BOXED = small_operator(2, 3)
OPEN = FrequencyOperator(
    BOXED.linear_map, Domain(BOXED.center, BOXED.scale, BOXED.covariance), double_phases=True
)
SHARED = [[1.0, 0.5, 0.0, 0.25], [1.0, 2.0, 0.25, 1.0]]
OPERATORS = {
    "box": BOXED,
    "no box": OPEN,
    "shared values": replace(OPEN, domain=replace(OPEN.domain, shared=SHARED)),
    "no shared values": replace(OPEN, domain=replace(OPEN.domain, shared=np.empty((0, 4)))),
}
DATA = {name: operator.to_bytes() for name, operator in OPERATORS.items()}
ARRAYS, METADATA = taken_apart(DATA["box"])
each_operator = pytest.mark.parametrize("name", OPERATORS)


def is_refused(data):
    try:
        FrequencyOperator.from_bytes(data)
    except SketchFormatError as error:
        return bool(str(error))
    return False


@each_operator
def test_bytes_and_files_are_a_round_trip(name, tmp_path):
    operator = OPERATORS[name]
    operator.save(tmp_path / "operator")
    for again in (
        FrequencyOperator.load(tmp_path / "operator"),
        FrequencyOperator.load(str(tmp_path / "operator")),
        FrequencyOperator.from_bytes(operator.to_bytes()),
    ):
        assert again.fingerprint == operator.fingerprint
        assert again.to_bytes() == operator.to_bytes() == (tmp_path / "operator").read_bytes()
        assert (again.domain.box is None) == (operator.domain.box is None)
        rows = np.ones((3, 2))
        first, second = (Sketcher.from_operator(one).sketch(rows) for one in (again, operator))
        assert first.to_bytes() == second.to_bytes()


def test_the_backend_is_no_part_of_the_file():
    operator = FrequencyOperator(BOXED.linear_map, BOXED.domain, backend="numpy")
    assert operator.to_bytes() == DATA["box"]
    assert FrequencyOperator.from_bytes(DATA["box"]).backend == "numba"


@each_operator
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_altered_byte_is_noticed(name, flip):
    for i in range(len(DATA[name])):
        changed = bytearray(DATA[name])
        changed[i] ^= flip
        assert is_refused(changed)


@each_operator
def test_every_truncation_deletion_and_doubling_is_refused(name):
    data = DATA[name]
    for i in range(len(data)):
        assert is_refused(data[:i])
        assert is_refused(data[i + 1 :])
        assert is_refused(data[:i] + data[i + 1 :])
        assert is_refused(data[:i] + data[i : i + 1] + data[i:])
    assert is_refused(data + b" ")


def test_each_check_has_its_own_message():
    for changes, message in [
        ({"format_version": "2", "library_version": "9.1"}, r"version 2 .*sketchlearn 9.1"),
        ({"fingerprint": "0" * 32}, "the file says 0000"),
        ({"fingerprint": None}, "where the file says"),
        ({"scale": "-0x1p+0"}, "scale must be positive"),
        ({"scale": "large"}, "does not describe an operator"),
        ({"scale": None}, "does not describe an operator"),
        ({"scale": METADATA["scale"] + " "}, "not in canonical form"),
        ({"double_phases": "2"}, "not in canonical form"),
        ({"double_phases": "1"}, "fingerprint is"),
        ({"comment": "hello"}, "not in canonical form"),
        ({"center": "0x1p+0"}, "center must have shape|fingerprint is"),
        ({"operator": "swift"}, "operator is of kind 'swift', which this library does"),
        ({"operator": None}, "operator is of kind ''"),
        ({"features": "colour"}, "features is of kind 'colour'"),
        ({"features": "waves"}, "lacks|no operator has the arrays turns"),
        ({"arrays": {"center": np.zeros(3)}}, r"center must have shape \(2,\)"),
        ({"arrays": {"center": np.zeros(2, np.float32)}}, "center must be float64, got"),
        ({"arrays": {"center": np.full(2, np.nan)}}, "center must be finite"),
        ({"arrays": {"covariance": -np.eye(2)}}, "covariance must have variances"),
        ({"arrays": {"lower": ARRAYS["upper"], "upper": ARRAYS["lower"]}}, "must not exceed upper"),
        ({"arrays": {"lower": None}}, "lacks the arrays lower"),
        ({"arrays": {"lower": None, "upper": None}}, "fingerprint is"),
        ({"arrays": {"turns": None}}, "lacks the arrays turns"),
        ({"arrays": {"turns": np.zeros(6, np.float32)}}, "must have shape"),
        ({"arrays": {"feature_sum": np.zeros((2, 3), np.int64)}}, "no operator has the arrays fea"),
        ({"arrays": {"map.turns": np.zeros(3)}}, "no operator has the arrays map.turns"),
    ]:
        with pytest.raises(SketchFormatError, match=message):
            FrequencyOperator.from_bytes(altered(DATA["box"], **changes))


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "operator"
    BOXED.save(path)
    with no_file_beyond(100), pytest.raises(OSError, match="File too large"):
        OPEN.save(path)
    assert path.read_bytes() == DATA["box"]
    assert [place.name for place in tmp_path.iterdir()] == ["operator"]


texts = st.one_of(
    st.text(max_size=8), st.floats().map(float.hex), st.just("dense"), st.just("waves")
)
numbers = st.one_of(st.sampled_from([np.nan, np.inf, 1.7e308, 1e200, 5e-324]), st.floats(width=32))


@given(
    st.dictionaries(st.sampled_from([*METADATA, "other", "features"]), texts, max_size=2),
    st.dictionaries(st.sampled_from([*ARRAYS]), st.tuples(st.integers(0, 5), numbers), max_size=2),
    st.sets(st.sampled_from([*METADATA, *ARRAYS]), max_size=1),
)
def test_a_crafted_file_is_refused_or_is_an_operator(said, entries, lost):
    metadata = {name: text for name, text in {**METADATA, **said}.items() if name not in lost}
    arrays = {name: array.copy() for name, array in ARRAYS.items() if name not in lost}
    for name, (place, value) in entries.items():
        if name in arrays:
            with np.errstate(over="ignore"):
                arrays[name].flat[place % arrays[name].size] = value
    try:
        operator = FrequencyOperator.from_bytes(container.encode_file(arrays, metadata))
    except SketchFormatError:
        return
    our_arrays, ours = taken_apart(operator.to_bytes())
    assert ours == {**metadata, "library_version": ours["library_version"]}
    assert all(np.array_equal(our_arrays[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    ("shared", "match"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((1, 3)), "shape"),
        ([[2.0, 0.0, 0.0, 1.0]], "columns"),
        ([[0.5, 0.0, 0.0, 1.0]], "columns"),
        ([[0.0, 0.0, 0.5, 0.5]], "growing"),
        ([[0.0, 0.0, 0.5, 1.5]], "growing"),
        ([[0.0, np.nan, 0.0, 1.0]], "values"),
    ],
)
def test_what_no_rows_can_share_is_refused(shared, match):
    with pytest.raises(ValueError, match=match):
        replace(OPEN.domain, shared=shared)


def test_shared_values_are_in_the_units_of_their_columns():
    domain = replace(OPEN.domain, shared=SHARED)
    found = domain.in_units(np.array([1.0, 4.0])).shared
    np.testing.assert_array_equal(found[:, 1], [0.125, 0.5])
    np.testing.assert_array_equal(domain.shared, SHARED)
