"""Wide rows: whatever is made of their sketches takes no matrix of d^2 numbers."""

import tracemalloc

import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher, compare, count_clusters, synthesize

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

D, K = 4096, 3
# Half a matrix of float64, a whole one of float32.
MOST_BYTES = 4 * D * D


def clusters(seed=0, n=400):
    rng = np.random.default_rng(seed)
    centers = 0.4 * rng.standard_normal((K, D))
    return centers[rng.integers(K, size=n)] + rng.standard_normal((n, D))


def in_units(X):
    """Return rows with half of the columns in units 64 times as fine."""
    return X * np.where(np.arange(D) % 2, 64.0, 1.0)


def sketch_of(X, scale="auto"):
    sketcher = Sketcher(600, n_clusters=K, scale=scale, operator="fast", random_state=0)
    return sketcher.fit(X).sketch(X)


def fit(sketch):
    return CompressiveKMeans(K, random_state=0).fit_sketch(sketch)


@pytest.mark.parametrize(
    ("what", "scale", "make"),
    [
        (fit, "auto", clusters),
        (fit, "mixed", clusters),
        # Finer than rows are off any few axes.
        (fit, 0.3, clusters),
        (fit, "auto", lambda: np.zeros((400, D))),
        (fit, "columns", lambda: in_units(clusters())),
        (lambda sketch: synthesize(sketch, 100, random_state=0), "auto", clusters),
        (lambda sketch: synthesize(sketch, 100, random_state=0), "mixed", clusters),
        (
            lambda sketch: synthesize(sketch, 100, random_state=0),
            "columns",
            lambda: in_units(clusters()),
        ),
        (lambda sketch: count_clusters(sketch, [2, 3, 4], random_state=0), "auto", clusters),
        (lambda sketch: compare(sketch, sketch).effect_size_error, "auto", clusters),
        (lambda sketch: sketch.standardised().fingerprint, "columns", lambda: in_units(clusters())),
    ],
    ids=lambda one: str(one) if isinstance(one, str | float) else None,
)
def test_no_matrix_is_made(what, scale, make):
    sketch = sketch_of(make(), scale)
    tracemalloc.start()
    try:
        what(sketch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES


def test_a_row_that_is_far_in_all_columns_is_decoded_along_the_axes_of_the_others():
    X = clusters()
    moved = X.copy()
    moved[7] += 30.0
    sketcher = Sketcher(600, n_clusters=K, operator="fast", random_state=0).fit(X)
    tracemalloc.start()
    try:
        model = fit(sketcher.sketch(moved))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES
    best = CompressiveKMeans(K, random_state=0).fit(X)
    assert model.score(X) > 1.05 * best.score(X)


def test_equal_rows_make_small_files():
    sketch = sketch_of(np.full((50, D), 3.0))
    assert len(sketch.to_bytes()) < 10 * 8 * D
    assert fit(sketch).cluster_centers_ == pytest.approx(3.0)
