"""Waves of atoms and of points, and what their gradients need, in float32.

Phases come in turns (radians over 2 pi). With r = y - rint(y), cos(2 pi y) = 1 - 2 h^2 and
sin(2 pi y) = 2 h g, where h = sin(pi r) and g = cos(pi r) are polynomials in r^2; the error is
under 1e-6, 1e-7 on average, far below what a sketch can resolve.
"""

import numpy as np

from sketchlearn._kernels._policy import COSINE, POLICY, SINE, helper, kernel

_S0, _S1, _S2, _S3, _S4 = (np.float32(c) for c in SINE)
_C0, _C1, _C2, _C3, _C4 = (np.float32(c) for c in COSINE)
_ONE, _TWO = np.float32(1.0), np.float32(2.0)


@helper(inline=True)
def _cosine_sine(y):
    """Cosine and sine of a phase in turns."""
    r = y - np.rint(y)
    u = r * r
    h = r * (_S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * _S4))))
    g = _C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * _C4)))
    return _ONE - _TWO * h * h, _TWO * h * g


@kernel(fastmath=True)
def modulated_waves(turns, envelope, out, policy=POLICY):
    """Fill ``out = [e cos(2 pi t), e sin(2 pi t)]`` for phases ``t`` in turns.

    ``turns`` is (k, m), ``envelope`` (k, m) or (1, m), ``out`` (k, 2 m).
    """
    n_atoms, n_frequencies = turns.shape
    is_shared = envelope.shape[0] == 1
    for k in range(n_atoms):
        e = envelope[0 if is_shared else k]
        # Slices, as an index that might be negative keeps the loop from being vectorised.
        cosines = out[k, :n_frequencies]
        sines = out[k, n_frequencies:]
        for j in range(n_frequencies):
            c, s = _cosine_sine(turns[k, j])
            cosines[j] = e[j] * c
            sines[j] = e[j] * s


@kernel(fastmath=True)
def mix_and_correlate(
    turns, envelope, weights, residual, correlations, in_phase, quadrature, policy=POLICY
):
    """Take weighted atoms off a residual, then correlate each atom with what is left.

    ``turns`` is (k, m), ``envelope`` (k, m) or (1, m), ``weights`` (k,). ``residual`` (2 m,), the
    target on entry, becomes the target less the mixture. ``in_phase`` and ``quadrature``, (k, m),
    are the real and imaginary parts of ``conj(r_j) a_kj``; ``correlations`` (k,) sums the former.
    """
    n_atoms, n_frequencies = turns.shape
    is_shared = envelope.shape[0] == 1
    rc, rs = residual[:n_frequencies], residual[n_frequencies:]
    for k in range(n_atoms):
        e = envelope[0 if is_shared else k]
        w = weights[k]
        cosines, sines = in_phase[k], quadrature[k]
        for j in range(n_frequencies):
            c, s = _cosine_sine(turns[k, j])
            cosines[j] = e[j] * c
            sines[j] = e[j] * s
            rc[j] -= w * cosines[j]
            rs[j] -= w * sines[j]
    for k in range(n_atoms):
        cosines, sines = in_phase[k], quadrature[k]
        total = 0.0
        for j in range(n_frequencies):
            real = rc[j] * cosines[j] + rs[j] * sines[j]
            sines[j] = rc[j] * sines[j] - rs[j] * cosines[j]
            cosines[j] = real
            total += real
        correlations[k] = total


@kernel(fastmath=True)
def correlate_points(turns, residual, correlations, quadrature, policy=POLICY):
    """Correlate waves at points with a residual, without keeping the waves.

    ``turns`` is (n, m), ``residual`` (2 m,). ``correlations`` (n,) are the sums over j of the real
    parts of ``conj(r_j) exp(2 pi i t_ij)``, ``quadrature`` (n, m) the imaginary ones.
    """
    n_points, n_frequencies = turns.shape
    rc, rs = residual[:n_frequencies], residual[n_frequencies:]
    for i in range(n_points):
        parts = quadrature[i]
        total = np.float32(0.0)
        for j in range(n_frequencies):
            c, s = _cosine_sine(turns[i, j])
            total += rc[j] * c + rs[j] * s
            parts[j] = rc[j] * s - rs[j] * c
        correlations[i] = total


@kernel(fastmath=True)
def add_waves(turns, partial, policy=POLICY):
    """Add ``[cos(2 pi t), sin(2 pi t)]`` of every row of ``turns`` (n, m) to ``partial`` (2 m,)."""
    n_points, n_frequencies = turns.shape
    cosines, sines = partial[:n_frequencies], partial[n_frequencies:]
    for i in range(n_points):
        for j in range(n_frequencies):
            c, s = _cosine_sine(turns[i, j])
            cosines[j] += c
            sines[j] += s


@kernel(fastmath=True)
def rotate_in_place(turns, residual, policy=POLICY):
    """Replace each phase by ``Im(conj(r_j) exp(2 pi i t))``, for ``residual`` (2 m,) stacked."""
    n_points, n_frequencies = turns.shape
    rc, rs = residual[:n_frequencies], residual[n_frequencies:]
    for i in range(n_points):
        for j in range(n_frequencies):
            c, s = _cosine_sine(turns[i, j])
            turns[i, j] = rc[j] * s - rs[j] * c
