"""The example that fits estimators on synthesized rows."""

import numpy as np
import pytest

from docs.examples import plot_synthesize as example
from sketchlearn import synthesize


@pytest.mark.slow
def test_prints_a_table_and_draws_a_figure(tmp_path, capsys):
    path = tmp_path / "figures" / "synthesize.png"
    example.main(["--n-samples", "5000", "--figure", str(path)])
    printed = capsys.readouterr().out
    for title in ("k-means", "Gaussian mixture", "PCA", "DBSCAN", "synthesize.png"):
        assert title in printed
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.quality
@pytest.mark.slow
def test_kmeans_on_synthetic_rows_is_as_good_as_on_the_data():
    X = example.clustered_rows(5000, seed=1)
    rows = synthesize(example.sketched(X), 2000, random_state=0)
    on_data, on_rows = (float(cell) for cell in example.compare_kmeans(rows, X))
    assert on_rows < 1.05 * on_data


def test_density_labels_are_handed_on_to_the_nearest():
    fitted = np.concatenate([np.zeros((30, 2)), np.full((30, 2), 5.0), [[50.0, 50.0]]])
    labels = example.density_labels(fitted, np.array([[0.1, 0.0], [5.0, 5.1], [49.0, 50.0]]))
    assert labels.tolist() == [0, 1, -1]
