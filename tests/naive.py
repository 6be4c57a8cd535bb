"""Slow, obvious twins of the kernels: what they must compute, in as few steps as can be."""

import numpy as np


def sketch_mean(X, frequencies, weights=None):
    """Weighted mean of exp(i X @ frequencies), in float64."""
    waves = np.exp(1j * (np.asarray(X, dtype=np.float64) @ frequencies))
    return np.average(waves, axis=0, weights=weights)


def half_angle_sums(phases, units=None):
    """Sums of sin^2(pi t) and sin(pi t) cos(pi t) of phases (n, m) in turns, units of 2^-22.

    With fixed-point weights, multiples of 2^-20, each row's product is rounded half up.
    """
    c = np.rint(np.sin(np.pi * phases) ** 2 * 2**22).astype(np.int64)
    s = np.rint(np.sin(np.pi * phases) * np.cos(np.pi * phases) * 2**22).astype(np.int64)
    if units is None:
        return np.stack([c.sum(axis=0), s.sum(axis=0)])
    return np.stack(
        [sum((q * w + 2**19) // 2**20 for q, w in zip(f, units, strict=True)) for f in (c, s)]
    )
