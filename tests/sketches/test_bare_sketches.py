"""Sketches written without their operator, and read with it: nothing else will do."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from altered import altered, taken_apart
from hypothesis import given
from hypothesis import strategies as st
from planted import dense_operator, operator_of, small_operator

from sketchlearn import (
    CompressiveKMeans,
    ModelFormatError,
    Sketch,
    Sketcher,
    SketchFormatError,
    SketchMismatchError,
    load_model,
)
from sketchlearn.files import container
from sketchlearn.frequencies import Domain, FrequencyOperator

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = np.random.default_rng(0).normal(size=(9, 2))
OPERATOR, OTHER = small_operator(2, 3), small_operator(2, 3, double_phases=True)
SKETCH = Sketcher.from_operator(OPERATOR).sketch(ROWS, np.arange(9.0))
NAMED = replace(SKETCH, feature_names=("a", "b"))
BARE = NAMED.to_bytes(operator=False)
ARRAYS, METADATA = taken_apart(BARE)


def is_refused(data, operator=OPERATOR):
    try:
        Sketch.from_bytes(data, operator=operator)
    except SketchFormatError as error:
        return bool(str(error))
    return False


@pytest.mark.parametrize("moments", ["full", "diagonal", None])
@pytest.mark.parametrize("names", [("a", "\u00f6"), None])
def test_without_and_with_its_operator_a_sketch_is_the_same(moments, names):
    sketcher = Sketcher.from_operator(OPERATOR).set_params(moments=moments)
    for sketch in (sketcher.sketch(ROWS), Sketch.empty(OPERATOR, moments)):
        named = replace(sketch, feature_names=names)
        again = Sketch.from_bytes(named.to_bytes(operator=False), operator=OPERATOR)
        assert again == named
        assert again.to_bytes() == named.to_bytes()
        assert again.to_bytes(operator=False) == named.to_bytes(operator=False)


def test_the_operator_comes_as_such_or_by_its_file(tmp_path):
    OPERATOR.save(tmp_path / "operator")
    SKETCH.save(tmp_path / "bare", operator=False)
    SKETCH.save(tmp_path / "whole")
    ways = [SKETCH.operator, tmp_path / "operator", str(tmp_path / "operator")]
    for way in ways:
        assert Sketch.load(tmp_path / "bare", operator=way) == SKETCH
        # One that is whole is read with it too, and has it from then on.
        assert Sketch.load(tmp_path / "whole", operator=way) == SKETCH
    assert Sketch.load(tmp_path / "whole", operator=OPERATOR).operator is OPERATOR


def test_whether_the_operator_is_written_is_true_or_false(tmp_path):
    for other in (None, OPERATOR, "no", 0):
        with pytest.raises(TypeError, match="operator must be True or False, got"):
            SKETCH.save(tmp_path / "sketch", operator=other)
    assert not list(tmp_path.iterdir())


def test_what_is_no_operator_is_refused(tmp_path):
    for other in (SKETCH, OPERATOR.fingerprint.encode(), 3, True):
        with pytest.raises(TypeError, match="operator must be a FrequencyOperator or the path of"):
            Sketch.from_bytes(BARE, operator=other)
    SKETCH.save(tmp_path / "sketch")
    with pytest.raises(SketchFormatError, match="not an operator file: it is a sketch; use Sketch"):
        Sketch.from_bytes(BARE, operator=tmp_path / "sketch")
    OPERATOR.save(tmp_path / "operator")
    with pytest.raises(SketchFormatError, match=r"it is an operator; use FrequencyOperator\.load"):
        Sketch.load(tmp_path / "operator", operator=OPERATOR)
    with pytest.raises(FileNotFoundError):
        Sketch.from_bytes(BARE, operator=tmp_path / "nothing")


def test_without_an_operator_it_is_said_how_to_give_it(tmp_path):
    (tmp_path / "bare").write_bytes(BARE)
    expected = f"without its operator, {OPERATOR.fingerprint}: load it with operator="
    with pytest.raises(SketchFormatError, match=expected):
        Sketch.from_bytes(BARE)
    # Nothing is looked for, wherever it may be.
    OPERATOR.save(tmp_path / "operator")
    with pytest.raises(SketchFormatError, match=expected):
        Sketch.load(tmp_path / "bare")


@pytest.mark.parametrize("is_bare", [True, False])
def test_another_operator_is_refused_and_both_are_named(is_bare):
    data = SKETCH.to_bytes(operator=not is_bare)
    for other in (OTHER, small_operator(2, 4), small_operator(3, 3)):
        with pytest.raises(
            SketchMismatchError, match=f"{OPERATOR.fingerprint}, and {other.fingerprint} was given"
        ):
            Sketch.from_bytes(data, operator=other)


def test_every_part_of_an_operator_tells_it_from_others():
    parts = OPERATOR.components()
    for name, value in parts.items():
        other = not value if isinstance(value, bool) else value * (1.0 + 2.0**-20)
        changed = dense_operator(**{**parts, name: other})
        with pytest.raises(SketchMismatchError):
            Sketch.from_bytes(BARE, operator=changed)
    without_box = FrequencyOperator(
        OPERATOR.linear_map, Domain(OPERATOR.center, OPERATOR.scale, OPERATOR.covariance)
    )
    with pytest.raises(SketchMismatchError):
        Sketch.from_bytes(BARE, operator=without_box)


@pytest.mark.parametrize("is_saved_again", [True, False])
def test_files_of_version_1_add_to_bare_ones(is_saved_again):
    golden = GOLDEN / "sketch_v1.safetensors"
    old = Sketch.load(golden)
    sketcher = Sketcher.from_operator(old.operator).set_params(moments=None)
    new = sketcher.sketch(ROWS)
    operator = old.operator
    if is_saved_again:
        operator = FrequencyOperator.from_bytes(operator.to_bytes())
    again = Sketch.from_bytes(new.to_bytes(operator=False), operator=operator)
    assert (again + old) - old == new
    assert Sketch.load(golden, operator=operator) == old


def test_files_of_operators_and_of_bare_sketches_are_read_forever():
    """Read files that this made, once::

    boxed = small_operator(3, 4)
    domain = Domain(boxed.center, boxed.scale, boxed.covariance)
    operator = FrequencyOperator(boxed.linear_map, domain)
    boxed.save("operator_v1_box.safetensors")
    operator.save("operator_v1.safetensors")
    rows = np.arange(24.0).reshape(8, 3) % 7
    sketch = Sketcher.from_operator(operator).sketch(rows, np.arange(8.0))
    sketch = replace(sketch, feature_names=("one", "tw\u00f6", "3"))
    sketch.save("sketch_v2_open.safetensors")
    sketch.save("sketch_v2_bare.safetensors", operator=False)
    """
    boxed = FrequencyOperator.load(GOLDEN / "operator_v1_box.safetensors")
    assert boxed.fingerprint == "f157ec0301522f4a90e69a1aa1e68d78"
    assert [corner.tolist() for corner in boxed.domain.box] == [[-1.0] * 3, [1.0] * 3]
    operator = FrequencyOperator.load(GOLDEN / "operator_v1.safetensors")
    assert operator.fingerprint == "933f40aaeb28fa6645f1af771268c5d1"
    assert operator.domain.box is None
    bare = Sketch.load(GOLDEN / "sketch_v2_bare.safetensors", operator=operator)
    for sketch in (bare, Sketch.load(GOLDEN / "sketch_v2_open.safetensors")):
        assert sketch.fingerprint == operator.fingerprint
        assert sketch.feature_names == ("one", "tw\u00f6", "3")
        assert (sketch.n_samples, sketch.weight_sum) == (7, 28.0)
        assert sketch.feature_sum[0].tolist() == [9218659, 39545192, 15969287, 17713801]
        rows, weights = np.arange(24.0).reshape(8, 3) % 7, np.arange(8.0)
        covariance = np.cov(rows.T, aweights=weights, ddof=0)
        np.testing.assert_allclose(sketch.moments.covariance, covariance, rtol=1e-14)


@pytest.mark.parametrize(("d", "m"), [(1, 1), (2, 100), (64, 3840), (100, 50)])
@pytest.mark.parametrize("moments", ["full", "diagonal", None])
def test_a_file_has_16_bytes_a_frequency_its_moments_and_two_kilobytes(d, m, moments):
    operator = operator_of(d, m)
    rows = np.random.default_rng(0).normal(size=(50, d))
    sketch = Sketcher.from_operator(operator).set_params(moments=moments).sketch(rows)
    names = tuple(f"column {i}" for i in range(min(d, 64)))
    sketch = replace(sketch, feature_names=names if len(names) == d else None)
    of_moments = 0 if moments is None else sketch.sums.moments.state.nbytes + 4 * d
    of_names = 0 if sketch.feature_names is None else sum(map(len, names))
    # Names of 64 columns take their room in the header; all else fits into two kilobytes.
    assert len(sketch.to_bytes(operator=False)) <= 16 * m + of_moments + of_names + 2048
    if (d, m) == (64, 3840):
        assert len(sketch.to_bytes(operator=False)) <= 16 * m + of_moments + 2048
        assert len(sketch.without_moments().to_bytes(operator=False)) < len(sketch.to_bytes()) / 14


def test_a_model_s_file_holds_a_whole_sketch(tmp_path):
    model = CompressiveKMeans(1, n_frequencies=20, random_state=0).fit(ROWS)
    model.save(tmp_path / "model")
    stored = np.frombuffer(model.sketch_.to_bytes(operator=False), np.uint8)
    data = altered((tmp_path / "model").read_bytes(), arrays={"sketch": stored})
    (tmp_path / "model").write_bytes(data)
    with pytest.raises(ModelFormatError, match="written without its operator"):
        load_model(tmp_path / "model")


def test_pickles_are_whole():
    read = Sketch.from_bytes(BARE, operator=OPERATOR)
    again = pickle.loads(pickle.dumps(read))
    assert again == read
    assert again.to_bytes() == NAMED.to_bytes()


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_altered_byte_is_noticed(flip):
    for i in range(len(BARE)):
        changed = bytearray(BARE)
        changed[i] ^= flip
        assert is_refused(changed)


@pytest.mark.slow
def test_every_other_value_of_every_byte_is_refused():
    changed, missed = bytearray(BARE), []
    for i, byte in enumerate(BARE):
        for value in range(256):
            changed[i] = value
            if value != byte and not is_refused(changed):
                missed.append((i, value))
        changed[i] = byte
    assert missed == []


def test_every_truncation_deletion_and_doubling_is_refused():
    for i in range(len(BARE)):
        assert is_refused(BARE[:i])
        assert is_refused(BARE[i + 1 :])
        assert is_refused(BARE[:i] + BARE[i + 1 :])
        assert is_refused(BARE[:i] + BARE[i : i + 1] + BARE[i:])
    assert is_refused(BARE + b" ")


def test_each_check_has_its_own_message():
    whole, texts = taken_apart(NAMED.to_bytes())
    sums = ARRAYS["feature_sum"]
    for changes, message in [
        ({"fingerprint": "0" * 31}, "no operator has the fingerprint"),
        ({"fingerprint": OPERATOR.fingerprint.upper()}, "no operator has the fingerprint"),
        ({"fingerprint": None}, "does not describe a sketch"),
        ({"scale": texts["scale"]}, "not in canonical form"),
        ({"double_phases": "0"}, "not in canonical form"),
        ({"features": "waves"}, "not in canonical form"),
        ({"operator": "dense"}, "lacks the arrays center, covariance, turns"),
        ({"n_samples": " 8"}, "not in canonical form"),
        ({"n_samples": "-3"}, "no rows have these sums"),
        ({"n_samples": "7" * 400}, "n_samples has 400 digits"),
        ({"weight_units": "1"}, "no rows have these sums"),
        ({"feature_names": '["a"]'}, "feature_names must be 2 names"),
        ({"feature_names": '["a","a"]'}, "feature_names must differ from each other"),
        ({"feature_names": '[ "a","b"]'}, "no features have the names"),
        ({"moments": "all"}, "no moments are of kind 'all'"),
        ({"moments": None}, "do not go with the arrays"),
        ({"format_version": "1"}, "no sketch of version 1 has"),
        ({"arrays": {"turns": whole["turns"]}}, "not in canonical form"),
        ({"arrays": {"center": whole["center"]}}, "not in canonical form"),
        ({"arrays": {"rows": np.zeros(3)}}, "not in canonical form"),
        ({"arrays": {"feature_sum": None}}, "lacks the array feature_sum"),
        ({"arrays": {"feature_sum": sums[:, :2]}}, r"feature_sum must be of shape \(2, 3\)"),
        ({"arrays": {"feature_sum": sums[:, :0]}}, "feature_sum must have shape"),
        ({"arrays": {"feature_sum": sums.ravel()}}, "feature_sum must have shape"),
        ({"arrays": {"feature_sum": sums.astype(np.float64)}}, "must have shape .* and be int64"),
        ({"arrays": {"moment_exponents": ARRAYS["moment_exponents"] + np.int32(1)}}, "another"),
        ({"arrays": {"moment_exponents": ARRAYS["moment_exponents"][:1]}}, "moments must be int64"),
        ({"arrays": {"moment_exponents": None}}, "do not go with the arrays"),
        ({"arrays": {"moments": -ARRAYS["moments"]}}, "no rows have these sums"),
    ]:
        data = altered(BARE, **changes)
        with pytest.raises(SketchFormatError, match=message):
            Sketch.from_bytes(data, operator=OPERATOR)


def test_version_1_has_its_operator_and_a_box():
    data = SKETCH.without_moments().to_bytes()
    assert Sketch.from_bytes(altered(data, format_version="1")) == SKETCH.without_moments()
    bare = SKETCH.without_moments().to_bytes(operator=False)
    with pytest.raises(SketchFormatError, match="version 1 lacks lower, operator, upper"):
        Sketch.from_bytes(altered(bare, format_version="1"), operator=OPERATOR)


def test_moments_of_another_number_of_features_are_refused():
    three = Sketcher.from_operator(small_operator(3, 3)).sketch(np.ones((4, 3)))
    data = altered(
        three.to_bytes(operator=False), fingerprint=OPERATOR.fingerprint, feature_names=None
    )
    with pytest.raises(SketchFormatError, match="moments must be of 2 features, got 3"):
        Sketch.from_bytes(data, operator=OPERATOR)


text = st.one_of(
    st.text(max_size=8), st.integers().map(str), st.just("9" * 5000), st.just(OTHER.fingerprint)
)
values = st.one_of(
    st.sampled_from([0, 1, -1, 2**62, -(2**63), 2**63 - 1]), st.integers(-(2**40), 2**40)
)


@given(
    st.dictionaries(st.sampled_from([*METADATA, "other", "operator"]), text, max_size=2),
    st.sets(st.sampled_from([*METADATA]), max_size=1),
    st.dictionaries(st.sampled_from(["n_samples", "weight_units"]), values, max_size=2),
    st.lists(values, min_size=6, max_size=6) | st.none(),
    st.sets(st.sampled_from([*ARRAYS]), max_size=1),
)
def test_a_crafted_file_is_refused_or_is_a_sketch(said, left_out, counts, sums, lost):
    metadata = {**METADATA, **said, **{name: str(value) for name, value in counts.items()}}
    metadata = {name: value for name, value in metadata.items() if name not in left_out}
    arrays = {name: array for name, array in ARRAYS.items() if name not in lost}
    if sums is not None:
        arrays["feature_sum"] = np.array(sums, dtype=np.int64).reshape(2, 3)
    data = container.encode_file(arrays, metadata)
    try:
        sketch = Sketch.from_bytes(data, operator=OPERATOR)
    except (SketchFormatError, SketchMismatchError):
        return
    our_arrays, ours = taken_apart(sketch.to_bytes(operator=False))
    assert ours == {**metadata, "library_version": ours["library_version"]}
    assert all(np.array_equal(our_arrays[name], arrays[name]) for name in arrays)
