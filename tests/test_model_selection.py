"""Counting clusters from the sketch alone."""

import numpy as np
import pytest

from datasets.counted import crescent, draw_cigars, draw_spaced, student
from sketchlearn import CompressivePCA, EmptySketchError, Sketch, Sketcher, count_clusters
from sketchlearn.decoders import CLOMPR, on_progress


def clusters(k, n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    centers = 6.0 * rng.standard_normal((k, 3))
    return centers[rng.integers(k, size=n)] + rng.standard_normal((n, 3))


@pytest.fixture(scope="module")
def sketch():
    rows = clusters(6)
    return Sketcher(n_clusters=8, random_state=0).fit(rows).sketch(rows)


@pytest.mark.quality
@pytest.mark.slow
def test_the_smallest_number_that_explains_the_sketch_is_chosen(sketch):
    count = count_clusters(sketch, range(1, 9), random_state=0)
    assert (count.n_clusters, count.is_resolved) == (6, True)
    assert list(count.mixtures) == list(range(1, 9))
    assert all(len(mixture.weights) == k for k, mixture in count.mixtures.items())
    assert count.mixtures[6].goodness_of_fit <= 1.5 < count.mixtures[5].goodness_of_fit
    assert min(count.criteria, key=count.criteria.get) == 6


@pytest.mark.slow
def test_what_no_candidate_explains_is_said_to_be_unresolved(sketch):
    count = count_clusters(sketch, [1, 2, 3, 4], decoder=CLOMPR(), random_state=0)
    assert not count.is_resolved
    assert count.n_clusters in (2, 3, 4)
    assert not count_clusters(sketch, [4], random_state=0).is_resolved


@pytest.mark.slow
def test_order_and_repetition_of_candidates_do_not_matter(sketch):
    one = count_clusters(sketch, [7, 6, 6], random_state=0)
    other = count_clusters(sketch, [6, 7], random_state=0)
    assert one.n_clusters == other.n_clusters
    np.testing.assert_array_equal(one.mixtures[7].parameters, other.mixtures[7].parameters)


@pytest.mark.parametrize(
    ("candidates", "error", "message"),
    [
        ([], ValueError, "at least one number of clusters"),
        ([0, 3], ValueError, "each candidate must be at least 1, got 0"),
        ([2.5], TypeError, "each candidate must be an integer, got 2.5"),
        (
            range(1, 10**12),
            ValueError,
            "candidates must be at most .* as many clusters as are tried",
        ),
    ],
)
def test_candidates_must_be_positive_integers(sketch, candidates, error, message):
    with pytest.raises(error, match=message):
        count_clusters(sketch, candidates)


@pytest.mark.quality
@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["diag", "full", "auto"])
def test_components_of_any_shape_can_be_counted(covariance_type):
    rng = np.random.default_rng(0)
    spreads = np.array([[0.3, 3.0], [3.0, 0.3], [1.0, 1.0]])
    label = rng.integers(3, size=20_000)
    rows = spreads[label] * rng.standard_normal((20_000, 2)) + 9.0 * label[:, None]
    sketch = Sketcher(200, n_clusters=3, random_state=0).fit(rows).sketch(rows)
    count = count_clusters(sketch, range(1, 6), covariance_type=covariance_type, random_state=0)
    assert (count.n_clusters, count.is_resolved) == (3, True)
    spherical = count_clusters(sketch, [3], covariance_type="spherical", random_state=0)
    assert not spherical.is_resolved


@pytest.mark.slow
def test_more_parameters_than_numbers_resolve_nothing(sketch):
    few = Sketcher(30, n_clusters=6, random_state=0).fit(clusters(6)).sketch(clusters(6))
    assert not count_clusters(few, [12], covariance_type="full", random_state=0).is_resolved


def test_covariances_of_an_unknown_type_are_refused(sketch):
    with pytest.raises(ValueError, match="'full', got 'tied'"):
        count_clusters(sketch, covariance_type="tied")


def test_an_empty_sketch_has_no_clusters(sketch):
    with pytest.raises(EmptySketchError):
        count_clusters(Sketch.empty(sketch.operator), [1])


