"""The version stands in one place, and what repeats it for readers agrees."""

import re
from pathlib import Path

import sketchlearn

ROOT = Path(__file__).parents[2]


def test_changelog_and_citation_tell_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+?),? ", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == sketchlearn.__version__
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {sketchlearn.__version__}\n" in citation
