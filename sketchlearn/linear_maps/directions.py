"""Directions that frequencies point in."""

import numpy as np

# Entries of the blocks of directions that are made orthogonal together.
BATCH_ENTRIES = 2**18


def orthogonal_directions(d: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit columns (d, m), each uniform on the sphere, orthogonal within each d in a row.

    Orthogonality lowers the variance of what is estimated from a sketch (Yu, Suresh, Choromanski,
    Holtmann-Rice and Kumar, 2016, "Orthogonal random features", section 3).
    """
    # Fewer columns than features take one thin factor; d x d ones would take most of the time.
    n_blocks, width = -(-m // d), min(d, m)
    directions = np.empty((d, n_blocks, width))
    step = max(1, BATCH_ENTRIES // (d * width))
    for start in range(0, n_blocks, step):
        size = min(step, n_blocks - start)
        q, r = np.linalg.qr(rng.standard_normal((size, d, width)))
        # The signs make Q uniform over the orthogonal group, whatever LAPACK's convention.
        signs = np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)
        directions[:, start : start + size] = np.moveaxis(q * signs[:, None], 0, 1)
    return directions.reshape(d, -1)[:, :m]
