"""What every decoder promises, the library's and a user's own."""

import inspect
from dataclasses import dataclass

import numpy as np
import pytest
from planted import gaussian_clusters, largest_distance, operator_of

from sketchlearn import EmptySketchError, Sketch, Sketcher, SketchMismatchError
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.decoders import CLOMPR, Decoder, GivenAtoms, Mixture, Problem, solve_weights
from sketchlearn.decoders import on_progress as on_decode_progress
from sketchlearn.decoders.principal import PrincipalStart
from tests.extensions.decoder import RandomGrid

pytestmark = pytest.mark.slow

K, D = 3, 2
CENTERS, ROWS = gaussian_clusters(k=K, d=D, n=3000, seed=1)
SKETCH = Sketcher(90, n_clusters=K, scale=1.0, random_state=0).fit(ROWS).sketch(ROWS)
FAMILY = SphericalGaussian(SKETCH.operator)
# Other tests define decoders too.
KINDS = {
    name: kind
    for name, kind in Decoder.kinds().items()
    if kind.__module__.startswith(("sketchlearn.", "tests.extensions."))
}


def member(kind):
    """A decoder of a kind, with its defaults where it has some."""
    if kind is GivenAtoms:
        return GivenAtoms(CENTERS + 0.5, np.ones((K, D)))
    return PrincipalStart(np.eye(D)) if kind is PrincipalStart else kind()


def decode(decoder, sketch=SKETCH, n_atoms=K, seed=0):
    family = SphericalGaussian(sketch.operator)
    return decoder.decode(sketch, family, n_atoms, np.random.default_rng(seed))


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def decoder(request):
    return member(request.param)


@pytest.fixture(scope="module")
def mixtures():
    return {kind: decode(member(kind)) for kind in KINDS.values()}


@pytest.fixture
def mixture(decoder, mixtures):
    return mixtures[type(decoder)]


# `Splitting` sees no cluster farther than five scales from all others; the clusters here are.
@pytest.mark.quality
@pytest.mark.parametrize("kind", sorted({*KINDS} - {"Splitting"}))
def test_planted_clusters_are_found(kind, mixtures):
    mixture = mixtures[KINDS[kind]]
    assert largest_distance(CENTERS, mixture.locations) < 0.3
    np.testing.assert_allclose(mixture.weights, 1 / K, atol=0.03)
    assert mixture.quality.explains_sketch


def test_it_is_a_mixture_within_the_bounds(mixture):
    assert isinstance(mixture, Mixture)
    assert mixture.family.operator.fingerprint == SKETCH.fingerprint
    assert mixture.weights.shape == (K,)
    assert mixture.parameters.shape == (K, D + 1)
    assert mixture.weights.sum() == pytest.approx(1.0)
    assert np.all(mixture.weights >= 0)
    assert np.all(np.diff(mixture.weights) <= 0)
    least, greatest = Problem.of(SKETCH, FAMILY, K).bounds()
    slack = 1e-9 * (1.0 + np.abs(least) + np.abs(greatest))
    assert np.all(mixture.parameters >= least - slack)
    assert np.all(mixture.parameters <= greatest + slack)
    assert mixture.n_iter > 0
    assert mixture.message


def test_figures_are_of_its_own_atoms(mixture):
    problem = Problem.of(SKETCH, FAMILY, K)
    quality = mixture.quality
    # The weights that it ended with are between the best ones and those that sum to one.
    best = solve_weights(problem, mixture.parameters).cost
    normalised = problem.evaluate(mixture.weights, mixture.parameters).cost
    assert (1 - 1e-3) * best <= mixture.cost <= (1 + 1e-3) * normalised
    assert quality.noise == problem.noise == SKETCH.standard_error**2
    assert quality.power == pytest.approx(problem.target @ problem.target)
    assert quality.n_parameters == K * (1 + D + 1) - 1
    assert quality.degrees_of_freedom == 2 * 90 - quality.n_parameters
    expected = quality.noise * quality.degrees_of_freedom / (2 * 90)
    assert mixture.goodness_of_fit == pytest.approx(mixture.cost / expected)
    assert mixture.misfit == pytest.approx(max(0.0, mixture.cost - expected) / quality.power)


def test_one_generator_gives_one_mixture_wherever_the_sketch_was(decoder, mixture):
    there = decode(decoder, Sketch.from_bytes(SKETCH.to_bytes()))
    np.testing.assert_array_equal(there.parameters, mixture.parameters)
    np.testing.assert_array_equal(there.weights, mixture.weights)
    assert (there.cost, there.n_iter) == (mixture.cost, mixture.n_iter)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [3, 1024])
def test_rows_count_alike_however_heavy_all_of_them_are(decoder, factor):
    rows = ROWS[::10]
    light = Sketcher.from_operator(SKETCH.operator).sketch(rows)
    one, other = decode(decoder, light), decode(decoder, light.reweighted(factor))
    np.testing.assert_array_equal(one.parameters, other.parameters)
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.quality.goodness_of_fit == other.quality.goodness_of_fit
    assert one.quality.n_rows == other.quality.n_rows == 300


