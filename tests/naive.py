"""Slow, obvious twins of the kernels: what they must compute, in as few steps as can be.

A twin bears its kernel's name, takes what the kernel reads, and returns what the kernel fills.
"""

from fractions import Fraction

import numpy as np


def sketch_mean(X, frequencies, weights=None):
    """Weighted mean of exp(i X @ frequencies), in float64."""
    waves = np.exp(1j * (np.asarray(X, dtype=np.float64) @ frequencies))
    return np.average(waves, axis=0, weights=weights)


def exact_waves(X, turns, center):
    """exp(2 pi i (X - center) @ turns), whole turns taken off in exact arithmetic."""
    waves = np.empty((len(X), turns.shape[1]), dtype=np.complex128)
    for i, row in enumerate(np.asarray(X, dtype=np.float64).tolist()):
        entries = [Fraction(x) - Fraction(c) for x, c in zip(row, center.tolist(), strict=True)]
        for j, column in enumerate(turns.T.tolist()):
            turn = sum(x * Fraction(w) for x, w in zip(entries, column, strict=True))
            waves[i, j] = np.exp(2j * np.pi * float(turn - round(turn)))
    return waves


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


def pack_tiles(rows, center, slopes, limit, shape, dtype):
    """Tiles of centred rows, zeros for far ones, and which are far."""
    n_tiles, d, tile_rows = shape
    centred = (rows.astype(np.float64) - center).astype(dtype)
    is_far = np.array(
        [not sum((x * s) ** 2 for x, s in zip(r, slopes, strict=True)) <= limit for r in centred]
    )
    flat = np.zeros((n_tiles * tile_rows, d), dtype)
    flat[: len(rows)][~is_far] = centred[~is_far]
    return flat.reshape(n_tiles, tile_rows, d).transpose(0, 2, 1), is_far


def rows_of_tiles(blocks):
    """Rows (n, d) that lie in blocks of tiles, in float64."""
    return blocks.transpose(0, 1, 3, 2).reshape(-1, blocks.shape[2]).astype(np.float64)


def turns_of_groups(turns):
    """Frequencies (d, m) that lie in groups, in float64."""
    return turns.transpose(1, 0, 2).reshape(turns.shape[1], -1).astype(np.float64)


def add_tiles(blocks, turns, n_frequencies):
    """Sums of the features of blocks of tiles, (2, m)."""
    phases = rows_of_tiles(blocks) @ turns_of_groups(turns)[:, :n_frequencies]
    return half_angle_sums(phases)


def add_weighted_tiles(blocks, weights, turns, n_frequencies):
    """Weighted sums of the features of blocks of tiles, (2, m)."""
    phases = rows_of_tiles(blocks) @ turns_of_groups(turns)[:, :n_frequencies]
    return half_angle_sums(phases, weights.ravel())


def waves(turns):
    """exp(2 pi i turns) in float64."""
    return np.exp(2j * np.pi * turns.astype(np.float64))


def stacked(numbers):
    """Real over imaginary parts, along the last axis."""
    return np.concatenate([numbers.real, numbers.imag], axis=-1)


def unstacked(numbers):
    """Complex numbers from real over imaginary parts."""
    real, imaginary = np.split(numbers.astype(np.float64), 2, axis=-1)
    return real + 1j * imaginary


def modulated_waves(turns, envelope):
    """Waves times their envelopes, (k, 2 m)."""
    return stacked(envelope * waves(turns))


def correlate(atoms, residual):
    """Real and imaginary parts of conj(r_j) a_kj."""
    product = np.conj(unstacked(residual)) * unstacked(atoms)
    return product.real, product.imag


def correlate_points(turns, residual):
    """Sums of the real parts of conj(r_j) exp(2 pi i t_ij), and the imaginary parts."""
    in_phase, quadrature = correlate(stacked(waves(turns)), residual)
    return in_phase.sum(axis=1), quadrature


def descend(turns, scale, weights, parameters, target):
    """Cost of a mixture of diagonal Gaussians, and its slopes along weights and parameters.

    Each row of the parameters is a centred location and d logarithms of variances, in units of the
    squared scale.
    """
    d, z = len(turns), unstacked(target)
    frequencies = 2 * np.pi * turns.astype(np.float64)
    squares, spreads = (scale * frequencies) ** 2, np.exp(parameters[:, d:])
    atoms = np.exp(1j * parameters[:, :d] @ frequencies - 0.5 * spreads @ squares)
    left = z - weights @ atoms
    product = np.conj(left) * atoms
    in_locations = 2 * weights[:, None] * (product.imag @ frequencies.T)
    in_shapes = weights[:, None] * spreads * (product.real @ squares.T)
    slopes = np.hstack([in_locations, in_shapes])
    return np.sum(np.abs(left) ** 2), -2 * product.real.sum(axis=1), slopes


