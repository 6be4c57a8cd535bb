"""Few significand bits: optimal for two vectors, better than rounding for butterflies."""

import itertools

import numpy as np
import pytest

from sketchlearn.factorization import (
    Butterfly,
    butterfly,
    dft_butterfly,
    hadamard_butterfly,
    quantise,
    quantise_rank_one,
    round_significand,
    square_dyadic,
)
from sketchlearn.factorization.packing import largest_bits, pack, unpack

pytestmark = pytest.mark.slow


def grid(bits):
    """Numbers of `bits` significand bits in three binades around 1, of both signs, and 0."""
    binade = np.arange(2 ** (bits - 1), 2**bits) / 2 ** (bits - 1)
    positive = np.concatenate([binade * 2.0**e for e in (-3, -2, -1, 0, 1, 2)])
    return np.concatenate([-positive, [0.0], positive])


def least_error(x, y, bits):
    """Try every x^ on the grid, and for each the best y^ entry by entry, over a longer grid."""
    best = np.linalg.norm(np.outer(x, y))
    ladder = np.sort(np.concatenate([grid(bits) * 2.0**e for e in (-6, 0, 6)]))
    for chosen in itertools.product(grid(bits), repeat=len(x)):
        x_hat = np.array(chosen)
        if not x_hat.any():
            continue
        wanted = (x_hat @ x) / (x_hat @ x_hat) * y
        y_hat = ladder[np.argmin(np.abs(ladder[:, None] - wanted), axis=0)]
        best = min(best, np.linalg.norm(np.outer(x, y) - np.outer(x_hat, y_hat)))
    return best


def error_of(x, y, pair):
    return np.linalg.norm(np.outer(x, y) - np.outer(*pair))


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 3), (2, 1), (2, 2), (2, 4)])
@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_two_vectors_are_quantised_optimally(m, n, bits, seed):
    rng = np.random.default_rng([m, n, bits, seed])
    # Within a binade or two, so that the grid of the brute force holds the best x^.
    x, y = (rng.uniform(0.5, 2.0, size=k) * rng.choice([-1, 1], size=k) for k in (m, n))
    pair = quantise_rank_one(x, y, bits)
    assert largest_bits(pair) <= bits
    # The search runs over the shorter vector, and brute force over x.
    assert error_of(x, y, pair) == pytest.approx(least_error(x, y, bits), rel=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_two_vectors_never_lose_to_rounding(bits, is_complex):
    rng = np.random.default_rng(bits)
    for _ in range(20):
        x, y = rng.normal(size=2), rng.normal(size=6)
        if is_complex:
            x, y = x + 1j * rng.normal(size=2), y + 1j * rng.normal(size=6)
        naive = round_significand(x, bits), round_significand(y, bits)
        assert error_of(x, y, quantise_rank_one(x, y, bits)) <= error_of(x, y, naive)


def test_scales_and_signs_make_no_difference():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=3), rng.normal(size=4)
    pair = quantise_rank_one(x, y, 4)
    for sx, sy in [(-1, 1), (2.0**40, 0.5), (2.0**-300, -(2.0**200))]:
        scaled = quantise_rank_one(sx * x, sy * y, 4)
        np.testing.assert_array_equal(np.outer(*scaled), sx * sy * np.outer(*pair))
    assert error_of(3 * x, y / 3, quantise_rank_one(3 * x, y / 3, 4)) == pytest.approx(
        error_of(x, y, pair)
    )


def test_vectors_that_need_no_rounding_are_kept():
    x, y = np.array([1.0, -3.0, 0.0]), np.array([5.0, 0.5])
    assert error_of(x, y, quantise_rank_one(x, y, 3)) == 0.0
    # A common factor that is no power of two is no obstacle: it is divided out.
    assert error_of(x / 3, 3 * y, quantise_rank_one(x / 3, 3 * y, 3)) < 1e-15
    assert error_of(0 * x, y, quantise_rank_one(0 * x, y, 3)) == 0.0


