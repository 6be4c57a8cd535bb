"""Rank-one matrices of few significand bits.

Rounding to t significand bits adds half a unit to the bits of a float64 and clears what is below:
to nearest, ties away from zero, no limit of the exponent.
"""

import numpy as np

from sketchlearn._kernels._policy import POLICY, helper, kernel


@helper()
def _rounded(array, drop):
    """Round a contiguous float64 array in place to 53 - `drop` bits."""
    if drop == 0:
        return
    words = array.view(np.int64)
    half = np.int64(1) << np.int64(drop - 1)
    mask = ~((np.int64(1) << np.int64(drop)) - np.int64(1))
    for i in range(words.size):
        words[i] = (words[i] + half) & mask


@helper()
def _real_loss(x, y, rounded_x, rounded_y, drop):
    """Round `rounded_x` in place, fill `rounded_y` with what suits it; give multiplier and loss.

    The loss is ||x^ y^T||^2 - 2 (x.x^) (y.y^): the squared error less a constant.
    """
    _rounded(rounded_x, drop)
    product = 0.0
    square = 0.0
    for i in range(x.size):
        product += x[i] * rounded_x[i]
        square += rounded_x[i] * rounded_x[i]
    if square == 0.0:
        rounded_y[:] = 0.0
        return 0.0, 0.0
    multiplier = product / square
    for j in range(y.size):
        rounded_y[j] = multiplier * y[j]
    _rounded(rounded_y, drop)
    other = 0.0
    cross = 0.0
    for j in range(y.size):
        cross += y[j] * rounded_y[j]
        other += rounded_y[j] * rounded_y[j]
    return multiplier, square * other - 2.0 * product * cross


@helper()
def _breakpoints(x, bits):
    """Return the sorted l in [1, 2) at which the rounding of l x changes, 1 and 2 at the ends."""
    steps = 1 << (bits - 1)
    breaks = np.empty(2 * x.size * steps + 2)
    breaks[0] = 1.0
    count = 1
    for i in range(x.size):
        if x[i] == 0.0:
            continue
        significand = abs(x[i])
        while significand >= 2.0:
            significand *= 0.5
        while significand < 1.0:
            significand *= 2.0
        for k in range(steps, 2 * steps):
            middle = (k + 0.5) / steps
            for factor in (1.0, 2.0):
                place = factor * middle / significand
                if 1.0 < place < 2.0:
                    breaks[count] = place
                    count += 1
    breaks[count] = 2.0
    breaks = breaks[: count + 1]
    breaks.sort()
    return breaks


@kernel()
def quantise_real(X, Y, bits, X_out, Y_out, multipliers, policy=POLICY):
    """Quantise x_i y_i^T for each row i of `X` (n, m) and `Y` (n, k), optimally.

    `multipliers` gets the mu_i for which row i of `Y_out` is mu_i y_i, rounded.
    """
    drop = 53 - bits
    trial_x = np.empty(X.shape[1])
    trial_y = np.empty(Y.shape[1])
    for unit in range(X.shape[0]):
        x, y = X[unit], Y[unit]
        breaks = _breakpoints(x, bits)
        best = np.inf
        for piece in range(breaks.size - 1):
            middle = 0.5 * (breaks[piece] + breaks[piece + 1])
            for i in range(x.size):
                trial_x[i] = middle * x[i]
            multiplier, loss = _real_loss(x, y, trial_x, trial_y, drop)
            if loss < best:
                best = loss
                multipliers[unit] = multiplier
                X_out[unit] = trial_x
                Y_out[unit] = trial_y


@helper()
def _fill_rotated(source, re, im, out):
    """Fill `out` (n, 2) with (re + i im) times the complex numbers of `source` (n, 2)."""
    for i in range(source.shape[0]):
        out[i, 0] = re * source[i, 0] - im * source[i, 1]
        out[i, 1] = re * source[i, 1] + im * source[i, 0]


@helper()
def _best_multiplier(x, rounded):
    """Return <x^, x> / ||x^||^2, its real and imaginary parts, and ||x^||^2."""
    re = 0.0
    im = 0.0
    square = 0.0
    for i in range(x.shape[0]):
        re += rounded[i, 0] * x[i, 0] + rounded[i, 1] * x[i, 1]
        im += rounded[i, 0] * x[i, 1] - rounded[i, 1] * x[i, 0]
        square += rounded[i, 0] * rounded[i, 0] + rounded[i, 1] * rounded[i, 1]
    if square == 0.0:
        return 0.0, 0.0, 0.0
    return re / square, im / square, square


@helper()
def _complex_loss(x, y, rounded_x, rounded_y, drop):
    """As `_real_loss`, of complex numbers (n, 2); give the multiplier's parts and the loss."""
    _rounded(rounded_x.reshape(-1), drop)
    re, im, square = _best_multiplier(x, rounded_x)
    _fill_rotated(y, re, im, rounded_y)
    _rounded(rounded_y.reshape(-1), drop)
    # ||x^ (y^ - mu y)||^2 - ||x^||^2 ||mu y||^2, the terms that depend on the candidate.
    loss = 0.0
    for j in range(y.shape[0]):
        u = re * y[j, 0] - im * y[j, 1]
        v = re * y[j, 1] + im * y[j, 0]
        loss += (rounded_y[j, 0] - u) ** 2 + (rounded_y[j, 1] - v) ** 2 - u * u - v * v
    return re, im, square * loss


@kernel()
def quantise_complex(X, Y, bits, candidates, X_out, Y_out, multipliers, policy=POLICY):
    """Quantise x_i y_i^T for each i, `X` (n, m, 2) and `Y` (n, k, 2), from given multipliers of x.

    The best of `candidates` (c, 2) is improved by turns, y^ for x^ and x^ for y^, until the loss
    no longer falls.
    """
    drop = 53 - bits
    trial_x = np.empty(X.shape[1:])
    trial_y = np.empty(Y.shape[1:])
    for unit in range(X.shape[0]):
        x, y = X[unit], Y[unit]
        best = np.inf
        for c in range(candidates.shape[0]):
            _fill_rotated(x, candidates[c, 0], candidates[c, 1], trial_x)
            re, im, loss = _complex_loss(x, y, trial_x, trial_y, drop)
            if loss < best:
                best = loss
                multipliers[unit, 0], multipliers[unit, 1] = re, im
                X_out[unit] = trial_x
                Y_out[unit] = trial_y
        while True:
            re, im, square = _best_multiplier(y, Y_out[unit])
            if square == 0.0:
                break
            _fill_rotated(x, re, im, trial_x)
            re, im, loss = _complex_loss(x, y, trial_x, trial_y, drop)
            if not loss < best:
                break
            best = loss
            multipliers[unit, 0], multipliers[unit, 1] = re, im
            X_out[unit] = trial_x
            Y_out[unit] = trial_y
