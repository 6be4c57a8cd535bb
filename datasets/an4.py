"""AN4: 84 people reading letters, digits and words, one short recording each time."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import wave
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
ARCHIVE = "an4_wav.tar.gz"
SHA256 = "7ccfb37006a244cf531a1f169475839656fd60052165f6b6e933e329772e24a2"


class Recording(NamedTuple):
    """One file of the archive.

    Attributes
    ----------
    speaker : str
        Who speaks; the first letter, f or m, says whether a woman or a man.
    name : str
        Name of the file, without ending.
    samples : ndarray of shape (n,), int16
        16,000 a second.
    """

    speaker: str
    name: str
    samples: NDArray[np.int16]


def archive_path() -> Path:
    """Find the archive.

    Raises
    ------
    FileNotFoundError
        If ``$SKETCHLEARN_DATA/an4/an4_wav.tar.gz`` is not there, with what to put there.
    """
    root = os.environ.get("SKETCHLEARN_DATA")
    path = Path(root or "", "an4", ARCHIVE)
    if not root or not path.is_file():
        raise FileNotFoundError(
            f"the AN4 speech corpus is not here: expected the file an4/{ARCHIVE} under "
            f"$SKETCHLEARN_DATA, which is {root!r}. It is the CMU Alphanumeric (AN4) database of "
            "Carnegie Mellon University, free for any use, as WAV files (16 kHz, one channel, "
            "16 bit) in folders wav/PART/SPEAKER/; see datasets/README.md"
        )
    return path


def read_an4(path: Path | None = None) -> Iterator[Recording]:
    """Read the recordings one by one, straight from the archive; nothing is unpacked to disk.

    Parameters
    ----------
    path : Path, optional
        The archive, a tar file of ``wav/PART/SPEAKER/NAME.wav``. By default the one under
        ``$SKETCHLEARN_DATA``.

    Yields
    ------
    Recording
        In the archive's order.

    Raises
    ------
    FileNotFoundError
        If there is no archive.
    ValueError
        If the archive is damaged or holds no recording, or one that is not 16 kHz, one channel
        and 16 bit, or whose speaker's name says neither woman nor man.
    """
    path = archive_path() if path is None else path
    n_read = 0
    try:
        # "r|" reads forward only: the archive is never held as a whole.
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                place = PurePosixPath(member.name)
                if member.isfile() and place.suffix == ".wav":
                    content = archive.extractfile(member)
                    assert content is not None
                    yield _recording(place, content.read())
                    n_read += 1
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path} is no whole tar file: {error}") from error
    if n_read == 0:
        raise ValueError(f"{path} holds no WAV file")


def _recording(place: PurePosixPath, content: bytes) -> Recording:
    """Check and unpack one WAV file."""
    speaker = place.parent.name
    if speaker[:1] not in ("f", "m"):
        raise ValueError(f"{place}: expected a folder named for its speaker, f... or m...")
    try:
        with wave.open(io.BytesIO(content)) as sound:
            form = sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth()
            frames = sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{place} is no WAV file: {error}") from error
    if form != (RATE, 1, 16):
        raise ValueError(
            f"{place}: expected {RATE} Hz, 1 channel, 16 bit; got {form[0]} Hz, {form[1]} "
            f"channels, {form[2]} bit"
        )
    return Recording(speaker, place.stem, np.frombuffer(frames, dtype="<i2"))


def source_of(path: Path, published: str = SHA256) -> str:
    """Say in a line what an archive is: the one that the published figures are of, or another."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest == published:
        return f"AN4, {path.name} with verified checksum"
    return f"AN4, {path.name}, another archive than the documented one (SHA-256 {digest[:12]}...)"
