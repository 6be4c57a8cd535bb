"""What the site is made of: every public name has its page, and links are followed."""

import importlib
import re
from pathlib import Path

import pytest

from docs.reference_pages import list_names, write_reference
from docs.site_links import find_broken

DOCS = Path(__file__).parents[2] / "docs"
GALLERY = sorted((DOCS / "gallery").glob("plot_*.py"))


def test_every_public_name_is_listed_once():
    listed = [(module, name) for module, names in list_names().items() for name in names]
    things = [getattr(importlib.import_module(module), name) for module, name in listed]
    assert len({*map(id, things)}) == len(things)
    package = importlib.import_module("sketchlearn")
    assert {name for module, name in listed if module == "sketchlearn"} == {
        name for name in package.__all__ if not name.startswith("_")
    }
    for module in list_names():
        for name in getattr(importlib.import_module(module), "__all__", []):
            if not name.startswith("_"):
                assert any(getattr(importlib.import_module(module), name) is one for one in things)


def test_pages_that_have_not_changed_stay_as_they_are(tmp_path):
    gone = tmp_path / "reference" / "generated" / "sketchlearn.Gone.rst"
    gone.parent.mkdir(parents=True)
    gone.touch()
    pages = write_reference(tmp_path / "reference")
    assert not gone.exists()
    assert all((tmp_path / page).exists() for page in pages)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "reference").iterdir()}
    write_reference(tmp_path / "reference")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    index = (tmp_path / "reference" / "index.rst").read_text(encoding="utf-8")
    assert all((tmp_path / "reference" / f"{module}.rst").exists() for module in list_names())
    assert [*re.findall(r"^   (sketchlearn\S*)", index, re.MULTILINE)] == [*list_names()]


def test_broken_links_are_found(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.html").write_text(
        '<a href="sub/b.html#here">1</a><a href="https://example.org/x">2</a><p id="top">'
        '<a href="#top">3</a><img src="sub/p%20q.png"><a href="sub/">4</a>',
        encoding="utf-8",
    )
    (tmp_path / "sub" / "b.html").write_text('<h1 id="here">', encoding="utf-8")
    (tmp_path / "sub" / "index.html").write_text("", encoding="utf-8")
    (tmp_path / "sub" / "p q.png").write_bytes(b"")
    assert find_broken(tmp_path) == ([], 4)
    (tmp_path / "sub" / "b.html").write_text('<a href="../a.html#gone">', encoding="utf-8")
    (tmp_path / "sub" / "p q.png").unlink()
    broken, _ = find_broken(tmp_path)
    assert broken == [
        "a.html: sub/b.html#here",
        "a.html: sub/p%20q.png",
        "sub/b.html: ../a.html#gone",
    ]


@pytest.mark.parametrize("script", GALLERY, ids=lambda path: path.stem)
def test_examples_of_the_gallery_are_pages(script):
    text = script.read_text(encoding="utf-8")
    title, line = re.match(r'"""\n(.+)\n(=+)\n\n\w', text).groups()
    assert len(title) == len(line)
    compile(text, script.name, "exec")
