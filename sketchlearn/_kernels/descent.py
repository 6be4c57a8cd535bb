"""Mixtures that descend to a target, and points that climb a residual, without leaving the loop.

Frequencies come in blocks of a few hundred, whose waves stay in the first two levels of cache:
``rows`` (n_blocks, d + s, size) float32 are the frequencies in turns, a row a feature, and after
them s rows P of which the binary logarithm of an atom's envelope is ``common + exp(eta) @ P``, with
``common`` (n_blocks, size) float32; ``target`` is (n_blocks, 2, size) float64. What is left of the
last block is padded, with a ``common`` so low that nothing comes of it. For products of matrices
that are too small for BLAS.
"""

import numpy as np

from sketchlearn._kernels._policy import POLICY, helper, kernel
from sketchlearn._kernels.atoms import _cosine_sine
from sketchlearn._kernels.lbfgs import lbfgs_direction

# Minimax fit of 2^f for f from -1/2 to 1/2, relative error 2e-8.
_E0, _E1, _E2, _E3 = (np.float32(c) for c in (1.0, 0.69314718, 0.24022651, 0.05550411))
_E4, _E5, _E6 = (np.float32(c) for c in (0.0096181291, 0.0013333558, 0.00015469732))
_LOWEST, _BIAS, _SHIFT = np.float32(-100.0), np.float32(127.0), np.int32(23)
_ZERO = np.float32(0.0)
_TURN = 2.0 * np.pi
_TO_BINARY = float(np.log2(np.e))


@helper(inline=True)
def _mix_and_correlate(rows, common, target, weights, numbers, d, has_one_shape, work, bits, sums):
    """Return the squared distance of a mixture from the target, and fill ``sums`` (k, d + s + 1).

    An atom's ``numbers`` (k, d + s) float32 are its centred location, and the exponentials of its
    shape, all alike if ``has_one_shape``. Its sums are those of the imaginary parts of
    ``conj(r_j) a_kj`` times turns, of the real ones times P, and of the real ones themselves.
    """
    n_blocks, n_rows, size = rows.shape
    n_atoms = len(weights)
    exponents, envelope = bits.view(np.float32), 2 * n_atoms
    rc, rs = envelope + 1, envelope + 2
    left = np.empty((2, size))
    cost = 0.0
    for k in range(n_atoms):
        for i in range(n_rows + 1):
            sums[k, i] = 0.0
    for b in range(n_blocks):
        for part in range(2):
            for j in range(size):
                left[part, j] = target[b, part, j]
        for k in range(n_atoms):
            sines = n_atoms + k
            is_new = k == 0 or not has_one_shape
            for j in range(size):
                work[sines, j] = _ZERO
                if is_new:
                    work[envelope, j] = common[b, j]
            # Four rows at a time, as one alone is read and written as often as it is added.
            i, last = 0, n_rows if is_new else d
            while i < last:
                out, end = (sines, d) if i < d else (envelope, n_rows)
                c0 = numbers[k, i]
                if i + 4 > end:
                    for j in range(size):
                        work[out, j] += c0 * rows[b, i, j]
                    i += 1
                    continue
                c1, c2, c3 = numbers[k, i + 1], numbers[k, i + 2], numbers[k, i + 3]
                for j in range(size):
                    two = c0 * rows[b, i, j] + c1 * rows[b, i + 1, j]
                    work[out, j] += two + c2 * rows[b, i + 2, j] + c3 * rows[b, i + 3, j]
                i += 4
            if is_new:
                for j in range(size):
                    t = max(work[envelope, j], _LOWEST)
                    n = np.rint(t)
                    f = t - n
                    bits[j] = np.int32(n + _BIAS) << _SHIFT
                    p = _E3 + f * (_E4 + f * (_E5 + f * _E6))
                    work[envelope, j] = _E0 + f * (_E1 + f * (_E2 + f * p))
            for j in range(size):
                c, s = _cosine_sine(work[sines, j])
                e = work[envelope, j] * exponents[j]
                work[k, j] = e * c
                work[sines, j] = e * s
            # Apart: loops over many arrays, which might overlap, are not vectorised.
            w = weights[k]
            for part in range(2):
                for j in range(size):
                    left[part, j] -= w * work[k + part * n_atoms, j]
        for part in range(2):
            for j in range(size):
                cost += left[part, j] * left[part, j]
                work[rc + part, j] = left[part, j]
        for k in range(n_atoms):
            sines = n_atoms + k
            total = _ZERO
            for j in range(size):
                real = work[rc, j] * work[k, j] + work[rs, j] * work[sines, j]
                work[sines, j] = work[rc, j] * work[sines, j] - work[rs, j] * work[k, j]
                work[k, j] = real
                total += real
            sums[k, n_rows] += total
            i = 0
            while i < n_rows:
                part, end = (sines, d) if i < d else (k, n_rows)
                s0, s1, s2, s3 = _ZERO, _ZERO, _ZERO, _ZERO
                if i + 4 > end:
                    for j in range(size):
                        s0 += rows[b, i, j] * work[part, j]
                    sums[k, i] += s0
                    i += 1
                    continue
                for j in range(size):
                    s0 += rows[b, i, j] * work[part, j]
                    s1 += rows[b, i + 1, j] * work[part, j]
                    s2 += rows[b, i + 2, j] * work[part, j]
                    s3 += rows[b, i + 3, j] * work[part, j]
                sums[k, i] += s0
                sums[k, i + 1] += s1
                sums[k, i + 2] += s2
                sums[k, i + 3] += s3
                i += 4
    return cost


