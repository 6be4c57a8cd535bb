"""Kernels of sparse factors against their slow twins."""

import naive
import numpy as np
import pytest

from sketchlearn._kernels.butterfly import apply_complex, apply_real
from sketchlearn._kernels.rounding import quantise_complex, quantise_real

pytestmark = pytest.mark.slow

# Of the first factor to be applied first: (a, b, c, d), one that chains with the next or not.
TABLES = [
    [(1, 2, 2, 4), (2, 2, 2, 2)],
    [(2, 3, 1, 2), (1, 2, 4, 3)],
    [(3, 1, 5, 1), (1, 4, 3, 1)],
]


def problem(shapes, n_vectors, rng):
    """Arguments of `apply_complex` but for the output."""
    ends = np.cumsum([0, *(a * b * c * d for a, b, c, d in shapes)])
    table = np.array([(*s, e) for s, e in zip(shapes, ends[:-1], strict=True)])
    n_in, n_out = (int(np.prod(np.delete(s, j))) for s, j in ((shapes[0], 1), (shapes[-1], 2)))
    width = max(max(a * b * d, a * c * d) for a, b, c, d in shapes)
    values = rng.normal(size=(ends[-1], 2))
    vectors = rng.normal(size=(n_in, n_vectors, 2))
    return values, table, vectors, rng.permutation(n_in), rng.permutation(n_out), width


@pytest.mark.parametrize("n_vectors", [0, 1, 7, 16, 33])
@pytest.mark.parametrize("shapes", TABLES)
def test_factors_are_applied_one_after_the_other(shapes, n_vectors):
    rng = np.random.default_rng(n_vectors)
    *arguments, width = problem(shapes, n_vectors, rng)
    out = np.full((len(arguments[4]), n_vectors, 2), np.nan)
    apply_complex(*arguments, width, out)
    np.testing.assert_allclose(out, naive.apply_complex(*arguments), rtol=1e-12, atol=1e-12)
    values, table, vectors, source, target = arguments
    real = (values[:, 0].copy(), table, vectors[..., 0].copy(), source, target)
    out = np.full((len(target), n_vectors), np.nan)
    apply_real(*real, width, out)
    np.testing.assert_allclose(out, naive.apply_real(*real), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 5), (3, 3)])
def test_pairs_of_real_vectors(m, n, bits):
    rng = np.random.default_rng([m, n, bits])
    X, Y = rng.normal(size=(6, m)), rng.normal(size=(6, n))
    X_out, Y_out, multipliers = np.zeros_like(X), np.zeros_like(Y), np.zeros(6)
    quantise_real(X, Y, bits, X_out, Y_out, multipliers)
    errors = np.linalg.norm(
        X[:, :, None] * Y[:, None] - X_out[:, :, None] * Y_out[:, None], axis=(1, 2)
    )
    np.testing.assert_allclose(errors, naive.quantise_real(X, Y, bits), rtol=1e-9)
    np.testing.assert_array_equal(naive.to_bits(multipliers[:, None] * Y, bits), Y_out)
    np.testing.assert_array_equal(naive.to_bits(X_out, bits), X_out)


@pytest.mark.parametrize("bits", [1, 3, 6])
def test_pairs_of_complex_vectors(bits):
    rng = np.random.default_rng(bits)
    X, Y = rng.normal(size=(5, 2, 2)), rng.normal(size=(5, 4, 2))
    candidates = rng.normal(size=(20, 2))
    X_out, Y_out, multipliers = np.zeros_like(X), np.zeros_like(Y), np.zeros((5, 2))
    quantise_complex(X, Y, bits, candidates, X_out, Y_out, multipliers)
    x, y, x_out, y_out, tried = (
        v[..., 0] + 1j * v[..., 1] for v in (X, Y, X_out, Y_out, candidates)
    )
    errors = np.linalg.norm(
        x[:, :, None] * y[:, None] - x_out[:, :, None] * y_out[:, None], axis=(1, 2)
    )
    np.testing.assert_allclose(errors, naive.quantise_complex(x, y, bits, tried), rtol=1e-9)
