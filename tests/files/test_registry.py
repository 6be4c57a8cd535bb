"""Kinds of files: told from the header, read by version, parsed and digested once."""

import sys

import numpy as np
import pytest

from sketchlearn import (
    Checkpoint,
    CompressiveKMeans,
    ModelFormatError,
    Sketch,
    Sketcher,
    SketchFormatError,
    load_model,
)
from sketchlearn.factorization import dft_butterfly
from sketchlearn.files import container
from sketchlearn.files.container import FileKind
from sketchlearn.files.registry import identify_file
from sketchlearn.frequencies import FrequencyOperator

ROWS = np.random.default_rng(0).normal(size=(300, 2))


class NoteError(ValueError):
    pass


# A made-up kind, whose first version had a number where the next has an array.
NOTE = FileKind("note", 2, NoteError, "load_note")


@NOTE.reads(1)
def read_note_1(arrays, metadata):
    return [float(metadata["value"])]


@pytest.fixture(scope="module")
def notes():
    """A file of each version; the reader of the second comes after the first was written."""
    first = NOTE.encode({}, {"value": "2.5"}, version=1)
    second = NOTE.encode({"values": np.array([2.5, 3.5])}, {})
    with pytest.raises(NoteError, match=r"format version 2 .* reads version 1"):
        NOTE.decode(second)

    @NOTE.reads(2)
    def read_note_2(arrays, metadata):
        return arrays["values"].tolist()

    return {1: first, 2: second}


def test_a_version_is_read_by_its_own_reader(notes):
    assert NOTE.decode(notes[1]) == [2.5]
    assert NOTE.decode(notes[2]) == [2.5, 3.5]
    third = NOTE.encode({}, {}, version=3)
    with pytest.raises(NoteError, match=r"format version 3 .* reads version 1, 2"):
        NOTE.decode(third)


def test_a_file_says_its_kind_and_version(notes, tmp_path):
    for version, data in notes.items():
        (tmp_path / "a").write_bytes(data)
        for file in (data, tmp_path / "a"):
            identity = identify_file(file)
            assert (identity.noun, identity.version) == ("note", str(version))
    (tmp_path / "a").write_bytes(b"a,b\n1,2\n")
    assert identify_file(tmp_path / "a") is None
    assert identify_file(b"") is None


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="a kind of file called 'note' already"):
        FileKind("note", 1, NoteError, "load_other")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A file of every kind of the library, by its noun, and what loads it."""
    folder = tmp_path_factory.mktemp("files")
    model = CompressiveKMeans(2, n_frequencies=30, random_state=0).fit(ROWS)
    model.save(folder / "model")
    model.sketch_.save(folder / "sketch")
    model.sketch_.operator.save(folder / "operator")
    butterfly = dft_butterfly(8)
    butterfly.save(folder / "butterfly")
    Sketcher.from_operator(model.sketch_.operator).sketch(
        ROWS, checkpoint=Checkpoint(folder / "checkpoint")
    )
    loaders = {
        "model": load_model,
        "sketch": Sketch.load,
        "operator": FrequencyOperator.load,
        "butterfly": type(butterfly).load,
        "checkpoint": lambda path: Checkpoint(path).load(),
    }
    return {noun: (folder / noun, loader) for noun, loader in loaders.items()}


HOW = {
    "model": "load_model",
    "sketch": "Sketch.load",
    "operator": "FrequencyOperator.load",
    "butterfly": "factorization.Butterfly.load",
    "checkpoint": r"Checkpoint\(path\).load\(\)",
}


@pytest.mark.parametrize("noun", HOW)
@pytest.mark.parametrize("other", HOW)
def test_a_file_of_another_kind_is_named_with_what_loads_it(files, noun, other):
    path, load = files[noun][0], files[other][1]
    assert identify_file(path).noun == noun
    if noun == other:
        load(path)
        return
    expected = f"not an? {other} file: it is an? {noun}; use {HOW[noun]}$"
    with pytest.raises((SketchFormatError, ModelFormatError), match=expected):
        load(path)


# A model's file holds a sketch's, as does a checkpoint's; each has a digest of its own.
@pytest.mark.parametrize(
    ("noun", "n_files"),
    [("sketch", 1), ("operator", 1), ("butterfly", 1), ("model", 2), ("checkpoint", 2)],
)
def test_a_header_is_parsed_once_and_a_digest_is_taken_once(files, noun, n_files):
    path, load = files[noun]
    digested, parsed = [], []

    def listen(frame, event, what):
        if event == "c_call" and what.__name__ == "hexdigest":
            digested.append(frame.f_code.co_filename)
        if event == "call" and frame.f_code.co_name == "header":
            parsed.append(frame.f_code.co_filename)

    sys.setprofile(listen)
    try:
        load(path)
    finally:
        sys.setprofile(None)
    assert digested.count(container.__file__) == n_files
    assert len(parsed) == n_files