def test_the_number_of_rows_belongs_to_the_problem(decoder):
    weights = np.arange(1.0, 4.0)[np.arange(len(ROWS)) % 3]
    sketcher = Sketcher.from_operator(SKETCH.operator)
    weighted = sketcher.sketch(ROWS, sample_weight=weights)
    problem = Problem.of(weighted, FAMILY, K, n_rows=weights.sum())
    repeated = Problem.of(sketcher.sketch(np.repeat(ROWS, weights.astype(int), axis=0)), FAMILY, K)
    assert problem.n_rows == repeated.n_rows == 6000
    assert problem.noise == pytest.approx(repeated.noise, rel=1e-12)
    assert Problem.of(weighted, FAMILY, K).n_rows == weighted.n_effective < 6000
    rngs = np.random.default_rng(0), np.random.default_rng(0)
    one, other = (
        decoder.solve(each, rng) for each, rng in zip((problem, repeated), rngs, strict=True)
    )
    np.testing.assert_allclose(one.locations, other.locations, atol=1e-3)


def test_moved_rows_have_moved_atoms(decoder, mixture):
    shift = np.array([512.0, -2048.0])
    operator = Sketcher(90, n_clusters=K, scale=1.0, random_state=0).fit(ROWS + shift)
    if isinstance(decoder, GivenAtoms):
        decoder = GivenAtoms(decoder.locations + shift, decoder.variances)
    moved = decode(decoder, operator.sketch(ROWS + shift))
    # Where the clusters were not found several mixtures are as bad: which one is a matter of bits.
    assert moved.cost == pytest.approx(mixture.cost, rel=0.05)
    if mixture.quality.explains_sketch:
        assert largest_distance(mixture.locations + shift, moved.locations) < 0.1


class TestWhatCannotBeDecoded:
    @pytest.mark.parametrize("n_atoms", [0, -1])
    def test_no_atoms(self, decoder, n_atoms):
        with pytest.raises(ValueError, match=f"n_atoms must be at least 1, got {n_atoms}"):
            decode(decoder, n_atoms=n_atoms)

    def test_more_atoms_than_frequencies(self, decoder):
        with pytest.raises(ValueError, match=r"90 frequencies cannot tell 91 atoms apart"):
            decode(decoder, n_atoms=91)

    def test_nothing(self, decoder):
        with pytest.raises(EmptySketchError, match="without rows"):
            decode(decoder, Sketch.empty(SKETCH.operator))

    def test_by_atoms_of_another_operator(self, decoder):
        stranger = SphericalGaussian(operator_of(D, 90))
        with pytest.raises(SketchMismatchError, match=r"own operator; got [0-9a-f]{12} for"):
            decoder.decode(SKETCH, stranger, K, np.random.default_rng(0))


class TestProgress:
    def test_it_is_told(self, decoder, mixture):
        reports = []
        with on_decode_progress(reports.append, interval=0.0):
            heard = decode(decoder)
        assert {report.n_wanted for report in reports} == {K}
        assert reports[-1].n_atoms == K
        assert reports[-1].noise == SKETCH.standard_error**2
        assert any(report.cost >= 0 for report in reports)
        np.testing.assert_array_equal(heard.parameters, mixture.parameters)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, TimeoutError])
    def test_an_interrupt_passes_through(self, decoder, error):
        reports = []

        def stop(report):
            reports.append(report)
            if len(reports) == 4:
                raise error

        with pytest.raises(error), on_decode_progress(stop, interval=0.0):
            decode(decoder)
        assert len(reports) == 4


class TestKinds:
    def test_those_of_the_library_are_known(self):
        expected = {"BestOf", "CLOMPR", "GivenAtoms", "MeanShift", "RandomGrid", "Splitting",
                    "SurrogateEM", "SurrogateKMeans"}  # fmt: skip
        assert set(KINDS) >= expected
        assert Decoder.kinds()["RandomGrid"] is RandomGrid

    def test_no_kind_takes_data_or_leaves_out_the_checks(self, decoder):
        assert type(decoder).decode is Decoder.decode
        assert type(decoder).solve is Decoder.solve
        parameters = list(inspect.signature(decoder.decode).parameters)
        assert parameters == ["sketch", "family", "n_atoms", "rng", "region"]

    def test_a_configuration_does_not_change(self, decoder):
        with pytest.raises(AttributeError, match="cannot assign"):
            decoder.max_iter = 7

    def test_one_that_returns_something_else_is_told(self):
        @dataclass(frozen=True)
        class Forgetful(Decoder):
            def _decode(self, problem, rng):
                CLOMPR().solve(problem, rng)

        with pytest.raises(
            TypeError, match=r"Forgetful\._decode must return a Mixture, .*NoneType"
        ):
            decode(Forgetful())

    def test_one_that_may_change_is_refused(self):
        @dataclass
        class Changing(Decoder):
            def _decode(self, problem, rng):
                return CLOMPR().solve(problem, rng)

        class Undeclared(CLOMPR):
            pass

        for kind in (Changing, Undeclared):
            with pytest.raises(
                TypeError, match=r"frozen dataclass: .* above class " + kind.__name__
            ):
                kind()

    def test_a_name_is_taken_once(self):
        with pytest.raises(ValueError, match=r"already that of .*clompr\.CLOMPR: choose another"):
            type("CLOMPR", (Decoder,), {})
