"""The benchmark of private k-means runs, goes on where it ended, and loses hardly anything."""

import json
import math

import pytest

from docs.benchmarks import private_clustering
from docs.benchmarks._private_cases import EPSILONS, area


def test_the_area_is_the_mean_over_epsilon():
    assert area(dict.fromkeys(EPSILONS, 1.5)) == pytest.approx(1.5)
    assert area({each: 2.0 * each for each in EPSILONS}) == pytest.approx(4.25)
    assert math.isclose(area({1.0: 3.0, 2.0: 5.0}), 4.0)


@pytest.mark.slow
def test_four_clusters_are_found_from_one_release_and_tables_are_printed(tmp_path, capsys):
    log = tmp_path / "log"
    arguments = ["--cases", "blobs 4x4", "--seeds", "1", "--epsilons", "4", "--log", str(log)]
    for _ in range(2):
        private_clustering.main([*arguments, "--figure", str(tmp_path / "figure.png")])
    (record,) = [json.loads(line) for line in log.read_text().splitlines() if line]
    assert 0.99 < record["ratio"] < 1.05
    assert capsys.readouterr().out.count("| blobs 4x4 |") == 2
    assert (tmp_path / "figure.png").stat().st_size > 1000
