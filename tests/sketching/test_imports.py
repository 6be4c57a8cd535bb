"""What those who only sketch, workers of Dask and Spark among them, need not import."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Compared with what `sklearn.base` alone brings, which is not ours to choose.
PROGRAM = """
import sys
import sklearn.base
before = set(sys.modules)
import {module}
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize(
    "module",
    ["sketching", "sketches", "sources", "distributed.dask", "distributed.spark"],
)
def test_sketching_imports_no_decoder_and_nothing_slow(module):
    program = PROGRAM.format(module=f"sketchlearn.{module}")
    run = [sys.executable, "-c", program]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    assert f"sketchlearn.{module}" in loaded
    ours = {name.split(".")[1] for name in loaded if name.startswith("sketchlearn.")}
    assert ours.isdisjoint({"atoms", "decoders", "estimators", "optim", "cli", "factorization"})
    others = {".".join(name.split(".")[:2]) for name in loaded}
    assert others.isdisjoint(
        {"numba", "pandas", "pyarrow", "sklearn.cluster", "sklearn.metrics", "dask", "pyspark"}
    )
