"""Releases: what is refused, what the noise is, and what is in a private sketch and its file."""

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from sketchlearn import (
    CompressiveGaussianMixture,
    CompressiveKMeans,
    CompressivePCA,
    EmptySketchError,
    Sketch,
    Sketcher,
    SketchFormatError,
    SketchMismatchError,
    compare,
    count_clusters,
    load_model,
    synthesize,
)
from sketchlearn.decoders import BestOf
from sketchlearn.files.container import encode_file
from sketchlearn.files.registry import identify_file
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap
from sketchlearn.privacy import Budget, PrivateSketch, release
from sketchlearn.privacy.queries import compute_parts
from sketchlearn.sketches import Region

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
CENTERS = np.array([[-6.0, 0.0], [6.0, 2.0], [0.0, 8.0]])
SKETCHER = Sketcher.from_domain(
    [-15.0, -15.0], [15.0, 15.0], n_clusters=3, clip=True, random_state=0
)


def rows(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    return CENTERS[rng.integers(3, size=n)] + rng.normal(size=(n, 2))


def blob(n=20_000):
    return np.random.default_rng(0).normal(1.0, 2.0, size=(n, 2))


def released(X, epsilon=1.0, delta=1e-6, sketcher=SKETCHER, **options):
    budget = options.pop("budget", Budget(1e3, max(delta, 1e-9)))
    return release(sketcher.sketch(X), epsilon=epsilon, delta=delta, budget=budget, **options)


def operator_like(domain):
    return FrequencyOperator(DenseMap(0.1 * np.eye(2, dtype=np.float32)), domain)


def test_operators_that_saw_rows_or_do_not_clip_are_refused():
    X, box = rows(500), ([-15.0, -15.0], [15.0, 15.0])
    of_box = SKETCHER.operator_.domain
    pilot = operator_like(Domain([0.0, 0.0], 1.0, np.cov(X.T), *box, clips=True))
    moved = operator_like(Domain(X.mean(axis=0), 1.0, of_box.covariance, *box, clips=True))
    for sketcher, message in (
        (Sketcher(50, random_state=0).fit(X), "was chosen on rows"),
        (Sketcher.from_domain(*box, random_state=0), "does not clip rows to a box"),
        (Sketcher.from_operator(pilot), "was chosen on rows"),
        (Sketcher.from_operator(moved), "was chosen on rows"),
    ):
        with pytest.raises(ValueError, match=f"{message}.*clip=True"):
            release(sketcher.sketch(X), epsilon=1.0, delta=1e-6)


def test_weights_other_than_one_are_refused():
    X = rows(4)
    for weights in ([1.0, 1.0, 1.0, 2.0], [0.5, 0.5, 1.5, 1.5], [2.0, 2.0, 2.0, 2.0]):
        with pytest.raises(ValueError, match="weights other than one"):
            release(SKETCHER.sketch(X, sample_weight=weights), epsilon=1.0, delta=0.01)
    ones = SKETCHER.sketch(X, sample_weight=np.ones(4))
    with pytest.raises(ValueError, match="weights other than one"):
        release(ones.reweighted(2), epsilon=1.0, delta=0.01)
    assert release(ones, epsilon=1.0, delta=0.01, budget=Budget(2.0, 0.01)).epsilon <= 1.0


def test_no_rows_no_sketch_and_a_private_one_are_refused():
    with pytest.raises(EmptySketchError, match="at least one row"):
        release(SKETCHER.sketch(np.empty((0, 2))), epsilon=1.0, delta=1e-6)
    with pytest.raises(
        TypeError, match="expected a Sketch, got ndarray: rows X become a sketch by"
    ):
        release(rows(3), epsilon=1.0, delta=1e-6)
    with pytest.raises(TypeError, match="private already"):
        release(released(rows(30), delta=0.01), epsilon=1.0, delta=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0.0}, "epsilon must be positive"),
        ({"delta": 1.0}, "delta must be at least 0 and less than 1"),
        ({"neighbors": "swap"}, "'add-remove' or 'replace', got 'swap'"),
        ({"rows_per_person": 0}, "rows_per_person"),
        ({"moments_share": 0.0}, "moments_share must be between 0 and 1"),
        ({"moments_share": 1.0}, "moments_share must be between 0 and 1"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_spent(options, message):
    budget = Budget(10.0, 1e-6)
    with pytest.raises(ValueError, match=message):
        released(rows(50), budget=budget, **options)
    assert budget.spent.rho == 0.0


def test_a_second_release_needs_a_budget_and_one_that_suffices():
    sketch = SKETCHER.sketch(rows(70, seed=3))
    release(sketch, epsilon=1.0, delta=1e-3)
    with pytest.raises(ValueError, match=r"released before.*Budget"):
        release(sketch, epsilon=1.0, delta=1e-3)
    budget = Budget(1.5, 1e-3)
    release(sketch, epsilon=1.0, delta=1e-3, budget=budget)
    with pytest.raises(ValueError, match=r"of a budget of 1\.5"):
        release(sketch, epsilon=1.0, delta=1e-3, budget=budget)
    with pytest.raises(TypeError, match="budget must be a Budget"):
        release(sketch, epsilon=1.0, delta=1e-3, budget=2.0)


@pytest.mark.parametrize("how", ["budgeted", "renamed", "without moments", "in other units"])
def test_a_second_release_is_known_however_the_sketch_came(how):
    sketcher = Sketcher.from_domain([0.0, 0.0], [1.0, 9.0], clip=True, random_state=0)
    sketch = sketcher.sketch(np.random.default_rng(len(how)).uniform(size=(50, 2)))
    budget = Budget(1.0, 1e-3) if how == "budgeted" else None
    release(sketch, epsilon=1.0, delta=1e-3, budget=budget)
    again = {
        "budgeted": sketch,
        "renamed": Sketch(sketch.operator, sketch.sums, feature_names=("a", "b")),
        "without moments": Sketch(sketch.operator, sketch.sums.without_moments()),
        "in other units": sketch.standardised(),
    }[how]
    with pytest.raises(ValueError, match=r"released before.*Budget"):
        release(again, epsilon=1.0, delta=1e-3)


@pytest.mark.parametrize("on_error", ["skip", lambda name, error: None])
def test_no_row_decides_whether_those_of_its_file_are_there(on_error, tmp_path):
    np.save(tmp_path / "a.npy", rows(10))
    np.save(tmp_path / "b.npy", np.vstack([rows(10), [[np.nan, 0.0]]]))
    files = [tmp_path / name for name in ("a.npy", "b.npy")]
    with pytest.raises(ValueError, match="a single row that holds NaN would take all rows"):
        SKETCHER.sketch(files, on_error=on_error)


def test_a_delta_of_a_row_is_warned_of():
    with pytest.warns(UserWarning, match="not below one over the number of rows"):
        released(rows(5000), delta=1e-2)


def test_bad_rows_are_not_named_and_rows_outside_are_not_refused():
    X = rows(100)
    X[17, 1] = np.nan
    with pytest.raises(ValueError, match="some row holds NaN") as caught:
        SKETCHER.sketch(X)
    assert "17" not in str(caught.value)
    X[17, 1] = 1e12
    assert SKETCHER.sketch(X).n_samples == 100


def test_that_opendp_is_missing_is_told_with_the_extra():
    program = (
        "import sys; sys.modules['opendp'] = None\n"
        "from sketchlearn import Sketcher\n"
        "from sketchlearn.privacy import release\n"
        "sketcher = Sketcher.from_domain([0.0], [1.0], clip=True, random_state=0)\n"
        "release(sketcher.sketch([[0.5]]), epsilon=1.0, delta=1e-6)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "opendp is needed for the noise of private sketches" in done.stderr
    assert "install sketchlearn[privacy]" in done.stderr


@pytest.mark.parametrize("delta", [0.0, 1e-6])
@pytest.mark.parametrize("neighbors", ["add-remove", "replace"])
def test_the_noise_is_as_large_as_it_says(neighbors, delta):
    sketcher = Sketcher.from_domain([0.0] * 30, [1.0] * 30, n_frequencies=400, clip=True,
                                    random_state=0)  # fmt: skip
    X = np.random.default_rng(0).uniform(size=(500, 30))
    sketch = sketcher.sketch(X)
    private = released(X, delta=delta, sketcher=sketcher, neighbors=neighbors)
    exact, (mechanism,) = compute_parts(sketch.operator, sketch.sums), private.mechanisms
    for part in ("second", "waves"):
        noise = (private.parts[part] - exact[part]).astype(np.float64)
        expected = np.sqrt(mechanism.variance(part))
        # Six standard errors of Gaussian noise. Of Laplace noise 465 squares are off by so much
        # less than once in a million releases (by simulation; by a fifth once in 5,000).
        within = 0.2 if delta else 0.35
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(expected, rel=within)
        assert abs(noise.mean()) < 5.0 * expected / np.sqrt(len(noise))
        assert np.unique(noise).size > 0.9 * len(noise)
    # Where rows are replaced the count stays; Laplace noise is ten deviations once in a million.
    deviation = np.sqrt(mechanism.variance("count"))
    assert (deviation == 0.0) == (neighbors == "replace")
    assert abs(private.parts["count"][0] - 500) <= 10.0 * deviation


def test_no_two_releases_have_the_same_noise_whatever_the_seeds():
    one, two = (released(rows(1000), delta=1e-4) for _ in range(2))
    assert not np.any(one.parts["waves"] == two.parts["waves"])
    assert one.mechanisms[0].token != two.mechanisms[0].token
    assert one != two


def test_the_standard_error_is_that_of_sampling_and_of_noise():
    X = rows()
    exact = SKETCHER.sketch(X)
    distances = []
    for _ in range(20):
        private = released(X, 0.5)
        distances.append(np.linalg.norm(private.centered_mean - exact.centered_mean))
    expected = private.mechanism_error
    assert np.sqrt(np.mean(np.square(distances))) == pytest.approx(expected, rel=0.2)
    both = np.hypot(exact.standard_error, expected)
    assert private.standard_error == pytest.approx(both, rel=0.05)
    assert private.n_effective < exact.n_effective


def test_moments_are_the_rows_up_to_noise_and_possible():
    X = rows()
    private = released(X, 4.0)
    exact = SKETCHER.sketch(X).moments
    assert np.allclose(private.moments.mean, exact.mean, atol=0.1)
    assert np.allclose(private.moments.covariance, exact.covariance, atol=2.0)
    noisy = released(X[:40], 0.05, delta=1e-4).moments
    assert np.linalg.eigvalsh(noisy.covariance).min() > -1e-9
    assert (np.abs(noisy.mean) <= 15.0).all()
    assert np.allclose(noisy.standard_deviation**2, noisy.variance)


def test_moments_of_columns_alone_are_released_too():
    sketcher = Sketcher.from_sketch(SKETCHER.sketch(rows(2))).set_params(moments="diagonal")
    private = released(rows(), 4.0, sketcher=sketcher)
    assert np.allclose(private.moments.variance, rows().var(axis=0), rtol=0.1)
    with pytest.raises(ValueError, match="diagonal"):
        _ = private.moments.covariance
    assert Region.of(private).covariance.shape == (2, 2)
    bare = released(rows(), 4.0, sketcher=sketcher.set_params(moments=None))
    with pytest.raises(ValueError, match="without moments"):
        _ = bare.moments
    assert PrivateSketch.from_bytes(bare.to_bytes()) == bare


def test_noise_longer_than_what_equal_rows_leave_is_that_of_few_rows_and_no_error():
    equal = np.full((300, 2), 3.0)
    sketcher = Sketcher.from_sketch(SKETCHER.sketch(equal[:2]))
    sums = [released(equal + 1e-9 * i, 1.0, sketcher=sketcher) for i in range(24)]
    counts = [private.n_effective for private in sums]
    assert min(counts) > 0.0
    # About half of the draws are longer than the noise on average: one of 24, but for 2^-24.
    assert min(counts) < 1.0
    poorest = sums[int(np.argmin(counts))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = CompressiveKMeans(2, random_state=0).fit_sketch(poorest)
    assert np.isfinite(model.cluster_centers_).all()


@pytest.mark.parametrize("delta", [0.0, 1e-6])
def test_everything_is_learned_from_one_release(delta, tmp_path):
    X = rows()
    private = released(X, 4.0, delta=delta)
    means = CompressiveKMeans(3, random_state=0).fit_sketch(private).cluster_centers_
    mixture = CompressiveGaussianMixture(3, random_state=0).fit_sketch(private)
    for found in (means, mixture.means_):
        order = np.argsort(found[:, 0])
        assert np.allclose(found[order], CENTERS[[0, 2, 1]], atol=0.3)
    count = count_clusters(private, range(1, 5), random_state=0)
    assert count.n_clusters == 3 or not count.is_resolved
    drawn = synthesize(private, 4000, random_state=0)
    assert np.allclose(drawn.mean(axis=0), X.mean(axis=0), atol=0.5)
    mixture.save(tmp_path / "model")
    assert load_model(tmp_path / "model").sketch_ == private


def test_releases_of_one_population_compare_as_such_and_others_do_not():
    a, b, c = (
        released(rows()),
        released(rows(seed=1)),
        released(rows(seed=2) + np.array([2.0, 0.0])),
    )
    assert compare(a, b).ratio < 2.0
    assert compare(a, SKETCHER.sketch(rows(seed=1))).ratio < 2.0
    assert compare(a, c).ratio > 5.0
    other = Sketcher.from_domain([-15.0, -15.0], [15.0, 15.0], clip=True, random_state=9)
    with pytest.raises(SketchMismatchError):
        compare(a, released(rows(), sketcher=other))


def test_private_sketches_of_other_rows_add_and_their_losses_lie_beside_each_other():
    a, b = released(rows(6000), 1.0), released(rows(8000, seed=1), 2.0)
    both = sum([a, b])
    assert both.parts["count"] == a.parts["count"] + b.parts["count"]
    assert np.array_equal(both.parts["waves"], a.parts["waves"] + b.parts["waves"])
    assert both.epsilon == b.epsilon
    variances = [each.mechanisms[0].variance("waves") for each in (a, b)]
    expected = np.sqrt(200 * sum(variances)) * 2.0**-21 / both.n_samples
    assert both.mechanism_error == pytest.approx(expected, rel=0.05)
    assert PrivateSketch.from_bytes(both.to_bytes()) == both
    assert b + a != a + b  # In another order; what they say is the same.
    assert "2 releases" in repr(both)


def test_nothing_is_taken_out_and_nothing_exact_or_twice_is_added():
    private, sketch = released(rows(2000), delta=1e-4), SKETCHER.sketch(rows(5))
    with pytest.raises(TypeError, match="no rows can be taken out of a private sketch, nor by one"):
        _ = private - private
    with pytest.raises(TypeError):
        _ = sketch - private
    for add in (lambda: private + sketch, lambda: sketch + private, lambda: private + 3):
        with pytest.raises(TypeError, match="cannot be added"):
            add()
    with pytest.raises(ValueError, match="would count twice"):
        _ = private + private
    with pytest.raises(SketchMismatchError, match="different neighbors"):
        _ = private + released(rows(2000), delta=1e-4, neighbors="replace")
    with pytest.raises(SketchMismatchError, match="different rows_per_person"):
        _ = private + released(rows(2000), delta=1e-4, rows_per_person=2)
    other = Sketcher.from_sketch(sketch).set_params(moments=None)
    with pytest.raises(SketchMismatchError, match="different moments"):
        _ = private + released(rows(2000), delta=1e-4, sketcher=other)
    model = CompressiveKMeans(1, random_state=0).fit_sketch(released(blob(), 8.0))
    with pytest.raises(TypeError, match="cannot be added"):
        model.partial_fit(rows(5))


def numbers_in(data, numbers):
    """How many of some int64 are anywhere in bytes."""
    return sum(int(number).to_bytes(8, "little", signed=True) in data for number in numbers)


def test_no_exact_sum_is_in_the_file_the_pickle_or_the_repr(tmp_path):
    X = blob(8234)
    sketch = SKETCHER.sketch(X)
    private = released(X, 8.0, delta=1e-5)
    private.save(tmp_path / "private")
    exact = compute_parts(sketch.operator, sketch.sums)
    sums = [*exact["waves"], *exact["first"], *exact["second"], *sketch.sums.moments.state.ravel()]
    sums = [number for number in sums if abs(number) > 2**16]
    assert numbers_in(sketch.to_bytes(), sums) > 100
    model = CompressiveKMeans(1, random_state=0).fit_sketch(private)
    for data in ((tmp_path / "private").read_bytes(), pickle.dumps(private), pickle.dumps(model)):
        assert numbers_in(data, sums) == 0
    assert "8234" not in repr(private) or private.n_samples == 8234


def test_files_are_of_a_kind_of_their_own_and_come_back_the_same(tmp_path):
    private = released(rows(3000), delta=1e-4)
    private.save(tmp_path / "private")
    again = PrivateSketch.load(tmp_path / "private")
    assert again == private
    assert hash(again) == hash(private)
    assert pickle.loads(pickle.dumps(private)) == private
    assert identify_file(tmp_path / "private").noun == "private sketch"
    with pytest.raises(SketchFormatError, match="it is a private sketch"):
        type(SKETCHER.sketch(rows(3))).load(tmp_path / "private")
    with pytest.raises(SketchFormatError, match="it is a sketch; use"):
        PrivateSketch.from_bytes(SKETCHER.sketch(rows(3)).to_bytes())
    for part in private.parts.values():
        with pytest.raises(ValueError, match="read-only"):
            part[0] = 1


def test_what_release_did_not_return_is_not_written(tmp_path):
    sketcher = Sketcher.from_domain([0.0, 0.0], [1.0, 1000.0], clip=True, random_state=0)
    X = [1.0, 1000.0] * np.random.default_rng(0).uniform(size=(500, 2))
    private = released(X, delta=1e-4, sketcher=sketcher)
    scaled = private.standardised()
    assert scaled == private.standardised() != private
    for write in (
        scaled.to_bytes,
        lambda: scaled.save(tmp_path / "s"),
        lambda: pickle.dumps(scaled),
    ):
        with pytest.raises(ValueError, match="without the moments that were released with it"):
            write()
    assert not list(tmp_path.iterdir())


def altered(private, change=lambda mechanism: None, **texts):
    """The file of a private sketch with another mechanism or header, and a digest that fits."""
    data = private.to_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header.pop("__metadata__")
    del metadata["digest"]
    types = {"I64": "<i8", "F64": "<f8", "F32": "<f4", "I32": "<i4"}
    arrays = {
        name: np.frombuffer(body[slice(*said["data_offsets"])], types[said["dtype"]]).reshape(
            said["shape"]
        )
        for name, said in header.items()
    }
    mechanisms = json.loads(metadata["mechanisms"])
    change(mechanisms[0])
    metadata["mechanisms"] = json.dumps(mechanisms, sort_keys=True, separators=(",", ":"))
    return encode_file(arrays, {**metadata, **texts})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["sensitivities"].update(waves=(1.0).hex()), "not those of the operator"),
        (lambda m: m.update(neighbors="replace"), "not those of the operator"),
        (lambda m: m["scales"].pop("waves"), "not those of the operator"),
        (lambda m: m["scales"].update(waves=(0.0).hex()), "positive and finite"),
        (lambda m: m.update(rows_per_person=0), "rows_per_person=0"),
        (lambda m: m.update(noise="none"), "no release has the noise"),
        (lambda m: m.update(delta=(0.0).hex()), "delta=0.0"),
        (lambda m: m.update(more=1), "canonical form"),
        (lambda m: m.update(token=5), "no release has the token 5"),
        (lambda m: m.update(token="ABC"), "no release has the token 'ABC'"),
    ],
)
def test_files_that_promise_what_was_not_done_are_refused(change, message):
    private = released(rows(100), delta=1e-3)
    assert PrivateSketch.from_bytes(altered(private)) == private
    with pytest.raises(SketchFormatError, match=message):
        PrivateSketch.from_bytes(altered(private, change))


