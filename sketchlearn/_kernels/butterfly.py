"""Products of Kronecker-sparse factors times a batch of vectors.

A tile of vectors goes through all factors while it stays in the cache. Real parts lie apart
from imaginary ones, which is what lets the compiler vectorise over the tile. Nothing compiles with
fast-math, and nothing is fused: a vector's result is the same, bit for bit, in any batch and on any
CPU.

`table` has a row (a, b, c, d, offset) for each factor, the first to be applied first; the entry
(i, k, p, q) of a factor is ``values[offset + ((i d + k) b + p) c + q]``, and stands in row
``(i b + p) d + k`` and column ``(i c + q) d + k``. Vectors are columns: row ``source[j]`` of
`vectors` is read as row j, and row j is written as row ``target[j]`` of `out`.
"""

import numpy as np

from sketchlearn._kernels._policy import POLICY, kernel

# More vectors hide what a row's start costs; of complex ones, twice the numbers are at work.
REAL_TILE, COMPLEX_TILE = 64, 16


@kernel()
def apply_real(values, table, vectors, source, target, width, out, policy=POLICY):
    """Fill ``out = F_L ... F_1 vectors`` for real factors and vectors (n, k)."""
    n_vectors = vectors.shape[1]
    tile = max(1, min(REAL_TILE, n_vectors))
    now = np.empty((width, tile), dtype=values.dtype)
    then = np.empty((width, tile), dtype=values.dtype)
    for start in range(0, n_vectors, tile):
        size = min(tile, n_vectors - start)
        for j in range(source.size):
            for t in range(size):
                now[j, t] = vectors[source[j], start + t]
            for t in range(size, tile):
                now[j, t] = 0.0
        for factor in range(table.shape[0]):
            a, b, c, d, place = table[factor]
            for i in range(a):
                for k in range(d):
                    for p in range(b):
                        row = then[(i * b + p) * d + k]
                        x = values[place]
                        place += 1
                        read = now[i * c * d + k]
                        if c == 2:
                            y = values[place]
                            place += 1
                            other = now[(i * c + 1) * d + k]
                            if tile == REAL_TILE:
                                for t in range(REAL_TILE):
                                    row[t] = x * read[t] + y * other[t]
                            else:
                                for t in range(tile):
                                    row[t] = x * read[t] + y * other[t]
                            continue
                        for t in range(tile):
                            row[t] = x * read[t]
                        for q in range(1, c):
                            x = values[place]
                            place += 1
                            read = now[(i * c + q) * d + k]
                            for t in range(tile):
                                row[t] += x * read[t]
            now, then = then, now
        for j in range(target.size):
            for t in range(size):
                out[target[j], start + t] = now[j, t]


@kernel()
def apply_complex(values, table, vectors, source, target, width, out, policy=POLICY):
    """Fill ``out = F_L ... F_1 vectors`` for complex factors.

    `values` is (n_parameters, 2); `vectors` and `out` are (n, k, 2): real and imaginary parts.
    """
    n_vectors = vectors.shape[1]
    tile = max(1, min(COMPLEX_TILE, n_vectors))
    # A row holds the real parts of a tile, then the imaginary ones: with arrays of their own the
    # compiler would have more pointers to compare than it is willing to.
    now = np.empty((width, 2 * tile), dtype=values.dtype)
    then = np.empty((width, 2 * tile), dtype=values.dtype)
    for start in range(0, n_vectors, tile):
        size = min(tile, n_vectors - start)
        for j in range(source.size):
            for t in range(size):
                now[j, t] = vectors[source[j], start + t, 0]
                now[j, tile + t] = vectors[source[j], start + t, 1]
            for t in range(size, tile):
                now[j, t] = 0.0
                now[j, tile + t] = 0.0
        for factor in range(table.shape[0]):
            a, b, c, d, place = table[factor]
            for i in range(a):
                for k in range(d):
                    for p in range(b):
                        row = then[(i * b + p) * d + k]
                        x, y = values[place, 0], values[place, 1]
                        place += 1
                        read = now[i * c * d + k]
                        if c == 2:
                            u, v = values[place, 0], values[place, 1]
                            place += 1
                            other = now[(i * c + 1) * d + k]
                            if tile == COMPLEX_TILE:
                                for t in range(COMPLEX_TILE):
                                    re, im = read[t], read[COMPLEX_TILE + t]
                                    fe, fm = other[t], other[COMPLEX_TILE + t]
                                    row[t] = x * re - y * im + (u * fe - v * fm)
                                    row[COMPLEX_TILE + t] = x * im + y * re + (u * fm + v * fe)
                            else:
                                for t in range(tile):
                                    re, im = read[t], read[tile + t]
                                    fe, fm = other[t], other[tile + t]
                                    row[t] = x * re - y * im + (u * fe - v * fm)
                                    row[tile + t] = x * im + y * re + (u * fm + v * fe)
                            continue
                        for t in range(tile):
                            row[t] = x * read[t] - y * read[tile + t]
                            row[tile + t] = x * read[tile + t] + y * read[t]
                        for q in range(1, c):
                            x, y = values[place, 0], values[place, 1]
                            place += 1
                            read = now[(i * c + q) * d + k]
                            for t in range(tile):
                                row[t] += x * read[t] - y * read[tile + t]
                                row[tile + t] += x * read[tile + t] + y * read[t]
            now, then = then, now
        for j in range(target.size):
            for t in range(size):
                out[target[j], start + t, 0] = now[j, t]
                out[target[j], start + t, 1] = now[j, tile + t]
