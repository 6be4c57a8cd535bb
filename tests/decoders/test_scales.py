"""Sketches for several scales: which are tried, and what is decoded of a box alone."""

from dataclasses import replace

import numpy as np
import pytest
from planted import gaussian_clusters, largest_distance, operator_of
from scipy.cluster.vq import kmeans2
from sklearn.cluster import KMeans

from sketchlearn import CompressiveGaussianMixture, CompressiveKMeans, Sketcher, synthesize
from sketchlearn.atoms import DiagonalGaussian, Dirac, FullGaussian, SphericalGaussian
from sketchlearn.decoders import BestOf, MeanShift, Problem, SecondOpinion, SurrogateKMeans

pytestmark = pytest.mark.slow

CENTERS, ROWS = gaussian_clusters(k=5, d=4, n=10_000)


def sketch_in_box(rows, times=3.0, m=200, k=5, seed=0):
    """A sketch whose sketcher saw nothing but a box so many times as wide as the rows' range."""
    lower, upper = rows.min(axis=0), rows.max(axis=0)
    middle, half = (lower + upper) / 2, times * (upper - lower) / 2
    sketcher = Sketcher.from_domain(
        middle - half, middle + half, n_clusters=k, n_frequencies=m, random_state=seed
    )
    return sketcher.sketch(rows)


def problem_of(sketch, family=SphericalGaussian, k=5):
    return Problem.of(sketch, family(sketch.operator), k)


def test_an_operator_of_one_scale_is_decoded_at_it():
    sketch = Sketcher.from_operator(operator_of(d=3, scale=2.0)).sketch(np.zeros((5, 3)))
    problem = problem_of(sketch)
    assert problem.scales == (2.0,)
    assert problem.at_scale(2.0) is problem


def test_scales_are_octaves_from_the_rows_own_down_to_the_finest():
    for times in (1.0, 3.0, 6.0):
        sketch = sketch_in_box(ROWS, times)
        domain = sketch.operator.domain
        share = np.sqrt(np.trace(np.cov(ROWS.T)) / 4) / 5 ** (1 / 4)
        scales = np.array(problem_of(sketch).scales)
        np.testing.assert_allclose(scales[:-1] / scales[1:], 2.0)
        assert scales[0] == pytest.approx(min(share, domain.scale), rel=1e-3)
        assert domain.finest_scale / 1.5 < scales[-1] < domain.finest_scale * 1.5


@pytest.mark.parametrize("family", [Dirac, SphericalGaussian, DiagonalGaussian, FullGaussian])
def test_atoms_at_another_scale_are_the_same_waves(family):
    operator = operator_of(d=3, scale=1.0)
    here, there = family(operator), family(operator).at_scale(2.0)
    assert type(there) is family
    assert there.operator.scale == 2.0
    assert there.operator.linear_map is operator.linear_map
    location, variances = operator.center[None] + 0.5, np.full((1, 3), 1.7)
    np.testing.assert_allclose(
        here.sketch(here.from_moments(location, variances)),
        there.sketch(there.from_moments(location, variances)),
        atol=1e-6,
    )


def test_a_common_envelope_is_kept_at_another_scale():
    operator = operator_of(d=3, m=20)
    blur = -np.linspace(0.0, 1.0, 20)
    family = SphericalGaussian(operator, blur).at_scale(3.0)
    np.testing.assert_allclose(family.common_log_envelope, blur, rtol=1e-6)


def test_clusters_are_found_in_a_box_that_is_too_wide():
    for seed in range(3):
        sketch = sketch_in_box(ROWS, seed=seed)
        model = CompressiveKMeans(5, random_state=seed).fit_sketch(sketch)
        assert largest_distance(CENTERS, model.cluster_centers_) < 0.2
        assert model.mixture_.goodness_of_fit < 1.5


def test_clusters_are_found_although_the_pilot_was_too_wide_or_too_narrow():
    mean = ROWS.mean(axis=0)
    for factor in (2.0, 0.25):
        pilot = mean + factor * (ROWS - mean)
        sketcher = Sketcher(200, n_clusters=5, scale="mixed", random_state=0).fit(pilot)
        model = CompressiveKMeans(5, random_state=0).fit_sketch(sketcher.sketch(ROWS))
        assert largest_distance(CENTERS, model.cluster_centers_) < 0.2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("operator_seed", [0, 2])
def test_mixtures_are_decoded_of_a_box_alone_or_not_called_good(operator_seed):
    units = np.array([1.0, 30.0, 1.0, 1.0])
    sketch = sketch_in_box(ROWS * units, m=300, seed=operator_seed)
    n_right = 0
    for seed in range(4):
        model = CompressiveGaussianMixture(5, covariance_type="diag", random_state=seed)
        model.fit_sketch(sketch)
        is_right = largest_distance(CENTERS, model.means_ / units) < 0.3
        n_right += is_right
        assert is_right or model.quality_.verdict != "good"
        if is_right:
            np.testing.assert_allclose(model.covariances_ / units**2, 1.0, atol=0.4)
    assert n_right >= 3