@helper(inline=True)
def _evaluate(
    rows, common, target, parameters, freedom, prior, middle, center, scales, x, gradient, weights,
    numbers, work, bits, sums,
):  # fmt: skip
    """Return the cost at a vector of scaled variables, and fill its gradient; see `descend`."""
    n_atoms, d, s = len(parameters), len(center), len(middle)
    first_shape = n_atoms + n_atoms * d
    # By how much the place of a shape differs from atom to atom.
    stride = s if freedom == 2 else 0
    has_one_shape = True
    cost = 0.0
    for k in range(n_atoms):
        weights[k] = x[k] * scales[k]
        for i in range(d):
            at = n_atoms + k * d + i
            numbers[k, i] = x[at] * scales[at] - center[i]
        for i in range(s):
            shape = parameters[k, d + i]
            if freedom > 0:
                at = first_shape + k * stride + i
                shape = x[at] * scales[at]
                if k == 0 or stride > 0:
                    gradient[at] = 0.0
                gradient[at] += 2.0 * prior * (shape - middle[i]) * scales[at]
            numbers[k, d + i] = np.exp(shape)
            has_one_shape = has_one_shape and numbers[k, d + i] == numbers[0, d + i]
            cost += prior * (shape - middle[i]) ** 2
    cost += _mix_and_correlate(
        rows, common, target, weights, numbers, d, has_one_shape, work, bits, sums
    )
    for k in range(n_atoms):
        gradient[k] = -2.0 * sums[k, d + s] * scales[k]
        for i in range(d):
            at = n_atoms + k * d + i
            gradient[at] = 2.0 * _TURN * weights[k] * sums[k, i] * scales[at]
        for i in range(s if freedom > 0 else 0):
            at = first_shape + k * stride + i
            slope = weights[k] * numbers[k, d + i] * sums[k, d + i]
            gradient[at] -= 2.0 / _TO_BINARY * slope * scales[at]
    return cost


