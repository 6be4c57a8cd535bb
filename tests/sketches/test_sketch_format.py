import errno
import json
import os
import tty
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from full_disk import no_file_beyond
from planted import small_operator

from sketchlearn.exceptions import SketchFormatError
from sketchlearn.factorization import Butterfly
from sketchlearn.files import container
from sketchlearn.linear_maps import ButterflyMap
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketches.sums import Sums
from sketchlearn.sketching import Sketcher

GOLDEN = Path(__file__).parents[1] / "golden" / "sketch_v1.safetensors"


def small_sketch():
    X = np.random.default_rng(0).normal(size=(9, 2))
    return Sketcher.from_operator(small_operator(2, 3)).sketch(X, np.arange(9.0))


def repacked(data, **changes):
    """The same file with other metadata and, if asked for, arrays; the digest made to fit."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    arrays = safetensors.numpy.load(data)
    arrays.update(changes.pop("arrays", {}))
    metadata = {**metadata, **changes}
    metadata.pop("digest")
    return container.encode_file(arrays, metadata)


def test_bytes_are_a_round_trip():
    a = small_sketch()
    b = Sketch.from_bytes(a.to_bytes())
    assert b == a
    assert b.to_bytes() == a.to_bytes()
    assert b.operator.fingerprint == a.operator.fingerprint
    empty = Sketch.empty(small_operator())
    assert Sketch.from_bytes(empty.to_bytes()) == empty


def test_counts_beyond_64_bits_survive():
    units = 2**59
    a = Sketch(small_operator(2, 3), Sums(np.zeros((2, 3), dtype=np.int64), 2**20, units, units**2))
    assert Sketch.from_bytes(a.to_bytes()).squared_weight_units == units**2


def test_any_safetensors_reader_reads_it(tmp_path):
    a = small_sketch()
    a.save(tmp_path / "a.safetensors")
    with safetensors.safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        assert set(file.keys()) == {
            *("center", "covariance", "lower", "upper", "turns"),
            *("feature_sum", "moments", "moment_exponents"),
        }
        assert file.metadata()["fingerprint"] == a.fingerprint
        np.testing.assert_array_equal(file.get_tensor("feature_sum"), a.feature_sum)


def test_a_bytearray_or_memoryview_will_do():
    a = small_sketch()
    assert Sketch.from_bytes(bytearray(a.to_bytes())) == a
    assert Sketch.from_bytes(memoryview(a.to_bytes())) == a


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_altered_byte_is_noticed(flip):
    data = small_sketch().to_bytes()
    for i in range(len(data)):
        altered = bytearray(data)
        altered[i] ^= flip
        with pytest.raises(SketchFormatError):
            Sketch.from_bytes(altered)


def test_every_truncation_and_every_addition_is_noticed():
    data = small_sketch().to_bytes()
    for i in range(len(data)):
        with pytest.raises(SketchFormatError):
            Sketch.from_bytes(data[:i])
    for extra in (b" ", b"\0", data):
        with pytest.raises(SketchFormatError):
            Sketch.from_bytes(data + extra)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated: 0 bytes"),
        (b"PK\x03\x04 some archive of another kind", "not a sketch file"),
        (b"PAR1 and columns", "not a sketch file: it is a Parquet file, of rows or of a table"),
        (b"\x80\x04\x95 a pickle, which is never run", "not a sketch file"),
        (safetensors.numpy.save({"a": np.ones(3)}), "not a sketch file"),
        (safetensors.numpy.save({"a": np.ones(3)}, {"format": "pt"}), "its format is 'pt'"),
        (b"\x02\0\0\0\0\0\0\0[]", "not a sketch file"),
        (b"\x14\0\0\0\0\0\0\0" + b'{"__metadata__": 12}', "not a sketch file"),
        (b"\x40\x9c\0\0\0\0\0\0" + b"[" * 40_000, "not a sketch file"),
    ],
)
def test_foreign_files(data, message):
    with pytest.raises(SketchFormatError, match=message):
        Sketch.from_bytes(data)


def test_each_check_has_its_own_message():
    data = small_sketch().to_bytes()
    d64, i64 = np.float64, np.int64
    for altered, message in [
        (data[:100], "truncated: a header of"),
        (data[:-1], "truncated or altered"),
        (data[:-1] + b"\x7f", "digest does not match"),
        (repacked(data, format_version="3", library_version="9.1"), r"version 3 .*sketchlearn 9.1"),
        (repacked(data, fingerprint="0" * 32), "the file says 0000"),
        (repacked(data, scale="-0x1p+0"), "scale must be positive"),
        (repacked(data, scale="large"), "does not describe a sketch"),
        (repacked(data, n_samples="-3"), "does not describe a sketch"),
        (repacked(data, n_samples="many"), "does not describe a sketch"),
        (repacked(data, n_samples=" 8"), "not in canonical form"),
        (repacked(data, comment="hello"), "not in canonical form"),
        (repacked(data, scale="0x1p+99999"), "does not describe a sketch"),
        (repacked(data, operator="swift"), "operator is of kind 'swift', which this library does"),
        (repacked(data, arrays={"center": np.zeros(3, d64)}), r"center must have shape \(2,\)"),
        (repacked(data, arrays={"feature_sum": np.zeros((2, 4), i64)}), "feature_sum must have"),
        (repacked(data, arrays={"turns": np.zeros(6, np.float32)}), "must have shape"),
    ]:
        with pytest.raises(SketchFormatError, match=message):
            Sketch.from_bytes(altered)


def test_missing_extra_and_mistyped_arrays():
    data = small_sketch().to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    metadata.pop("digest")
    arrays = safetensors.numpy.load(data)
    lacking = {name: array for name, array in arrays.items() if name != "lower"}
    for other, message in [
        ({**arrays, "center": arrays["center"].astype(np.float32)}, "center must be float64, got"),
        ({**arrays, "rows": np.zeros(3)}, "no operator has the arrays rows"),
        (lacking, "lacks the arrays lower"),
    ]:
        with pytest.raises(SketchFormatError, match=message):
            Sketch.from_bytes(container.encode_file(other, metadata))
    half = safetensors.numpy.save({"a": np.ones(3, dtype=np.float16)}, metadata)
    with pytest.raises(SketchFormatError, match="a is of a type that no sketch has"):
        Sketch.from_bytes(half)


@pytest.mark.parametrize(
    ("name", "alter"),
    [
        ("values", lambda array: np.append(array, 7.0)),
        ("chain", lambda array: array.astype(np.int32)),
        ("permutation", lambda array: array.astype(np.uint8)),
        ("signs", lambda array: array | 1),
    ],
)
def test_what_a_map_reads_over_is_refused(name, alter):
    chain = [(1, 2, 2, 6), (2, 3, 3, 2), (6, 2, 2, 1)]
    B = Butterfly([np.ones((a, d, b, c)) for a, b, c, d in chain], chain, permutation=range(12))
    linear_map = ButterflyMap(B, np.ones((1, 1, 12)), np.ones(5), 2)
    data = Sketch.empty(replace(small_operator(2, 5), linear_map=linear_map)).to_bytes()
    array = safetensors.numpy.load(data)[f"map.{name}"]
    with pytest.raises(SketchFormatError, match=f"array map.{name} is not in canonical form"):
        Sketch.from_bytes(repacked(data, arrays={f"map.{name}": alter(array)}))


def test_saving_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "a.sketch"
    path.write_bytes(b"older")
    small_sketch().save(path)
    assert Sketch.load(str(path)) == small_sketch()
    assert [p.name for p in tmp_path.iterdir()] == ["a.sketch"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, failing, error):
    path = tmp_path / "a.sketch"
    path.write_bytes(b"older")

    def full(*_):
        raise error

    monkeypatch.setattr(os, failing, full)
    with pytest.raises(type(error)):
        small_sketch().save(path)
    monkeypatch.undo()
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["a.sketch"]


def test_a_full_disk_passes_through(tmp_path):
    with no_file_beyond(100), pytest.raises(OSError, match="File too large") as caught:
        small_sketch().save(tmp_path / "a.sketch")
    assert caught.value.errno == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(FileNotFoundError):
        small_sketch().save(tmp_path / "nowhere" / "a.sketch")
    with pytest.raises(FileNotFoundError):
        Sketch.load(tmp_path / "a.sketch")


def test_files_of_format_1_are_read_forever():
    a = Sketch.load(GOLDEN)
    assert a.n_samples == 8
    assert a.weight_sum == 36.0
    assert a.operator.n_features == 2
    assert a.fingerprint == "271274e2116a7a7c62c3ee9530cb64fd"
    assert a.feature_sum.tolist() == [
        [-5275160, 14388622, 5156632],
        [-49616465, -11150957, 12989190],
    ]
    assert Sketch.from_bytes(a.to_bytes()) == a


@pytest.mark.parametrize(
    ("name", "fingerprint", "cosines"),
    [
        (
            "double",
            "6d01e8fd35c6a090d9866e407502c3fb",
            [1530126, 2204014, -643411, 508440, 1148152],
        ),
        ("empty", "a67b65ba1c8512a3f875205f874448de", [0, 0]),
    ],
)
def test_other_files_of_format_1_are_read_forever(name, fingerprint, cosines):
    a = Sketch.load(GOLDEN.with_stem(f"sketch_v1_{name}"))
    assert a.fingerprint == fingerprint
    assert a.operator.double_phases == (name == "double")
    assert a.feature_sum[0].tolist() == cosines
    assert a.n_samples == (4 if name == "double" else 0)


def test_files_of_format_2_are_read_forever():
    """Read files that this made, once::

    rows = np.arange(24.0).reshape(8, 3) % 7
    for moments in ("full", "diagonal", None):
        sketcher = Sketcher.from_operator(small_operator(3, 4)).set_params(moments=moments)
        sketch = sketcher.sketch(rows, np.arange(8.0))
        named = replace(sketch, feature_names=("one", "tw\u00f6", "3"))
        (named if moments else sketch).save(f"sketch_v2_{moments}.safetensors".lower())
    """
    for moments in ("full", "diagonal", None):
        a = Sketch.load(GOLDEN.with_stem(f"sketch_v2_{moments}".lower()))
        assert a.fingerprint == "f157ec0301522f4a90e69a1aa1e68d78"
        assert (a.n_samples, a.weight_sum) == (7, 28.0)
        assert a.feature_names == (("one", "tw\u00f6", "3") if moments else None)
        assert a.feature_sum[0].tolist() == [9218659, 39545192, 15969287, 17713801]
        assert Sketch.from_bytes(a.to_bytes()) == a
        if moments is None:
            assert a.sums.moments is None
            continue
        assert a.sums.moments.kind == moments
        rows, weights = np.arange(24.0).reshape(8, 3) % 7, np.arange(8.0)
        np.testing.assert_allclose(
            a.moments.mean, np.average(rows, axis=0, weights=weights), rtol=1e-15
        )
        np.testing.assert_allclose(
            a.moments.variance, np.cov(rows.T, aweights=weights, ddof=0).diagonal(), rtol=1e-15
        )


def test_a_device_is_written_to_and_not_replaced():
    ours, device = os.openpty()
    tty.setraw(device)
    path, expected = Path(os.ttyname(device)), small_sketch().to_bytes()
    with ThreadPoolExecutor(1) as pool, open(ours, "rb") as terminal:
        read = pool.submit(terminal.read, len(expected))
        small_sketch().save(path)
        assert read.result() == expected
        assert path.is_char_device()
    os.close(device)


def test_a_saved_file_follows_links_and_has_the_usual_permissions(tmp_path):
    target, link, plain = tmp_path / "target", tmp_path / "link", tmp_path / "plain"
    plain.write_bytes(b"")
    target.write_bytes(b"old")
    link.symlink_to(target)
    small_sketch().save(link)
    assert link.is_symlink()
    assert Sketch.load(target) == small_sketch()
    assert target.stat().st_mode == plain.stat().st_mode
