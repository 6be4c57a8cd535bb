"""The benchmark of drift runs, in its smallest form, and finds what it is to find."""

import pytest

from docs.benchmarks import drift

pytestmark = [pytest.mark.slow, pytest.mark.quality]


def test_sizes_and_power(capsys):
    drift.main(["size", "--draws", "20", "--kinds", "discrete"])
    drift.main(["power", "--draws", "5", "--slow-draws", "0", "--settings", "correlation"])
    drift.main(["cost"])
    drift.main(["reference", "--draws", "2"])
    lines = capsys.readouterr().out.splitlines()
    (size,) = (line for line in lines if line.startswith("| discrete | paired |"))
    assert all(float(cell) <= 0.25 for cell in size.split("|")[3:6])
    (power,) = (line for line in lines if line.startswith("| sketch, m = 1,000, paired |"))
    assert float(power.split("|")[2]) == 1.0
    (days,) = (line for line in lines if line.startswith("| normal | 0.05 | 20 |"))
    assert float(days.split("|")[5]) == 1.0
    assert sum(line.startswith("| 10 | ") for line in lines) == 2
