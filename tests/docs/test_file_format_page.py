"""What the page on the file format says of fingerprints, written out from the page alone."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import small_operator

from sketchlearn.estimators.persistence import MODEL_FILE
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.frequencies.format import OPERATOR_FILE
from sketchlearn.sketches import format as serialization
from sketchlearn.sketches.sketch import Sketch
from sketchlearn.sketching import Sketcher
from tests.contracts.members import operator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "file_format.md").read_text(encoding="utf-8")


def test_the_fingerprint_is_as_the_page_says():
    for double_phases in (False, True):
        omega = small_operator(2, 3, double_phases=double_phases)
        digest = hashlib.blake2b(b"dense frequencies 1", digest_size=16)
        for name, kind, value in [
            ("turns", "<f4 (2, 3)", omega.linear_map.turns),
            ("center", "<f8 (2,)", omega.center),
            ("scale", "<f8 (1,)", np.float64(omega.scale)),
            ("lower", "<f8 (2,)", omega.domain.lower),
            ("upper", "<f8 (2,)", omega.domain.upper),
            ("covariance", "<f8 (2, 2)", omega.covariance),
            ("double_phases", "|b1 (1,)", np.bool_(double_phases)),
        ]:
            digest.update(f"{name} {kind}".encode() + value.tobytes())
        assert digest.hexdigest() == omega.fingerprint


def test_the_fingerprint_of_other_kinds_is_as_the_page_says():
    omega = operator("circulant", "coarse-waves")
    domain = omega.components()
    digest = hashlib.blake2b(b"frequencies 1", digest_size=16)
    for name, word in [("linear_map", "circulant"), ("features", "coarse-waves")]:
        digest.update(f"{name} <U{len(word)} (1,)".encode() + word.encode("utf-32-le"))
    for prefix, state in [("map", omega.linear_map.state()), ("features", omega.features.state())]:
        for name, array in state.items():
            digest.update(f"{prefix}.{name} <f8 {array.shape}".encode() + array.tobytes())
    for name in ("center", "scale", "lower", "upper", "covariance"):
        value = np.atleast_1d(domain[name])
        digest.update(f"{name} <f8 {value.shape}".encode() + value.tobytes())
    digest.update(b"double_phases |b1 (1,)" + np.bool_(omega.double_phases).tobytes())
    assert digest.hexdigest() == omega.fingerprint


def test_without_a_box_the_fingerprint_has_no_corners():
    boxed = small_operator(2, 3)
    omega = FrequencyOperator(boxed.linear_map, Domain(boxed.center, boxed.scale, boxed.covariance))
    digest = hashlib.blake2b(b"dense frequencies 1", digest_size=16)
    for name, kind, value in [
        ("turns", "<f4 (2, 3)", omega.linear_map.turns),
        ("center", "<f8 (2,)", omega.center),
        ("scale", "<f8 (1,)", np.float64(omega.scale)),
        ("covariance", "<f8 (2, 2)", omega.covariance),
        ("double_phases", "|b1 (1,)", np.bool_(False)),
    ]:
        digest.update(f"{name} {kind}".encode() + value.tobytes())
    assert digest.hexdigest() == omega.fingerprint


def test_the_page_s_lists_are_those_of_operators_and_of_bare_sketches():
    section = PAGE.partition("## Operators, and sketches without theirs")[2].partition("\n## ")[0]
    about_bare = section.partition("A sketch that was saved")[2].partition("That there is no")[0]
    sketch = Sketcher.from_operator(small_operator()).sketch(np.zeros((2, 3)))
    data = replace(sketch, feature_names=("a", "b", "c")).to_bytes(operator=False)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    bare = set(header.pop("__metadata__")) | set(header)
    assert set(re.findall(r"`(\w+)`", about_bare)) == bare
    data = sketch.operator.to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    own = set(header.pop("__metadata__")) | set(header)
    said = PAGE.partition("are the\n**operator**")[0].rpartition("\n\n")[2]
    common = {"format", "format_version", "library_version", "digest", "fingerprint"}
    listed = set(re.findall(r"`(\w+)`", said))
    assert own - common <= listed
    assert all(f"`{name}`" in PAGE.partition("## What the numbers mean")[0] for name in listed)


def test_the_tables_name_everything_in_a_file():
    omega = small_operator()
    domain = replace(omega.domain, finest_scale=omega.scale / 4, clips=True, radius=2.0)
    omega = replace(omega, domain=replace(domain, shared=[[0.0, 1.0, 0.0, 0.5]]))
    sketch = Sketcher.from_operator(omega).sketch(np.zeros((2, 3)))
    data = replace(sketch, feature_names=("a", "b", "c")).to_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    about_sketches = PAGE.partition("## Models")[0]
    cells = re.findall(r"^\|[^|]*\|", about_sketches, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", "".join(cells)))
    assert named == set(header.pop("__metadata__")) | set(header)
    assert length % 8 == 0


def test_the_page_names_the_versions_that_are_written():
    assert f"format version {serialization.SKETCH_FILE.version}" in PAGE
    assert serialization.SKETCH_FILE.format in PAGE
    assert f"`{OPERATOR_FILE.format}`, version\n{OPERATOR_FILE.version}." in PAGE
    assert f"Version {MODEL_FILE.version} holds" in PAGE
    assert MODEL_FILE.format in PAGE


def page_s_reader():
    names = {}
    exec(re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0], names)
    return names


def compare_with_reader(names, sketch, *paths):
    metadata, arrays, mean = names["read_sketch"](*paths)
    assert metadata["fingerprint"] == sketch.fingerprint
    np.testing.assert_allclose(mean, sketch.mean, atol=1e-12)
    assert json.loads(metadata.get("feature_names", "null")) == (
        sketch.feature_names and list(sketch.feature_names)
    )
    assert ("lower" in arrays) == (sketch.operator.domain.box is not None)
    if sketch.sums.moments is not None:
        means, variances = names["read_moments"](metadata, arrays)
        np.testing.assert_allclose(means, sketch.moments.mean, rtol=1e-15)
        np.testing.assert_allclose(variances, sketch.moments.variance, rtol=1e-15)


def test_every_golden_file_is_read_by_the_page_s_reader():
    names, folder = page_s_reader(), ROOT / "tests" / "golden"
    golden = sorted(folder.glob("sketch_v*.safetensors"))
    assert {path.stem[:9] for path in golden} == {"sketch_v1", "sketch_v2"}
    for path in golden:
        is_bare = path.stem.endswith("bare")
        operator = folder / "operator_v1.safetensors" if is_bare else None
        sketch = Sketch.load(path, operator=operator)
        if sketch.n_samples:
            compare_with_reader(names, sketch, path, operator)


@pytest.mark.parametrize("has_box", [True, False])
@pytest.mark.parametrize("moments", ["full", "diagonal", None])
@pytest.mark.parametrize("feature_names", [("one", "tw\u00f6", "3"), None])
def test_every_kind_of_file_is_read_by_the_page_s_reader(tmp_path, has_box, moments, feature_names):
    operator = small_operator(3, 4)
    if not has_box:
        domain = Domain(operator.center, operator.scale, operator.covariance)
        operator = FrequencyOperator(operator.linear_map, domain)
    sketcher = Sketcher.from_operator(operator).set_params(moments=moments)
    sketch = sketcher.sketch(np.random.default_rng(0).normal(size=(9, 3)), np.arange(9.0))
    sketch = replace(sketch, feature_names=feature_names)
    places = [tmp_path / name for name in ("whole", "bare", "operator", "other")]
    sketch.save(places[0])
    sketch.save(places[1], operator=False)
    operator.save(places[2])
    small_operator(3, 5).save(places[3])
    names = page_s_reader()
    compare_with_reader(names, sketch, places[0])
    compare_with_reader(names, sketch, places[1], places[2])
    with pytest.raises(ValueError, match="taken with another operator"):
        names["read_sketch"](places[1], places[3])
