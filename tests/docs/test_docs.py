"""Every Python block of the README and of docs/ runs as it stands."""

import importlib
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Files that a page shows word for word are imported where they stand, as the contract suites do:
# a kind is defined once.
EXTENSIONS = {
    path.read_text(encoding="utf-8"): f"tests.extensions.{path.stem}"
    for path in (ROOT / "tests" / "extensions").glob("*.py")
}
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page):
    """Return a page's Python blocks; those with prompts are doctests, which pytest runs itself."""
    return [code for code in BLOCK.findall(page.read_text(encoding="utf-8")) if ">>>" not in code]


def public_names(module):
    return {name: thing for name, thing in vars(module).items() if name[0] != "_"}


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem
)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, code in enumerate(blocks(page), start=1):
        if code in EXTENSIONS:
            names |= public_names(importlib.import_module(EXTENSIONS[code]))
        else:
            exec(compile(code, f"{page.name}, block {number}", "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