@pytest.mark.parametrize("names", ["[1,2]", '"ab"', '["a"]', '["a","a"]', "null"])
def test_files_whose_columns_have_no_names_are_refused(names):
    private = released(rows(100), delta=1e-3)
    with pytest.raises(SketchFormatError, match="names"):
        PrivateSketch.from_bytes(altered(private, feature_names=names))


def test_names_of_columns_are_released_and_must_agree():
    named = {
        names: Sketcher.from_domain(
            [-15.0] * 2, [15.0] * 2, feature_names=names, clip=True, random_state=0
        )
        for names in (("x", "y"), ("y", "x"))
    }
    one, other = (
        released(pd.DataFrame(blob(), columns=names), 8.0, sketcher=sketcher)
        for names, sketcher in named.items()
    )
    assert PrivateSketch.from_bytes(one.to_bytes()).feature_names == ("x", "y")
    model = CompressiveKMeans(1, random_state=0).fit_sketch(one)
    assert model.feature_names_in_.tolist() == ["x", "y"]
    with pytest.raises(SketchMismatchError, match="different features"):
        _ = one + other


def test_decoding_stays_within_the_box():
    private = released(rows(60), 0.1, delta=1e-3)
    region = Region.of(private)
    assert (region.lower >= -15.0).all()
    assert (region.upper <= 15.0).all()
    assert not region.is_exact


