"""Lloyd's iterations of k-means, on points in blocks that stay in the first level of cache."""

import numpy as np

from sketchlearn._kernels._policy import POLICY, kernel


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
                for j in range(size):
                    squares[j] = 0.0
                for i in range(0, d, 2):
                    at, beside = centroids[c, i], centroids[c, i + 1]
                    for j in range(size):
                        one, other = blocks[b, i, j] - at, blocks[b, i + 1, j] - beside
                        squares[j] += one * one + other * other
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
