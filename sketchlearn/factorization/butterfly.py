"""A product of Kronecker-sparse factors as a linear operator."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from typing import Any, Self, final

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from sketchlearn._kernels.butterfly import apply_complex, apply_real
from sketchlearn._validation import check_count, check_nonnegative
from sketchlearn.exceptions import ModelFormatError
from sketchlearn.factorization.chains import Chain, Pattern, check_chain
from sketchlearn.factorization.files import BUTTERFLY_FILE, write_factors
from sketchlearn.factorization.packing import largest_bits, packed_size
from sketchlearn.sources.exact_values import require_no_mask

# Types that factors and results can have.
PRECISIONS = ("float32", "float64", "complex64", "complex128")


@final
class Butterfly(LinearOperator):
    """The matrix F_1 F_2 ... F_L P of sparse factors and a permutation, applied factor by factor.

    A `scipy.sparse.linalg.LinearOperator`: ``B @ V``, ``B.H @ V``, ``B.T`` and scipy's iterative
    solvers work. Vectors are columns, a batch is (n_columns, k); row-wise data is ``(B @ X.T).T``.
    Real factors keep real data real. A result has the wider of both types. It depends on its vector
    alone: the same bits in any batch.

    Parameters
    ----------
    values : sequence of ndarray (a, d, b, c)
        Entries of the factors, from left to right: ``values[l][i, k, p, q]`` stands in row
        ``(i b + p) d + k`` and column ``(i c + q) d + k`` of factor l. Of one type: float32,
        float64, complex64 or complex128.
    chain : sequence of (a, b, c, d)
        Patterns of the factors, which must chain.
    permutation : ndarray (n_columns,), optional
        Column ``permutation[j]`` of the matrix is column j of the product of the factors.
    relative_error : float, optional
        ``||A - B|| / ||A||`` in the Frobenius norm, where there was a matrix A to factorise.
    bits : int, optional
        Significand bits that every real and imaginary part has at most: then it is stored and
        counted in packed form.

    Attributes
    ----------
    shape, dtype
        As of an array.
    values, chain, permutation, relative_error, bits
        As given, the arrays as copies that cannot be written to; `permutation` is None for the
        identity.

    Raises
    ------
    TypeError, ValueError
        If patterns do not chain, or the arrays are of other shapes or types, not finite, or not
        of so few bits.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import hadamard_butterfly
    >>> B = hadamard_butterfly(4)
    >>> B @ np.array([1.0, 0.0, 0.0, 2.0])
    array([ 3., -1., -1.,  3.])
    >>> B.n_parameters
    16
    """

    def __init__(
        self,
        values: Iterable[np.ndarray],
        chain: Iterable[Sequence[int]],
        *,
        permutation: np.ndarray | None = None,
        relative_error: float | None = None,
        bits: int | None = None,
    ) -> None:
        self.chain: Chain = check_chain(chain)
        arrays = _check_factor_values(list(values), self.chain)
        shape = (self.chain[0].shape[0], self.chain[-1].shape[1])
        self.permutation = None if permutation is None else check_order(permutation, shape[1])
        self.relative_error = (
            None if relative_error is None else check_nonnegative(relative_error, "relative_error")
        )
        self.bits = None if bits is None else check_count(bits, "bits")
        if self.bits is not None and (most := largest_bits(arrays)) > self.bits:
            raise ValueError(f"the factors need {most} bits of significand, got bits={self.bits}")
        # A copy that nobody can change: entries, products and files always agree.
        self._flat = np.concatenate([array.ravel() for array in arrays])
        self._flat.flags.writeable = False
        ends = np.cumsum([array.size for array in arrays])
        self.values = tuple(
            part.reshape(array.shape)
            for part, array in zip(np.split(self._flat, ends[:-1]), arrays, strict=True)
        )
        starts = [0, *ends[:-1].tolist()]
        rows = [(*p, start) for p, start in zip(self.chain, starts, strict=True)]
        self._table = np.array(rows[::-1])
        self._order = np.arange(shape[1]) if self.permutation is None else self.permutation
        super().__init__(self.values[0].dtype, shape)

    @property
    def factors(self) -> tuple[scipy.sparse.csr_array, ...]:
        """The factors as sparse arrays, from left to right; the permutation is not among them."""
        return tuple(map(_to_sparse, self.values, self.chain))

    @property
    def n_parameters(self) -> int:
        """Stored entries of all factors."""
        return sum(pattern.n_parameters for pattern in self.chain)

    @property
    def n_flops(self) -> int:
        """Real multiplications and additions for one vector of the factors' own type."""
        per_entry, saved = (8, 2) if self.dtype.kind == "c" else (2, 1)
        return sum(p.shape[0] * (per_entry * p.c - saved) for p in self.chain)

    @property
    def nbytes(self) -> int:
        """Bytes of the factors' entries in a file: packed to their bits where `bits` is given."""
        if self.bits is None:
            return self._flat.nbytes
        return packed_size(self.values, self.bits)

    def toarray(self) -> np.ndarray:
        """Return the dense matrix."""
        return self.matmat(np.eye(self.shape[1], dtype=self.dtype))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and unpickled ones are built anew: read-only, each entry held once."""
        options = {name: getattr(self, name) for name in ("permutation", "relative_error", "bits")}
        return partial(Butterfly, **options), (self.values, self.chain)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file with a digest, wholly or not at all; quantised factors packed.

        Raises
        ------
        OSError
            If it cannot be written; what was there stays.
        """
        write_factors(
            path, self.values, self.chain, self.permutation, self.relative_error, self.bits
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file that `save` wrote: every entry comes back bit for bit.

        Raises
        ------
        ModelFormatError
            If the file is foreign, truncated, altered or too new.
        OSError
            If it cannot be read.
        """
        values, chain, permutation, relative_error, bits = BUTTERFLY_FILE.load(path)
        try:
            return cls(
                values, chain, permutation=permutation, relative_error=relative_error, bits=bits
            )
        except (TypeError, ValueError) as error:
            raise ModelFormatError(f"the file does not describe a butterfly: {error}") from error

    def _matmat(self, V: np.ndarray) -> np.ndarray:
        """Return B V for V (n_columns, k)."""
        return _apply_factors(self._flat, self._table, V, self._order, np.arange(self.shape[0]))

    def _rmatmat(self, V: np.ndarray) -> np.ndarray:
        """Return the adjoint B^H V for V (n_rows, k)."""
        table = self._table[::-1, [0, 2, 1, 3, 4]]
        return _apply_factors(
            self._conjugate_transpose, table, V, np.arange(self.shape[0]), self._order
        )

    @cached_property
    def _conjugate_transpose(self) -> np.ndarray:
        """Entries of the factors' adjoints, which lie where the factors' do."""
        return np.concatenate(
            [np.conj(array).transpose(0, 1, 3, 2).ravel() for array in self.values]
        )

    def _rmatvec(self, v: np.ndarray) -> np.ndarray:
        return self._rmatmat(v.reshape(-1, 1))


def check_order(permutation: Any, n: int) -> np.ndarray:
    """Return a permutation of 0, ..., n - 1 as int64; ValueError if it is none."""
    order = np.asarray(permutation)
    is_permutation = (
        order.shape == (n,)
        and order.dtype.kind in "iu"
        and np.array_equal(np.sort(order), np.arange(n))
    )
    if not is_permutation:
        raise ValueError(
            f"permutation must hold each of 0, ..., {n - 1} once, got an array of shape "
            f"{order.shape} and type {order.dtype}"
        )
    order = order.astype(np.int64)
    order.flags.writeable = False
    return order


def check_matrix(A: Any) -> np.ndarray:
    """Return a finite non-empty matrix of a butterfly's type; an error if it is none."""
    require_no_mask(A, "A")
    matrix = np.asarray(A)
    if matrix.dtype.kind not in "biufc":
        came = f"type {matrix.dtype}" if isinstance(A, np.ndarray) else type(A).__name__
        raise TypeError(f"A must be a dense array of numbers, got {came}")
    if matrix.ndim != 2 or matrix.size == 0:
        raise ValueError(f"A must be a matrix with rows and columns, got shape {matrix.shape}")
    if matrix.dtype.name not in PRECISIONS:
        wide = np.complex128 if matrix.dtype.kind == "c" else np.float64
        matrix = matrix.astype(np.float32 if matrix.dtype == np.float16 else wide)
    if not np.isfinite(matrix).all():
        raise ValueError("A must be finite, got NaN or infinity")
    return matrix


def _check_factor_values(values: list[Any], chain: Chain) -> tuple[np.ndarray, ...]:
    """Finite arrays of one type, in the machine's byte order, and of the chain's shapes."""
    if len(values) != len(chain):
        raise ValueError(f"expected values of {len(chain)} factors, got {len(values)}")
    arrays = [np.asarray(array) for array in values]
    arrays = [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]
    for place, (array, p) in enumerate(zip(arrays, chain, strict=True)):
        if array.dtype.name not in PRECISIONS or array.dtype != arrays[0].dtype:
            raise TypeError(
                f"values must all be of one type among {', '.join(PRECISIONS)}, got "
                f"{array.dtype} for factor {place}"
            )
        if array.shape != (p.a, p.d, p.b, p.c):
            raise ValueError(
                f"values of factor {place} must have shape {(p.a, p.d, p.b, p.c)} for the pattern "
                f"{tuple(p)}, got {array.shape}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"values of factor {place} must be finite, got NaN or infinity")
    return tuple(arrays)


def _to_sparse(values: np.ndarray, pattern: Pattern) -> scipy.sparse.csr_array:
    i, k, p, q = np.indices(values.shape).reshape(4, -1)
    rows = (i * pattern.b + p) * pattern.d + k
    columns = (i * pattern.c + q) * pattern.d + k
    return scipy.sparse.csr_array((values.ravel(), (rows, columns)), shape=pattern.shape)


def _apply_factors(
    flat: np.ndarray, table: np.ndarray, V: np.ndarray, source: np.ndarray, target: np.ndarray
) -> np.ndarray:
    """Apply factors to the columns of V in the wider of both types."""
    kind = np.result_type(flat.dtype, V.dtype)
    if kind.name not in PRECISIONS:
        if kind.kind not in "fc":
            raise TypeError(f"expected real or complex vectors, got {V.dtype}")
        kind = np.dtype(np.complex128 if kind.kind == "c" else np.float64)
    part = np.zeros(0, dtype=kind).real.dtype
    V = np.ascontiguousarray(V, dtype=kind)
    out = np.empty((len(target), V.shape[1]), dtype=kind)
    a, b, c, d = table.T[:4]
    width = int(max((a * b * d).max(), (a * c * d).max()))
    if flat.dtype.kind == "c":
        pairs = flat.astype(kind, copy=False).view(part).reshape(-1, 2)
        shape = (-1, V.shape[1], 2)
        apply_complex(
            *(pairs, table, V.view(part).reshape(len(source), *shape[1:])),
            *(source, target, width, out.view(part).reshape(len(target), *shape[1:])),
        )
    else:
        real = flat.astype(part, copy=False)
        apply_real(real, table, V.view(part), source, target, width, out.view(part))
    return out
