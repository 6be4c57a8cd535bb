"""Atoms against their characteristic functions, finite differences and naive kernels."""

import naive
import numpy as np
import pytest
from planted import central_differences, operator_of

from sketchlearn._kernels.atoms import (
    add_waves,
    correlate_points,
    mix_and_correlate,
    modulated_waves,
    rotate_in_place,
)
from sketchlearn.atoms import DiagonalGaussian, Dirac, FullGaussian, SphericalGaussian

FAMILIES = [Dirac, SphericalGaussian, DiagonalGaussian, FullGaussian]
# Largest error of the kernels' cosine, by a search over all of a turn.
WAVE_ERROR = 8e-7


def covariance_of(family, theta):
    """Covariance (d, d) of one atom, from the definition of its shape."""
    d, s2 = family.n_features, family.operator.scale**2
    shape = theta[d:]
    if isinstance(family, Dirac):
        return np.zeros((d, d))
    if isinstance(family, SphericalGaussian):
        return s2 * np.exp(shape[0]) * np.eye(d)
    if isinstance(family, DiagonalGaussian):
        return s2 * np.diag(np.exp(shape))
    factor = np.diag(np.exp(shape[:d]))
    below = iter(shape[d:])
    for i in range(d):
        for j in range(i):
            factor[i, j] = next(below)
    return s2 * (0.02 * np.eye(d) + factor @ factor.T)


def characteristic_functions(family, parameters):
    """Stacked sketches (k, 2 m) in float64, atom by atom, from the definition."""
    operator = family.operator
    atoms = []
    for theta in parameters:
        mean = theta[: operator.n_features] - operator.center
        covariance = covariance_of(family, theta)
        wave = [np.exp(1j * w @ mean - 0.5 * w @ covariance @ w) for w in operator.frequencies.T]
        atoms.append(np.concatenate([np.real(wave), np.imag(wave)]))
    return np.array(atoms)


def random_parameters(family, k, seed=1):
    """Parameters spread over the operator's box and the whole of the shape's bounds."""
    ends = zip(family.operator.domain.box, family.shape_bounds(), strict=True)
    least, greatest = (np.concatenate(end) for end in ends)
    return np.random.default_rng(seed).uniform(least, greatest, size=(k, len(least)))


@pytest.fixture(params=FAMILIES, ids=lambda family: family.__name__)
def family(request):
    return request.param(operator_of())


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(("d", "m"), [(1, 1), (3, 101), (10, 64)])
@pytest.mark.parametrize("kind", FAMILIES, ids=lambda family: family.__name__)
def test_sketch_is_the_characteristic_function(kind, d, m, scale):
    family = kind(operator_of(d, m, scale=scale, center=100.0 * scale))
    parameters = random_parameters(family, 7)
    sketches = family.sketch(parameters)
    assert sketches.shape == (7, 2 * m)
    assert sketches.dtype == np.float32
    np.testing.assert_allclose(
        sketches, characteristic_functions(family, parameters), rtol=0, atol=1e-5
    )


def test_atoms_of_one_shape_or_of_several_have_the_same_sketch():
    family = SphericalGaussian(operator_of())
    parameters = random_parameters(family, 4)
    parameters[:, -1] = 0.3
    alone = family.sketch(parameters)
    parameters[3, -1] = -1.0
    assert family.log_envelope(parameters[:3, -1:]).shape == (1, 101)
    assert family.log_envelope(parameters[:, -1:]).shape == (4, 101)
    np.testing.assert_allclose(family.sketch(parameters)[:3], alone[:3], rtol=0, atol=WAVE_ERROR)


def test_waves_have_the_modulus_of_the_envelope(family):
    parameters = random_parameters(family, 5)
    waves = family.sketch(parameters).astype(np.float64)
    moduli = np.hypot(waves[:, :101], waves[:, 101:])
    envelope = np.exp(family.log_envelope(parameters[:, 3:]))
    np.testing.assert_allclose(
        moduli, np.broadcast_to(envelope, moduli.shape), rtol=2e-6, atol=WAVE_ERROR
    )


