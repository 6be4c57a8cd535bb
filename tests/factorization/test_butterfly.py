"""Butterflies: laws of the operator, exact recovery, error bounds, orders, files."""

import copy
import itertools
import os
import pickle
import stat

import numpy as np
import pytest
import scipy.linalg
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg

from sketchlearn.exceptions import ModelFormatError
from sketchlearn.factorization import (
    Butterfly,
    bit_reversal,
    butterfly,
    check_chain,
    dft_butterfly,
    hadamard_butterfly,
    least_relative_error,
    quantise,
    search_order,
    square_dyadic,
)
from sketchlearn.factorization.files import write_factors

pytestmark = pytest.mark.slow

CHAINS = [
    [(1, 2, 2, 4), (2, 2, 2, 2), (4, 2, 2, 1)],
    [(1, 2, 2, 6), (2, 3, 3, 2), (6, 2, 2, 1)],
    [(1, 5, 3, 4), (3, 4, 4, 1)],
    [(2, 3, 2, 4), (4, 2, 5, 2), (4, 10, 3, 1)],
    [(1, 2, 4, 3), (2, 2, 3, 3), (2, 9, 2, 1)],
    [(3, 2, 4, 2)],
    [(1, 7, 4, 1), (2, 2, 3, 1), (6, 1, 2, 1)],
]
DTYPES = ["float32", "float64", "complex64", "complex128"]


def random_factors(chain, rng, dtype="float64"):
    shapes = [(p.a, p.d, p.b, p.c) for p in chain]
    values = [rng.normal(size=shape) for shape in shapes]
    if dtype.startswith("complex"):
        values = [v + 1j * rng.normal(size=v.shape) for v in values]
    return Butterfly([v.astype(dtype) for v in values], chain)


