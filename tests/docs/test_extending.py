"""The page on extensions shows those that the contract suites run, and these use public names."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXTENSIONS = sorted((ROOT / "tests" / "extensions").glob("*.py"))
each_extension = pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.stem)


@each_extension
def test_the_page_holds_it_word_for_word(path):
    code = path.read_text(encoding="utf-8")
    assert f"```python\n{code}```\n" in PAGE
    assert len(code.splitlines()) < 60


@each_extension
def test_it_imports_public_names_only(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = [name.name for n in ast.walk(tree) if isinstance(n, ast.Import) for name in n.names]
    assert [module for module in modules if module.startswith("sketchlearn")] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("sketchlearn"):
            assert "._" not in node.module
            public = importlib.import_module(node.module).__all__
            assert [name.name for name in node.names if name.name not in public] == []


@each_extension
def test_a_contract_suite_imports_it(path):
    suites = (ROOT / "tests" / "contracts").glob("*.py")
    assert any(f"tests.extensions.{path.stem}" in suite.read_text() for suite in suites)