def climb(turns, residual, center, box, tau2, n_steps, weakest, points):
    """Points after steps of mean shift, none longer than the kernel's width, kept in the box."""
    for _ in range(n_steps):
        heights, quadrature = correlate_points((points - center) @ turns, residual)
        slopes = -2 * np.pi * quadrature @ turns.T
        steps = slopes / (tau2 * np.maximum(heights, weakest * heights.max())[:, None])
        widths = np.sqrt(tau2) * np.linalg.norm(steps, axis=1, keepdims=True)
        points = np.clip(points + steps / np.maximum(widths, 1.0), *box)
    return points


def mix_and_correlate(turns, envelope, weights, target):
    """Target less the mixture (2 m,); real and imaginary parts of conj(r_j) a_kj."""
    atoms = modulated_waves(turns, envelope)
    residual = target - weights @ atoms
    return residual, *correlate(atoms, residual)


def add_waves(turns, partial):
    """Partial sums (2 m,) plus the waves of every row."""
    return partial + stacked(waves(turns).sum(axis=0))


def rotate_in_place(turns, residual):
    """Im(conj(r_j) exp(2 pi i t_ij))."""
    return (np.conj(unstacked(residual)) * waves(turns)).imag


def multiply_reflections(normal, d):
    """First w columns of the product of reflections that map rows of normal (w, d) onto axes."""
    product = np.eye(d)
    signs = np.ones(d)
    for i, row in enumerate(normal):
        x = np.where(np.arange(d) >= i, row, 0.0)
        sign = 1.0 if x[i] >= 0 else -1.0
        v = x + sign * np.linalg.norm(x) * np.eye(d)[i]
        product = product @ (np.eye(d) - 2.0 * np.outer(v, v) / (v @ v))
        signs[i] = -sign
    return (product * signs)[:, : len(normal)]


def draw_centroids(points, weights, uniform, k):
    """Greedy k-means++: of each centroid's candidates, by quantiles, that with the least left."""
    centroids, uniform = [], list(uniform)
    n_candidates = (len(uniform) - 1) // max(k - 1, 1)
    for c in range(k):
        apart = [min([np.sum((x - y) ** 2) for y in centroids], default=1.0) for x in points]
        sums = np.cumsum(weights * np.array(apart))
        tried = [
            points[np.argmax(sums > u * sums[-1])] for u in uniform[: n_candidates if c else 1]
        ]
        del uniform[: len(tried)]
        left = [
            sum(w * min(np.sum((x - y) ** 2) for y in [*centroids, new])
                for x, w in zip(points, weights, strict=True))
            for new in tried
        ]  # fmt: skip
        centroids.append(tried[int(np.argmin(left))])
    return np.array(centroids)


def move_centroids(points, weights, n_moves, centroids):
    """Where k-means' centroids are after so many moves, each to the weighted mean of its points."""
    for _ in range(n_moves):
        labels = [np.argmin([np.sum((x - c) ** 2) for c in centroids]) for x in points]
        members = [np.equal(labels, c) for c in range(len(centroids))]
        centroids = [np.average(points[own], axis=0, weights=weights[own]) for own in members]
    return np.array(centroids)


def lbfgs_direction(gradient, pairs):
    """``-H gradient`` with H updated by one dense BFGS formula a pair, oldest first."""
    if not pairs:
        return -gradient
    identity = np.eye(len(gradient))
    step, change = pairs[-1]
    inverse = (step @ change) / (change @ change) * identity
    for step, change in pairs:
        curvature = step @ change
        left = identity - np.outer(step, change) / curvature
        inverse = left @ inverse @ left.T + np.outer(step, step) / curvature
    return -inverse @ gradient


def apply_real(values, table, vectors, source, target):
    """Entry by entry into dense factors, then their product."""
    out = np.asarray(vectors)[source]
    for a, b, c, d, place in table:
        factor = np.zeros((a * b * d, a * c * d), dtype=values.dtype)
        for i, k, p, q in np.ndindex(a, d, b, c):
            entry = values[place + ((i * d + k) * b + p) * c + q]
            factor[(i * b + p) * d + k, (i * c + q) * d + k] = entry
        out = factor @ out
    result = np.empty_like(out)
    result[target] = out
    return result


def apply_complex(values, table, vectors, source, target):
    """The same with pairs of real numbers (..., 2) for complex ones."""
    flat, V = values[..., 0] + 1j * values[..., 1], vectors[..., 0] + 1j * vectors[..., 1]
    out = apply_real(flat, table, V, source, target)
    return np.stack([out.real, out.imag], axis=-1)


def to_bits(numbers, bits):
    """Nearest numbers of so many significand bits, ties away from zero."""
    significands, exponents = np.frexp(numbers)
    rounded = np.copysign(np.floor(np.abs(significands) * 2.0**bits + 0.5), significands)
    return np.ldexp(rounded, exponents - bits)