def test_noise_that_was_added_is_not_matched_by_points():
    rng = np.random.default_rng(1)
    shapes = 0.5 * rng.normal(size=(5, 10, 10)) + np.eye(10)
    centers, kinds = rng.uniform(-6.0, 6.0, size=(5, 10)), rng.integers(5, size=20_000)
    X = centers[kinds] + np.einsum("nij,nj->ni", shapes[kinds], rng.standard_t(5, (20_000, 10)))
    sketcher = Sketcher.from_domain(
        [-12.0] * 10, [12.0] * 10, n_clusters=5, n_frequencies=1000, clip=True, random_state=0
    )
    private = released(X, 1.0, sketcher=sketcher)
    fitted, matched = (
        CompressiveGaussianMixture(
            5, covariance_type="full", decoder=decoder, random_state=0
        ).fit_sketch(private)
        for decoder in (None, BestOf())
    )
    assert fitted.mixture_.cost <= 1.05 * matched.mixture_.cost


@pytest.mark.parametrize("estimator", [CompressiveKMeans, CompressiveGaussianMixture])
@pytest.mark.parametrize(("n", "epsilon"), [(1, 1.0), (30, 0.1), (60, 0.02)])
def test_a_release_of_noise_alone_is_said_to_be_one_however_few_rows_it_counts(
    n, epsilon, estimator
):
    private = released(rows(n), epsilon)
    with pytest.warns(ConvergenceWarning, match="hardly more than the noise that it was released"):
        model = estimator(3, random_state=0).fit_sketch(private)
    assert model.report().verdict == "wrong"
    assert model.quality_.n_rows >= 1.0 or model.quality_.verdict != "good"


