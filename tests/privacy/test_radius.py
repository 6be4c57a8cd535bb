"""Rows within a radius: where they are moved, how far they move moments, and what it is worth."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from sketchlearn import CompressiveKMeans, Sketcher
from sketchlearn.atoms import SphericalGaussian
from sketchlearn.frequencies import Domain, FrequencyOperator
from sketchlearn.linear_maps import DenseMap
from sketchlearn.privacy import Budget, release
from sketchlearn.privacy.private_sketch import shrink
from sketchlearn.privacy.queries import (
    bound_radius,
    compute_parts,
    largest_coordinates,
    sensitivities,
)

pytestmark = pytest.mark.slow


def sketcher_of(d, radius, seed=0, moments="full", offset=0.0, **options):
    rng = np.random.default_rng(seed)
    lower = offset + rng.uniform(-90.0, 10.0, size=d)
    upper = lower + 10.0 ** rng.uniform(-1.0, 1.0, size=d)
    options = {"n_frequencies": 4, "clip": True, "random_state": seed, **options}
    return Sketcher.from_domain(lower, upper, radius=radius, **options).set_params(moments=moments)


def distances(domain, rows):
    half = 0.5 * domain.upper - 0.5 * domain.lower
    return np.linalg.norm((rows - domain.center) / half, axis=1)


def moved_clip(domain, row):
    """A row that was clipped, in exact fractions but for the root."""
    center = [Fraction(c) for c in domain.center]
    half = [Fraction(u - v) / 2 for u, v in zip(domain.upper, domain.lower, strict=True)]
    inside = np.clip(row, domain.lower, domain.upper)
    offsets = [Fraction(x) - c for x, c in zip(inside, center, strict=True)]
    square = sum((o / b) ** 2 for o, b in zip(offsets, half, strict=True))
    factor = min(1.0, domain.radius / math.sqrt(square)) if square else 1.0
    return np.array([float(c + o * Fraction(factor)) for c, o in zip(center, offsets, strict=True)])


@pytest.mark.parametrize("radius", [0.4, 1.0, 1.7])
def test_rows_are_moved_towards_the_middle_as_far_as_the_radius_and_others_stay(radius):
    domain = sketcher_of(5, radius).operator_.domain
    rng = np.random.default_rng(1)
    widths = domain.upper - domain.lower
    rows = domain.center + rng.normal(size=(200, 5)) * widths * 10.0 ** rng.uniform(-3, 3, (200, 1))
    rows[0], rows[1] = np.inf, domain.center
    clipped = domain.clip(rows)
    assert (distances(domain, clipped) <= radius * (1 + 1e-12)).all()
    assert ((clipped >= domain.lower) & (clipped <= domain.upper)).all()
    boxed = np.clip(rows, domain.lower, domain.upper)
    is_near = distances(domain, boxed) <= radius * (1 - 1e-12)
    assert 20 < is_near.sum() < 180
    assert np.array_equal(clipped[is_near], boxed[is_near])
    expected = [moved_clip(domain, row) for row in rows]
    assert np.allclose(clipped, expected, rtol=1e-12)
    # Each row by itself, in any type.
    assert np.array_equal(np.vstack([domain.clip(row[None]) for row in rows]), clipped)
    assert np.isnan(domain.clip(np.full((1, 5), np.nan))).all()


def test_a_radius_is_part_of_the_operator_and_of_its_file():
    plain, within = (sketcher_of(3, radius).operator_ for radius in (None, 0.8))
    assert plain.fingerprint != within.fingerprint
    assert within.domain.is_of_box
    again = FrequencyOperator.from_bytes(within.to_bytes())
    assert again.domain.radius == 0.8
    assert again.fingerprint == within.fingerprint
    assert sketcher_of(3, 9.0).operator_.scale == plain.scale
    assert within.scale < plain.scale
    assert not replace(within.domain, covariance=np.eye(3)).is_of_box


def test_a_radius_that_is_none_or_clips_nothing_is_refused():
    for radius in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="radius must be positive and finite"):
            sketcher_of(2, radius)
    with pytest.raises(ValueError, match="needs clip=True"):
        sketcher_of(2, 1.0, clip=False)
    with pytest.raises(ValueError, match="the domain clip rows"):
        replace(sketcher_of(2, 1.0).operator_.domain, clips=False)
    with pytest.raises(ValueError, match="widths, which must not be zero"):
        Domain([0.5, 3.0], 0.1, np.eye(2), [0.0, 3.0], [1.0, 3.0], clips=True, radius=0.5)


def size(integers, norm):
    values = [abs(int(each)) for each in integers]
    return float(sum(values)) if norm == 1 else math.sqrt(sum(each * each for each in values))


def worst_rows(domain, rng):
    """Rows along axes, diagonals and elsewhere, at the radius, beyond it, and just within."""
    d, half = domain.n_features, 0.5 * (domain.upper - domain.lower)
    directions = np.vstack([np.eye(d), np.ones((1, d)), rng.normal(size=(4, d))])
    directions = np.vstack([directions, -directions])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    far = [1e9 * directions, directions * domain.radius, directions * domain.radius * 0.999999]
    return domain.center + np.vstack(far) * half


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("neighbors", ["add-remove", "replace"])
@pytest.mark.parametrize("moments", ["full", "diagonal"])
@pytest.mark.parametrize(("d", "radius", "offset"), [(1, 0.7, 0), (2, 1.0, 1e7), (5, 1.3, 0)])
def test_moments_move_within_the_bound_and_reach_it(d, radius, offset, moments, neighbors, norm):
    sketcher = sketcher_of(d, radius, seed=d, moments=moments, offset=offset)
    operator, rng = sketcher.operator_, np.random.default_rng(d)
    bounds = sensitivities(operator, moments, neighbors, 1, norm)
    common = operator.domain.center + rng.normal(size=(6, d))
    rows = worst_rows(operator.domain, rng)
    others = [common] if neighbors == "add-remove" else [np.vstack([common, row]) for row in rows]
    found = [sketcher.sketch(np.vstack([common, row])) for row in rows]
    bases = [sketcher.sketch(each) for each in others]
    parts = [[compute_parts(operator, each.sums) for each in these] for these in (found, bases)]
    for part in ("first", "second"):
        reached = max(size(a[part] - b[part], norm) for a in parts[0] for b in parts[1])
        assert reached <= bounds[part]
        # On an axis the box ends before a radius above one does.
        if norm == 2 and radius <= 1.0 and neighbors == "add-remove":
            assert bounds[part] <= 1.001 * reached


def test_no_row_that_is_searched_for_exceeds_the_radius_in_integers():
    rng = np.random.default_rng(0)
    for seed in range(30):
        d = int(rng.integers(1, 9))
        offset = float(rng.choice([0.0, 1e3, 1e9, -1e12]))
        sketcher = sketcher_of(d, float(rng.uniform(0.1, 2.0)), seed, offset=offset)
        operator = sketcher.operator_
        largest, bound = largest_coordinates(operator), bound_radius(operator)
        reached = []
        for row in worst_rows(operator.domain, rng):
            first = sketcher.sketch(row[None]).sums.moments.integers[:d] // 2**20
            parts = [Fraction(int(g), int(top)) for g, top in zip(first, largest, strict=True)]
            reached.append(math.sqrt(sum(each**2 for each in parts)))
        assert max(reached) <= bound
        assert abs(offset) > 1e6 or bound <= max(operator.domain.radius, 1.0) * 1.00001


@pytest.mark.parametrize("norm", [1, 2])
@pytest.mark.parametrize("scale", [1e3, 2.0**36, 2.0**38, 1e30])
def test_moments_move_within_the_bound_however_coarse_their_grid_is(scale, norm):
    drawn = sketcher_of(3, 0.5, seed=1).operator_
    operator = replace(drawn, domain=replace(drawn.domain, scale=scale, finest_scale=None))
    sketcher = Sketcher.from_operator(operator).set_params(moments="full")
    bounds = sensitivities(operator, "full", "add-remove", 1, norm)
    for row in worst_rows(operator.domain, np.random.default_rng(0)):
        parts = compute_parts(operator, sketcher.sketch(row[None]).sums)
        assert all(size(parts[part], norm) <= bounds[part] for part in ("first", "second"))


def test_pure_noise_is_shrunk_to_its_mean_and_spikes_are_restored():
    rng = np.random.default_rng(0)
    d, deviation = 100, 0.1
    noise = rng.normal(scale=deviation, size=(d, d))
    noise = (noise + noise.T) / math.sqrt(2.0)
    edge = 2.0 * deviation * math.sqrt(d)
    alone = shrink(np.linalg.eigvalsh(noise + 3.0 * np.eye(d)), 1.05 * edge)
    assert np.allclose(alone, 3.0, atol=0.05)
    spikes = np.diag(np.r_[np.zeros(d - 3), 5.0, 10.0, 20.0])
    shrunk = shrink(np.linalg.eigvalsh(spikes + noise), edge)
    assert np.allclose(shrunk[-3:], [5.0, 10.0, 20.0], rtol=0.1)
    assert np.array_equal(shrink(np.array([0.5, 1.0]), 0.0), [0.5, 1.0])
    assert (shrink(np.array([-3.0, -1.0, 2.0]), 0.1) >= 0.0).all()


def test_atoms_off_the_axes_are_those_of_all_directions():
    rng = np.random.default_rng(0)
    whole = sketcher_of(4, 1.0, n_frequencies=40).operator_
    axes = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    narrow = replace(
        whole,
        linear_map=DenseMap.along(whole.linear_map, axes),
        domain=type(whole.domain)(np.zeros(2), whole.scale, np.eye(2)),
    )
    off = whole.linear_map.squared_norms - narrow.linear_map.squared_norms
    few = SphericalGaussian(narrow, norms_off_axes=off)
    places, variances = rng.normal(size=(3, 2)) * whole.scale, np.full((3, 2), whole.scale**2)
    parameters = few.from_moments(places, variances * [[0.5], [1.0], [2.0]])
    lifted = SphericalGaussian(whole).from_moments(
        whole.center + places @ axes.T,
        np.repeat(variances[:, :1] * [[0.5], [1.0], [2.0]], 4, axis=1),
    )
    expected = SphericalGaussian(whole).sketch(lifted)
    assert np.allclose(few.sketch(parameters), expected, atol=1e-4)
    # Its gradient, against differences.
    weights = rng.normal(size=(3, 80))
    step = np.zeros_like(parameters)
    step[:, -1] = 1e-2
    ahead, behind = (few.sketch(parameters + sign * step) for sign in (1, -1))
    slope = np.sum(weights * (ahead - behind), axis=1) / 2e-2
    pulled = few.log_envelope_pullback(
        parameters[:, 2:], (weights * few.sketch(parameters)).reshape(3, 2, 40).sum(axis=1)
    )
    assert np.allclose(pulled[:, 0], slope, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("d", [30, 110])
def test_clusters_in_many_columns_are_found_where_noise_hides_them_in_each(d):
    rng = np.random.default_rng(d)
    centers = rng.normal(size=(4, d))
    centers *= 0.8 / np.linalg.norm(centers, axis=1, keepdims=True)
    X = centers[rng.integers(4, size=20_000)] + rng.normal(scale=0.02, size=(20_000, d))
    sketcher = Sketcher.from_domain(
        -np.ones(d), np.ones(d), n_clusters=4, n_frequencies=5 * 4 * d, clip=True, radius=1.0,
        random_state=0,
    )  # fmt: skip
    sketch = sketcher.sketch(X)
    private = release(sketch, epsilon=0.5, delta=1e-5, moments_share=0.2, budget=Budget(1.0, 1e-5))
    found = CompressiveKMeans(4, random_state=0).fit_sketch(private)
    nearest = np.linalg.norm(centers[:, None] - found.cluster_centers_, axis=2).min(axis=1)
    assert (nearest < 0.05).all()


def test_values_at_the_edge_of_noise_are_shrunk_without_a_root_of_less_than_zero():
    for edge in np.random.default_rng(0).random(5000):
        shrunk = shrink(np.array([0.0, 1.0, 1.0, 1.0, 1.0 + 2.0 * edge]), float(edge))
        assert np.isfinite(shrunk).all()