def test_gradients_are_those_of_the_characteristic_functions(family):
    parameters, rng = random_parameters(family, 4), np.random.default_rng(2)
    weights, target = rng.uniform(0.1, 1.0, size=4), rng.standard_normal(2 * 101)

    def cost(flat):
        atoms = characteristic_functions(family, flat[4:].reshape(parameters.shape))
        return float(np.sum((target - flat[:4] @ atoms) ** 2))

    point = np.concatenate([weights, parameters.ravel()])
    expected = central_differences(cost, point, 1e-5)
    found, in_weights, in_parameters = family.differentiate(weights, parameters, target)
    gradient = np.concatenate([in_weights, in_parameters.ravel()])
    largest = np.abs(expected).max()
    assert found == pytest.approx(cost(point), rel=1e-5)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=2e-5 * largest)


def test_curvature_is_the_squared_norm_of_the_derivative(family):
    parameters = random_parameters(family, 4)
    step = 1e-5
    squared = np.empty_like(parameters)
    for i in range(parameters.shape[1]):
        shift = step * np.eye(parameters.shape[1])[i]
        derivative = (
            characteristic_functions(family, parameters + shift)
            - characteristic_functions(family, parameters - shift)
        ) / (2.0 * step)
        squared[:, i] = np.sum(derivative**2, axis=1)
    power, curvature = family.curvature(parameters)
    squares = np.sum(characteristic_functions(family, parameters) ** 2, axis=1)
    np.testing.assert_allclose(power, squares, rtol=1e-5)
    # Along a location it is the mean over features: the frequencies' directions are uniform.
    along = np.repeat(squared[:, :3].mean(axis=1, keepdims=True), 3, axis=1)
    np.testing.assert_allclose(curvature[:, :3], along, rtol=1e-4)
    np.testing.assert_allclose(curvature[:, 3:], squared[:, 3:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_moments_survive_a_round_trip(scale):
    family = SphericalGaussian(operator_of(scale=scale))
    least, greatest = np.exp(family.shape_bounds())
    locations = family.operator.center + scale * np.arange(12.0).reshape(4, 3)
    relative = np.array([least, [0.5], [1.0], greatest])
    variances = np.repeat(relative * scale**2, 3, axis=1)
    parameters = family.from_moments(locations, variances)
    np.testing.assert_array_equal(family.split(parameters)[0], locations)
    np.testing.assert_allclose(family.covariances(parameters), variances, rtol=1e-12)


def test_variances_beyond_the_bounds_or_unequal_go_to_the_nearest_atom():
    family = SphericalGaussian(operator_of())
    variances = np.array([[1e-9, 1e-9, 1e-9], [1e9, 1e9, 1e9], [1.0, 2.0, 3.0]])
    atoms = family.covariances(family.from_moments(np.zeros((3, 3)), variances))
    np.testing.assert_allclose(atoms[:, 0], [0.02, 25.0, 2.0])


def test_point_masses_have_no_shape():
    family = Dirac(operator_of())
    locations = np.arange(6.0).reshape(2, 3)
    parameters = family.from_moments(locations, np.ones((2, 3)))
    np.testing.assert_array_equal(parameters, locations)
    np.testing.assert_array_equal(family.at(locations), locations)
    np.testing.assert_array_equal(family.covariances(parameters), np.zeros((2, 3)))


def test_the_default_shape_is_a_cluster_of_the_scale():
    family = SphericalGaussian(operator_of(scale=3.0))
    parameters = family.at(np.zeros((2, 3)))
    np.testing.assert_allclose(family.covariances(parameters), 9.0)


def test_the_default_shape_is_within_the_bounds(family):
    least, greatest = family.shape_bounds()
    assert len(least) == len(greatest) == family.n_shape
    assert np.all(least <= family.default_shape())
    assert np.all(family.default_shape() <= greatest)


# The kernels, against the same formulas in float64. The phases go up to 100 rad, and onto the
# points where the rounding to the nearest turn and the polynomials change sides.


def phases_in_turns(k, m, seed=0):
    turns = np.random.default_rng(seed).uniform(-100, 100, size=(k, m)) / (2.0 * np.pi)
    special = np.array([0.0, 0.25, -0.25, 0.5, -0.5, 0.75, 1.0, -15.5])
    turns.ravel()[: special.size] = special[: turns.size]
    return turns.astype(np.float32)


SIZES = [(1, 1), (1, 7), (3, 33), (5, 256), (257, 5)]


@pytest.mark.parametrize(("k", "m"), SIZES)
@pytest.mark.parametrize("is_shared", [True, False])
def test_modulated_waves(k, m, is_shared):
    turns = phases_in_turns(k, m)
    envelope = np.random.default_rng(1).uniform(size=(1 if is_shared else k, m)).astype(np.float32)
    out = np.full((k, 2 * m), np.nan, dtype=np.float32)
    modulated_waves(turns, envelope, out)
    expected = naive.modulated_waves(turns, envelope)
    np.testing.assert_allclose(out, expected, rtol=0, atol=WAVE_ERROR)


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.parametrize(("k", "m"), SIZES)
def test_mix_and_correlate(k, m, is_shared):
    rng, turns = np.random.default_rng(2), phases_in_turns(k, m)
    envelope = rng.uniform(size=(1 if is_shared else k, m)).astype(np.float32)
    weights, target = rng.uniform(size=k) / k, rng.standard_normal(2 * m)
    residual, correlations = target.copy(), np.full(k, np.nan)
    in_phase, quadrature = np.full((2, k, m), np.nan, dtype=np.float32)
    mix_and_correlate(turns, envelope, weights, residual, correlations, in_phase, quadrature)
    left, *parts = naive.mix_and_correlate(turns, envelope, weights, target)
    np.testing.assert_allclose(residual, left, rtol=0, atol=2 * WAVE_ERROR)
    np.testing.assert_allclose((in_phase, quadrature), parts, rtol=0, atol=1e-5)
    np.testing.assert_allclose(correlations, parts[0].sum(axis=1), rtol=0, atol=1e-5 * m)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_correlate_points(n, m):
    rng, turns = np.random.default_rng(2), phases_in_turns(n, m)
    residual = rng.standard_normal(2 * m).astype(np.float32)
    correlations, quadrature = np.full(n, np.nan), np.full((n, m), np.nan, dtype=np.float32)
    correlate_points(turns, residual, correlations, quadrature)
    sums, expected = naive.correlate_points(turns, residual)
    np.testing.assert_allclose(quadrature, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(correlations, sums, rtol=0, atol=1e-5 * m)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_add_waves(n, m):
    turns = phases_in_turns(n, m)
    before = np.random.default_rng(3).standard_normal(2 * m).astype(np.float32)
    partial = before.copy()
    add_waves(turns, partial)
    expected = naive.add_waves(turns, before)
    # The sum is in float32, so that its error grows with what it reaches.
    np.testing.assert_allclose(partial, expected, rtol=0, atol=WAVE_ERROR * (4 + n))


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_rotate_in_place(n, m):
    turns = phases_in_turns(n, m)
    residual = np.random.default_rng(4).standard_normal(2 * m).astype(np.float32)
    expected = naive.rotate_in_place(turns, residual)
    rotate_in_place(turns, residual)
    np.testing.assert_allclose(turns, expected, rtol=0, atol=8 * WAVE_ERROR)


def test_kernels_carry_not_a_number_on():
    turns = np.array([[np.nan, 0.25]], dtype=np.float32)
    out = np.empty((1, 4), dtype=np.float32)
    modulated_waves(turns, np.ones((1, 2), dtype=np.float32), out)
    np.testing.assert_array_equal(np.isnan(out), [[True, False, True, False]])


def test_atoms_of_relative_widths_are_those_of_so_wide_gaussians():
    operator = operator_of(scale=2.0)
    widths = np.geomspace(0.1, 3.0, operator.n_features)
    family = SphericalGaussian(operator).with_widths(widths)
    parameters = random_parameters(family, 5)
    variances = 4.0 * np.exp(parameters[:, -1:]) * widths**2
    frequencies, centers = operator.frequencies, parameters[:, :-1] - operator.center
    waves = np.exp(1j * centers @ frequencies - 0.5 * variances @ frequencies**2)
    np.testing.assert_allclose(
        family.sketch(parameters), np.hstack([waves.real, waves.imag]), atol=2e-6
    )
    np.testing.assert_allclose(family.covariances(parameters), variances)
    np.testing.assert_allclose(family.from_moments(parameters[:, :-1], variances), parameters)
    for other in (family.at_scale(1.0), family.in_proportion()):
        np.testing.assert_array_equal(other.widths, widths)


def test_a_covariance_in_common_is_added_to_every_atoms():
    operator = operator_of(scale=2.0)
    d = operator.n_features
    root = np.random.default_rng(0).standard_normal((d, d))
    common = root @ root.T
    family = SphericalGaussian(operator).with_common_covariance(common)
    parameters = random_parameters(family, 5)
    own = 4.0 * np.exp(parameters[:, -1:])
    covariances = own[:, :, None] * np.eye(d) + common
    frequencies, centers = operator.frequencies, parameters[:, :-1] - operator.center
    envelopes = np.einsum("dm,kde,em->km", frequencies, covariances, frequencies)
    waves = np.exp(1j * centers @ frequencies - 0.5 * envelopes)
    np.testing.assert_allclose(
        family.sketch(parameters), np.hstack([waves.real, waves.imag]), atol=2e-6
    )
    np.testing.assert_allclose(family.covariance_matrices(parameters), covariances)
    variances = family.covariances(parameters)
    np.testing.assert_allclose(variances, np.einsum("kdd->kd", covariances))
    np.testing.assert_allclose(family.from_moments(parameters[:, :-1], variances), parameters)
    for other in (family.at_scale(1.0), family.in_proportion(), family.with_widths(2.0)):
        assert other.common_covariance is common
    assert not family.is_wide_off_axes


def test_what_widens_atoms_in_proportion_leaves_one_of_the_scale_as_it_is():
    operator = operator_of(scale=2.0)
    common = -np.linspace(0.0, 1.0, operator.n_frequencies)
    family = SphericalGaussian(operator, common)
    proportional = family.in_proportion()
    shapes = np.array([[0.0], [np.log(0.25)]])
    before, after = family.log_envelope(shapes), proportional.log_envelope(shapes)
    np.testing.assert_allclose(after[0], before[0], rtol=1e-5)
    np.testing.assert_allclose(after[1], before[1] - 0.75 * common, rtol=1e-5)


@pytest.mark.parametrize("kind", [SphericalGaussian, DiagonalGaussian, FullGaussian, Dirac])
def test_least_shapes_are_those_of_a_variance_where_shapes_can_tell_it(kind):
    family = kind(operator_of(scale=2.0))
    least = family.least_shape(1e-4)
    assert np.all(least <= family.shape_bounds()[0])
    if kind in (SphericalGaussian, DiagonalGaussian):
        parameters = np.append(np.zeros(family.n_features), least)[None]
        np.testing.assert_allclose(family.covariances(parameters), 4e-4)


def test_widths_are_only_for_atoms_whose_shapes_do_not_tell_them():
    for kind in (Dirac, DiagonalGaussian, FullGaussian):
        family = kind(operator_of())
        assert family.with_widths(np.ones(family.n_features)) is family
