"""What every family of atoms promises, the library's and a user's own."""

from dataclasses import replace

import numpy as np
import pytest
from planted import central_differences, gaussian_clusters, largest_distance, operator_of

from sketchlearn import Sketcher
from sketchlearn.atoms import AtomFamily, GaussianFamily
from sketchlearn.decoders import CLOMPR
from tests.extensions.atom_family import SphericalLaplace

D, M = 3, 101
# Other tests define families too.
KINDS = {
    name: kind
    for name, kind in AtomFamily.kinds().items()
    if kind.__module__.startswith(("sketchlearn.", "tests.extensions."))
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def family(request):
    return request.param(operator_of(D, M))


def draw_parameters(family, k=4, seed=1):
    """Parameters near the default shape, within the bounds."""
    rng, operator = np.random.default_rng(seed), family.operator
    parameters = family.at(rng.uniform(*operator.domain.box, size=(k, D)))
    parameters[:, D:] += 0.3 * rng.standard_normal((k, family.n_shape))
    least, greatest = family.shape_bounds()
    parameters[:, D:] = np.clip(parameters[:, D:], least, greatest)
    return parameters


def test_all_are_known():
    expected = {"DiagonalGaussian", "Dirac", "FullGaussian", "SphericalGaussian",
                "SphericalLaplace"}  # fmt: skip
    assert set(KINDS) >= expected
    assert KINDS["SphericalLaplace"] is SphericalLaplace
    gaussian = GaussianFamily.kinds()
    assert not {*gaussian} & {"Dirac", "SphericalLaplace"}
    assert {kind(operator_of()).covariance_type for kind in gaussian.values()} == {
        *("spherical", "diag", "full")
    }


def test_a_sketch_is_a_wave_under_an_envelope(family):
    parameters = draw_parameters(family)
    locations, shapes = family.split(parameters)
    envelope = np.exp(np.broadcast_to(family.log_envelope(shapes), (4, M)))
    turned = np.exp(1j * (locations - family.operator.center) @ family.operator.frequencies)
    expected = envelope * turned
    sketch = family.sketch(parameters)
    assert sketch.dtype == np.float32
    assert np.all(envelope <= 1.0)
    np.testing.assert_allclose(sketch, np.hstack([expected.real, expected.imag]), atol=1e-5)
    one = family.log_envelope(np.repeat(shapes[:1], 3, axis=0))
    np.testing.assert_allclose(np.broadcast_to(one, (3, M))[2], np.log(envelope[0]), rtol=1e-5)


def test_covariances_are_the_envelopes_curvature_at_zero(family):
    """log E exp(i w x) = -w^T S w / 2 + O(w^4), of any distribution of covariance S."""
    operator = family.operator
    shorter = replace(operator, linear_map=operator.linear_map.stretched(1e-3))
    near = type(family)(shorter)
    parameters = draw_parameters(near)
    matrices = near.covariance_matrices(parameters)
    omega = near.operator.frequencies
    expected = -0.5 * np.einsum("lj,klp,pj->kj", omega, matrices, omega)
    found = np.broadcast_to(near.log_envelope(parameters[:, D:]), (4, M))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(
        near.covariances(parameters), np.einsum("kll->kl", matrices), rtol=1e-9
    )


def test_a_mixture_is_differentiated(family):
    parameters, rng = draw_parameters(family), np.random.default_rng(2)
    weights, target = rng.uniform(0.1, 1.0, size=4), rng.standard_normal(2 * M)

    def cost(flat):
        apart = target - flat[:4] @ family.sketch(flat[4:].reshape(parameters.shape)).astype(float)
        return float(apart @ apart)

    found, in_weights, in_parameters = family.differentiate(weights, parameters, target)
    point = np.concatenate([weights, parameters.ravel()])
    assert found == pytest.approx(cost(point), rel=1e-5)
    # A step that float32 resolves.
    expected = central_differences(cost, point, 1e-2)
    gradient = np.concatenate([in_weights, in_parameters.ravel()])
    np.testing.assert_allclose(gradient, expected, atol=5e-3 * np.abs(expected).max())


def test_curvature_is_the_squared_norm_of_the_derivative(family):
    parameters, step = draw_parameters(family), 1e-2
    squared = np.empty_like(parameters)
    for i, shift in enumerate(step * np.eye(parameters.shape[1])):
        ahead, behind = (family.sketch(parameters + sign * shift) for sign in (1.0, -1.0))
        squared[:, i] = np.sum(((ahead - behind).astype(float) / (2.0 * step)) ** 2, axis=1)
    # Along a location it is the mean over features.
    squared[:, :D] = squared[:, :D].mean(axis=1, keepdims=True)
    power, curvature = family.curvature(parameters)
    np.testing.assert_allclose(power, np.sum(family.sketch(parameters) ** 2, axis=1), rtol=1e-4)
    np.testing.assert_allclose(curvature, squared, rtol=1e-2, atol=1e-3 * squared.max())


@each_kind
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_moments_survive_a_round_trip(kind, scale):
    family = kind(operator_of(D, M, scale=scale))
    parameters = draw_parameters(family)
    locations = family.split(parameters)[0]
    matrices = family.covariance_matrices(parameters)
    again = family.from_covariances(locations, matrices)
    np.testing.assert_array_equal(family.split(again)[0], locations)
    np.testing.assert_allclose(
        family.covariance_matrices(again), matrices, rtol=1e-6, atol=1e-9 * scale**2
    )
    round_ones = family.at(locations)
    same = family.from_moments(locations, family.covariances(round_ones))
    np.testing.assert_allclose(same, round_ones, rtol=1e-6, atol=1e-9)


def test_what_is_outside_the_bounds_is_brought_within(family):
    least, greatest = family.shape_bounds()
    assert len(least) == len(greatest) == family.n_shape
    assert np.all(least <= family.default_shape())
    assert np.all(family.default_shape() <= greatest)
    shapes = family.shapes_of(np.array([[1e-9] * D, [1.0, 2.0, 3.0], [1e9] * D]))
    assert shapes.shape == (3, family.n_shape)
    assert np.all((least - 1e-9 <= shapes) & (shapes <= greatest + 1e-9))


def test_free_numbers_are_counted(family):
    assert family.n_parameters(1) == D + family.n_shape
    assert family.n_parameters(5) == 4 + 5 * (D + family.n_shape)


@pytest.mark.quality
@each_kind
def test_planted_clusters_are_found(kind):
    centers, rows = gaussian_clusters(k=3, d=2, n=3000, seed=1)
    sketch = Sketcher(90, n_clusters=3, scale=1.0, random_state=0).fit(rows).sketch(rows)
    mixture = CLOMPR().decode(sketch, kind(sketch.operator), 3, np.random.default_rng(0))
    assert largest_distance(centers, mixture.locations) < 0.3
