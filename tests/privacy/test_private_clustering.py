"""The benchmark of private k-means runs, and loses hardly anything on easy Gaussians."""

import pytest

from docs.benchmarks import private_clustering
from docs.benchmarks.private_clustering import make_rows, measure


@pytest.mark.slow
def test_four_clusters_are_found_from_one_release_and_a_table_is_printed(capsys):
    (ratio,), _ = measure(make_rows(4, 4), 4, [4.0], seed=0)
    assert 0.99 < ratio < 1.05
    private_clustering.main(["--shapes", "4x4", "--epsilons", "4"])
    assert capsys.readouterr().out.count("| 4, 4 |") == 1