def test_a_release_of_a_known_count_and_hidden_waves_is_said_to_be_one():
    # Of 720 rows the count is known to a fifth; power exceeds the noise by 2 standard errors.
    sketcher = Sketcher.from_domain(
        [-15.0, -15.0], [15.0, 15.0], n_frequencies=1000, clip=True, random_state=0
    )
    private = released(rows(720), 0.25, sketcher=sketcher)
    with pytest.warns(ConvergenceWarning, match="hardly more than the noise that it was released"):
        CompressiveKMeans(3, random_state=0).fit_sketch(private)


def test_files_of_format_1_are_read_forever():
    path = GOLDEN / "private_v1.safetensors"
    private = PrivateSketch.load(path)
    assert PrivateSketch.from_bytes(private.to_bytes()) == private
    assert private.feature_names == ("age", "weight")
    assert [round(each.epsilon, 9) for each in private.mechanisms] == [2.0, 4.0]
    assert (private.epsilon, private.delta) == (private.mechanisms[1].epsilon, 1e-6)
    assert abs(private.n_samples - 8000) < 100
    assert np.allclose(private.moments.mean, [40.0, 200.0], rtol=0.05)
    within = PrivateSketch.load(GOLDEN / "private_v1_radius.safetensors")
    (mechanism,) = within.mechanisms
    assert (mechanism.noise, mechanism.neighbors) == ("discrete laplace", "replace")
    assert (within.n_samples, mechanism.rows_per_person) == (20_000, 2)
    assert within.operator.domain.radius == 0.9
    assert np.allclose(within.moments.mean, 50.0, atol=2.0)
    assert np.allclose(within.moments.covariance, [[409.0, 200.0], [200.0, 109.0]], atol=40.0)