def test_rounding_is_to_nearest():
    x = np.random.default_rng(0).normal(size=1000) * 10.0 ** np.arange(-50, 50).repeat(10)
    for bits in (1, 2, 11, 24, 53):
        significand, exponent = np.frexp(x)
        expected = np.ldexp(np.rint(significand * 2.0**bits), exponent - bits)
        np.testing.assert_array_equal(round_significand(x, bits), expected)
    single = np.random.default_rng(1).normal(size=1000)
    np.testing.assert_array_equal(round_significand(single, 24), single.astype(np.float32))
    assert round_significand([[1 + 3j]], 1)[0, 0] == 1 + 4j


def rotations(n, rng):
    chain = square_dyadic(n)
    angles = [rng.uniform(0, 2 * np.pi, size=(p.a, p.d)) for p in chain]
    turn = [np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in angles]
    return Butterfly([np.moveaxis(t, (0, 1), (2, 3)) for t in turn], chain)


def dense_random(n, rng):
    chain = square_dyadic(n)
    return Butterfly([rng.normal(size=(p.a, p.d, 2, 2)) for p in chain], chain)


CASES = {
    "rotations": rotations(32, np.random.default_rng(0)),
    "random": dense_random(32, np.random.default_rng(1)),
    "Fourier": dft_butterfly(32),
    "Hadamard, factorised": butterfly(hadamard_butterfly(32).toarray()),
    "rectangular": butterfly(
        np.random.default_rng(2).normal(size=(12, 10)), [(1, 3, 2, 4), (2, 4, 5, 1)]
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["optimal", "left-to-right", "pairwise", "round"])
def test_factors_have_the_bits_asked_for(name, method):
    B = CASES[name]
    for bits in (1, 3, 7):
        Q = quantise(B, bits, method)
        assert largest_bits(Q.values) <= bits == Q.bits
        assert (Q.dtype, Q.chain) == (B.dtype, B.chain)
        dense = B.toarray()
        error = np.linalg.norm(Q.toarray() - dense) / np.linalg.norm(dense)
        assert Q.relative_error == pytest.approx(error, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("name", CASES)
def test_quantising_together_beats_rounding(name):
    B = CASES[name]
    for bits in range(2, 11):
        errors = {m: quantise(B, bits, m).relative_error for m in ("optimal", "round", "pairwise")}
        assert errors["optimal"] <= errors["pairwise"]
        assert errors["optimal"] <= max(0.85 * errors["round"], 1e-14)


@pytest.mark.parametrize("method", ["left-to-right", "pairwise"])
def test_scaling_what_lies_between_factors_makes_no_difference(method):
    """Left to right at any place; pairwise within pairs."""
    B = CASES["random"]
    scale = np.random.default_rng(5).lognormal(size=32)
    values = list(B.values)
    first, second = B.factors[0].toarray() * scale, B.factors[1].toarray() / scale[:, None]
    values[0], values[1] = B.chain[0].entries(first), B.chain[1].entries(second)
    scaled = Butterfly(values, B.chain)
    for bits in (3, 6):
        assert quantise(scaled, bits, method).relative_error == pytest.approx(
            quantise(B, bits, method).relative_error, rel=1e-9
        )


def test_factors_of_a_power_of_two_are_exact_at_one_bit():
    assert quantise(CASES["Hadamard, factorised"], 1).relative_error < 1e-14


def test_equal_error_takes_a_quarter_fewer_bits():
    """The claim of Gribonval, Mary and Riccietti, on a few matrices."""
    savings = []
    for B in (CASES["rotations"], CASES["random"], CASES["Fourier"]):
        scale = np.arange(2, 17)
        naive = np.array([quantise(B, int(b), "round").relative_error for b in scale])
        naive = np.log(np.minimum.accumulate(naive))
        for bits in (3, 5, 7, 9):
            error = np.log(quantise(B, bits).relative_error)
            savings.append(1 - bits / np.interp(-error, -naive, scale))
    assert np.median(savings) > 0.22


def test_packing_gives_back_every_number():
    rng = np.random.default_rng(0)
    for bits in (1, 2, 5, 11, 24, 53):
        x = round_significand(rng.normal(size=37) * 2.0 ** rng.integers(-30, 30, size=37), bits)
        x[rng.integers(37, size=5)] = 0.0
        data, least, width = pack(x, bits)
        np.testing.assert_array_equal(unpack(data, bits, least, width, 37), x)
        assert data.size == -(-37 * (bits + width) // 8)
    data, least, width = pack(np.zeros(3), 4)
    np.testing.assert_array_equal(unpack(data, 4, least, width, 3), 0.0)


def test_nbytes_is_what_the_file_holds(tmp_path):
    B = quantise(CASES["random"], 5)
    B.save(tmp_path / "b")
    header = int.from_bytes((tmp_path / "b").read_bytes()[:8], "little") + 8
    assert (tmp_path / "b").stat().st_size == header + B.nbytes


@pytest.mark.parametrize("bits", [0, -1, 21, 2.5, True, "4"])
def test_bits_out_of_range(bits):
    with pytest.raises((TypeError, ValueError), match="bits must be"):
        quantise_rank_one([1.0], [1.0], bits)
    with pytest.raises((TypeError, ValueError), match="bits must be"):
        quantise(CASES["random"], bits)


def test_other_bad_input():
    B = CASES["random"]
    with pytest.raises(ValueError, match="optimal, left-to-right, pairwise, round"):
        quantise(B, 4, "best")
    with pytest.raises(TypeError, match="expected a Butterfly, got ndarray"):
        quantise(np.eye(4), 4)
    with pytest.raises(ValueError, match="at most 53"):
        quantise(B, 54, "round")
    for x, message in [
        ([np.nan], "finite"),
        ([1e308], "below 1e"), ([], "vector with entries"), ([[1.0]], "vector"), (["a"], "numeric"),
    ]:  # fmt: skip
        with pytest.raises((TypeError, ValueError), match=message):
            quantise_rank_one(x, [1.0], 3)
    with pytest.raises(ValueError, match="finite"):
        round_significand([np.inf], 3)
    with pytest.raises(ValueError, match="need 53 bits of significand, got bits=3"):
        Butterfly(B.values, B.chain, bits=3)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("exponent", [-1000, -600, -100, 100, 600, 1000])
def test_scale_changes_neither_bits_nor_error(dtype, exponent):
    is_single = dtype in ("float32", "complex64")
    exponent = exponent // 10 if is_single else exponent
    rng = np.random.default_rng(0)
    chain = square_dyadic(8)
    values = [rng.normal(size=(p.a, p.d, 2, 2)) for p in chain]
    if dtype.startswith("complex"):
        values = [v + 1j * rng.normal(size=v.shape) for v in values]
    B = Butterfly([v.astype(dtype) for v in values], chain)
    step = 2.0 ** (exponent // 4)
    scaled = Butterfly([v * v.real.dtype.type(step) for v in B.values], chain)
    for method in ("round", "left-to-right", "pairwise", "optimal"):
        error, other = (quantise(one, 4, method).relative_error for one in (B, scaled))
        assert 0.0 < error < 0.5
        assert other == pytest.approx(error, rel=1e-5 if is_single else 1e-10)


def test_factors_of_scales_far_apart():
    B = butterfly(np.random.default_rng(0).normal(size=(16, 16)))
    steps = (2.0**650, 2.0**-650, 2.0**500, 2.0**-500)
    far = Butterfly([v * step for v, step in zip(B.values, steps, strict=True)], B.chain)
    for method in ("left-to-right", "pairwise"):
        error = quantise(B, 5, method).relative_error
        assert quantise(far, 5, method).relative_error == pytest.approx(error, rel=1e-10)


def test_rounding_of_subnormal_numbers():
    tiny = 2.0**-1074
    x = np.array([1.0, 3.0, 5.0, 11.0, 2.0**40 + 1.0, -(2.0**44) - 2.0**35]) * tiny
    expected = np.array([1.0, 3.0, 5.0, 11.0, 2.0**40, -(2.0**44) - 2.0**35]) * tiny
    np.testing.assert_array_equal(round_significand(x, 10), expected)
    np.testing.assert_array_equal(round_significand(x[:4], 2), np.array([1, 3, 6, 12]) * tiny)


def test_rounding_gives_no_infinity():
    largest = np.finfo(np.float64).max
    assert round_significand(largest, 53) == largest
    for x in (largest, -largest, complex(0.0, largest)):
        with pytest.raises(ValueError, match="rounded to infinity"):
            round_significand(x, 4)
