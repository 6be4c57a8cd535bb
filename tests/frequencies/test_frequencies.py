import pickle
import tracemalloc

import numpy as np
import pytest
from planted import small_operator
from scipy.stats import chi, kstest

from sketchlearn.frequencies import (
    AdaptedRadius,
    Domain,
    FoldedGaussianRadius,
    FrequencyOperator,
    GaussianRadius,
    resolve_radius_law,
)
from sketchlearn.frequencies.operator import largest_phase
from sketchlearn.linear_maps import DenseMap
from sketchlearn.linear_maps.directions import orthogonal_directions


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def drawn(d=10, m=95, scale=2.0, seed=0, spread=1.0):
    pilot = np.random.default_rng(1).normal(size=(50, d)) * spread
    return FrequencyOperator.draw(
        m,
        Domain(np.zeros(d), scale, np.eye(d), -np.ones(d), np.ones(d)),
        bandwidth=1.25 * scale,
        radius_law=AdaptedRadius(),
        pilot=pilot,
        seed=seed,
    )


def test_frequencies_are_exactly_the_stored_turns():
    op = small_operator()
    assert op.linear_map.turns.dtype == np.float32
    np.testing.assert_array_equal(op.frequencies, op.linear_map.turns.astype(float) * 2 * np.pi)
    X = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(op.project(X), X @ op.frequencies)


def test_arrays_are_read_only_copies():
    center = np.arange(3.0)
    op = small_operator(center=center)
    center[0] = 99.0
    assert op.center[0] == 0.0
    for one in (op, pickle.loads(pickle.dumps(op))):
        arrays = [one.frequencies, one.linear_map.turns, one.center, one.covariance]
        for array in [*arrays, *one.domain.box, one.units]:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0


@pytest.mark.parametrize("name", ["turns", "center", "lower", "upper", "covariance"])
def test_the_fingerprint_depends_on_every_array(name):
    changed = np.array(small_operator().components()[name])
    changed.flat[0] = np.nextafter(changed.flat[0], changed.dtype.type(-9))
    assert small_operator(**{name: changed}).fingerprint != small_operator().fingerprint


def test_the_fingerprint_depends_on_every_number_and_nothing_else():
    assert small_operator(scale=2.5).fingerprint != small_operator().fingerprint
    assert small_operator(double_phases=True).fingerprint != small_operator().fingerprint
    twin = small_operator(turns=np.asfortranarray(small_operator().linear_map.turns))
    assert twin.fingerprint == small_operator().fingerprint
    assert pickle.loads(pickle.dumps(small_operator())).fingerprint == small_operator().fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turns": np.ones(3)}, "turns must have shape"),
        ({"turns": np.ones((3, 0))}, "turns must have shape"),
        ({"center": np.ones(2)}, r"center must have shape \(3,\)"),
        ({"lower": np.full(3, np.nan)}, "lower must be finite"),
        ({"covariance": np.ones(3)}, r"covariance must have shape \(3, 3\)"),
        ({"scale": 0.0}, "scale must be positive"),
        ({"scale": np.inf}, "scale must be positive"),
        ({"lower": np.full(3, 2.0)}, "lower must not exceed upper"),
        (
            {"turns": np.full((3, 2), 1e300)},
            "turns must be of a size that float32 has, got up to 1e\\+300",
        ),
        ({"turns": np.full((3, 2), 1e-50)}, "turns must be of a size that float32 has"),
    ],
)
def test_nonsense_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small_operator(**changes)


@pytest.mark.parametrize(("d", "m"), [(1, 5), (2, 5), (10, 10), (10, 25), (30, 7)])
def test_directions_are_unit_and_orthogonal_within_blocks(d, m):
    directions = orthogonal_directions(d, m, np.random.default_rng(0))
    assert directions.shape == (d, m)
    for start in range(0, m, d):
        block = directions[:, start : start + d]
        np.testing.assert_allclose(block.T @ block, np.eye(block.shape[1]), atol=1e-12)


