"""Data of `pareto.py`, as files of float32 rows, written block by block where they are many."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.suite import mnist, mnist_pca, mnist_spectral

Block = NDArray[np.float32]

BLOCK_ROWS = 100_000
# Rows that mixtures are judged on, none of which they were fitted to.
N_JUDGED = 10_000


@dataclass(frozen=True)
class ParetoSet:
    """How many clusters to look for, and ``blocks(seed)``, whose rows are in random order.

    ``is_real`` are rows that are the same for every seed; ``n_seeds`` how many are worth the time;
    ``has_mixtures`` whether mixtures of so many components are fitted, too.
    """

    n_clusters: int
    blocks: Callable[[int], Iterator[NDArray]]
    is_real: bool = False
    n_seeds: int = 100
    has_mixtures: bool = False


def blobs(seed: int, n: int) -> Iterator[NDArray]:
    """Ten unit Gaussians in 10 dimensions, which overlap a little."""
    rng = np.random.default_rng([seed, 50])
    centers = 2.0 * rng.standard_normal((10, 10))
    for first in range(0, n, BLOCK_ROWS):
        labels = rng.integers(10, size=min(BLOCK_ROWS, n - first))
        yield centers[labels] + rng.standard_normal((len(labels), 10))


def subjects(seed: int, n: int, d: int, k: int) -> Iterator[NDArray]:
    """Unit vectors around k directions, as embeddings of texts on k subjects are."""
    rng = np.random.default_rng([seed, 51])
    centers = rng.standard_normal((k, d))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    rows = centers[rng.integers(k, size=n)] + 2.0 * rng.standard_normal((n, d)) / np.sqrt(d)
    yield rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cube_and_five(seed: int, n: int) -> Iterator[NDArray]:
    """A unit cube of 8 dimensions, and five rows near -1000 along every axis."""
    rng = np.random.default_rng([seed, 52])
    rows = rng.random((n, 8))
    rows[rng.choice(n, size=5, replace=False)] -= 1000.0
    yield rows


def halving(seed: int, n: int) -> Iterator[NDArray]:
    """Ten separated Gaussians in 8 dimensions, each of half as many rows as the one before."""
    yield of_sizes(np.random.default_rng([seed, 53]), n, 0.5 ** np.arange(10))


def unequal_sizes(seed: int, n: int) -> Iterator[NDArray]:
    """Twenty separated Gaussians in 8 dimensions; logarithms of their sizes are within 2.5 of 0."""
    rng = np.random.default_rng([seed, 54])
    yield of_sizes(rng, n, np.exp(rng.uniform(-2.5, 2.5, size=20)))


def of_sizes(rng: np.random.Generator, n: int, shares: NDArray) -> NDArray:
    """Rows of separated unit Gaussians of such shares, in random order."""
    counts = np.maximum(np.rint(n * shares / shares.sum()).astype(int), 1)
    centers = 8.0 * rng.standard_normal((len(shares), 8))
    return rng.permutation(np.repeat(centers, counts, axis=0) + rng.normal(size=(sum(counts), 8)))


def real(load: Callable[[], NDArray], seed: int) -> Iterator[NDArray]:
    """A table's rows, in one random order for all seeds."""
    rows = load()
    yield rows[np.random.default_rng(0).permutation(len(rows))]


SETS: dict[str, ParetoSet] = {
    "blobs": ParetoSet(10, partial(blobs, n=100_000), has_mixtures=True),
    "MNIST PCA-20": ParetoSet(
        10, partial(real, lambda: mnist_pca(20)), is_real=True, has_mixtures=True
    ),
    "MNIST spectral": ParetoSet(10, partial(real, mnist_spectral), is_real=True, has_mixtures=True),
    "MNIST pixels": ParetoSet(10, partial(real, lambda: mnist().images), is_real=True, n_seeds=2),
    "16 subjects": ParetoSet(
        16, partial(subjects, n=20_000, d=1024, k=16), n_seeds=2, has_mixtures=True
    ),
    "cube and five": ParetoSet(8, partial(cube_and_five, n=50_000)),
    "halving": ParetoSet(10, partial(halving, n=100_000), has_mixtures=True),
    "unequal sizes": ParetoSet(20, partial(unequal_sizes, n=100_000)),
    "ten million": ParetoSet(10, partial(blobs, n=10_000_000), n_seeds=1),
}


def write_rows(name: str, seed: int, folder: Path) -> Path:
    """Return the file of a set's rows, written unless it is there."""
    one = SETS[name]
    path = folder / f"{name} {0 if one.is_real else seed}.npy"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    begun, n_features = path.with_suffix(".begun"), 0
    with begun.open("wb") as raw:
        for block in one.blocks(seed):
            n_features = block.shape[1]
            np.asarray(block, dtype=np.float32).tofile(raw)
    shape = (begun.stat().st_size // (4 * n_features), n_features)
    whole = path.with_suffix(".whole")
    with begun.open("rb") as raw, whole.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        shutil.copyfileobj(raw, file)
    begun.unlink()
    whole.rename(path)
    return path


def split_rows(name: str, seed: int, folder: Path) -> tuple[Path, Path]:
    """Return files of rows to fit mixtures to, and of rows to judge them on."""
    whole = write_rows(name, seed, folder)
    parts = whole.with_name(f"{whole.stem} fitted.npy"), whole.with_name(f"{whole.stem} judged.npy")
    if not all(part.exists() for part in parts):
        rows = np.load(whole, mmap_mode="r")
        for part, chosen in zip(parts, (rows[:-N_JUDGED], rows[-N_JUDGED:]), strict=True):
            np.save(part, chosen)
    return parts
