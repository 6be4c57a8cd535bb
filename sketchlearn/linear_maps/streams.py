"""Random numbers that are the same on every machine, and in any language that follows the text.

``docs/guide/file_format.md`` says line by line what is computed.
"""

from __future__ import annotations

from typing import final

import numpy as np

# Increment of the stream's state, 2^64 over the golden ratio, and the mixing's two multipliers
# (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIERS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


@final
class Stream:
    """Random numbers by their index: SplitMix64 of a seed and a number of the stream.

    Parameters
    ----------
    seed : int
        From 0 to 2^64 - 1.
    number : int
        Tells the streams of a seed apart.

    Examples
    --------
    >>> from sketchlearn.linear_maps.streams import Stream
    >>> stream = Stream(7, 0)
    >>> bool((stream.words(0, 9)[4:] == stream.words(4, 9)).all())
    True
    """

    def __init__(self, seed: int, number: int) -> None:
        self._state = _mix(np.array([seed], np.uint64), np.array([number], np.uint64))

    def words(self, start: int, stop: int) -> np.ndarray:
        """Return words of 64 bits (stop - start,), by index from ``start`` on."""
        return _mix(self._state, np.arange(start, stop, dtype=np.uint64))

    def uniform(self, start: int, stop: int) -> np.ndarray:
        """Return numbers (stop - start,) within 0 and 1, odd multiples of 2^-53."""
        return to_uniform(self.words(start, stop))


def _mix(state: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return words by index of the generator that starts in a state (1,)."""
    z = state + (index + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> SHIFTS[0])) * MULTIPLIERS[0]
    z = (z ^ (z >> SHIFTS[1])) * MULTIPLIERS[1]
    return np.asarray(z ^ (z >> SHIFTS[2]))


def to_uniform(words: np.ndarray) -> np.ndarray:
    """Return ``(w + 1/2) 2^-52`` of the words' upper 52 bits w: exact."""
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