@pytest.mark.filterwarnings("ignore:the box that rows are clipped to cut:UserWarning")
def test_what_noise_hides_of_far_rows_is_told_with_a_remedy_that_helps():
    rng = np.random.default_rng(0)
    near, far = rng.normal(scale=0.01, size=(20_000, 2)), rng.uniform(-0.7, 0.7, size=(3_000, 2))

    def fit(width):
        box = [-width, -width], [width, width]
        sketcher = Sketcher.from_domain(*box, n_clusters=3, clip=True, random_state=0)
        private = released(np.vstack([near, far]), 4.0, sketcher=sketcher)
        return CompressiveKMeans(3, random_state=0).fit_sketch(private)

    with pytest.warns(
        ConvergenceWarning, match="lost in the noise of the .* box or radius that fits"
    ):
        wide = fit(1.0)
    assert wide.quality_.spread_ratio < 0.5
    assert fit(0.03).quality_.spread_ratio > 0.8


def test_rows_are_not_taken_out_of_a_release_nor_by_one():
    sketch, private = SKETCHER.sketch(rows(500)), released(rows(500))
    for subtract in (
        lambda: private - sketch,
        lambda: sketch - private,
        lambda: private - private,
    ):
        with pytest.raises(TypeError, match="no rows can be taken out of a private sketch, nor by"):
            subtract()
    # What to do instead.
    rest = sketch - SKETCHER.sketch(rows(500)[:100])
    assert release(rest, epsilon=9.0, delta=1e-6, budget=Budget(9.9, 1e-6)).n_samples > 300


