"""The one place where the kernels' compilation flags and block sizes are chosen."""

from typing import Final

# Everything but "nnan" and "ninf": with those, `np.isnan` inside a kernel lies.
FASTMATH: Final = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})

# Rows of a block of the fused kernel. The int32 sums of a block stay exact up to 1,023 rows
# (see `sketching.py`); these sizes keep a block of float32 columns in the first-level cache.
FUSED_BLOCK: Final = 512
FUSED_BLOCK_WIDE: Final = 256
FUSED_BLOCK_FEATURES: Final = 12

# Up to this many features the fused kernel beats a matrix product.
FUSED_MAX_FEATURES: Final = 16

# Rows of a block of the matrix-product path; a multiple of four, the kernel's unrolling.
PRODUCT_BLOCK: Final = 256