def test_few_directions_take_a_thin_factor_and_many_are_what_they_were():
    few = orthogonal_directions(20_000, 3, np.random.default_rng(0))
    np.testing.assert_allclose(few.T @ few, np.eye(3), atol=1e-12)
    rng, blocks = np.random.default_rng(0), []
    for _ in range(3):
        q, r = np.linalg.qr(rng.standard_normal((5, 5)))
        blocks.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    many = orthogonal_directions(5, 12, np.random.default_rng(0))
    np.testing.assert_array_equal(many, np.hstack(blocks)[:, :12])


def test_directions_favour_no_side():
    directions = orthogonal_directions(4, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(directions.mean(axis=1), 0.0, atol=0.03)
    np.testing.assert_allclose(directions @ directions.T / 1000, np.eye(4), atol=1e-9)


def test_radii_follow_their_laws(rng):
    n = 20_000
    assert kstest(GaussianRadius(7).sample(n, rng), chi(7).cdf).pvalue > 1e-3
    assert kstest(FoldedGaussianRadius().sample(n, rng), chi(1).cdf).pvalue > 1e-3
    grid = np.linspace(0, 12, 100_001)
    density = np.sqrt(grid**2 + grid**4 / 4) * np.exp(-(grid**2) / 2)
    cdf = np.cumsum(density) / density.sum()
    adapted = AdaptedRadius().sample(n, rng)
    assert kstest(adapted, lambda r: np.interp(r, grid, cdf)).pvalue > 1e-3
    assert (adapted > 0).all()


def test_laws_have_names():
    assert resolve_radius_law("gaussian", 3) == GaussianRadius(3)
    assert resolve_radius_law("folded-gaussian", 3) == FoldedGaussianRadius()
    assert resolve_radius_law("adapted-radius", 3) == AdaptedRadius()
    with pytest.raises(ValueError, match="radius_law must be a RadiusLaw or one of"):
        resolve_radius_law("cauchy", 3)


def test_a_draw_is_its_seeds_and_scales_inversely_with_the_scale():
    assert drawn(seed=3).fingerprint == drawn(seed=3).fingerprint
    assert drawn(seed=3).fingerprint != drawn(seed=4).fingerprint
    np.testing.assert_array_equal(drawn(scale=4.0).frequencies, drawn(scale=2.0).frequencies / 2)


def test_phases_beyond_float32_are_computed_in_float64():
    assert not drawn().double_phases
    assert drawn(spread=1e3).double_phases


def test_the_largest_phase_is_found_among_many_rows(rng):
    turns = rng.normal(size=(2, 30)).astype(np.float32)
    rows = rng.normal(size=(2000, 2))
    rows[1234] *= 50
    expected = 2 * np.pi * np.abs(rows @ turns.astype(float)).max()
    assert largest_phase(DenseMap(turns), rows) == pytest.approx(expected)


def test_the_largest_phase_of_many_frequencies_takes_no_more_memory_than_a_block(rng):
    turns = rng.normal(size=(2, 100_000)).astype(np.float32)
    rows = rng.normal(size=(250, 2))
    many = DenseMap(turns)
    expected = np.abs(many.project(rows)).max()
    tracemalloc.start()
    found = largest_phase(many, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == pytest.approx(expected, rel=1e-12)
    assert peak < 2**26


@pytest.mark.parametrize(("d", "m"), [(1, 300_001), (3, 200_000), (7, 12), (300, 700)])
def test_directions_are_those_of_one_block_after_the_other(d, m):
    random = np.random.default_rng(3)
    blocks = []
    for _ in range(0, min(m, 40 * d), d):
        q, r = np.linalg.qr(random.standard_normal((d, min(d, m))))
        blocks.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    expected = np.hstack(blocks)[:, :m]
    found = orthogonal_directions(d, m, np.random.default_rng(3))
    assert found.shape == (d, m)
    np.testing.assert_array_equal(found[:, : expected.shape[1]], expected)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1.0)
