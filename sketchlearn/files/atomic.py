"""Files that are written wholly or not at all, and stay what they were but for their contents."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":  # There, a file that is open cannot be removed anyway.
    import fcntl


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file wholly or not at all; an OSError leaves what was there as it was.

    See `replace_when_done`.
    """
    with replace_when_done(path) as place, open(place, "wb") as file:
        file.write(data)


@contextmanager
def replace_when_done(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file beside a file, which takes its place if all goes well.

    Links are followed. An older file's permissions, owner and extended attributes are kept, as far
    as the system allows; one that may not be written is not replaced either. The contents are on
    the disk before the name is theirs, and the name before this returns. A temporary file that a
    killed process left behind is removed when the same file is written next. A device or a pipe is
    written to as it is: it cannot be replaced.

    Raises
    ------
    OSError
        If the file cannot be written or is read-only; what was there stays as it was.
    """
    target = Path(os.path.realpath(path))
    if _is_written_in_place(path, target):
        yield Path(path)
        return
    before = _describe_replaceable(target)
    _require_open_folder(target.parent)
    _remove_abandoned(target)
    temporary, descriptor = _create_temporary(target, 0o666 if before is None else 0o600)
    try:
        yield temporary
        os.fsync(descriptor)
        if before is not None:
            _keep_attributes(target, before, descriptor)
        if sys.platform == "win32":
            os.close(descriptor)
            descriptor = -1
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    _sync_folder(target.parent)


def require_replaceable(path: str | os.PathLike[str]) -> None:
    """Refuse, by an OSError, what `replace_when_done` could not write to, before any work."""
    target = Path(os.path.realpath(path))
    if _is_written_in_place(path, target):
        return
    _describe_replaceable(target)
    _require_open_folder(target.parent)


def _is_written_in_place(path: str | os.PathLike[str], target: Path) -> bool:
    """Whether there is something that no other file can replace, as a device or an open pipe."""
    try:
        # The real path of /dev/stdout may lead nowhere.
        return not stat.S_ISREG(os.stat(path).st_mode) or not os.path.samefile(path, target)
    except FileNotFoundError:
        return os.path.exists(path)


def _describe_replaceable(target: Path) -> os.stat_result | None:
    """Describe the file that is there, or None; refuse one that is read-only."""
    try:
        status = os.stat(target)
    except FileNotFoundError:
        return None
    # The mode is asked as well as the system, which allows everything to root.
    if not status.st_mode & 0o222 or not _may(target, os.W_OK):
        raise PermissionError(
            errno.EACCES, "the file is read-only and is not replaced", str(target)
        )
    return status


def _require_open_folder(folder: Path) -> None:
    """Refuse a folder that takes no new files."""
    if folder.is_dir() and not _may(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no file can be written in this folder", str(folder))


def _remove_abandoned(target: Path) -> None:
    """Remove temporary files of this target whose writers are gone: nobody holds their lock."""
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(target.parent) as entries:
        for name in [
            entry.name for entry in entries if entry.name.startswith(_name_prefix(target))
        ]:
            with suppress(OSError):
                descriptor = os.open(target.with_name(name), os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(target.with_name(name))
                finally:
                    os.close(descriptor)


def _create_temporary(target: Path, mode: int) -> tuple[Path, int]:
    """Create a temporary file beside a target, and lock it for as long as it is open."""
    while True:
        temporary = target.with_name(_name_prefix(target) + secrets.token_hex(8))
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(temporary, flags, mode)
        if sys.platform == "win32":
            return temporary, descriptor
        # Whoever looks for abandoned files may come between these lines, and hold the lock or have
        # removed the file: then another one is made.
        is_ours = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_ours = False
        except OSError:  # Some file systems have no locks.
            pass
        if is_ours and temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _name_prefix(target: Path) -> str:
    """How the names of a target's temporary files start; short, whatever the target's name."""
    digest = hashlib.blake2b(os.fsencode(target.name), digest_size=8).hexdigest()
    return f".sketchlearn-{digest}-"


def _keep_attributes(target: Path, before: os.stat_result, descriptor: int) -> None:
    """Return an open file the owner, extended attributes and permissions of another."""
    if sys.platform == "win32":
        return
    now = os.fstat(descriptor)
    for owner, group in ((before.st_uid, -1), (-1, before.st_gid)):
        if (owner, group) not in ((now.st_uid, -1), (-1, now.st_gid)):
            with suppress(OSError):  # Only root gives files away.
                os.fchown(descriptor, owner, group)
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(target):
                with suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(target, name))
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _may(path: Path, mode: int) -> bool:
    """Whether whoever this process acts for may do so, which need not be who started it."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
