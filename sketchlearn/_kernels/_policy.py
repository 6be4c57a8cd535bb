"""The one place where the kernels' compilation flags and block sizes are chosen."""

import hashlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final

from llvmlite.binding import get_host_cpu_features

# Everything but "nnan" and "ninf": with those, `np.isnan` inside a kernel lies.
FASTMATH: Final = ("afn", "arcp", "contract", "nsz", "reassoc")

# Features that are summed by themselves before they join a phase: a tile's worth of them stays in
# the first-level cache. Part of what a sketch's bits are: another value rounds otherwise.
FEATURE_CHUNK: Final = 128
# Rows of a block, whose int32 sums are exact up to 1,023 rows (see `sketching.py`), and
# frequencies whose phases are kept at a time: these phases stay in the second-level cache.
BLOCK: Final = 256
PANEL: Final = 96
# What runs of rows of one group start at multiples of: whole vectors, whatever the processor.
RUN_ROWS: Final = 16
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


def _digest() -> int:
    """Digest of every constant above and of the kernels' source."""
    constants = {name: value for name, value in globals().items() if name.isupper()}
    digest = hashlib.blake2b(repr(sorted(constants.items())).encode(), digest_size=7)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest(), "little")


# What a compiled kernel depends on beside its arguments' types. Every kernel has it as the default
# of its last parameter, which nobody passes: a default is a type of its own to numba, and so this
# number is part of the key under which compiled code is found in the cache. Without it, code that
# was compiled for other constants, by another CPU or an earlier version, would be taken for this.
POLICY: Final = _digest()


# Held while a module's functions are replaced by what numba makes of them.
_lock = threading.Lock()


@final
class Deferred:
    """A function that numba takes over, with all of its module, when one of them is first called.

    Numba is slow to import, and most of what imports a kernel never calls it. In the module itself,
    and in those that it has functions from, the names then are those of numba's objects, which it
    finds when it compiles one that calls another.
    """

    def __init__(self, function: Callable[..., Any], take_over: Callable[..., Any]) -> None:
        self.__doc__, self._module = function.__doc__, function.__module__
        self._function, self._take_over = function, take_over
        self._taken: Any = None

    def __call__(self, *args: Any) -> Any:
        """Call the function, compiled."""
        return (self._taken or self.taken)(*args)

    @property
    def taken(self) -> Any:
        """What numba makes of it."""
        if self._taken is None:
            with _lock:
                _take_over(self._module)
        return self._taken


def _take_over(module: str) -> None:
    """Have numba take over a module's functions, and those of modules that it has some from."""
    names = vars(sys.modules[module])
    for name, value in list(names.items()):
        if isinstance(value, Deferred):
            if value._taken is None and value._module != module:
                _take_over(value._module)
            elif value._taken is None:
                value._taken = value._take_over(value._function)
            names[name] = value._taken


def kernel(*, fastmath: bool = False) -> Callable[[Callable[..., None]], Deferred]:
    """Return a decorator that compiles a kernel, with a cache on disk where one can be written."""
    options = {"nogil": True, "fastmath": set(FASTMATH) if fastmath else False}

    def compiled(function: Callable[..., None]) -> Any:
        from numba import njit

        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # No folder for a cache is writable.
            return njit(**options)(function)

    return lambda function: Deferred(function, compiled)


def helper(*, inline: bool = False) -> Callable[[Callable[..., Any]], Deferred]:
    """Return a decorator that compiles a function into the kernels that call it."""

    def compiled(function: Callable[..., Any]) -> Any:
        from numba import njit

        return njit(inline="always" if inline else "never")(function)

    return lambda function: Deferred(function, compiled)


def intrinsic(function: Callable[..., Any]) -> Deferred:
    """Have a function emit code into the kernels that call it, as numba's `intrinsic` does."""

    def compiled(function: Callable[..., Any]) -> Any:
        from numba.extending import intrinsic

        return intrinsic(function)

    return Deferred(function, compiled)


def require_compiler() -> None:
    """Refuse to go on where numba runs kernels as plain Python, which some of them are not.

    Raises
    ------
    RuntimeError
        If NUMBA_DISABLE_JIT is set.
    """
    from numba import config

    if config.DISABLE_JIT:
        raise RuntimeError(
            "sketching needs numba's compiler, which NUMBA_DISABLE_JIT switches off: unset it"
        )