@pytest.mark.slow
def test_few_rows_resolve_nothing():
    rows = clusters(3, n=60)
    sketch = Sketcher(n_clusters=3, random_state=0).fit(rows).sketch(rows)
    # Three clusters in three dimensions have 29 parameters, so 145 rows are asked for.
    assert not count_clusters(sketch, [3], random_state=0).is_resolved
    # A weight is no row.
    assert not count_clusters(sketch.reweighted(100), [3], random_state=0).is_resolved
    many = Sketcher(n_clusters=3, random_state=0).fit(clusters(3)).sketch(clusters(3))
    assert count_clusters(many, [3], random_state=0).is_resolved


@pytest.mark.slow
def test_it_says_in_a_line_what_was_counted(sketch):
    count = count_clusters(sketch, [5, 6, 7], random_state=0)
    assert repr(count) == "ClusterCount(n_clusters=6, is_resolved=True, tried 5, 6, 7)"
    text = repr(count.mixtures[6])
    assert text.startswith("Mixture(6 x FullGaussian in 3 dimensions, cost=")
    assert " at 0x" not in text + repr(count.mixtures[6].family)


@pytest.mark.slow
def test_the_number_there_is_is_stable_and_stands_apart(sketch):
    count = count_clusters(sketch, range(1, 9), random_state=0)
    assert count.stabilities[6] > 0.8
    assert count.stabilities[6] > max(count.stabilities[7], count.stabilities[8])
    assert count.silhouettes[6] > max(count.silhouettes[7], count.silhouettes[8])
    assert np.isnan([count.stabilities[1], count.silhouettes[1]]).all()
    table = count.table
    assert table["stability"][5] == count.stabilities[6]
    assert table["criterion"][5] == 0.0 < min(np.delete(table["criterion"], 5))
    lines = str(count).splitlines()
    assert lines[0].startswith("6 clusters, resolved: ")
    assert [line.split()[0] for line in lines[-8:]] == ["1", "2", "3", "4", "5", "*", "7", "8"]
    assert count._repr_html_().count("<tr>") == 9


@pytest.mark.slow
def test_rows_without_clusters_are_said_to_determine_no_number():
    rows = np.random.default_rng(0).uniform(size=(50_000, 2))
    sketch = Sketcher(n_clusters=6, random_state=0).fit(rows).sketch(rows)
    count = count_clusters(sketch, range(1, 7), random_state=0)
    assert not count.is_resolved
    assert "No number of clusters is stable" in count.summary
    assert "6 Gaussians, the most that were tried, fit best" in count.summary
    assert count.summary.endswith("choose it by its use.")


@pytest.mark.slow
def test_draws_change_nothing_but_the_stability(sketch):
    none, three = (count_clusters(sketch, [5, 6], n_draws=n, random_state=0) for n in (0, 3))
    assert np.isnan(list(none.stabilities.values())).all()
    assert none.criteria == three.criteria
    assert none.silhouettes == three.silhouettes
    assert "stable" not in none.summary
    for wrong in (-1, 1.5):
        with pytest.raises((TypeError, ValueError), match="n_draws"):
            count_clusters(sketch, [5, 6], n_draws=wrong)


@pytest.mark.slow
def test_it_says_how_far_it_is(sketch):
    heard = []
    with on_progress(heard.append, interval=0.0):
        count_clusters(sketch, [2, 3], n_draws=1, random_state=0)
    tasks = list(dict.fromkeys(step.task for step in heard if step.task))
    draws = [f"draw 1 of 1 of the noise, k = {k}" for k in (3, 2)]
    assert tasks == ["up to 3 clusters", *(f"k = {k}, from 3 down" for k in (3, 2, 1)), *draws]
    assert any(str(step).startswith("up to 3 clusters, ") for step in heard)


@pytest.mark.slow
def test_progress_is_shown_on_a_terminal_only(sketch, capsys):
    count_clusters(sketch, [1], random_state=0, progress=True)
    assert capsys.readouterr().err == ""


def test_rows_are_no_sketch():
    with pytest.raises(TypeError, match="count_clusters expected a Sketch, got ndarray: rows X"):
        count_clusters(np.zeros((9, 2)), [1, 2])


