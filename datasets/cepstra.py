"""Mel-frequency cepstra: what speech sounds like, in twelve numbers a hundredth of a second.

The usual front end of speaker recognition, in scipy: pre-emphasis, overlapping windows, power
spectrum, mel bands, logarithm, discrete cosine transform (Davis and Mermelstein, "Comparison of
parametric representations for monosyllabic word recognition", IEEE Transactions on Acoustics,
Speech and Signal Processing 28(4), 1980).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import dct, rfft
from scipy.signal.windows import hamming

Rows = NDArray[np.float64]

N_CEPSTRA = 12
PRE_EMPHASIS = 0.97
WINDOW_SECONDS, STEP_SECONDS = 0.025, 0.010
N_FFT = 512
N_BANDS = 26
# Frames quieter than the file's loudest by more than this are silence.
SPEECH_DECIBELS = 30.0
# Smallest power taken the logarithm of: digital silence is no infinity.
LEAST_POWER = 1e-10


def speech_cepstra(
    samples: NDArray[np.int16], rate: int = 16_000, *, subtract_mean: bool = True
) -> Rows:
    """Cepstra c1 to c12 of the frames that hold speech.

    Parameters
    ----------
    samples : ndarray of shape (n,), int16
        One recording.
    rate : int, default=16000
        Samples a second, at most 20,000: a window has to fit in 512.
    subtract_mean : bool, default=True
        Whether the recording's mean cepstrum is subtracted ("cmn"). It takes out microphone and
        room, which would otherwise tell speakers apart by where they sat.

    Returns
    -------
    ndarray of shape (n_frames, 12), float64
        Frames every 10 ms whose power, before pre-emphasis, is within 30 dB of the loudest
        one's.

    Raises
    ------
    ValueError
        If the samples are not one-dimensional, or fewer than one window, or the rate is too high.
    """
    length, step = round(WINDOW_SECONDS * rate), round(STEP_SECONDS * rate)
    if length > N_FFT:
        raise ValueError(f"expected at most 20,000 samples a second, got {rate:,}")
    if samples.ndim != 1 or len(samples) < length:
        raise ValueError(
            f"expected one channel of at least {length} samples, got shape {samples.shape}"
        )
    sound = samples / 32768.0
    # Before the emphasis: hiss, which it lifts, is no speech.
    is_kept = is_speech(np.mean(sliding_window_view(sound, length)[::step] ** 2, axis=1))
    emphasised = np.append(sound[0], sound[1:] - PRE_EMPHASIS * sound[:-1])
    frames = sliding_window_view(emphasised, length)[::step][is_kept]
    spectrum = np.abs(rfft(frames * hamming(length), N_FFT)) ** 2
    bands = np.log(np.maximum(spectrum @ mel_bands(rate).T, LEAST_POWER))
    cepstra = dct(bands, type=2, norm="ortho")[:, 1 : N_CEPSTRA + 1]
    return cepstra - cepstra.mean(axis=0) if subtract_mean else cepstra


def is_speech(power: Rows) -> NDArray[np.bool_]:
    """Frames whose power is within 30 dB of the loudest frame's."""
    return np.asarray(power >= power.max() * 10 ** (-SPEECH_DECIBELS / 10))


@cache
def mel_bands(rate: int) -> Rows:
    """Triangles of equal width on the mel scale, from 0 Hz to half the rate, (26, 257)."""
    edges = hertz(np.linspace(0.0, mel(rate / 2), N_BANDS + 2))
    frequencies = np.linspace(0.0, rate / 2, N_FFT // 2 + 1)
    lower, middle, upper = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - lower) / (middle - lower)
    falling = (upper - frequencies) / (upper - middle)
    return np.maximum(np.minimum(rising, falling), 0.0)


def mel(frequency: float | Rows) -> float | Rows:
    """Pitch as heard, of a frequency in hertz."""
    return 2595.0 * np.log10(1.0 + np.asarray(frequency) / 700.0)


def hertz(pitch: Rows) -> Rows:
    """Invert `mel`."""
    return 700.0 * (10.0 ** (pitch / 2595.0) - 1.0)
