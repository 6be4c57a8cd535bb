"""The integrations that need a package of somebody else's run as the page has them."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "integrations.md"
FIRST, *_ = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
OPTIONAL = re.findall(r"^```py\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PACKAGES = ["mlflow.pyfunc", "ray.data", "apache_beam"]


def test_every_optional_block_is_here():
    found = [re.search(r"^import ([\w.]+)", block, re.MULTILINE)[1] for block in OPTIONAL]
    assert found == PACKAGES


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("package", "block"), list(zip(PACKAGES, OPTIONAL, strict=True)))
def test_it_runs_where_the_package_is(package, block, tmp_path, monkeypatch):
    pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for code in (FIRST, block):
        exec(compile(code, package, "exec"), names)
