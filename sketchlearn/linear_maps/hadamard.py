"""A linear map of Walsh-Hadamard transforms: fast where rows are wide, and hardly a byte large."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self, final

import numpy as np

from sketchlearn._kernels.hadamard import LEAST_SIZE, N_ROUNDS, add_squares, transform_rows
from sketchlearn._validation import check_count
from sketchlearn.linear_maps.linear_map import TWO_PI, Index, LinearMap, read_only
from sketchlearn.linear_maps.streams import Stream

# Most columns of a row: products of integers stay exact in float64 up to 2^51.
MOST_FEATURES = 2**17
# Factors are within this of one: products of a row that float32 holds are then held as well.
LARGEST_FACTOR = 2.0**80
# Number of the stream that signs come from, among those of a seed.
SIGNS = 3


@final
class HadamardMap(LinearMap, kind="fast"):
    r"""Blocks of p frequencies, each the rows of :math:`R H D_3 H D_2 H D_1`.

    H is the Walsh-Hadamard matrix of size p, entries 1 and -1; p is the power of two from d on,
    128 at least, and rows of data are padded by zeros to p columns. Each D is a diagonal of signs,
    of which every block has its own, and R one of factors, which give each frequency its length.
    Three rounds make the frequencies as good as orthogonal ones of uniform direction (Yu, Suresh,
    Choromanski, Holtmann-Rice and Kumar, "Orthogonal random features", 2016, section 4). A row
    costs O(m log p) additions instead of O(m d) products, and there is no matrix, neither in memory
    nor in files.

    Parameters
    ----------
    signs : array-like of shape (n_blocks, 3, p / 8) uint8
        The diagonals of each block, :math:`D_1` first, as bits: that of column l is bit l mod 8 of
        byte l // 8, the least significant being bit 0; one stands for -1.
    factors : array-like of shape (n_frequencies,)
        What each row of the products is multiplied by, turns per unit of the data; rounded to
        float32. The first of the n_blocks p rows are the frequencies.
    n_features : int
        Dimension d of a row.

    Raises
    ------
    TypeError, ValueError
        If shapes or values are others, or the factors are of a size that float32 has not.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.linear_maps import LinearMap
    >>> fast = LinearMap.of_kind("fast").draw(np.ones(1000), 784, np.random.default_rng(0))
    >>> fast.project_turns(np.ones((5, 784))).shape
    (5, 1000)
    >>> sum(array.nbytes for array in fast.state().values())
    4392
    """

    def __init__(self, signs: Any, factors: Any, n_features: int) -> None:
        self._d = check_count(n_features, "n_features")
        self._signs, self._factors = read_only(signs, np.uint8), read_only(factors, np.float32)
        p, m = padded_size(self._d), self._factors.size
        if self._factors.ndim != 1 or not m:
            raise ValueError(f"factors must be a vector, got shape {self._factors.shape}")
        expected = (-(-m // p), N_ROUNDS, p // 8)
        if self._signs.shape != expected:
            raise ValueError(f"signs must have shape {expected}, got {self._signs.shape}")
        largest = np.abs(self._factors).max()
        if not 1.0 / LARGEST_FACTOR <= largest <= LARGEST_FACTOR:
            raise ValueError(
                f"factors must be of a size that float32 has, got up to {largest}; rescale the "
                "data to order one"
            )

    @classmethod
    def draw(cls, radii: np.ndarray, n_features: int, rng: np.random.Generator) -> Self:
        """Draw signs, by `draw_signs` of a seed, and factors that give frequencies their lengths.

        See `draw_seeded`.
        """
        return cls.draw_seeded(radii, n_features, int(rng.integers(2**63)))

    @classmethod
    def draw_seeded(cls, radii: np.ndarray, n_features: int, seed: int) -> Self:
        """Return the map of a seed: the same, bit for bit, on any machine.

        Where a row of the products is zero in the first d columns, as happens in one or two
        dimensions, the frequency is zero.

        Parameters
        ----------
        radii : ndarray of shape (m,)
            Lengths of the frequencies, turns per unit.
        n_features : int
            Dimension d of the rows.
        seed : int
            From 0 to 2^64 - 1.
        """
        n_blocks, p = -(-len(radii) // padded_size(n_features)), padded_size(n_features)
        signs = draw_signs(n_blocks, p, seed)
        # Over all p columns, squares of a row add up to p^3: the fewer columns are gone through.
        weights = np.zeros((n_blocks, p))
        if p - n_features < n_features:
            squares = float(p) ** 3 - _sum_squares(signs, weights, n_features, p)[0]
        else:
            squares, _ = _sum_squares(signs, weights, 0, n_features)
        lengths = np.sqrt(squares.reshape(-1)[: len(radii)])
        factors = np.divide(radii, lengths, out=np.zeros(len(radii)), where=lengths > 0.0)
        with np.errstate(over="ignore"):
            return cls(signs, factors, n_features)

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self._d

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return self._factors.size

    @property
    def signs(self) -> np.ndarray:
        """Bits of the diagonals (n_blocks, 3, p / 8), uint8."""
        return self._signs

    @property
    def factors(self) -> np.ndarray:
        """What rows of the products are multiplied by (m,), float32."""
        return self._factors

    @property
    def size(self) -> int:
        """Number p of rows of a block."""
        return 8 * self._signs.shape[2]

    @cached_property
    def padded_factors(self) -> np.ndarray:
        """Factors (n_blocks, p) float32, zero where there is no frequency."""
        factors = np.zeros((len(self._signs), self.size), np.float32)
        factors.reshape(-1)[: self.n_frequencies] = self._factors
        return factors

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ Omega, see `LinearMap.project`."""
        return self.project_turns(np.asarray(X, dtype=np.float64)) * TWO_PI

    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return phases in turns: a row's additions are the same in any batch."""
        return self.project_turns(X)

    def project_turns(self, X: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return X @ Omega / (2 pi), see `LinearMap.project_turns`."""
        rows = np.zeros((len(X), self.size), X.dtype)
        rows[:, : self._d] = X
        blocks = np.empty((len(X), len(self._signs), self.size), X.dtype)
        transform_rows(rows, self._signs.reshape(-1), blocks)
        products = blocks.reshape(len(X), -1)[:, : self.n_frequencies]
        return np.multiply(products, self._factors.astype(X.dtype), out=out)

    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return C @ Omega^T, see `LinearMap.adjoint`."""
        result, p = np.zeros((len(C), self._d), C.dtype), self.size
        last_signs, vectors = np.zeros(p // 8, np.uint8), np.empty((len(C), 1, p), C.dtype)
        factors = (TWO_PI * self._factors.astype(np.float64)).astype(C.dtype)
        for block, signs in enumerate(self._signs):
            columns = slice(block * p, min((block + 1) * p, self.n_frequencies))
            rows = np.zeros((len(C), p), C.dtype)
            rows[:, : columns.stop - columns.start] = C[:, columns] * factors[columns]
            # The transpose of H D3 H D2 H D1 is D1 times H D2 H D3 H.
            transform_rows(rows, np.concatenate([last_signs, signs[2], signs[1]]), vectors)
            first = np.unpackbits(signs[0], count=self._d, bitorder="little")
            result += vectors[:, 0, : self._d] * np.where(first, -1.0, 1.0).astype(C.dtype)
        return result

    @cached_property
    def _squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of squares of the products' rows, and of their columns with squared factors."""
        weights = np.square(self.padded_factors.astype(np.float64))
        return _sum_squares(self._signs, weights, 0, self._d)

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """Squared lengths of the frequencies (m,), float64 squared radians."""
        squares = self._squares[0].reshape(-1)[: self.n_frequencies]
        return squares * np.square(TWO_PI * self._factors.astype(np.float64))

    @cached_property
    def root_mean_squares(self) -> np.ndarray:
        """Root mean squares of Omega's rows (d,) in turns, added in one order on any machine."""
        return np.sqrt(self._squares[1] / self.n_frequencies)

    def take(self, index: Index) -> LinearMap:
        """Return the map of some of the frequencies, which drops blocks behind a first slice."""
        if isinstance(index, slice) and index.indices(self.n_frequencies)[::2] == (0, 1):
            factors = self._factors[index]
            if len(factors):
                return HadamardMap(self._signs[: -(-len(factors) // self.size)], factors, self._d)
        return super().take(index)

    def state(self) -> dict[str, np.ndarray]:
        """Return signs as bits, the factors, and the number of features."""
        n_features = np.array([self._d], dtype=np.int64)
        return {"signs": self._signs, "factors": self._factors, "n_features": n_features}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """Return the map of a state."""
        (n_features,) = state["n_features"].tolist()
        return cls(state["signs"], state["factors"], n_features)


def padded_size(n_features: int) -> int:
    """Return the power of two that rows of so many columns are padded to.

    Raises
    ------
    ValueError
        If there are more than 131,072 columns, beyond which sums would not be exact.
    """
    if n_features > MOST_FEATURES:
        raise ValueError(
            f"fast transforms take rows of up to {MOST_FEATURES} columns, got {n_features}: "
            "reduce them first, as by sklearn.random_projection"
        )
    return max(LEAST_SIZE, 1 << (n_features - 1).bit_length())


def draw_signs(n_blocks: int, size: int, seed: int) -> np.ndarray:
    """Return the bits (n_blocks, 3, size / 8) of a seed: words of its stream, in order.

    The diagonals of the first block come first, and of these the one that is applied first; 64
    signs come from a word, from its least significant bit on.
    """
    words = Stream(seed, SIGNS).words(0, n_blocks * N_ROUNDS * size // 64)
    return words.astype("<u8").view(np.uint8).reshape(n_blocks, N_ROUNDS, size // 8)


def _sum_squares(
    signs: np.ndarray, weights: np.ndarray, first: int, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of squares of products' columns first to stop: of rows, and weighted of each."""
    of_products, of_features = np.zeros(weights.shape), np.zeros(stop - first)
    add_squares(signs.reshape(-1), weights, first, of_features, of_products)
    return of_products, of_features
