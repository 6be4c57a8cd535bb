"""A linear map whose frequencies are rows of a user's fast transform."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any, Self, final

import numpy as np

from sketchlearn._validation import check_count
from sketchlearn.factorization.butterfly import Butterfly
from sketchlearn.factorization.transforms import hadamard_butterfly
from sketchlearn.linear_maps.linear_map import TWO_PI, LinearMap, read_only

N_ROUNDS = 3
# A frequency this much shorter than the longest one, before its length is set, counts as zero.
VANISHING = 1e-3
# Signs are drawn again where all frequencies are zero: of a single one in three dimensions, one in
# 15 is.
N_DRAWS = 100
# How near float32 must come to the largest product of a row.
TOLERANCE = 1e-2


@final
class ButterflyMap(LinearMap, kind="butterfly"):
    r"""Blocks of N frequencies, each the rows of :math:`B D_R \cdots B D_2 B D_1`.

    B is a real butterfly of size N, each D a diagonal of signs, of which every block has its own;
    rows of data are padded by zeros to N columns, and every frequency is multiplied by a factor.
    With Hadamard's matrix, three rounds and random signs, frequencies are nearly as good as
    independent uniform directions (Yu, Suresh, Choromanski, Holtmann-Rice and Kumar, 2016, section
    4). A row costs O(m log N) instead of O(m d), and a file holds the factors of B, a bit for each
    sign and a number for each frequency instead of a matrix.

    Parameters
    ----------
    butterfly : Butterfly
        B, real, square, with no fewer columns than the rows of data.
    signs : array-like of shape (n_blocks, n_rounds, N)
        The diagonals, 1 or -1; within a block, the first is applied first.
    factors : array-like of shape (n_frequencies,)
        What each row of the products is multiplied by, turns per unit of the data; the first of
        the n_blocks N rows are the frequencies.
    n_features : int
        Dimension d of a row.

    Raises
    ------
    TypeError, ValueError
        If B is no such butterfly, the arrays are of other shapes or values, or the products or
        frequencies are zero or lost in float32, in which decoders work.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import hadamard_butterfly
    >>> B, signs = hadamard_butterfly(2), [[[1, -1]], [[1, 1]]]
    >>> ButterflyMap(B, signs, [1.0, 1.0, 0.5], 2).project_turns(np.array([[3.0, 1.0]]))
    array([[2., 4., 2.]])
    """

    def __init__(self, butterfly: Butterfly, signs: Any, factors: Any, n_features: int) -> None:
        self._d = check_count(n_features, "n_features")
        # A copy: the user's could be given other factors.
        self._butterfly = copy(_check_butterfly(butterfly, n_features))
        n = butterfly.shape[0]
        self._factors = read_only(factors, np.float64)
        is_finite = np.isfinite(self._factors).all()
        if self._factors.ndim != 1 or not self._factors.size or not is_finite:
            raise ValueError(
                f"factors must be a vector of finite numbers, got shape {self._factors.shape}"
            )
        self._signs = read_only(signs, np.float32)
        n_blocks, shape = -(-self._factors.size // n), self._signs.shape
        if len(shape) != 3 or shape[0] != n_blocks or not shape[1] or shape[2] != n:
            raise ValueError(f"signs must have shape ({n_blocks}, n_rounds, {n}), got {shape}")
        if not np.all(np.abs(self._signs) == 1.0):
            raise ValueError("signs must be 1 or -1")
        self._require_sizes()

    def _require_sizes(self) -> None:
        """Refuse products of a row and frequencies that are zero, or that float32 does not have."""
        row = np.random.default_rng(0).normal(size=(1, self._d))
        exact = self._multiply(row)
        largest, entry = np.abs(exact).max(), max(np.abs(v).max() for v in self._butterfly.values)
        if not _are_float32(largest, entry) or not np.allclose(
            self._multiply(row.astype(np.float32)), exact, rtol=0.0, atol=TOLERANCE * largest
        ):
            raise ValueError(
                "the butterfly's products must not be zero, and of a size that float32 has all "
                f"along: got {largest:.3g} from entries up to {entry:.3g}; multiply its factors by "
                "powers of two"
            )
        factor = np.abs(self._factors).max()
        if not _are_float32(factor, factor * largest):
            raise ValueError(
                "factors, and the frequencies that they make, must be of a size that float32 has, "
                f"got up to {factor:.3g} and {factor * largest:.3g}; rescale the data to order one"
            )

    @classmethod
    def draw(
        cls,
        radii: np.ndarray,
        n_features: int,
        rng: np.random.Generator,
        *,
        butterfly: Butterfly | None = None,
        n_rounds: int = N_ROUNDS,
    ) -> Self:
        """Draw signs, and factors that give every frequency its length.

        Where a row of the products is zero in the first d columns, as may happen in few dimensions
        and does where B is singular, the frequency is zero. The map's B has the factors of the
        given one times powers of two, which changes no frequency.

        Parameters
        ----------
        radii : ndarray of shape (m,)
            Lengths of the frequencies, turns per unit.
        n_features : int
            Dimension d of the rows.
        rng : numpy.random.Generator
            Where the signs come from.
        butterfly : Butterfly, optional
            B; Hadamard's matrix of the next power of two by default.
        n_rounds : int, default=3
            How often B and signs follow each other.

        Raises
        ------
        TypeError, ValueError
            As in the constructor; if all frequencies are zero; if `n_rounds` is below 1.
        """
        n_rounds = check_count(n_rounds, "n_rounds")
        if butterfly is None:
            size = 1 << max(1, (n_features - 1).bit_length())
            butterfly = hadamard_butterfly(size, np.float32)
        butterfly = _in_order_one(_check_butterfly(butterfly, n_features))
        n = butterfly.shape[0]
        for _ in range(N_DRAWS):
            signs = rng.choice([-1.0, 1.0], size=(-(-len(radii) // n), n_rounds, n))
            unscaled = cls(butterfly, signs, np.ones(len(radii)), n_features)
            lengths = np.sqrt(unscaled.squared_norms) / TWO_PI
            if lengths.any():
                break
        else:
            raise ValueError(
                f"the butterfly leaves nothing of rows of {n_features} columns in the first "
                f"{len(radii)} rows of its products"
            )
        is_there = lengths > VANISHING * lengths.max()
        factors = np.divide(radii, lengths, out=np.zeros(len(radii)), where=is_there)
        return cls(butterfly, signs, factors, n_features)

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self._d

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return self._factors.size

    @cached_property
    def _single(self) -> Butterfly:
        """B in float32, as decoders apply it."""
        B = self._butterfly
        values = [array.astype(np.float32) for array in B.values]
        return Butterfly(values, B.chain, permutation=B.permutation)

    def _in_type(self, dtype: Any) -> Butterfly:
        """Return B in a type whose products with vectors of that type stay in it."""
        return self._single if dtype == np.float32 else self._butterfly

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ Omega, see `LinearMap.project`."""
        return self.project_reproducibly(np.asarray(X, dtype=np.float64)) * TWO_PI

    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return phases in turns: a butterfly gives a vector the same bits in any batch."""
        return self.project_turns(X)

    def project_turns(self, X: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return X @ Omega / (2 pi), see `LinearMap.project_turns`."""
        products = self._multiply(X)[:, : self.n_frequencies]
        return np.multiply(products, self._factors.astype(X.dtype), out=out)

    def _multiply(self, X: np.ndarray) -> np.ndarray:
        """Return all rows of all blocks' products with rows X, (n, n_blocks N) in X's type."""
        B, (n_blocks, n_rounds, n) = self._in_type(X.dtype), self._signs.shape
        vectors = np.zeros((n, 1, len(X)), X.dtype)
        vectors[: self._d, 0] = X.T
        for place in range(n_rounds):
            signed = self._signs[:, place].T[:, :, None] * vectors
            vectors = (B @ signed.reshape(n, -1)).reshape(n, n_blocks, -1)
        return vectors.transpose(2, 1, 0).reshape(len(X), n_blocks * n)

    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return C @ Omega^T, see `LinearMap.adjoint`."""
        B, (n_blocks, n_rounds, n) = self._in_type(C.dtype), self._signs.shape
        products = np.zeros((len(C), n_blocks * n), C.dtype)
        products[:, : self.n_frequencies] = C * (TWO_PI * self._factors)
        vectors = np.ascontiguousarray(products.reshape(len(C), n_blocks, n).transpose(2, 1, 0))
        for place in reversed(range(n_rounds)):
            turned = (B.H @ vectors.reshape(n, -1)).reshape(vectors.shape)
            vectors = self._signs[:, place].T[:, :, None] * turned
        return np.ascontiguousarray(vectors[: self._d].sum(axis=1).T)

    def state(self) -> dict[str, np.ndarray]:
        """Return B's factors and what they are, signs as bits, and the frequencies' factors."""
        B = self._butterfly
        permutation = {} if B.permutation is None else {"permutation": B.permutation}
        return {
            "values": np.concatenate([array.ravel() for array in B.values]),
            "chain": np.array(B.chain, dtype=np.int64),
            "signs": np.packbits(self._signs > 0, axis=-1),
            "factors": self._factors,
            "n_features": np.array([self._d], dtype=np.int64),
            **permutation,
        }

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """Return the map of a state."""
        chain = [tuple(map(int, pattern)) for pattern in state["chain"]]
        ends = np.cumsum([a * b * c * d for a, b, c, d in chain])
        values = [
            part.reshape(a, d, b, c)
            for part, (a, b, c, d) in zip(np.split(state["values"], ends)[:-1], chain, strict=True)
        ]
        butterfly = Butterfly(values, chain, permutation=state.get("permutation"))
        bits = np.unpackbits(state["signs"], axis=-1, count=butterfly.shape[0])
        (n_features,) = state["n_features"].tolist()
        return cls(butterfly, 2.0 * bits - 1.0, state["factors"], n_features)


def _check_butterfly(butterfly: Any, n_features: int) -> Butterfly:
    """Return a butterfly that takes rows of so many columns; an error if it is none."""
    if not isinstance(butterfly, Butterfly):
        raise TypeError(f"butterfly must be a Butterfly, got {type(butterfly).__name__}")
    n = butterfly.shape[0]
    if butterfly.dtype.kind != "f" or butterfly.shape != (n, n) or not 1 <= n_features <= n:
        raise ValueError(
            f"the butterfly of rows of {n_features} columns must be real and square, and at "
            f"least as large, got one of type {butterfly.dtype} and shape {butterfly.shape}"
        )
    return butterfly


def _are_float32(*sizes: float) -> bool:
    """Return whether all of these are in the range of float32, and none is zero."""
    limits = np.finfo(np.float32)
    return all(limits.tiny <= size <= limits.max for size in sizes)


def _in_order_one(butterfly: Butterfly) -> Butterfly:
    """Return a butterfly whose factors are multiplied by powers of two, to entries up to 1 or 2."""
    values = [
        np.ldexp(array, 1 - int(np.frexp(np.abs(array).max())[1])) for array in butterfly.values
    ]
    return Butterfly(values, butterfly.chain, permutation=butterfly.permutation)
