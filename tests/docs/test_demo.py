"""The demo, end to end on a few digits, and its parts."""

import numpy as np
import pytest

from datasets.mnist import Digits, load_mnist
from docs.examples import mnist_pictures as pictures
from docs.examples import plot_data_sketch_model
from docs.examples import plot_mnist_clusters as demo
from sketchlearn import Sketch

pytestmark = pytest.mark.slow


@pytest.fixture
def few_digits(monkeypatch, tmp_path):
    """Every eighth embedded digit, in the place of all; nothing left in the user's cache."""
    images, labels, _ = load_mnist("embedded")
    few = Digits(images[::8], labels[::8], "a few digits")
    monkeypatch.setattr(demo, "load_mnist", lambda source: few)
    monkeypatch.setattr(demo, "SIZES", (1, 2))
    monkeypatch.setenv("SKETCHLEARN_CACHE", str(tmp_path / "cache"))
    return few


def test_demo_prints_a_table_and_draws_a_figure(few_digits, tmp_path, capsys):
    path = tmp_path / "figures" / "clusters.png"
    demo.main(["--seeds", "1", "--figure", str(path)])
    printed = capsys.readouterr()
    assert "a few digits" in printed.out
    assert "625 x 10" in printed.out
    for title in ("smaller", "time", "SSE ratio", "ARI", "NMI", "all rows", "m = 200"):
        assert title in printed.out
    assert f"in {path.parent / 'mnist_parts'}\n" in printed.out
    assert "ms: the same bytes as one sketch of all rows" in printed.out
    assert "ms: the same bytes as a sketch that never saw a 7" in printed.out
    assert f"Figure: {path}\n" in printed.out
    assert "neighbour graph" in printed.err
    assert path.read_bytes().startswith(b"\x89PNG")
    files = sorted((path.parent / "mnist_parts").iterdir())
    assert [file.name for file in files] == [f"digit_{digit}.sketch" for digit in range(10)]
    assert Sketch.sum(map(Sketch.load, files)).n_samples == 625


def test_demo_refuses_an_unknown_source(capsys):
    with pytest.raises(SystemExit):
        demo.main(["--source", "moon"])
    assert "embedded" in capsys.readouterr().err


def test_matching_undoes_a_renaming():
    rng = np.random.default_rng(0)
    reference = rng.integers(pictures.N_CLUSTERS, size=500)
    renamed = rng.permutation(pictures.N_CLUSTERS)[reference]
    assert np.array_equal(pictures.match(renamed, reference), reference)


def test_clusters_are_ordered_by_their_digit():
    digits = np.repeat(np.arange(10), 3)
    assert np.array_equal(pictures.by_digit(9 - digits, digits), digits)


def test_mean_images_leave_an_empty_cluster_blank():
    images = np.ones((4, 784), dtype=np.float32) * np.arange(4, dtype=np.float32)[:, None]
    means = pictures.mean_images(images, np.array([0, 0, 2, 2]))
    assert means.shape == (10, 28, 28)
    assert means[0, 5, 5] == 0.5
    assert means[2, 5, 5] == 2.5
    assert not means[1].any()


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(700, "1 kB"), (28_000, "28 kB"), (5_600_000, "5.6 MB")]
)
def test_sizes_are_readable(n_bytes, text):
    assert demo.readable(n_bytes) == text


def test_the_picture_of_the_readme_can_be_drawn(monkeypatch, tmp_path, capsys):
    full = plot_data_sketch_model.draw
    monkeypatch.setattr(plot_data_sketch_model, "draw", lambda: full(n_samples=2_000))
    plot_data_sketch_model.main(["--figure", str(tmp_path / "picture.png")])
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "picture.png" in capsys.readouterr().out.replace("\n", "")
