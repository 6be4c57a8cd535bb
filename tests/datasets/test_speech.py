"""The AN4 loader and the cepstra, on voices made up."""

import hashlib

import numpy as np
import pytest
from scipy.fft import idct
from speech import small_corpus, voice, wav_bytes, write_archive

from datasets import an4, cepstra


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where an archive would be looked for."""
    monkeypatch.setenv("SKETCHLEARN_DATA", str(tmp_path))
    return tmp_path / "an4" / "an4_wav.tar.gz"


def test_recordings_come_as_written(place):
    samples = voice(np.random.default_rng(0), 120.0, (500.0, 1500.0))
    write_archive(place, {"LICENSE": b"x", "wav/an4_clstk/mabc/an1-mabc-b.wav": wav_bytes(samples)})
    (recording,) = an4.read_an4()
    assert (recording.speaker, recording.name) == ("mabc", "an1-mabc-b")
    assert np.array_equal(recording.samples, samples)


@pytest.mark.slow
def test_recordings_are_streamed(place):
    """The first of them is there before the archive has been read to its damaged end."""
    small_corpus(place)
    place.write_bytes(place.read_bytes()[:-2000])
    recordings = an4.read_an4()
    assert next(recordings).speaker == "f00"
    with pytest.raises(ValueError, match="no whole tar file"):
        list(recordings)


@pytest.mark.parametrize("is_set", [True, False])
def test_a_missing_archive_is_described(place, monkeypatch, is_set):
    if not is_set:
        monkeypatch.delenv("SKETCHLEARN_DATA")
    with pytest.raises(FileNotFoundError, match=r"an4/an4_wav.tar.gz under \$SKETCHLEARN_DATA"):
        list(an4.read_an4())


def test_an_archive_without_recordings_is_refused(place):
    write_archive(place, {"wav/README": b"empty"})
    with pytest.raises(ValueError, match="holds no WAV file"):
        list(an4.read_an4())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("wav/a/fxyz/a.wav", b"RIFF no more", "no WAV file"),
        ("wav/a/fxyz/a.wav", wav_bytes(np.zeros(99), rate=8000), "got 8000 Hz, 1 channels, 16 bit"),
        ("wav/a/fxyz/a.wav", wav_bytes(np.zeros(98), channels=2), "got 16000 Hz, 2 channels"),
        ("wav/a/4you/a.wav", wav_bytes(np.zeros(99)), "expected a folder named for its speaker"),
    ],
)
def test_other_recordings_are_refused(place, name, content, message):
    write_archive(place, {name: content})
    with pytest.raises(ValueError, match=message):
        list(an4.read_an4())


def test_another_archive_is_called_so(place):
    small_corpus(place, n_speakers=2, n_files=1)
    assert "another archive" in an4.source_of(place)
    published = hashlib.sha256(place.read_bytes()).hexdigest()
    assert "verified checksum" in an4.source_of(place, published)


def naive_cepstra(samples, rate=16_000):
    """Frame by frame, from the definitions."""
    sound = samples.astype(float) / 2**15
    emphasised = [sound[0], *(sound[i] - 0.97 * sound[i - 1] for i in range(1, len(sound)))]
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(400) / 399)
    pitches = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 28)
    edges = 700 * (10 ** (pitches / 2595) - 1)
    rows = []
    for start in range(0, len(sound) - 399, 160):
        frame = window * emphasised[start : start + 400]
        t = np.arange(400)
        energies = np.zeros(26)
        for bin_ in range(257):
            wave = np.exp(-2j * np.pi * bin_ * t / 512)
            power = abs(np.sum(frame * wave)) ** 2
            for band in range(26):
                triangle = np.interp(bin_ * rate / 512, edges[band : band + 3], [0.0, 1.0, 0.0])
                energies[band] += power * triangle
        n = np.arange(26) + 0.5
        c = [np.sqrt(2 / 26) * np.sum(np.log(energies) * np.cos(np.pi * q * n / 26))
             for q in range(1, 13)]  # fmt: skip
        rows.append((10 * np.log10(np.mean(sound[start : start + 400] ** 2)), c))
    loudest = max(level for level, _ in rows)
    return np.array([c for level, c in rows if level >= loudest - 30])


@pytest.mark.slow
def test_cepstra_follow_their_definition():
    samples = voice(np.random.default_rng(1), 150.0, (600.0, 1700.0), seconds=0.2)
    samples[2000:] //= 200
    expected = naive_cepstra(samples)
    assert 0 < len(expected) < (len(samples) - 400) // 160 + 1
    found = cepstra.speech_cepstra(samples, subtract_mean=False)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    centred = cepstra.speech_cepstra(samples)
    np.testing.assert_allclose(centred, expected - expected.mean(axis=0), rtol=1e-9, atol=1e-9)


def test_loudness_and_microphone_do_not_matter():
    """A gain shifts c0 alone; a filter shifts every frame alike, so the mean takes it out."""
    samples = voice(np.random.default_rng(2), 110.0, (450.0, 1300.0))
    loud = cepstra.speech_cepstra(samples, subtract_mean=False)
    quiet = cepstra.speech_cepstra(samples // 4, subtract_mean=False)
    assert np.abs(loud - quiet).max() < 0.1
    spectrum = np.fft.rfft(samples.astype(float))
    dark = np.fft.irfft(spectrum * np.linspace(1.0, 0.5, len(spectrum)), len(samples))
    shifted = cepstra.speech_cepstra(dark.astype(np.int16), subtract_mean=False)
    moved = np.abs(shifted.mean(axis=0) - loud.mean(axis=0)).max()
    left = np.abs(cepstra.speech_cepstra(dark.astype(np.int16)) - cepstra.speech_cepstra(samples))
    assert np.median(left) < 0.1 * moved


def test_a_formant_shows_in_the_spectrum_that_the_cepstra_stand_for():
    rng = np.random.default_rng(3)
    peaks = []
    for formant in (500.0, 2500.0):
        mean = cepstra.speech_cepstra(voice(rng, 100.0, (formant,)), subtract_mean=False).mean(0)
        envelope = idct(np.concatenate([[0.0], mean, np.zeros(13)]), norm="ortho")
        peaks.append(np.argmax(envelope))
    assert peaks[0] < peaks[1]


def test_silence_is_finite():
    assert np.isfinite(cepstra.speech_cepstra(np.zeros(8000, dtype=np.int16))).all()


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros(399, dtype=np.int16), 16_000, "at least 400 samples"),
        (np.zeros((2, 800), dtype=np.int16), 16_000, "one channel"),
        (np.zeros(4000, dtype=np.int16), 44_100, "got 44,100"),
    ],
)
def test_unfit_samples_are_refused(samples, rate, message):
    with pytest.raises(ValueError, match=message):
        cepstra.speech_cepstra(samples, rate)