def test_k_means_distances_are_the_rows_own_whatever_the_units():
    """Columns are told apart in the sketch; k-means still minimises the sum in their own units."""
    rng = np.random.default_rng(0)
    rows = np.c_[rng.uniform(0, 100, 20_000), rng.choice([2e4, 9e4, 1.5e5], 20_000)]
    rows[:, 1] += 4000 * rng.standard_normal(20_000)
    sketcher = Sketcher.from_domain(
        [0, 0], [100, 200_000], n_clusters=3, n_frequencies=100, random_state=0
    )
    assert sketcher.operator_.units[1] == 1024
    model = CompressiveKMeans(3, random_state=0).fit_sketch(sketcher.sketch(rows))
    best = KMeans(3, n_init=3, random_state=0).fit(rows).inertia_
    # Its median over operators and decodes is 1.05.
    assert -model.score(rows) < 1.15 * best
    # Round atoms do not match columns that are uniform; the one that counts they do.
    assert model.quality_.verdict == "good"


@pytest.mark.parametrize(
    "decoder",
    [
        SurrogateKMeans(MeanShift()),
        BestOf((SecondOpinion(SurrogateKMeans(MeanShift())),), n_init=1),
    ],
    ids=["alone", "within others"],
)
def test_a_decoder_of_one_s_own_measures_the_rows_distances_too(decoder):
    """In units of the box the second column is the wider one, in those of the data the first."""
    rng = np.random.default_rng(101)
    rows = np.c_[rng.uniform(-60, 60, 1000), rng.choice([-1.0, 1.0], 1000)]
    rows[:, 1] += 0.05 * rng.standard_normal(1000)
    box = ([-500.0, -2.0], [500.0, 2.0])
    sketcher = Sketcher.from_domain(*box, n_clusters=2, n_frequencies=200, random_state=0)
    model = CompressiveKMeans(2, decoder=decoder, n_init=1, random_state=0)
    model.fit_sketch(sketcher.sketch(rows))
    assert -model.score(rows) < 1.05 * KMeans(2, n_init=3, random_state=0).fit(rows).inertia_
    assert model.decoder is decoder


def test_units_that_a_decoder_has_are_its_own():
    given = SurrogateKMeans(units=(1.0, 2.0))
    assert given.in_units((4.0, 1.0)) is given
    assert SurrogateKMeans().in_units((4.0, 1.0)).units == (4.0, 1.0)
    assert MeanShift().in_units((4.0, 1.0)) == MeanShift()


def test_the_first_decoder_is_tried_at_each_scale_and_the_rest_at_the_best():
    sketch = sketch_in_box(ROWS)
    problem = problem_of(sketch)
    best = BestOf((MeanShift(),), n_init=1).solve(problem, np.random.default_rng(0))
    alone = [
        MeanShift().solve(problem.at_scale(scale), child).cost
        for scale, child in zip(
            problem.scales,
            [np.random.default_rng(0).spawn(i + 1)[i] for i in range(len(problem.scales))],
            strict=True,
        )
    ]
    assert best.cost == min(alone)
    assert best.family.operator.scale == problem.scales[int(np.argmin(alone))]


def test_points_are_clustered_in_the_units_that_are_given():
    sketch = Sketcher(200, n_clusters=5, random_state=0).fit(ROWS).sketch(ROWS)
    problem = problem_of(sketch)
    rng = np.random.default_rng(0)
    plain = SurrogateKMeans().solve(problem, np.random.default_rng(0))
    ones = SurrogateKMeans(units=(1.0,) * 4).solve(problem, np.random.default_rng(0))
    np.testing.assert_array_equal(plain.locations, ones.locations)
    # Where one column counts for nearly nothing, the others decide.
    flat = SurrogateKMeans(units=(1.0, 1.0, 1.0, 1e-6)).solve(problem, rng)
    found, _ = kmeans2(ROWS[:, :3], CENTERS[:, :3], seed=0)
    assert largest_distance(found, flat.locations[:, :3]) < 0.5


def test_rows_are_synthesised_from_such_a_sketch():
    sketch = sketch_in_box(ROWS)
    rows = synthesize(sketch, 5000, random_state=0)
    np.testing.assert_allclose(rows.mean(axis=0), ROWS.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(rows.std(axis=0), ROWS.std(axis=0), rtol=0.05)


def test_a_finer_scale_alone_is_another_operator():
    operator = operator_of()
    domains = [replace(operator.domain, finest_scale=scale) for scale in (None, 1.0, 0.5)]
    prints = {replace(operator, domain=domain).fingerprint for domain in domains}
    assert len(prints) == 3
    assert domains[2].scales == (1.0, 0.5)
    with pytest.raises(ValueError, match="finest_scale must be positive and at most scale"):
        replace(operator.domain, finest_scale=2.0)
