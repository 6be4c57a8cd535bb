"""Try an installed sketchlearn where nothing but its own dependencies is there.

Run by ``make dist`` in a bare environment, from an empty folder; stops at the first thing that
does not hold::

    python try_installed.py README.md VERSION
"""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Run the README's first block, save and load, and ask for what is not installed."""
    readme, version = Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2]
    metadata = importlib.metadata.metadata("sketchlearn")
    expect(metadata["Version"] == version, f"version {metadata['Version']}, expected {version}")
    expect(metadata["License-Expression"] == "BSD-3-Clause", "the licence is not in the metadata")
    for absent in ("pyarrow", "matplotlib", "typer", "tests", "datasets", "docs"):
        expect(importlib.util.find_spec(absent) is None, f"{absent} came along with the wheel")

    names: dict = {}
    exec(re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0], names)
    model, total = names["model"], names["total"]

    from sketchlearn import CompressiveKMeans, Sketch, load_model, plan

    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/a.model")
        total.save(f"{folder}/a.sketch")
        again = CompressiveKMeans.load(f"{folder}/a.model")
        expect(Sketch.load(f"{folder}/a.sketch") == total, "a sketch changed in its file")
        expect((again.cluster_centers_ == model.cluster_centers_).all(), "a model changed")
        expect(type(load_model(f"{folder}/a.model")) is CompressiveKMeans, "another class")

    # It reads tables that the wheel must have brought along.
    expect(plan(10_000, 2, 3).n_frequencies > 0, "no sketch was planned")

    for statement, extra in (
        ("from sketchlearn.plotting import ClustersDisplay as D; D.from_estimator(model)", "plot"),
        (
            "from sketchlearn.privacy import release\n"
            "blind = Sketcher.from_domain([-20.0] * 10, [20.0] * 10, clip=True, random_state=0)\n"
            "release(blind.sketch(X), epsilon=1.0, delta=0.0)",
            "privacy",
        ),
        (
            "import pathlib; path = pathlib.Path('a.parquet'); path.touch(); sketcher.sketch(path)",
            "arrow",
        ),
    ):
        try:
            exec(statement, names)
        except ImportError as error:
            expect(f"sketchlearn[{extra}]" in str(error), f"no extra in {str(error)!r}")
        else:
            expect(False, f"{statement!r} ran without its extra")
    command = Path(sys.executable).with_name("sketchlearn")
    run = subprocess.run([command, "--help"], capture_output=True, text=True)
    expect("sketchlearn[cli]" in run.stderr, f"the command line says {run.stderr!r}")
    expect(run.returncode == 1, f"without its extra the command line exits {run.returncode}, not 1")
    print(f"sketchlearn {version}: README, files, and errors that name their extra: all as told")


def expect(holds: bool, otherwise: str) -> None:
    """Stop unless a thing holds."""
    if not holds:
        raise SystemExit(f"not as told: {otherwise}")


if __name__ == "__main__":
    main()
