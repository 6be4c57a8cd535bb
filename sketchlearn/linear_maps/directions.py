"""Directions that frequencies point in."""

import numpy as np


def orthogonal_directions(d: int, m: int, rng: np.random.Generator) -> np.ndarray:
    """Draw unit columns (d, m), each uniform on the sphere, orthogonal within each d in a row.

    Orthogonality lowers the variance of what is estimated from a sketch (Yu, Suresh, Choromanski,
    Holtmann-Rice and Kumar, 2016, "Orthogonal random features", section 3).
    """
    blocks = []
    # Fewer columns than features take one thin factor; d x d ones would take most of the time.
    width = min(d, m)
    for _ in range(-(-m // d)):
        q, r = np.linalg.qr(rng.standard_normal((d, width)))
        # The signs make Q uniform over the orthogonal group, whatever LAPACK's convention.
        blocks.append(q * np.where(np.diag(r) < 0, -1.0, 1.0))
    return np.concatenate(blocks, axis=1)[:, :m]
