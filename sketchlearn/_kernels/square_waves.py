"""Means of signs of cosine and sine of Gaussian phases, and their derivatives, in float64."""

import math

import numpy as np

from sketchlearn._kernels._policy import POLICY, helper, kernel

# Standard deviation of a phase, in radians, from which four waves are all that signs are.
_WIDE = 0.6
# How many of them an edge must be away not to be felt; and the least that counts as one.
_FAR, _LEAST = 8.0, 1e-3
_HALF_PI, _QUARTER_PI = 0.5 * math.pi, 0.25 * math.pi
_ROOT_2, _ROOT_2PI = math.sqrt(2.0), math.sqrt(2.0 * math.pi)


@helper()
def _few_waves(angle, log_envelope, is_sine):
    """Mean of the wave's first four waves, its slope in the angle and in the log-envelope."""
    c, s = math.cos(angle), math.sin(angle)
    # Twice the angle, to go on from one odd multiple to the next.
    c2, s2 = c * c - s * s, 2.0 * c * s
    damping, more = math.exp(log_envelope), math.exp(8.0 * log_envelope)
    step = more
    value = in_angle = in_envelope = 0.0
    sign = 1.0
    for multiple in (1.0, 3.0, 5.0, 7.0):
        if is_sine:
            value += damping * s / multiple
            in_angle += damping * c
            in_envelope += damping * s * multiple
        else:
            value += sign * damping * c / multiple
            in_angle -= sign * damping * s
            in_envelope += sign * damping * c * multiple
            sign = -sign
        c, s = c * c2 - s * s2, s * c2 + c * s2
        # From exp(a^2 L) to exp((a + 2)^2 L): by exp(8 L), exp(16 L), exp(24 L).
        damping *= step
        step *= more
    return value, in_angle, in_envelope


@helper()
def _edges(angle, width):
    """The same of pi / 4 times the sign of a cosine, where phases vary little."""
    angle -= 2.0 * math.pi * np.rint(angle / (2.0 * math.pi))
    side = 1.0 if angle >= 0.0 else -1.0
    angle = abs(angle)
    distance = _HALF_PI - angle
    if abs(distance) > _FAR * width:
        return (_QUARTER_PI if distance > 0.0 else -_QUARTER_PI), 0.0, 0.0
    value, slope, curvature = -1.0, 0.0, 0.0
    # Rises at -pi / 2 and 3 pi / 2, a fall at pi / 2.
    for edge, rise in ((-_HALF_PI, 1.0), (_HALF_PI, -1.0), (3.0 * _HALF_PI, 1.0)):
        away = (angle - edge) / width
        value += rise * (1.0 + math.erf(away / _ROOT_2))
        density = rise * 2.0 * math.exp(-0.5 * away * away) / (_ROOT_2PI * width)
        slope += density
        curvature -= density * away / width
    # Widths are the root of minus twice the log-envelope, and heat spreads what they blur.
    return _QUARTER_PI * value, side * _QUARTER_PI * slope, -_QUARTER_PI * curvature


@kernel()
def expect_signs(turns, log_envelopes, dither, out, policy=POLICY):
    """Fill means of ``pi / 4 exp(-i x) (sign cos(t + x) + i sign sin(t + x))``, and derivatives.

    ``turns`` is (k, m) and ``dither`` (m,), both in turns, ``log_envelopes`` (k, m) or (1, m),
    minus half the variances of t in radians. ``out`` (3, k, m) complex128 are the means, what they
    change with t, and with the log-envelopes.
    """
    n_atoms, n_frequencies = turns.shape
    is_shared = log_envelopes.shape[0] == 1
    for k in range(n_atoms):
        envelopes = log_envelopes[0 if is_shared else k]
        for j in range(n_frequencies):
            angle = 2.0 * math.pi * (turns[k, j] + dither[j])
            width = max(math.sqrt(-2.0 * min(envelopes[j], 0.0)), _LEAST)
            if width >= _WIDE:
                real = _few_waves(angle, envelopes[j], False)
                imaginary = _few_waves(angle, envelopes[j], True)
            else:
                real = _edges(angle, width)
                imaginary = _edges(angle - _HALF_PI, width)
            x = 2.0 * math.pi * dither[j]
            back = complex(math.cos(x), -math.sin(x))
            for i in range(3):
                out[i, k, j] = back * complex(real[i], imaginary[i])
