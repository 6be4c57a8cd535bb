"""What the long benchmarks share: a log that survives interruption, and who measured what."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import scipy
import sklearn
from threadpoolctl import threadpool_limits

import sketchlearn

Record = dict[str, Any]
Group = TypeVar("Group")

ROOT = Path(__file__).parents[2]
START = time.monotonic()
# Of the package, what can change a decode.
DECIDING = ("_kernels", "atoms", "decoders", "frequencies", "linear_maps", "optim", "points",
            "sketching/pilot.py", "sketching/tuning.py", "sketches/calibration.py",
            "estimators/kmeans.py")  # fmt: skip


def library_digest(*beside: str) -> str:
    """Digest of what can change a decode: results of other code than this are not mixed in.

    Rooms and modules beside those that decide on decodes may be named.
    """
    digest = hashlib.blake2b(digest_size=6)
    package = Path(sketchlearn.__file__).parent
    for path in sorted(package.rglob("*.py")):
        if not path.relative_to(package).as_posix().startswith((*DECIDING, *beside)):
            continue
        digest.update(str(path.relative_to(package)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def read(path: Path) -> list[Record]:
    """Records of a log; a line that an interruption cut off is passed over."""
    records = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return records


def current(records: Iterable[Record], *names: str, code: str | None = None) -> list[Record]:
    """Return records that this source made or that do not depend on it, whose code is empty.

    Parameters
    ----------
    records : iterable of dict
        Those of a log.
    *names : str
        What tells runs apart: the newest record of each run stays. Without any, all stay.
    code : str, optional
        Digest of this source, by default `library_digest()`.
    """
    code = library_digest() if code is None else code
    mine = [one for one in records if one["code"] in ("", code)]
    if not names:
        return mine
    return list({tuple(one.get(name) for name in names): one for one in mine}.values())


def append(path: Path, record: Record) -> None:
    """Add one line; whole lines of several processes do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The newline comes first, so that what an interruption cut off stays a line of its own.
    line = "\n" + json.dumps(record)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def say(line: str) -> None:
    """Print a line with the minutes since the start."""
    print(f"{(time.monotonic() - START) / 60:6.1f} min  {line}", flush=True)


def work_through(
    work: Callable[[Group], None], groups: Sequence[Group], jobs: int, warm_up: Callable[[], None]
) -> None:
    """Do the groups one after the other, or in several processes; one BLAS thread each."""
    if not groups:
        return
    if jobs == 1:
        with threadpool_limits(1):
            warm_up()
            for i, group in enumerate(groups, start=1):
                work(group)
                say(f"{i} of {len(groups)} groups done")
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), _start, (warm_up,)) as pool:
        waiting = [pool.submit(work, group) for group in groups]
        for i, done in enumerate(as_completed(waiting), start=1):
            done.result()
            say(f"{i} of {len(groups)} groups done")


def _start(warm_up: Callable[[], None]) -> None:
    """Bound a worker's threads, and compile what is to be timed."""
    threadpool_limits(1)
    warm_up()


def measured_with(code: str | None = None) -> str:
    """Versions and machine, for below a heading; of this source, or of another digest."""
    return (
        f"sketchlearn {sketchlearn.__version__} (source {code or library_digest()}), "
        f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__};\n"
        f"{platform.machine()}, {os.cpu_count()} CPUs, one thread, other work running beside."
    )


def names(text: str, known: Iterable[str]) -> list[str]:
    """Those of the known names that contain one of the comma-separated parts, or all."""
    known = list(known)
    if text == "all":
        return known
    parts = [part.strip().lower() for part in text.split(",")]
    chosen = [name for name in known if any(part in name.lower() for part in parts)]
    if not chosen:
        raise SystemExit(f"expected parts of {', '.join(known)}; got {text!r}")
    return chosen