def best_of(x, y, multipliers, round_):
    """The roundings of l x and mu y, over given l, with the least error; and mu."""
    found = []
    for l in multipliers:  # noqa: E741
        x_hat = round_(l * x)
        mu = np.vdot(x_hat, x) / np.vdot(x_hat, x_hat)
        y_hat = round_(mu * y)
        found.append((np.linalg.norm(np.outer(x, y) - np.outer(x_hat, y_hat)), x_hat, y_hat, mu))
    return min(found, key=lambda one: one[0])


def quantise_real(X, Y, bits):
    """Errors of x_i y_i^T: every l between two at which the rounding of l x changes."""
    middles = (np.arange(2 ** (bits - 1), 2**bits) + 0.5) / 2 ** (bits - 1)
    errors = []
    for x, y in zip(X, Y, strict=True):
        breaks = np.concatenate(
            [s * middles / (2 * np.frexp(np.abs(x))[0])[:, None] for s in (1, 2)]
        )
        edges = np.unique([1.0, 2.0, *breaks[(breaks > 1) & (breaks < 2)]])
        tried = (edges[1:] + edges[:-1]) / 2
        errors.append(best_of(x, y, tried, lambda v: to_bits(v, bits))[0])
    return np.array(errors)


def quantise_complex(X, Y, bits, candidates):
    """Errors of x_i y_i^T: the best candidate, improved by turns."""

    def round_(v):
        return to_bits(v.real, bits) + 1j * to_bits(v.imag, bits)

    errors = []
    for x, y in zip(X, Y, strict=True):
        error, _, y_hat, _ = best_of(x, y, candidates, round_)
        while True:
            turn = best_of(x, y, [np.vdot(y_hat, y) / np.vdot(y_hat, y_hat)], round_)
            if not turn[0] < error:
                break
            error, _, y_hat, _ = turn
        errors.append(error)
    return np.array(errors)


def number_of_digits(digits):
    """The integer that digits stand for, lowest first, base 2^28."""
    return sum(int(digit) << (28 * place) for place, digit in enumerate(digits))


def split_rows(rows, center, per_step):
    """Coordinates in steps, as integers (n, d), each rounded once."""
    steps = np.rint((rows.astype(np.float64) - center) * per_step)
    return [[int(step) for step in row] for row in steps]


def weigh_digits(numbers, weights):
    """Weighed coordinates, as integers (n, d)."""
    return [[int(w) * g for g in row] for w, row in zip(weights, numbers, strict=True)]


def add_moments(weighed, numbers, is_full):
    """Sums of weighed coordinates, then of their products with coordinates j <= k, or j = k."""
    d = len(numbers[0])
    pairs = [(j, k) for j in range(d) for k in range(j, d if is_full else j + 1)]
    both = list(zip(weighed, numbers, strict=True))
    first = [sum(u[j] for u, _ in both) for j in range(d)]
    return first + [sum(u[j] * g[k] for u, g in both) for j, k in pairs]


def carry_sums(sums, shift, integers):
    """Integers plus 2^shift times what the sums (places, 2, p) count."""
    totals = [int(i) for i in integers]
    for place, half, entry in np.ndindex(*sums.shape):
        totals[entry] += int(sums[place, half, entry]) << (28 * place + 32 * half + shift)
    return totals


def add_tile_runs(blocks, at, starts, stops, groups, turns, n_frequencies, n_groups, units=None):
    """Sums of the features of each group's runs, (n_groups, 2, m)."""
    phases = rows_of_tiles(blocks) @ turns_of_groups(turns)[:, :n_frequencies]
    sums = np.zeros((n_groups, 2, n_frequencies), np.int64)
    for start, stop, group in zip(starts, stops, groups, strict=True):
        some = slice(max(start - at, 0), max(stop - at, 0))
        own = None if units is None else units.ravel()[some]
        if len(phases[some]):
            sums[group] += half_angle_sums(phases[some], own)
    return sums


def add_weighted_tile_runs(blocks, weights, at, starts, stops, groups, turns, *sizes):
    """Weighted sums of the features of each group's runs, (n_groups, 2, m)."""
    return add_tile_runs(blocks, at, starts, stops, groups, turns, *sizes, units=weights)


def add_run_moments(numbers, weights, starts, stops, groups, is_full, n_groups):
    """Moments of each group's runs of rows of integers, as Python's integers."""
    totals = [[0] * len(add_moments([numbers[0]], [numbers[0]], is_full)) for _ in range(n_groups)]
    for start, stop, group in zip(starts, stops, groups, strict=True):
        rows, units = numbers[start:stop], weights[start:stop]
        weighed = [[w * g for g in row] for w, row in zip(units, rows, strict=True)]
        added = add_moments(weighed, rows, is_full)
        totals[group] = [a + b for a, b in zip(totals[group], added, strict=True)]
    return totals


