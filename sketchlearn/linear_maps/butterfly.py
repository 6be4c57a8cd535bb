"""A linear map whose frequencies are rows of a user's fast transform."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self, final

import numpy as np

from sketchlearn.factorization.butterfly import Butterfly
from sketchlearn.factorization.transforms import hadamard_butterfly
from sketchlearn.linear_maps.linear_map import TWO_PI, LinearMap, read_only

N_ROUNDS = 3
# A frequency this much shorter than the longest one, before its length is set, counts as zero.
VANISHING = 1e-3


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
        If B is no such butterfly, or the arrays are of other shapes or values.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.factorization import hadamard_butterfly
    >>> B, signs = hadamard_butterfly(2), [[[1, -1]], [[1, 1]]]
    >>> ButterflyMap(B, signs, [1.0, 1.0, 0.5], 2).project_turns(np.array([[3.0, 1.0]]))
    array([[2., 4., 2.]])
    """

    def __init__(self, butterfly: Butterfly, signs: Any, factors: Any, n_features: int) -> None:
        if not isinstance(butterfly, Butterfly):
            raise TypeError(f"butterfly must be a Butterfly, got {type(butterfly).__name__}")
        n = butterfly.shape[0]
        if butterfly.dtype.kind != "f" or butterfly.shape != (n, n) or not 1 <= n_features <= n:
            raise ValueError(
                f"the butterfly of rows of {n_features} columns must be real and square, and at "
                f"least as large, got one of type {butterfly.dtype} and shape {butterfly.shape}"
            )
        self._butterfly, self._d = butterfly, n_features
        self._factors = read_only(factors, np.float64)
        if self._factors.ndim != 1 or not self._factors.size or not np.isfinite(factors).all():
            raise ValueError(
                f"factors must be a vector of finite numbers, got shape {self._factors.shape}"
            )
        self._signs = read_only(signs, np.float32)
        n_blocks, shape = -(-self._factors.size // n), self._signs.shape
        if len(shape) != 3 or shape[0] != n_blocks or not shape[1] or shape[2] != n:
            raise ValueError(f"signs must have shape ({n_blocks}, n_rounds, {n}), got {shape}")
        if not np.all(np.abs(self._signs) == 1.0):
            raise ValueError("signs must be 1 or -1")

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

        Where a row of the products is zero in the first d columns, as may happen in few dimensions,
        the frequency is zero.

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
        """
        if butterfly is None:
            size = 1 << max(1, (n_features - 1).bit_length())
            butterfly = hadamard_butterfly(size, np.float32)
        n = butterfly.shape[0]
        signs = rng.choice([-1.0, 1.0], size=(-(-len(radii) // n), n_rounds, n))
        unscaled = cls(butterfly, signs, np.ones(len(radii)), n_features)
        lengths = np.sqrt(unscaled.squared_norms) / TWO_PI
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
        B, (n_blocks, n_rounds, n) = self._in_type(X.dtype), self._signs.shape
        vectors = np.zeros((n, 1, len(X)), X.dtype)
        vectors[: self._d, 0] = X.T
        for place in range(n_rounds):
            signed = self._signs[:, place].T[:, :, None] * vectors
            vectors = (B @ signed.reshape(n, -1)).reshape(n, n_blocks, -1)
        products = vectors.transpose(2, 1, 0).reshape(len(X), n_blocks * n)[:, : self.n_frequencies]
        return np.multiply(products, self._factors.astype(X.dtype), out=out)

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
