"""What reports and warnings advise is what whoever reads them can do."""

import re

import numpy as np
import pytest

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher
from sketchlearn.privacy import Budget, release

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
BOX = [-16.0] * 2, [16.0] * 2
CENTERS = np.array([[-10.0, -8.0], [-9.0, 9.0], [0.0, 1.0], [2.0, -10.0], [9.0, 8.0], [10.0, -5.0]])


def make_blobs(n=30_000, seed=0):
    """Rows of six round clusters."""
    rng = np.random.default_rng(seed)
    return CENTERS[rng.integers(len(CENTERS), size=n)] + rng.normal(size=(n, 2))


def make_ring(n=20_000, seed=0):
    """Rows on a circle, in its order, which no few centroids explain."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0.0, 2.0 * np.pi, size=n))
    return 5.0 * np.column_stack([np.cos(angles), np.sin(angles)]) + 0.2 * rng.normal(size=(n, 2))


def list_advice(model):
    """Return all that a model's report and doubts say to do."""
    return [model.report().remedy, *(doubt.message for doubt in model.doubts_)]


@pytest.mark.slow
@pytest.mark.parametrize("model", [CompressiveKMeans, CompressiveGaussianMixture])
def test_a_release_is_never_advised_to_be_fitted_with_its_rows(model):
    fitted = []
    for n_frequencies in (20, 100):
        sketcher = Sketcher.from_domain(
            *BOX, n_frequencies=n_frequencies, clip=True, random_state=0
        )
        for X in (make_blobs(), make_ring()):
            sketch, budget = sketcher.sketch(X), Budget(100.0, 1e-3)
            for epsilon in (0.3, 5.0):
                private = release(sketch, epsilon=epsilon, delta=1e-6, budget=budget)
                fitted += [model(k, random_state=0).fit_sketch(private) for k in (3, 9)]
    assert sum(one.report().verdict != "good" for one in fitted) > len(fitted) // 3
    for advice in (advice for one in fitted for advice in list_advice(one)):
        assert "all fit" not in advice
        assert "keep_pilot" not in advice
        assert "ketch with" not in advice


def test_a_release_in_doubt_is_advised_what_costs_nothing():
    sketcher = Sketcher.from_domain(
        *BOX, n_frequencies=300, n_clusters=6, clip=True, random_state=0
    )
    budget = Budget(99.0, 1e-3)
    ring, blobs = (
        release(sketcher.sketch(X), epsilon=10.0, delta=1e-6, budget=budget)
        for X in (make_ring(), make_blobs())
    )
    model = CompressiveKMeans(3, random_state=0).fit_sketch(ring)
    assert model.report().verdict == "doubtful"
    assert model.report().remedy.startswith("Try other numbers of clusters")
    model = CompressiveKMeans(5, random_state=0).fit_sketch(blobs)
    assert model.report().verdict == "wrong"
    assert model.report().remedy == "Try n_clusters up to 6."
    assert CompressiveKMeans(6, random_state=0).fit_sketch(blobs).report().verdict == "good"


def test_a_release_tells_what_its_noise_hides_of_far_rows():
    sketcher = Sketcher.from_domain(*BOX, n_frequencies=300, clip=True, random_state=0)
    budget, shares = Budget(99.0, 1e-3), []
    sketch = sketcher.sketch(make_blobs())
    for epsilon, moments_share in ((1.0, 0.1), (10.0, 0.1), (10.0, 0.5)):
        private = release(
            sketch, epsilon=epsilon, delta=1e-6, moments_share=moments_share, budget=budget
        )
        reasons = CompressiveKMeans(6, random_state=0).fit_sketch(private).report().reasons
        (said,) = (reason for reason in reasons if "was released with noise" in reason)
        shares.append(float(re.search(r"adds less than (\S+)% to the rows' variance", said)[1]))
    assert shares[0] > 4 * shares[1] > 5 * shares[2]
    # An exact sketch knows the rows' own covariance, and says nothing.
    reasons = CompressiveKMeans(6, random_state=0).fit_sketch(sketch).report().reasons
    assert "may hide" not in " ".join(reasons)


@pytest.mark.slow
def test_fit_is_advised_as_it_has_not_been_called():
    X = make_ring()
    sketcher = Sketcher(200, n_clusters=3, random_state=0).fit(X)
    alone = CompressiveKMeans(3, random_state=0).fit_sketch(sketcher.sketch(X))
    bare = CompressiveKMeans(3, n_frequencies=200, keep_pilot=False, random_state=0).fit(X)
    given = CompressiveKMeans(3, sketcher=sketcher, random_state=0).fit(X)
    streamed = CompressiveKMeans(3, n_frequencies=200, random_state=0).partial_fit(X).partial_fit()
    for model, words in (
        (alone, "the rows"),
        (bare, "the rows and keep_pilot=True"),
        (given, "the rows and no fitted sketcher"),
        (streamed, "some thousand rows from all over the stream"),
    ):
        assert model.report().verdict != "good"
        assert f"all fit with {words}, " in "".join(list_advice(model))


def test_a_stream_is_advised_to_keep_rows_which_helps():
    X = make_ring()
    model = CompressiveKMeans(3, random_state=0)
    for batch in np.split(X, 40):
        model.partial_fit(batch)
    assert model.partial_fit().report().verdict != "good"
    assert "rows from all over the stream" in model.report().remedy
    kept = np.random.default_rng(0).permutation(X)[:3000]
    assert CompressiveKMeans(3, random_state=0).fit(kept).report().verdict == "good"
