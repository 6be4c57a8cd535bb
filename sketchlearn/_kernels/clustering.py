"""k-means on points in blocks that stay in the first level of cache: starts, and iterations."""

import numpy as np

from sketchlearn._kernels._policy import POLICY, helper, kernel


@helper(inline=True)
def _square_distances(block, centroid, squares):
    """Fill the squared distances of a block of points (d, size) to a centroid (d,)."""
    d, size = block.shape
    for j in range(size):
        squares[j] = 0.0
    for i in range(0, d, 2):
        at, beside = centroid[i], centroid[i + 1]
        for j in range(size):
            one, other = block[i, j] - at, block[i + 1, j] - beside
            squares[j] += one * one + other * other


@kernel(fastmath=True)
def draw_centroids(blocks, weights, uniform, centroids, policy=POLICY):
    """Fill centroids by greedy k-means++: the best of some candidates, again and again.

    A point is a candidate with probability proportional to its weight times its squared distance to
    the nearest centroid so far, the first one to its weight. The best leaves least of their sum.

    Source: Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007,
    section 2; greedy as in their section 7, and in scikit-learn.

    Parameters
    ----------
    blocks, weights : ndarrays
        As of `move_centroids`.
    uniform : ndarray of shape (1 + (k - 1) n_candidates,)
        Random numbers between 0 and 1, one for each candidate.
    centroids : ndarray of shape (k, d)
        To be filled.
    """
    n_blocks, _, size = blocks.shape
    k, n = len(centroids), n_blocks * size
    n_candidates = (len(uniform) - 1) // max(k - 1, 1)
    closest, tried, best = np.full(n, np.inf), np.empty(n), np.empty(n)
    sums = np.cumsum(weights)
    n_drawn = 0
    for c in range(k):
        least = np.inf
        for _ in range(n_candidates if c > 0 else 1):
            at = np.searchsorted(sums, uniform[n_drawn] * sums[n - 1], side="right")
            at = min(at, n - 1)
            n_drawn += 1
            left = 0.0
            for b in range(n_blocks):
                own = slice(b * size, (b + 1) * size)
                squares, known, weighted = tried[own], closest[own], weights[own]
                _square_distances(blocks[b], blocks[at // size, :, at % size], squares)
                for j in range(size):
                    squares[j] = min(squares[j], known[j])
                    left += weighted[j] * squares[j]
            if left < least:
                least = left
                centroids[c] = blocks[at // size, :, at % size]
                best[:] = tried
        closest[:] = best
        total = 0.0
        for j in range(n):
            total += weights[j] * closest[j]
            sums[j] = total


@kernel(fastmath=True)
def move_centroids(blocks, weights, tolerance, most, centroids, labels, closest, policy=POLICY):
    """Move centroids to the means of the points nearest to them, again and again.

    It ends after ``most`` moves, when no point changes its centroid, or when the squares of a move
    sum to ``tolerance`` at most. A centroid without weight moves to the point that is farthest from
    its own.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks, d, size)
        Points, a column a row, float64; d is even. Those that pad the last block weigh nothing.
    weights : ndarray of shape (n_blocks * size,)
        Of the points.
    tolerance, most : float and int
        See above.
    centroids : ndarray of shape (k, d)
        Where they start and end.
    labels : ndarray of shape (n_blocks * size,)
        int32, -1 on entry; the nearest centroid in the end, the first of several.
    closest : ndarray of shape (n_blocks * size,)
        Filled with the squared distances to it.
    """
    n_blocks, d, size = blocks.shape
    k = len(centroids)
    sums, totals, squares = np.zeros((k, d)), np.zeros(k), np.empty(size)
    nearest, own = np.empty(size), np.zeros(size, np.int32)
    # Of points with weight: whether a centroid has any is not to hang on rounding.
    counts = np.zeros(k, np.int64)
    moved = np.inf
    for n_moves in range(most + 1):
        n_changed = 0
        for b in range(n_blocks):
            for j in range(size):
                nearest[j] = np.inf
            for c in range(k):
                _square_distances(blocks[b], centroids[c], squares)
                for j in range(size):
                    own[j] = c if squares[j] < nearest[j] else own[j]
                    nearest[j] = min(squares[j], nearest[j])
            for j in range(size):
                at = b * size + j
                closest[at] = nearest[j]
                old, new = labels[at], own[j]
                if old == new:
                    continue
                n_changed += 1
                labels[at] = new
                totals[new] += weights[at]
                counts[new] += weights[at] > 0.0
                for i in range(d):
                    sums[new, i] += weights[at] * blocks[b, i, j]
                if old >= 0:
                    totals[old] -= weights[at]
                    counts[old] -= weights[at] > 0.0
                    for i in range(d):
                        sums[old, i] -= weights[at] * blocks[b, i, j]
        if n_moves == most or moved <= tolerance or n_changed == 0:
            break
        moved = 0.0
        for c in range(k):
            far = -1
            if counts[c] == 0:
                for j in range(n_blocks * size):
                    if weights[j] > 0.0 and (far < 0 or closest[j] > closest[far]):
                        far = j
                closest[far] = 0.0
            for i in range(d):
                goal = blocks[far // size, i, far % size] if far >= 0 else sums[c, i] / totals[c]
                moved += (goal - centroids[c, i]) ** 2
                centroids[c, i] = goal