def support(p):
    """The definition, word for word."""
    ones = np.ones((p.b, p.c))
    return np.kron(np.kron(np.eye(p.a), ones), np.eye(p.d))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_product_of_its_sparse_factors(chain, dtype):
    rng = np.random.default_rng(0)
    B = random_factors(check_chain(chain), rng, dtype)
    dense = [factor.toarray() for factor in B.factors]
    for factor, p in zip(dense, B.chain, strict=True):
        np.testing.assert_array_equal(factor != 0, support(p) != 0)
    product = dense[0]
    for factor in dense[1:]:
        product = product @ factor
    tolerance = {"rtol": 2e-5, "atol": 2e-5 * np.abs(product).max()} if "32" in dtype or (
        dtype == "complex64"
    ) else {"rtol": 1e-12, "atol": 1e-12}  # fmt: skip
    np.testing.assert_allclose(B.toarray(), product, **tolerance)
    assert B.toarray().dtype == dtype
    assert B.n_parameters == sum(np.count_nonzero(f) for f in dense)
    for k, other in itertools.product((1, 5, 16, 37), DTYPES):
        V = rng.normal(size=(B.shape[1], k)).astype(other)
        W = rng.normal(size=(B.shape[0], k)).astype(other)
        if other.startswith("complex"):
            V, W = V * np.exp(1j), W * np.exp(2j)
        V, W = V.astype(other), W.astype(other)
        assert (B @ V).dtype == np.result_type(dtype, other)
        np.testing.assert_allclose(B @ V, product @ V, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(B.H @ W, product.conj().T @ W, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(B.T @ W, product.T @ W, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(B @ V[:, 0], product @ V[:, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", ["C", "F", "strided", "integers", "empty"])
def test_it_takes_vectors_of_every_layout(layout):
    rng = np.random.default_rng(0)
    V = rng.integers(-5, 5, size=(8, 10))
    V = {
        "C": V.astype(float),
        "F": np.asfortranarray(V.astype(float)),
        "strided": np.repeat(V.astype(float), 2, axis=1)[:, ::2],
        "integers": V,
        "empty": np.zeros((8, 0)),
    }[layout]
    for B in (hadamard_butterfly(8), dft_butterfly(8)):
        np.testing.assert_allclose(B @ V, B.toarray() @ V, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("chain", CHAINS)
def test_a_vectors_result_does_not_depend_on_its_batch(chain, dtype):
    rng = np.random.default_rng(0)
    B = random_factors(check_chain(chain), rng, dtype)
    for apply, n in ((B.matmat, B.shape[1]), (B.rmatmat, B.shape[0])):
        V = rng.normal(size=(n, 137)).astype(dtype)
        whole = apply(V)
        for columns in ([0], [136], [3, 120], range(5, 29), range(70), range(136, -1, -1)):
            np.testing.assert_array_equal(apply(V[:, list(columns)]), whole[:, list(columns)])


def test_it_is_scipys_linear_operator():
    B = butterfly(scipy.linalg.hadamard(16).astype(float))
    assert isinstance(B, LinearOperator)
    x = np.random.default_rng(0).normal(size=16)
    solution, info = cg(B.H @ B, (B.H @ B) @ x, rtol=1e-12)
    assert info == 0
    np.testing.assert_allclose(solution, x, rtol=1e-9)
    again = pickle.loads(pickle.dumps(B))
    np.testing.assert_array_equal(again @ x, B @ x)
    with pytest.raises(ValueError, match="dimension mismatch"):
        B @ np.ones(15)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 12, 30, 64, 97, 360, 1024])
def test_the_fourier_transform(n):
    x = np.random.default_rng(n).normal(size=(n, 3))
    expected = np.fft.fft(x, axis=0)
    np.testing.assert_allclose(dft_butterfly(n) @ x, expected, atol=1e-12 * n)
    single = dft_butterfly(n, np.complex64) @ x.astype(np.float32)
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, expected, atol=1e-5 * n)


@pytest.mark.parametrize("n", [2, 16, 128])
def test_hadamards_matrix(n):
    np.testing.assert_array_equal(hadamard_butterfly(n).toarray(), scipy.linalg.hadamard(n))


@pytest.mark.parametrize("orthonormalise", [True, False])
@pytest.mark.parametrize("order", ["balanced", "left-to-right"])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_products_are_recovered_exactly(chain, rank, order, orthonormalise, dtype):
    rng = np.random.default_rng(1)
    A = random_factors(check_chain(chain, rank=rank), rng, dtype).toarray()
    B = butterfly(A, chain, rank=rank, order=order, orthonormalise=orthonormalise)
    assert B.relative_error < 1e-13
    np.testing.assert_allclose(B.toarray(), A, atol=1e-12 * np.abs(A).max())
    assert least_relative_error(A, chain, rank=rank) < 1e-13


@pytest.mark.parametrize("n", [4, 16, 64])
def test_factors_are_unique_up_to_scaling(n):
    """Zheng, Riccietti and Gribonval: only a diagonal between neighbours is free."""
    rng = np.random.default_rng(n)
    true = random_factors(square_dyadic(n), rng, "complex128")
    found = butterfly(true.toarray())
    scaling = np.ones(n)
    for place, (ours, theirs) in enumerate(zip(found.factors, true.factors, strict=True)):
        ours, theirs = scaling[:, None] * ours.toarray(), theirs.toarray()
        # ours = theirs diag(s) for one s, which the next factor takes up.
        row = np.argmax(np.abs(theirs), axis=0)
        columns = np.arange(n)
        scaling = ours[row, columns] / theirs[row, columns]
        np.testing.assert_allclose(ours, theirs * scaling, rtol=1e-8, atol=1e-9)
        assert place < len(true.chain) - 1 or np.allclose(scaling, 1.0)


@pytest.mark.parametrize("n", [64, 1024])
def test_the_fourier_matrix_is_factorised(n):
    B = butterfly(np.fft.fft(np.eye(n)), permutation="bit-reversal")
    assert B.relative_error < 1e-14
    assert B.n_parameters == 2 * n * (n.bit_length() - 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("noise", [0.01, 0.3, 100.0])
@pytest.mark.parametrize("chain", CHAINS[:5])
def test_noisy_matrices_are_within_the_constant(chain, noise, seed):
    rng = np.random.default_rng(seed)
    A = random_factors(check_chain(chain), rng).toarray()
    A += noise * np.abs(A).mean() * rng.normal(size=A.shape)
    least = least_relative_error(A, chain)
    cuts = len(chain) - 1
    one_sided = butterfly(A, chain, order="left-to-right").relative_error
    balanced = butterfly(A, chain).relative_error
    rounding = 1e-12
    assert least - rounding <= one_sided <= np.sqrt(cuts) * least + rounding
    assert least - rounding <= balanced <= cuts * least + rounding


def optimised(A, start):
    """Descend from a butterfly's factors, all at once, real and square dyadic."""
    shapes = [v.shape for v in start.values]
    ends = np.cumsum([v.size for v in start.values])[:-1]

    def loss(theta):
        parts = [part.reshape(s) for part, s in zip(np.split(theta, ends), shapes, strict=True)]
        F = [p.dense(v) for p, v in zip(start.chain, parts, strict=True)]
        after = [np.eye(len(A))]
        for f in F[::-1]:
            after.append(f @ after[-1])
        rest, before, slopes = after[-1] - A, np.eye(len(A)), []
        for place, (f, p) in enumerate(zip(F, start.chain, strict=True)):
            slopes.append(p.entries(before.T @ rest @ after[len(F) - 1 - place].T).ravel())
            before = before @ f
        return 0.5 * np.sum(rest**2), np.concatenate(slopes)

    theta = np.concatenate([v.ravel() for v in start.values])
    found = minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.sqrt(2 * found.fun) / np.linalg.norm(A)


@pytest.mark.parametrize("seed", range(3))
def test_optimising_all_factors_gains_no_more_than_the_constant(seed):
    rng = np.random.default_rng(seed)
    A = random_factors(square_dyadic(16), rng).toarray() + rng.normal(size=(16, 16))
    B = butterfly(A, order="left-to-right")
    starts = [B, *(random_factors(B.chain, rng) for _ in range(3))]
    best = min(optimised(A, start) for start in starts)
    assert least_relative_error(A) <= best * (1 + 1e-9)
    assert best <= B.relative_error <= np.sqrt(3) * best


def test_rank_two_fits_better():
    A = np.random.default_rng(0).normal(size=(16, 16))
    errors = [butterfly(A, rank=rank).relative_error for rank in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-13


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
def test_scale_does_not_matter(scale):
    A = np.random.default_rng(0).normal(size=(16, 16))
    reference = butterfly(A).relative_error
    assert butterfly(A * scale).relative_error == pytest.approx(reference, rel=1e-9)


def test_degenerate_matrices():
    for A in (np.zeros((8, 8)), np.eye(8), np.ones((8, 8)), np.diag([1.0] + 7 * [0.0])):
        B = butterfly(A)
        np.testing.assert_allclose(B.toarray(), A, atol=1e-15)
        assert B.relative_error < 1e-15
        assert least_relative_error(A) < 1e-15


def test_entries_outside_the_chains_support_count_as_error():
    A = np.ones((4, 4))
    B = butterfly(A, [(2, 2, 2, 1)])
    np.testing.assert_array_equal(B.toarray(), np.kron(np.eye(2), np.ones((2, 2))))
    assert B.relative_error == pytest.approx(np.sqrt(0.5))
    assert least_relative_error(A, [(2, 2, 2, 1)]) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_factors_have_the_matrix_type(dtype):
    A = np.random.default_rng(0).normal(size=(8, 8)).astype(dtype)
    assert butterfly(A).dtype == dtype
    assert butterfly(np.eye(4, dtype=int)).dtype == np.float64
    assert butterfly(np.eye(4, dtype=np.float16)).dtype == np.float32


@pytest.mark.parametrize("n", [2, 8, 64])
def test_the_order_of_columns_is_found(n):
    rng = np.random.default_rng(n)
    A = random_factors(square_dyadic(n), rng).toarray()
    B = butterfly(A[:, rng.permutation(n)], permutation="search")
    assert B.relative_error < 1e-12
    F = np.fft.fft(np.eye(n))
    assert butterfly(F, permutation="search").relative_error < 1e-14
    assert butterfly(F[:, rng.permutation(n)], permutation="search").relative_error < 1e-14


def test_the_order_of_columns_is_found_for_other_chains():
    rng = np.random.default_rng(0)
    chain = check_chain(CHAINS[1])
    A = random_factors(chain, rng).toarray()
    shuffled = A[:, rng.permutation(12)]
    order = search_order(shuffled, chain)
    assert butterfly(shuffled, chain, permutation=order).relative_error < 1e-13


def test_a_given_order_is_applied_to_columns():
    rng = np.random.default_rng(0)
    A, order = rng.normal(size=(8, 8)), rng.permutation(8)
    B, plain = butterfly(A, permutation=order), butterfly(A[:, order])
    np.testing.assert_allclose(B.toarray()[:, order], plain.toarray(), atol=1e-14)
    V = rng.normal(size=(8, 3))
    np.testing.assert_allclose(B.H @ V, B.toarray().T @ V, atol=1e-12)


def test_bit_reversal_is_its_own_inverse():
    for n in (1, 2, 32):
        order = bit_reversal(n)
        np.testing.assert_array_equal(order[order], np.arange(n))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bits", [None, 3, 9])
def test_a_file_holds_every_bit(dtype, bits, tmp_path):
    B = random_factors(square_dyadic(16), np.random.default_rng(0), dtype)
    B = Butterfly(B.values, B.chain, permutation=bit_reversal(16), relative_error=0.25)
    if bits:
        B = quantise(B, bits, "round")
    path = tmp_path / "b.safetensors"
    B.save(path)
    again = Butterfly.load(path)
    for ours, theirs in zip(again.values, B.values, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again.permutation, B.permutation)
    assert (again.chain, again.relative_error, again.bits) == (B.chain, B.relative_error, B.bits)
    if bits == 3:
        assert B.nbytes < 0.35 * sum(v.nbytes for v in B.values)


def test_altered_files_are_refused(tmp_path):
    path = tmp_path / "b.safetensors"
    dft_butterfly(8).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    changed = [bytearray(whole) for _ in range(60)]
    for data in changed:
        data[rng.integers(len(whole))] ^= 1 << rng.integers(8)
    cut = [whole[:end] for end in (0, 7, 50, len(whole) - 1)]
    reference = dft_butterfly(8)
    for data in [*changed, *cut, b"{}", whole + b"x"]:
        path.write_bytes(bytes(data))
        try:
            again = Butterfly.load(path)
        except ModelFormatError:
            continue
        # What the header's white space and order hide changes nothing.
        np.testing.assert_array_equal(again.toarray(), reference.toarray())
    with pytest.raises(FileNotFoundError):
        Butterfly.load(tmp_path / "none")
    with pytest.raises(OSError, match="none"):
        reference.save(tmp_path / "none" / "b")


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        ([], "at least one pattern"),
        (None, r"a chain must be patterns \(a, b, c, d\), got None"),
        ([(1, 2, 2)], "four integers"),
        (["1221"], "four integers"),
        ([5], "four integers"),
        ([(1, 2, 2.5, 1)], "c of pattern 0 must be an integer"),
        ([(1, 2, 0, 1)], "c of pattern 0 must be at least 1"),
        ([(1, 2, 2, 2), (3, 2, 2, 1)], "4 columns, the second 6 rows"),
        ([(2, 2, 3, 2), (3, 2, 2, 2)], "a = 2 does not divide 3"),
        ([(1, 2, 2, 3), (1, 3, 2, 2)], "d = 2 does not divide 3"),
        ([(1, 2, 3, 4), (2, 6, 2, 1)], "is no integer"),
    ],
)
def test_chains_that_do_not_chain(chain, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_chain(chain)


NAN = np.full((4, 4), np.nan)


@pytest.mark.parametrize(
    ("A", "options", "message"),
    [
        (np.eye(6), {}, "power of two, got 6"),
        (np.ones((4, 8)), {}, r"square matrix, got shape \(4, 8\)"),
        (np.eye(1), {}, "at least 2"),
        (np.eye(4), {"chain": [(1, 2, 2, 3)]}, r"shape \(6, 6\), A has shape \(4, 4\)"),
        (np.eye(4), {"chain": "dyadic"}, "'square-dyadic' or patterns"),
        (np.eye(4), {"order": "random"}, "balanced, left-to-right"),
        (np.eye(4), {"permutation": "random"}, "'bit-reversal', 'search' or an array"),
        (np.eye(4), {"permutation": [0, 1, 2, 2]}, "each of 0, ..., 3 once"),
        (np.eye(4), {"permutation": [0.0, 1.0, 2.0, 3.0]}, "each of 0, ..., 3 once"),
        (np.eye(4), {"rank": 0}, "rank must be at least 1"),
        (np.eye(4), {"rank": 1.5}, "rank must be an integer"),
        (np.eye(4), {"rank": 2, "permutation": "search"}, "chains of rank 1"),
        (NAN, {}, "finite"),
        (np.full((4, 4), np.inf), {}, "finite"),
        (np.zeros((0, 0)), {}, "rows and columns"),
        (np.ones(4), {}, r"got shape \(4,\)"),
        (np.array([["a", "b"], ["c", "d"]]), {}, "dense array of numbers"),
        (scipy.sparse.eye_array(4), {}, "dense array of numbers, got dia_array"),
    ],
)
def test_what_cannot_be_factorised(A, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        butterfly(A, **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([np.ones((1, 1, 2, 2))] * 2, "1 factors, got 2"),
        ([np.ones((1, 2, 2, 1))], r"shape \(1, 1, 2, 2\)"),
        ([np.ones((1, 1, 2, 2), dtype=int)], "one type among"),
        ([np.full((1, 1, 2, 2), np.nan)], "finite"),
    ],
)
def test_values_that_are_no_factors(values, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Butterfly(values, [(1, 2, 2, 1)])


def test_transforms_of_impossible_sizes():
    with pytest.raises(ValueError, match="power of two, got 12"):
        hadamard_butterfly(12)
    with pytest.raises(ValueError, match="at least 1"):
        dft_butterfly(0)
    with pytest.raises(TypeError, match="complex64 or complex128"):
        dft_butterfly(4, np.float64)
    with pytest.raises(ValueError, match="powers of two only"):
        bit_reversal(6)


def test_a_file_that_is_whole_but_no_butterfly_is_refused(tmp_path):
    B = dft_butterfly(8)
    odd = [values.copy() for values in B.values]
    odd[0][0, 0, 0, 0] = np.nan
    write_factors(tmp_path / "b", tuple(odd), B.chain, B.permutation, None, None)
    with pytest.raises(ModelFormatError, match="does not describe a butterfly"):
        Butterfly.load(tmp_path / "b")


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<c16", ">c16", ">f4", ">c8"])
def test_foreign_byte_orders_are_as_the_machines_own(dtype, tmp_path):
    A = scipy.linalg.hadamard(8).astype(dtype)
    for B in (butterfly(A), Butterfly([v.astype(dtype) for v in butterfly(A).values], CHAINS[0])):
        assert B.dtype.isnative
        B.save(tmp_path / "b")
        np.testing.assert_array_equal(Butterfly.load(tmp_path / "b").toarray(), B.toarray())
        np.testing.assert_allclose(B.toarray(), A, atol=1e-6)


def test_nobody_can_change_what_a_butterfly_is():
    given = [values.copy() for values in hadamard_butterfly(8).values]
    order = np.arange(8)[::-1].copy()
    B = Butterfly(given, CHAINS[0], permutation=order)
    before = B.toarray()
    given[0][:], order[:] = 7.0, 0
    for one in (B, pickle.loads(pickle.dumps(B)), copy.deepcopy(B)):
        np.testing.assert_array_equal(one.toarray(), before)
        for array in (*one.values, one.permutation):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
        product = np.linalg.multi_dot([factor.toarray() for factor in one.factors])
        np.testing.assert_array_equal(product, before[:, ::-1])


@pytest.mark.parametrize("relative_error", ["small", -1.0, np.nan, True])
def test_a_relative_error_is_a_number(relative_error):
    values = hadamard_butterfly(8).values
    with pytest.raises((TypeError, ValueError), match="relative_error must be"):
        Butterfly(values, CHAINS[0], relative_error=relative_error)


def test_a_relative_error_of_numpy_is_written(tmp_path):
    values = hadamard_butterfly(8).values
    Butterfly(values, CHAINS[0], relative_error=np.float32(0.5)).save(tmp_path / "b")
    assert Butterfly.load(tmp_path / "b").relative_error == 0.5


def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    path = tmp_path / "b"
    path.write_bytes(b"older")
    path.chmod(0o600)
    hadamard_butterfly(4).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o400)
    with pytest.raises(PermissionError, match="read-only"):
        hadamard_butterfly(8).save(path)
    assert Butterfly.load(path).shape == (4, 4)


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # A reader that never blocks; the file is smaller than a pipe's buffer.
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    hadamard_butterfly(4).save(pipe)
    data = os.read(reader, 2**16)
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    (tmp_path / "b").write_bytes(data)
    assert Butterfly.load(tmp_path / "b").shape == (4, 4)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e-90, 1e90, 1e160, 1e307])
@pytest.mark.parametrize("is_complex", [False, True])
def test_scale_matters_neither_to_a_search_nor_to_complex_matrices(scale, is_complex):
    # Entries of one modulus and few bits, so that tiny multiples of them are themselves.
    A = scipy.linalg.hadamard(16)[:, np.random.default_rng(1).permutation(16)]
    A = A * (1 + 1j) if is_complex else A
    assert butterfly(A * scale, permutation="search").relative_error < 1e-15
    noisy = np.random.default_rng(0).normal(size=(16, 16)) + A
    # A subnormal number has few bits.
    allowed = 1e-2 if scale < 1e-307 else 1e-12
    least = least_relative_error(noisy)
    assert least_relative_error(noisy * scale) == pytest.approx(least, rel=allowed)
    error = butterfly(noisy).relative_error
    assert butterfly(noisy * scale).relative_error == pytest.approx(error, rel=allowed)


def test_numbers_at_the_edge_of_float64_are_factorised():
    A = np.full((4, 4), 1.7e308)
    assert butterfly(A).relative_error < 1e-15
    # The modulus is no float64, the parts are.
    assert butterfly(A * 1j + A).relative_error < 1e-15


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-12, 1e10, 1e37])
def test_single_precision_is_searched_at_every_scale(scale):
    A = scipy.linalg.hadamard(16)[:, np.random.default_rng(1).permutation(16)]
    B = butterfly((A * scale).astype(np.float32), permutation="search")
    assert B.dtype == np.float32
    assert B.relative_error < 1e-6


def test_an_order_is_searched_for_plain_lists_of_patterns():
    chain = [tuple(p) for p in square_dyadic(8)]
    A = scipy.linalg.hadamard(8)
    np.testing.assert_array_equal(
        search_order(A.tolist(), chain), search_order(A, square_dyadic(8))
    )
    with pytest.raises(ValueError, match=r"shape \(8, 8\), A has shape \(4, 4\)"):
        search_order(np.eye(4), chain)
    with pytest.raises(ValueError, match="must be finite"):
        search_order(np.full((8, 8), np.nan), chain)
