"""The one place where the kernels' compilation flags and block sizes are chosen."""

from typing import Final

# Everything but "nnan" and "ninf": with those, `np.isnan` inside a kernel lies.
FASTMATH: Final = {"nsz", "arcp", "contract", "afn", "reassoc"}

# Rows of a block of the fused kernel. The int32 sums of a block stay exact up to 1,023 rows
# (see `sketching.py`); these sizes keep a block of float32 columns in the first-level cache.
FUSED_BLOCK: Final = 512
FUSED_BLOCK_WIDE: Final = 256
FUSED_BLOCK_FEATURES: Final = 12

# Up to this many features the fused kernel beats a matrix product.
FUSED_MAX_FEATURES: Final = 16

# Rows of a block of the matrix-product path; a multiple of four, the kernel's unrolling.
PRODUCT_BLOCK: Final = 256

# Minimax fits in u = r^2 over [0, 1/4] (Remez exchange): sin(pi r) / r with the error weighted by
# |r|, and cos(pi r); the largest errors are 3.4e-9 and 4.7e-8.
SINE: Final = (
    3.1415925800447386,
    -5.167706878927013,
    2.550031377289246,
    -0.5980451741682167,
    0.07722012903440595,
)
COSINE: Final = (
    0.9999999534666701,
    -4.9347928586756025,
    4.058411914173809,
    -1.33188016129198,
    0.2196967986903742,
)
