"""The two-loop recursion of L-BFGS (Nocedal and Wright 2006, algorithm 7.4)."""

from __future__ import annotations

import numpy as np

from sketchlearn._kernels._policy import POLICY, kernel


@kernel()
def lbfgs_direction(
    gradient, steps, changes, curvatures, n_stored, newest, direction, policy=POLICY
):
    """Fill ``direction = -H gradient`` from the stored pairs, a ring buffer ending at ``newest``.

    ``steps`` and ``changes`` are (memory, n); ``curvatures`` holds the products s.y, all positive.
    """
    memory, n = steps.shape
    shares = np.empty(memory)
    for i in range(n):
        direction[i] = -gradient[i]
    for back in range(n_stored):
        p = (newest - back) % memory
        share = 0.0
        for i in range(n):
            share += steps[p, i] * direction[i]
        share /= curvatures[p]
        shares[p] = share
        for i in range(n):
            direction[i] -= share * changes[p, i]
    if n_stored > 0:
        squared = 0.0
        for i in range(n):
            squared += changes[newest, i] * changes[newest, i]
        ratio = curvatures[newest] / squared
        for i in range(n):
            direction[i] *= ratio
    for back in range(n_stored - 1, -1, -1):
        p = (newest - back) % memory
        share = 0.0
        for i in range(n):
            share += changes[p, i] * direction[i]
        share = shares[p] - share / curvatures[p]
        for i in range(n):
            direction[i] += share * steps[p, i]
