"""The contract of a linear map Omega, and what follows from it for every map."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np

from sketchlearn._registry import Registered, Stateful
from sketchlearn.linear_maps.pairs import FrequencyPairs

TWO_PI = 2.0 * np.pi
# Entries of the projections of unit vectors that the general ways hold at a time.
BLOCK_ENTRIES = 2**20
# Most entries of a block of frequencies, whose waves stay in a cache; entries of a vector register.
BLOCK_SIZE, VECTOR_ENTRIES = 256, 16

Index = slice | np.ndarray


class LinearMap(
    Registered,
    Stateful,
    choice="operator",
    elsewhere={
        "butterfly": "sketchlearn.linear_maps.butterfly",
        "fast": "sketchlearn.linear_maps.hadamard",
    },
):
    r"""An immutable, picklable linear map :math:`x \mapsto \Omega^T x` from d to m dimensions.

    The columns :math:`\omega_j` of :math:`\Omega` are frequencies: radians, or in *turns* radians
    over :math:`2\pi`, per unit of the rows. A new map derives from this class and names its kind,

    >>> class MyMap(LinearMap, kind="my-map"): ...  # doctest: +SKIP

    under which `Sketcher` and files of sketches find it. It defines `n_features`, `n_frequencies`,
    `project`, `adjoint`, `project_reproducibly` and `state`, and `draw` if sketchers are to draw
    it. All else follows from these, block by block: no more than some megabytes of :math:`\Omega`
    are ever held. Override what the map can do faster.

    Attributes
    ----------
    kind : str
        Name of the kind, of small letters, digits and hyphens.
    """

    kind: ClassVar[str]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_features} x {self.n_frequencies})"

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Dimension d of a row."""

    @property
    @abstractmethod
    def n_frequencies(self) -> int:
        """Number m of frequencies."""

    @property
    def drawn_kind(self) -> str:
        """Kind of the map that was drawn, whatever was done to it since."""
        return self.kind

    @abstractmethod
    def project(self, X: np.ndarray) -> np.ndarray:
        """Return X @ Omega, (n, m) float64 radians, of rows (n, d)."""

    @abstractmethod
    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return C @ Omega^T, (n, d) in C's float type, of coefficients (n, m)."""

    @abstractmethod
    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return X @ Omega / (2 pi), (n, m) float64 turns, of float64 rows (n, d).

        Bit for bit, each row's result depends on that row alone: neither on the rows beside it nor
        on their number. Sketches are exact sums because of this. A product of matrices by BLAS is
        not of that kind; sums over features of whole columns are.
        """

    @classmethod
    def draw(cls, radii: np.ndarray, n_features: int, rng: np.random.Generator) -> Self:
        """Draw a map at random.

        Parameters
        ----------
        radii : ndarray of shape (m,)
            Lengths of the frequencies, turns per unit.
        n_features : int
            Dimension d of the rows.
        rng : numpy.random.Generator
            Where the directions come from.
        """
        raise ValueError(f"linear maps of kind {cls.kind!r} are not drawn at random")

    @classmethod
    def kinds_to_draw(cls) -> list[str]:
        """Return the kinds that sketchers can draw: those that define `draw`."""
        refusal = inspect.getattr_static(LinearMap, "draw")
        return [
            kind
            for kind, member in cls.kinds().items()
            if inspect.getattr_static(member, "draw") is not refusal
        ]

    def project_turns(self, X: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return X @ Omega / (2 pi), (n, m) turns in X's float type, into ``out`` if it is there.

        Decoders project with this, in float32.
        """
        turns = self.project(X) / TWO_PI
        if out is None:
            return turns.astype(X.dtype)
        out[...] = turns
        return out

    def project_powers(self, V: np.ndarray, exponent: int, unit: float) -> np.ndarray:
        r"""Return :math:`\sum_l v_l (u \omega_{lj})^p`, (n, m) in V's type, of V (n, d).

        The exponent p is 2 or 4; u is a unit of length, in data units.
        """
        result = np.zeros((len(V), self.n_frequencies))
        for features, block in self._iterate_rows():
            result += V[:, features] @ even_power(unit * block, exponent)
        return result.astype(V.dtype)

    def adjoint_powers(self, P: np.ndarray, exponent: int, unit: float) -> np.ndarray:
        r"""Return :math:`\sum_j p_j (u \omega_{lj})^p`, (n, d) in P's type, of P (n, m)."""
        result = np.empty((len(P), self.n_features), P.dtype)
        for features, block in self._iterate_rows():
            result[:, features] = P @ even_power(unit * block, exponent).T
        return result

    @cached_property
    def squared_norms(self) -> np.ndarray:
        """Squared lengths of the frequencies (m,), float64 squared radians."""
        return np.sum([np.sum(block**2, axis=0) for _, block in self._iterate_rows()], axis=0)

    @cached_property
    def root_mean_squares(self) -> np.ndarray:
        """Root mean squares of Omega's rows (d,), in turns, to 2^-20 of their largest entries.

        On any machine the same, as whether a row is too far away depends on them.
        """
        return np.concatenate(
            [
                root_mean_squares(self.project_reproducibly(np.ascontiguousarray(unit_vectors)))
                for _, unit_vectors in self._unit_vectors()
            ]
        )

    @property
    def frequencies(self) -> np.ndarray:
        """Omega itself, (d, m) float64 radians: for a look at it, as nothing else needs it."""
        return np.concatenate([block for _, block in self._iterate_rows()])

    def rows_in_turns(self) -> Iterator[np.ndarray]:
        """Yield Omega's rows (m,) in turns, float64, on any machine the same."""
        for _, unit_vectors in self._unit_vectors():
            yield from self.project_reproducibly(np.ascontiguousarray(unit_vectors))

    @property
    def in_blocks(self) -> np.ndarray | None:
        """Omega in turns, (n_blocks, d, size) float32, as compiled loops read it; see `in_blocks`.

        None of a map that is no matrix, or has so many rows that products by BLAS are faster.
        """
        return None

    @property
    def pairs(self) -> FrequencyPairs:
        """Which frequencies are exactly twice others; none, as far as a map of no matrix knows."""
        return FrequencyPairs.none()

    def quadratic_form(self, B: np.ndarray) -> np.ndarray:
        r"""Return :math:`\omega_j^T B \omega_j`, (m,) float64, for a matrix B (d, d)."""
        result = np.zeros(self.n_frequencies)
        for features, block in self._iterate_rows():
            result += np.sum(block * self.project(B[features]), axis=0)
        return result

    def gram(self) -> np.ndarray:
        """Return Omega^T Omega, (m, m) float32 squared radians."""
        result = np.zeros((self.n_frequencies, self.n_frequencies), np.float32)
        for _, block in self._iterate_rows():
            result += (block.T @ block).astype(np.float32)
        return result

    def take(self, index: Index) -> LinearMap:
        """Return the map of some of the frequencies: a slice, or indices in any order."""
        return TakenMap(self, np.arange(self.n_frequencies)[index])

    def stretched(self, factors: np.ndarray | float) -> LinearMap:
        """Return the map of rows that are multiplied by factors, one or (d,), beforehand."""
        return StretchedMap(self, np.broadcast_to(factors, self.n_features))

    def _unit_vectors(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the rows of the identity, some at a time, and which of them."""
        d, size = self.n_features, max(1, BLOCK_ENTRIES // (self.n_frequencies + self.n_features))
        for start in range(0, d, size):
            stop = min(start + size, d)
            yield slice(start, stop), np.eye(stop - start, d, start)

    def _iterate_rows(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield rows of Omega, some at a time, and which."""
        for features, unit_vectors in self._unit_vectors():
            yield features, self.project(unit_vectors)


class _DerivedMap(LinearMap):
    """A map that stands before another one; its state holds the other's kind and state."""

    def __init__(self, inner: LinearMap) -> None:
        self.inner = inner

    @property
    def n_features(self) -> int:
        """Dimension d of a row."""
        return self.inner.n_features

    @property
    def drawn_kind(self) -> str:
        """Kind of the map that was drawn."""
        return self.inner.drawn_kind

    def state(self) -> dict[str, np.ndarray]:
        """Return the other map's state, its names after ``of.``, and its kind in bytes."""
        state = {f"of.{name}": array for name, array in self.inner.state().items()}
        return {"kind": np.frombuffer(self.inner.kind.encode(), np.uint8), **state}

    @classmethod
    def inner_of(cls, state: dict[str, np.ndarray]) -> LinearMap:
        """Return the other map of a state."""
        member = LinearMap.of_kind(state["kind"].tobytes().decode())
        prefix = "of."
        own = {name.removeprefix(prefix): a for name, a in state.items() if name.startswith(prefix)}
        return member.from_state(own)


@final
class StretchedMap(_DerivedMap, kind="stretched"):
    """A map of rows multiplied by factors.

    Parameters
    ----------
    inner : LinearMap
        The map.
    factors : array-like of shape (n_features,)
        Finite and positive.

    Raises
    ------
    ValueError
        If the factors are others.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.linear_maps import DenseMap, StretchedMap
    >>> stretched = StretchedMap(DenseMap([[0.25], [0.25]]), [1.0, 10.0])
    >>> stretched.project(np.eye(2)) / np.pi
    array([[0.5],
           [5. ]])
    """

    def __init__(self, inner: LinearMap, factors: Any) -> None:
        super().__init__(inner)
        self._factors = read_only(factors, np.float64)
        if self._factors.shape != (inner.n_features,):
            raise ValueError(
                f"factors must have shape ({inner.n_features},), got {self._factors.shape}"
            )
        if not (np.isfinite(self._factors).all() and np.all(self._factors > 0)):
            raise ValueError("factors must be positive and finite")

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return self.inner.n_frequencies

    @property
    def factors(self) -> np.ndarray:
        """What rows are multiplied by, (n_features,) float64."""
        return self._factors

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return (X * factors) @ Omega, see `LinearMap.project`."""
        return self.inner.project(X * self._factors)

    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return (C @ Omega^T) * factors, see `LinearMap.adjoint`."""
        return (self.inner.adjoint(C) * self._factors).astype(C.dtype)

    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return phases in turns, each of its row alone."""
        return self.inner.project_reproducibly(X * self._factors)

    def stretched(self, factors: np.ndarray | float) -> LinearMap:
        """Return the map of rows that are multiplied by more factors beforehand."""
        both = self._factors * factors
        return self.inner if np.all(both == 1.0) else StretchedMap(self.inner, both)

    def state(self) -> dict[str, np.ndarray]:
        """Return the factors beside the other map's state."""
        return {"factors": self._factors, **super().state()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """Return the map of a state."""
        return cls(cls.inner_of(state), state["factors"])


@final
class TakenMap(_DerivedMap, kind="taken"):
    """Some frequencies of a map.

    Parameters
    ----------
    inner : LinearMap
        The map.
    index : array-like of shape (n_frequencies,) int64
        Which of its frequencies, in their new order.

    Raises
    ------
    ValueError
        If there is no such frequency.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.linear_maps import DenseMap, TakenMap
    >>> TakenMap(DenseMap([[0.25, 0.5, 1.0]]), [2, 0]).project(np.eye(1)) / np.pi
    array([[2. , 0.5]])
    """

    def __init__(self, inner: LinearMap, index: Any) -> None:
        super().__init__(inner)
        self._index = read_only(index, np.int64)
        m = inner.n_frequencies
        if self._index.ndim != 1 or not np.all((self._index >= 0) & (self._index < m)):
            raise ValueError(f"index must be a vector of integers from 0 to {m - 1}")

    @property
    def n_frequencies(self) -> int:
        """Number m of frequencies."""
        return len(self._index)

    def project(self, X: np.ndarray) -> np.ndarray:
        """Return some columns of X @ Omega, see `LinearMap.project`."""
        return self.inner.project(X)[:, self._index]

    def adjoint(self, C: np.ndarray) -> np.ndarray:
        """Return C @ Omega^T for some of Omega's columns, see `LinearMap.adjoint`."""
        padded = np.zeros((len(C), self.inner.n_frequencies), C.dtype)
        np.add.at(padded.T, self._index, C.T)
        return self.inner.adjoint(padded)

    def project_reproducibly(self, X: np.ndarray) -> np.ndarray:
        """Return phases in turns, each of its row alone."""
        return self.inner.project_reproducibly(X)[:, self._index]

    def take(self, index: Index) -> LinearMap:
        """Return the map of some of these frequencies."""
        return TakenMap(self.inner, self._index[index])

    def state(self) -> dict[str, np.ndarray]:
        """Return the indices beside the other map's state."""
        return {"index": self._index, **super().state()}

    @classmethod
    def from_state(cls, state: dict[str, np.ndarray]) -> Self:
        """Return the map of a state."""
        return cls(cls.inner_of(state), state["index"])


def in_blocks(rows: np.ndarray, padding: float = 0.0) -> np.ndarray:
    """Return rows (r, m) in blocks of some of their entries, (n_blocks, r, size), one dtype.

    All blocks are of one size, a multiple of whole vectors, up to `BLOCK_SIZE`; the last one is
    padded.

    Examples
    --------
    >>> import numpy as np
    >>> from sketchlearn.linear_maps.linear_map import in_blocks
    >>> in_blocks(np.ones((3, 500))).shape
    (2, 3, 256)
    """
    n_rows, m = rows.shape
    n_blocks = -(-m // BLOCK_SIZE)
    size = -(-m // (n_blocks * VECTOR_ENTRIES)) * VECTOR_ENTRIES
    padded = np.full((n_rows, n_blocks * size), padding, rows.dtype)
    padded[:, :m] = rows
    return np.ascontiguousarray(padded.reshape(n_rows, n_blocks, size).swapaxes(0, 1))


def even_power(values: np.ndarray, exponent: int) -> np.ndarray:
    """Return squares, or the squares of squares where the exponent is 4."""
    squares = values**2
    return squares if exponent == 2 else squares**2


def root_mean_squares(turns: np.ndarray) -> np.ndarray:
    """Root mean squares of rows (d, m), to 2^-20 of their largest entries.

    What they decide must not depend on the order in which a machine adds, so that the squares are
    added as integers.
    """
    largest = np.abs(turns).max(axis=1, keepdims=True).astype(np.float64)
    _, exponents = np.frexp(largest)
    scaled = np.rint(np.ldexp(turns.astype(np.float64), 20 - exponents)).astype(np.int64)
    means = np.square(scaled).sum(axis=1) / turns.shape[1]
    return np.asarray(np.ldexp(np.sqrt(means), exponents[:, 0] - 20))


def read_only(array: Any, dtype: Any) -> np.ndarray:
    """Return a read-only contiguous copy; of complex numbers, a TypeError."""
    if np.iscomplexobj(array):
        raise TypeError("expected real numbers, got complex ones")
    with np.errstate(over="ignore"):
        copy: np.ndarray = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy
