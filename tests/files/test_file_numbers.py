"""Files whose digest is right and whose numbers are absurd: refused, before there is an array."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from altered import altered, taken_apart
from hypothesis import given
from hypothesis import strategies as st
from planted import dense_operator, small_operator

from sketchlearn import Checkpoint, Sketch, Sketcher, SketchFormatError
from sketchlearn.files import container
from sketchlearn.files.strict_json import parse_strictly
from sketchlearn.sketches import Sums
from sketchlearn.sketches import format as serialization
from sketchlearn.sources.shallow_json import parse_shallow

ROWS = np.random.default_rng(0).normal(size=(9, 2))
SKETCH = Sketcher.from_operator(small_operator(2, 3)).sketch(ROWS, np.arange(9.0))
DATA = SKETCH.to_bytes()
ARRAYS, METADATA = taken_apart(DATA)
HUGE = "7" * 400
ABSURD_TEXTS = [
    HUGE,
    "-" + HUGE,
    "9" * 5000,
    "1e400",
    "Infinity",
    "NaN",
    "inf",
    "0x1p+1023",
    "0x1p-1074",
    "",
    "-1",
    "1.5",
    " 8",
    "８",
    "1_000",
    "[" * 100_000,
    "null",
    "true",
]
ABSURD_NUMBERS = [np.nan, np.inf, -np.inf, 1.7e308, -1.7e308, 1e200, 5e-324]


def refused(data, kind=Sketch):
    with pytest.raises(SketchFormatError):
        kind.from_bytes(data)


def test_the_helper_gives_the_file_itself():
    assert altered(DATA) == DATA


@pytest.mark.parametrize("text", ABSURD_TEXTS)
@pytest.mark.parametrize("name", ["weight_units", "squared_weight_units", "n_samples"])
def test_absurd_counts(name, text):
    refused(altered(DATA, **{name: text}))


@pytest.mark.parametrize("text", ABSURD_TEXTS)
def test_absurd_scales(text):
    refused(altered(DATA, scale=text))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308, -1.7e308, 1e200])
@pytest.mark.parametrize("name", ["center", "lower", "upper", "covariance", "turns"])
def test_absurd_arrays(name, value):
    array = ARRAYS[name].copy()
    with np.errstate(over="ignore"):
        array.flat[0] = value
    refused(altered(DATA, arrays={name: array}))


def test_a_box_that_no_float_spans():
    refused(altered(DATA, arrays={"lower": np.full(2, -1.7e308), "upper": np.full(2, 1.7e308)}))


@pytest.mark.parametrize(
    "covariance",
    [
        [[1.0, 0.5], [0.4, 1.0]],
        [[1.0, 2.0], [2.0, 1.0]],
        [[-1.0, 0.0], [0.0, 1.0]],
        [[0, 1], [1, 1]],
    ],
)
def test_what_is_no_covariance(covariance):
    refused(altered(DATA, arrays={"covariance": np.array(covariance, dtype=np.float64)}))
    # Nobody can make one either, so that whatever is saved can be loaded.
    omega = small_operator(2, 3)
    with pytest.raises(ValueError, match="covariance must"):
        dense_operator(
            **{**omega.components(), "covariance": np.array(covariance)},
        )


def test_sums_of_squares_that_no_weights_have():
    units = SKETCH.weight_units
    refused(altered(DATA, squared_weight_units=str(units**2 + 1)))
    assert Sketch.from_bytes(altered(DATA, squared_weight_units=str(units**2))).n_effective == 1.0


def test_a_weight_beyond_floats_is_said_in_words():
    for count in (2**60, 10**400):
        with pytest.raises(ValueError, match=r"total weight must stay below 2\*\*40"):
            Sketch(SKETCH.operator, Sums(SKETCH.feature_sum, 9, count, count))


@pytest.mark.parametrize(
    "entry",
    [
        {"shape": [2, 10**30]},
        {"shape": [0, 10**30], "data_offsets": [0, 0]},
        {"shape": [-1, -6]},
        {"shape": [True, 6]},
        {"shape": [1.0, 6]},
        {"shape": [[6]]},
        {"shape": 6},
        {"shape": "6"},
        {"data_offsets": [0, 10**30]},
        {"data_offsets": [8, 32]},
        {"data_offsets": [0]},
        {"data_offsets": None},
        {"dtype": "F16"},
        {"dtype": ["F32"]},
        {"dtype": None},
    ],
)
def test_absurd_headers(entry):
    length = int.from_bytes(DATA[:8], "little")
    header = json.loads(DATA[8 : 8 + length])
    header["turns"].update(entry)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    refused(len(text).to_bytes(8, "little") + text + DATA[8 + length :])


values = st.one_of(
    st.sampled_from([*ABSURD_TEXTS, *METADATA.values()]),
    st.integers().map(str),
    st.text(max_size=5),
)
numbers = st.one_of(st.sampled_from(ABSURD_NUMBERS), st.floats(width=32))


@pytest.mark.slow
@given(
    st.dictionaries(st.sampled_from([*METADATA, "other"]), st.none() | values, max_size=2),
    st.dictionaries(st.sampled_from([*ARRAYS]), st.tuples(st.integers(0, 5), numbers), max_size=2),
)
def test_whatever_is_altered_it_is_refused_or_is_a_sketch_with_sound_numbers(texts, entries):
    arrays = {}
    for name, (place, value) in entries.items():
        arrays[name] = ARRAYS[name].copy()
        with np.errstate(all="ignore"):
            arrays[name].flat[place % arrays[name].size] = (
                value
                if arrays[name].dtype.kind == "f"
                else int(np.nan_to_num(value) % 2 ** (8 * arrays[name].itemsize - 2))
            )
    try:
        sketch = Sketch.from_bytes(altered(DATA, arrays=arrays, **texts))
    except SketchFormatError:
        return
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite([sketch.weight_sum, sketch.n_effective, sketch.standard_error]).all()
        assert np.isfinite(sketch.mean).all()
        assert np.isfinite(sketch.operator.units).all()
        assert np.isfinite(np.subtract(*(sketch.operator.domain.box or (0, 0))) ** 2).all()
    assert Sketch.from_bytes(sketch.to_bytes()) == sketch


@pytest.fixture(scope="module")
def checkpoint_bytes(tmp_path_factory):
    checkpoint = Checkpoint(tmp_path_factory.mktemp("begun") / "job.checkpoint", seconds=1e-9)

    def stop(n_rows, total):
        raise KeyboardInterrupt

    rows = np.random.default_rng(0).normal(size=(70_000, 2))
    with pytest.raises(KeyboardInterrupt):
        Sketcher.from_operator(small_operator(2, 3)).sketch(
            rows, checkpoint=checkpoint, progress=stop
        )
    assert checkpoint.load().row > 0
    return Path(checkpoint.path).read_bytes()


ABSURD_COUNTS = [-1, -3, 1e400, float("nan"), 1.0, 1.5, True, None, "1", [], {}, 10**400, 2**63]


@pytest.mark.parametrize("value", ABSURD_COUNTS, ids=lambda value: str(value)[:9])
@pytest.mark.parametrize("name", ["part", "row", "n_rows"])
def test_absurd_places_in_checkpoints(name, value, checkpoint_bytes, tmp_path):
    path = tmp_path / "job.checkpoint"
    path.write_bytes(altered(checkpoint_bytes, state={name: value}))
    with pytest.raises(SketchFormatError):
        Checkpoint(path).load()


@pytest.mark.parametrize(
    "state",
    [
        {"part": -1, "row": -3},
        {"part": 1},
        {"row": 3},
        {"row": 0},
        {"n_rows": 3},
        {"current": []},
        {"current": ["1", "1", "1", "1"]},
        {"current": [HUGE, HUGE, HUGE]},
        {"columns": {}},
        {"columns": [1.5]},
        {"columns": "ab"},
        {"columns": 5},
        {"skipped": [0, 1]},
        {"skipped": [7]},
        {"skipped": {}},
        {"skipped": None},
        {"reasons": [["a"]]},
        {"reasons": [["a", "b"]]},
        {"asked": None},
        {"asked": {}},
    ],
    ids=str,
)
def test_checkpoints_that_no_pass_writes(state, checkpoint_bytes, tmp_path):
    path = tmp_path / "job.checkpoint"
    path.write_bytes(altered(checkpoint_bytes, state=state))
    with pytest.raises(SketchFormatError):
        Checkpoint(path).load()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "{" * 100_000, "[" * 100_000, '{"part":Infinity}']
)
def test_states_that_are_none(text, checkpoint_bytes, tmp_path):
    path = tmp_path / "job.checkpoint"
    arrays, metadata = taken_apart(checkpoint_bytes)
    path.write_bytes(container.encode_file(arrays, {**metadata, "state": text}))
    with pytest.raises(SketchFormatError):
        Checkpoint(path).load()


@pytest.mark.parametrize("opening", ["[", "{", '{"a":', '[{"a":'])
def test_brackets_within_brackets_are_refused_whatever_the_limit_of_recursion(opening):
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    try:
        for parse in (parse_strictly, parse_shallow):
            with pytest.raises(ValueError, match="more than 32 deep"):
                parse(100_000 * opening)
    finally:
        sys.setrecursionlimit(before)


def test_brackets_in_strings_are_no_brackets():
    text = json.dumps({"a": ["[" * 100, '\\"{' * 100], "b": [[1], {"c": "]"}]})
    assert parse_strictly(text) == parse_shallow(text) == json.loads(text)


# Loads a file where no more memory can be had than a small one takes.
POOR = """
import pathlib, sys, tracemalloc
from sketchlearn import Sketch, SketchFormatError
# Linux keeps a process to a limit of all memory; arrays and bytes are counted everywhere.
if (told := pathlib.Path("/proc/self/statm")).exists():
    import resource
    used = int(told.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
tracemalloc.start()
try:
    Sketch.load(sys.argv[1])
except SketchFormatError as error:
    assert tracemalloc.get_traced_memory()[1] < 2**28
    print("refused:", str(error)[:60])
"""


def _said_of(path, n_frequencies):
    """Write the start of a file that says it has many frequencies; the rest of it are holes."""
    d, m = 2, n_frequencies
    shapes = {
        **{name: ("F64", [d]) for name in ("center", "lower", "upper")},
        "covariance": ("F64", [d, d]),
        "feature_sum": ("I64", [2, m]),
        "turns": ("F32", [d, m]),
    }
    header, end = {}, 0
    for name, (dtype, shape) in sorted(shapes.items(), key=lambda x: (x[1][0] == "F32", x[0])):
        begin, end = end, end + int(dtype[1:]) // 8 * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    header["__metadata__"] = {**METADATA, "digest": "0" * 64}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["extended", "consistent", "header"])
def test_a_file_of_gigabytes_that_is_no_sketch_takes_no_memory(tmp_path, kind):
    path = tmp_path / "large.sketch"
    if kind == "consistent":
        _said_of(path, 2**25)
    else:
        start = DATA if kind == "extended" else (2**31).to_bytes(8, "little") + DATA[8:]
        with open(path, "wb") as file:
            file.write(start)
            file.truncate(3 * 2**30)
    done = subprocess.run(
        [sys.executable, "-c", POOR, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: ")


def test_a_file_of_a_later_version_is_read_by_its_reader(tmp_path):
    """The law of versions: what a later version writes, its reader makes the same sketch of."""
    kind = serialization.SKETCH_FILE

    # A made-up version that has the sums one after the other, and the scale as plain text.
    def read_3(arrays, metadata):
        first = {**arrays, "feature_sum": arrays["feature_sum"].reshape(2, -1)}
        scale = float(metadata["scale"]).hex()
        return kind.readers[2](first, {**metadata, "format_version": "2", "scale": scale})

    arrays = {**ARRAYS, "feature_sum": ARRAYS["feature_sum"].ravel()}
    scale = repr(float.fromhex(METADATA["scale"]))
    data = container.encode_file(arrays, {**METADATA, "format_version": "3", "scale": scale})
    with pytest.raises(
        SketchFormatError, match=r"format version 3 .*; this library reads version 1, 2"
    ):
        Sketch.from_bytes(data)
    kind.reads(3)(read_3)
    try:
        (tmp_path / "a").write_bytes(data)
        assert Sketch.load(tmp_path / "a") == Sketch.from_bytes(data) == SKETCH
        assert Sketch.from_bytes(DATA) == SKETCH
        with pytest.raises(SketchFormatError, match=r"version 4 .* reads version 1, 2, 3"):
            Sketch.from_bytes(altered(DATA, format_version="4"))
    finally:
        del kind.readers[3]
