"""Spectral features: the leading eigenvectors of a nearest-neighbour graph's Laplacian."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

Progress = Callable[[float], None]

_RECIPE = 1  # raise it when the features change, so that no cache answers with the old ones
_BLOCK = 1024  # rows whose distances to all others are in memory at once
_SPARE = 6  # candidates beyond n_neighbors, so that float32 rounding loses no true neighbour


def spectral_features(
    X: NDArray[np.float32],
    n_components: int = 10,
    *,
    n_neighbors: int = 10,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Embed rows by the eigenvectors of their neighbour graph, computing each embedding once.

    With W the symmetrised adjacency matrix of the `n_neighbors` nearest neighbours and D its
    degrees, the columns are the eigenvectors of ``I - D^-1/2 W D^-1/2`` for the smallest
    eigenvalues, each of mean square 1 and with its largest entry positive.

    Parameters
    ----------
    X : ndarray of shape (n, p), float32
        The rows, p features each.
    n_components : int, default=10
        Number of eigenvectors kept.
    n_neighbors : int, default=10
        Neighbours of each row, itself apart.
    cache_dir : Path, optional
        Where results are kept between runs; by default ``$SKETCHLEARN_CACHE``, or ``sketchlearn``
        in the user's cache folder.
    progress : callable, optional
        Called with the fraction of the neighbour search that is done.

    Returns
    -------
    ndarray of shape (n, n_components), float64

    References
    ----------
    N. Keriven, N. Tremblay, Y. Traonmilin, R. Gribonval, "Compressive K-means", ICASSP 2017,
    section 4.2: 10 neighbours, 10 eigenvectors. There the graph joins SIFT descriptors, here
    the rows as they are given.
    A. Ng, M. Jordan, Y. Weiss, "On spectral clustering", NIPS 2001.
    """
    X = np.ascontiguousarray(X, dtype=np.float32)
    path = _cache_file(X, n_components, n_neighbors, cache_dir)
    features = _read(path, (len(X), n_components))
    if features is None:
        neighbors = nearest_neighbors(X, n_neighbors, progress=progress)
        features = laplacian_eigenvectors(neighbors, n_components)
        _write(path, features)
    return features


def nearest_neighbors(
    X: NDArray[np.float32], n_neighbors: int, *, progress: Progress | None = None
) -> NDArray[np.int64]:
    """Find every row's nearest other rows, exactly, by blocked matrix products.

    Parameters
    ----------
    X : ndarray of shape (n, p), float32
        The rows.
    n_neighbors : int
        How many neighbours, fewer than n.
    progress : callable, optional
        Called with the fraction done.

    Returns
    -------
    ndarray of shape (n, n_neighbors), int64
        Indices, nearest first, the lower index first among equals.

    Raises
    ------
    ValueError
        If there are not more rows than `n_neighbors`.
    """
    n = len(X)
    if not 0 < n_neighbors < n:
        raise ValueError(f"n_neighbors must be between 1 and {n - 1}, got {n_neighbors}")
    half_norms = 0.5 * np.einsum("ij,ij->i", X, X)
    n_candidates = min(n_neighbors + _SPARE, n - 1)
    neighbors = np.empty((n, n_neighbors), dtype=np.int64)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        # |x - y|^2 / 2 less |x|^2 / 2, which orders a row's neighbours as the distance does.
        distances = half_norms - X[rows] @ X.T
        distances[np.arange(len(rows)), rows] = np.inf
        candidates = np.argpartition(distances, n_candidates - 1, axis=1)[:, :n_candidates]
        neighbors[rows] = _nearest_of(X, rows, np.sort(candidates, axis=1), n_neighbors)
        if progress is not None:
            progress(float(rows[-1] + 1) / n)
    return neighbors


def _nearest_of(
    X: NDArray[np.float32], rows: NDArray, candidates: NDArray, n_neighbors: int
) -> NDArray[np.int64]:
    """Order the candidates by distances taken in float64, and keep the first."""
    squares = np.empty(candidates.shape)
    for column in range(candidates.shape[1]):
        difference = X[rows].astype(np.float64) - X[candidates[:, column]]
        squares[:, column] = np.einsum("ij,ij->i", difference, difference)
    order = np.argsort(squares, axis=1, kind="stable")[:, :n_neighbors]
    return np.take_along_axis(candidates, order, axis=1)


def laplacian_eigenvectors(neighbors: NDArray[np.int64], n_components: int) -> NDArray[np.float64]:
    """Compute the leading eigenvectors of a neighbour graph's normalised Laplacian.

    Parameters
    ----------
    neighbors : ndarray of shape (n, q), int
        Each row's neighbours.
    n_components : int
        Number of eigenvectors, fewer than n.

    Returns
    -------
    ndarray of shape (n, n_components), float64
        Columns of mean square 1, each with its largest entry positive, by growing eigenvalue
        of the Laplacian.
    """
    n, q = neighbors.shape
    ones = np.ones(n * q)
    directed = csr_array((ones, neighbors.ravel(), np.arange(0, n * q + 1, q)), shape=(n, n))
    graph = 0.5 * (directed + directed.T)
    scaling = diags_array(1.0 / np.sqrt(graph.sum(axis=1)))
    # The Laplacian's smallest eigenvalues are the normalised adjacency's largest, which
    # Lanczos finds without a factorisation. A fixed start makes the result repeatable.
    start = np.random.default_rng(0).standard_normal(n)
    values, vectors = eigsh(scaling @ graph @ scaling, k=n_components, which="LA", v0=start)
    vectors = vectors[:, np.argsort(-values)] * np.sqrt(n)
    peaks = np.abs(vectors).argmax(axis=0)
    return vectors * np.sign(vectors[peaks, np.arange(n_components)])


def _cache_file(
    X: NDArray[np.float32], n_components: int, n_neighbors: int, cache_dir: Path | None
) -> Path:
    """Name the file that holds these rows' features, by the rows themselves."""
    if cache_dir is None:
        user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        cache_dir = Path(os.environ.get("SKETCHLEARN_CACHE") or user_cache / "sketchlearn")
    recipe = f"{_RECIPE} {X.shape} {n_components} {n_neighbors}"
    digest = hashlib.blake2b(X.data, digest_size=16, person=b"spectral")
    digest.update(recipe.encode())
    return cache_dir / f"spectral-{digest.hexdigest()}.npy"


def _read(path: Path, shape: tuple[int, int]) -> NDArray[np.float64] | None:
    """Load a cached result; a missing or damaged file counts as none."""
    try:
        features = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return features if features.shape == shape else None


def _write(path: Path, features: NDArray[np.float64]) -> None:
    """Store a result so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
        try:
            np.save(file, features, allow_pickle=False)
            file.close()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