def sort_by_group(rows, groups):
    """Rows by group, as they come within each, and their indices."""
    order = sorted(range(len(groups)), key=lambda i: groups[i])
    return rows[order], order


def spread_runs(rows, starts, stops, filling, n_places):
    """Rows at the places of runs, the filling elsewhere."""
    places = [i for a, b in zip(starts, stops, strict=True) for i in range(a, b)]
    spread = np.tile(np.asarray(filling, np.float64), (n_places, 1))
    spread[places] = rows
    return spread


def transform_rows(rows, bits):
    """H D3 H D2 H D1 times rows (n, p), (n, b, p) of b blocks of signs, bits (b, 3, p).

    Bits of one turn signs. Each stage adds and takes away in the rows' type, from pairs that are
    p / 2 apart to neighbours.
    """
    p, blocks = rows.shape[1], []
    for block in bits:
        products = rows
        for own in block:
            products = np.where(own, -products, products)
            half = p // 2
            while half:
                pairs = products.reshape(len(rows), -1, 2, half)
                low, high = pairs[:, :, 0], pairs[:, :, 1]
                products = np.stack([low + high, low - high], axis=2).reshape(len(rows), p)
                half //= 2
        blocks.append(products)
    return np.stack(blocks, axis=1)


def add_squares(bits, weights, d):
    """Squares of products of unit vectors, summed over features, and, weighted, over products."""
    squares = np.square(transform_rows(np.eye(d, bits.shape[2]), bits))
    return squares.sum(axis=0), np.einsum("bj,dbj->d", weights, squares)


def add_transforms(packed, bits, factors):
    """Sums of the features of packed rows' phases, (2, b p)."""
    return half_angle_sums(transform_rows(packed, bits).reshape(len(packed), -1) * factors)


def add_weighted_transforms(packed, weights, bits, factors):
    """Sums of the weighted features of packed rows' phases, (2, b p)."""
    return half_angle_sums(transform_rows(packed, bits).reshape(len(packed), -1) * factors, weights)


def pack_rows(rows, center, factors, slopes, limit, p, dtype):
    """Centred and stretched rows padded to (n, p), zeros for far ones, and which are far."""
    packed = np.zeros((len(rows), p), dtype)
    packed[:, : rows.shape[1]] = (rows.astype(np.float64) - center) * factors
    is_far = np.array([not np.sum((row * slopes) ** 2) <= limit for row in packed])
    packed[is_far] = 0.0
    return packed, is_far


def sign_sums(phases, offsets, units=None):
    """Sums of signs of cosine and sine of phases (n, m) in turns, of dithers (offset + 1/2) / 4."""
    radians = 2 * np.pi * (phases + (offsets.astype(np.float64) + 0.5) / 4)
    units = np.full(len(phases), 2**20) if units is None else units
    signs = np.where(np.stack([np.cos(radians), np.sin(radians)]) < 0, -1, 1)
    return np.einsum("cnj,n->cj", signs, units)


def add_sign_tiles(blocks, turns, offsets, weights=None):
    """Sums of signs of rows that lie in blocks of tiles."""
    phases = rows_of_tiles(blocks) @ turns_of_groups(turns)[:, : len(offsets)]
    return sign_sums(phases, offsets, weights)


def add_weighted_sign_tiles(blocks, weights, turns, offsets):
    """Sums of weighted signs of rows that lie in blocks of tiles."""
    return add_sign_tiles(blocks, turns, offsets, weights.reshape(-1))


def add_sign_transforms(packed, bits, factors, offsets, weights=None):
    """Sums of signs of packed rows' phases."""
    phases = transform_rows(packed, bits).reshape(len(packed), -1) * factors
    return sign_sums(phases, offsets, weights)


def add_weighted_sign_transforms(packed, weights, bits, factors, offsets):
    """Sums of weighted signs of packed rows' phases."""
    return add_sign_transforms(packed, bits, factors, offsets, weights)


def expect_signs(turns, log_envelopes, dither):
    """Means of signs of Gaussian phases, and derivatives, (3, k, m): waves up to the 3,999th."""
    log_envelopes = np.broadcast_to(log_envelopes, turns.shape)
    angles, back, total = 2 * np.pi * (turns + dither), np.exp(-2j * np.pi * dither), 0.0
    for s in range(1, 4000, 2):
        damping, sign = np.exp(s * s * log_envelopes), 1 if s % 4 == 1 else -1
        wave = damping * (sign * np.cos(s * angles) + 1j * np.sin(s * angles))
        slope = damping * (-sign * np.sin(s * angles) + 1j * np.cos(s * angles))
        total = total + back * np.array([wave / s, slope, s * wave])
    return total