def test_signs_whose_overtones_look_like_clusters_are_refused():
    X = clusters(3)
    signs = Sketcher(60, features="signs", random_state=0).fit(X).sketch(X)
    with pytest.raises(ValueError, match="features='waves'"):
        count_clusters(signs, [1, 2])


def test_a_name_is_no_decoder(sketch):
    with pytest.raises(TypeError, match="decoder must be a Decoder, got str"):
        count_clusters(sketch, [1, 2], decoder="CLOMPR")


@pytest.mark.slow
@pytest.mark.parametrize("noise", [crescent, student], ids=lambda noise: noise.__name__)
def test_clusters_of_other_shapes_are_counted_but_not_resolved(noise):
    rows = draw_spaced(2, k=4, d=2, n=20_000, least=14.0, noise=noise)
    sketch = Sketcher(n_clusters=12, random_state=3).fit(rows).sketch(rows)
    count = count_clusters(sketch, range(1, 13), random_state=0)
    assert (count.n_clusters, count.is_resolved) == (4, False)
    assert min(count.criteria, key=count.criteria.get) > 4


@pytest.mark.quality
@pytest.mark.slow
def test_long_clusters_side_by_side_are_resolved_or_said_not_to_be():
    """Mostly; a component that lies across two of them can hide how many there are."""
    n_right, n_seeds = 0, 20
    for seed in range(20, 20 + n_seeds):
        rows = draw_cigars(seed, k=4, n=10_000, length=9.0, gap=7.0)
        sketch = Sketcher(n_clusters=20, keep_pilot=False, random_state=seed).fit(rows).sketch(rows)
        count = count_clusters(sketch, random_state=seed, n_draws=0)
        is_right = count.n_clusters == 4
        assert is_right or not count.is_resolved
        n_right += is_right and count.is_resolved
    assert n_right >= 0.7 * n_seeds


@pytest.mark.slow
def test_more_candidates_than_clusters_are_needed_to_resolve(sketch):
    # Seven components explain six clusters as well; a look at six tells.
    assert not count_clusters(sketch, [7, 8], random_state=0).is_resolved


@pytest.mark.slow
def test_columns_beyond_full_covariances_are_counted_by_round_components():
    rng = np.random.default_rng(5)
    centers = 3.0 * rng.standard_normal((5, 24))
    rows = centers[rng.integers(5, size=20_000)] + rng.standard_normal((20_000, 24))
    sketch = Sketcher(n_clusters=8, random_state=0).fit(rows).sketch(rows)
    count = count_clusters(sketch, range(1, 9), random_state=0)
    assert (count.n_clusters, count.is_resolved) == (5, True)
    assert type(count.mixtures[5].family).__name__ == "SphericalGaussian"


@pytest.mark.slow
@pytest.mark.parametrize("d", [24, 64])
def test_clusters_that_few_round_components_hide_in_many_columns_are_not_resolved_as_fewer(d):
    rng = np.random.default_rng([d, 7])
    centers = 0.6 * np.sqrt(64 / d) * rng.standard_normal((6, d))
    rows = centers[rng.integers(6, size=6000)] + rng.standard_normal((6000, d))
    sketch = Sketcher(n_clusters=12, keep_pilot=False, random_state=7).fit(rows).sketch(rows)
    count = count_clusters(sketch, range(1, 13), random_state=7, n_draws=0)
    assert count.n_clusters == 6 or not count.is_resolved


@pytest.mark.slow
def test_clusters_of_many_columns_are_counted_among_principal_components():
    rng = np.random.default_rng(60)
    centers = 0.5 * rng.standard_normal((12, 200))
    rows = centers[rng.integers(12, size=10_000)] + rng.standard_normal((10_000, 200))

    def count(rows):
        sketch = Sketcher(n_clusters=20, keep_pilot=False, random_state=0).fit(rows).sketch(rows)
        return count_clusters(sketch, range(1, 21), random_state=0, n_draws=0)

    whole = count(rows)
    assert not whole.is_resolved
    assert "sketch CompressivePCA(12).fit_transform(X)." in whole.reason
    reduced = count(CompressivePCA(12).fit_transform(rows))
    assert (whole.n_clusters < 12, reduced.n_clusters) == (True, 12)
    assert "CompressivePCA" not in reduced.reason
