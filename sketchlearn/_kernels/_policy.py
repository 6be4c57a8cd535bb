"""The one place where the kernels' compilation flags and block sizes are chosen."""

from typing import Final

from llvmlite.binding import get_host_cpu_features

# Everything but "nnan" and "ninf": with those, `np.isnan` inside a kernel lies.
FASTMATH: Final = {"nsz", "arcp", "contract", "afn", "reassoc"}

# Features that are summed by themselves before they join a phase: a tile's worth of them stays in
# the first-level cache. Part of what a sketch's bits are: another value rounds otherwise.
FEATURE_CHUNK: Final = 128
# Rows of a block, whose int32 sums are exact up to 1,023 rows (see `sketching.py`), and
# frequencies whose phases are kept at a time: these phases stay in the second-level cache.
BLOCK: Final = 256
PANEL: Final = 96
# From this many features on, rows are copied before they are transposed.
STAGED_FEATURES: Final = 32


def _vector_registers() -> tuple[int, int]:
    """Bytes of a vector register, and how many of them of rows make a tile."""
    try:
        features = get_host_cpu_features()
    except RuntimeError:
        return 16, 4
    if features.get("avx512f"):
        return 64, 4
    if features.get("avx2"):
        return 32, 2
    return 16, 4


# A tile's sums fill the register file: 24 of 32 registers, or 12 of AVX2's 16.
TILE_FREQUENCIES: Final = 6
VECTOR_BYTES, TILE_VECTORS = _vector_registers()

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