def test_components_of_a_count_that_noise_hides_are_refused_with_the_remedy():
    sketcher = Sketcher.from_domain([0.0, 0.0], [1.0, 1.0], clip=True, random_state=0)
    drawn = (released(np.full((3, 2), 0.5), 0.1, sketcher=sketcher) for _ in range(40))
    none = next(each for each in drawn if each.n_samples < 2)  # Half of them are, about.
    with pytest.raises(ValueError, match="released with noise: release more rows"):
        CompressivePCA(1).fit_sketch(none)


def test_wide_releases_give_mixtures_and_rows_as_narrow_ones_do():
    rng, d = np.random.default_rng(0), 64
    centers = rng.uniform(-10.0, 10.0, size=(4, d))
    X = centers[rng.integers(4, size=40_000)] + rng.normal(size=(40_000, d))
    X, others = np.split(X, 2)
    sketcher = Sketcher.from_domain(
        [-80.0] * d, [80.0] * d, n_clusters=4, clip=True, radius=1.0, random_state=0
    )
    private = released(X, sketcher=sketcher, moments_share=0.2)
    best = GaussianMixture(4, covariance_type="diag", random_state=0).fit(X)
    mixture = CompressiveGaussianMixture(4, random_state=0).fit_sketch(private)
    assert mixture.score(others) > best.score(others) - 2.0
    drawn = synthesize(private, 4000, random_state=0)
    centroids = KMeans(4, n_init=3, random_state=0).fit(drawn).cluster_centers_
    losses = [cdist(X, each, "sqeuclidean").min(axis=1).sum() for each in (centroids, best.means_)]
    assert losses[0] < 1.2 * losses[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [50, 51, 52, 53])
def test_a_far_cluster_of_few_rows_is_found_in_a_release(seed):
    rng = np.random.default_rng(seed)
    centers = 6.0 * rng.normal(size=(5, 3))
    rows = centers[rng.integers(5, size=20_000)] + rng.normal(size=(20_000, 3))
    rows[:200] = 0.7 * rng.normal(size=(200, 3)) + [30.0, -30.0, 25.0]
    lower, upper = rows.min(axis=0) - 1.0, rows.max(axis=0) + 1.0
    sketcher = Sketcher.from_domain(lower, upper, n_clusters=6, clip=True, random_state=seed)
    released = release(sketcher.sketch(rows), epsilon=4.0, delta=1e-6)
    model = CompressiveKMeans(6, random_state=seed).fit_sketch(released)
    best = KMeans(6, n_init=5, random_state=seed).fit(rows).inertia_
    assert -model.score(rows) < 1.05 * best
