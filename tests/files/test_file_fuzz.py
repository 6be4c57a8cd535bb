"""Files that were altered, cut, crafted or are something else: refused, and never run."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from altered import altered, taken_apart
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as arrays_of
from planted import small_operator

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.files import container
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher

SMALL = Sketcher.from_operator(small_operator(1, 1)).sketch(np.arange(5.0)[:, None]).to_bytes()


def large():
    X = np.random.default_rng(0).normal(size=(100, 40))
    return Sketcher(n_frequencies=1500, random_state=0).fit(X).sketch(X).to_bytes()


GOLDEN = Path(__file__).parents[1] / "golden"
# Version 1 has no moments; version 2 may have names.
OF_1 = (GOLDEN / "sketch_v1_empty.safetensors").read_bytes()
NAMED = replace(Sketch.from_bytes(SMALL), feature_names=("a",)).to_bytes()
ARRAYS, METADATA = taken_apart(SMALL)


def is_refused(data):
    try:
        Sketch.from_bytes(data)
    except SketchFormatError as error:
        return bool(str(error))
    return False


@pytest.mark.slow
@pytest.mark.parametrize("data", [OF_1, NAMED], ids=["version 1", "version 2"])
def test_every_other_value_of_every_byte_is_refused(data):
    changed = bytearray(data)
    missed = []
    for i, byte in enumerate(data):
        for value in range(256):
            changed[i] = value
            if value != byte and not is_refused(changed):
                missed.append((i, value))
        changed[i] = byte
    assert changed == data
    assert missed == []


def test_every_truncation_deletion_and_doubling_is_refused():
    for data in (OF_1, NAMED):
        for i in range(len(data)):
            assert is_refused(data[:i])
            assert is_refused(data[i + 1 :])
            assert is_refused(data[:i] + data[i + 1 :])
            assert is_refused(data[:i] + data[i : i + 1] + data[i:])


@pytest.mark.parametrize("kind", ["flip", "cut", "block", "swap"])
def test_random_damage_to_a_large_file_is_refused(kind):
    data = large()
    assert len(data) > 200_000
    rng = np.random.default_rng(0)
    for _ in range(60):
        i, j = (int(x) for x in np.sort(rng.choice(len(data) // 64, 2, replace=False)) * 64)
        altered = bytearray(data)
        if kind == "flip":
            altered[i + int(rng.integers(64))] ^= int(rng.integers(1, 256))
        elif kind == "cut":
            del altered[i + int(rng.integers(64)) :]
        elif kind == "block":
            altered[i : i + 64] = rng.bytes(64)
        else:
            altered[i : i + 64], altered[j : j + 64] = data[j : j + 64], data[i : i + 64]
        assert bytes(altered) == data or is_refused(altered), (kind, i, j)


text = st.one_of(
    st.text(max_size=8), st.integers().map(str), st.floats().map(float.hex), st.just("9" * 5000)
)
values = st.one_of(
    st.sampled_from([0, 1, -1, 2**62, -(2**63), 2**63 - 1]), st.integers(-(2**40), 2**40)
)


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from([*METADATA, "other"]), text, max_size=3),
    st.sets(st.sampled_from([*METADATA]), max_size=1),
    st.dictionaries(st.sampled_from(["n_samples", "weight_units", "scale"]), values, max_size=2),
    st.lists(values, min_size=2, max_size=2),
    st.floats() | st.none(),
)
def test_a_crafted_file_is_refused_or_is_a_sketch(said, left_out, counts, sums, center):
    metadata = {**METADATA, **said, **{name: str(value) for name, value in counts.items()}}
    metadata = {name: value for name, value in metadata.items() if name not in left_out}
    arrays = {**ARRAYS, "feature_sum": np.array(sums, dtype=np.int64)[:, None]}
    if center is not None:
        arrays["center"] = np.array([center])
    data = container.encode_file(arrays, metadata)
    try:
        sketch = Sketch.from_bytes(data)
    except SketchFormatError:
        return
    # What is accepted is a sketch, and these are its bytes.
    our_arrays, ours = taken_apart(sketch.to_bytes())
    assert ours == {**metadata, "library_version": ours["library_version"]}
    assert all(np.array_equal(our_arrays[name], arrays[name]) for name in arrays)


@given(
    st.sampled_from(["full", "diagonal", "none", ""]) | st.none(),
    arrays_of(np.int64, st.tuples(st.integers(0, 5), st.integers(1, 3)), elements=values)
    | st.none(),
    arrays_of(np.int32, st.integers(1, 2), elements=st.integers(-30, 3)) | st.none(),
    st.sampled_from(['["a"]', '["a","b"]', '[ "a"]', '"a"', "[1]", "[null]", "[", '["\\ud800"]'])
    | st.none(),
)
def test_crafted_moments_and_names_are_refused_or_are_a_sketch_s(kind, moments, exponents, names):
    own, _ = taken_apart(SMALL)
    chosen = {"moments": moments, "moment_exponents": exponents}
    if exponents is not None and exponents[0] == 0:
        chosen["moment_exponents"] = own["moment_exponents"]
    data = altered(SMALL, arrays=chosen, moments=kind, feature_names=names)
    try:
        sketch = Sketch.from_bytes(data)
    except SketchFormatError:
        return
    assert sketch.to_bytes() == data


def test_moments_that_no_rows_have_are_refused():
    state = ARRAYS["moments"].copy()
    for other, message in [
        ({"moments": np.vstack([state, state[-1:] >> 63])}, "words each where fewer would do"),
        ({"moments": state.astype(np.float64)}, "moments must be int64"),
        ({"moments": -state}, "no rows have these sums"),
        ({"moment_exponents": ARRAYS["moment_exponents"] + np.int32(1)}, "another grid"),
        ({"moment_exponents": ARRAYS["moment_exponents"].astype(np.int64)}, "must be int32"),
        ({"moment_exponents": np.tile(ARRAYS["moment_exponents"], 2)}, "another grid"),
        ({"moments": None}, "do not go with the arrays"),
    ]:
        with pytest.raises(SketchFormatError, match=message):
            Sketch.from_bytes(altered(SMALL, arrays=other))


def test_the_least_integer_has_no_magnitude_of_its_own():
    arrays = {**ARRAYS, "feature_sum": np.array([[-(2**63)], [0]])}
    assert is_refused(container.encode_file(arrays, METADATA))


@given(st.binary(max_size=400), st.integers(0, 2**64 - 1))
def test_any_other_bytes_are_refused(noise, length):
    assert is_refused(noise)
    assert is_refused(SMALL[:8] + noise)
    own = int.from_bytes(SMALL[:8], "little")
    assert is_refused(length.to_bytes(8, "little") + SMALL[8:]) or length == own


def test_a_newer_version_is_refused_by_name_whatever_its_layout():
    header = {"__metadata__": {"checksum": "x", "format": "sketchlearn-sketch"}, "z": "unheard of"}
    header["__metadata__"].update(format_version="17", library_version="9.4.1")
    told = json.dumps(header).encode()
    newer = len(told).to_bytes(8, "little") + told + b"sums in some other way"
    with pytest.raises(
        SketchFormatError, match=r"format version 17 \(written by sketchlearn 9\.4\.1\); this"
    ):
        Sketch.from_bytes(newer)


def test_of_a_file_of_another_kind_only_the_start_is_read(tmp_path):
    path = tmp_path / "rows.parquet"
    with open(path, "wb") as file:
        file.write(b"PAR1\x15\x04\x15\x90\xff\xff")
        file.truncate(2**40)  # A sparse file: more than memory holds.
    with pytest.raises(SketchFormatError, match="not a sketch file"):
        Sketch.load(path)


class Run:
    def __reduce__(self):
        return print, ("this ran",)


@pytest.mark.slow
def test_nothing_in_a_file_is_executed(tmp_path):
    """Load a pickle, arrays of objects and crafted files where running anything would be seen."""
    corpus = {
        "pickle": pickle.dumps(Run()),
        "inside": SMALL[:-40] + pickle.dumps(Run()),
        "name": container.encode_file({**ARRAYS, "__import__('os')": np.zeros(2)}, METADATA),
        "value": container.encode_file(ARRAYS, {**METADATA, "scale": "__import__('os').abort()"}),
        "good": SMALL,
    }
    np.save(tmp_path / "objects.npy", np.array([Run()], dtype=object))
    for name, data in corpus.items():
        (tmp_path / f"{name}.sketch").write_bytes(data)
    program = """
import sys, json, pathlib
from sketchlearn import Sketch
good = sys.argv[1] + "/good.sketch"
Sketch.load(good)
seen = []
sys.addaudithook(lambda event, args: seen.append(event))
refused = 0
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        Sketch.load(path)
    except ValueError:
        refused += 1
print(refused, sorted({event for event in seen if event.split(".")[0] in
      {"exec", "compile", "import", "pickle", "os", "subprocess", "ctypes", "marshal"}}
      - {"os.listdir", "os.scandir"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5 []\n"
