"""Products of reflections, by sums in one order: on every machine the same bits."""

from __future__ import annotations

import numpy as np

from sketchlearn._kernels._policy import PANEL, POLICY, kernel


@kernel()
def multiply_reflections(normal, out, policy=POLICY):
    """Fill ``out`` (d, w), zeros, with the first w columns of a product of reflections.

    Row i of ``normal`` (w, d) is, from its entry i on, the vector x that reflection i maps onto
    axis i. Signs are such that column i is what the reflections before make of x over its length.
    No sum is reordered and no product fused: columns are what vector registers hold.
    """
    d, w = out.shape
    products = np.empty(PANEL)
    # Columns are independent of each other: so many at a time stay in the second-level cache.
    for start in range(0, w, PANEL):
        stop = min(start + PANEL, w)
        for i in range(stop - 1, -1, -1):
            square = 0.0
            for row in range(i, d):
                square += normal[i, row] * normal[i, row]
            length = np.sqrt(square)
            sign = 1.0 if normal[i, i] >= 0.0 else -1.0
            first = normal[i, i] + sign * length
            factor = 1.0 / (length * abs(first))
            left = max(i, start)
            if i >= start:
                out[i, i] = -sign
            n, line = stop - left, out[i, left:stop]
            for column in range(n):
                products[column] = first * line[column]
            for row in range(i + 1, d):
                entry, line = normal[i, row], out[row, left:stop]
                for column in range(n):
                    products[column] += entry * line[column]
            line = out[i, left:stop]
            for column in range(n):
                products[column] *= factor
                line[column] -= first * products[column]
            for row in range(i + 1, d):
                entry, line = normal[i, row], out[row, left:stop]
                for column in range(n):
                    line[column] -= entry * products[column]