@kernel(fastmath=True)
def descend(
    rows, common, target, parameters, freedom, prior, middle, center, scales, lower, upper, most,
    settings, x, gradient, steps, changes, curvatures, past, counts, work, policy=POLICY,
):  # fmt: skip
    """Go on with a bounded minimisation for ``most`` iterations: what `optim.lbfgs.minimise` does.

    Parameters
    ----------
    rows, common, target : ndarrays
        What is to be matched, see above.
    parameters : ndarray of shape (k, d + s)
        What atoms have of shapes that stay.
    freedom : int
        0 if shapes stay, 1 if all atoms share one, 2 if each has its own.
    prior, middle : float and ndarray of shape (s,)
        Factor of the shapes' squared distances from the middle.
    center : ndarray of shape (d,)
        The operator's.
    scales, lower, upper : ndarray of shape (n,)
        What variables are multiplied by to be weights, locations and shapes; and their box.
    most : int
        Iterations.
    settings : ndarray
        Tolerance, first step, least curvature, sufficient decrease, shortest and longest share.
    x, gradient : ndarray of shape (n,)
        Where it is.
    steps, changes, curvatures : ndarrays
        The pairs, as in `lbfgs_direction`.
    past : ndarray of shape (window + 1,)
        Costs, a ring buffer.
    counts : ndarray of int64
        Iterations made, pairs stored, the newest, costs so far, most trials, and whether it ended.
    work : ndarray of shape (2 k + 3, size)
        Working space, float32.
    """
    n, n_rows, size = len(x), rows.shape[1], rows.shape[2]
    n_atoms, n_pairs, window = len(parameters), len(steps), len(past) - 1
    weights, numbers = np.empty(n_atoms), np.empty((n_atoms, n_rows), np.float32)
    sums, bits = np.empty((n_atoms, n_rows + 1)), np.empty(size, np.int32)
    direction, free = np.empty(n), np.zeros(n)
    new_x, new_gradient = x.copy(), np.empty(n)
    tolerance, n_stored, n_costs = settings[0], counts[1], counts[3]
    is_first, is_last = n_costs == 0, False
    cost = past[(n_costs - 1) % (window + 1)]
    slope, length, n_trials = 0.0, 1.0, 0
    last_iteration = counts[0] + most
    while True:
        if n_trials == 0 and not is_first:
            if counts[0] == last_iteration:
                break
            counts[0] += 1
            for i in range(n):
                g = gradient[i]
                is_held = (x[i] <= lower[i] and g > 0.0) or (x[i] >= upper[i] and g < 0.0)
                free[i] = 0.0 if is_held else g
            lbfgs_direction(free, steps, changes, curvatures, n_stored, counts[2], direction)
            promised = 0.0
            for i in range(n):
                if free[i] == 0.0 and gradient[i] != 0.0:
                    direction[i] = 0.0
                promised -= direction[i] * free[i]
            if promised <= 0.0:
                n_stored = 0
                for i in range(n):
                    direction[i] = -free[i]
            # Less than that to gain, and a line search would only meet rounding errors.
            is_last = n_stored > 0 and promised <= tolerance * cost
            if n_stored == 0:
                largest = 1e-300
                for i in range(n):
                    largest = max(largest, abs(direction[i]))
                shorter = min(1.0, settings[1] / largest)
                for i in range(n):
                    direction[i] *= shorter
            length = 1.0
        if not is_first:
            slope = 0.0
            for i in range(n):
                new_x[i] = min(max(x[i] + length * direction[i], lower[i]), upper[i])
                slope += gradient[i] * (new_x[i] - x[i])
        new_cost = _evaluate(
            rows, common, target, parameters, freedom, prior, middle, center, scales, new_x,
            new_gradient, weights, numbers, work, bits, sums,
        )  # fmt: skip
        n_trials += 1
        is_enough = new_cost <= cost + settings[3] * slope and slope < 0.0
        if not (is_enough or is_first):
            curvature = new_cost - cost - slope
            shrink = -0.5 * slope / curvature if curvature > 0.0 else 0.5
            length *= min(max(shrink, settings[4]), settings[5])
            if is_last or n_trials == counts[4]:
                n_trials = 0
                if is_last or n_stored == 0:
                    counts[5] = 1
                    break
                n_stored = 0
            continue
        curvature, squared = 0.0, 0.0
        for i in range(n):
            direction[i] = new_x[i] - x[i]
            free[i] = new_gradient[i] - gradient[i]
            curvature += direction[i] * free[i]
            squared += free[i] * free[i]
            x[i] = new_x[i]
            gradient[i] = new_gradient[i]
        if curvature > settings[2] * squared and not is_first:
            counts[2] = (counts[2] + 1) % n_pairs
            n_stored = min(n_stored + 1, n_pairs)
            for i in range(n):
                steps[counts[2], i] = direction[i]
                changes[counts[2], i] = free[i]
            curvatures[counts[2]] = curvature
        cost = new_cost
        past[n_costs % (window + 1)] = cost
        n_costs += 1
        is_first, n_trials = False, 0
        if n_costs > window and past[n_costs % (window + 1)] - cost <= tolerance * cost:
            counts[5] = 1
            break
    counts[1], counts[3] = n_stored, n_costs


@kernel(fastmath=True)
def climb(rows, weighted, center, lower, upper, tau2, most, least, weakest, points, policy=POLICY):
    """Let points (n, d) climb a residual by mean shift, for ``most`` steps or till they arrive.

    ``weighted`` (n_blocks, 2, size) float32 is the residual times the kernel's envelope; ``tau2``
    the kernel's inverse squared width. No step is longer than that width; a point whose step was
    shorter than ``least`` widths has arrived. Correlations count as no less than the share
    ``weakest`` of the largest.
    """
    n_points, d = points.shape
    n_blocks, _, size = weighted.shape
    phases, gradients = np.empty(size, np.float32), np.zeros((n_points, d))
    correlations, is_moving = np.empty(n_points), np.ones(n_points, np.bool_)
    for _ in range(most):
        floor = weakest * 1e-12
        for n in range(n_points):
            if is_moving[n]:
                total = _ZERO
                for i in range(d):
                    gradients[n, i] = 0.0
                for b in range(n_blocks):
                    for j in range(size):
                        phases[j] = _ZERO
                    for i in range(d):
                        x = np.float32(points[n, i] - center[i])
                        for j in range(size):
                            phases[j] += x * rows[b, i, j]
                    for j in range(size):
                        c, s = _cosine_sine(phases[j])
                        total += weighted[b, 0, j] * c + weighted[b, 1, j] * s
                        phases[j] = weighted[b, 1, j] * c - weighted[b, 0, j] * s
                    for i in range(d):
                        along = _ZERO
                        for j in range(size):
                            along += phases[j] * rows[b, i, j]
                        gradients[n, i] += along
                correlations[n] = total
            floor = max(floor, weakest * correlations[n])
        for n in range(n_points):
            if is_moving[n]:
                squared = 0.0
                for i in range(d):
                    gradients[n, i] *= _TURN / (tau2 * max(correlations[n], floor))
                    squared += tau2 * gradients[n, i] ** 2
                shorter = 1.0 / max(1.0, np.sqrt(squared))
                for i in range(d):
                    at = points[n, i] + shorter * gradients[n, i]
                    points[n, i] = min(max(at, lower[i]), upper[i])
                is_moving[n] = squared > least * least
