"""A few voices made up, in an archive laid out as AN4's."""

import io
import tarfile
import wave

import numpy as np


def voice(rng, pitch, formants, seconds=0.8, rate=16_000):
    """Harmonics of a pitch, louder near the formants, swelling and fading, in a little noise."""
    times = np.arange(round(seconds * rate)) / rate
    sound = np.zeros_like(times)
    glide = pitch * np.exp(0.1 * np.sin(2 * np.pi * rng.uniform(1.0, 3.0) * times))
    phase = 2 * np.pi * np.cumsum(glide) / rate
    for harmonic in range(1, int(4000 / pitch)):
        frequency = harmonic * pitch
        loudness = sum(np.exp(-(((frequency - f) / 150.0) ** 2)) for f in formants)
        sound += loudness * np.sin(harmonic * phase + rng.uniform(0, 2 * np.pi))
    swell = np.sin(np.pi * times / seconds) ** 2
    sound = swell * sound / np.abs(sound).max() + 1e-3 * rng.standard_normal(len(times))
    return np.round(20_000 * np.clip(sound, -1, 1)).astype(np.int16)


def wav_bytes(samples, rate=16_000, channels=1):
    """Pack samples into a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def write_archive(path, contents):
    """Write a tar file of named contents, compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def small_corpus(path, n_speakers=12, n_files=4, seconds=0.8, seed=0):
    """Write an archive of women's and men's voices, each with formants of its own."""
    rng = np.random.default_rng(seed)
    contents = {"LICENSE": b"none: nobody spoke"}
    for i in range(n_speakers):
        gender = "fm"[i % 2]
        pitch = rng.uniform(180, 240) if gender == "f" else rng.uniform(90, 130)
        formants = np.array([500.0, 1500.0, 2500.0]) * rng.uniform(0.75, 1.3, size=3)
        for number in range(n_files):
            vowel = formants * np.array([rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.2), 1.0])
            name = f"wav/made_up/{gender}{i:02d}/word{number}-{gender}{i:02d}.wav"
            contents[name] = wav_bytes(voice(rng, pitch, vowel, seconds))
    write_archive(path, contents)
